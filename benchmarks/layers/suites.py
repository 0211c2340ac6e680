"""What is measured: one function for each suite. Each prints its table while it goes and returns its results.

``ratio`` is torch's time over ours: above 1, ours is the faster. Run them with ``run.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from table import Table
from timing import measure, product_rate
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from work import Loop, check_agreement, inference, last_step_of, streaming, training

import recurra.nn

T = 100
VARIANTS: dict[str, dict[str, Any]] = {
    "peephole diagonal": {"peephole": "diagonal"},
    "coupled": {"coupled": True},
    **{name: {"gates": name} for name in ("NIG", "NFG", "NOG", "NIAF", "NOAF")},
    "peephole full": {"peephole": "full"},
    "candidate cell": {"candidate": "cell"},
    "FGR": {"gates": "FGR"},
    "layer_norm": {"layer_norm": True},
    "zoneout": {"zoneout": (0.1, 0.1)},
    "recurrent_dropout": {"recurrent_dropout": 0.2},
}


@dataclass(frozen=True)
class Choice:
    """Which cases run, and for how long."""

    budget: float
    """Seconds of each contestant in each case."""
    hidden: tuple[int, ...] | None = None
    """Only these hidden sizes."""
    batch: tuple[int, ...] | None = None
    """Only these batch sizes."""

    def cases(self, batches: Iterable[int], sizes: Iterable[int]) -> list[tuple[int, int]]:
        """Pairs ``(B, H)``: every batch size with every hidden size."""
        return self.of([(B, H) for H in sizes for B in batches])

    def of(self, cases: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
        """Those of the cases, which end with ``B, H``, that were asked for."""
        wanted = [case for case in cases if not self.batch or case[-2] in self.batch]
        return [case for case in wanted if not self.hidden or case[-1] in self.hidden]


def pair(cell: str, H: int, dtype: torch.dtype = torch.float32, **options: Any) -> tuple[nn.Module, nn.Module]:
    """Our layer and torch's, with the same weights."""
    torch.manual_seed(0)
    theirs = getattr(nn, cell)(H, H, dtype=dtype, **options)
    ours = getattr(recurra.nn, cell)(H, H, dtype=dtype, **options)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def beside_torch(ours: Callable[[], Tensor], theirs: Callable[[], Tensor], choice: Choice) -> tuple[float, ...]:
    """Milliseconds of ours and of torch's, and their ratio."""
    check_agreement(ours, theirs)
    seconds = measure({"recurra": ours, "torch": theirs}, choice.budget)
    return 1e3 * seconds["recurra"], 1e3 * seconds["torch"], seconds["torch"] / seconds["recurra"]


def sizes_training(choice: Choice) -> dict[str, Any]:
    """LSTM, forward and backward, over sizes; ``share`` is how much of the rate of a large product ours reaches.

    That rate is measured anew beside each case, as a shared machine is not always equally fast.
    """
    return _sizes("training", choice, passes=3)


def sizes_inference(choice: Choice) -> dict[str, Any]:
    """LSTM, forward alone in inference mode, over sizes."""
    with torch.inference_mode():
        return _sizes("inference", choice, passes=1)


def _sizes(what: str, choice: Choice, passes: int) -> dict[str, Any]:
    columns = ("B", "H", "recurra ms", "torch ms", "ratio", "product GFLOP/s", "share")
    table = Table(f"{what}: LSTM, T = {T}", *columns)
    for B, H in choice.cases((1, 8, 32, 128), (32, 64, 128, 256, 512, 1024)):
        rate = product_rate(choice.budget)
        layers = pair("LSTM", H)
        x, dy = torch.randn(2, T, B, H)
        works = [training(layer, x, dy) if passes == 3 else inference(layer, x) for layer in layers]
        ours, theirs, ratio = beside_torch(*works, choice)
        operations = passes * 2 * T * B * 4 * H * (H + H)  # of the products; the backward pass has twice the forward's
        table.add(B, H, ours, theirs, ratio, rate, operations / (1e6 * ours) / rate)
    return {"ratio": table.spread("ratio"), "rows": table.rows}


