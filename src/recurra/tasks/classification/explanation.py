"""How much each word of a text speaks for what the model says of it: gradient times input."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from recurra.data.tokens import Span, choose_unit, split_words
from recurra.data.vocabulary import Vocabulary
from recurra.tasks.classification.answers import Floats

Weighed = tuple[tuple[str, float], ...]
"""The pieces of a text, white space with the word before it, and the weight of each: 1 speaks most for, -1 against."""


def weigh_words(model: nn.ModuleList, vocabulary: Vocabulary, text: str, output: int) -> Weighed:
    """The weight of each word of a text for one raw output, the largest in size being 1 or -1.

    The weight of a symbol is the product of its vector with the gradient of the output by that vector; a word has the
    sum of its symbols. Source: Simonyan 2013, deep inside convolutional networks; times the input as Shrikumar 2016.
    """
    ids = vocabulary.encode(text)
    weights = np.zeros(len(ids))
    for member in model:
        weights += _of_symbols(member, torch.from_numpy(ids)[None], output)
    words = _words(text)
    starts = np.array([start for start, _ in words])
    sums = np.zeros(len(words))
    for (start, _), weight in zip(vocabulary.spans(text), weights, strict=True):
        sums[max(int(np.searchsorted(starts, start, side="right")) - 1, 0)] += weight
    largest = float(np.abs(sums).max(initial=0.0)) or 1.0
    ends = [*(start for start, _ in words[1:]), len(text)]
    pieces = [text[start:end] for (start, _), end in zip(words, ends, strict=True)]
    return tuple((piece, float(weight / largest)) for piece, weight in zip(pieces, sums, strict=True))


def _of_symbols(member: nn.Module, ids: Tensor, output: int) -> Floats:
    """[T] gradient times input of each symbol."""
    with torch.enable_grad():
        embedded = member.embed(ids).detach().requires_grad_()  # type: ignore[operator]
        raw, _ = member.read(embedded, torch.tensor([ids.shape[1]]))  # type: ignore[operator]
        # Beside the others: what raises all outputs alike speaks for none.
        chosen = raw[0, output] - (raw[0].sum() - raw[0, output]) / max(raw.shape[1] - 1, 1)
        (gradient,) = torch.autograd.grad(chosen, embedded)
    weights: Floats = (gradient * embedded).sum(dim=-1)[0].detach().double().numpy()
    return weights


def _words(text: str) -> Sequence[Span]:
    """Words, or single characters where a script has no spaces; the first begins with the text."""
    if choose_unit([text]) == "character":
        return [(place, place + 1) for place in range(len(text))]
    spans = split_words(text)
    return [(0, spans[0][1]), *spans[1:]] if spans else [(0, len(text))]
