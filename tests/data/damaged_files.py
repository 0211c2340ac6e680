"""CSV files with one fault each, made from a good one, and what their refusal must say: the one home of this list."""

from __future__ import annotations

import gzip
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

LINES = 61  # the header and sixty days
_SKIES = ("sun", "rain", "fog")


@dataclass(frozen=True)
class Damage:
    """A damaged file and the parts that the sentence about it must have."""

    name: str
    data: bytes
    says: tuple[str, ...]
    accepted: bool = False
    """Read all the same, with a notice."""
    structure: bool = True
    """A fault of the CSV itself; else one of the time series in it, which general readers do not look for."""
    suffix: str = ".csv"


def good_lines() -> list[str]:
    """The lines of the good file: day, demand (1000 to 1200), temperature and sky."""
    rows = ["day,demand,temperature,sky"]
    for i in range(LINES - 1):
        demand = 1100 + 100 * math.sin(i)
        rows.append(f"{date(2012, 1, 1) + timedelta(i)},{demand:.2f},{10 + 5 * math.cos(i):.1f},{_SKIES[i % 3]}")
    return rows


def text(lines: list[str], end: str = "\n") -> bytes:
    return "".join(line + end for line in lines).encode()


def _line(number: int, change: Callable[[str], str]) -> bytes:
    """The good file with one line changed."""
    lines = good_lines()
    lines[number - 1] = change(lines[number - 1])
    return text(lines)


def _cell(number: int, column: int, value: str) -> bytes:
    """The good file with one cell changed."""

    def change(line: str) -> str:
        cells = line.split(",")
        cells[column] = value
        return ",".join(cells)

    return _line(number, change)


def _semicolons(lines: list[str]) -> list[str]:
    return [line.replace(",", ";").replace(".", ",") for line in lines]


def _mixed_decimal() -> bytes:
    lines = _semicolons(good_lines())
    lines[16] = lines[16].replace(",", ".", 1)
    return text(lines)


def _joined(second_header: str) -> bytes:
    lines = good_lines()
    return text([*lines[:16], second_header, *lines[16:]])


def _swapped() -> bytes:
    lines = good_lines()
    lines[15], lines[16] = lines[16], lines[15]
    return text(lines)


def _mixed_ends() -> bytes:
    lines = good_lines()
    return text(lines[:16], "\r\n") + text(lines[16:], "\n")


