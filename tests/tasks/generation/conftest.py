"""A model that learned a little of a small text, once for all tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from nonsense import options, sentences, small

import recurra


@pytest.fixture(scope="session")
def text(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("text") / "nonsense.txt"
    path.write_text(sentences(300))
    return path


@pytest.fixture(scope="session")
def folder(text, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("generation") / "model"
    recurra.train(small(), text, out=out, options=options(steps=400))
    return out


@pytest.fixture(scope="session")
def bundle(folder) -> recurra.Bundle:
    return recurra.load(folder)
