"""From a bundle or a layer to a pair of files: the graph, and all else that is needed to use it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import nn

from recurra.bundle import Bundle
from recurra.errors import ExportError
from recurra.exporting.classification import ClassificationSubject
from recurra.exporting.forecasting import forecaster
from recurra.exporting.generation import GenerationSubject
from recurra.exporting.graph import Graph, quantize
from recurra.exporting.layers import LayerSubject
from recurra.exporting.subject import Subject
from recurra.exporting.tagging import TaggingSubject
from recurra.exporting.verification import BATCHES, Verification, difference, verify
from recurra.files import write_atomically
from recurra.nn import GRU, LSTM, RNN
from recurra.runtime.graph_file import check_graph
from recurra.runtime.pair import FORMAT, open_session
from recurra.sealed import entry_of, write_sealed

OPSET = 17
"""The oldest opset that has all that is written, so that most runtimes can read it."""

_SUBJECTS: dict[str, Callable[..., Any]] = {
    "forecasting": forecaster,
    "classification": ClassificationSubject,
    "tagging": TaggingSubject,
    "generation": GenerationSubject,
}
_ROUGH = 0.1  # what int8 weights may change


@dataclass(frozen=True)
class Exported:
    """What was written, and how far it is from the model that it was made of."""

    graph: Path
    about: Path
    verification: Verification
    rounding: float | None
    """With int8 weights, how far these moved the answers at most."""

    def summary(self) -> str:
        """Some lines for people."""
        proof = self.verification
        lines = [
            f"{self.graph} and {self.about} written",
            f"largest difference from the model in torch: {proof.largest_difference:.1e} (limit {proof.limit:g}), "
            f"at {', '.join(map(str, proof.steps))} steps in batches of {', '.join(map(str, proof.batches))}"
            + (", from zero and other states" if proof.states else ""),
        ]
        if self.rounding is not None:
            lines.append(f"int8 weights change the answers by up to {self.rounding:.1e}")
        return "\n".join(lines)


@torch.no_grad()
def export(
    source: Bundle | LSTM | GRU | RNN,
    path: str | Path,
    *,
    opset: int = OPSET,
    int8: bool = False,
    overwrite: bool = False,
) -> Exported:
    """Write a bundle, or a recurrent layer, as an ONNX graph, with a JSON file beside it for :mod:`recurra.runtime`.

    The graph is run in ONNX Runtime at three lengths and three batch sizes before anything is written.

    Args:
        source: what to export.
        path: of the graph, ``….onnx``; the JSON file has the same name.
        opset: of the ONNX standard.
        int8: keep the weights in int8, with a scale for each row: a quarter of the size. The answers change a little;
            how much is measured.
        overwrite: replace files that are there.

    Raises:
        ExportError: the model cannot be exported, or the graph does not answer as it does; no file is left.

    >>> import tempfile
    >>> from recurra.nn import LSTM
    >>> path = Path(tempfile.mkdtemp()) / "layer.onnx"
    >>> exported = export(LSTM(3, 4, peephole="diagonal"), path)
    >>> exported.verification.largest_difference < 1e-5
    True
    """
    graph_path = Path(path)
    about_path = graph_path.with_suffix(".json")
    _check_paths(graph_path, about_path, overwrite)
    _check_opset(opset)
    subject = _subject(source)
    original = subject
    if int8:
        subject = _rounded(subject)
    content = _write(subject, opset, int8)
    check_graph(content, graph_path)
    verification = verify(subject, content)
    rounding = _distance(original, content) if int8 else None
    about = {
        "format": FORMAT,
        "kind": subject.kind,
        "settings": subject.describe(),
        "onnx": {"file": graph_path.name, **entry_of(content), "opset": opset, "int8": int8},
        "verification": {**verification.to_dict(), "int8_difference": rounding},
        "provenance": dict(source.provenance) if isinstance(source, Bundle) else {},
        "version": version("recurra"),
    }
    beside = write_sealed(about, str(about_path))
    write_atomically(graph_path, content)
    write_atomically(about_path, beside)
    return Exported(graph_path, about_path, verification, rounding)


def _check_paths(graph: Path, about: Path, overwrite: bool) -> None:
    if graph.suffix != ".onnx":
        raise ExportError(str(graph), f"the graph's file must end in .onnx, got {graph.suffix!r}. Change the name.")
    if not graph.parent.is_dir():
        raise ExportError(str(graph), f"the folder {graph.parent} must exist, it does not. Make it first.")
    there = [path for path in (graph, about) if path.exists()]
    if there and not overwrite:
        raise ExportError(str(there[0]), "the place must be free, a file is there. Choose another, or --overwrite.")


def _check_opset(opset: int) -> None:
    newest = onnx.defs.onnx_opset_version()
    if not OPSET <= opset <= newest:
        raise ExportError("--opset", f"must be from {OPSET} to {newest}, got {opset}. Leave it out for {OPSET}.")


def _subject(source: Bundle | LSTM | GRU | RNN) -> Subject:
    if isinstance(source, Bundle):
        if source.task.name not in _SUBJECTS:
            known = ", ".join(_SUBJECTS)
            raise ExportError("export", f"a model for {known} is needed, this one is for {source.task.name}.")
        subject: Subject = _SUBJECTS[source.task.name](source.task, source.model.eval())
        return subject
    if not isinstance(source, (LSTM, GRU, RNN)):
        raise ExportError("export", f"a bundle or a layer of recurra.nn is needed, {type(source).__name__} came.")
    if source.weight_ih_l0.dtype != torch.float32:
        raise ExportError("export", f"weights must be float32, got {source.weight_ih_l0.dtype}. Convert the layer.")
    return LayerSubject(copy.deepcopy(source).eval())


def _write(subject: Subject, opset: int, int8: bool) -> bytes:
    graph = Graph(opset, int8)
    subject.write(graph)
    content: bytes = graph.build().SerializeToString()
    return content


def _rounded(subject: Subject) -> Subject:
    """The same with all weights as they are in int8, so that the graph can be proven to be exactly this."""
    name = "layer" if isinstance(subject, LayerSubject) else "model"
    module: nn.Module = copy.deepcopy(getattr(subject, name))
    for weight in module.parameters():
        if weight.dim() > 1:
            numbers, scale = quantize(weight.detach().numpy())
            weight.data = torch.from_numpy(numbers * scale)
    return replace(subject, **{name: module})  # type: ignore[type-var]


def _distance(subject: Subject, content: bytes) -> float:
    """How far the graph is from the model before it was rounded."""
    session, random = open_session(content), np.random.default_rng(0)
    trials = (subject.trial(random, steps, batch, False) for steps in subject.steps for batch in BATCHES)
    found = max(difference(session, trial) for trial in trials)
    if not found <= _ROUGH:
        raise ExportError("--int8", f"the answers may change by {_ROUGH} at most, they do by {found:g}. Leave it out.")
    return found
