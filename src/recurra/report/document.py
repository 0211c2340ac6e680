"""The report as a value, and its way into one self-contained HTML file. No word of it depends on the task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from recurra.files import write_atomically
from recurra.report.svg import to_svg
from recurra.tasks.figures import COLOURS
from recurra.tasks.sections import Section


@dataclass(frozen=True, eq=False)
class Report:
    """What is said about a trained model. All text is shown as it is: nothing in it is read as HTML."""

    title: str
    subtitle: str = ""
    headline: str = ""
    """The result in a sentence."""
    tone: Literal["good", "bad", "neutral"] = "neutral"
    """Of the headline."""
    facts: tuple[tuple[str, str], ...] = ()
    """Names and values of a few numbers, shown large."""
    sections: tuple[Section, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Plain JSON values, nested."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """Where the model comes from: seed, versions, machine, data and their hash. Plain JSON values, nested."""


def render(report: Report) -> str:
    """The report as one HTML document with all figures in it.

    >>> html = render(Report("Sales <next week>", headline="It works."))
    >>> "Sales &lt;next week&gt;" in html, "http" in html.replace("http-equiv", "")
    (True, False)
    """
    return _template().render(
        report=report,
        settings=flatten(report.settings),
        provenance=flatten(report.provenance),
        to_svg=to_svg,
        paragraphs=_paragraphs,
        colours=COLOURS,
    )


def write_report(report: Report, path: str | Path) -> None:
    """Write the report as an HTML file, whole or not at all; the folder must exist."""
    write_atomically(Path(path), render(report).encode("utf-8"))


def flatten(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Names and texts of nested values.

    >>> flatten({"horizon": 48, "encoder": {"cell": "lstm", "coupled": False}, "levels": [0.1, 0.5], "context": None})
    [('horizon', '48'), ('encoder.cell', 'lstm'), ('encoder.coupled', 'no'), ('levels', '0.1, 0.5'), ('context', '–')]
    """
    rows = []
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            rows += flatten(value, f"{prefix}{name}.")
        else:
            rows.append((f"{prefix}{name}", _text(value)))
    return rows


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(_text(item) for item in value) or "–"
    if value is None or value == "" or value == {}:
        return "–"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _paragraphs(text: str) -> list[str]:
    return [part.strip() for part in text.split("\n\n") if part.strip()]


@cache
def _template() -> Template:
    loader = PackageLoader("recurra.report", ".")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("report.html.jinja")
