"""The options of training, their one home. This module never imports torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recurra.settings import settings

L2 = 1e-4
"""Where neither the user nor the task says otherwise."""


@settings
class TrainingOptions:
    """How a model is trained; ``None`` means that the task chooses from the data."""

    steps: Annotated[
        int | None, Field(ge=1, description="optimiser steps in all; chosen from the data if not given")
    ] = None
    batch_size: Annotated[
        int | None, Field(ge=1, description="examples per step; chosen for the task if not given")
    ] = None
    epoch_steps: Annotated[
        int | None, Field(ge=1, description="steps between two validations; default: one pass, at most 200")
    ] = None
    optimizer: Annotated[Literal["adamw", "adam", "sgd"], Field(description="the optimiser")] = "adamw"
    learning_rate: Annotated[
        float | None, Field(gt=0, description="the highest learning rate; chosen for the task if not given")
    ] = None
    momentum: Annotated[float, Field(ge=0, lt=1, description="momentum of SGD")] = 0.9
    schedule: Annotated[
        Literal["one-cycle", "cosine", "plateau", "constant"], Field(description="learning rate over the run")
    ] = "one-cycle"
    clip: Annotated[float | None, Field(gt=0, description="largest norm of the gradient; longer ones are cut")] = 1.0
    l1: Annotated[float, Field(ge=0, description="L1 penalty on the weights")] = 0.0
    l2: Annotated[
        float | None,
        Field(ge=0, description="L2: decoupled weight decay with AdamW, a penalty otherwise; chosen if not given"),
    ] = None
    rate_divisor: Annotated[
        float | None,
        Field(
            ge=1, description="with --from: each layer learns this much slower than that above; default: 2.6, tagging 1"
        ),
    ] = None
    unfreeze: Annotated[
        float | None,
        Field(
            ge=0,
            le=1,
            description="with --from: share of the steps after which one more layer learns, from the head down; "
            "0: all at once, 1: the head only; chosen for the task if not given",
        ),
    ] = None
    average: Annotated[
        float, Field(ge=0, lt=1, description="decay of the moving average of the weights that is kept; 0 for none")
    ] = 0.0
    patience: Annotated[int | None, Field(ge=1, description="stop after this many validations without a gain")] = None
    seed: Annotated[int, Field(ge=0, description="the same seed gives the same weights, bit for bit")] = 0
    threads: Annotated[int | None, Field(ge=1, description="CPU threads; default: all cores")] = None
    checkpoint_steps: Annotated[int, Field(ge=1, description="steps between two checkpoints")] = 200
    log_steps: Annotated[int | None, Field(ge=1, description="also log every so many steps")] = None
