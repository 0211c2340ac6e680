"""A small text of nonsense sentences, and settings of a model that can learn it in a second."""

from __future__ import annotations

import numpy as np

import recurra

SUBJECTS, VERBS, OBJECTS = ("the cat", "a dog", "my aunt"), ("sees", "likes", "hears"), ("milk.", "the sun.", "tea!")


def sentences(count: int, seed: int = 0) -> str:
    random = np.random.default_rng(seed)
    return "".join(f"{random.choice(SUBJECTS)} {random.choice(VERBS)} {random.choice(OBJECTS)}\n" for _ in range(count))


def small(**changes) -> recurra.Generation:
    encoder = recurra.Encoder(hidden_size=24)
    return recurra.Generation(**{"chunk": 16, "embedding_size": 8, "encoder": encoder, **changes})


def options(**changes) -> recurra.TrainingOptions:
    return recurra.TrainingOptions(**{"steps": 60, "batch_size": 4, "threads": 1, "learning_rate": 0.02, **changes})
