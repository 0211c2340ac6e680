"""The public names: all of them, and nothing heavy behind the import itself."""

import subprocess
import sys

import recurra

NAMES = {
    "Bundle",
    "Classification",
    "Encoder",
    "Forecasting",
    "Generation",
    "Reading",
    "RecurraError",
    "Sampling",
    "Session",
    "Repairs",
    "Tokens",
    "TrainingOptions",
    "__version__",
    "load",
    "nn",
    "resume",
    "train",
}


def test_the_public_names_are_these():
    assert set(recurra.__all__) == NAMES
    assert set(dir(recurra)) >= NAMES


def test_every_public_name_can_be_had_and_is_documented():
    for name in NAMES - {"__version__"}:
        assert getattr(recurra, name).__doc__, name
    assert recurra.__version__[0].isdigit()


def test_an_unknown_name_is_an_attribute_error():
    assert not hasattr(recurra, "Forcasting")


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, recurra; print({'torch', 'polars', 'numpy', 'matplotlib', 'pydantic'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "set()\n"
