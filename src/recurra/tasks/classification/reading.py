"""From a user's data to samples: which columns are read, and how each sample is found again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from recurra.data.labels import read_label_lists, read_labels
from recurra.data.long_form import LongForm, number_columns, read_long_form
from recurra.data.numbers import parse_numbers
from recurra.data.samples import Samples
from recurra.data.sequence_files import SequenceFile, is_sequence_file, read_sequence_file
from recurra.data.tables import Table, read_table
from recurra.errors import DataError, SettingsError
from recurra.tasks.classification.settings import Classification

Source = Table | SequenceFile


def read_source(source: Any, settings: Classification) -> Source:
    """A table, or the sequences of a file of numbers; a list of texts becomes a table."""
    if isinstance(source, (Table, SequenceFile)):
        return source
    if is_sequence_file(source):
        if settings.text is not None or settings.sequence is not None:
            name = "text" if settings.text is not None else "sequence"
            came = "arrays" if isinstance(source, Mapping) else str(source)
            raise SettingsError(f"Classification.{name}", f"names a column of a table, {came} has none. Leave it out.")
        return read_sequence_file(source, settings.answer or "y")
    if settings.text is not None and isinstance(source, (list, tuple)):
        source = {settings.text: list(source)}
    if settings.text is None and settings.sequence is None:
        raise SettingsError(
            "Classification",
            "a table needs --text COLUMN for texts, or --sequence COLUMN for numbers in long form, neither came. "
            "Give one.",
        )
    return read_table(source, quoted_newlines=settings.text is not None)


def read_samples(data: Source, settings: Classification, answered: bool) -> Samples:
    """The samples of a source, with their answers if they are needed."""
    if isinstance(data, SequenceFile):
        return _from_file(data, settings, answered)
    if answered and settings.answer is None:
        raise SettingsError("Classification.label", "this setting is required for a table, none came. Name the column.")
    if settings.text is not None:
        return _texts(data, settings, answered)
    long = _long_form(data, settings)
    answers = _answers_of_sequences(long, settings) if answered else None
    groups = None if settings.group is None or not answered else [str(one) for one in long.constant(settings.group)]
    return _with(long.samples, answers, groups)


def _texts(table: Table, settings: Classification, answered: bool) -> Samples:
    assert settings.text is not None
    column = table.column(settings.text)
    if column.dtype not in (pl.String, pl.Categorical, pl.Null):
        raise DataError(
            table.where(column=settings.text),
            f"a column of texts is needed, this one holds {column.dtype}. Convert it.",
        )
    groups = None
    if settings.group is not None and answered:
        groups = [str(one) for one in table.column(settings.group).to_list()]
    return Samples(
        source=table.source,
        names=[table.row_name(row) for row in range(len(table))],
        texts=column.cast(pl.String).fill_null("").to_list(),
        answers=_answers_of_rows(table, settings) if answered else None,
        groups=groups,
        notices=table.notices,
    )


def _answers_of_rows(table: Table, settings: Classification) -> list[Any]:
    assert settings.answer is not None
    if settings.target is not None:
        return _numbers(table, settings)
    if settings.multi_label:
        return list(read_label_lists(table, settings.answer, settings.separator))
    return list(read_labels(table, settings.answer))


def _numbers(table: Table, settings: Classification) -> list[float]:
    assert settings.target is not None
    numbers = parse_numbers(table.column(settings.target), table, decimal=settings.repairs.decimal)
    bad = np.flatnonzero(~np.isfinite(numbers))
    if len(bad):
        raise DataError(
            table.where(int(bad[0]), settings.target),
            f"every row must have a number to learn, none came ({len(bad)} such rows). Give it or leave the row out.",
        )
    return [float(number) for number in numbers]


def _long_form(table: Table, settings: Classification) -> LongForm:
    assert settings.sequence is not None
    others = [settings.sequence, settings.time, settings.label, settings.target, settings.group]
    features = settings.features or number_columns(table, [name for name in others if name is not None])
    if not features:
        raise DataError(table.source, "there must be columns of numbers to read, there is none. Name them: --features.")
    return read_long_form(table, settings.sequence, settings.time, features, settings.repairs.decimal)


def _answers_of_sequences(long: LongForm, settings: Classification) -> list[Any]:
    assert settings.answer is not None
    long.constant(settings.answer)  # all rows of a sequence must agree
    rows = long.order[long.samples.numbers.starts] if long.samples.numbers is not None else long.order
    answers = _answers_of_rows(long.table, settings)
    return [answers[row] for row in rows]


def _from_file(data: SequenceFile, settings: Classification, answered: bool) -> Samples:
    samples = data.samples
    if not answered:
        return _with(samples, None, None)
    if settings.group is not None:
        raise SettingsError("Classification.group", f"names a column of a table, {samples.source} has none.")
    if samples.answers is None:
        raise DataError(
            samples.source,
            f"there must be an answer for each sequence (array {settings.answer or 'y'!r}, @classLabel, or a file of "
            "labels beside), there is none. Add them.",
        )
    if settings.target is None:
        return samples if settings.multi_label else _with(samples, [_one(a) for a in samples.answers], None)
    try:
        numbers = [float(answer) for answer in samples.answers]
    except (TypeError, ValueError):
        raise DataError(
            samples.source, "every answer must be a number for --target, others came. Use --label."
        ) from None
    bad = [place for place, number in enumerate(numbers) if not np.isfinite(number)]
    if bad:
        raise DataError(samples.where(bad[0]), "every sequence must have a number to learn, none came. Give it.")
    return _with(samples, numbers, None)


def _one(answer: Any) -> str:
    if isinstance(answer, tuple):
        raise SettingsError("Classification.multi_label", "the answers are flags of several labels. Use --multi-label.")
    return f"{answer:g}" if isinstance(answer, float) else str(answer)


def _with(samples: Samples, answers: list[Any] | None, groups: list[str] | None) -> Samples:
    return replace(samples, answers=answers, groups=groups)
