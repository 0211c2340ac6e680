"""What reads symbols and what foretells them: against plain computations, in chunks, in steps, and under dropout."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from recurra.errors import SettingsError
from recurra.nn.dropout import drop_symbols, locked_dropout
from recurra.nn.language import SymbolEncoder
from recurra.nn.softmax import AdaptiveSoftmax, FullSoftmax
from recurra.settings import Encoder
from tolerances import assert_close

V = 11
CELLS = [Encoder(hidden_size=5, layers=2), Encoder(cell="gru", hidden_size=5, layers=3), Encoder(hidden_size=5)]
CELLS += [Encoder(hidden_size=5, layers=2, proj_size=3), Encoder(cell="rnn", hidden_size=5), Encoder(gates="FGR")]


def ids(T=12, B=3):
    return torch.randint(2, V, (B, T), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("settings", CELLS, ids=range(len(CELLS)))
@pytest.mark.parametrize("size", [4, None])
def test_chunks_and_steps_give_what_one_pass_gives(settings, size):
    encoder = SymbolEncoder(V, settings, size).eval()
    with torch.no_grad():
        whole, end = encoder(ids())
        first, state = encoder(ids()[:, :7])
        second, state = encoder(ids()[:, 7:], state)
        assert_close(torch.cat([first, second], 1), whole)
        steps, stepped = [], None
        for place in range(12):
            y, stepped = encoder.step(ids()[:, place], stepped)
            steps.append(y)
    assert_close(torch.stack(steps, 1), whole)
    for one, two, three in zip(end, state, stepped, strict=True):
        assert_close(two, one)
        assert_close(three, one)


@pytest.mark.parametrize("settings", CELLS, ids=range(len(CELLS)))
def test_padding_leaves_no_trace(settings):
    encoder = SymbolEncoder(V, settings, 4).eval()
    with torch.no_grad():
        features, state = encoder.encode(encoder.embed(ids()), lengths=torch.tensor([12, 5, 1]))
        for b, length in enumerate((12, 5, 1)):
            alone, end = encoder(ids()[b : b + 1, :length])
            assert_close(features[b, :length], alone[0])
            assert not features[b, length:].any()
            for part, own in zip(state, end, strict=True):
                assert_close(part[:, b], own[:, 0])


def test_the_groups_of_layers_are_all_weights_from_below():
    encoder = SymbolEncoder(V, Encoder(hidden_size=5, layers=2), 4)
    embedding, first, second = encoder.layer_groups()
    assert embedding == [encoder.embedding]
    assert first[0] is encoder.layers[0].layer.weight_ih_l0
    assert second[0] is encoder.layers[1].layer.weight_ih_l0
    assert sum(len(group) for group in encoder.layer_groups()) == len(list(encoder.parameters()))
    assert len(SymbolEncoder(V, Encoder(hidden_size=5), None).layer_groups()) == 1


def test_it_is_torchs_lstm_over_torchs_embedding():
    encoder = SymbolEncoder(V, Encoder(hidden_size=5, layers=2), 4).eval()
    embedding, lstm = nn.Embedding(V, 4), nn.LSTM(4, 5, 2, batch_first=True)
    embedding.weight = encoder.embedding
    for layer, stack in enumerate(encoder.layers):
        for name, weight in stack.layer.named_parameters():
            setattr(lstm, name.replace("_l0", f"_l{layer}"), weight)
    features, state = encoder(ids())
    expected, (h, c) = lstm(embedding(ids()))
    assert_close(features, expected)
    assert_close(torch.cat(state[0::2]), h)
    assert_close(torch.cat(state[1::2]), c)


def test_one_hot_input_is_an_embedding_that_is_the_identity():
    settings = Encoder(hidden_size=5)
    one_hot, embedded = SymbolEncoder(V, settings, None), SymbolEncoder(V, settings, V)
    assert one_hot.embedding is None
    embedded.load_state_dict({**one_hot.state_dict(), "embedding": torch.eye(V)})
    assert_close(one_hot(ids())[0], embedded(ids())[0])


def test_locked_dropout_is_one_mask_for_all_steps():
    values = torch.ones(200, 9, 50)
    torch.manual_seed(0)
    dropped = locked_dropout(values, 0.3)
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
    assert not torch.equal(dropped[0], dropped[1])
    assert float((dropped == 0).float().mean()) == pytest.approx(0.3, abs=0.02)
    assert dropped.unique().tolist() == pytest.approx([0.0, 1 / 0.7])
    assert locked_dropout(values, 0.0) is values


def test_dropped_symbols_are_whole_rows():
    torch.manual_seed(0)
    dropped = drop_symbols(torch.ones(5000, 3), 0.1)
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
    assert float((dropped == 0).float().mean()) == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize(
    ("settings", "more"),
    [
        (Encoder(hidden_size=5, dropout=0.5), {}),
        (Encoder(hidden_size=5, weight_drop=0.5), {}),
        (Encoder(hidden_size=5), {"embedding_dropout": 0.5}),
        (Encoder(hidden_size=5), {"symbol_dropout": 0.5}),
    ],
    ids=["dropout", "weight_drop", "embedding_dropout", "symbol_dropout"],
)
def test_each_dropout_acts_in_training_only(settings, more):
    torch.manual_seed(0)
    encoder = SymbolEncoder(V, settings, 4, **more)
    plain = SymbolEncoder(V, Encoder(hidden_size=5), 4)
    plain.load_state_dict(encoder.state_dict())
    assert not torch.equal(encoder(ids())[0], encoder(ids())[0])
    assert_close(encoder.eval()(ids())[0], plain.eval()(ids())[0])


def test_dropout_above_and_between_the_layers_is_locked():
    torch.manual_seed(0)
    encoder = SymbolEncoder(V, Encoder(hidden_size=40, layers=1, dropout=0.5), 4)
    features, _ = encoder(ids())
    zero = features == 0
    assert torch.equal(zero, zero[:, :1].expand_as(zero))
    assert zero.any()


def test_two_directions_are_refused():
    with pytest.raises(SettingsError, match="forwards only"):
        SymbolEncoder(V, Encoder(bidirectional=True), 4)


@pytest.mark.parametrize("size", [6, 9])
def test_tied_weights_are_the_embeddings(size):
    torch.manual_seed(0)
    table = torch.randn(V, 6, requires_grad=True)
    head = FullSoftmax(size, V, tied_size=6)
    features, targets = torch.randn(7, size), torch.arange(7)
    mapped = features if head.project is None else features @ head.project.weight.t() + head.project.bias
    assert (head.project is None) == (size == 6)
    expected = torch.log_softmax(mapped @ table.t() + head.bias, -1)
    assert_close(head.log_probabilities(features, table), expected)
    losses = head.losses(features, targets, table)
    assert_close(losses, -expected[torch.arange(7), targets])
    losses.sum().backward()
    assert table.grad.abs().sum() > 0
    assert head.weight is None


@pytest.mark.parametrize("head", [FullSoftmax(16, V), AdaptiveSoftmax(16, V), AdaptiveSoftmax(16, 300)])
def test_losses_are_those_of_the_log_probabilities(head):
    torch.manual_seed(0)
    features = torch.randn(9, 16)
    logs = head.log_probabilities(features)
    assert_close(logs.exp().sum(-1), torch.ones(9))
    targets = torch.randint(0, logs.shape[1], (9,))
    assert_close(head.losses(features, targets), -logs[torch.arange(9), targets])
