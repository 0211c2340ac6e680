"""From a user's file to a bundle: read, learn, train, score, report, save. A run that was killed goes on here, too."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from recurra import settings as plain
from recurra.bundle import Bundle, build_without_memory, describe_origin, load
from recurra.errors import CheckpointError, SettingsError
from recurra.files import sha256, write_atomically
from recurra.manifest import MANIFEST
from recurra.report import Report, write_report
from recurra.task import Data, Examples, Scored, Split, Streams, Task, TaskSettings
from recurra.tasks import TASKS
from recurra.training.loop import Trained, fit, seeded
from recurra.training.options import TrainingOptions
from recurra.training.progress import Progress, Silent
from recurra.training.randomness import mix

RUN = "run"
_RUN_FORMAT = 1


def train(
    task: TaskSettings,
    data: Any,
    *,
    out: str | Path | None = None,
    overwrite: bool = False,
    options: TrainingOptions | None = None,
    progress: Progress | None = None,
) -> Bundle:
    """Train a model on a user's data, score it on what was held out, and save it.

    Args:
        task: the settings of the task, such as :class:`recurra.Forecasting`.
        data: what the task reads: for a table a file (CSV, Parquet, JSON lines) or a pandas, polars or pyarrow frame,
            for text one or more files.
        out: the folder of the bundle and its report; while it is trained, ``out/run`` holds checkpoints and the log.
            None keeps all in memory.
        overwrite: replace what a training left in ``out``: an unfinished run once the data and the settings have been
            accepted, a bundle once the new one is whole.
        options: of the training.
        progress: shows the run; None for silence.

    Raises:
        DataError: the data cannot be used; nothing is written.
        SettingsError: settings contradict each other, or ``out`` holds a model or a run already.
        TrainingError: the loss is not finite.
        Interrupted: Ctrl-C or SIGTERM; :func:`resume` goes on.

    >>> import recurra
    >>> data = {"day": list(range(60)), "x": [float(i % 7) for i in range(60)]}
    >>> few = recurra.TrainingOptions(steps=5)
    >>> bundle = recurra.train(recurra.Forecasting(time="day", target="x", horizon=2), data, options=few)
    >>> bundle.predict(data).columns
    ['day', 'point', 'q0.1', 'q0.5', 'q0.9']
    """
    folder = None if out is None else Path(out)
    if folder is not None and not overwrite:
        _require_free(folder)
    run = _Run.begin(task, task.read(data), options or TrainingOptions(), folder)
    return run.go(progress or Silent())


def resume(folder: str | Path, *, progress: Progress | None = None) -> Bundle:
    """Go on, bit for bit, with the training that was killed or interrupted in ``folder``.

    Raises:
        CheckpointError: there is no run, or its data are gone or have changed.
    """
    folder = Path(folder)
    if _is_saved(folder) and (folder / RUN).exists():  # killed when all was saved but not yet tidied up
        shutil.rmtree(folder / RUN)
        return load(folder)
    return _Run.found(folder).go(progress or Silent())


@dataclass
class _Run:
    """One training, of all members, once to be scored and perhaps once more on all of the data."""

    settings: TaskSettings
    task: Task
    data: Data
    learned_from: Any
    """What the task made of the data."""
    split: Split
    options: TrainingOptions
    origin: Mapping[str, Any]
    """Where the model comes from."""
    folder: Path | None

    @classmethod
    def begin(cls, settings: TaskSettings, data: Data, options: TrainingOptions, folder: Path | None) -> _Run:
        """Learn from the data; only when all of it is right, write down what to train."""
        run = cls._of(settings, data, options, folder)
        if folder is not None:
            shutil.rmtree(folder / RUN, ignore_errors=True)
            _write_json(folder / RUN / "run.json", run._describe(data.keep(folder / RUN), folder))
        return run

    @classmethod
    def _of(cls, settings: TaskSettings, data: Data, options: TrainingOptions, folder: Path | None) -> _Run:
        task, learned_from = settings.learn(data)
        split = task.split(learned_from)
        build_without_memory(task)  # settings that make no model are refused before anything is written
        options = _fill(options, task, len(split.training))
        return cls(settings, task, data, learned_from, split, options, describe_origin(data, options), folder)

    @classmethod
    def found(cls, folder: Path) -> _Run:
        """The run that a folder holds."""
        values = _read_run(folder)
        paths = [Path(path) for path in values["data"]]
        for path in paths:
            if not path.is_file():
                raise CheckpointError(str(folder), f"its data must still be at {path}, nothing is there. Put it back.")
        settings: TaskSettings = plain.from_dict(TASKS[values["task"]], values["settings"])
        data = settings.read(paths if settings.many else paths[0])
        is_copy = paths[0].parent == (folder / RUN).resolve()
        if data.sha256 != values["sha256"] and not is_copy:
            raise CheckpointError(
                str(folder),
                f"its data {data.source} must be as they were (SHA-256 {values['sha256'][:12]}…), they have changed "
                f"({data.sha256[:12]}…). Put the old file back, or train anew.",
            )
        options = plain.from_dict(TrainingOptions, values["training"])
        return cls._of(settings, data, options, folder)

    def _describe(self, files: list[Path], folder: Path) -> dict[str, Any]:
        return {
            "format": _RUN_FORMAT,
            "task": self.task.name,
            "settings": plain.to_dict(self.settings),
            "training": plain.to_dict(self.options),
            "data": [str(file.resolve()) for file in files],
            "sha256": self.data.sha256,
            "replaces": _mark(folder),
        }

    def go(self, progress: Progress) -> Bundle:
        progress.tell(self.split.description)
        for notice in self.split.notices:
            progress.notice(notice)
        scored: Scored | None = None
        model, history = self._train(self.split.training, "select", progress)
        if self.split.score:
            scored = self.split.score(model)
        if self.split.everything:
            model, _ = self._train(self.split.everything, "final", progress)
        bundle = Bundle(
            task=self.task,
            model=model,
            scores=scored.scores.to_dict() if scored else {},
            provenance=self.origin,
        )
        if self.folder is not None:
            self._save(bundle, scored, history)
        return bundle

    def _train(
        self, examples: Examples | Streams, stage: str, progress: Progress
    ) -> tuple[nn.ModuleList, list[Trained]]:
        """Train every member; ``stage`` names their folders."""
        with seeded(mix(self.options.seed, "weights")):
            model = self.task.build_model()
        results = []
        for number, member in enumerate(model, start=1):
            progress.stage(_title(stage, number, len(model), self.split.everything is not None))
            results.append(
                fit(
                    member,
                    examples,
                    self.task.loss,
                    replace(self.options, seed=mix(self.options.seed, "member", number)),
                    validate=self.split.validate if stage == "select" else None,
                    folder=self.folder / RUN / f"{stage}-{number}" if self.folder else None,
                    progress=progress,
                    resume_hint=f"recurra resume {self.folder}",
                )
            )
        return model, results

    def _save(self, bundle: Bundle, scored: Scored | None, trained: list[Trained]) -> None:
        assert self.folder is not None
        report = self._report(bundle, scored, trained)
        bundle.save(self.folder, overwrite=True, report=partial(write_report, report))
        shutil.rmtree(self.folder / RUN)

    def _report(self, bundle: Bundle, scored: Scored | None, trained: list[Trained]) -> Report:
        findings = self.task.findings(self.learned_from, scored, [one.history for one in trained])
        return Report(
            title=f"{self.task.name.capitalize()}: {Path(self.data.source).name}",
            subtitle=". ".join((self.split.description, *self.split.notices)),
            headline=findings.headline,
            tone=findings.tone,
            facts=findings.facts,
            sections=findings.sections,
            settings={**plain.to_dict(self.settings), "training": plain.to_dict(self.options)},
            provenance=bundle.provenance,
        )


def _fill(options: TrainingOptions, task: Task, examples: int) -> TrainingOptions:
    """The options, with the task's choice for those that the user left open."""
    open_ones = {name: value for name, value in task.training_defaults.items() if getattr(options, name) is None}
    options = replace(options, **open_ones)
    assert options.batch_size is not None
    return replace(options, steps=options.steps or task.choose_steps(examples, options.batch_size))


