"""What a task tells the report: sections of text, figures and a table, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Picture:
    """A figure, what it shows for people who cannot see it, and what to say below it."""

    figure: Figure
    alt: str
    caption: str = ""


@dataclass(frozen=True)
class Table:
    """Cells as people read them; the first column names the rows."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    strong: frozenset[tuple[int, int]] = frozenset()
    """Cells (row, column) to stand out."""
    caption: str = ""


@dataclass(frozen=True)
class Passage:
    """A text as it is, whose pieces stand out for something (weight up to 1) or against it (down to -1)."""

    title: str
    pieces: tuple[tuple[str, float], ...]


@dataclass(frozen=True, eq=False)
class Section:
    """A part of the report under one heading; empty parts are left out."""

    title: str
    text: str = ""
    """Paragraphs, an empty line between them."""
    figures: tuple[Picture, ...] = ()
    table: Table | None = None
    passages: tuple[Passage, ...] = ()


@dataclass(frozen=True, eq=False)
class Findings:
    """What a task says about a scored model: the result in a sentence, a few numbers, and the sections that show it."""

    headline: str
    tone: Literal["good", "bad", "neutral"]
    facts: tuple[tuple[str, str], ...]
    """Names and values of the numbers to show large."""
    sections: tuple[Section, ...]
