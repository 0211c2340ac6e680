"""The OpenAPI document and the pages say what is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import recurra.server
from server.running import figure


def test_every_model_has_its_paths(server):
    document = server.client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert {path for path in document["paths"] if path.startswith("/v1/models/")} == {
        "/v1/models/sales/predict",
        "/v1/models/steps/predict",
        "/v1/models/mail/predict",
        "/v1/models/mail/explain",
        "/v1/models/moves/predict",
        "/v1/models/prose/generate",
        "/v1/models/names/predict",
        "/v1/models/spans/predict",
        "/v1/models/roles/predict",
    }


@pytest.mark.parametrize("model", ["sales", "steps", "mail", "moves", "names", "spans", "roles"])
def test_the_examples_are_answered(server, model):
    document = server.client.get("/openapi.json").json()
    content = document["paths"][f"/v1/models/{model}/predict"]["post"]["requestBody"]["content"]
    single, many = content["application/json"]["schema"]["oneOf"]
    for example in single["properties"]["input"]["examples"]:
        assert server.ask(model, example)
    assert many["properties"]["inputs"]["maxItems"] == 256


def test_what_a_model_is(server):
    models = {model["name"]: model for model in server.client.get("/v1/models").json()["models"]}
    assert models["mail"]["can"] == ["predict", "explain", "stream"]
    assert models["prose"]["can"] == ["generate", "stream"]
    assert models["moves"]["can"] == ["predict"]
    assert models["names"]["can"] == ["predict"]
    assert models["spans"]["can"] == models["roles"]["can"] == ["predict", "stream"]
    assert models["prose"]["task"] == "generation"
    assert models["sales"]["request"]["properties"]["holiday"]["x-role"] == "future"


def test_metrics_count_what_was_asked(server):
    def count() -> float:
        text = server.client.get("/metrics").text
        return figure(text, 'recurra_requests_total{route="predict",status="200"}')

    server.ask("mail", "win")
    before = count()
    server.ask("mail", "win")
    assert count() == before + 1
    assert "win" not in server.client.get("/metrics").text


def test_the_pages_need_no_other_site():
    folder = Path(recurra.server.__file__).parent / "page"
    for file in folder.iterdir():
        foreign = set(re.findall(r"https?://[^\s\"'`)]+", file.read_text())) - {"http://www.w3.org/2000/svg"}
        assert not foreign, file.name


def test_the_pages_may_load_nothing_from_elsewhere(server):
    for path in ("/", "/docs"):
        policy = server.client.get(path).headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'self';")
