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

from recurra.data.tables import Source, Table
from recurra.errors import BundleError, RecurraError, SettingsError, nearest
from recurra.files import write_atomically
from recurra.nn.fingerprint import fingerprint
from recurra.settings import Sampling, from_dict, to_dict
from recurra.task import Backtests, Data, Generates, Predicts, Scores, Task
from recurra.tasks import TASKS
from recurra.training.options import TrainingOptions

FORMAT = 1
MANIFEST, WEIGHTS, REPORT = "bundle.json", "weights.safetensors", "report.html"
_MANIFEST_LIMIT = 32 * 2**20  # bytes; vocabularies are in it
_HEADER_LIMIT = 8 * 2**20  # bytes that safetensors may add to the weights themselves
_SEAL = ',\n  "sha256": "{}"\n}}\n'  # the end of the manifest; the hash is that of all before it


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

    def save(self, folder: str | Path) -> None:
        """Write the bundle; ``bundle.json`` comes last, so that a bundle is whole or does not exist.

        Raises:
            BundleError: a bundle is there already.
        """
        folder = Path(folder)
        if (folder / MANIFEST).exists():
            raise BundleError(
                str(folder), "a new bundle needs a place of its own, one is there. Choose another folder."
            )
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / WEIGHTS, safetensors.torch.save(_state(self.model)))
        files = {name: _entry(folder / name) for name in (WEIGHTS, REPORT) if (folder / name).is_file()}
        manifest = {
            "format": FORMAT,
            "task": self.task.name,
            "settings": self.task.to_dict(),
            "scores": self.scores,
            "provenance": self.provenance,
            "files": files,
        }
        write_atomically(folder / MANIFEST, _seal(json.dumps(manifest, indent=2, allow_nan=False)))


def load(folder: str | Path) -> Bundle:
    """Load a bundle, also one from a stranger.

    Raises:
        BundleError: it is incomplete, damaged, of another format version, or not what its settings say.
    """
    folder = Path(folder)
    manifest = _read_manifest(folder)
    contents = {name: _read_listed(folder, name, entry) for name, entry in manifest["files"].items()}
    if WEIGHTS not in contents:
        raise BundleError(f"{folder / MANIFEST}", f"must list {WEIGHTS}, lists {sorted(contents) or 'no files'}.")
    try:
        task = TASKS[manifest["task"]].restore(manifest["settings"])
        with torch.device("meta"):  # nothing is allocated before the sizes have been compared
            model = task.build_model()
    except (RecurraError, KeyError, TypeError, ValueError, AttributeError, RuntimeError, OverflowError) as error:
        raise BundleError(f"{folder / MANIFEST}", f"its settings must make a model, they do not: {error}") from None
    _put_weights(model, contents[WEIGHTS], folder / WEIGHTS)
    return Bundle(task, model, manifest["scores"], manifest["provenance"])


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


def _entry(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.exists():
        raise BundleError(str(folder), f"a bundle must hold {MANIFEST}, there is none. Check the path.")
    content = _read(path, _MANIFEST_LIMIT)
    _check_seal(content, path)
    try:
        manifest = json.loads(content, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BundleError(str(path), f"must be JSON in UTF-8: {error}.") from None
    _check_manifest(manifest, path)
    return dict(manifest)


def _seal(manifest: str) -> bytes:
    """The manifest's bytes, its own hash as the last field."""
    body = manifest.removesuffix("\n}").encode()
    return body + _SEAL.format(hashlib.sha256(body).hexdigest()).encode()


def _check_seal(content: bytes, path: Path) -> None:
    size = len(_SEAL.format("0" * 64))
    body, seal = content[:-size], content[-size:]
    if seal != _SEAL.format(hashlib.sha256(body).hexdigest()).encode():
        raise BundleError(str(path), "must be as it was saved (its SHA-256 differs), it has changed. Get a new copy.")


def _check_manifest(manifest: Any, path: Path) -> None:
    kinds = {
        "format": int,
        "task": str,
        "settings": dict,
        "scores": dict,
        "provenance": dict,
        "files": dict,
        "sha256": str,
    }
    if not isinstance(manifest, dict) or set(manifest) != set(kinds):
        raise BundleError(str(path), f"must have exactly the fields {', '.join(kinds)}.")
    for name, kind in kinds.items():
        if type(manifest[name]) is not kind:
            raise BundleError(str(path), f"field {name!r} must be of type {kind.__name__}, got {manifest[name]!r:.50}.")
    if manifest["format"] != FORMAT:
        raise BundleError(str(path), f"format {FORMAT} can be read, got {manifest['format']}. Use a newer recurra.")
    if manifest["task"] not in TASKS:
        raise BundleError(str(path), f"unknown task {manifest['task']!r:.50}. {nearest(manifest['task'], TASKS)}")
    unknown = set(manifest["files"]) - {WEIGHTS, REPORT}
    if unknown:
        raise BundleError(str(path), f"may list {WEIGHTS} and {REPORT} only, lists {sorted(unknown)[0]!r:.80}.")


def _read_listed(folder: Path, name: str, entry: Any) -> bytes:
    """The bytes of a file, if they are those that the manifest speaks of."""
    path = folder / name
    if not isinstance(entry, dict) or type(entry.get("bytes")) is not int or not isinstance(entry.get("sha256"), str):
        raise BundleError(str(folder / MANIFEST), f"must give bytes and sha256 of {name}, got {entry!r:.80}.")
    if name == REPORT and not path.exists():
        return b""  # for people only: nobody needs it to predict
    content = _read(path, entry["bytes"])
    if len(content) != entry["bytes"] or hashlib.sha256(content).hexdigest() != entry["sha256"]:
        raise BundleError(str(path), "must be as it was saved (its SHA-256 differs), it has changed. Get a new copy.")
    return content


def _read(path: Path, limit: int) -> bytes:
    """A plain file's bytes, ``limit`` at most."""
    if path.is_symlink() or not path.is_file():
        raise BundleError(str(path), "must be a plain file, it is a link, a folder or missing. Get a new copy.")
    size = path.stat().st_size
    if size > limit:
        raise BundleError(str(path), f"must have {limit:,} bytes at most, it has {size:,}. Get a new copy.")
    return path.read_bytes()


def _put_weights(model: nn.ModuleList, content: bytes, path: Path) -> None:
    """Fill a model that has no memory yet, once names, shapes, types and values of all weights are right."""
    expected = model.state_dict()
    needed = sum(value.numel() * value.element_size() for value in expected.values())
    if not needed <= len(content) <= needed + _HEADER_LIMIT:
        raise BundleError(str(path), f"the settings need {needed:,} bytes of weights, it has {len(content):,}.")
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
        if not bool(torch.isfinite(found).all()):
            raise BundleError(str(path), f"all weights must be finite, {name} is not. Train again.")
    model.load_state_dict(weights, assign=True)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a name occurs twice in one object")
    return values


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _like(frame: pl.DataFrame, data: Any) -> Any:
    """The frame in the kind of the caller's own."""
    if isinstance(data, (str, Path, dict, list, tuple, Table, pl.DataFrame, pl.LazyFrame)):
        return frame
    kind = nw.get_native_namespace(nw.from_native(data))
    return nw.from_native(frame).to_pandas() if kind.__name__ == "pandas" else nw.from_native(frame).to_arrow()
