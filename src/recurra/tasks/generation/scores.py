"""How well a language model foretells a text: the scoring, and the scores as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from recurra.metrics import bits_per_character, perplexity
from recurra.tasks.generation.model import LanguageModel
from recurra.tasks.generation.parts import Part
from recurra.tasks.generation.position import START

Floats = NDArray[np.float64]
_CHUNK = 512  # symbols read at once
_STREAMS, _LENGTH = 16, 2000  # streams of a validation, and how long one must be to be worth it


@dataclass(frozen=True)
class Scores:
    """The mean cost of a symbol of a text that was not seen before, for the model and for naive methods."""

    unit: str
    symbols: int
    characters: int
    unknown: int
    """Symbols that are not in the vocabulary; foretelling them means foretelling that one comes."""
    nats: Mapping[str, float]
    """Mean negative log-likelihood per symbol, by method; the model's first."""

    @classmethod
    def of(cls, unit: str, part: Part, nats: Floats, rivals: Mapping[str, Floats]) -> Scores:
        """From the nats [N] of each symbol, for the model and for its rivals."""
        means = {name: float(values.mean()) for name, values in {"model": nats, **rivals}.items()}
        return cls(unit, len(part), part.characters, part.unknown, means)

    def perplexity(self, method: str = "model") -> float:
        """Per symbol."""
        return perplexity(self.nats[method])

    def bits_per_character(self, method: str = "model") -> float:
        """Per character of the text, whatever the unit is."""
        return bits_per_character(self.nats[method] * self.symbols, self.characters)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Scores:
        """The scores that :meth:`to_dict` made plain."""
        return cls(**{**values, "nats": dict(values["nats"])})

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Method, nats per symbol, perplexity, bits per character, as people read them."""
        return [
            (name, f"{nats:.4f}", f"{self.perplexity(name):,.2f}", f"{self.bits_per_character(name):.4f}")
            for name, nats in self.nats.items()
        ]

    def heads(self) -> tuple[str, str, str, str]:
        """The heads of :meth:`rows`."""
        return ("", f"nats per {self.unit}", "perplexity", "bits per character")

    def verdict(self) -> str:
        """In words how the model compares with the best naive method."""
        own, rivals = self.nats["model"], {name: nats for name, nats in self.nats.items() if name != "model"}
        best = min(rivals, key=lambda name: rivals[name])
        if own > rivals[best]:
            return (
                f"The model LOSES to guessing by {best}: it needs {own:.3f} nats per {self.unit}, "
                f"they {rivals[best]:.3f}. Train longer or give it more text."
            )
        return (
            f"The model needs {self.bits_per_character():.3f} bits per character, "
            f"{(1 - own / rivals[best]) * 100:.1f} % fewer than guessing by {best}."
        )

    def scope(self) -> str:
        """What was scored."""
        symbols, characters = f"{self.symbols:,} {self.unit}s", f"{self.characters:,} characters"
        text = f"Scored on {symbols if symbols == characters else f'{symbols}, {characters}'}, from first to last."
        if self.unknown:
            share = self.unknown / self.symbols * 100
            text += (
                f" {self.unknown:,} of them ({share:.2g} %) are unknown and count as one symbol, "
                "which makes all figures look better than they are."
            )
        return text

    def summary(self) -> str:
        """A few lines for the terminal."""
        rows = [self.heads(), *self.rows()]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = [
            "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
            for row in rows
        ]
        return "\n".join([*lines, "", self.verdict(), self.scope()])


@torch.no_grad()
def score_part(model: LanguageModel, part: Part) -> Floats:
    """Nats [N] of every symbol, in one stream from the first to the last, the state carried all the way."""
    losses: Floats = _losses(model, part.ids[None])[0]
    return losses


@torch.no_grad()
def mean_loss(model: LanguageModel, part: Part) -> float:
    """Mean nats per symbol, quicker than :func:`score_part`: a long part is read as several streams side by side."""
    streams = max(1, min(_STREAMS, len(part) // _LENGTH))
    length = len(part) // streams
    return float(_losses(model, part.ids[: streams * length].reshape(streams, length)).mean())


def _losses(model: LanguageModel, streams: NDArray[Any]) -> Floats:
    """[B, T] the nats of each symbol of the streams [B, T]."""
    losses = np.empty(streams.shape)
    before, state = np.full((len(streams), 1), START), None
    for start in range(0, streams.shape[1], _CHUNK):
        targets = streams[:, start : start + _CHUNK].astype(np.int64)
        ids = np.concatenate([before, targets[:, :-1]], axis=1)
        nats, state = model.losses(torch.from_numpy(ids), torch.from_numpy(targets), state)
        losses[:, start : start + _CHUNK] = nats.numpy()
        before = targets[:, -1:]
    return losses
