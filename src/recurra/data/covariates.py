"""Covariates: what a column beside the target is (numbers or categories), learned once and applied ever after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recurra.data.numbers import is_missing, parse_numbers, try_numbers
from recurra.data.tables import Table
from recurra.errors import DataError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Covariate:
    """One covariate as learned from the training data; its fields are plain JSON values.

    >>> Covariate.from_dict({"name": "rain", "kind": "numeric", "mean": 1.0, "scale": 2.0}).kind
    'numeric'
    """

    name: str
    kind: Literal["numeric", "categorical"]
    categories: tuple[str, ...] = ()
    """Categorical: code 1 is the first of these; code 0 is whatever is not among them."""
    mean: float = 0.0
    scale: float = 1.0
    """Numeric: mean and standard deviation of the present values (1 if they do not vary)."""

    def scaled_to(self, values: Floats) -> Covariate:
        """The same covariate with mean and scale of these values, if it is numeric and one of them is present."""
        present = values[~np.isnan(values)]
        if self.kind == "categorical" or not len(present):
            return self
        return replace(self, mean=float(present.mean()), scale=float(present.std()) or 1.0)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Covariate:
        """The covariate that :func:`dataclasses.asdict` made plain; what cannot be one is a :class:`DataError`."""
        covariate = cls(**{**values, "categories": tuple(values.get("categories", ()))})
        texts = (covariate.name, *covariate.categories)
        numbers = (covariate.mean, covariate.scale)
        if (
            covariate.kind not in ("numeric", "categorical")
            or not all(isinstance(text, str) for text in texts)
            or len(set(covariate.categories)) < len(covariate.categories)
            or not all(type(number) in (int, float) and abs(number) < 1e300 for number in numbers)
            or covariate.scale <= 0
        ):
            raise DataError("covariates", f"{covariate.name!r:.40} is none that can be learned. Get a new copy.")
        return covariate


def learn_covariate(column: pl.Series, table: Table, decimal: str = ".") -> tuple[Covariate, tuple[str, ...]]:
    """What a column holds, and notices about it.

    A column of text is categorical if none of its values looks like a number or a boolean, or fewer than half do
    (with a notice); it is numeric if all do. A few broken numbers among many are a :class:`DataError` with their row.

    >>> from recurra.data.tables import read_table
    >>> table = read_table({"sky": ["sun", "rain", "sun"]})
    >>> learn_covariate(table.frame["sky"], table)[0].categories
    ('rain', 'sun')
    """
    notices: tuple[str, ...] = ()
    if column.dtype in (pl.String, pl.Categorical, pl.Enum):
        texts = column.cast(pl.String)
        numbers, bad = try_numbers(texts, decimal)
        present = ~is_missing(texts)
        share = (~bad & present).sum() / max(1, int(present.sum()))
        if present.any() and share < 0.5:
            if share:
                notices = (f"column {column.name!r} is read as categories; {share:.0%} of them look like numbers",)
            names = texts.filter(pl.Series(present)).unique().sort().to_list()
            return Covariate(column.name, "categorical", tuple(names)), notices
    numbers = parse_numbers(column, table, decimal=decimal)
    _refuse_infinite(numbers, column.name, table)
    present = ~np.isnan(numbers)
    if not present.any():
        raise DataError(
            table.where(column=column.name), "a covariate must have values, this column is empty. Leave the column out."
        )
    return Covariate(column.name, "numeric").scaled_to(numbers), notices


def apply_covariate(covariate: Covariate, column: pl.Series, table: Table, decimal: str = ".") -> tuple[Floats, int]:
    """[rows] float64: the numbers, or the codes of the categories; NaN where missing. And how many were unknown.

    >>> from recurra.data.tables import read_table
    >>> table = read_table({"sky": ["sun", "fog", ""]})
    >>> apply_covariate(Covariate("sky", "categorical", ("rain", "sun")), table.frame["sky"], table)[0].tolist()
    [2.0, 0.0, nan]
    """
    if covariate.kind == "numeric":
        numbers = parse_numbers(column, table, decimal=decimal)
        _refuse_infinite(numbers, column.name, table)
        return numbers, 0
    texts = column.cast(pl.String)
    codes = np.array(code_texts(texts, covariate.categories), dtype=np.float64)
    codes[is_missing(texts)] = np.nan
    return codes, int((codes == 0).sum())


def code_texts(texts: pl.Series, categories: tuple[str, ...]) -> NDArray[np.int64]:
    """[rows] the place of each text in ``categories``, counted from 1; 0 for the others."""
    places = np.arange(1, len(categories) + 1)
    coded = texts.replace_strict(list(categories), places, default=0, return_dtype=pl.Int64)
    return np.array(coded.to_numpy(), dtype=np.int64)


def _refuse_infinite(numbers: Floats, name: str, table: Table) -> None:
    infinite = np.flatnonzero(np.isinf(numbers))
    if len(infinite):
        raise DataError(
            table.where(int(infinite[0]), name),
            f"a covariate must be finite, {numbers[infinite[0]]} came ({len(infinite)} in all). "
            "Correct it, or leave the cell empty and use --fill.",
        )
