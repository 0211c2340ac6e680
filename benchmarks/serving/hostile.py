"""More than 200 hostile requests, one after the other: each a clear refusal, the server alive and answering after each.

    python benchmarks/serving/hostile.py

The corpus is in attacks.py. A refusal is a status from 400 to 499, 503, or a connection that is closed; a fault of the
server, a hang of more than three seconds or a good request that is not answered afterwards is a failure.
"""

from __future__ import annotations

import socket
import sys
from collections import Counter

from attacks import MAIL, corpus
from load import request
from record import keep
from served import Served, classifier, forecaster, scratch


def send(port: int, content: bytes) -> str:
    """The status line that came, ``closed``, or ``silent``."""
    with socket.create_connection(("127.0.0.1", port), timeout=3) as connection:
        try:
            connection.sendall(content)
            connection.shutdown(socket.SHUT_WR) if b"HTTP" not in content[:2000] else None
            said = connection.recv(65536)
        except TimeoutError:
            return "silent"
        except OSError:
            return "closed"
    return said[9:12].decode(errors="replace") if said else "closed"


def main() -> None:
    folder = scratch()
    server = Served(f"sales={forecaster(folder / 'sales')}", f"mail={classifier(folder / 'mail')}", "--receive", "2")
    found, wrong = Counter[str](), []
    control = request(MAIL, b'{"input": "win a prize"}')
    attacks = list(corpus())
    for name, content in attacks:
        answer = send(server.port, content)
        found[answer] += 1
        if (answer.startswith("5") and answer != "503") or answer == "silent":
            wrong.append(f"{name}: {answer}, {content[:200]!r}")
        if send(server.port, control) != "200":
            wrong.append(f"after {name} a good request was not answered")
    alive, log = server.process.poll() is None, server.said()
    server.stop()
    result = {
        "attacks": len(attacks),
        "answers": dict(sorted(found.items())),
        "wrong": wrong,
        "the server lived": alive,
        "internal errors in its log": log.count("internal error"),
    }
    keep("hostile", result)
    sys.exit(bool(wrong) or not alive)


if __name__ == "__main__":
    main()
