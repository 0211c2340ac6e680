"""Where a training starts from: a trained model's bundle, of which a run keeps a copy of its own."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recurra.bundle import load
from recurra.errors import CheckpointError, SettingsError
from recurra.files import sha256
from recurra.manifest import MANIFEST, WEIGHTS
from recurra.task import Pretrains, TaskSettings, Transfers

if TYPE_CHECKING:
    from recurra.tasks.pretrained import Pretrained


def read_start(settings: TaskSettings, copy: Path | None = None) -> Pretrained | None:
    """What the settings start from, read from their folder or from a run's ``copy``; None if they start afresh.

    Raises:
        BundleError: there is no bundle, or it is damaged.
        SettingsError: the bundle is no language model.
    """
    if not isinstance(settings, Transfers) or settings.from_ is None:
        return None
    folder = copy or Path(settings.from_)
    bundle = load(folder)
    if not isinstance(bundle.task, Pretrains):
        raise SettingsError(
            f"from {settings.from_}",
            f"a language model is needed (recurra train generation), this model is for {bundle.task.name}. "
            "Name another folder.",
        )
    start: Pretrained = bundle.task.pretrained(bundle.model, settings.from_, sha256(folder / MANIFEST))
    return start


def keep_start(start: Pretrained, copy: Path) -> None:
    """Copy the bundle into the run's folder, so that the run can go on when the bundle is gone."""
    copy.mkdir(parents=True)
    for name in (WEIGHTS, MANIFEST):
        shutil.copyfile(Path(start.source) / name, copy / name)
    require_same(start.sha256, copy)


def require_same(expected: str, copy: Path) -> None:
    """Refuse a copy of another bundle than that with which the run began."""
    found = sha256(copy / MANIFEST)
    if found != expected:
        raise CheckpointError(
            str(copy),
            f"the model to start from must be as it was (SHA-256 {expected[:12]}…), it has changed ({found[:12]}…). "
            "Train anew.",
        )


def describe_start(start: Pretrained | None) -> dict[str, Any]:
    """The part of the provenance that names what a model started from."""
    return {} if start is None else {"from": {"source": start.source, "sha256": start.sha256}}
