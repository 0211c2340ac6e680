"""Exports of many configurations, each made twice in this one process: how far is the graph from the model in torch?

All tasks and the bare layers, with every option of every cell, in one and in both directions, with 1 to 3 layers; then
what else a task's model may have: decoders, heads, fronts, poolings, softmaxes, members, int8 weights.

    python benchmarks/export/configurations.py
"""

from __future__ import annotations

import copy
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
import recurra
from measuring import keep
from recurra import Classification, Encoder, Forecasting, Generation, Tagging, Tokens
from recurra.bundle import Bundle
from recurra.nn.stack import build_encoder
from recurra.task import Task

H, GAIN = 24, 0.1
OPTIONS: dict[str, tuple[dict[str, Any], ...]] = {
    "lstm": (
        *({}, {"peephole": "diagonal"}, {"peephole": "full"}, {"candidate": "cell"}, {"coupled": True}),
        *({"gates": gates} for gates in ("NIG", "NFG", "NOG", "NIAF", "NOAF", "FGR")),
        *({"layer_norm": True}, {"proj_size": 8}, {"zoneout": (0.1, 0.2)}, {"cell_clip": 0.5}),
        *({"recurrent_dropout": 0.2}, {"weight_drop": 0.2}, {"forget_bias": 1.0}, {"chrono": 40}),
        {"coupled": True, "peephole": "diagonal"},
        {"peephole": "full", "layer_norm": True, "proj_size": 8, "cell_clip": 2.0, "zoneout": (0.1, 0.1)},
    ),
    "gru": ({}, {"reset": "before"}, {"recurrent_dropout": 0.2}, {"weight_drop": 0.2}),
    "rnn": ({}, {"nonlinearity": "relu"}, {"recurrent_dropout": 0.2}, {"weight_drop": 0.2}),
}
_HEADS = ("quantiles", "point", "normal", "student-t")
_DISTRIBUTIONS = ("normal", "student-t", "negative-binomial")


@dataclass(frozen=True)
class Configuration:
    """What is exported, by a name for people."""

    name: str
    source: Any
    int8: bool = False


def encoders(both_directions: bool = True, layers: tuple[int, ...] = (1, 2, 3)) -> Iterator[tuple[str, Encoder]]:
    """Every option of every cell, in one and both directions, of some numbers of layers."""
    ways = (False, True) if both_directions else (False,)
    for (cell, options), way, count in product(OPTIONS.items(), ways, layers):
        for chosen in options:
            name = f"{cell} {chosen or 'plain'}, {count} layers, {'both directions' if way else 'one direction'}"
            yield name, Encoder(cell=cell, hidden_size=H, layers=count, bidirectional=way, **chosen)


def configurations(layers: tuple[int, ...] = (1, 2, 3)) -> Iterator[Configuration]:
    """All of them, with fresh weights."""
    forecasting, classification, generation = _forecasting(), _classification(), _generation()
    for name, encoder in encoders(layers=layers):
        yield Configuration(f"layer: {name}", _calm(build_encoder(encoder, 5).layer))
        for task in (forecasting, classification):
            yield Configuration(f"{task.name}: {name}", _bundle(_with(task, encoder=encoder)))
    for name, encoder in encoders(both_directions=False, layers=layers):
        yield Configuration(f"generation: {name}", _bundle(_with(generation, encoder=encoder)))
    yield from _forecasters(forecasting)
    yield from _classifiers(classification)
    yield from _language_models(generation)
    yield from taggers()
    yield from drawing_forecasters(layers)


