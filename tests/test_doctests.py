"""Every example in a docstring runs and says what it says."""

import doctest
import importlib
import pkgutil

import pytest
import torch

import recurra

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(recurra.__path__, "recurra.")
    if not module.name.endswith("__main__")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_of(name):
    torch.manual_seed(0)
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0


def test_there_are_examples():
    tests = [test for name in MODULES for test in doctest.DocTestFinder().find(importlib.import_module(name))]
    assert sum(len(test.examples) for test in tests) > 100
