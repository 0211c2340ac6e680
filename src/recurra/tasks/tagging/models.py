"""The tagger: what reads words and their letters, a recurrent stack, and the scores of each word's tags."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor, nn

from recurra.nn import build_encoder
from recurra.nn.characters import CharacterEncoder
from recurra.nn.crf import CRF, Transitions
from recurra.nn.dropout import locked_dropout
from recurra.nn.front import SymbolEmbedding
from recurra.nn.language import SymbolEncoder
from recurra.settings import Encoder
from recurra.tasks.tagging.examples import Batch
from recurra.tasks.tagging.settings import Tagging

_LETTERS, _MARK = 32, 16  # numbers of a letter's vector, and of that which tells marked words


class LanguageEmbedding(nn.Module):
    """Words as a language model knows them: the vector of each, beside what its layers make of it and of those before.

    Both are needed: the layers learned to tell the next word, and may forget the present one (Peters 2017, 2018).
    Dropout above the layers is the tagger's, as it is for the vectors.

    Args:
        words: V, of its vocabulary.
        encoder: of its layers.
        size: E of its embeddings.
        symbol_dropout: share of the words whose vectors are missing, in training.
    """

    def __init__(self, words: int, encoder: Encoder, size: int, symbol_dropout: float) -> None:
        super().__init__()
        self.encoder = SymbolEncoder(
            words, dataclasses.replace(encoder, dropout=0.0), size, symbol_dropout=symbol_dropout
        )
        self.size = size + self.encoder.output_size

    def forward(self, ids: Tensor) -> Tensor:
        """``[B, T]`` to ``[B, T, E + O]``; what is read of padding reaches no real word."""
        values = self.encoder.embed(ids)
        features, _ = self.encoder.encode(values)
        return torch.cat([values, features], dim=-1)


class Tagger(nn.Module):
    """Word and letters ▶ recurrent stack ▶ K scores for each word; above them perhaps a CRF.

    Where words are marked, each one also reads its mark and what is known of the marked word (of several, the mean):
    the predicate whose roles are wanted (Zhou & Xu, End-to-end learning of semantic role labeling, 2015).

    Args:
        settings: of the task.
        embedding: of words.
        characters: the size of their vocabulary.
        marked: whether words can be marked.
        tags: K.
        crf: whether tags are learned as a sequence.
        legal: which tag may follow which, for the CRF.
    """

    def __init__(
        self,
        settings: Tagging,
        embedding: SymbolEmbedding | LanguageEmbedding,
        characters: int,
        *,
        marked: bool,
        tags: int,
        crf: bool,
        legal: Transitions | None,
    ) -> None:
        super().__init__()
        self.embedding = embedding
        self.letters = None
        if settings.characters != "none":
            self.letters = CharacterEncoder(settings.characters, characters, _LETTERS, settings.character_size)
        self.mark = nn.Embedding(2, _MARK) if marked else None
        width = embedding.size + (self.letters.size if self.letters else 0)
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


class TransferredTagger(Tagger):
    """A tagger whose words are a language model's; all the rest, its own recurrent stack too, stands above them."""

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """The weights from the input upwards: those of the language model, then all that is new, together."""
        assert isinstance(self.embedding, LanguageEmbedding)
        given = self.embedding.encoder.layer_groups()
        known = {id(weight) for group in given for weight in group}
        return [*given, [weight for weight in self.parameters() if id(weight) not in known]]
