"""The demo prints a command that does what it has done itself."""

from __future__ import annotations

import importlib.util
import shlex

import pytest
from typer.testing import CliRunner

import recurra.pipeline
from recurra import demo
from recurra.cli import app

needs_the_data = pytest.mark.skipif(
    importlib.util.find_spec("vega_datasets") is None, reason="the demo's data come with the extra 'demo'"
)


@needs_the_data
def test_the_printed_command_is_the_same_training(tmp_path, monkeypatch):
    asked = {}
    monkeypatch.setattr(
        recurra.pipeline, "train", lambda task, data, **rest: asked.update(task=task, data=data, **rest)
    )
    data = demo.find_data()
    command = shlex.split(demo._COMMAND.format(data=data, out=tmp_path))
    CliRunner().invoke(app, command[1:])
    assert (asked["task"], asked["options"]) == (demo.SETTINGS, demo.OPTIONS)
    assert (str(asked["data"]), asked["out"]) == (str(data), tmp_path)
