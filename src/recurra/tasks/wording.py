"""Numbers and tables as people read them: for the terminal and for the report."""

from __future__ import annotations

import math
from collections.abc import Sequence


def number_text(value: float | None) -> str:
    """A number for people: four significant digits, thousands separated, ``–`` for none.

    >>> number_text(0.0012345), number_text(123456.7), number_text(2.0), number_text(None)
    ('0.001234', '123,457', '2.000', '–')
    """
    if value is None or not math.isfinite(value):
        return "–"
    size = abs(value)
    if size and (size < 1e-4 or size >= 1e9):
        return f"{value:.3e}"
    before = len(f"{size:.0f}") if size >= 1 else math.floor(math.log10(size)) + 1 if size else 1
    return f"{value:,.{max(4 - before, 0)}f}"


def percent_text(share: float | None) -> str:
    """A share in percent.

    >>> percent_text(0.4831), percent_text(None)
    ('48.3 %', '–')
    """
    return "–" if share is None else f"{share * 100:,.1f} %".replace("-", "−")


def list_text(parts: Sequence[str]) -> str:
    """Several things in a sentence.

    >>> list_text(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as aligned text: the first column to the left, all others to the right.

    >>> print(aligned([["", "MAE"], ["model", "1.2"]]))
           MAE
    model  1.2
    """
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    )
