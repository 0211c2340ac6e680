"""Figures as SVG to put into a page: small, without ids that clash, in colours that the page decides."""

from __future__ import annotations

import io
import re
import warnings
from html import escape

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.figure import Figure

from recurra.tasks.figures import COLOURS, style
from recurra.tasks.sections import Picture

_NUMBER = re.compile(r"-?\d+\.\d{3,}")
_GEOMETRY = re.compile(r' (?:d|x|y|width|height|transform)="[^"]*"')
_GROUP_ID = re.compile(r'<g id="[^"]*"')
_ID = re.compile(r'(id="|url\(#|href="#)')


def to_svg(picture: Picture, number: int) -> Markup:
    """An ``<svg>`` element that fills its place; ``number`` is unique in the page.

    Text stays text, in the page's font; colours are the page's CSS variables ``--ink`` and so on.
    """
    text = _draw(picture.figure)
    body = text[text.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    view = re.search(r'viewBox="([^"]*)"', body)
    assert view is not None, "matplotlib writes a viewBox"
    body = body[body.index(">") + 1 :]
    body = _GROUP_ID.sub("<g", body)
    body = _ID.sub(rf"\1f{number}-", body)
    body = _GEOMETRY.sub(lambda part: _NUMBER.sub(_round, part[0]), body)
    body = re.sub(r"\n\s*", "\n", body)
    for name, value in COLOURS.items():
        body = body.replace(value, f"var(--{name})")
    return Markup(f'<svg viewBox="{view[1]}" role="img" aria-label="{escape(picture.alt)}">{body}')


def _draw(figure: Figure) -> str:
    """The figure as an SVG document, the same bytes each time."""
    buffer = io.StringIO()
    with style(), warnings.catch_warnings(), mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "recurra"}):
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # the browser has other fonts
        if figure.get_layout_engine() is not None:  # it moves things a little each time it runs: let it run once
            figure.draw_without_rendering()
            figure.set_layout_engine("none")
        figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    return buffer.getvalue()


def _round(number: re.Match[str]) -> str:
    return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")
