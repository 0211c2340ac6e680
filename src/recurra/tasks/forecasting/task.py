"""The fitted forecasting task: settings, and all that was learned from the data except weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recurra.data.series import read_series
from recurra.data.series_set import SeriesSet
from recurra.data.tables import Source, Table
from recurra.errors import DataError
from recurra.losses import masked_mean
from recurra.ops.threads import threads, threads_for
from recurra.task import Scored, Split
from recurra.tasks.forecasting import replies, requests
from recurra.tasks.forecasting.choices import choose
from recurra.tasks.forecasting.embedding import Inputs
from recurra.tasks.forecasting.fitted import FittedForecasting
from recurra.tasks.forecasting.forecasts import Forecasts, Prediction
from recurra.tasks.forecasting.heads import Head, build_head
from recurra.tasks.forecasting.live import LiveForecaster
from recurra.tasks.forecasting.models import AutoregressiveForecaster, DirectForecaster, SegmentForecaster
from recurra.tasks.forecasting.origins import last_origins, training_origins
from recurra.tasks.forecasting.request_schema import request_schema
from recurra.tasks.forecasting.scores import Scores, score
from recurra.tasks.forecasting.settings import Forecasting
from recurra.tasks.forecasting.windows import Batch, Windows

if TYPE_CHECKING:
    from recurra.tasks.figures import EpochLine
    from recurra.tasks.sections import Findings

_CHUNK = 512  # windows forecast at once
_FEWEST_STEPS, _MOST_STEPS, _PASSES = 1000, 2000, 10
_MOST_VALIDATION = 1000  # windows


@dataclass(frozen=True)
class ForecastingTask(FittedForecasting):
    """How series are read, cut, forecast and scored.

    >>> from recurra import Forecasting
    >>> from recurra.data.tables import read_table
    >>> data = {"day": list(range(40)), "x": [float(i % 7) for i in range(40)]}
    >>> task, series = ForecastingTask.learn(Forecasting(time="day", target="x", horizon=3), read_table(data))
    >>> str(task.frequency), task.context
    ('step', 8)
    """

    name: ClassVar[str] = "forecasting"

    @classmethod
    def learn(cls, settings: Forecasting, table: Table) -> tuple[ForecastingTask, SeriesSet]:
        """Learn frequency, covariates and sizes from the training data; also those data, read."""
        series = read_series(table, settings.columns, settings.reading)
        choices = choose(settings, series)
        held_out = choices.validation + choices.test  # the scales of covariates must not know of them
        series = replace(series, covariates=series.drop_last(held_out).rescaled().covariates)
        return cls(settings, series.frequency, series.covariates, choices), series

    # The model

    def build_model(self) -> nn.ModuleList:
        """All members with fresh weights."""
        return nn.ModuleList(self._build_member() for _ in range(self.settings.members))

    def _build_member(self) -> nn.Module:
        settings, head = self.settings, self.head
        inputs = Inputs(*self.input_sizes)
        if settings.decoder == "direct":
            return DirectForecaster(inputs, settings.encoder, settings.horizon, head.size)
        if settings.decoder == "segments":
            segment = self.choices.segment
            return SegmentForecaster(inputs, settings.encoder, settings.horizon, segment, head.size)
        return AutoregressiveForecaster(inputs, settings.encoder, head.size)

    @property
    def head(self) -> Head:
        """What the model's numbers mean."""
        return build_head(self.settings)

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Mean loss over the known targets of a batch, a scalar."""
        return masked_mean(self.head.loss(model(batch), batch), ~torch.isnan(batch.target))

    # Training

    def split(self, series: SeriesSet) -> Split:
        """Hold out the end of each series for the score, and of long ones some before it for validation."""
        choices, horizon = self.choices, self.settings.horizon
        before_test = series.drop_last(choices.test)
        training = before_test.drop_last(choices.validation)
        refit = choices.test > 0 and choices.validation == 0 if self.settings.refit is None else self.settings.refit
        return Split(
            training=self._training_windows(training),
            validate=self._validation(before_test) if choices.validation >= horizon else None,
            score=partial(self._score, series=series) if choices.test >= horizon else None,
            everything=self._training_windows(series) if refit else None,
            description=self._describe(series),
            notices=series.notices,
        )

    @property
    def training_defaults(self) -> Mapping[str, Any]:
        """Windows per step and the highest learning rate that do well on most series."""
        return {"batch_size": 128, "learning_rate": 2e-3}

    def choose_steps(self, examples: int, batch_size: int) -> int:
        """Some passes over few windows, part of one over many."""
        return max(_FEWEST_STEPS, min(_PASSES * examples // batch_size, _MOST_STEPS))

    def _training_windows(self, series: SeriesSet) -> Windows:
        return Windows(self, series, *training_origins(series, self.choices.shortest, self.settings.horizon))

    def _validation(self, series: SeriesSet) -> Callable[[nn.Module], float]:
        """The mean loss over windows spread evenly over the end of each series."""
        first = np.maximum(series.observed - self.choices.validation, 0)
        owner, origin = training_origins(series, self.choices.shortest, self.settings.horizon, first)
        some = np.unique(np.linspace(0, len(owner) - 1, min(len(owner), _MOST_VALIDATION)).astype(np.int64))
        windows = Windows(self, series, owner[some], origin[some])
        chunks = torch.split(torch.arange(len(windows)), _CHUNK)
        batches = [windows.batch(chunk) for chunk in chunks]

        def validate(model: nn.Module) -> float:
            losses = [float(self.loss(model, batch)) * len(batch.target) for batch in batches]
            return sum(losses) / len(windows)

        return validate

    def _score(self, model: nn.ModuleList, series: SeriesSet) -> Scored:
        windows = self.choices.test // self.settings.horizon
        forecasts = self.backtest_series(model, series, windows, self.settings.horizon)
        scores = score(forecasts)
        return Scored(scores, (forecasts, scores))

    def findings(self, series: SeriesSet, scored: Scored | None, histories: Sequence[Sequence[EpochLine]]) -> Findings:
        """What the report says about the data, the training and the score."""
        from recurra.tasks.figures import training_section  # matplotlib is imported by what draws only
        from recurra.tasks.forecasting import sections
        from recurra.tasks.sections import Findings

        found = Findings("Nothing was held out, so there is no score.", "neutral", (), ())
        if scored:
            found = sections.findings(series, *scored.details)
        about = (training_section(*histories), sections.data_section(series))
        return replace(found, sections=(*found.sections, *about))

    def _describe(self, series: SeriesSet) -> str:
        """What was learned from the data, in a sentence."""
        choices, steps = self.choices, int(series.observed.sum())
        return (
            f"{len(series):,} series, {steps:,} steps of {self.frequency}; context {choices.context}, "
            f"season {choices.season if choices.season > 1 else 'none'}, "
            f"target {'as its logarithm' if choices.log else 'as it is'}; "
            f"held out at each end: {choices.validation} steps for validation, {choices.test} for the score"
        )

    # Requests

    @property
    def request_schema(self) -> dict[str, Any]:
        """Of an object with the columns of the training file."""
        return request_schema(self)

    def check(self, request: Any, longest: int) -> requests.Window:
        """The columns of one series."""
        return requests.check(self, request, longest)

    def check_array(self, array: NDArray[Any], named: Mapping[str, str], longest: int) -> requests.Window:
        """The targets ``[T]``, or ``[T + A, K + P + F]`` with covariates; ``named``: first time, series, static."""
        return requests.check_array(self, array, named, longest)

    def answer(self, model: nn.ModuleList, checked: Sequence[requests.Window]) -> list[NDArray[np.float64]]:
        """[H, 1 + Q] the point and the quantiles of each."""
        return replies.answer(self, model, checked)

    def tell(self, checked: requests.Window, numbers: NDArray[np.float64]) -> dict[str, Any]:
        """Times, point forecast and quantiles by name."""
        return replies.tell(self, checked, numbers)

    # Use

    def restore_scores(self, values: Mapping[str, Any]) -> Scores:
        """The scores that their ``to_dict`` made plain."""
        return Scores.from_dict(values)

    def predict(self, model: nn.ModuleList, data: Source) -> pl.DataFrame:
        """Forecast the H steps after the last target of each series, in long form.

        Columns: the series (if there is more than one), the time, ``point``, and one column per quantile level.
        """
        return self.tabulate(data, partial(self.forecast, model))

    def go_live(self, model: nn.ModuleList) -> LiveForecaster:
        """Begin a stream of rows of one series."""
        return LiveForecaster(self, model)

    def evaluate(self, model: nn.ModuleList, data: Source) -> Scores:
        """Score the model on all of ``data``: windows of H steps, one after the other."""
        series = self.read(data)
        windows = int(series.observed.max()) // self.settings.horizon
        return score(self.backtest_series(model, series, windows, self.settings.horizon))

    def backtest(self, model: nn.ModuleList, data: Source, windows: int, stride: int | None = None) -> Scores:
        """Score the model on the last ``windows`` windows of each series, ``stride`` steps apart (default: H)."""
        return score(self.backtest_series(model, self.read(data), windows, stride or self.settings.horizon))

    def backtest_series(self, model: nn.ModuleList, series: SeriesSet, windows: int, stride: int) -> Forecasts:
        """Forecast the last ``windows`` windows of each series as if their horizon had not been seen."""
        owner, origin = last_origins(series, windows, stride, self.settings.horizon, self.choices.shortest)
        prediction = self.forecast(model, series, owner, origin)
        return Forecasts.judge(prediction, series, origin, self.choices.seasons)

    @torch.inference_mode()
    def forecast(
        self, model: nn.ModuleList, series: SeriesSet, owner: NDArray[np.int64], origin: NDArray[np.int64]
    ) -> Prediction:
        """Forecast from the origins [W] of the series ``owner`` [W]; members are averaged."""
        windows = Windows(self, series, owner, origin)
        if not len(windows):
            raise DataError(series.table.source, "there must be a series to forecast, got none. Give more data.")
        chunks = torch.split(torch.arange(len(windows)), _CHUNK)
        operations = 8.0 * len(windows) * self.context * self.settings.encoder.hidden_size**2
        # What is drawn, is drawn the same every time.
        with threads(threads_for(operations)), torch.random.fork_rng([]):
            torch.default_generator.manual_seed(0)
            quantiles = torch.cat([self.quantiles(model, windows.batch(chunk)) for chunk in chunks])
        return self.interpret(series, owner, origin, quantiles.numpy())

    def quantiles(self, model: nn.ModuleList, batch: Batch) -> Tensor:
        """[B, H, Q] float64, of all levels or the point's, in the user's units; the mean over the members."""
        levels = self.levels or (0.5,)
        total = torch.zeros(*batch.base.shape, len(levels), dtype=torch.float64)
        for member in model:
            total += self._member_quantiles(member, batch, levels)
        values = total / len(model) * batch.unit[..., None] + batch.anchor[..., None]
        return values.exp() if self.log else values

    def _member_quantiles(self, member: nn.Module, batch: Batch, levels: tuple[float, ...]) -> Tensor:
        if not isinstance(member, AutoregressiveForecaster):
            return self.head.quantiles(member(batch), batch, levels)
        paths = member.paths(batch, self.head, self.settings.samples).double()  # [B, samples, H]
        return paths.quantile(torch.tensor(levels, dtype=torch.float64), dim=1).movedim(0, -1)
