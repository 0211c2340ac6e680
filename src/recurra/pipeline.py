"""From a user's file to a bundle: read, learn, train, score, report, save. A run that was killed goes on here, too."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from recurra import settings as plain
from recurra.bundle import MANIFEST, REPORT, WEIGHTS, Bundle, describe_origin, load
from recurra.data.tables import Source, Table, read_table, write_table
from recurra.errors import CheckpointError, SettingsError
from recurra.files import write_atomically
from recurra.report import Report, write_report
from recurra.task import Examples, Scored, Split, Task, TaskSettings
from recurra.tasks import TASKS
from recurra.training.loop import Trained, fit, seeded
from recurra.training.options import TrainingOptions
from recurra.training.progress import Progress, Silent
from recurra.training.randomness import mix

RUN = "run"
_RUN_FORMAT = 1


def train(
    task: TaskSettings,
    data: Source,
    *,
    out: str | Path | None = None,
    overwrite: bool = False,
    options: TrainingOptions | None = None,
    progress: Progress | None = None,
) -> Bundle:
    """Train a model on a user's data, score it on what was held out, and save it.

    Args:
        task: the settings of the task, such as :class:`recurra.Forecasting`.
        data: a file (CSV, Parquet, JSON lines) or a pandas, polars or pyarrow frame.
        out: the folder of the bundle and its report; while it is trained, ``out/run`` holds checkpoints and the log.
            None keeps all in memory.
        overwrite: replace what a training left in ``out``, once the data and the settings have been accepted.
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
    table = read_table(data)
    run = _Run.begin(task, table, options or TrainingOptions(), folder)
    return run.go(progress or Silent())


def resume(folder: str | Path, *, progress: Progress | None = None) -> Bundle:
    """Go on, bit for bit, with the training that was killed or interrupted in ``folder``.

    Raises:
        CheckpointError: there is no run, or its data are gone or have changed.
    """
    folder = Path(folder)
    if (folder / MANIFEST).is_file() and (folder / RUN).exists():  # killed when all was saved but not yet tidied up
        shutil.rmtree(folder / RUN)
        return load(folder)
    return _Run.found(folder).go(progress or Silent())


@dataclass
class _Run:
    """One training, of all members, once to be scored and perhaps once more on all of the data."""

    settings: TaskSettings
    task: Task
    table: Table
    data: Any
    """What the task read from the table."""
    split: Split
    options: TrainingOptions
    origin: Mapping[str, Any]
    """Where the model comes from."""
    folder: Path | None

    @classmethod
    def begin(cls, settings: TaskSettings, table: Table, options: TrainingOptions, folder: Path | None) -> _Run:
        """Learn from the data; only when all of it is right, write down what to train."""
        run = cls._of(settings, table, options, folder)
        if folder is not None:
            _clear(folder)
            data = Path(table.source)
            if not data.is_file():  # a frame: keep a copy, or the run could not be resumed
                data = folder / RUN / "data.parquet"
                data.parent.mkdir(parents=True)
                write_table(table.frame, data)
            _write_json(folder / RUN / "run.json", run._describe(data))
        return run

    @classmethod
    def _of(cls, settings: TaskSettings, table: Table, options: TrainingOptions, folder: Path | None) -> _Run:
        task, read = settings.learn(table)
        split = task.split(read)
        steps = options.steps or task.choose_steps(len(split.training), options.batch_size)
        options = replace(options, steps=steps)
        return cls(settings, task, table, read, split, options, describe_origin(table, options), folder)

    @classmethod
    def found(cls, folder: Path) -> _Run:
        """The run that a folder holds."""
        values = _read_run(folder)
        path = Path(values["data"])
        if not path.is_file():
            raise CheckpointError(str(folder), f"its data must still be at {path}, nothing is there. Put it back.")
        table = read_table(path)
        is_copy = path.parent == folder / RUN
        if table.sha256 != values["sha256"] and not is_copy:
            raise CheckpointError(
                str(folder),
                f"its data {path} must be as they were (SHA-256 {values['sha256'][:12]}…), they have changed "
                f"({table.sha256[:12]}…). Put the old file back, or train anew.",
            )
        settings = plain.from_dict(TASKS[values["task"]], values["settings"])
        options = plain.from_dict(TrainingOptions, values["training"])
        return cls._of(settings, table, options, folder)

    def _describe(self, data: Path) -> dict[str, Any]:
        return {
            "format": _RUN_FORMAT,
            "task": self.task.name,
            "settings": plain.to_dict(self.settings),
            "training": plain.to_dict(self.options),
            "data": str(data.resolve()),
            "sha256": self.table.sha256,
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

    def _train(self, examples: Examples, stage: str, progress: Progress) -> tuple[nn.ModuleList, list[Trained]]:
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
        write_report(self._report(bundle, scored, trained), self.folder / REPORT)
        bundle.save(self.folder)
        shutil.rmtree(self.folder / RUN)

    def _report(self, bundle: Bundle, scored: Scored | None, trained: list[Trained]) -> Report:
        findings = self.task.findings(self.data, scored, [one.history for one in trained])
        return Report(
            title=f"{self.task.name.capitalize()}: {Path(self.table.source).name}",
            subtitle=". ".join((self.split.description, *self.split.notices)),
            headline=findings.headline,
            tone=findings.tone,
            facts=findings.facts,
            sections=findings.sections,
            settings={**plain.to_dict(self.settings), "training": plain.to_dict(self.options)},
            provenance=bundle.provenance,
        )


def _title(stage: str, number: int, members: int, twice: bool) -> str:
    of = f" member {number} of {members}" if members > 1 else ""
    if not twice:
        return f"training{of}"
    return f"training{of} without the held-out end" if stage == "select" else f"training{of} on all of the data"


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


def _clear(folder: Path) -> None:
    """Remove what a training writes, and nothing else."""
    shutil.rmtree(folder / RUN, ignore_errors=True)
    for name in (MANIFEST, WEIGHTS, REPORT):
        (folder / name).unlink(missing_ok=True)


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
