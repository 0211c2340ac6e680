"""The encoder that settings describe."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch

from recurra.errors import SettingsError
from recurra.nn import build_encoder
from recurra.settings import Encoder
from tolerances import assert_close

LSTM_ONLY: dict[str, Any] = {
    "peephole": "diagonal",
    "candidate": "cell",
    "coupled": True,
    "gates": "NOG",
    "layer_norm": True,
    "proj_size": 3,
    "zoneout": (0.1, 0.1),
    "cell_clip": 0.05,
    "forget_bias": 3.0,
    "chrono": 50,
}
SHARED: dict[str, Any] = {
    "hidden_size": 7,
    "layers": 2,
    "bidirectional": True,
    "recurrent_dropout": 0.5,
    "weight_drop": 0.5,
}


@pytest.mark.parametrize("cell", ["gru", "rnn"])
@pytest.mark.parametrize("name", LSTM_ONLY)
def test_an_option_of_another_cell_is_refused(cell: str, name: str) -> None:
    with pytest.raises(SettingsError, match=rf"Encoder\.{name}\].*'lstm'.*'{cell}'"):
        build_encoder(Encoder(cell=cell, **{name: LSTM_ONLY[name]}), 3)


@pytest.mark.parametrize(("cell", "name", "value"), [("lstm", "reset", "before"), ("gru", "nonlinearity", "relu")])
def test_so_are_those_of_gru_and_rnn(cell: str, name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        build_encoder(Encoder(cell=cell, **{name: value}), 3)


@pytest.mark.parametrize(
    ("cell", "name", "value"),
    [("lstm", name, value) for name, value in {**LSTM_ONLY, **SHARED}.items()]
    + [("gru", name, value) for name, value in {**SHARED, "reset": "before"}.items()]
    + [("rnn", name, value) for name, value in {**SHARED, "nonlinearity": "relu"}.items()],
)
def test_every_setting_changes_the_encoder(cell: str, name: str, value: Any) -> None:
    torch.manual_seed(0)
    plain = build_encoder(Encoder(cell=cell, hidden_size=5), 3)
    torch.manual_seed(0)
    settings = dataclasses.replace(Encoder(cell=cell, hidden_size=5), **{name: value})
    other = build_encoder(settings, 3)
    x = torch.randn(2, 6, 3)
    a, b = plain(x)[0], other(x)[0]
    assert a.shape != b.shape or (a - b).abs().max() > 1e-4
    assert b.shape == (2, 6, other.output_size)


def test_every_setting_is_read() -> None:
    tested = {*LSTM_ONLY, *SHARED, "reset", "nonlinearity", "cell", "dropout"}
    assert tested == {field.name for field in dataclasses.fields(Encoder)}


def test_dropout_acts_between_layers() -> None:
    encoder = build_encoder(Encoder(hidden_size=5, layers=2, dropout=0.5), 3)
    x = torch.randn(2, 6, 3)
    assert not torch.equal(encoder(x)[0], encoder(x)[0])
    encoder.eval()
    assert torch.equal(encoder(x)[0], encoder(x)[0])
    build_encoder(Encoder(dropout=0.5), 3)  # one layer: all of it is before the head, and there is nothing to warn of


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_last_is_the_last_real_step(cell: str, bidirectional: bool) -> None:
    encoder = build_encoder(Encoder(cell=cell, hidden_size=5, layers=2, bidirectional=bidirectional), 3)
    x, lengths = torch.randn(3, 6, 3), [6, 2, 4]
    outputs, state = encoder(x, lengths)
    last = encoder.last(state)
    assert last.shape == (3, encoder.output_size)
    for b, n in enumerate(lengths):
        assert_close(last[b, :5], outputs[b, n - 1, :5])
        assert_close(last[b, 5:], outputs[b, 0, 5:])
    assert_close(encoder.summary(x, lengths), last)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_the_state_is_a_tuple_and_goes_back_in(cell: str) -> None:
    encoder = build_encoder(Encoder(cell=cell, hidden_size=5, layers=2), 3)
    x = torch.randn(3, 6, 3)
    outputs, final = encoder(x)
    first, state = encoder(x[:, :4])
    assert isinstance(state, tuple)
    second, state = encoder(x[:, 4:5], state=state)
    third, state = encoder.step(x[:, 5], state)
    assert_close(torch.cat([first, second, third[:, None]], dim=1), outputs)
    for part, want in zip(state, final, strict=True):
        assert_close(part, want)
