"""A table that is printed while its rows come, and kept as numbers."""

from __future__ import annotations

import math
from typing import Any


class Table:
    """Rows of named values; the names of the columns say the units."""

    def __init__(self, title: str, *columns: str) -> None:
        self.columns, self.rows = columns, list[dict[str, Any]]()
        print(f"\n{title}\n" + self._line(columns))

    def add(self, *values: Any) -> None:
        names = (column.strip() for column in self.columns)  # spaces only make a column wider
        self.rows.append(dict(zip(names, values, strict=True)))
        print(self._line([_text(value) for value in values]), flush=True)

    def spread(self, column: str) -> dict[str, float]:
        """The geometric mean, the least and the greatest of a column, printed and returned."""
        values = [row[column] for row in self.rows]
        if not values:
            return {}
        mean = math.exp(sum(map(math.log, values)) / len(values))
        found = {"geometric mean": mean, "min": min(values), "max": max(values)}
        print(f"{column}: " + ", ".join(f"{name} {value:.3g}" for name, value in found.items()))
        return found

    def _line(self, cells: Any) -> str:
        parts = zip(self.columns, cells, strict=True)
        return "  ".join(f"{cell:>{max(len(column), 7)}}" for column, cell in parts)


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
