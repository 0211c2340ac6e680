"""The report: whole, small, harmless whatever the names are, the same each time."""

from __future__ import annotations

import re
import warnings
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from recurra.data.columns import Columns, Reading
from recurra.data.series import read_series
from recurra.data.series_set import SeriesSet
from recurra.data.tables import read_table
from recurra.report import Picture, Report, Section, Table, render, write_report
from recurra.tasks.figures import training_section
from recurra.tasks.forecasting.figures import data_figure
from recurra.tasks.forecasting.forecasts import Forecasts, Prediction
from recurra.tasks.forecasting.scores import score
from recurra.tasks.forecasting.sections import data_section, findings, score_table
from recurra.training.history import Epoch

EVIL = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "costs $x_1^{2$ & \\frac{",
    "北京",
    "_hidden",
    "{{ 7*7 }}",
)
VOID = {"meta", "br", "img", "hr", "link", "input"}


class Outline(HTMLParser):
    """Tags, attributes and text of a page; fails on tags that do not match."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def series_set(steps: int = 3000) -> SeriesSet:
    """Six series with dangerous names, one step missing in each."""
    rng = np.random.default_rng(8)
    time = np.datetime64("2024-01-01T00:00:00.000000") + np.arange(steps) * np.timedelta64(3600, "s")
    keep = np.arange(steps) != 1234
    data = {
        "time": np.tile(time[keep], len(EVIL)),
        "name": np.repeat(EVIL, keep.sum()).tolist(),
        "load": np.tile(100 + 10 * np.sin(np.arange(steps) / 4)[keep], len(EVIL))
        + rng.normal(size=len(EVIL) * keep.sum()),
    }
    return read_series(read_table(data), Columns(time="time", target=("load",), series="name"), Reading(fill="mask"))


def forecasts_of(series: SeriesSet, horizon: int = 48, windows: int = 10) -> Forecasts:
    rng = np.random.default_rng(9)
    owner = np.repeat(np.arange(len(series)), windows)
    origin = (series.observed[:, None] - horizon * np.arange(windows, 0, -1)).ravel()
    actual = series.target[series.starts[owner, None] + origin[:, None] + np.arange(horizon)]
    point = actual + rng.normal(size=actual.shape)
    quantiles = point[..., None] + np.array([-1.28, 0.0, 1.28])
    prediction = Prediction.at(series, owner, origin, point, quantiles, (0.1, 0.5, 0.9))
    return Forecasts.judge(prediction, series, origin, seasons=(24,))


@pytest.fixture(scope="module")
def report() -> Report:
    series = series_set()
    forecasts = forecasts_of(series)
    found = findings(series, forecasts, score(forecasts))
    history = [Epoch(e, 100 * e, 1 / e, 2 / e, 1e-3, 1.0 * e) for e in range(1, 6)]
    return Report(
        title=EVIL[0],
        subtitle=EVIL[1],
        headline=found.headline,
        tone=found.tone,
        facts=found.facts,
        sections=(*found.sections, training_section(history), data_section(series)),
        settings={"target": [EVIL[0]], "encoder": {"cell": "lstm", "hidden_size": 128}},
        provenance={"seed": 0, "data": EVIL[1], "sha256": "ab" * 32},
    )


@pytest.fixture(scope="module")
def html(report: Report) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return render(report)


def test_it_is_one_file_that_loads_nothing(html: str) -> None:
    outline = Outline(html)
    tags = {tag for tag, _ in outline.tags}
    assert not tags & {"script", "link", "img", "iframe", "object", "embed", "foreignobject"}
    for _, attributes in outline.tags:
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith("#")
    styles = " ".join(attributes.get("style") or "" for _, attributes in outline.tags)
    assert re.findall(r"url\((?!#)", styles + html[html.index("<style>") : html.index("</style>")]) == []
    assert ("meta", "default-src 'none'") in {(t, (a.get("content") or "").split(";")[0]) for t, a in outline.tags}
    assert len(html.encode()) < 1_500_000


def test_names_are_shown_as_they_are(html: str) -> None:
    outline = Outline(html)
    text = [part.strip() for part in outline.text]
    for name in EVIL:
        assert text.count(name) >= 2, name  # in the panels of forecasts and data


def test_every_part_is_there(html: str) -> None:
    headings = re.findall(r"<h2>(.*?)</h2>", html)
    assert headings == [
        "Scores", "Forecasts", "Error by step", "Calibration", "Series", "Training", "Data", "Settings", "Provenance",
    ]  # fmt: skip
    text = " ".join(Outline(html).text)
    for part in ("below that of the best naive method", "seasonal naive (24)", "skill of the model", "encoder.cell"):
        assert part in text
    assert "ab" * 32 in text
    assert "6 of 18,000 steps have no measured value; they are shaded." in text
    assert "3,000 steps, 1 missing in 1 gap" in text


def test_figures_are_sound_svg_with_a_description_and_ids_of_their_own(html: str) -> None:
    figures = re.findall(r"<svg .*?</svg>", html, flags=re.DOTALL)
    assert len(figures) == 5
    for figure in figures:
        root = ElementTree.fromstring(figure.replace("<svg ", '<svg xmlns:xlink="http://www.w3.org/1999/xlink" ', 1))
        assert root.attrib["role"] == "img"
        assert len(root.attrib["aria-label"]) > 20
        own = set(re.findall(r'\bid="([^"]+)"', figure))
        used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', figure))
        assert used <= own
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))


def test_colours_of_the_figures_are_the_pages(html: str) -> None:
    figures = "".join(re.findall(r"<svg .*?</svg>", html, flags=re.DOTALL))
    assert "var(--model)" in figures
    assert set(re.findall(r"#[0-9a-f]{6}\b", figures)) <= {"#000000", "#ffffff"}
    defined = set(re.findall(r"--([a-z]+):", html))
    assert set(re.findall(r"var\(--([a-z]+)\)", html)) <= defined


def test_tables_have_headers_for_rows_and_columns() -> None:
    table = Table(("", "MAE"), (("model", "1.0"), ("naive", "2.0")), frozenset({(0, 1)}), "caption")
    html = render(Report("t", sections=(Section("Scores", table=table),)))
    assert '<th scope="col">MAE</th>' in html
    assert '<th scope="row">model</th><td class="strong">1.0</td>' in html
    assert '<th scope="row">naive</th><td>2.0</td>' in html


def test_the_score_table_marks_the_best_of_each_column() -> None:
    series = series_set(400)
    forecasts = forecasts_of(series, 24, 3)
    scores = score(forecasts)
    table = score_table(scores)
    assert table.columns == ("", "MAE", "RMSE", "sMAPE %", "MASE", "WQL")
    assert table.strong == {(0, column) for column in range(1, 6)}
    assert [row[0] for row in table.rows] == ["model", "naive", "seasonal naive (24)", "drift", "skill of the model"]


def test_the_same_report_is_the_same_bytes_and_is_written_whole(report: Report, html: str, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(report, path)
    assert path.read_text(encoding="utf-8") == html
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_a_bare_report_has_no_empty_parts() -> None:
    html = render(Report("only a title"))
    assert "<section" not in html
    assert "<h2" not in html
    assert 'class="headline' not in html
    Outline(html)


def test_dates_before_the_epoch_and_many_years_are_drawn() -> None:
    time = np.arange("1871-01-01", "1971-01-01", dtype="datetime64[Y]").astype("datetime64[us]")
    figure = data_figure([time], [np.arange(100.0)], ["Nile"], [np.zeros(100, dtype=bool)])
    html = render(Report("t", sections=(Section("Data", figures=(Picture(figure, "the flow of the Nile"),)),)))
    assert ">1900<" in html


def test_the_smallest_case_has_a_report_too() -> None:
    """One series, one window of one step, no quantiles, no history of the training, nothing missing."""
    data = {"t": list(range(12)), "x": [5.0] * 11 + [7.0]}
    series = read_series(read_table(data), Columns(time="t", target=("x",)), Reading())
    one = np.array([[6.0]])
    origin = np.array([11])
    prediction = Prediction.at(series, np.array([0]), origin, one, one[..., None][..., :0], ())
    forecasts = Forecasts.judge(prediction, series, origin, seasons=())
    found = findings(series, forecasts, score(forecasts))
    history = [Epoch(1, 10, 0.5, None, 1e-3, 1.0)]
    html = render(Report("t", sections=(*found.sections, training_section(history), data_section(series))))
    assert [section.title for section in found.sections] == ["Scores", "Forecasts", "Error by step"]
    assert found.tone == "good"
    assert found.facts[:2] == (("MAE", "1.000"), ("skill", "50.0 %"))
    assert "MASE leaves out 1 of the windows" in html
    assert "No step is missing." in html
    Outline(html)
