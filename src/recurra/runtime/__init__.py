"""Predictions from an export, with NumPy and ONNX Runtime alone: torch is never imported.

>>> import tempfile
>>> from pathlib import Path
>>> import recurra
>>> path = Path(tempfile.mkdtemp()) / "layer.onnx"
>>> _ = recurra.export(recurra.nn.LSTM(3, 4), path)
>>> y, (h, c) = load(path).run([[[0.1, 0.2, 0.3]]])
>>> y.shape
(1, 1, 4)
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recurra.errors import BundleError, nearest
from recurra.runtime.classifier import Classifier
from recurra.runtime.forecaster import Forecaster
from recurra.runtime.layer import Layer
from recurra.runtime.pair import read_pair
from recurra.runtime.tagger import Tagger
from recurra.runtime.writer import Writer

__all__ = ["Classifier", "Forecaster", "Layer", "Tagger", "Writer", "load"]

_KINDS: dict[str, Any] = {
    "forecasting": Forecaster,
    "classification": Classifier,
    "tagging": Tagger,
    "generation": Writer,
    "layer": Layer,
}


def load(path: str | Path) -> Any:
    """Load what ``recurra export`` wrote, also from a stranger: the graph ``….onnx``, and the JSON file beside it.

    Returns a :class:`Forecaster`, :class:`Classifier`, :class:`Tagger`, :class:`Writer` or :class:`Layer`.

    Raises:
        BundleError: a file is missing or damaged, or the two do not belong together.
    """
    pair = read_pair(path)
    kind = pair.about["kind"]
    if kind not in _KINDS:
        raise BundleError(str(path), f"unknown kind {kind!r:.50}. {nearest(kind[:50], _KINDS)}")
    try:
        return _KINDS[kind](pair)
    except BundleError:
        raise
    except Exception as error:  # a stranger's settings may be wrong in any way
        raise BundleError(str(path), f"its JSON must describe this {kind} model, it does not: {error!s:.300}") from None
