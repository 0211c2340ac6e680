"""The forms of the LSTM that ONNX has no operator for, as a ``Scan`` whose body is the equations of the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from recurra.exporting.graph import Array, Graph, Value
from recurra.exporting.modules import to_array

if TYPE_CHECKING:
    from recurra.nn import LSTM
    from recurra.ops.lstm import LSTMOptions

State = tuple[Value, ...]
_EPSILON = 1e-5  # torch's, of layer norm


def lstm(
    graph: Graph, layer: LSTM, number: int, x: Value, lengths: Value | None, state: State | None
) -> tuple[Value, State]:
    """One layer over ``x [T, B, D]``: the outputs ``[T, B, O]`` and the state ``[directions, B, ·]``."""
    outputs, finals = [], []
    for direction, end in enumerate(("", "_reverse")[: 2 if layer.bidirectional else 1]):
        cell = _Cell(graph, layer, f"_l{number}{end}")
        before = cell.zeros(x) if state is None else tuple(part.take(direction, axis=0) for part in state)
        y, final = _run(graph, cell, x, lengths, before, backwards=bool(end))
        outputs.append(y)
        finals.append(tuple(part.unsqueeze(0) for part in final))
    return graph.concat(outputs, axis=-1), tuple(graph.concat(parts, axis=0) for parts in zip(*finals, strict=True))


def _run(
    graph: Graph, cell: _Cell, x: Value, lengths: Value | None, state: State, backwards: bool
) -> tuple[Value, State]:
    """All steps of one direction; the state of a sequence freezes after its last real one."""
    if lengths is None:
        lengths = graph.op("Expand", x.size(0), x.size(1))  # [B] all of T
    if backwards:
        x = _reverse(graph, x, lengths)
    real = (graph.steps(x.size(0)).unsqueeze(-1) < lengths).unsqueeze(-1)  # [T, B, 1]

    def step(before: State, at: tuple[Value, ...]) -> tuple[State, Value]:
        a, is_real = at
        now = cell.step(a, before)
        kept = tuple(graph.where(is_real, new, old) for new, old in zip(now, before, strict=True))
        return kept, graph.where(is_real, now[0], 0.0)

    y, final = graph.scan(step, state, (cell.project(x), real))
    return _reverse(graph, y, lengths) if backwards else y, final


def _reverse(graph: Graph, x: Value, lengths: Value) -> Value:
    """Each sequence of ``[T, B, ·]`` last step first; padding stays where it is."""
    return graph.op("ReverseSequence", x, lengths, time_axis=0, batch_axis=1)


class _Cell:
    """One layer in one direction: its weights in the graph, and one step."""

    def __init__(self, graph: Graph, layer: LSTM, suffix: str) -> None:
        self.graph, self.layer, self.suffix = graph, layer, suffix
        self.options: LSTMOptions = layer.options

    def project(self, x: Value) -> Value:
        """The pre-activations ``[T, B, G]`` of all steps, with both biases."""
        a = x @ self._matrix("weight_ih")
        if self.options.layer_norm:
            a = self._norm(a, "norm_ih")
        if self.layer.bias:
            a = a + self.graph.constant(self._array("bias_ih") + self._array("bias_hh"))
        return a

    def zeros(self, x: Value) -> State:
        """The state to begin with, ``[B, ·]``, for ``x [T, B, D]``."""
        sizes = self.options.state_sizes(self.layer.hidden_size)
        shapes = (self.graph.concat([x.size(1), self.graph.integers(size)], axis=0) for size in sizes)
        return tuple(self.graph.op("Expand", self.graph.constant(np.zeros(1, x.dtype)), shape) for shape in shapes)

    def step(self, a: Value, state: State) -> State:
        """One step from pre-activations ``a [B, G]``: the next state, ``(h, c)`` and for FGR the gates."""
        options, (h, c) = self.options, state[:2]
        s = self._split(a + self._recurrent(h), options.rows)
        if options.gates == "FGR":
            seen = self._split(state[2] @ self._matrix("gate_recurrence"), options.gate_rows)
            s |= {k: s[k] + seen[k] for k in seen}

        i = self._gate("i", s, c)
        f = 1 - i if options.coupled else self._gate("f", s, c)
        g = self._candidate(s, c)
        new_c = f * c + i * g
        if options.cell_clip is not None:
            bounds = (self.graph.constant(np.array(b, c.dtype)) for b in (-options.cell_clip, options.cell_clip))
            new_c = self.graph.op("Clip", new_c, *bounds)
        o = self._gate("o", s, new_c)
        new_h = o * self._squash(new_c)
        if options.proj_size:
            new_h = new_h @ self._matrix("weight_hr")

        z_h, z_c = options.zoneout
        carry = (_expected(h, new_h, z_h), _expected(c, new_c, z_c))
        if options.gates == "FGR":
            opened = {"i": i, "f": f, "o": o}
            return (*carry, self.graph.concat([opened[k] for k in options.gate_rows], axis=-1))
        return carry

    def _recurrent(self, h: Value) -> Value:
        u = h @ self._matrix("weight_hh")
        return self._norm(u, "norm_hh") if self.options.layer_norm else u

    def _gate(self, k: str, s: dict[str, Value], cell: Value) -> Value:
        if k not in s:
            return self.graph.constant(np.ones(1, cell.dtype))
        return self.graph.op("Sigmoid", self._with_peephole(k, s[k], cell))

    def _with_peephole(self, k: str, a: Value, cell: Value) -> Value:
        options = self.options
        if options.peephole is None or k not in options.peephole_rows:
            return a
        rows = np.split(self._array("peephole"), len(options.peephole_rows))
        p = dict(zip(options.peephole_rows, rows, strict=True))[k]  # [1, H], or [H, H] for the full form
        if options.peephole == "full":
            return a + cell @ self._transposed(p)
        return a + cell * self.graph.constant(p)

    def _candidate(self, s: dict[str, Value], c: Value) -> Value:
        if self.options.candidate == "cell":
            a = c @ self._matrix("candidate_weight")
            if self.layer.bias:
                a = a + self.graph.constant(self._array("candidate_bias"))
        else:
            a = self._with_peephole("g", s["g"], c)
        return a if self.options.gates == "NIAF" else self.graph.op("Tanh", a)

    def _squash(self, c: Value) -> Value:
        if self.options.layer_norm:
            c = self._norm(c, "norm_cell", "norm_cell_bias" if self.layer.bias else None)
        return c if self.options.gates == "NOAF" else self.graph.op("Tanh", c)

    def _norm(self, a: Value, gain: str, bias: str | None = None) -> Value:
        shift = None if bias is None else self.graph.constant(self._array(bias))
        return self.graph.op(
            "LayerNormalization", a, self.graph.constant(self._array(gain)), shift, axis=-1, epsilon=_EPSILON
        )

    def _split(self, a: Value, names: tuple[str, ...]) -> dict[str, Value]:
        return dict(zip(names, a.split([self.layer.hidden_size] * len(names), axis=-1), strict=True))

    def _array(self, name: str) -> Array:
        return to_array(getattr(self.layer, name + self.suffix))

    def _matrix(self, name: str) -> Value:
        return self._transposed(self._array(name))

    def _transposed(self, array: Array) -> Value:
        """A matrix to multiply rows with; its own rows are columns then."""
        return self.graph.weight(array.T, 1)


def _expected(old: Value, new: Value, keep: float) -> Value:
    """Zoneout's expectation: the old value stays with probability ``keep``."""
    return keep * old + (1 - keep) * new if keep else new
