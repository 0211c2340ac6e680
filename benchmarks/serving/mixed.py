"""10,000 requests of all kinds, 3 % of them bad: no good one may fail, and nothing may be a fault of the server.

python benchmarks/serving/mixed.py
"""

from __future__ import annotations

import json
import sys
from collections import Counter

import numpy as np
from load import Run, request
from record import keep
from served import WORDS, Served, classifier, forecaster, scratch, windows

REQUESTS, BAD, CLIENTS = 10_000, 0.03, 64


def bad_requests() -> list[bytes]:
    """Each wrong in another way."""
    bodies = [b"{", b"[]", b'{"input": NaN}', b'{"input": {}}', b'{"input": {"sold": []}}', b'{"inputs": []}']
    bodies += [
        json.dumps({"input": {"day": "2021-06-01", "sold": [1.0] * 9 + [one]}}).encode() for one in ("x", None, -1)
    ]
    bodies += [b'{"input": {"day": "2021-02-31", "sold": [1,2,3,4,5,6,7,8,9,10]}}', b"\xff" * 50, b"[" * 900]
    asked = [request("/v1/models/sales/predict", body) for body in bodies]
    asked += [request("/v1/models/mail/predict", b'{"input": "  "}'), request("/v1/models/no/predict", b"{}")]
    return [*asked, request("/v1/models/sales/predict", b"\x93NUMPY\x01\x00rubbish", "application/x-npy")]


def main() -> None:
    random, folder = np.random.default_rng(0), scratch()
    texts = [json.dumps({"input": " ".join(random.choice(WORDS, 1 + n % 40))}).encode() for n in range(100)]
    good = [*windows(100, binary=False), *windows(100, binary=True)]
    good += [request("/v1/models/mail/predict", text) for text in texts]
    bad = bad_requests()
    is_bad = random.random(REQUESTS) < BAD
    chosen = [random.integers(len(bad if wrong else good)) for wrong in is_bad]

    server = Served(f"sales={forecaster(folder / 'sales')}", f"mail={classifier(folder / 'mail')}")
    work = Run(server.port, CLIENTS, lambda n: (bad if is_bad[n] else good)[chosen[n]], 300, REQUESTS)
    outcome = work.run()
    server.stop()
    statuses = {
        kind: dict(Counter(work.by_number.get(n) for n in range(REQUESTS) if is_bad[n] == wrong))
        for kind, wrong in (("good", False), ("bad", True))
    }
    failed = sum(count for status, count in statuses["good"].items() if status != 200)
    faults = sum(count for some in statuses.values() for status, count in some.items() if not status or status >= 500)
    keep(
        "mixed",
        {"statuses": statuses, "good ones that failed": failed, "faults of the server": faults} | outcome.describe(),
    )
    sys.exit(bool(failed or faults))


if __name__ == "__main__":
    main()
