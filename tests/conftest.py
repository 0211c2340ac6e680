"""One thread for each process, the tests' own and those that they start: several of them run side by side."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before anything imports torch
