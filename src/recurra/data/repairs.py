"""What to do about imperfect sequences, the settings: by default each is refused with an error that offers one."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recurra.settings import settings


@settings
class Repairs:
    """What to do about imperfect sequences; every repair is counted and said.

    >>> Repairs(skip_empty=True).missing
    'refuse'
    """

    missing: Annotated[
        Literal["refuse", "forward", "mean"],
        Field(description="missing or infinite numbers: refuse, repeat the last one, or take the feature's mean"),
    ] = "refuse"
    skip_empty: Annotated[bool, Field(description="leave out empty texts and sequences of length 0")] = False
    skip_rare: Annotated[bool, Field(description="leave out rows whose label comes too rarely to be held out")] = False
    decimal: Annotated[Literal[".", ","], Field(description="decimal sign of numbers written as text")] = "."
