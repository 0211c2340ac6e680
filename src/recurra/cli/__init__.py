"""The command line: it reads arguments, calls the library and prints. Torch is imported where it is needed only."""

from __future__ import annotations

import os
import signal
import sys

from recurra.cli.commands import app
from recurra.errors import RecurraError

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line; errors are sentences on stderr, never tracebacks (exit code 2)."""
    debug = "--debug" in sys.argv or bool(os.environ.get("RECURRA_DEBUG"))
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    try:
        app()
    except RecurraError as error:
        if debug:
            raise
        sys.exit(_say(str(error), 128 + getattr(error, "signal", 2 - 128)))
    except KeyboardInterrupt:
        sys.exit(_say("stopped", 128 + signal.SIGINT))
    except BrokenPipeError:  # the reader of our output, such as head, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except Exception as error:
        if debug:
            raise
        text = f"internal error: {type(error).__name__}: {error}. Run again with --debug and report what it shows."
        sys.exit(_say(text, 1))


def _say(text: str, code: int) -> int:
    print(f"recurra: {text}", file=sys.stderr)
    return code
