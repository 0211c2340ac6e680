"""Classification of sequences: texts, signals, rows of images; also several labels, or a number, for each."""

from recurra.tasks.classification.settings import Classification, ClassifierEncoder

__all__ = ["Classification", "ClassifierEncoder"]
