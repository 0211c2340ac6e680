"""Random configurations of every compiled kernel against the reference in float64: values and all gradients.

    python benchmarks/faults/fuzz_kernels.py --count 2000 --seed 0

Sizes, lengths (0 among them), direction, threads, dtype, options, masks, missing biases, memory layouts of x, and which
tensors want a gradient are all drawn. The outputs' memory is filled with NaN before. A failure prints its seed; exit
code 1.
"""

from __future__ import annotations

import argparse
import random
from typing import Any

import torch
from torch import Tensor

from recurra.ops import GRUOptions, GRUWeights, LSTMNoise, LSTMOptions, LSTMWeights, RNNOptions, RNNWeights
from recurra.ops import gru as run_gru
from recurra.ops import lstm as run_lstm
from recurra.ops import rnn as run_rnn

BOUND = {torch.float64: 1e-11, torch.float32: 3e-5}  # of the largest value of a tensor


class Draw:
    """One random configuration, in float64."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.torch = torch.Generator().manual_seed(seed)
        pick = self.chance.choice
        self.op = pick(["lstm", "lstm", "gru", "rnn"])
        self.T, self.B = pick([1, 2, 3, 7, 20]), pick([1, 2, 3, 5, 8, 13, 30, 65])
        self.D, self.H = pick([1, 3, 16, 33, 70]), pick([1, 2, 5, 16, 17, 31, 64, 100])
        self.threads, self.dtype = pick([1, 2, 3]), pick([torch.float32, torch.float64])
        self.reverse = self.chance.random() < 0.4
        self.lengths = [self.chance.randint(0, self.T) for _ in range(self.B)] if self.chance.random() < 0.5 else None
        self.batch_first = self.chance.random() < 0.3
        self.options = {"lstm": self.lstm_options, "gru": self.gru_options, "rnn": self.rnn_options}[self.op]()
        self.G = len(self.options.rows) * self.H if self.op == "lstm" else {"gru": 3, "rnn": 1}[self.op] * self.H
        self.P = getattr(self.options, "proj_size", 0) or self.H
        self.masks = self.draw_masks()
        self.tensors = self.draw_tensors()
        self.wanted = [name for name in self.tensors if self.chance.random() < 0.8] or ["x"]

    def lstm_options(self) -> LSTMOptions:
        maybe = self.chance.random
        coupled = maybe() < 0.25
        gates = self.chance.choice([None, None, "NOG", "NIAF", "NOAF", "FGR", *([] if coupled else ["NIG", "NFG"])])
        return LSTMOptions(
            peephole=self.chance.choice([None, None, "diagonal", "diagonal", "full"]),
            candidate="cell" if maybe() < 0.2 else None,
            coupled=coupled,
            gates=gates,
            cell_clip=0.4 if maybe() < 0.25 else None,
            zoneout=(0.3 * (maybe() < 0.3), 0.2 * (maybe() < 0.3)),
            layer_norm=maybe() < 0.3,
            proj_size=self.chance.choice([0, 0, 0, 1, 16, 21]),
        )

    def gru_options(self) -> GRUOptions:
        return GRUOptions(reset=self.chance.choice(["after", "before"]))

    def rnn_options(self) -> RNNOptions:
        return RNNOptions(nonlinearity=self.chance.choice(["tanh", "relu"]))

    def normal(self, *shape: int, scale: float = 1.0) -> Tensor:
        return scale * torch.randn(shape, generator=self.torch, dtype=torch.float64)

    def draw_masks(self) -> dict[str, Tensor]:
        maybe = self.chance.random
        masks = {"drop_h": (self.normal(self.B, self.P) > -0.5).double() / 0.7} if maybe() < 0.3 else {}
        if self.op == "lstm" and any(self.options.zoneout) and maybe() < 0.5:
            sizes = zip(("keep_h", "keep_c"), (self.P, self.H), self.options.zoneout, strict=True)
            masks |= {name: (self.normal(self.T, self.B, n) > 0.5).double() for name, n, z in sizes if z}
        return masks

    def draw_tensors(self) -> dict[str, Tensor]:
        scale = self.P**-0.5
        tensors = {"x": self.normal(self.T, self.B, self.D), "h0": self.normal(self.B, self.P)}
        if self.op == "lstm":
            tensors["c0"] = self.normal(self.B, self.H)
            if self.options.gates == "FGR":
                tensors["gates0"] = self.normal(self.B, self.options.state_sizes(self.H)[2])
        tensors |= {"input": self.normal(self.G, self.D), "recurrent": self.normal(self.G, self.P, scale=scale)}
        if self.chance.random() < 0.7:
            tensors |= {"bias_input": self.normal(self.G), "bias_recurrent": self.normal(self.G)}
        if self.op == "lstm":
            tensors |= self.draw_products()
        if getattr(self.options, "proj_size", 0):
            tensors["projection"] = self.normal(self.P, self.H, scale=self.H**-0.5)
        if self.op == "lstm" and self.options.layer_norm:
            tensors |= {"norm_input": self.normal(self.G), "norm_recurrent": self.normal(self.G)}
            tensors["norm_cell"] = self.normal(self.H)
            if self.chance.random() < 0.7:
                tensors["norm_cell_bias"] = self.normal(self.H)
        return tensors

    def draw_products(self) -> dict[str, Tensor]:
        """The weights of the cell state and of the last gates."""
        options, H, K = self.options, self.H, len(self.options.gate_rows)
        # Without a bound on the candidate, a cell that feeds itself grows with every step, and every error with it.
        scale = (0.2 if options.gates == "NIAF" else 1.0) * H**-0.5
        tensors = {}
        if options.peephole == "diagonal":
            tensors["peephole"] = self.normal(K, H)
        if options.peephole == "full":
            tensors["peephole"] = self.normal(self.G, H, scale=scale)
        if options.candidate:
            tensors["candidate"] = self.normal(H, H, scale=scale)
            if self.chance.random() < 0.7:
                tensors["candidate_bias"] = self.normal(H)
        if options.gates == "FGR":
            tensors["gate_recurrence"] = self.normal(K * H, K * H, scale=(K * H) ** -0.5)
        return tensors

    def run(self, kernel: str, dtype: torch.dtype) -> dict[str, Tensor]:
        """Every output and every wanted gradient, under its name."""
        given = {name: value.to(dtype).requires_grad_(name in self.wanted) for name, value in self.tensors.items()}
        x = given["x"]
        if self.batch_first:
            x = x.transpose(0, 1).contiguous().transpose(0, 1)
        weights = {k: v for k, v in given.items() if k not in ("x", "h0", "c0", "gates0")}
        masks = {k: v.to(dtype) for k, v in self.masks.items()}
        shared: dict[str, Any] = {"lengths": self.lengths, "reverse": self.reverse, "kernel": kernel}
        outputs: dict[str, Tensor | None]
        if self.op == "lstm":
            noise = LSTMNoise(**masks) if masks else None
            state = tuple(given[name] for name in ("h0", "c0", "gates0") if name in given)
            y, cells, state = run_lstm(
                x, state, LSTMWeights(**weights), self.options, noise=noise, return_cells=True, **shared
            )
            outputs = {"y": y, "cells": cells} | dict(zip(("h", "c", "gates"), state, strict=False))
        else:
            call, kind = (run_gru, GRUWeights) if self.op == "gru" else (run_rnn, RNNWeights)
            y, (h,) = call(x, (given["h0"],), kind(**weights), self.options, drop_h=masks.get("drop_h"), **shared)
            outputs = {"y": y, "h": h}
        loss = sum((o * torch.linspace(0.5, 1.5, o.numel(), dtype=dtype).view(o.shape)).sum() for o in outputs.values())
        gradients = torch.autograd.grad(loss, [given[name] for name in self.wanted], allow_unused=True)
        found = {name: value.detach() for name, value in outputs.items()}
        return found | {f"d{n}": g for n, g in zip(self.wanted, gradients, strict=True) if g is not None}


def check(seed: int) -> str | None:
    """What is wrong with the configuration of this seed, or None."""
    draw = Draw(seed)
    truth = draw.run("reference", torch.float64)
    torch.set_num_threads(draw.threads)
    got = draw.run("cpu", draw.dtype)
    torch.set_num_threads(1)
    # Layer norm divides by a standard deviation, and what was rounded grows with it.
    bound = BOUND[draw.dtype] * (10 if getattr(draw.options, "layer_norm", False) else 1)
    worst = {name: error for name, want in truth.items() if not (error := off(got[name], want)) <= bound}
    if worst:  # some forms, such as the unbounded NIAF, are sensitive in themselves: then the reference is off as well
        same = draw.run("reference", draw.dtype)
        worst = {name: error for name, error in worst.items() if not error <= 4 * off(same[name], truth[name])}
    if not worst:
        return None
    what = f"{draw.op} {draw.options} {draw.dtype} T={draw.T} B={draw.B} D={draw.D} H={draw.H}"
    return f"seed {seed}: {', '.join(f'{name} is off by {error:.1e}' for name, error in worst.items())}: {what}"


def off(got: Tensor, want: Tensor) -> float:
    """The largest error, in units of the largest value or of 1."""
    return float((got.double() - want).abs().max() / want.abs().max().clamp_min(1.0))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.use_deterministic_algorithms(True)  # which also fills fresh memory with NaN
    torch.set_num_threads(1)
    failures = [f for seed in range(arguments.seed, arguments.seed + arguments.count) if (f := check(seed))]
    print(*failures, f"{arguments.count} configurations, {len(failures)} failures", sep="\n")
    return bool(failures)


if __name__ == "__main__":
    raise SystemExit(main())
