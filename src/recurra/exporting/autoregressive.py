"""An autoregressive forecaster as a graph: one reading, of a context or of the step before, to the next step's head.

Paths are drawn outside, step by step (:mod:`recurra.runtime.paths`): each draw is read as the past of the next step.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from recurra.exporting.graph import Graph, Value
from recurra.exporting.heads import expected_parameters, write_parameters
from recurra.exporting.modules import linear, relu
from recurra.exporting.recurrent import State, encoder, last
from recurra.exporting.subject import Trial, draw_lengths, draw_state, spoilt, state_inputs, state_outputs
from recurra.exporting.windows import Windows, draw_windows, repeat
from recurra.runtime.forecaster import GROUPS, inputs_of
from recurra.tasks.forecasting.models import AutoregressiveForecaster
from recurra.tasks.forecasting.task import ForecastingTask
from recurra.tasks.forecasting.windows import Batch


@dataclass(frozen=True)
class AutoregressiveSubject:
    """Inputs are a batch of windows with one step ahead, ``past [M, B, C, 2]`` of each of M members, and the state.

    The outputs are ``parameters [M, B, 1, P]`` float64 of that step's distribution, and the next state. The state is
    ``state_0``, …, ``[M L, B, ·]`` with the layers of all members; zeros before the context.
    """

    task: ForecastingTask
    model: nn.ModuleList
    kind = "forecasting"
    streams = True

    @property
    def steps(self) -> tuple[int, int, int]:
        """What is read at once: a step of the horizon, the model's context, and twice that."""
        return (1, self.task.context, 2 * self.task.context)

    @property
    def _members(self) -> list[AutoregressiveForecaster]:
        return list(self.model)  # type: ignore[arg-type]

    @property
    def state(self) -> dict[str, tuple[int, int]]:
        """The rows of all members together, and the width, of each part of the state."""
        with torch.no_grad():
            window = draw_windows(np.random.default_rng(0), self.task, np.array([1]), 1)
            _, state = self._members[0].read(Batch.of(window))
        members = len(self.model)
        return {f"state_{number}": (members * len(part), part.shape[-1]) for number, part in enumerate(state)}

    def write(self, graph: Graph) -> None:
        members = len(self.model)
        windows = Windows(graph, self.task, 1, members)
        given = state_inputs(graph, self.state)
        rows = [size for size, _ in self.state.values()]
        before = zip(
            *(part.split([size // members] * members, axis=0) for part, size in zip(given, rows, strict=True)),
            strict=True,
        )
        spoil = windows.spoilt() + spoilt(graph, dict.fromkeys(given, (0, 2)))
        numbered = enumerate(zip(self._members, before, strict=True))
        said = [_step(graph, member, windows, number, state) for number, (member, state) in numbered]
        write_parameters(graph, self.task, [raw for raw, _ in said], windows, spoil)
        after = (graph.concat(parts, axis=0) for parts in zip(*(state for _, state in said), strict=True))
        state_outputs(graph, self.state, tuple(part + spoil.unsqueeze(-1) for part in after))

    @torch.no_grad()
    def trial(self, random: np.random.Generator, steps: int, batch: int, begun: bool) -> Trial:
        window = draw_windows(random, self.task, draw_lengths(random, steps, batch), 1)
        pasts = random.normal(size=(len(self.model), *window.past.shape)).astype(np.float32)  # [M, B, C, 2]
        state = draw_state(random, self.state, batch, begun)
        before = zip(*(torch.from_numpy(part).chunk(len(self.model)) for part in state.values()), strict=True)
        raws, after = [], []
        for member, past, own in zip(self._members, pasts, before, strict=True):
            given = Batch.of(replace(window, past=past))
            output, now = member.read(given, own)
            raws.append(member.say(output[:, None], member.inputs.ahead(given)))
            after.append(now)
        expected = {"parameters": expected_parameters(self.task, raws, Batch.of(window))}
        for name, parts in zip(state, zip(*after, strict=True), strict=True):
            expected[f"next_{name}"] = torch.cat(parts).numpy()
        inputs = {**inputs_of(replace(window, past=pasts)), **state}
        if self.task.settings.head != "negative-binomial":  # which alone speaks in units of the data
            del inputs["anchor"], inputs["unit"]
        return Trial(inputs, expected)

    def describe(self) -> dict[str, Any]:
        return self.task.to_dict()


def _step(
    graph: Graph, member: AutoregressiveForecaster, windows: Windows, number: int, state: State
) -> tuple[Value, State]:
    """Read the past after ``state``: the raw numbers ``[B, 1, R]`` of the step ahead, and the next state."""
    past, known, ahead, static = (windows.read(name, member.inputs, number) for name in GROUPS)
    values = graph.concat([past, known, repeat(graph, static, past.size(1))], axis=-1)
    _, after = encoder(graph, member.encoder, values, windows.lengths, state)
    output = last(member.encoder, after).unsqueeze(1)  # [B, 1, O]
    hidden = relu(linear(graph, member.hidden, graph.concat([output, ahead], axis=-1)))
    return linear(graph, member.output, hidden), after
