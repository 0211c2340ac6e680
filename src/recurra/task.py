"""The protocol of a task: what training, bundles, the CLI and the report may ask of one, and nothing more.

A task is a frozen value: settings plus all that was learned from data except weights (vocabularies, scales,
frequencies). The rooms above know this protocol and the closed table ``recurra.tasks.TASKS``, never a single task.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from torch import Tensor, nn


class Examples(Protocol):
    """Training examples that are cut from tensors by index, never collated one by one."""

    def __len__(self) -> int:
        """Count the examples."""
        ...

    def batch(self, index: Tensor) -> Any:
        """Cut the batch of the examples ``index`` ``[B]`` (int64)."""
        ...

    def name(self, index: int) -> str:
        """Name one example for people: its series and the rows of the user's data that it is made of."""
        ...


class Task(Protocol):
    """A frozen description of what is learned, from the reading of data to the score."""

    name: ClassVar[str]

    def build_model(self) -> nn.Module:
        """Build the model with fresh weights, drawn from torch's generator."""
        ...

    def loss(self, model: nn.Module, batch: Any) -> Tensor:
        """Mean loss of a batch, a scalar."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """All that the task is, as plain JSON values: the ``task`` part of ``bundle.json``."""
        ...
