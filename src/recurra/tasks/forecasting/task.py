"""The fitted forecasting task: settings, and all that was learned from the data except weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recurra.data.covariates import Covariate
from recurra.data.frequency import Frequency
from recurra.data.grid import list_names
from recurra.data.series import read_series
from recurra.data.series_set import SeriesSet
from recurra.data.tables import Source, Table, read_table
from recurra.errors import DataError
from recurra.losses import masked_mean
from recurra.ops.threads import threads, threads_for
from recurra.settings import from_dict, to_dict
from recurra.task import Scored, Split
from recurra.tasks.forecasting import replies, requests
from recurra.tasks.forecasting.choices import Choices, choose
from recurra.tasks.forecasting.embedding import Inputs
from recurra.tasks.forecasting.forecasts import Forecasts, Prediction
from recurra.tasks.forecasting.heads import Head, build_head
from recurra.tasks.forecasting.live import LiveForecaster
from recurra.tasks.forecasting.models import AutoregressiveForecaster, DirectForecaster, SegmentForecaster
from recurra.tasks.forecasting.request_schema import request_schema
from recurra.tasks.forecasting.scores import Scores, score
from recurra.tasks.forecasting.settings import Forecasting
from recurra.tasks.forecasting.windows import SEASONAL, Batch, Windows, extend_future, last_origins, training_origins

if TYPE_CHECKING:
    from recurra.tasks.figures import EpochLine
    from recurra.tasks.sections import Findings

_CHUNK = 512  # windows forecast at once
_FEWEST_STEPS, _MOST_STEPS, _PASSES = 1000, 2000, 10
_MOST_VALIDATION = 1000  # windows


@dataclass(frozen=True)
class ForecastingTask:
    """How series are read, cut, forecast and scored.

    >>> from recurra import Forecasting
    >>> data = {"day": list(range(40)), "x": [float(i % 7) for i in range(40)]}
    >>> task, series = ForecastingTask.learn(Forecasting(time="day", target="x", horizon=3), read_table(data))
    >>> str(task.frequency), task.context
    ('step', 8)
    """

    name: ClassVar[str] = "forecasting"

    settings: Forecasting
    frequency: Frequency
    covariates: Mapping[str, tuple[Covariate, ...]]
    choices: Choices
    """What the settings left open, chosen from the data."""

    @classmethod
    def learn(cls, settings: Forecasting, table: Table) -> tuple[ForecastingTask, SeriesSet]:
        """Learn frequency, covariates and sizes from the training data; also those data, read."""
        series = read_series(table, settings.columns, settings.reading)
        choices = choose(settings, series)
        held_out = choices.validation + choices.test  # the scales of covariates must not know of them
        series = replace(series, covariates=series.drop_last(held_out).rescaled().covariates)
        return cls(settings, series.frequency, series.covariates, choices), series

    @property
    def context(self) -> int:
        """C, the steps of the past that the model reads."""
        return self.choices.context

    @property
    def season(self) -> int:
        """Steps of the season whose profile the model is given; 1 for none."""
        return self.choices.season

    @property
    def log(self) -> bool:
        """Whether the logarithm of the target is forecast."""
        return self.choices.log

    def to_dict(self) -> dict[str, Any]:
        """All of the task as plain JSON values."""
        return {
            "settings": to_dict(self.settings),
            "frequency": str(self.frequency),
            "covariates": {role: [asdict(one) for one in some] for role, some in self.covariates.items()},
            "choices": asdict(self.choices),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ForecastingTask:
        """The task that :meth:`to_dict` made plain."""
        return cls(
            settings=from_dict(Forecasting, values["settings"]),
            frequency=Frequency.parse(values["frequency"]),
            covariates={
                role: tuple(Covariate.from_dict(one) for one in some) for role, some in values["covariates"].items()
            },
            choices=Choices.from_dict(values["choices"]),
        )

    # Reading

    def read(self, data: Source) -> SeriesSet:
        """The series of new data, with the frequency and the covariates that were learned."""
        table = read_table(data)
        return read_series(
            table, self.settings.columns, self.settings.reading, covariates=self.covariates, frequency=self.frequency
        )

    def transform(self, series: SeriesSet) -> NDArray[np.float64]:
        """[N] what is forecast instead of the target: its logarithm, or itself."""
        if not self.log:
            return series.target
        bad = np.flatnonzero(series.target <= 0)
        if len(bad):
            raise DataError(
                f"{series.table.source}, {series.step_name(int(bad[0]))}",
                f"this forecaster learned from positive targets only and forecasts their logarithm, "
                f"{series.target[bad[0]]:g} came. Train again with transform 'none' if such values are right.",
            )
        return np.log(series.target)

    def identify(self, names: tuple[str, ...]) -> NDArray[np.int64]:
        """[S, 1] the code of each series that was learned by name, 0 for others; [S, 0] if none was."""
        if not self.choices.identities:
            return np.zeros((len(names), 0), dtype=np.int64)
        codes = {name: code for code, name in enumerate(self.choices.identities, start=1)}
        return np.array([[codes.get(name, 0)] for name in names], dtype=np.int64)

    # The model

    def build_model(self) -> nn.ModuleList:
        """All members with fresh weights."""
        return nn.ModuleList(self._build_member() for _ in range(self.settings.members))

    def _build_member(self) -> nn.Module:
        settings, head = self.settings, self.head
        inputs = Inputs(*self._input_sizes())
        if settings.decoder == "direct":
            return DirectForecaster(inputs, settings.encoder, settings.horizon, head.size)
        if settings.decoder == "segments":
            segment = self.choices.segment
            return SegmentForecaster(inputs, settings.encoder, settings.horizon, segment, head.size)
        return AutoregressiveForecaster(inputs, settings.encoder, head.size)

    def _input_sizes(self) -> tuple[dict[str, int], dict[str, list[int]]]:
        def numeric(role: str) -> int:
            return sum(c.kind == "numeric" for c in self.covariates[role])

        def categories(role: str) -> list[int]:
            return [len(c.categories) for c in self.covariates[role] if c.kind == "categorical"]

        names = [len(self.choices.identities)] if self.choices.identities else []
        known = SEASONAL + len(self.choices.calendar) + numeric("future")
        numbers = {"past": 2 + numeric("past"), "known": known}
        return (
            {**numbers, "static": numeric("static")},
            {"past": categories("past"), "known": categories("future"), "static": categories("static") + names},
        )

    @property
    def head(self) -> Head:
        """What the model's numbers mean."""
        return build_head(self.settings)

    @property
    def levels(self) -> tuple[float, ...]:
        """The Q levels of forecast quantiles; none with the point head."""
        return () if self.settings.head == "point" else self.settings.levels

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
        series = self.read(data)
        series.require_future(self.settings.horizon)
        self._require_context(series)
        series = extend_future(series, self.settings.horizon)
        prediction = self.forecast(model, series, np.arange(len(series)), series.observed)
        return prediction.frame(self.settings.time, self.settings.series or "series")

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
        levels = self.levels or (0.5,)
        chunks = torch.split(torch.arange(len(windows)), _CHUNK)
        operations = 8.0 * len(windows) * self.context * self.settings.encoder.hidden_size**2
        # What is drawn, is drawn the same every time.
        with threads(threads_for(operations)), torch.random.fork_rng([]):
            torch.default_generator.manual_seed(0)
            values = torch.cat([self._quantiles(model, windows.batch(chunk), levels) for chunk in chunks]).numpy()
        quantiles = np.exp(values) if self.log else values  # [W, H, Q]
        point = quantiles[..., levels.index(0.5)]
        kept = quantiles if self.levels else quantiles[..., :0]
        return Prediction.at(series, owner, origin, point, kept, self.levels)

    def _require_context(self, series: SeriesSet) -> None:
        short = np.flatnonzero(series.observed < self.choices.shortest)
        if len(short):
            raise DataError(
                series.table.source,
                f"a series must have {self.choices.shortest} steps with a target to be forecast, {len(short)} of "
                f"{len(series)} are shorter: {list_names([series.names[s] for s in short])}. Give more of their past.",
            )

    def _quantiles(self, model: nn.ModuleList, batch: Batch, levels: tuple[float, ...]) -> Tensor:
        """[B, H, Q] float64, the mean over the members, in units of the transformed target."""
        total = torch.zeros(*batch.base.shape, len(levels), dtype=torch.float64)
        for member in model:
            total += self._member_quantiles(member, batch, levels)
        return total / len(model) * batch.unit[..., None] + batch.anchor[..., None]

    def _member_quantiles(self, member: nn.Module, batch: Batch, levels: tuple[float, ...]) -> Tensor:
        if not isinstance(member, AutoregressiveForecaster):
            return self.head.quantiles(member(batch), batch, levels)
        paths = member.paths(batch, self.head, self.settings.samples).double()  # [B, samples, H]
        return paths.quantile(torch.tensor(levels, dtype=torch.float64), dim=1).movedim(0, -1)
