"""What the operators share: lengths, the loop over time, checks of shapes, the choice of kernel."""

from recurra.ops.scan.checks import check_probability, check_sequence, choose_kernel
from recurra.ops.scan.lengths import last_real, real_steps, reverse_in_time, valid_lengths, zero_padding
from recurra.ops.scan.loop import scan
from recurra.ops.scan.noise import dropout_mask, keep_mask

__all__ = [
    "check_probability",
    "check_sequence",
    "choose_kernel",
    "dropout_mask",
    "keep_mask",
    "last_real",
    "real_steps",
    "reverse_in_time",
    "scan",
    "valid_lengths",
    "zero_padding",
]
