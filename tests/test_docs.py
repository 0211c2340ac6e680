"""Documents that are made from code are current, and their links lead somewhere."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(page for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/**/*.md")))


def test_the_settings_reference_is_current():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    assert generate.PAGE.read_text(encoding="utf-8") == generate.render(), "run: python docs/generate.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def run(page: str) -> dict[str, object]:
    """Run all the Python of a page; the names that it leaves."""
    names: dict[str, object] = {}
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(block, names)
    return names


def test_the_page_on_layers_runs():
    names = run("how-to/replace-torch-layers.md")
    assert names["output"].shape == (4, 20, 32)
    assert names["y"].shape == (1, 32)


def test_the_page_on_export_runs():
    names = run("how-to/export.md")
    assert names["forecast"].columns == ["day", "point", "q0.1", "q0.5", "q0.9"]
    assert names["y"].shape == (1, 1, 8)


def test_the_page_on_weights_runs():
    assert repr(run("how-to/import-weights.md")["layer"]) == "GRU(3, 4, num_layers=2, batch_first=True)"


def test_the_page_on_tagging_runs():
    names = run("how-to/tag.md")
    assert names["tags"].columns == ["sentence", "token", "tag", "probability"]
    assert set(names["said"]) <= {"B-PER", "B-LOC", "O"}


def test_the_page_on_classification_runs():
    assert run("how-to/classify.md")["answer"].columns == ["message", "kind", "probability", "p(ham)", "p(spam)"]


def test_the_page_on_transfer_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("how-to/transfer.md")["answer"].columns == ["text", "kind", "probability", "p(+)", "p(-)"]