def damaged_files() -> list[Damage]:
    """All of them."""
    good, lines = text(good_lines()), good_lines()
    last = lines[-1]
    structure = [
        Damage("short row", _line(17, lambda s: s.rsplit(",", 1)[0]), ("line 17, column 'sky'", "this one has 3")),
        Damage("long row", _line(17, lambda s: s + ",more"), ("line 17, column 5", "this one has 5")),
        Damage("short row, then a long one", _line(17, lambda s: s[:10] + "\n" + s[10:] + ",x"), ("line 17", "has 1")),
        Damage(
            "duplicate column", _line(1, lambda s: s.replace("temperature", "demand")), ("line 1, column 3", "column 2")
        ),
        Damage("empty column name", _line(1, lambda s: s.replace("temperature", "")), ("line 1, column 3", "a name")),
        Damage("header inside", _joined(lines[0]), ("line 17, column 'day'", "come once")),
        Damage("header inside, after a BOM", _joined("\ufeff" + lines[0]), ("line 17, column 'day'", "come once")),
        Damage(
            "no header", text(lines[1:]).replace(b"sun", b"1").replace(b"rain", b"2"), ("line 1, column 1", "header")
        ),
        Damage("NUL byte", _cell(17, 1, "11\x0050.00"), ("line 17, column 2", "NUL")),
        Damage("control character at the end", good + b"\x1a", (f"line {LINES + 1}, column 1", "0x1a")),
        Damage("last line cut in a field", good[: -len(last) + 12], (f"line {LINES}, column 'temperature'", "cut off")),
        Damage("last line without an end", good[:-2], (f"line {LINES}", "no line end"), accepted=True),
        Damage("byte order mark", b"\xef\xbb\xbf" + good, ("byte order mark",), accepted=True),
        Damage("empty lines at the end", good + b"\n\n", (f"line {LINES + 1}", "empty lines"), accepted=True),
        Damage("empty line inside", _joined(""), ("line 17, column 1", "empty")),
        Damage("CRLF and LF", _mixed_ends(), ("line 17, column 4", "ends with LF")),
        Damage("CR alone", _cell(17, 3, "sun\rrain"), ("line 17, column 4", "CR")),
        Damage("CR as line ends", text(lines, "\r"), ("line 1, column 4", "tr '")),
        Damage("quoted newline", _cell(17, 3, '"sun\nrain"'), ("line 17, column 4", "line break")),
        Damage("unclosed quote", _cell(17, 3, '"sun'), ("line 17, column 4", "Close the quote")),
        Damage("text after a quote", _cell(17, 3, '"sun"ny'), ("line 17, column 4", "closing quote")),
        Damage("quote inside a field", _cell(17, 3, 'sun 3" x 4"'), ("line 17, column 4", "must start its field")),
        Damage("Latin-1", good.replace(b"fog", b"n\xe4he", 1), ("line 4, column 4, byte", "WINDOWS-1252", "iconv")),
        Damage(
            "UTF-8 and Latin-1",
            good.replace(b"fog", "nähe".encode(), 1).replace(b"fog", b"n\xe4he", 1),
            ("1 are in UTF-8 and 1 probably in WINDOWS-1252", "join"),
        ),
        Damage("UTF-16", good.decode().encode("utf-16"), ("line 1", "UTF-16", "iconv")),
        Damage("UTF-16 without a mark", good.decode().encode("utf-16-le"), ("line 1", "UTF-16LE", "iconv")),
        Damage(
            "cut within a character",
            good + "2012-03-01,1,2,ä".encode()[:-1],
            (f"line {LINES + 1}, column 4", "cut off"),
        ),
        Damage("another delimiter inside", _line(17, lambda s: s.replace(",", ";")), ("line 17", "this one has 1")),
        Damage("empty file", b"", ("is empty",)),
        Damage("header only", text(lines[:1]), ("line 1", "rows below")),
        Damage("gzip cut off", gzip.compress(good)[:-20], ("gzip",), suffix=".csv.gz"),
    ]
    number = ("line 17, column 'demand'",)
    values = [
        Damage("1e400", _cell(17, 1, "1e400"), (*number, "beyond the range")),
        Damage("1e-400", _cell(17, 1, "1e-400"), (*number, "beyond the range")),
        Damage("1_100", _cell(17, 1, "1_100"), (*number, "plain decimal")),
        Damage("0x4d", _cell(17, 1, "0x4d"), (*number, "plain decimal")),
        Damage("digits of another script", _cell(17, 1, "١١٠٠"), (*number, "0 to 9")),
        Damage("thousands separator", _cell(17, 1, '"1,100.00"'), (*number, "thousands")),
        Damage("two points", _cell(17, 1, "1.100.00"), number),
        Damage("a unit", _cell(17, 1, "1100 MW"), (*number, "units")),
        Damage("a letter for a digit", _cell(17, 1, "11O0.00"), number),
        Damage("decimal comma in commas", _cell(17, 1, "1100,50"), ("line 17, column 5", "decimal comma")),
        Damage("decimal comma quoted", _cell(17, 1, '"1100,50"'), (*number, "same decimal sign")),
        Damage("decimal comma throughout", text(_semicolons(lines)), ("line 2, column 'demand'", "--decimal")),
        Damage("decimal comma mixed", _mixed_decimal(), ("line 17, column 'demand'", "decimal sign")),
        Damage("text for a number in a covariate", _cell(17, 2, "warm"), ("line 17, column 'temperature'",)),
    ]
    when = ("line 17, column 'day'",)
    series = [
        Damage("time going backwards", _swapped(), (*when, "line 16", "--sort")),
        Damage("duplicate time stamp", _cell(17, 0, "2012-01-15"), (*when, "line 16")),
        Damage("day left out", text(lines[:16] + lines[17:]), (*when, "line 16", "--fill")),
        Damage("date of another form", _cell(17, 0, "16/01/2012"), (*when, "alike")),
        Damage("date that does not exist", _cell(17, 0, "2012-02-30"), (*when, "calendar")),
        Damage("date of a far year", _cell(61, 0, "3012-02-29"), ("line 61, column 'day'", "missing")),
        Damage("no time stamp", _cell(17, 0, ""), (*when, "none")),
        Damage("hour among days", _cell(17, 0, "2012-01-16 06:00"), (*when, "alike")),
        Damage("empty target inside", _cell(17, 1, ""), (*number, "--mask-missing")),
        Damage("NaN target inside", _cell(17, 1, "NaN"), (*number, "--mask-missing")),
        Damage("infinite target", _cell(17, 1, "-inf"), (*number, "--mask-missing")),
        Damage("empty covariate", _cell(17, 2, ""), ("line 17, column 'temperature'", "--fill")),
        Damage("constant target", text([lines[0]] + [f"{s[:10]},5,1,sun" for s in lines[1:]]), ("--allow-constant",)),
    ]
    late = [Damage(d.name, d.data, d.says, d.accepted, False) for d in series]
    return [*structure, *values, *late]
