"""Classification of sequences: texts, signals, rows of images; also several labels, or a number, for each."""

from recurra.tasks.classification.settings import Classification

__all__ = ["Classification"]
