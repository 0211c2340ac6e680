"""A real task with our layers and with torch's: two bidirectional LSTM layers, dropout between, texts of any length.

    python benchmarks/classification/two_layers.py --threads 2 --steps 300 --keep

The classifier of `recurra train classification` on film reviews (sentence_polarity, its training part alone), once as
it is and once with `torch.nn.LSTM` over packed sequences in the place of `recurra.nn.LSTM`: the same weights, the same
batches in the same order; the two take turns step by step. Without dropout the two loss curves must be the same
numbers; with dropout the masks differ, as torch draws its own for packed steps only, and the curves are compared in
the mean.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from typing import Any

import torch
from datasets import sentence_polarity
from record import keep
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import recurra
from recurra.data.tables import read_table
from recurra.settings import Encoder


class Packed(nn.Module):
    """torch's LSTM with the arguments and results of ours."""

    def __init__(self, ours: recurra.nn.LSTM) -> None:
        super().__init__()
        H, layers = ours.hidden_size, ours.num_layers
        self.lstm = nn.LSTM(ours.input_size, H, layers, dropout=ours.dropout, bidirectional=True, batch_first=True)
        self.lstm.load_state_dict(ours.state_dict())
        self.bidirectional, self.output_size = True, 2 * H

    def forward(self, values: Tensor, state: Any, lengths: Tensor) -> tuple[Tensor, Any]:
        packed = pack_padded_sequence(values, lengths, batch_first=True, enforce_sorted=False)
        y, final = self.lstm(packed, state)
        return pad_packed_sequence(y, batch_first=True, total_length=values.shape[1])[0], final


def train(task: Any, examples: Any, steps: int) -> dict[str, dict[str, list[float]]]:
    """The loss and the seconds of every step, of both."""
    torch.manual_seed(0)
    ours = task.build_model()[0]
    theirs = copy.deepcopy(ours)
    theirs.encoder.layer = Packed(ours.encoder.layer)
    sides = {"recurra": ours, "torch": theirs}
    optimizers = {name: torch.optim.Adam(model.parameters(), lr=1e-3) for name, model in sides.items()}
    found: dict[str, dict[str, list[float]]] = {name: {"loss": [], "seconds": []} for name in sides}
    order = torch.Generator().manual_seed(1)
    for step in range(steps):
        batch = examples.batch(torch.randint(len(examples), (32,), generator=order))
        for name, model in sides.items():
            torch.manual_seed(step)
            begin = time.perf_counter()
            optimizers[name].zero_grad()
            loss = task.loss(model, batch)
            loss.backward()
            optimizers[name].step()
            found[name]["seconds"].append(time.perf_counter() - begin)
            found[name]["loss"].append(loss.item())
    return found


def compare(dropout: float, steps: int) -> dict[str, Any]:
    encoder = Encoder(hidden_size=128, layers=2, bidirectional=True, dropout=dropout)
    given: dict[str, Any] = {} if dropout else {"embedding_dropout": 0.0, "symbol_dropout": 0.0}
    settings = recurra.Classification(text="text", label="label", encoder=encoder, **given)
    task, data = settings.learn(read_table(sentence_polarity()[0]))
    found = train(task, task.split(data).training, steps)
    loss = {name: values["loss"] for name, values in found.items()}
    differences = [abs(a - b) for a, b in zip(loss["recurra"], loss["torch"], strict=True)]
    medians = {name: 1e3 * statistics.median(values["seconds"][5:]) for name, values in found.items()}
    result = {
        "dropout": dropout,
        "steps": steps,
        "ms per step": medians,
        "ratio": medians["torch"] / medians["recurra"],
        "largest difference of the loss in the first 100 steps": max(differences[:100]),
        "mean loss of the last 50 steps": {name: statistics.fmean(values[-50:]) for name, values in loss.items()},
    }
    print(*(f"{name}: {value}" for name, value in result.items()), "", sep="\n", flush=True)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--keep", action="store_true", help="write results/two-layers.json")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    results = {name: compare(dropout, arguments.steps) for name, dropout in (("without", 0.0), ("with", 0.3))}
    if arguments.keep:
        keep("two-layers", results)


if __name__ == "__main__":
    main()
