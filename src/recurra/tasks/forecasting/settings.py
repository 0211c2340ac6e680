"""The settings of a forecaster, their one home. This module never imports torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from recurra.data.columns import Columns, Names, Reading
from recurra.errors import SettingsError
from recurra.settings import Encoder, settings

if TYPE_CHECKING:
    from recurra.data.series_set import SeriesSet
    from recurra.data.tables import Source, Table
    from recurra.tasks.forecasting.task import ForecastingTask


@settings
class Forecasting:
    """A forecaster of one or many time series in long form; only the columns and the horizon must be given.

    >>> Forecasting(time="date", target="sales", horizon=14).target
    ('sales',)
    """

    reads: ClassVar[str] = "CSV, TSV, Parquet or JSON lines"
    many: ClassVar[bool] = False

    time: Annotated[str, Field(description="column of the time stamps")]
    target: Annotated[Names, Field(min_length=1, description="column to forecast; several are series of their own")]
    horizon: Annotated[int, Field(ge=1, le=1_000_000, description="how many steps ahead to forecast")]
    series: Annotated[str | None, Field(description="column that tells the series apart")] = None
    past: Annotated[Names, Field(description="column known up to now only")] = ()
    future: Annotated[Names, Field(description="column known in advance, such as a holiday")] = ()
    static: Annotated[Names, Field(description="column that is constant for a series")] = ()
    context: Annotated[
        int | None, Field(ge=1, description="past steps the model reads; chosen from season and horizon if not given")
    ] = None
    season: Annotated[
        int | None, Field(ge=1, description="steps per season, 1 for none; chosen from the frequency if not given")
    ] = None
    transform: Annotated[
        Literal["auto", "log", "none"],
        Field(description="forecast the logarithm of the target; auto: where all of it is well above zero"),
    ] = "auto"
    unit: Annotated[
        Literal["window", "series"], Field(description="see values in units of the window's or the series' spread")
    ] = "window"
    decoder: Annotated[
        Literal["direct", "autoregressive", "segments"],
        Field(description="all steps at once, step by step on sampled paths (DeepAR), or by segments (SegRNN)"),
    ] = "direct"
    head: Annotated[
        Literal["quantiles", "point", "normal", "student-t", "negative-binomial"],
        Field(description="what is forecast: quantiles, a number, or a distribution"),
    ] = "quantiles"
    levels: Annotated[tuple[float, ...], Field(description="levels of the forecast quantiles")] = (0.1, 0.5, 0.9)
    segment: Annotated[int | None, Field(ge=1, description="segments decoder: steps per segment")] = None
    samples: Annotated[int, Field(ge=1, le=1_000_000, description="autoregressive decoder: sampled paths")] = 200
    members: Annotated[int, Field(ge=1, le=100, description="models that are trained and averaged")] = 1
    validation: Annotated[
        int | None, Field(ge=0, description="steps at each series' end held out to stop in time; chosen if not given")
    ] = None
    test: Annotated[
        int | None,
        Field(ge=0, description="steps at each series' end held out for the final score; chosen if not given"),
    ] = None
    refit: Annotated[
        bool | None,
        Field(description="train once more on all of the data after the score; default: if series are short"),
    ] = None
    encoder: Encoder = Field(default_factory=Encoder)
    reading: Reading = Field(default_factory=Reading)

    @model_validator(mode="after")
    def _check(self) -> Forecasting:
        if any(not 0 < level < 1 for level in self.levels) or list(self.levels) != sorted(set(self.levels)):
            raise SettingsError("Forecasting.levels", f"levels must rise within (0, 1), got {list(self.levels)}.")
        if 0.5 not in self.levels:
            raise SettingsError(
                "Forecasting.levels", f"levels must hold 0.5, the point forecast, got {list(self.levels)}."
            )
        if self.decoder == "autoregressive" and self.head in ("quantiles", "point"):
            raise SettingsError(
                "Forecasting.head",
                f"the autoregressive decoder samples, so it needs a distribution, got {self.head!r}. "
                "Use 'student-t', 'normal' or 'negative-binomial'.",
            )

        if self.decoder == "autoregressive" and self.encoder.bidirectional:
            raise SettingsError(
                "Encoder.bidirectional",
                "the autoregressive decoder goes on from the last state, so it must read forwards only, got True. "
                "Use the direct decoder or one direction.",
            )
        if self.decoder == "autoregressive" and self.past:
            raise SettingsError(
                "Forecasting.past",
                f"the autoregressive decoder needs covariates that are known ahead, {', '.join(self.past)} is known of "
                "the past only. Use the direct decoder or leave the column out.",
            )
        return self

    @property
    def columns(self) -> Columns:
        """The roles of the columns."""
        return Columns(
            time=self.time,
            target=self.target,
            series=self.series,
            past=self.past,
            future=self.future,
            static=self.static,
        )

    def read(self, source: Source) -> Table:
        """The table of the training data."""
        from recurra.data.tables import read_table  # polars is imported by what needs it only

        return read_table(source)

    def learn(self, table: Table) -> tuple[ForecastingTask, SeriesSet]:
        """Learn frequency, covariates and sizes from the training data; also those data, read."""
        from recurra.tasks.forecasting.task import ForecastingTask  # torch is imported by what needs it only

        return ForecastingTask.learn(self, table)

    @staticmethod
    def restore(values: Mapping[str, Any]) -> ForecastingTask:
        """The fitted task that its ``to_dict`` made plain."""
        from recurra.tasks.forecasting.task import ForecastingTask  # likewise

        return ForecastingTask.from_dict(values)
