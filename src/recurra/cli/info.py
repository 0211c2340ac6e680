"""What ``recurra info`` says of a bundle, which may be a stranger's: its texts are shown, never obeyed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from recurra.bundle import Bundle
from recurra.errors import BundleError
from recurra.manifest import MANIFEST, REPORT, WEIGHTS
from recurra.nn.cost import multiply_adds, own_multiply_adds

_NAMED = 60  # characters of a layer's description


def describe(bundle: Bundle, folder: Path) -> str:
    """Task, layers, sizes, cost, data, scores."""
    members = f" in {len(bundle.model)} members; of one of them:" if len(bundle.model) > 1 else ""
    parts = [
        f"{bundle.task.name}, {_count(bundle.model):,} weights{members}",
        "\n".join(_layers(bundle.model[0])),
        "\n".join(_size(folder)),
        "\n".join(_origin(bundle.provenance)),
        _scores(bundle),
    ]
    return _printable("\n\n".join(part for part in parts if part))


def _layers(member: nn.Module) -> Iterator[str]:
    """Each layer, what it is, its weights, its multiply-adds."""
    rows = [(name, layer, weights) for name, layer in member.named_modules() if (weights := _own_weights(layer))]
    width = max(len(name) for name, _, _ in rows)
    for name, layer, weights in rows:
        told = f"{type(layer).__name__}({layer.extra_repr()})"
        told = told if len(told) <= _NAMED else told[: _NAMED - 1] + "…"
        cost = f"{weights:>11,} weights  {own_multiply_adds(layer):>11,} multiply-adds"
        yield f"{name:{width}}  {told:{_NAMED}}  {cost}"
    yield f"together {multiply_adds(member):,} multiply-adds where each layer takes one step of one sequence"


def _own_weights(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters(recurse=False))


def _count(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


def _size(folder: Path) -> Iterator[str]:
    sizes = {name: (folder / name).stat().st_size for name in (WEIGHTS, MANIFEST, REPORT) if (folder / name).is_file()}
    yield f"{sum(sizes.values()):,} bytes on disk: " + ", ".join(f"{name} {size:,}" for name, size in sizes.items())


def _origin(told: Mapping[str, Any]) -> Iterator[str]:
    """Where the model comes from, as far as the bundle says."""

    def of(*path: str) -> Any:
        value: Any = told
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        return "?" if value is None else value

    if not told:
        yield "where it comes from is not told"
        return
    yield f"trained {of('date')} with recurra {of('versions', 'recurra')}, torch {of('versions', 'torch')}"
    yield f"on {of('data', 'source')}, {of('data', 'size')}, SHA-256 {of('data', 'sha256')}"
    names = ("steps", "batch_size", "learning_rate")
    yield f"seed {of('seed')}; " + ", ".join(f"{name} {of('training', name)}" for name in names)


def _scores(bundle: Bundle) -> str:
    if not bundle.scores:
        return "Nothing was held out, so there is no score."
    try:
        return bundle.task.restore_scores(bundle.scores).summary()
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise BundleError(
            "scores", f"they must be those of {bundle.task.name}: {error!s:.100}. Get a new copy."
        ) from None


def _printable(text: str) -> str:
    """A stranger's text could move the cursor or change the terminal's title."""
    return "".join(one if one.isprintable() or one == "\n" else "�" for one in text)
