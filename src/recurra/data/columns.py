"""Which column plays which role, and what to do about imperfect data: the settings of reading, their one home."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from recurra.errors import SettingsError
from recurra.settings import settings


def _as_tuple(value: Any) -> Any:
    """Let one column be written without brackets."""
    return (value,) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]


@settings
class Columns:
    """The roles of the columns of a table in long form: one row per series and time stamp.

    >>> Columns(time="date", target="sales", series="store", future=["holiday"]).used
    ('date', 'sales', 'store', 'holiday')
    """

    time: Annotated[str, Field(description="column of the time stamps")]
    target: Annotated[Names, Field(min_length=1, description="column to forecast; several are series of their own")]
    series: Annotated[str | None, Field(description="column that tells the series apart")] = None
    past: Annotated[Names, Field(description="column known up to now only")] = ()
    future: Annotated[Names, Field(description="column known in advance, such as a holiday")] = ()
    static: Annotated[Names, Field(description="column that is constant for a series")] = ()

    @property
    def roles(self) -> tuple[tuple[str, str], ...]:
        """Pairs of role and column name, in the order time, target, series, past, future, static."""
        series = () if self.series is None else (self.series,)
        groups = {"time": (self.time,), "target": self.target, "series": series}
        groups |= {"past": self.past, "future": self.future, "static": self.static}
        return tuple((role, name) for role, names in groups.items() for name in names)

    @property
    def used(self) -> tuple[str, ...]:
        """The names of all columns that have a role."""
        return tuple(name for _, name in self.roles)

    @model_validator(mode="after")
    def _one_role_each(self) -> Columns:
        first: dict[str, str] = {}
        for role, name in self.roles:
            if name in first:
                roles = f"{first[name]} and {role}" if first[name] != role else f"{role} twice"
                raise SettingsError(
                    f"Columns.{role}", f"a column has one role, {name!r} came as {roles}. Name it once; keep one role."
                )
            first[name] = role
        return self


@settings
class Reading:
    """What to do about imperfect data; by default all of it is refused with an error that offers the setting.

    >>> Reading(fill="linear").fill
    'linear'
    """

    time_format: Annotated[
        str | None, Field(description="strptime format of the time stamps, such as %d/%m/%Y; recognised if not given")
    ] = None
    time_zone: Annotated[
        str | None, Field(description="time zone of local time stamps and of the calendar, such as Europe/Vienna")
    ] = None
    decimal: Annotated[Literal[".", ","], Field(description="decimal sign of numbers written as text")] = "."
    frequency: Annotated[
        str | None,
        Field(description="step of the time stamps, such as '30 minutes' or 'month'; inferred if not given"),
    ] = None
    fill: Annotated[
        Literal["refuse", "mask", "forward", "linear", "zero"],
        Field(description="missing rows and empty cells: refuse, leave out of the loss, or fill in"),
    ] = "refuse"
    mask_missing: Annotated[
        bool, Field(description="leave empty and infinite targets out of the loss instead of refusing them")
    ] = False
    sort: Annotated[bool, Field(description="put rows in time order instead of refusing time that goes backwards")] = (
        False
    )
    skip_short: Annotated[bool, Field(description="leave out series that are too short instead of refusing them")] = (
        False
    )
    allow_constant: Annotated[bool, Field(description="accept series whose target never changes")] = False
