"""Metrics: pure functions of numpy arrays, the source in the docstring."""

from recurra.metrics.classes import accuracy, brier, calibration_error, confusion, f1_of_classes, log_loss
from recurra.metrics.forecasts import coverage, has_scale, mae, mase, rmse, smape, weighted_quantile_loss
from recurra.metrics.language import bits_per_character, perplexity

__all__ = [
    "accuracy",
    "bits_per_character",
    "brier",
    "calibration_error",
    "confusion",
    "coverage",
    "f1_of_classes",
    "has_scale",
    "log_loss",
    "mae",
    "mase",
    "perplexity",
    "rmse",
    "smape",
    "weighted_quantile_loss",
]
