"""Words by their letters: values against the layers themselves, and that neighbours in a batch leave no trace."""

from __future__ import annotations

import pytest
import torch

from recurra.nn.characters import CharacterEncoder
from tolerances import assert_close

LENGTHS = torch.tensor([4, 1, 3])
CHARACTERS = torch.tensor([[2, 3, 4, 5], [6, 0, 0, 0], [3, 3, 2, 0]])


@pytest.mark.parametrize("kind", ["lstm", "cnn"])
def test_a_word_is_the_same_alone_and_in_a_batch(kind):
    encoder = CharacterEncoder(kind, symbols=8, embedding_size=3, size=6).eval()
    together = encoder(CHARACTERS, LENGTHS)
    assert together.shape == (3, 6)
    for number, length in enumerate(LENGTHS.tolist()):
        alone = encoder(CHARACTERS[number : number + 1, :length], LENGTHS[number : number + 1])
        assert_close(together[number], alone[0])


def test_the_lstm_ends_at_both_ends_of_a_word():
    encoder = CharacterEncoder("lstm", symbols=8, embedding_size=3, size=6).eval()
    theirs = torch.nn.LSTM(3, 3, batch_first=True, bidirectional=True)
    theirs.load_state_dict(encoder.recurrent.layer.state_dict())
    for number, length in enumerate(LENGTHS.tolist()):
        _, (h, _) = theirs(encoder.embedding.table.weight[CHARACTERS[number : number + 1, :length]])
        assert_close(encoder(CHARACTERS, LENGTHS)[number], torch.cat([h[0, 0], h[1, 0]]))


def test_the_convolution_takes_the_largest_of_windows_of_three_characters():
    encoder = CharacterEncoder("cnn", symbols=8, embedding_size=3, size=6).eval()
    weight, bias = encoder.convolution.weight, encoder.convolution.bias  # [6, 3, 3]
    for number, length in enumerate(LENGTHS.tolist()):
        letters = encoder.embedding.table.weight[CHARACTERS[number, :length]]
        padded = torch.cat([torch.zeros(1, 3), letters, torch.zeros(1, 3)])
        maps = [torch.einsum("oew,we->o", weight, padded[t : t + 3]) + bias for t in range(length)]
        assert_close(encoder(CHARACTERS, LENGTHS)[number], torch.stack(maps).amax(dim=0))


@pytest.mark.parametrize("kind", ["lstm", "cnn"])
def test_a_word_without_characters_is_nothing(kind):
    encoder = CharacterEncoder(kind, symbols=8, embedding_size=3, size=6).eval()
    assert not encoder(CHARACTERS, torch.tensor([4, 0, 3]))[1].any()
