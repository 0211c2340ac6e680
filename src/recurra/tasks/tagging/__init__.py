"""Tagging: a tag for each token of a sentence, such as its part of speech, or the name or role that it is part of."""

from recurra.tasks.tagging.settings import Tagging

__all__ = ["Tagging"]