def _title(stage: str, number: int, members: int, twice: bool) -> str:
    of = f" member {number} of {members}" if members > 1 else ""
    if not twice:
        return f"training{of}"
    return f"training{of} without the held-out part" if stage == "select" else f"training{of} on all of the data"


def _require_free(folder: Path) -> None:
    if (folder / RUN).exists():
        raise SettingsError(
            f"out {folder}",
            "the folder must be free, an unfinished training is in it. "
            f"Go on with: recurra resume {folder}; or delete it.",
        )
    if (folder / MANIFEST).exists():
        raise SettingsError(
            f"out {folder}", "the folder must be free, a model is in it. Choose another one or delete it."
        )


def _mark(folder: Path) -> str | None:
    """What tells the bundle in a folder from another one."""
    return sha256(folder / MANIFEST) if (folder / MANIFEST).is_file() else None


def _is_saved(folder: Path) -> bool:
    """Whether the bundle of the run in a folder is there, and not the old one that it is to replace."""
    if not (folder / MANIFEST).is_file():
        return False
    path = folder / RUN / "run.json"
    return not path.is_file() or json.loads(path.read_text(encoding="utf-8")).get("replaces") != _mark(folder)


def _read_run(folder: Path) -> dict[str, Any]:
    path = folder / RUN / "run.json"
    if not path.is_file():
        done = (folder / MANIFEST).is_file()
        raise CheckpointError(
            str(folder),
            "a folder to resume must hold an unfinished training, "
            + ("this one is finished." if done else "there is none. Check the path."),
        )
    values: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if values.get("format") != _RUN_FORMAT or values.get("task") not in TASKS:
        raise CheckpointError(str(path), "was written by another version of recurra. Train anew, or use that version.")
    return dict(values)


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(values, indent=2).encode())
