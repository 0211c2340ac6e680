"""What is answered: one class, several labels, or a number. Each knows its loss and what a raw output means.

Torch is imported by what computes with tensors only: exported models are answered for without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from recurra.data.labels import Classes, Place, require_classes
from recurra.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

Floats = NDArray[np.float64]


class Answers(Protocol):
    """The kind of what is predicted, with all that was learned of it."""

    @property
    def size(self) -> int:
        """R, the raw outputs of a model."""
        ...

    def encode(self, answers: Sequence[Any], where: Place) -> Tensor:
        """The answers as the loss wants them, ``[N]`` or ``[N, R]``; what does not fit is a DataError."""
        ...

    def loss(self, raw: Tensor, target: Tensor, smoothing: float) -> Tensor:
        """Mean loss of raw outputs ``[B, R]``, a scalar."""
        ...

    def predict(self, raw: Tensor) -> Floats:
        """What raw outputs ``[N, R]`` mean: probabilities ``[N, C]``, or numbers ``[N, 1]`` in the user's units."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        ...


@dataclass(frozen=True)
class OneClass:
    """One of C classes."""

    classes: Classes
    weights: tuple[float, ...] = ()
    """[C] of the classes in the loss; none if all are alike."""

    @property
    def size(self) -> int:
        """C."""
        return len(self.classes)

    def encode(self, answers: Sequence[Any], where: Place) -> Tensor:
        """[N] the numbers of the classes."""
        import torch

        return torch.from_numpy(self.classes.encode(answers, where))

    def loss(self, raw: Tensor, target: Tensor, smoothing: float) -> Tensor:
        """Cross entropy, in nats."""
        import torch
        from torch.nn import functional

        weights = torch.tensor(self.weights) if self.weights else None
        return functional.cross_entropy(raw, target, weights, label_smoothing=smoothing)

    def predict(self, raw: Tensor) -> Floats:
        """[N, C] probabilities."""
        import torch

        return torch.softmax(raw.double(), dim=1).numpy()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"kind": "class", "names": list(self.classes.names), "weights": list(self.weights)}


@dataclass(frozen=True)
class SeveralLabels:
    """Any number of C labels, each for itself."""

    classes: Classes
    weights: tuple[float, ...] = ()
    """[C] what a present label counts beside an absent one; none if they are alike."""

    @property
    def size(self) -> int:
        """C."""
        return len(self.classes)

    def encode(self, answers: Sequence[Any], where: Place) -> Tensor:
        """[N, C] 1 where the label is given."""
        import torch

        return torch.from_numpy(self.classes.encode_several(answers, where)).float()

    def loss(self, raw: Tensor, target: Tensor, smoothing: float) -> Tensor:
        """Cross entropy of each label, its mean."""
        import torch
        from torch.nn import functional

        weights = torch.tensor(self.weights) if self.weights else None
        target = target * (1 - smoothing) + smoothing / 2
        return functional.binary_cross_entropy_with_logits(raw, target, pos_weight=weights)

    def predict(self, raw: Tensor) -> Floats:
        """[N, C] the probability of each label."""
        import torch

        return torch.sigmoid(raw.double()).numpy()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"kind": "labels", "names": list(self.classes.names), "weights": list(self.weights)}


@dataclass(frozen=True)
class Number:
    """A number, learned in units of its spread."""

    mean: float
    spread: float

    @property
    def size(self) -> int:
        """1."""
        return 1

    def encode(self, answers: Sequence[Any], where: Place) -> Tensor:  # noqa: ARG002 - all numbers fit
        """[N, 1] the numbers in units of the spread."""
        import torch

        return ((torch.tensor(answers, dtype=torch.float64) - self.mean) / self.spread).float()[:, None]

    def loss(self, raw: Tensor, target: Tensor, smoothing: float) -> Tensor:  # noqa: ARG002 - classes are smoothed
        """Squared error, in units of the spread."""
        from torch.nn import functional

        return functional.mse_loss(raw, target)

    def predict(self, raw: Tensor) -> Floats:
        """[N, 1] in the user's units."""
        return (raw.double() * self.spread + self.mean).numpy()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"kind": "number", "mean": self.mean, "spread": self.spread}


def learn_class(labels: Sequence[str], source: str, balanced: bool) -> OneClass:
    """The classes of all labels, and what each counts: ``N / (C n_c)`` where they are to be balanced."""
    require_classes(labels, source)
    classes = Classes.learn(labels)
    if not balanced:
        return OneClass(classes)
    counts = np.bincount(classes.encode(labels), minlength=len(classes))
    return OneClass(classes, tuple(float(w) for w in len(labels) / (len(classes) * counts)))


def learn_labels(labels: Sequence[tuple[str, ...]], source: str, balanced: bool) -> SeveralLabels:
    """The labels that come anywhere, and what a present one counts: absent through present where balanced."""
    classes = Classes.learn([label for row in labels for label in row])
    if not len(classes):
        raise DataError(source, "there must be labels to learn, no row has one. Check the column and --separator.")
    if not balanced:
        return SeveralLabels(classes)
    present = classes.encode_several(labels).sum(axis=0)
    return SeveralLabels(classes, tuple(float(w) for w in (len(labels) - present) / present))


def learn_number(numbers: Sequence[float], source: str) -> Number:
    """The mean and the spread (standard deviation) of numbers; a DataError if all are the same."""
    spread = float(np.std(numbers))
    if not spread > 0:
        raise DataError(source, f"the numbers to predict must differ, all are {numbers[0]:g}. Check the column.")
    return Number(float(np.mean(numbers)), spread)


def restore_answers(values: Mapping[str, Any]) -> OneClass | SeveralLabels | Number:
    """What :meth:`Answers.to_dict` made plain."""
    if values["kind"] == "number":
        return Number(float(values["mean"]), float(values["spread"]))
    kinds: dict[str, type[OneClass | SeveralLabels]] = {"class": OneClass, "labels": SeveralLabels}
    names, weights = tuple(str(n) for n in values["names"]), tuple(float(w) for w in values["weights"])
    if len(set(names)) < len(names) or len(weights) not in (0, len(names)):
        raise DataError("answers", "every class must come once, with one weight or none. Get a new copy.")
    return kinds[values["kind"]](Classes(names), weights)
