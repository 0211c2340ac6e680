"""Sequences in long form: rows find their sequence and their place in time."""

from __future__ import annotations

import numpy as np
import pytest

from recurra.data.long_form import number_columns, read_long_form
from recurra.data.tables import read_table
from recurra.errors import DataError

ROWS = {
    "id": ["b", "a", "b", "a", "b"],
    "t": ["2024-01-02", "2024-01-01", "2024-01-01", "2024-01-03", "2024-01-03"],
    "x": [2.0, 5.0, 1.0, 6.0, 3.0],
    "kind": ["u", "v", "u", "v", "u"],
}


def test_rows_are_put_in_the_order_of_sequence_and_time():
    long = read_long_form(read_table(ROWS), "id", "t", ["x"])
    assert long.samples.names == ["sequence 'b'", "sequence 'a'"]
    assert [long.samples.numbers[i].ravel().tolist() for i in (0, 1)] == [[1, 2, 3], [5, 6]]
    assert long.constant("kind") == ["u", "v"]
    assert long.samples.notices == ("2 rows put in the order of time",)


def test_without_a_time_rows_stay_in_their_order():
    long = read_long_form(read_table(ROWS), "id", None, ["x"])
    assert long.samples.numbers[0].ravel().tolist() == [2, 1, 3]
    assert not long.samples.notices


def test_numbers_are_times_by_their_size():
    rows = {"id": [1, 1, 1], "t": ["10", "9", "0.5"], "x": [1, 2, 3]}
    assert read_long_form(read_table(rows), "id", "t", ["x"]).samples.numbers[0].ravel().tolist() == [3, 2, 1]


def test_two_rows_at_one_time_are_refused():
    rows = {**ROWS, "t": ["2024-01-01"] * 5}
    with pytest.raises(DataError, match=r"row 3, column 't'\] .*one row at a time, '2024-01-01' came in row 1 too"):
        read_long_form(read_table(rows), "id", "t", ["x"])


def test_a_label_that_changes_within_a_sequence_is_refused():
    long = read_long_form(read_table({**ROWS, "kind": ["u", "v", "w", "v", "u"]}), "id", None, ["x"])
    with pytest.raises(DataError, match=r"row 3, column 'kind'\] .*'w' came after 'u'"):
        long.constant("kind")


def test_a_row_without_a_sequence_is_refused():
    with pytest.raises(DataError, match=r"row 2, column 'id'\] every row must name its sequence"):
        read_long_form(read_table({"id": ["a", ""], "x": [1, 2]}), "id", None, ["x"])


def test_a_word_among_numbers_is_refused_with_its_row():
    table = read_table({"id": ["a", "a"], "x": ["1", "one"]})
    assert number_columns(table, ["id"]) == ()
    with pytest.raises(DataError, match=r"row 2, column 'x'\] a number must come, 'one' did"):
        read_long_form(table, "id", None, ["x"])


def test_missing_numbers_become_nan():
    long = read_long_form(read_table({"id": ["a", "a"], "x": ["1", ""]}), "id", None, ["x"])
    assert np.isnan(long.samples.numbers.values[1, 0])
