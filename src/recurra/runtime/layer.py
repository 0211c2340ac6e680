"""An exported recurrent layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurra.errors import ShapeError
from recurra.runtime.pair import Pair

Floats = NDArray[np.float32]


class Layer:
    """Runs over sequences, and goes on from its state."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        self._parts = {name: shape for name, shape in pair.inputs.items() if name not in ("x", "lengths")}
        settings = pair.settings
        width = settings["options"].get("proj_size") or settings["hidden_size"]
        outputs = width * (2 if settings["bidirectional"] else 1)
        pair.require({"y": (np.float32, [*pair.inputs["x"][:2], outputs])}, list(self._parts))

    def run(
        self, x: Any, lengths: Sequence[int] | NDArray[np.int64] | None = None, state: Sequence[Any] | None = None
    ) -> tuple[Floats, tuple[Floats, ...]]:
        """The outputs and the final state, as the layer's own ``forward`` gives them, in arrays.

        Args:
            x: [T, B, D], or [B, T, D] of a layer with ``batch_first``.
            lengths: [B] real steps; None if all are.
            state: its parts ``[L, B, ·]``, such as ``(h, c)``; None for zeros.
        """
        x = np.asarray(x, np.float32)
        if x.ndim != 3:
            raise ShapeError("x", f"must be [{', '.join(map(str, self._pair.inputs['x']))}], got {list(x.shape)}.")
        first = bool(self._pair.settings["batch_first"])
        batch, steps = x.shape[:2] if first else (x.shape[1], x.shape[0])
        if state is None:
            state = [np.zeros((rows, batch, width)) for rows, _, width in self._parts.values()]
        before = [np.asarray(part, np.float32) for part in state]
        given = np.full(batch, steps) if lengths is None else np.asarray(lengths)
        inputs = {"x": x, "lengths": given.astype(np.int64), **dict(zip(self._parts, before, strict=True))}
        answers = self._pair.run(inputs)
        return answers["y"], tuple(answers[f"next_{name}"] for name in self._parts)
