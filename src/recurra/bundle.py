"""A bundle: a task and its weights, in memory or as a directory of JSON and safetensors, never of code.

``bundle.json`` names the task out of a closed table and holds the SHA-256 of every other file and of itself. Loading
one from a stranger runs nothing of theirs: hashes are checked on the very bytes that are used, JSON is parsed, shapes
are compared with a model that was built from the settings before any weight is looked at.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import narwhals as nw
import polars as pl
import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from recurra.data.tables import Source, Table
from recurra.errors import BundleError, SettingsError
from recurra.files import atomic_folder
from recurra.manifest import (
    MANIFEST,
    REPORT,
    WEIGHTS,
    check_header,
    check_report,
    read_manifest,
    write_manifest,
)
from recurra.nn.fingerprint import fingerprint
from recurra.sealed import entry_of, read_whole
from recurra.settings import Sampling, from_dict, to_dict
from recurra.task import Backtests, Data, Generates, Predicts, Scores, Task
from recurra.tasks import TASKS
from recurra.training.options import TrainingOptions

_HEADER_OF_A_TENSOR, _HEADER_REST = 200, 2**16  # bytes that safetensors may add to the weights, beside the names
_MOST_CALLS = 20_000  # of torch, to make a model; a layer takes some twenty


@dataclass(frozen=True, eq=False)
class Bundle:
    """A trained model and all that is needed to use it.

    >>> import recurra
    >>> data = {"day": list(range(60)), "x": [float(i % 7) for i in range(60)]}
    >>> settings = recurra.Forecasting(time="day", target="x", horizon=2)
    >>> bundle = recurra.train(settings, data, options=recurra.TrainingOptions(steps=5))
    >>> bundle.predict(data).height
    2
    """

    task: Task
    model: nn.ModuleList
    """One module per member."""
    scores: Mapping[str, Any] = field(default_factory=dict)
    """The scores on data held out in training, as plain values; empty if none were."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """Where the model comes from: data and their hash, seed, options, versions, date."""

    def __post_init__(self) -> None:
        self.model.eval()

    @cached_property
    def fingerprint(self) -> str:
        """The SHA-256 of all that a prediction depends on: the task and the weights as they are at the first call."""
        task = json.dumps([self.task.name, self.task.to_dict()], sort_keys=True)
        return hashlib.sha256(f"{task} {fingerprint(self.model)}".encode()).hexdigest()

    def predict(self, data: Source) -> Any:
        """Predict for new data; a pandas or pyarrow frame gives one of its kind, anything else a polars frame.

        Raises:
            DataError: the data lack what the model needs.
        """
        if not isinstance(self.task, Predicts):
            raise self._cannot("predict")
        return _like(self.task.predict(self.model, data), data)

    def evaluate(self, data: Any) -> Scores:
        """Score the model on all of ``data``, which it must not have been trained on."""
        return self.task.evaluate(self.model, data)

    def backtest(self, data: Source, windows: int, stride: int | None = None) -> Scores:
        """Score the model on the last ``windows`` windows of each series, ``stride`` steps apart."""
        if not isinstance(self.task, Backtests):
            raise self._cannot("be backtested")
        return self.task.backtest(self.model, data, windows, stride)

    def generate(
        self,
        prompt: str = "",
        *,
        state: Any = None,
        show: Callable[[str], None] | None = None,
        **sampling: Any,
    ) -> Any:
        """Go on with a text, of a model that was trained for generation.

        Args:
            prompt: the text to go on with; empty to begin anew, or to go on from ``state`` as it is.
            state: where to go on: the ``state`` of what an earlier call returned, or the file it was saved in.
            show: is called with each piece of the text as soon as it is made.
            sampling: as in :class:`recurra.Sampling`, such as ``length=200, temperature=0.7``.

        Returns what was written: ``text``, ``symbols``, ``stopped``, ``notices``, and the ``state`` to go on from.

        Raises:
            SettingsError: the model is for another task, or the sampling settings contradict each other.
            BundleError: the file of a state is damaged.

        >>> import recurra, tempfile
        >>> file = Path(tempfile.mkdtemp()) / "text.txt"
        >>> _ = file.write_text("to be or not to be, " * 20)
        >>> settings = recurra.Generation(encoder=recurra.Encoder(hidden_size=8))
        >>> bundle = recurra.train(settings, file, options=recurra.TrainingOptions(steps=5))
        >>> written = bundle.generate("to be", length=10)
        >>> len(written.text), written.stopped
        (10, 'length')
        """
        if not isinstance(self.task, Generates):
            raise self._cannot("generate")
        if isinstance(state, (str, Path)):
            state = self.task.load_state(Path(state))
        return self.task.generate(self.model, prompt, from_dict(Sampling, sampling), state, show)

    def _cannot(self, verb: str) -> SettingsError:
        return SettingsError(
            "bundle", f"a model that can {verb} is needed, this one is for {self.task.name}. Use another command."
        )

    def save(
        self, folder: str | Path, *, overwrite: bool = False, report: Callable[[Path], None] | None = None
    ) -> None:
        """Write the bundle, whole or not at all; a kill at any moment leaves the old one or the new one.

        Args:
            folder: may exist, and may hold other files, which stay.
            overwrite: replace a bundle that is there.
            report: writes the report to the path it is given.

        Raises:
            BundleError: a bundle is there already.
        """
        folder = Path(folder)
        if (folder / MANIFEST).exists() and not overwrite:
            raise BundleError(
                str(folder), "a new bundle needs a place of its own, one is there. Choose another folder."
            )
        with atomic_folder(folder, (REPORT, WEIGHTS, MANIFEST)) as unfinished:
            weights = safetensors.torch.save(_state(self.model))
            (unfinished / WEIGHTS).write_bytes(weights)
            files = {WEIGHTS: entry_of(weights)}
            if report is not None:
                report(unfinished / REPORT)
                files[REPORT] = entry_of((unfinished / REPORT).read_bytes())
            (unfinished / MANIFEST).write_bytes(self._manifest(files))

    def _manifest(self, files: Mapping[str, Any]) -> bytes:
        return write_manifest(
            {
                "task": self.task.name,
                "settings": self.task.to_dict(),
                "scores": self.scores,
                "provenance": self.provenance,
                "files": files,
            }
        )


def load(folder: str | Path, *, allow_nan: bool = False) -> Bundle:
    """Load a bundle, also one from a stranger: nothing of theirs is run, nothing large is made before it is checked.

    Args:
        folder: of the bundle.
        allow_nan: take weights that are not finite, to look at them; what the model says is worth nothing.

    Raises:
        BundleError: it is incomplete, damaged, of another format version, or not what its settings say.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    task, model = _build(manifest, folder / MANIFEST)
    entry = manifest["files"][WEIGHTS]
    _check_size(model, entry["bytes"], folder / WEIGHTS)
    _put_weights(model, read_whole(folder / WEIGHTS, entry), folder / WEIGHTS, allow_nan)
    if REPORT in manifest["files"]:
        check_report(folder, manifest["files"][REPORT])
    return Bundle(task, model, manifest["scores"], manifest["provenance"])


