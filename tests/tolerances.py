"""The one table of tolerances: how far a result may lie from the independent one it is compared with."""

from __future__ import annotations

import torch
from torch import Tensor

# (relative, absolute). Values are of the order of 1, gradients are sums over steps and batch.
TOLERANCES: dict[str, dict[torch.dtype, tuple[float, float]]] = {
    "value": {torch.float64: (1e-12, 1e-13), torch.float32: (1e-5, 2e-6)},
    "gradient": {torch.float64: (1e-10, 1e-12), torch.float32: (1e-4, 2e-5)},
}


def assert_close(actual: Tensor, expected: Tensor, what: str = "value") -> None:
    """Compare in the precision of ``actual``."""
    rtol, atol = TOLERANCES[what][actual.dtype]
    torch.testing.assert_close(actual, expected.to(actual.dtype), rtol=rtol, atol=atol)
