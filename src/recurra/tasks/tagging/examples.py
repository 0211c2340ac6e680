"""Encoded sentences as tensors, cut into padded batches by index."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recurra.data.sentences import Sentences
from recurra.data.sequence_set import SequenceSet
from recurra.data.sequences import Sequences
from recurra.tasks.tagging.inputs import Cut, Inputs


@dataclass(frozen=True)
class Batch:
    """B sentences of T words, which are made of U different ones."""

    words: Tensor
    """[B, T] their ids."""
    lengths: Tensor
    """[B] words of each sentence."""
    forms: Tensor
    """[B, T] which of the U rows of ``characters`` a word has."""
    characters: Tensor
    """[U, C] ids."""
    character_lengths: Tensor
    """[U]."""
    marks: Tensor
    """[B, T] 1 on marked words."""
    target: Tensor | None
    """[B, T] the tags, 0 on padding."""

    @classmethod
    def of(cls, cut: Cut, target: Tensor | None = None) -> Batch:
        """What was cut, as tensors."""
        return cls(**{name: torch.from_numpy(array) for name, array in vars(cut).items()}, target=target)

    @property
    def mask(self) -> Tensor:
        """``[B, T]``, true on real words."""
        return Sequences(self.words, self.lengths).mask


class Examples:
    """Encoded sentences: the task's :class:`~recurra.task.Examples`.

    Args:
        sentences: where they come from.
        inputs: the same, encoded.
        target: the numbers of the tags ``[S]`` of all tokens; None to predict only.
    """

    def __init__(self, sentences: Sentences, inputs: Inputs, target: Tensor | None) -> None:
        self.sentences, self.inputs, self.target = sentences, inputs, target
        self.targets = None if target is None else SequenceSet(target.numpy(), inputs.lengths)
        self.lengths = torch.from_numpy(inputs.lengths)

    def __len__(self) -> int:
        return len(self.inputs)

    def batch(self, index: Tensor) -> Batch:
        """Cut and pad the sentences ``index`` ``[B]``."""
        chosen = index.numpy()
        target = None if self.targets is None else torch.from_numpy(self.targets.pad(chosen)[0])
        return Batch.of(self.inputs.cut(chosen), target)

    def name(self, index: int) -> str:
        """Name one sentence by its place in the user's data."""
        return self.sentences.where(index)
