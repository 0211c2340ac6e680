"""Every op in every form, with random weights: what the tests of this folder run over."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from recurra.ops import (
    GRUOptions,
    GRUWeights,
    LSTMNoise,
    LSTMOptions,
    LSTMWeights,
    RNNOptions,
    RNNWeights,
    gru,
    lstm,
    rnn,
)
from recurra.types import State

LSTM_FORMS = {
    "plain": {},
    "peephole": {"peephole": "diagonal"},
    "full-peephole": {"peephole": "full"},
    "candidate": {"candidate": "cell"},
    "coupled": {"coupled": True},
    **{name: {"gates": name} for name in ("NIG", "NFG", "NOG", "NIAF", "NOAF", "FGR")},
    "layer-norm": {"layer_norm": True},
    "projection": {"proj_size": 2},
    "zoneout": {"zoneout": (0.3, 0.2)},
    "clip": {"cell_clip": 0.25},
    "coupled-peephole": {"coupled": True, "peephole": "diagonal"},
    "full-peephole-NFG": {"peephole": "full", "gates": "NFG"},
    "full-peephole-candidate": {"peephole": "full", "candidate": "cell"},
    "FGR-coupled-peephole": {"gates": "FGR", "coupled": True, "peephole": "diagonal"},
    "layer-norm-projection": {"layer_norm": True, "proj_size": 2, "peephole": "diagonal"},
    "candidate-NIAF": {"candidate": "cell", "gates": "NIAF"},
    "all-products": {"peephole": "full", "candidate": "cell", "gates": "FGR", "coupled": True},
    "all-products-layer-norm": {"peephole": "full", "gates": "FGR", "layer_norm": True, "proj_size": 2},
    "full-peephole-zoneout": {"peephole": "full", "zoneout": (0.3, 0.2), "cell_clip": 0.25},
}


@dataclass(frozen=True)
class Case:
    """An op, its options and the size of its problem; ``noise`` names the masks that are passed in."""

    op: str
    form: str
    options: Any
    noise: str | None = None
    bias: bool = True
    T: int = 5
    B: int = 4
    D: int = 3
    H: int = 4

    def __str__(self) -> str:
        return f"{self.op}-{self.form}" + ("" if self.bias else "-no-bias")

    @property
    def plain(self) -> bool:
        return self.options.plain and self.noise is None


def cases() -> list[Case]:
    lstms = [Case("lstm", form, LSTMOptions(**options)) for form, options in LSTM_FORMS.items()]
    lstms.append(Case("lstm", "zoneout-masks", LSTMOptions(zoneout=(0.3, 0.2)), noise="keep"))
    lstms.append(Case("lstm", "recurrent-dropout", LSTMOptions(recurrent_dropout=0.4), noise="drop"))
    lstms.append(Case("lstm", "full-peephole-masks", LSTMOptions(peephole="full", zoneout=(0.3, 0.2)), noise="keep"))
    grus = [Case("gru", reset, GRUOptions(reset=reset)) for reset in ("after", "before")]
    grus += [Case("gru", f"{c.form}-dropout", c.options, noise="drop") for c in grus]
    rnns = [Case("rnn", name, RNNOptions(nonlinearity=name)) for name in ("tanh", "relu")]
    rnns.append(Case("rnn", "tanh-dropout", RNNOptions(), noise="drop"))
    bare = [
        replace(c, bias=False)
        for c in lstms + grus + rnns
        if c.form in ("plain", "candidate", "after", "before", "tanh")
    ]
    return lstms + grus + rnns + bare


@dataclass
class Problem:
    """The tensors of a case. All of them may ask for gradients."""

    case: Case
    x: Tensor
    state: State
    weights: dict[str, Tensor]
    masks: dict[str, Tensor]

    def run(self, **arguments: Any) -> tuple[Tensor, Tensor | None, State]:
        """The op's h of all steps, c of all steps if asked for, and the final state."""
        case = self.case
        if case.op == "lstm":
            noise = LSTMNoise(**self.masks) if self.masks else None
            return lstm(self.x, self.state, LSTMWeights(**self.weights), case.options, noise=noise, **arguments)
        drop_h = self.masks.get("drop_h")
        if case.op == "gru":
            y, s = gru(self.x, self.state, GRUWeights(**self.weights), case.options, drop_h=drop_h, **arguments)
        else:
            y, s = rnn(self.x, self.state, RNNWeights(**self.weights), case.options, drop_h=drop_h, **arguments)
        return y, None, s

    def tensors(self) -> list[Tensor]:
        return [self.x, *self.state, *self.weights.values()]

    def replaced(self, tensors: list[Tensor] | tuple[Tensor, ...]) -> Problem:
        n = len(self.state)
        weights = dict(zip(self.weights, tensors[1 + n :], strict=True))
        return Problem(self.case, tensors[0], tuple(tensors[1 : 1 + n]), weights, self.masks)

    def to(self, dtype: torch.dtype, grad: bool = False) -> Problem:
        new = self.replaced([t.detach().to(dtype).requires_grad_(grad) for t in self.tensors()])
        return replace(new, masks={name: mask.to(dtype) for name, mask in self.masks.items()})


