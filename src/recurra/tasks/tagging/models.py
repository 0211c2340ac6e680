"""The tagger: what reads words and their letters, a recurrent stack, and the scores of each word's tags."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from recurra.nn import build_encoder
from recurra.nn.characters import CharacterEncoder
from recurra.nn.crf import CRF, Transitions
from recurra.nn.dropout import locked_dropout
from recurra.nn.front import SymbolEmbedding
from recurra.tasks.tagging.examples import Batch
from recurra.tasks.tagging.settings import Tagging

_LETTERS, _MARK = 32, 16  # numbers of a letter's vector, and of that which tells marked words


class Tagger(nn.Module):
    """Word and letters ▶ recurrent stack ▶ K scores for each word; above them perhaps a CRF.

    Where words are marked, each one also reads its mark and what is known of the marked word (of several, the mean):
    the predicate whose roles are wanted (Zhou & Xu, End-to-end learning of semantic role labeling, 2015).

    Args:
        settings: of the task.
        words, characters: the sizes of the vocabularies.
        size: E, the numbers of a word's vector.
        marked: whether words can be marked.
        tags: K.
        crf: whether tags are learned as a sequence.
        legal: which tag may follow which, for the CRF.
    """

    def __init__(
        self,
        settings: Tagging,
        words: int,
        characters: int,
        size: int,
        *,
        marked: bool,
        tags: int,
        crf: bool,
        legal: Transitions | None,
    ) -> None:
        super().__init__()
        self.embedding = SymbolEmbedding(words, size, symbol_dropout=settings.word_dropout)
        self.letters = None
        if settings.characters != "none":
            self.letters = CharacterEncoder(settings.characters, characters, _LETTERS, settings.character_size)
        self.mark = nn.Embedding(2, _MARK) if marked else None
        width = size + (self.letters.size if self.letters else 0)
        width = 2 * width + _MARK if marked else width
        self.embedding_dropout = settings.embedding_dropout
        self.encoder = build_encoder(settings.encoder, width)
        self.dropout = nn.Dropout(settings.encoder.dropout)
        self.output = nn.Linear(self.encoder.output_size, tags)
        self.crf = CRF(tags, legal) if crf else None

    def forward(self, batch: Batch) -> Tensor:
        """[B, T, K] the scores of the tags of each word."""
        outputs, _ = self.encoder(self.embed(batch), batch.lengths)
        scores: Tensor = self.output(self.dropout(outputs))
        return scores

    def embed(self, batch: Batch) -> Tensor:
        """[B, T, E + …] what is known of each word by itself."""
        parts = [self.embedding(batch.words)]
        if self.letters is not None:
            of_forms = self.letters(batch.characters, batch.character_lengths)  # [U, ·]
            parts.append(nn.functional.embedding(batch.forms, of_forms))
        if self.mark is not None:
            words = torch.cat(parts, dim=-1)
            marks = batch.marks.to(words.dtype)
            shares = marks / marks.sum(dim=1, keepdim=True).clamp(min=1)
            of_marked = torch.einsum("bt,bte->be", shares, words)  # each word sees what the question is about
            parts = [words, of_marked[:, None].expand_as(words), self.mark(batch.marks)]
        return locked_dropout(torch.cat(parts, dim=-1), self.embedding_dropout if self.training else 0.0)
