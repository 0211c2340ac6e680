"""Streams: chunks in order, state carried without its gradient, and exactly the same after a kill."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from recurra.nn import LSTM
from recurra.training.loop import fit, seeded
from recurra.training.options import TrainingOptions
from recurra.training.order import StreamOrder


class Symbols:
    """A periodic sequence of five symbols, to be foretold one by one."""

    chunk = 7

    def __init__(self, places=200):
        self.ids = torch.arange(places + 1) ** 2 % 5
        self.states = []  # what came in at each step

    def __len__(self):
        return len(self.ids) - 1

    def batch(self, index):
        return self.ids[index[:, None] + torch.arange(self.chunk + 1)]

    def name(self, index):
        return f"symbols {index + 1} to {index + self.chunk}"

    def loss(self, model, batch, state):
        self.states.append(None if state is None else tuple(part.clone() for part in state))
        logits, after = model(batch[:, :-1], state)
        return functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten()), after


class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(5, 3)
        self.lstm = LSTM(3, 6, batch_first=True, recurrent_dropout=0.1)
        self.head = nn.Linear(6, 5)

    def forward(self, ids, state):
        y, state = self.lstm(self.embedding(ids), state)
        return self.head(y), state


def build():
    with seeded(3):
        return Reader()


def options(**changes):
    return TrainingOptions(
        **{"steps": 40, "batch_size": 4, "learning_rate": 2e-3, "epoch_steps": 9, "threads": 1, **changes}
    )


def train(folder=None, examples=None, **changes):
    model = build()
    trained = fit(model, examples or Symbols(), lambda *_: None, options(**changes), folder=folder)
    return model, trained


@pytest.mark.parametrize("places", [1, 6, 7, 13, 14, 30, 200])
@pytest.mark.parametrize("streams", [1, 3, 64])
def test_every_chunk_is_within_the_sequence_and_follows_the_last_one(places, streams):
    order = StreamOrder(places, streams, chunk=7, seed=1)
    assert order.steps_per_pass >= 1
    for step in range(5 * order.steps_per_pass):
        place = order.batch(step)
        assert len(place) == order.streams
        assert place.min() >= 0
        assert place.max() + order.chunk <= places
        if not order.starts_anew(step):
            assert torch.equal(place, order.batch(step - 1) + order.chunk)


def test_no_place_is_left_out_for_good():
    order = StreamOrder(places=100, streams=2, chunk=7, seed=0)
    steps = range(60 * order.steps_per_pass)
    seen = {int(p) + k for step in steps for p in order.batch(step) for k in range(order.chunk)}
    assert seen == set(range(100))


def test_streams_of_a_pass_do_not_overlap():
    order = StreamOrder(places=200, streams=4, chunk=7, seed=0)
    places = [int(p) + k for step in range(order.steps_per_pass) for p in order.batch(step) for k in range(7)]
    assert len(places) == len(set(places))


def test_the_state_is_that_after_the_chunk_before():
    symbols = Symbols()
    order = StreamOrder(len(symbols), 4, symbols.chunk, 0)
    train(examples=symbols, steps=1)
    assert symbols.states == [None]
    symbols = Symbols()
    train(examples=symbols, seed=0)
    fresh = [step for step, state in enumerate(symbols.states) if state is None]
    assert fresh == [step for step in range(40) if order.starts_anew(step)]
    assert not any(part.requires_grad for state in symbols.states if state for part in state)


def test_a_carried_state_gives_the_outputs_of_one_long_sequence():
    symbols, model = Symbols(), build().eval()
    order = StreamOrder(len(symbols), 4, symbols.chunk, 0)
    state, losses = None, []
    for step in range(order.steps_per_pass):
        loss, state = symbols.loss(model, symbols.batch(order.batch(step)), state)
        losses.append(loss)
    whole = symbols.ids[order.batch(0)[:, None] + torch.arange(order.steps_per_pass * order.chunk + 1)]
    expected, _ = symbols.loss(model, whole, None)
    assert torch.allclose(torch.stack(losses).mean(), expected, atol=1e-6)


@pytest.mark.parametrize("checkpoint_steps", [1, 3, 5])
def test_goes_on_exactly_with_the_carried_state(same_weights, same_history, killed, tmp_path, checkpoint_steps):
    class Dying(Symbols):
        def loss(self, model, batch, state):
            if len(self.states) == 10:
                raise killed
            return super().loss(model, batch, state)

    model, trained = train(tmp_path / "whole")
    for _ in range(3):
        with pytest.raises(killed):
            train(tmp_path / "killed", Dying(), checkpoint_steps=checkpoint_steps)
    again, resumed = train(tmp_path / "killed")
    assert same_weights(model, again)
    assert same_history(trained, resumed)


def test_without_the_carried_state_it_would_not_go_on_exactly(same_weights, killed, tmp_path, monkeypatch):
    model, _ = train()
    monkeypatch.setattr("recurra.training.feed.Carrying.load", lambda self, tensors: None)

    class Dying(Symbols):
        def loss(self, model, batch, state):
            if len(self.states) == 10:
                raise killed
            return super().loss(model, batch, state)

    with pytest.raises(killed):
        train(tmp_path, Dying(), checkpoint_steps=1)
    again, _ = train(tmp_path)
    assert not same_weights(model, again)


def test_a_loss_that_is_not_finite_names_the_chunks():
    symbols = Symbols()

    def loss(model, batch, state):
        value, after = Symbols.loss(symbols, model, batch, state)
        return value * float("nan"), after

    symbols.loss = loss
    with pytest.raises(RuntimeError, match=r"must be finite.*symbols \d+ to \d+"):
        train(examples=symbols)


def test_another_chunk_length_is_refused(tmp_path):
    train(tmp_path)
    symbols = Symbols()
    symbols.chunk = 8
    with pytest.raises(ValueError, match="chunk = 7, this one has 8"):
        train(tmp_path, symbols)
