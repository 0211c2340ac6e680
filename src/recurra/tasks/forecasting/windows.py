"""Windows as tensors: what the model learns from and is asked about."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recurra.data.series_set import SeriesSet
from recurra.tasks.forecasting.cutting import Cut, Cutter
from recurra.tasks.forecasting.fitted import FittedForecasting


@dataclass(frozen=True, eq=False)
class Batch:
    """B windows, ready for the model: the arrays of a :class:`Cut`, which says what they are, as tensors."""

    past: Tensor  # [B, C, 2 + P]
    known: Tensor  # [B, C, E]
    ahead: Tensor  # [B, H, E]
    lengths: Tensor | None  # [B] real steps of the context; None if all are C
    static: Tensor  # [B, K]
    codes: dict[str, Tensor]  # past and known [B, C, ·], ahead [B, H, ·], static [B, ·], where there are any
    base: Tensor  # [B, H]
    target: Tensor  # [B, H]
    weight: Tensor  # [B, 1]
    anchor: Tensor  # [B, 1] float64
    unit: Tensor  # [B, 1] float64

    @classmethod
    def of(cls, cut: Cut) -> Batch:
        """The same windows, nothing is copied."""
        values: dict[str, Any] = {field.name: _tensors(getattr(cut, field.name)) for field in fields(cls)}
        if bool((cut.lengths == cut.past.shape[1]).all()):
            values["lengths"] = None
        return cls(**values)

    def repeat(self, times: int) -> Batch:
        """Each window ``times`` times, one copy after the other."""
        return Batch(**{field.name: _repeat(getattr(self, field.name), times) for field in fields(self)})


class Windows:
    """Windows of a :class:`SeriesSet`: the task's :class:`~recurra.task.Examples`.

    Args:
        task: the fitted task: context, horizon, season, transform, covariates.
        series: where to cut from.
        owner: [W] the series of each window.
        origin: [W] its first forecast step, counted from the start of the series; may lie at the end of the data.
    """

    def __init__(
        self, task: FittedForecasting, series: SeriesSet, owner: NDArray[np.int64], origin: NDArray[np.int64]
    ) -> None:
        self.task, self.series, self.owner, self.origin = task, series, owner, origin
        self._cutter = Cutter(task, series, owner, origin)

    def __len__(self) -> int:
        return len(self._cutter)

    def name(self, index: int) -> str:
        """Name a window by its series and the rows of the data that its context and horizon are made of."""
        series, origin = int(self.owner[index]), int(self.origin[index])
        start, end = (int(self.series.starts[series + i]) for i in (0, 1))
        first = start + max(0, origin - self.task.context)
        last = min(start + origin + self.task.settings.horizon, end) - 1
        return f"series {self.series.names[series]!r}, {self.series.step_name(first)} to {self.series.step_name(last)}"

    @property
    def lengths(self) -> None:
        """All windows are alike, or nearly so."""

    def batch(self, index: Tensor) -> Batch:
        """Cut the windows ``index`` [B]."""
        return Batch.of(self._cutter.cut(index.numpy()))


def _tensors(value: Any) -> Any:
    """Arrays as tensors, also within a dict."""
    return {k: torch.from_numpy(v) for k, v in value.items()} if isinstance(value, dict) else torch.from_numpy(value)


def _repeat(value: Any, times: int) -> Any:
    """Repeat a tensor along its first axis, also within a dict."""
    if isinstance(value, dict):
        return {name: _repeat(inner, times) for name, inner in value.items()}
    return None if value is None else value.repeat_interleave(times, dim=0)
