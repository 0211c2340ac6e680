"""600 clients that do not back off: how much of its peak the server still delivers.

    python benchmarks/serving/overload.py

Peak and overload are measured in turns. A refused client asks again at once, whatever ``Retry-After`` says.
"""

from __future__ import annotations

import os
import statistics

from load import run
from record import keep
from served import Served, forecaster, scratch, windows

ROUNDS, SECONDS, FEW, MANY = 3, 6, 32, 600


def main() -> None:
    bodies = windows(256, binary=False)
    server = Served(f"sales={forecaster(scratch() / 'sales')}")
    run(server.port, FEW, bodies, 2)
    rounds = []
    for _ in range(ROUNDS):
        peak, load = run(server.port, FEW, bodies, SECONDS).outcome, os.getloadavg()[0]
        crowd = run(server.port, MANY, bodies, SECONDS).outcome
        share = round(crowd.rate / peak.rate, 3)
        rounds.append({"peak": peak.describe(), "overload": crowd.describe(), "share of the peak": share, "load": load})
    server.stop()
    share = statistics.median(float(one["share of the peak"]) for one in rounds)
    keep("overload", {"clients": MANY, "share of the peak": share, "rounds": rounds})


if __name__ == "__main__":
    main()
