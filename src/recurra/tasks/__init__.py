"""The tasks, in a closed table: a bundle names its task, and no other code than this is ever called."""

from typing import Any

from recurra.tasks.classification import Classification
from recurra.tasks.forecasting import Forecasting

TASKS: dict[str, Any] = {"forecasting": Forecasting, "classification": Classification}
"""The settings class of each task, by the task's name on the command line and in ``bundle.json``."""
