"""How much each word of a text speaks for what the model says of it: integrated gradients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from recurra.data.tokens import Span, choose_unit, split_words
from recurra.data.vocabulary import UNKNOWN, Vocabulary
from recurra.tasks.classification.answers import Floats

_STEPS = 16  # of the way

Weighed = tuple[tuple[str, float], ...]
"""The pieces of a text, white space with the word before it, and the weight of each: 1 speaks most for, -1 against."""


def weigh_words(model: nn.ModuleList, vocabulary: Vocabulary, text: str, output: int) -> Weighed:
    """The weight of each word of a text for one raw output, the largest in size being 1 or -1.

    On the way from a text of unknown words to this one, the gradient of the output by each vector is averaged and
    multiplied with what the vector moved: all weights together are the difference of the output. A word has the sum of
    its symbols. Source: Sundararajan et al., Axiomatic attribution for deep networks, 2017.
    """
    ids = vocabulary.encode(text)
    weights = np.zeros(len(ids))
    for member in model:
        weights += _of_symbols(member, torch.from_numpy(ids), output)
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
    """[T] integrated gradients of one raw output, beside the others, from unknown symbols to those of the text."""
    share = (torch.arange(_STEPS) + 0.5)[:, None, None] / _STEPS
    with torch.enable_grad():
        embedded = member.embed(ids[None]).detach()  # type: ignore[operator]
        away = embedded - member.embed(torch.full_like(ids[None], UNKNOWN)).detach()  # type: ignore[operator]
        between = (embedded - (1 - share) * away).requires_grad_()  # [steps, T, E]
        raw, _ = member.read(between, torch.full((_STEPS,), len(ids)))  # type: ignore[operator]
        others = (raw.sum(dim=1) - raw[:, output]) / max(raw.shape[1] - 1, 1)  # what raises all alike speaks for none
        (gradient,) = torch.autograd.grad((raw[:, output] - others).sum(), between)
    weights: Floats = (gradient.mean(dim=0) * away[0]).sum(dim=-1).double().numpy()
    return weights


def _words(text: str) -> Sequence[Span]:
    """Words, or single characters where a script has no spaces; the first begins with the text."""
    if choose_unit([text]) == "character":
        return [(place, place + 1) for place in range(len(text))]
    spans = split_words(text)
    return [(0, spans[0][1]), *spans[1:]] if spans else [(0, len(text))]
