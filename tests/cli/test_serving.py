"""``recurra serve`` at the command line: what it says before it serves."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("fastapi", reason="the server needs: pip install 'recurra[serve]'")

from recurra.cli import main


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_help_is_made_from_the_settings_and_does_not_load_the_server():
    done = python(
        "import sys\nfrom recurra.cli import app\n"
        "try: app(['serve', '--help'])\nexcept SystemExit: pass\n"
        "print(sorted({'fastapi', 'uvicorn', 'torch', 'polars'} & set(sys.modules)))"
    )
    assert "--deadline" in done.stdout
    assert done.stdout.strip().endswith("[]")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["absent"], "no model could be loaded"),
        (["a/x", "b/x"], "name of its own"),
        (["a", "--port", "99999"], "less than or equal to 65535"),
        (["a", "--store", "disk"], "store"),
        (["a", "--key", "absent"], "a file with a key must be there"),
        (["a", "--tokens", "absent"], "a file of tokens must be there"),
    ],
)
def test_errors_are_sentences(arguments, words, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["recurra", "serve", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert words in capsys.readouterr().err


def test_the_extra_is_named_where_it_is_missing():
    done = python(
        "import sys; sys.modules['uvicorn'] = None; sys.argv = ['recurra', 'serve', '.']; "
        "from recurra.cli import main; main()"
    )
    assert done.returncode == 2
    assert "pip install 'recurra[serve]'" in done.stderr
