"""Sessions: put away, gone on with, shared, and refused where they are not what was saved."""

from __future__ import annotations

import hashlib
import json
import pickle
import random
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import safetensors.torch
import torch

import recurra
from recurra.errors import BundleError

HEAD = struct.Struct("<16sI32s")


def signals(length: int = 10) -> dict:
    chance = np.random.default_rng(0)
    return {"x": chance.normal(0, 1, (12, length, 3)).astype(np.float32), "y": np.array(["a", "b"] * 6)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("session") / "model"
    settings = recurra.Classification(front="linear", encoder=recurra.Encoder(hidden_size=8, layers=2))
    recurra.train(settings, signals(), out=out, options=recurra.TrainingOptions(steps=4, threads=1))
    return out


@pytest.fixture(scope="module")
def bundle(folder) -> recurra.Bundle:
    return recurra.load(folder)


def fed(bundle: recurra.Bundle, rows: list) -> recurra.Session:
    session = recurra.Session(bundle)
    for row in rows:
        session.feed(row)
    return session


def sealed(about: dict, tensors: dict, *, version: int = 1) -> bytes:
    """A saved session as somebody would forge it who knows the format."""
    body = safetensors.torch.save(tensors, {"session": json.dumps(about)})
    return HEAD.pack(b"recurra session\n", version, hashlib.sha256(body).digest()) + body


def test_a_restored_session_is_the_one_that_was_saved(bundle):
    rows = signals()["x"][0].tolist()
    session = fed(bundle, rows[:4])
    again = recurra.Session.restore(bundle, session.save())
    assert again.steps == 4
    assert [again.feed(row) for row in rows[4:]] == [session.feed(row) for row in rows[4:]]
    assert again.save() == session.save()


def test_another_process_goes_on(folder, bundle):
    rows = signals()["x"][0].tolist()
    session = fed(bundle, rows[:4])
    code = (
        "import sys, json, recurra\n"
        f"session = recurra.Session.restore(recurra.load({str(folder)!r}), bytes.fromhex(sys.stdin.read()))\n"
        f"print(json.dumps(session.feed({rows[4]})))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], input=session.save().hex(), capture_output=True, text=True, check=True
    )
    assert json.loads(run.stdout) == session.feed(rows[4])


def test_what_is_kept_does_not_grow(bundle):
    session, row = recurra.Session(bundle), [0.1, 0.2, 0.3]
    session.feed(row)
    size = len(session.save())
    for _ in range(500):
        session.feed(row)
    assert len(session.save()) - size <= 8, "only the count of steps has more digits"


def test_sessions_of_one_bundle_do_not_disturb_each_other(bundle):
    x = signals(200)["x"]
    alone = [fed(bundle, some.tolist()).save() for some in x]
    with ThreadPoolExecutor(6) as threads:
        together = list(threads.map(lambda some: fed(bundle, some.tolist()).save(), x))
    assert together == alone


def test_no_flipped_byte_and_no_lost_end_goes_unnoticed(bundle):
    whole = fed(bundle, [[1.0, 2.0, 3.0]]).save()
    chance = random.Random(0)
    for place in [*range(60), *(chance.randrange(len(whole)) for _ in range(300))]:
        flipped = bytearray(whole)
        flipped[place] ^= 1 << chance.randrange(8)
        with pytest.raises(BundleError):
            recurra.Session.restore(bundle, bytes(flipped))
        with pytest.raises(BundleError):
            recurra.Session.restore(bundle, whole[:place])


def test_a_session_of_another_model_is_refused(bundle):
    settings = recurra.Classification(front="linear", encoder=recurra.Encoder(hidden_size=8, layers=2))
    options = recurra.TrainingOptions(steps=4, seed=1, threads=1)
    other = recurra.train(settings, signals(), options=options)
    with pytest.raises(BundleError, match="of another one"):
        recurra.Session.restore(other, recurra.Session(bundle).save())


FORGERIES = {
    "another name": (lambda about, state: {**state, "more": torch.zeros(1)}, "has others"),
    "another shape": (lambda about, state: state | {first(state): torch.zeros(10_000)}, "has others"),
    "another type": (lambda about, state: state | {first(state): state[first(state)].double()}, "has others"),
    "no tensors": (lambda about, state: {}, "has others"),
    "not a number": (lambda about, state: state | {first(state): state[first(state)] * torch.nan}, "must be finite"),
    "no count": (lambda about, state: about.pop("steps") and state, "made by save"),
    "a negative count": (lambda about, state: about.update(steps=-1) or state, "made by save"),
    "a count of another type": (lambda about, state: about.update(steps=True) or state, "made by save"),
}


def first(state: dict) -> str:
    return next(iter(state))


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_session_is_refused(bundle, name):
    change, expected = FORGERIES[name]
    about = {"model": bundle.fingerprint, "steps": 1}
    state = change(about, recurra.Session(bundle)._live.state)
    with pytest.raises(BundleError, match=expected):
        recurra.Session.restore(bundle, sealed(about, state))


def test_what_is_no_session_is_refused(bundle):
    newer = sealed({"model": bundle.fingerprint, "steps": 1}, {}, version=2)
    noise = HEAD.pack(b"recurra session\n", 1, hashlib.sha256(b"\xff" * 99).digest()) + b"\xff" * 99
    cases = {b"": "begin with", pickle.dumps({"state": 1}): "begin with", newer: "got 2", noise: "made by save"}
    for data, expected in cases.items():
        with pytest.raises(BundleError, match=expected):
            recurra.Session.restore(bundle, data)
    with pytest.raises(BundleError, match="is bytes, got str"):
        recurra.Session.restore(bundle, "recurra session")
