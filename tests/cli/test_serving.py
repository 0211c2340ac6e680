"""``recurra serve`` at the command line: what it says before it serves."""

from __future__ import annotations

import subprocess
import sys


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "recurra", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_help_is_made_from_the_settings_and_does_not_load_the_server():
    code = (
        "import sys\nfrom recurra.cli import app\n"
        "try: app(['serve', '--help'])\nexcept SystemExit: pass\n"
        "print(sorted({'fastapi', 'uvicorn', 'torch', 'polars'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--deadline" in done.stdout
    assert done.stdout.strip().endswith("[]")


def test_errors_are_sentences(tmp_path):
    absent = run("serve", tmp_path / "absent")
    assert absent.returncode == 2
    assert "no model could be loaded" in absent.stderr
    assert run("serve", tmp_path, "--port", "99999").returncode == 2
    twice = run("serve", "a/x", "b/x")
    assert twice.returncode == 2
    assert "name of its own" in twice.stderr


def test_the_extra_is_named_where_it_is_missing(tmp_path):
    code = (
        "import sys; sys.modules['fastapi'] = None; sys.argv = ['recurra', 'serve', '.']; "
        "from recurra.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'recurra[serve]'" in done.stderr
