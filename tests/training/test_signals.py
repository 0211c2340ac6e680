"""Ctrl-C and SIGTERM finish the step, save, and say how to go on."""

import os
import signal
import threading
import time

import pytest

from recurra.training.loop import Interrupted


@pytest.fixture(autouse=True)
def interruptible():
    """Python's own handler, which it does not install in a job that a shell has put into the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def signalling_loss(small, number, at):
    calls = 0

    def loss(model, batch):
        nonlocal calls
        calls += model.training
        if calls == at:
            os.kill(os.getpid(), number)
        return small.loss(model, batch)

    return loss


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_step_is_finished_and_saved(small, log_of, same_weights, tmp_path, number):
    model, _ = small.fit(tmp_path / "whole", log_steps=1)
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    here = tmp_path / "stopped"
    with pytest.raises(Interrupted) as caught:
        small.fit(here, log_steps=1, loss=signalling_loss(small, number, 6), resume_hint="recurra resume DIR")
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    assert str(caught.value) == (
        f"[train] stopped by {number.name} after step 6 of 12; the run is saved in {here}. "
        "Go on with: recurra resume DIR"
    )
    assert caught.value.signal == number
    assert len(log_of(here)) == 7  # six steps and an epoch
    again, _ = small.fit(here, log_steps=1)
    assert same_weights(model, again)
    assert log_of(here) == log_of(tmp_path / "whole")


def test_without_a_folder_nothing_is_saved(small):
    with pytest.raises(Interrupted, match="after step 2 of 12; nothing is saved, as the run has no folder"):
        small.fit(loss=signalling_loss(small, signal.SIGINT, 2))


def test_the_second_one_stops_at_once(small):
    def loss(model, batch):
        noting = signal.getsignal(signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        while signal.getsignal(signal.SIGINT) is noting:  # two that come before the first is seen are one
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)
        raise AssertionError("not reached")

    with pytest.raises(KeyboardInterrupt):
        small.fit(loss=loss)


def test_another_thread_trains_without_signals(small, same_weights):
    results = []
    thread = threading.Thread(target=lambda: results.append(small.fit()[0]))
    thread.start()
    thread.join()
    assert same_weights(results[0], small.fit()[0])
