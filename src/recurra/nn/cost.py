"""What a step of a model costs: its multiply-adds, counted from the layers."""

from __future__ import annotations

from torch import nn

from recurra.nn.recurrent import Recurrent
from recurra.nn.softmax import FullSoftmax

_PRODUCTS = ("weight_ih", "weight_hh", "weight_hr", "candidate_weight", "gate_recurrence", "peephole")


def multiply_adds(module: nn.Module) -> int:
    """Multiply-adds of one call of each layer within, for one step of one sequence.

    Products of matrices and vectors are counted, and diagonal peepholes; what is done to each element (activations,
    norms, biases) and what is looked up (embeddings) is not. A convolution is counted for each output step.

    >>> from recurra.nn import LSTM
    >>> multiply_adds(LSTM(3, 8)) == 4 * 8 * (3 + 8)
    True
    """
    return sum(own_multiply_adds(one) for one in module.modules())


def own_multiply_adds(module: nn.Module) -> int:
    """Those of a module without the modules within it."""
    if isinstance(module, Recurrent):
        weights = module.named_parameters(recurse=False)
        return sum(weight.numel() for name, weight in weights if name.startswith(_PRODUCTS))
    if isinstance(module, nn.Linear):
        return module.in_features * module.out_features
    if isinstance(module, nn.Conv1d):
        return module.weight.numel()
    return module.symbols * module.width if isinstance(module, FullSoftmax) else 0
