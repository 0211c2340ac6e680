"""Generation: language models of text that score it and go on with it."""

from recurra.tasks.generation.settings import Generation

__all__ = ["Generation"]
