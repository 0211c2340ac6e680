"""The tasks, in a closed table: a bundle names its task, and no other code than this is ever called."""

from recurra.tasks.forecasting import Forecasting

TASKS = {"forecasting": Forecasting}
"""The settings class of each task, by the task's name on the command line and in ``bundle.json``."""
