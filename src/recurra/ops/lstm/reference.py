"""The LSTM as its papers print it, with every variant: the truth that all kernels must match."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import layer_norm, linear

from recurra.ops.lstm.options import GATES, LSTMOptions
from recurra.ops.lstm.weights import LSTMNoise, LSTMWeights
from recurra.ops.scan import scan
from recurra.types import State

__all__ = ["GATES", "loop", "project", "step"]


def split(a: Tensor, names: tuple[str, ...]) -> dict[str, Tensor]:
    """The parts of ``a`` under their names."""
    return dict(zip(names, a.chunk(len(names), dim=-1), strict=True))


def project(x: Tensor, weights: LSTMWeights, options: LSTMOptions) -> Tensor:
    """The pre-activations ``[T, B, G]`` of all steps: one matrix product, and both biases."""
    a = linear(x, weights.input)
    if options.layer_norm:
        a = layer_norm(a, a.shape[-1:], weights.norm_input)
    if weights.bias_input is not None and weights.bias_recurrent is not None:
        a = a + (weights.bias_input + weights.bias_recurrent)
    return a


def step(
    a: Tensor,
    state: State,
    weights: LSTMWeights,
    options: LSTMOptions,
    drop_h: Tensor | None = None,
    keep_h: Tensor | float = 0.0,
    keep_c: Tensor | float = 0.0,
) -> State:
    """One step from pre-activations ``a [B, G]``; the state is ``(h, c)``, and for FGR ``(h, c, last gates)``."""
    h, c = state[:2]
    s = split(a + _recurrent(h, weights, options, drop_h), options.rows)
    if options.gates == "FGR":
        assert weights.gate_recurrence is not None
        seen = split(linear(state[2], weights.gate_recurrence), options.gate_rows)
        s |= {k: s[k] + seen[k] for k in seen}

    i = _gate("i", s, c, weights, options)
    f = 1 - i if options.coupled else _gate("f", s, c, weights, options)
    g = _candidate(s, c, weights, options)
    new_c = f * c + i * g
    if options.cell_clip is not None:
        new_c = new_c.clamp(-options.cell_clip, options.cell_clip)
    o = _gate("o", s, new_c, weights, options)
    new_h = o * _squash(new_c, weights, options)
    if weights.projection is not None:
        new_h = linear(new_h, weights.projection)

    carry = (_zoneout(h, new_h, keep_h), _zoneout(c, new_c, keep_c))
    if options.gates == "FGR":
        opened = {"i": i, "f": f, "o": o}
        return (*carry, torch.cat([opened[k] for k in options.gate_rows], dim=-1))
    return carry


def loop(
    a: Tensor,
    state: State,
    weights: LSTMWeights,
    options: LSTMOptions,
    lengths: Tensor | None = None,
    noise: LSTMNoise | None = None,
) -> tuple[Tensor, Tensor, State]:
    """All steps of ``a [T, B, G]``: h ``[T, B, P]`` and c ``[T, B, H]`` of every step, and the final state."""
    noise = noise or LSTMNoise()
    z_h, z_c = options.zoneout
    # unbind, not a[t]: the gradient of T selections would write T tensors of the size of a.
    rows = a.unbind(0)

    def at(t: int, state: State) -> State:
        keep_h = z_h if noise.keep_h is None else noise.keep_h[t]
        keep_c = z_c if noise.keep_c is None else noise.keep_c[t]
        return step(rows[t], state, weights, options, noise.drop_h, keep_h, keep_c)

    (h, c), state = scan(at, len(a), state, lengths, collect=2)
    return h, c, state


def _recurrent(h: Tensor, weights: LSTMWeights, options: LSTMOptions, drop_h: Tensor | None) -> Tensor:
    u = linear(h if drop_h is None else h * drop_h, weights.recurrent)
    return layer_norm(u, u.shape[-1:], weights.norm_recurrent) if options.layer_norm else u


def _gate(k: str, s: dict[str, Tensor], cell: Tensor, weights: LSTMWeights, options: LSTMOptions) -> Tensor:
    if k not in s:
        return torch.ones_like(cell)
    return torch.sigmoid(s[k] + _peephole(k, cell, weights, options))


def _peephole(k: str, cell: Tensor, weights: LSTMWeights, options: LSTMOptions) -> Tensor | float:
    if weights.peephole is None or k not in options.peephole_rows:
        return 0.0
    p = split(weights.peephole.t(), options.peephole_rows)[k]  # [H, 1], or [H, H] for the full form
    return cell @ p if options.peephole == "full" else cell * p.squeeze(-1)


def _candidate(s: dict[str, Tensor], c: Tensor, weights: LSTMWeights, options: LSTMOptions) -> Tensor:
    if options.candidate == "cell":
        assert weights.candidate is not None
        a = linear(c, weights.candidate, weights.candidate_bias)
    else:
        a = s["g"] + _peephole("g", c, weights, options)
    return a if options.gates == "NIAF" else torch.tanh(a)


def _squash(c: Tensor, weights: LSTMWeights, options: LSTMOptions) -> Tensor:
    if options.layer_norm:
        c = layer_norm(c, c.shape[-1:], weights.norm_cell, weights.norm_cell_bias)
    return c if options.gates == "NOAF" else torch.tanh(c)


def _zoneout(old: Tensor, new: Tensor, keep: Tensor | float) -> Tensor:
    return new if isinstance(keep, float) and keep == 0.0 else keep * old + (1 - keep) * new
