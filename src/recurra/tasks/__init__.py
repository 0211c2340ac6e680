"""The tasks, in a closed table: a bundle names its task, and no other code than this is ever called."""

from recurra.task import TaskSettings
from recurra.tasks.classification import Classification
from recurra.tasks.forecasting import Forecasting
from recurra.tasks.generation import Generation
from recurra.tasks.tagging import Tagging

TASKS: dict[str, type[TaskSettings]] = {
    "forecasting": Forecasting,
    "classification": Classification,
    "tagging": Tagging,
    "generation": Generation,
}
"""The settings class of each task, by the task's name on the command line and in ``bundle.json``."""
