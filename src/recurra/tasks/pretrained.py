"""What a trained language model gives to another model: how it cuts text, its layers, and their weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from recurra.data.tokens import Tokens
from recurra.data.vocabulary import UNKNOWN, Ids, Vocabulary
from recurra.errors import SettingsError
from recurra.settings import Encoder

S = TypeVar("S")

_OF_TRAINING = ("dropout", "recurrent_dropout", "weight_drop")
"""Settings of an encoder that act in training only: each model has its own."""
TRANSFER = {"rate_divisor": 2.6}
"""Of training, where a model starts from another one (Howard & Ruder 2018)."""


@dataclass(frozen=True, eq=False)
class Pretrained:
    """A trained language model, as a start for another model."""

    source: str
    """The folder of its bundle."""
    sha256: str
    """Of its ``bundle.json``, which holds those of its other files."""
    vocabulary: Vocabulary
    encoder: Encoder
    of_model: Mapping[str, Any]
    """Its other settings that decide about shapes, by name: ``embedding_size``, ``one_hot``, ``tied``, ``adaptive``."""
    weights: Mapping[str, Tensor]
    """Of the whole model, by name; those of :class:`recurra.nn.language.SymbolEncoder` begin with ``encoder.``."""

    def adopt_encoder(self, given: Encoder, default: Encoder) -> Encoder:
        """The language model's layers, dropped out in training as ``given`` says."""
        return self.adopt(given, default, self.encoder, own=_OF_TRAINING)

    def adopt_tokens(self, given: Tokens, default: Tokens) -> Tokens:
        """How the language model cuts text."""
        return self.adopt(given, default, self.vocabulary.tokens)

    def adopt_embedding_size(self, where: str, given: int | None) -> int:
        """The numbers of its embeddings, which it must have; ``where`` names the setting that was ``given``."""
        size: int | None = self.of_model["embedding_size"]
        if size is None:
            raise SettingsError(
                f"from {self.source}",
                "a language model with embeddings is needed, it reads one-hot vectors. Train one without one_hot.",
            )
        self.require(where, given, None, size)
        return size

    def adopt(self, given: S, default: S, learned: S, own: Collection[str] = ()) -> S:
        """The ``learned`` settings, but for the new model's ``own``; other ones that were given must be the same."""
        for field in dataclasses.fields(given):  # type: ignore[arg-type]
            name = field.name
            if name not in own:
                where = f"{type(given).__name__}.{name}"
                self.require(where, getattr(given, name), getattr(default, name), getattr(learned, name))
        kept = {name: getattr(given, name) for name in own}
        return dataclasses.replace(learned, **kept)  # type: ignore[type-var]

    def require(self, where: str, given: Any, default: Any, learned: Any) -> None:
        """Refuse a setting that contradicts the language model; its default contradicts nothing."""
        if given not in (default, learned):
            raise SettingsError(
                where, f"must be {learned!r}, as in the language model {self.source}, got {given!r}. Leave it out."
            )

    def unknown_notices(self, ids: Ids, name: str) -> tuple[str, ...]:
        """How many of the symbols of the ``name`` the language model does not know; nothing if it knows them all."""
        unknown, unit = np.count_nonzero(ids == UNKNOWN), self.vocabulary.tokens.unit
        said = (
            f"{unknown:,} of the {len(ids):,} {unit}s of the {name} are not in the vocabulary of {self.source} and are "
        )
        return (said + "read as unknown",) if unknown else ()

    @torch.no_grad()
    def give(self, part: nn.Module, prefix: str = "") -> None:
        """Copy the weights whose names begin with ``prefix`` into a model, or a part of one."""
        for name, weight in part.state_dict().items():
            weight.copy_(self.weights[prefix + name])
