"""Bundles that were written once in format 1: every later version must read them, and predict what they predicted.

They are never made anew. A change that breaks one of these tests breaks the bundles of all users.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

import recurra
from tolerances import TOLERANCES

HOME = Path(__file__).parent / "fixtures" / "bundles-of-format-1"
RTOL, ATOL = TOLERANCES["value"][torch.float32]


def assert_same(got: Any, expected: Any) -> None:
    """The same values; numbers as close as other processors compute them."""
    if isinstance(expected, dict):
        assert list(got) == list(expected)
        for name, value in expected.items():
            assert_same(got[name], value)
    elif isinstance(expected, list):
        assert len(got) == len(expected)
        for one, value in zip(got, expected, strict=True):
            assert_same(one, value)
    elif isinstance(expected, float):
        assert math.isclose(got, expected, rel_tol=RTOL, abs_tol=ATOL)
    else:
        assert str(got) == str(expected)


@pytest.mark.parametrize("name", ["forecasting", "classification"])
def test_tables_are_predicted_as_ever(name):
    kept = json.loads((HOME / f"{name}.json").read_text())
    assert_same(recurra.load(HOME / name).predict(kept["input"]).to_dicts(), kept["expected"])


def test_text_is_read_as_ever():
    kept = json.loads((HOME / "generation.json").read_text())
    assert_same(recurra.Session(recurra.load(HOME / "generation")).feed(kept["input"]), kept["expected"])