def build_without_memory(task: Task) -> nn.ModuleList:
    """A task's model whose weights have shapes and no values; one of too many parts is a :class:`BundleError`."""
    with torch.device("meta"), _AtMost(_MOST_CALLS):
        return task.build_model()


class _AtMost(TorchFunctionMode):
    """Ends the making of a model of a million layers, each of them small, which takes Python's time and memory."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self.calls = calls

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.calls -= 1
        if self.calls < 0:
            raise BundleError("settings", "they ask for more layers than any model has. Use fewer layers or members.")
        return function(*args, **(kwargs or {}))


def _build(manifest: Mapping[str, Any], path: Path) -> tuple[Task, nn.ModuleList]:
    try:
        task = TASKS[manifest["task"]].restore(manifest["settings"])
        return task, build_without_memory(task)
    except Exception as error:  # a stranger's settings may be wrong in any way
        raise BundleError(str(path), f"its settings must make a model, they do not: {error!s:.300}") from None


def describe_origin(data: Data, options: TrainingOptions) -> dict[str, Any]:
    """The provenance of a model that is trained now, in this process, on ``data``."""
    return {
        "data": {"source": data.source, "sha256": data.sha256, "size": data.size},
        "seed": options.seed,
        "training": to_dict(options),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"recurra": version("recurra"), "torch": torch.__version__, "python": platform.python_version()},
        "machine": {"system": platform.system(), "processor": platform.machine(), "cores": os.cpu_count()},
    }


def _state(model: nn.ModuleList) -> dict[str, Tensor]:
    return {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}


def _check_size(model: nn.ModuleList, size: int, path: Path) -> None:
    """Refuse weights of a size that is not the model's, before they are read."""
    expected = model.state_dict()
    needed = sum(value.numel() * value.element_size() for value in expected.values())
    header = _HEADER_REST + sum(len(name) + _HEADER_OF_A_TENSOR for name in expected)
    if not needed <= size <= needed + header:
        raise BundleError(str(path), f"the settings need {needed:,} bytes of weights, it has {size:,}.")


def _put_weights(model: nn.ModuleList, content: bytes, path: Path, allow_nan: bool) -> None:
    """Fill a model that has no memory yet, once names, shapes, types and values of all weights are right."""
    expected = model.state_dict()
    check_header(content, path)
    try:
        weights = safetensors.torch.load(content)
    except (safetensors.SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise BundleError(str(path), f"must be in the safetensors format: {error}.") from None
    if set(weights) != set(expected):
        odd = sorted(set(weights) ^ set(expected))[0]
        raise BundleError(str(path), f"must hold exactly the weights of the settings, {odd!r:.80} is not in both.")
    for name, value in expected.items():
        found = weights[name]
        if found.shape != value.shape or found.dtype != value.dtype:
            raise BundleError(
                str(path), f"{name} must be {list(value.shape)} {value.dtype}, it is {list(found.shape)} {found.dtype}."
            )
        if not allow_nan and not bool(torch.isfinite(found).all()):
            raise BundleError(
                str(path),
                f"all weights must be finite, {name} is not. Train again; to look at it use load(…, allow_nan=True).",
            )
    model.load_state_dict(weights, assign=True)


def _like(frame: pl.DataFrame, data: Any) -> Any:
    """The frame in the kind of the caller's own."""
    if isinstance(data, (str, Path, dict, list, tuple, Table, pl.DataFrame, pl.LazyFrame)):
        return frame
    kind = nw.get_native_namespace(nw.from_native(data))
    return nw.from_native(frame).to_pandas() if kind.__name__ == "pandas" else nw.from_native(frame).to_arrow()