def problem(case: Case, seed: int = 0) -> Problem:
    """Random tensors in float64."""
    draw = torch.Generator().manual_seed(seed)
    T, B, D, H, o = case.T, case.B, case.D, case.H, case.options

    def normal(*shape: int) -> Tensor:
        return 0.6 * torch.randn(shape, generator=draw, dtype=torch.float64)

    sizes = o.state_sizes(H) if case.op == "lstm" else (H,)
    G = {"lstm": 4, "gru": 3, "rnn": 1}[case.op] * H if case.op != "lstm" else len(o.rows) * H
    shapes: dict[str, tuple[int, ...]] = {"input": (G, D), "recurrent": (G, sizes[0])}
    if case.bias:
        shapes |= {"bias_input": (G,), "bias_recurrent": (G,)}
    if case.op == "lstm":
        shapes |= _lstm_extras(o, G, H, case.bias)
    masks = {}
    if case.noise == "drop":
        masks = {"drop_h": torch.empty(B, sizes[0], dtype=torch.float64).bernoulli_(0.6, generator=draw) / 0.6}
    if case.noise == "keep":
        masks = {
            "keep_h": torch.empty(T, B, sizes[0], dtype=torch.float64).bernoulli_(0.3, generator=draw),
            "keep_c": torch.empty(T, B, H, dtype=torch.float64).bernoulli_(0.2, generator=draw),
        }
    weights = {name: normal(*shape) for name, shape in shapes.items()}
    return Problem(case, normal(T, B, D) * 2, tuple(normal(B, size) for size in sizes), weights, masks)


def _lstm_extras(o: LSTMOptions, G: int, H: int, bias: bool) -> dict[str, tuple[int, ...]]:
    K = len(o.gate_rows)
    extras: dict[str, tuple[int, ...]] = {}
    if o.proj_size:
        extras["projection"] = (o.proj_size, H)
    if o.peephole:
        extras["peephole"] = (G, H) if o.peephole == "full" else (K, H)
    if o.candidate:
        extras |= {"candidate": (H, H)} | ({"candidate_bias": (H,)} if bias else {})
    if o.gates == "FGR":
        extras["gate_recurrence"] = (K * H, K * H)
    if o.layer_norm:
        extras |= {"norm_input": (G,), "norm_recurrent": (G,), "norm_cell": (H,), "norm_cell_bias": (H,)}
    return extras


def weight_names(op: str) -> list[str]:
    kind = {"lstm": LSTMWeights, "gru": GRUWeights, "rnn": RNNWeights}[op]
    return [field.name for field in fields(kind)]
