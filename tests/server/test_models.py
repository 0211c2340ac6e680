"""Models come and go while others are asked."""

from __future__ import annotations

import asyncio
import shutil
import signal
import threading

import httpx
import pytest

import recurra
from recurra.errors import SettingsError
from recurra.server.run import name_folders
from server.conftest import FEW, TINY
from server.running import Process, figure, serving, wait_until

TEXTS = {"text": ["good", "bad"] * 12, "kind": ["yes", "no"] * 12}


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """A classifier of other classes."""
    settings = recurra.Classification(text="text", label="kind", encoder=TINY, embedding_size=8)
    folder = tmp_path_factory.mktemp("other") / "model"
    recurra.train(settings, TEXTS, options=FEW).save(folder)
    return folder


def replace(folder, by) -> None:
    """Put another bundle in the place of one; the manifest comes last."""
    shutil.copy(by / "weights.safetensors", folder / "weights.safetensors")
    shutil.copy(by / "bundle.json", folder / "bundle.json")


def test_a_bad_model_does_not_take_the_others_down(folders, classifier, tmp_path):
    bad = tmp_path / "bad"
    shutil.copytree(classifier, bad)
    content = bytearray((bad / "weights.safetensors").read_bytes())
    content[-5] ^= 1
    (bad / "weights.safetensors").write_bytes(content)
    with serving({"mail": classifier, "bad": bad, "absent": tmp_path / "absent"}) as server:
        assert server.ask("mail", "win")["label"] in ("spam", "ham")
        answer = server.post("bad/predict", json={"input": "win"})
        assert answer.status_code == 503
        assert "could not be loaded" in answer.json()["error"]
        assert server.client.get("/v1/models").json()["failed"] == ["absent", "bad"]
        assert server.client.get("/readyz").json() == {"ready": True, "models": ["mail"]}


def test_a_server_without_any_model_is_not_ready(tmp_path):
    with serving({"absent": tmp_path}) as server:
        assert server.client.get("/readyz").status_code == 503
        assert server.client.get("/healthz").status_code == 200


def test_a_new_version_is_loaded_and_a_damaged_one_is_not(classifier, other, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(classifier, folder)
    with serving({"mail": folder}) as server:
        old = server.ask("mail", "win")
        replace(folder, other)
        asyncio.run(server.service.models.reload())
        assert server.ask("mail", "win")["label"] in ("yes", "no")
        (folder / "bundle.json").write_text("{}")
        asyncio.run(server.service.models.reload())
        assert server.ask("mail", "win")["label"] in ("yes", "no")
        assert server.client.get("/v1/models").json()["failed"] == ["mail"]
        replace(folder, classifier)
        asyncio.run(server.service.models.reload())
        assert server.ask("mail", "win") == old
        assert server.client.get("/v1/models").json()["failed"] == []


def test_who_has_begun_with_the_old_version_ends_with_it(classifier, other, tmp_path, monkeypatch):
    folder = tmp_path / "model"
    shutil.copytree(classifier, folder)
    with serving({"mail": folder}, wait=0) as server:
        task = type(server.service.models.get("mail").bundle.task)
        asked, loaded, real = threading.Event(), threading.Event(), task.answer
        monkeypatch.setattr(task, "answer", lambda *given: asked.set() or (loaded.wait(10) and real(*given)))
        said: list[dict] = []
        person = threading.Thread(target=lambda: said.append(server.ask("mail", "win")))
        person.start()
        assert asked.wait(10)
        replace(folder, other)
        asyncio.run(server.service.models.reload())
        loaded.set()
        person.join(10)
        assert said[0]["label"] in ("spam", "ham")
        assert server.ask("mail", "win")["label"] in ("yes", "no")


@pytest.fixture(scope="module")
def process(classifier, tmp_path_factory):
    folder = tmp_path_factory.mktemp("served") / "mail"
    shutil.copytree(classifier, folder)
    process = Process(folder, f"same={folder}")
    process.folder = folder
    yield process
    if process.process.poll() is None:
        process.end(signal.SIGKILL)


def in_progress(process: Process) -> float:
    return figure(httpx.get(f"{process.url}/metrics").text, "recurra_requests_in_progress")


def test_sighup_loads_anew_and_sigterm_ends_in_order(process, other):
    before = process.version("mail")
    replace(process.folder, other)
    process.process.send_signal(signal.SIGHUP)
    wait_until(lambda: process.version("mail") != before)
    body = {"inputs": ["good bad " * 50] * 256}
    answers: list[httpx.Response] = []
    people = [
        threading.Thread(
            target=lambda: answers.append(httpx.post(f"{process.url}/v1/models/mail/predict", json=body, timeout=30))
        )
        for _ in range(4)
    ]
    for person in people:
        person.start()
    wait_until(lambda: in_progress(process) == 4)
    process.process.send_signal(signal.SIGTERM)
    for person in people:
        person.join(30)
    assert [answer.status_code for answer in answers] == [200] * 4
    assert process.process.wait(20) in (0, -signal.SIGTERM)
    assert "Traceback" not in process.log
    assert "good" not in process.log


def test_names():
    assert list(name_folders(["a/mail", "b=c/d=e", "./f=g"])) == ["mail", "b", "f=g"]
    for places in (["a/x", "b/x"], ["=a", "=b"], ["a=b", "x/a"]):
        with pytest.raises(SettingsError, match="name of its own"):
            name_folders(places)
