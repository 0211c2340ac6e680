"""Scores in words, for the terminal and for the report: what the numbers mean, also when the model loses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from recurra.tasks.wording import aligned, list_text, number_text, percent_text

if TYPE_CHECKING:
    from recurra.tasks.forecasting.scores import Scores

METRICS = {"mae": "MAE", "rmse": "RMSE", "smape": "sMAPE %", "mase": "MASE", "wql": "WQL"}
"""The metrics of a table and how people call them."""
_EQUAL = 0.0005  # a skill nearer to 0 than this is none: 0.0 % in print


def verdict(scores: Scores) -> str:
    """Say in a sentence or two how the model compares with the best naive method, by MAE."""
    skill = scores.skill.get("mae")
    if skill is None:
        return f"The model's MAE is {number_text(scores.table['model']['mae'])}."
    best = f"the {skill.baseline} forecast"
    if skill.value is None:
        return f"The model LOSES to {best}, which makes no error at all. Use that forecast."
    if skill.value < -_EQUAL:
        return (
            f"The model LOSES to {best}: its MAE is {percent_text(-skill.value)} above. "
            "Use that forecast, or give the model more data, a longer context or covariates."
        )
    if skill.value <= _EQUAL:
        return f"The model's MAE is that of the best naive method, {best}: the model adds nothing to it."
    others = [METRICS[m].split()[0] for m, s in scores.skill.items() if s.value is None or s.value < -_EQUAL]
    but = f" But by {list_text(others)} it loses to a naive method." if others else ""
    return f"The model's MAE is {percent_text(skill.value)} below that of the best naive method, {best}.{but}"


def tone(scores: Scores) -> Literal["good", "bad", "neutral"]:
    """Whether the verdict is good news."""
    skill = scores.skill.get("mae")
    if skill is None or (skill.value is not None and abs(skill.value) <= _EQUAL):
        return "neutral"
    return "bad" if skill.value is None or skill.value < 0 else "good"


def summary(scores: Scores) -> str:
    """A few lines for the terminal: the table, the verdict, the intervals, and what was scored."""
    lines = [score_table(scores), "", verdict(scores)]
    if scores.coverage:
        lines.append(coverage_text(scores))
    lines.append(scope_text(scores))
    return "\n".join(lines)


def score_table(scores: Scores) -> str:
    """The table of all methods and metrics as aligned text."""
    metrics = list(scores.table["model"])
    rows = [["", *(METRICS[m] for m in metrics)]]
    rows += [[name, *(number_text(row[m]) for m in metrics)] for name, row in scores.table.items()]
    return aligned(rows)


def coverage_text(scores: Scores) -> str:
    """Say how many values lie in each interval that should hold some share of them."""
    parts = [f"the {i.nominal * 100:.4g} % interval holds {percent_text(i.actual)}" for i in scores.coverage]
    text = list_text(parts) + " of the values."
    return text[0].upper() + text[1:] if scores.coverage else ""


def scope_text(scores: Scores) -> str:
    """Say what was scored, and what was left out of MASE."""
    counts = [(scores.points, "value"), (scores.windows, "window"), (scores.series, "series")]
    points, windows, series = (f"{n:,} {word}{'' if n == 1 or word == 'series' else 's'}" for n, word in counts)
    steps = f"{scores.horizon:,} step{'' if scores.horizon == 1 else 's'}"
    left = (
        f" MASE leaves out {scores.unscaled:,} of the windows: their history is shorter than a season or constant."
        if scores.unscaled
        else ""
    )
    return f"Scored on {points} in {windows} of {steps}, {series}.{left}"