def drawing_forecasters(layers: tuple[int, ...] = (2,)) -> Iterator[Configuration]:
    """Autoregressive ones with every option of every cell, and the heads and decoders whose quantiles are drawn."""
    task = _forecasting(past=())
    for name, encoder in encoders(both_directions=False, layers=layers):
        made = _with(task, encoder=encoder, decoder="autoregressive", head="normal")
        yield Configuration(f"forecasting: autoregressive, {name}", _bundle(made))
    small = Encoder(hidden_size=H)
    for head, members in product(_DISTRIBUTIONS, (1, 3)):
        made = _with(task, encoder=small, decoder="autoregressive", head=head, members=members)
        yield Configuration(f"forecasting: autoregressive, {head}, {members} members", _bundle(made))
    for decoder, members in product(("direct", "segments"), (1, 3)):
        made = _with(task, encoder=small, decoder=decoder, head="negative-binomial", members=members)
        yield Configuration(f"forecasting: {decoder}, negative-binomial, {members} members", _bundle(made))
    made = _with(task, encoder=small, decoder="autoregressive", head="student-t", members=2)
    yield Configuration("forecasting: autoregressive, int8", _bundle(made), int8=True)


def _forecasters(task: Any) -> Iterator[Configuration]:
    small = Encoder(hidden_size=H)
    for decoder, head, members in product(("direct", "segments"), _HEADS, (1, 2)):
        made = _with(task, encoder=small, decoder=decoder, head=head, members=members)
        yield Configuration(f"forecasting: {decoder}, {head}, {members} members", _bundle(made))
    for choice in ({"log": False}, {"season": 1}):
        made = replace(_with(task, encoder=small), choices=replace(task.choices, **choice))
        yield Configuration(f"forecasting: {choice}", _bundle(made))
    yield Configuration("forecasting: int8", _bundle(_with(task, encoder=small)), int8=True)


def _classifiers(texts: Any) -> Iterator[Configuration]:
    signals, small = _signals(), Encoder(hidden_size=H, bidirectional=True)
    for task, front, pooling in product(
        (texts, signals), ("direct", "linear", "convolution"), ("last", "mean", "max", "attention")
    ):
        reads = "texts" if task is texts else "signals"
        made = _with(task, encoder=small, front=front, pooling=pooling, stride=2 if front == "convolution" else 1)
        yield Configuration(f"classification: {reads}, {front}, {pooling}", _bundle(made))
    for kind in ("labels", "number"):
        yield Configuration(f"classification: {kind}", _bundle(_with(_classification(kind), encoder=small)))
    yield Configuration("classification: int8", _bundle(_with(signals, encoder=small, front="convolution")), int8=True)


def _language_models(task: Any) -> Iterator[Configuration]:
    small = Encoder(hidden_size=H, layers=2)
    for how in ({"one_hot": True}, {"tied": True}, {"tied": True, "embedding_size": 9}, {"adaptive": True}):
        yield Configuration(f"generation: {how}", _bundle(_with(task, encoder=small, **how)))
    yield Configuration("generation: int8", _bundle(_with(task, encoder=small)), int8=True)


def taggers() -> Iterator[Configuration]:
    """Both heads over plain tags and spans, every way to read letters, marked words, members, int8 weights."""
    small = Encoder(hidden_size=H, bidirectional=True)
    for scheme, head, characters in product(("none", "BIO"), ("linear", "crf"), ("lstm", "cnn", "none")):
        made = _with(_tagging(scheme), encoder=small, head=head, characters=characters)
        yield Configuration(f"tagging: {scheme}, {head}, characters {characters}", _bundle(made))
    for how in ({"members": 2}, {"marker_column": "mark"}, {"members": 2, "head": "linear", "marker_column": "mark"}):
        yield Configuration(f"tagging: {how}", _bundle(_with(_tagging("BIO"), encoder=small, **how)))
    for characters in ("lstm", "cnn"):
        made = _with(_tagging("BIO"), encoder=small, characters=characters, members=2)
        yield Configuration(f"tagging: int8, characters {characters}", _bundle(made), int8=True)


def _with(task: Any, **settings: Any) -> Any:
    return replace(task, settings=replace(task.settings, **settings))


def _bundle(task: Task) -> Bundle:
    return Bundle(task, _calm(task.build_model().eval()))


@torch.no_grad()
def _calm(model: Any) -> Any:
    """The same with small gains of layer norm (as of Cooijmans 2016), and transitions of tags that are not all 0.

    Fresh layers with gains of 1 are chaotic: see :func:`chaos`.
    """
    for name, weight in model.named_parameters():
        if "norm_ih" in name or "norm_hh" in name:
            weight.fill_(GAIN)
        if ".crf." in name:
            weight.normal_()
    return model


