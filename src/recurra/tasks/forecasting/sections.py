"""What a forecaster tells the report: scores, forecasts, errors by step, calibration and the data."""

from __future__ import annotations

import numpy as np

from recurra.data.series_set import SeriesSet
from recurra.tasks.forecasting.figures import (
    PANELS,
    calibration_figure,
    data_figure,
    forecast_figure,
    horizon_figure,
    spread,
)
from recurra.tasks.forecasting.forecasts import Forecasts
from recurra.tasks.forecasting.scores import Scores
from recurra.tasks.forecasting.summary import (
    METRICS,
    coverage_text,
    scope_text,
    tone,
    verdict,
)
from recurra.tasks.sections import Findings, Picture, Section, Table
from recurra.tasks.wording import number_text, percent_text


def findings(series: SeriesSet, forecasts: Forecasts, scores: Scores) -> Findings:
    """All about a scored model; ``series`` is all of the data, the held-out end included."""
    sections = [_scores(scores), _forecasts(series, forecasts), _steps(scores)]
    if scores.calibration:
        sections.append(_calibration(scores))
    if scores.worst_series:
        sections.append(_series(scores))
    return Findings(verdict(scores), tone(scores), _facts(scores), tuple(sections))


def data_section(series: SeriesSet) -> Section:
    """The section about the data: the series over time, their holes marked."""
    shown = spread(len(series), PANELS)
    parts = [slice(int(series.starts[s]), int(series.starts[s] + series.observed[s])) for s in shown]
    holes = (series.source_row < 0) | np.isnan(series.target)
    figure = data_figure(
        [series.time[part] for part in parts],
        [series.target[part] for part in parts],
        [series.names[s] for s in shown],
        [holes[part] for part in parts],
    )
    missing, steps = int((holes & series.in_history).sum()), int(series.in_history.sum())
    text = f"A step is {series.frequency}. " + (
        f"{missing:,} of {steps:,} steps have no measured value; they are shaded." if missing else "No step is missing."
    )
    if len(shown) < len(series):
        text += f" {len(shown)} of {len(series):,} series are shown."
    notices = "".join(f"\n\n{notice[0].upper()}{notice[1:]}." for notice in series.notices)
    alt = f"{len(shown)} series over time, steps without a measured value shaded"
    return Section("Data", text + notices, (Picture(figure, alt),))


def score_table(scores: Scores) -> Table:
    """All methods and metrics, the best value of each metric marked."""
    metrics = list(scores.table["model"])
    rows = [(name, *(number_text(row[m]) for m in metrics)) for name, row in scores.table.items()]
    skills = (scores.skill.get(metric) for metric in metrics)
    rows.append(("skill of the model", *("–" if s is None else percent_text(s.value) for s in skills)))
    best = set()
    for column, metric in enumerate(metrics, start=1):
        values = [(row[metric], place) for place, row in enumerate(scores.table.values())]
        known = [(value, place) for value, place in values if value is not None]
        best |= {(place, column) for value, place in known if value == min(known)[0]}
    caption = "The lowest error of each column stands out. Skill is how far the model is below the best naive method."
    return Table(("", *(METRICS[m] for m in metrics)), tuple(rows), frozenset(best), caption)


def _facts(scores: Scores) -> tuple[tuple[str, str], ...]:
    facts = [("MAE", number_text(scores.table["model"]["mae"]))]
    if "mae" in scores.skill:
        facts.append(("skill", percent_text(scores.skill["mae"].value)))
    facts += [(f"{i.nominal * 100:.4g} % interval holds", percent_text(i.actual)) for i in scores.coverage[:1]]
    facts.append(("windows", f"{scores.windows:,}"))
    return tuple(facts)


def _scores(scores: Scores) -> Section:
    return Section("Scores", scope_text(scores), table=score_table(scores))


def _forecasts(series: SeriesSet, forecasts: Forecasts) -> Section:
    history = {
        name: (series.time[series.rows(s)], series.target[series.rows(s)]) for s, name in enumerate(series.names)
    }
    picture = Picture(forecast_figure(forecasts, history), "Forecasts with intervals beside what really came")
    return Section("Forecasts", "The model had not seen what really came.", (picture,))


def _steps(scores: Scores) -> Section:
    alt = "Mean absolute error of the model and of the naive methods at each forecast step"
    return Section("Error by step", "", (Picture(horizon_figure(scores), alt),))


def _calibration(scores: Scores) -> Section:
    alt = f"Calibration of quantiles and intervals. {coverage_text(scores)}"
    return Section("Calibration", coverage_text(scores), (Picture(calibration_figure(scores), alt),))


def _series(scores: Scores) -> Section:
    """The series at both ends of the ranking, each once."""
    worst = scores.worst_series
    best = [one for one in scores.best_series if one not in worst]
    ranked = [*best, *reversed(worst)]
    rows = tuple((one.name, number_text(one.mae), number_text(one.mase), percent_text(one.skill)) for one in ranked)
    rival = scores.skill["mae"].baseline if "mae" in scores.skill else "naive"
    caption = f"Best first, by MASE. Skill is how far the model's MAE is below that of the {rival} forecast."
    text = "All series." if len(ranked) == scores.series else "The best and the worst series."
    return Section("Series", text, table=Table(("", "MAE", "MASE", "skill"), rows, caption=caption))
