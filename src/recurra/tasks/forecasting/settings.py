"""The settings of a forecaster, their one home. This module never imports torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from recurra.data.series import Columns, Reading
from recurra.errors import SettingsError
from recurra.settings import Encoder, settings


def _as_tuple(value: Any) -> Any:
    """Let one column be written without brackets."""
    return (value,) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]


@settings
class Forecasting:
    """A forecaster of one or many time series in long form; only the columns and the horizon must be given.

    >>> Forecasting(time="date", target="sales", horizon=14).target
    ('sales',)
    """

    time: Annotated[str, Field(description="column of the time stamps")]
    target: Annotated[Names, Field(min_length=1, description="column to forecast; several are series of their own")]
    horizon: Annotated[int, Field(ge=1, description="how many steps ahead to forecast")]
    series: Annotated[str | None, Field(description="column that tells the series apart")] = None
    past: Annotated[Names, Field(description="column known up to now only")] = ()
    future: Annotated[Names, Field(description="column known in advance, such as a holiday")] = ()
    static: Annotated[Names, Field(description="column that is constant for a series")] = ()
    context: Annotated[
        int | None, Field(ge=1, description="past steps the model reads; chosen from season and horizon if not given")
    ] = None
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
    samples: Annotated[int, Field(ge=1, description="autoregressive decoder: sampled paths")] = 200
    members: Annotated[int, Field(ge=1, description="models that are trained and averaged")] = 1
    validation: Annotated[
        int | None, Field(ge=0, description="steps at each series' end held out to stop in time; chosen if not given")
    ] = None
    test: Annotated[
        int | None, Field(ge=0, description="steps at each series' end held out for the final score; chosen if not given")
    ] = None
    encoder: Annotated[Encoder, Field(default_factory=Encoder)]
    reading: Annotated[Reading, Field(default_factory=Reading)]

    @model_validator(mode="after")
    def _check(self) -> Forecasting:
        if any(not 0 < level < 1 for level in self.levels) or list(self.levels) != sorted(set(self.levels)):
            raise SettingsError("Forecasting.levels", f"levels must rise within (0, 1), got {list(self.levels)}.")
        if self.head == "quantiles" and 0.5 not in self.levels:
            raise SettingsError("Forecasting.levels", f"levels must hold 0.5, the point forecast, got {list(self.levels)}.")
        if self.decoder == "autoregressive" and self.head in ("quantiles", "point"):
            raise SettingsError(
                "Forecasting.head",
                f"the autoregressive decoder samples, so it needs a distribution, got {self.head!r}. "
                "Use 'student-t', 'normal' or 'negative-binomial'.",
            )
        return self

    @property
    def columns(self) -> Columns:
        """The roles of the columns."""
        return Columns(
            time=self.time, target=self.target, series=self.series, past=self.past, future=self.future, static=self.static
        )
