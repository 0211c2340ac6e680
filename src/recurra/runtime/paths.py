"""Paths of an exported autoregressive forecaster: each draw is read before the next step is drawn (Salinas 2020)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from recurra.runtime.pair import Array, Pair, states_of
from recurra.tasks.forecasting.drawing import DRAWS
from recurra.tasks.forecasting.fitted import FittedForecasting

Floats = NDArray[np.float64]
Windows = Mapping[str, Array]
"""The fields of a :class:`recurra.tasks.forecasting.cutting.Cut` of B windows, by name."""


class PathDrawer:
    """Draws paths in units of the window: the graph says the parameters of one step after the other."""

    def __init__(self, pair: Pair, task: FittedForecasting) -> None:
        self._pair, self._task = pair, task
        self._members, self._states = task.settings.members, states_of(pair)

    def draw(self, windows: Windows, random: Generator) -> Floats:
        """``[M, B, samples, H]`` of M members."""
        samples, horizon = self._task.settings.samples, self._task.settings.horizon
        said = {name: np.repeat(part, samples, axis=1) for name, part in self._read_context(windows).items()}
        wide = {name: np.repeat(part, samples, axis=0) for name, part in windows.items()}  # B becomes B samples
        path = [self._draw(said, wide, random)]
        for h in range(1, horizon):
            said = self._read_step(said, path[-1], wide, h)
            path.append(self._draw(said, wide, random))
        return np.stack(path, axis=-1).reshape(self._members, -1, samples, horizon)

    def _read_context(self, windows: Windows) -> dict[str, Array]:
        past, batch = windows["past"], len(windows["past"])
        shapes = {name: self._pair.inputs[name] for name in self._states}
        state = {name: np.zeros((rows, batch, width), np.float32) for name, (rows, _, width) in shapes.items()}
        pasts = np.broadcast_to(past, (self._members, *past.shape))
        return self._say({**windows, **state, "past": pasts}, 0)

    def _read_step(self, said: Mapping[str, Array], drawn: Floats, windows: Windows, h: int) -> dict[str, Array]:
        """Read what was drawn for step ``h - 1`` as each training window has it: how far from the usual, and known."""
        values = drawn - windows["base"][:, h - 1]
        read = {
            "past": np.stack([values, np.ones_like(values)], axis=-1)[:, :, None].astype(np.float32),  # [M, B, 1, 2]
            "lengths": np.ones_like(windows["lengths"]),
            "known": windows["ahead"][:, h - 1 : h],
        }
        if "ahead_codes" in windows:
            read["known_codes"] = windows["ahead_codes"][:, h - 1 : h]
        state = {name: said[f"next_{name}"] for name in self._states}
        return self._say({**windows, **state, **read}, h)

    def _say(self, inputs: Windows, h: int) -> dict[str, Array]:
        """What the graph says of step ``h``: the parameters, and the next state."""
        ahead = {name: inputs[name][:, h : h + 1] for name in ("ahead", "ahead_codes", "base") if name in inputs}
        given = {**inputs, **ahead}
        return self._pair.run({name: given[name] for name in self._pair.inputs})

    def _draw(self, said: Mapping[str, Array], windows: Windows, random: Generator) -> Floats:
        """``[M, B]`` one draw each; counts are brought into units of the window."""
        head = self._task.settings.head
        drawn = DRAWS[head](said["parameters"][:, :, 0], random)
        return (drawn - windows["anchor"][:, 0]) / windows["unit"][:, 0] if head == "negative-binomial" else drawn
