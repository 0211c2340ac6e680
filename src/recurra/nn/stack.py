"""The recurrent stack of a model, from its settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from recurra.errors import SettingsError
from recurra.nn.gru import GRU
from recurra.nn.lstm import LSTM
from recurra.nn.rnn import RNN
from recurra.settings import Encoder
from recurra.types import State

LAYERS: dict[str, type[LSTM] | type[GRU] | type[RNN]] = {"lstm": LSTM, "gru": GRU, "rnn": RNN}
SHARED = ("recurrent_dropout", "weight_drop")
OPTIONS = {
    "lstm": (
        *("peephole", "candidate", "coupled", "gates", "layer_norm", "proj_size", "zoneout", "cell_clip"),
        *("forget_bias", "chrono", *SHARED),
    ),
    "gru": ("reset", *SHARED),
    "rnn": ("nonlinearity", *SHARED),
}


class RecurrentStack(nn.Module):
    """An encoder: a batch-first recurrent layer of any cell, with one form of state for all of them.

    The dropout between layers is in it; that before the head is the head's, on the features it reads.

    >>> import torch
    >>> encoder = build_encoder(Encoder(hidden_size=4, bidirectional=True), input_size=3)
    >>> outputs, state = encoder(torch.randn(2, 5, 3), lengths=[5, 2])
    >>> outputs.shape, encoder.last(state).shape
    (torch.Size([2, 5, 8]), torch.Size([2, 8]))
    """

    def __init__(self, layer: LSTM | GRU | RNN) -> None:
        super().__init__()
        self.layer = layer

    @property
    def output_size(self) -> int:
        """The features O of the outputs and of the summary."""
        return self.layer.output_size

    def forward(
        self, values: Tensor, lengths: Tensor | Sequence[int] | None = None, state: State | None = None
    ) -> tuple[Tensor, State]:
        """Encode ``values [B, T, D]``: the outputs ``[B, T, O]``, zero on padding, and the final state.

        The state is a tuple of ``[L, B, ·]`` for every cell, where L counts layers times directions.
        """
        outputs, final = self.layer(values, self._to_layer(state), lengths=lengths)
        return outputs, _as_tuple(final)

    def step(self, x_t: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Take one step over ``x_t [B, D]``: the output ``[B, O]`` and the next state; for one direction only."""
        layer: Any = self.layer
        output, final = layer.step(x_t, self._to_layer(state))
        return output, _as_tuple(final)

    def last(self, state: State) -> Tensor:
        """Return ``[B, O]``: h of the last layer after its last step, both directions side by side.

        Forwards that is the last real step of each sequence, backwards the first.
        """
        directions = 2 if self.layer.bidirectional else 1
        return state[0][-directions:].transpose(0, 1).flatten(1)

    def summary(self, values: Tensor, lengths: Tensor | Sequence[int] | None = None) -> Tensor:
        """Encode ``values [B, T, D]`` to ``[B, O]``: :meth:`last` of the final state."""
        _, state = self(values, lengths)
        return self.last(state)

    def _to_layer(self, state: State | None) -> State | Tensor | None:
        return state if state is None or isinstance(self.layer, LSTM) else state[0]


def build_encoder(settings: Encoder, input_size: int) -> RecurrentStack:
    """Build the stack that ``settings`` describe, for ``input_size`` features, with fresh weights.

    An option that the chosen cell does not have is a :class:`SettingsError` that names it.

    >>> build_encoder(Encoder(cell="gru", reset="before", hidden_size=8), input_size=3).output_size
    8
    """
    _refuse_foreign_options(settings)
    options = {name: getattr(settings, name) for name in OPTIONS[settings.cell]}
    layer = LAYERS[settings.cell](
        input_size,
        settings.hidden_size,
        settings.layers,
        batch_first=True,
        dropout=settings.dropout if settings.layers > 1 else 0.0,
        bidirectional=settings.bidirectional,
        **options,
    )
    return RecurrentStack(layer)


def _refuse_foreign_options(settings: Encoder) -> None:
    foreign = {name: cell for cell, names in OPTIONS.items() for name in names if name not in OPTIONS[settings.cell]}
    for field in dataclasses.fields(settings):
        if field.name in foreign and getattr(settings, field.name) != field.default:
            raise SettingsError(
                f"Encoder.{field.name}",
                f"is an option of cell = {foreign[field.name]!r}, got cell = {settings.cell!r}. Change one of them.",
            )


def _as_tuple(state: State | Tensor) -> State:
    return (state,) if isinstance(state, Tensor) else state
