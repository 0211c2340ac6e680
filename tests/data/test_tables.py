"""Tables: what is read is what was written, and the writer leaves a whole file or none."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recurra.data.delimited import read_delimited
from recurra.data.tables import Table, read_table, write_table
from recurra.errors import DataError

FIELD = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=6)


@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(st.tuples(FIELD, FIELD, FIELD), min_size=1, max_size=8),
    delimiter=st.sampled_from(",;\t|"),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_what_python_writes_is_read_back(rows: list[tuple[str, str, str]], delimiter: str, end: str) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, lineterminator=end).writerows([("a b", "c d", "e f"), *rows])
    cut = read_delimited(out.getvalue().encode(), "x.csv", expected=delimiter)
    assert cut.frame.rows() == rows
    assert cut.lines.tolist() == list(range(2, len(rows) + 2))
    assert cut.notices == ()


@settings(max_examples=300, deadline=None)
@given(data=st.text(st.sampled_from('ab1,"\n\r; é\0'), max_size=30).map(lambda s: "x,y\n" + s))
def test_any_bytes_are_read_like_the_strict_module_or_refused(data: str) -> None:
    try:
        cut = read_delimited(data.encode(), "x.csv")
    except DataError:
        return
    text = data.replace("\r\n", "\n").rstrip("\n") + "\n"
    assert [list(row) for row in cut.frame.rows()] == list(csv.reader(io.StringIO(text), strict=True))[1:]


def test_quoted_newlines_are_allowed_on_request() -> None:
    data = b'x,y\n1,"a\nb"\n2,c\n'
    cut = read_delimited(data, "x.csv", quoted_newlines=True)
    assert cut.frame.rows() == [("1", "a\nb"), ("2", "c")]
    assert cut.lines.tolist() == [2, 4]
    with pytest.raises(DataError, match="line 2, column 2"):
        read_delimited(data, "x.csv")


def test_numbers_of_lines_are_those_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.csv.gz"
    path.write_bytes(gzip.compress(b"x,y\n1,2\n3,4\n"))
    table = read_table(str(path))
    assert (table.row_name(1), table.where(1, "y")) == ("line 3", f"{path}, line 3, column 'y'")
    assert table.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_kinds_of_source_agree(tmp_path: Path) -> None:
    frame = pl.DataFrame({"t": ["2012-01-01", "2012-01-02"], "x": [1.5, None]})
    for name in ("x.parquet", "x.jsonl", "x.csv"):
        write_table(frame, tmp_path / name)
    tables = {name: read_table(tmp_path / name) for name in ("x.parquet", "x.jsonl", "x.csv")}
    assert tables["x.parquet"].frame.equals(frame)
    assert tables["x.jsonl"].frame.equals(frame)
    assert tables["x.csv"].frame.rows() == [("2012-01-01", "1.5"), ("2012-01-02", "")]
    assert [table.row_name(0) for table in tables.values()] == ["row 1", "line 1", "line 2"]


def test_frames_of_all_kinds_agree() -> None:
    pandas, pyarrow = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    columns = {"t": ["a", "b"], "x": [1.5, 2.0], "n": [1, 2]}
    frames = [pl.DataFrame(columns), pandas.DataFrame(columns), pyarrow.table(columns), columns]
    tables = [read_table(frame) for frame in frames]
    assert all(table.frame.equals(tables[0].frame) for table in tables)
    assert len({table.sha256 for table in tables}) == 1
    assert read_table(pl.DataFrame(columns | {"n": [1, 3]})).sha256 != tables[0].sha256
    assert read_table(tables[0]) is tables[0]


def test_a_lost_index_is_said() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"x": [1.0]}, index=pandas.Index(["2012-01-01"], name="day"))
    with pytest.raises(DataError, match=r"reset_index"):
        read_table(frame).column("day")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"x": 1', "line 2, character"),
        ('{"x": 1, "x": 2}', "line 2, column 'x'"),
        ('{"x": "a"}', "line 2, column 'x'"),
        ('{"x": NaN}', "no NaN"),
        ("[1]", "line 2"),
        ("", "line 2"),
        ('{"x": "\\ud800"}', "line 2"),
        ('{"x": ' + "[" * 100_000 + "}", "line 2"),
        ('{"x": ' + "1" * 5000 + "}", "line 2"),
        ('{"x": [0]}', "line 2, column 'x'"),
    ],
)
def test_damaged_json_lines(line: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"x": 0}\n' + line + '\n{"x": 3}\n')
    with pytest.raises(DataError, match=says):
        read_table(path)


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("x.xlsx", b"PK", "Known: .csv"),
        ("x.parquet", b"PAR1 and no more", "whole Parquet"),
        ("x.csv.gz", b"day,x\n", "gzip"),
        ("x.jsonl", b"", "is empty"),
    ],
)
def test_other_files_are_refused(name: str, data: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=says):
        read_table(tmp_path / name)


def test_an_absent_file_and_column_are_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Check the path"):
        read_table(tmp_path / "absent.csv")
    with pytest.raises(DataError, match="Did you mean 'demand'"):
        read_table({"demand": [1]}).column("Demand")
    with pytest.raises(DataError, match="int came"):
        read_table(3)  # type: ignore[arg-type]


def test_lists_and_whole_numbers_in_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"x": [1, 2.5], "y": 1}\n{"x": [], "y": 2.5}\n{"y": null}\n{"x": [3]}\n')
    frame = read_table(path).frame
    assert frame["x"].to_list() == [[1.0, 2.5], [], None, [3.0]]
    assert frame["y"].to_list() == [1.0, 2.5, None, None]
    path.write_text('{"x": [1]}\n{"x": ["a"]}\n')
    with pytest.raises(DataError, match="line 2, column 'x'"):
        read_table(path)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    write_table(pl.DataFrame({"x": [1]}), path)
    with pytest.raises(pl.exceptions.PolarsError):
        write_table(pl.DataFrame({"x": [[1, 2]]}), path)  # CSV has no lists
    assert path.read_text() == "x\n1\n"
    assert [file.name for file in tmp_path.iterdir()] == ["x.csv"]
    with pytest.raises(DataError, match=r"as \.csv, \.jsonl, \.parquet"):
        write_table(pl.DataFrame({"x": [1]}), tmp_path / "x.txt")


def test_a_table_has_its_lines() -> None:
    table = Table(pl.DataFrame({"x": ["1"]}), "x.csv", "", np.array([7]))
    assert table.row_name(0) == "line 7"
    assert len(table) == 1