def last_step(choice: Choice) -> dict[str, Any]:
    """LSTM, forward and backward, with a loss on the last step only."""
    table = Table("last-step: LSTM, loss on the last step", "T", "B", "H", "recurra ms", "torch ms", "ratio")
    for steps, B, H in choice.of([(200, 32, 64), (784, 128, 128)]):
        x, dy = torch.randn(steps, B, H), torch.randn(B, H)
        works = [training(layer, x, dy, last_step_of(layer)) for layer in pair("LSTM", H)]
        table.add(steps, B, H, *beside_torch(*works, choice))
    return {"ratio": table.spread("ratio"), "rows": table.rows}


def padded(choice: Choice) -> dict[str, Any]:
    """LSTM over sequences of T/2 to T steps beside torch's packed ones; ``efficiency`` is against ours without lengths.

    It is 1 where a batch takes only the share of the time of a full batch that its real steps have in it.
    """
    columns = ("directions", "T", "B", "H", "recurra ms", "torch ms", "ratio", "dense ms", "real steps", "efficiency")
    table = Table("lengths: LSTM, training; torch with pack_padded_sequence", *columns)
    for steps, B, H in choice.of([(100, 32, 128), (400, 32, 64), (1000, 8, 64)]):
        lengths = torch.randint(steps // 2, steps + 1, (B,), generator=torch.Generator().manual_seed(0))
        lengths[0] = steps
        real = lengths.sum().item() / (B * steps)
        for directions in (1, 2):
            ours, theirs = pair("LSTM", H, bidirectional=directions == 2)
            x, dy = torch.randn(steps, B, H), torch.randn(steps, B, directions * H)
            works = {
                "recurra": training(ours, x, dy, lambda x, ours=ours, n=lengths: ours(x, lengths=n)[0]),
                "torch": training(theirs, x, dy, lambda x, theirs=theirs, n=lengths: _packed(theirs, x, n)),
                "dense": training(ours, x, dy),
            }
            check_agreement(works["recurra"], works["torch"])
            ms = {name: 1e3 * value for name, value in measure(works, choice.budget).items()}
            efficiency = ms["dense"] * real / ms["recurra"]
            ratio = ms["torch"] / ms["recurra"]
            table.add(directions, steps, B, H, ms["recurra"], ms["torch"], ratio, ms["dense"], real, efficiency)
    return {"ratio": table.spread("ratio"), "efficiency": table.spread("efficiency"), "rows": table.rows}


def _packed(layer: nn.Module, x: Tensor, lengths: Tensor) -> Tensor:
    return pad_packed_sequence(layer(pack_padded_sequence(x, lengths, enforce_sorted=False))[0])[0]


def gru(choice: Choice) -> dict[str, Any]:
    """GRU, forward and backward."""
    return _other_cell("gru", "GRU", choice)


def rnn(choice: Choice) -> dict[str, Any]:
    """The simple recurrent layer, forward and backward."""
    return _other_cell("rnn", "RNN", choice)


def _other_cell(name: str, cell: str, choice: Choice) -> dict[str, Any]:
    table = Table(f"{name}: {cell}, training, T = {T}", "B", "H", "recurra ms", "torch ms", "ratio")
    for B, H in choice.cases((1, 32), (32, 128, 256, 512)):
        x, dy = torch.randn(2, T, B, H)
        works = [training(layer, x, dy) for layer in pair(cell, H)]
        table.add(B, H, *beside_torch(*works, choice))
    return {"ratio": table.spread("ratio"), "rows": table.rows}


def variants(choice: Choice) -> dict[str, Any]:
    """Our LSTM's variants, forward and backward, beside our plain one, torch's projection and a plain Python loop.

    The GRU with its reset before the product is beside our GRU with its reset after it.
    """
    table = Table(f"variants: training, T = {T}", "B", "H", "variant          ", "ms", "times plain")
    for B, H in choice.of([(32, 128), (8, 64), (32, 256)]):
        x, dy = torch.randn(2, T, B, H)
        layers = {name: recurra.nn.LSTM(H, H, **options) for name, options in ({"plain": {}} | VARIANTS).items()}
        layers |= {"Python loop": Loop(H, H)}
        layers["Python loop"].load_state_dict(layers["plain"].state_dict())
        works = {name: training(layer, x, dy) for name, layer in layers.items()}
        projected = {"projection to H / 2": recurra.nn.LSTM, "torch's projection": nn.LSTM}
        for name, kind in projected.items():
            works[name] = training(kind(H, H, proj_size=H // 2), x, dy[..., : H // 2].contiguous())
        works |= {f"GRU, {reset}": training(recurra.nn.GRU(H, H, reset=reset), x, dy) for reset in ("after", "before")}
        check_agreement(works["plain"], works["Python loop"])
        seconds = measure(works, choice.budget)
        for name, value in seconds.items():
            plain = seconds["GRU, after" if name.startswith("GRU") else "plain"]
            table.add(B, H, name, 1e3 * value, value / plain)
    return {"rows": table.rows}


def steps(choice: Choice) -> dict[str, Any]:
    """One step of an LSTM at a time, one sequence, in inference mode, beside torch's LSTMCell."""
    table = Table("streaming: LSTM, one step, B = 1, inference", "H", "recurra us", "torch us", "ratio")
    for _, H in choice.cases((1,), (64, 128, 256, 512)):
        ours, cell = recurra.nn.LSTM(H, H).eval(), nn.LSTMCell(H, H).eval()
        ours.load_state_dict({name + "_l0": value for name, value in cell.state_dict().items()})
        with torch.inference_mode():
            x_t = torch.randn(1, H)
            works = {
                "recurra": streaming(lambda x, state, ours=ours: ours.step(x, state and state[1]), x_t),
                "torch": streaming(lambda x, state, cell=cell: cell(x, state), x_t),
            }
            check_agreement(lambda works=works: works["recurra"]()[0], lambda works=works: works["torch"]()[0])
            seconds = measure(works, choice.budget)
        table.add(H, 1e6 * seconds["recurra"], 1e6 * seconds["torch"], seconds["torch"] / seconds["recurra"])
    return {"ratio": table.spread("ratio"), "rows": table.rows}


def compressed(choice: Choice) -> dict[str, Any]:
    """One step of our LSTM at a time with weights stored in fewer bits, beside itself in full.

    They take turns after 50 steps each, so that each finds its own weights in the cache as a stream does.
    """
    table = Table("compressed: our LSTM, one step, B = 1, inference", "H", "weights ", "us", "times faster")
    for _, H in choice.cases((1,), (256, 512, 1024)):
        works: dict[str, Callable[[], Tensor]] = {}
        x_t = torch.randn(1, H)
        for storage in (None, "bfloat16", "int8"):
            layer = recurra.nn.LSTM(H, H).eval()
            layer.compress_steps(storage)
            step = streaming(lambda x, s, layer=layer: layer.step(x, s and s[1]), x_t)
            works[storage or "float32"] = lambda step=step: [step() for _ in range(50)][-1]
        with torch.inference_mode():
            seconds = measure(works, choice.budget)
        for name, value in seconds.items():
            table.add(H, name, 1e6 * value / 50, seconds["float32"] / value)
    return {"rows": table.rows}


def float64(choice: Choice) -> dict[str, Any]:
    """LSTM in float64, forward and backward."""
    table = Table(f"float64: LSTM, training, T = {T}", "B", "H", "recurra ms", "torch ms", "ratio")
    for B, H in choice.of([(1, 64), (32, 64), (32, 128), (32, 256)]):
        x, dy = torch.randn(2, T, B, H, dtype=torch.float64)
        works = [training(layer, x, dy) for layer in pair("LSTM", H, dtype=torch.float64)]
        table.add(B, H, *beside_torch(*works, choice))
    return {"ratio": table.spread("ratio"), "rows": table.rows}


SUITES: dict[str, Callable[[Choice], dict[str, Any]]] = {
    "training": sizes_training,
    "inference": sizes_inference,
    "last-step": last_step,
    "lengths": padded,
    "gru": gru,
    "rnn": rnn,
    "variants": variants,
    "streaming": steps,
    "compressed": compressed,
    "float64": float64,
}
