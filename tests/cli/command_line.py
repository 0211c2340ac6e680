"""The command line, run in this process: torch is imported once for all tests."""

from __future__ import annotations

import io
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout

from recurra.cli import main


def recurra(*arguments: object) -> subprocess.CompletedProcess[str]:
    """What the command prints, and its exit code."""
    out, errors, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["recurra", *map(str, arguments)]
    try:
        with redirect_stdout(out), redirect_stderr(errors):
            main()
    except SystemExit as end:
        return subprocess.CompletedProcess(sys.argv, int(end.code or 0), out.getvalue(), errors.getvalue())
    finally:
        sys.argv = before
    return subprocess.CompletedProcess(sys.argv, 0, out.getvalue(), errors.getvalue())