def _forecasting(past: tuple[str, ...] = ("price",)) -> Any:
    random, steps = np.random.default_rng(0), np.arange(300)
    data = {
        "shop": ["a"] * 300 + ["b"] * 300,
        "day": [str(day) for day in np.datetime64("2022-01-01") + np.tile(steps, 2)],
        "sold": (20 + 5 * np.sin(np.tile(steps, 2) * 2 * np.pi / 7) + random.normal(size=600)).tolist(),
        "promotion": random.choice(["yes", "no"], 600).tolist(),
        "price": random.uniform(1, 2, 600).tolist(),
    }
    settings = Forecasting(time="day", target="sold", series="shop", future=("promotion",), past=past, horizon=6)
    return settings.learn(settings.read(data))[0]


def _classification(kind: str = "class") -> Any:
    rows = range(60)
    data = {"text": [f"a good film {n}" if n % 2 else f"one bad day {n}" for n in rows], "label": ["+", "-"] * 30}
    data["number"] = [float(n) for n in rows]
    answer = {"target": "number"} if kind == "number" else {"label": "label", "multi_label": kind == "labels"}
    settings = Classification(text="text", tokens=Tokens(unit="word", min_count=1), **answer)
    return settings.learn(settings.read(data))[0]


def _signals() -> Any:
    rows = np.arange(600)
    data = {"id": rows // 10, "t": rows % 10, "x": np.sin(rows) * 100, "y": np.cos(rows)}
    settings = Classification(sequence="id", time="t", label="move")
    move = [("up", "down", "still")[n // 10 % 3] for n in rows]
    return settings.learn(settings.read({name: column.tolist() for name, column in data.items()} | {"move": move}))[0]


def _tagging(scheme: str) -> Any:
    rows = [{"tokens": ["Mr", f"Smith{n}", "said"], "tags": ["O", "B-PER", "O"]} for n in range(30)]
    rows += [{"tokens": ["in", "New", "York"], "tags": ["O", "B-LOC", "I-LOC"]}] * 30
    settings = Tagging(scheme=scheme)
    return settings.learn(settings.read(rows))[0]


def _generation() -> Any:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "text.txt"
        file.write_text("\n".join(f"to be or not to be, that is question {n * 7}" for n in range(200)))
        settings = Generation()
        return settings.learn(settings.read(file))[0]


def try_all(layers: tuple[int, ...] = (1, 2, 3)) -> dict[str, list[float]]:
    """The largest differences of the two exports of each configuration."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        for one in configurations(layers):
            found[one.name] = [
                recurra.export(one.source, path, int8=one.int8, overwrite=True).verification.largest_difference
                for _ in range(2)
            ]
    return found


@torch.no_grad()
def chaos(steps: int = 30) -> float:
    """How far float32 is from float64 in torch itself: three fresh layers with layer norm, its gains 1."""
    layer = build_encoder(Encoder(hidden_size=H, layers=3, layer_norm=True), 5).layer.eval()
    x = torch.randn(64, steps, 5)
    return float((layer(x)[0] - copy.deepcopy(layer).double()(x.double())[0]).abs().max())


def main() -> None:
    torch.manual_seed(0)
    begin = time.perf_counter()
    found = try_all()
    worst = {name: max(pair) for name, pair in found.items()}
    furthest = sorted(worst, key=worst.__getitem__, reverse=True)
    keep(
        "configurations",
        {
            "configurations": len(found),
            "exports": 2 * len(found),
            "largest difference": max(worst.values()),
            "median difference": statistics.median(worst.values()),
            "above 1e-5": sum(value > 1e-5 for value in worst.values()),
            "second export differs from the first": sum(first != second for first, second in found.values()),
            "furthest": {name: worst[name] for name in furthest[:10]},
            "float32 from float64 in torch, layer norm with gains of 1": chaos(),
            "seconds": round(time.perf_counter() - begin, 1),
            "onnxruntime": onnxruntime.__version__,
        },
    )


if __name__ == "__main__":
    main()
