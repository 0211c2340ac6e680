"""Recurra's LSTM beside other runtimes: ONNX Runtime, Keras, and a loop over the steps compiled by torch.

They are for an environment of their own (see README.md); one that is not installed is left out, with the reason.

    PYTHONPATH=src python benchmarks/layers/rivals.py --keras torch --out results/rivals-keras-torch.json
    PYTHONPATH=src python benchmarks/layers/rivals.py --keras jax --out results/rivals-keras-jax.json
    PYTHONPATH=src python benchmarks/layers/rivals.py inference --rivals onnxruntime --steps 10 --budget 0.01

Keras takes one back end per process, so each needs a run of its own. JAX takes all cores, whatever ``--threads`` says.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from record import keep
from suites import pair
from table import Table
from timing import Work, measure
from torch import Tensor, nn
from work import Loop, check_agreement, inference, training

CASES = ((1, 128), (32, 128), (32, 512))  # B, H
SETTLE = 0.1  # seconds: after their work, idle threads of ONNX Runtime and of OpenMP wait for more at full speed

# What is timed, and how to read from its result what torch's layer gives: the output, or the gradient of the input.
Rival = tuple[Work, Callable[[Any], Tensor]]


def onnx_runtime(what: str, layer: nn.LSTM, x: Tensor, dy: Tensor) -> Rival | None:
    """An LSTM node. It has no training."""
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    del dy
    if what == "training":
        return None
    H = layer.hidden_size

    def rows(weight: Tensor) -> Tensor:  # torch has i f g o, ONNX has i o f g
        i, f, g, o = weight.detach().split(H)
        return torch.cat([i, o, f, g])

    biases = torch.cat([rows(layer.bias_ih_l0), rows(layer.bias_hh_l0)])
    weights = {"W": rows(layer.weight_ih_l0), "R": rows(layer.weight_hh_l0), "B": biases}
    graph = helper.make_graph(
        [helper.make_node("LSTM", ["X", *weights], ["Y"], hidden_size=H)],
        "layer",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, [x.shape[0], 1, *x.shape[1:]])],
        [numpy_helper.from_array(weight[None].numpy(), name) for name, weight in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    inputs = {"X": x.numpy()}
    return lambda: session.run(["Y"], inputs)[0], lambda y: torch.from_numpy(y)[:, 0]


def keras_layer(what: str, layer: nn.LSTM, x: Tensor, dy: Tensor) -> Rival:
    """Keras' LSTM, batch first as it has it; with JAX the whole call is compiled."""
    import keras

    weights = layer.weight_ih_l0.t(), layer.weight_hh_l0.t(), layer.bias_ih_l0 + layer.bias_hh_l0
    theirs = keras.layers.LSTM(layer.hidden_size, return_sequences=True)
    x, dy = x.transpose(0, 1).contiguous(), dy.transpose(0, 1).contiguous()  # [B, T, ·]
    theirs.build(tuple(x.shape))
    theirs.set_weights([weight.detach().numpy() for weight in weights])
    if keras.backend.backend() == "jax":
        return _keras_jax(what, theirs, x, dy)
    work = training(theirs, x, dy, theirs) if what == "training" else (lambda: theirs(x))
    return work, lambda result: result.transpose(0, 1)


def _keras_jax(what: str, layer: Any, x: Tensor, dy: Tensor) -> Rival:
    import jax

    variables = [variable.value for variable in layer.trainable_variables]
    others = [variable.value for variable in layer.non_trainable_variables]
    given, arriving = jax.numpy.asarray(x.numpy()), jax.numpy.asarray(dy.numpy())

    def output(variables: Any, x: Any) -> Any:
        return layer.stateless_call(variables, others, x)[0]

    def gradients(variables: Any, x: Any, dy: Any) -> Any:
        return jax.vjp(output, variables, x)[1](dy)[::-1]

    if what == "training":
        compiled = partial(jax.jit(gradients), variables, given, arriving)
    else:
        compiled = partial(jax.jit(output), variables, given)

    def read(result: Any) -> Tensor:
        found = result[0] if what == "training" else result
        return torch.tensor(jax.device_get(found)).transpose(0, 1)

    return lambda: jax.block_until_ready(compiled()), read


def compiled_loop(what: str, layer: nn.LSTM, x: Tensor, dy: Tensor) -> Rival:
    """The hand-written loop over the steps, all of it compiled as one."""
    torch.compiler.reset()
    loop = Loop(layer.input_size, layer.hidden_size)
    loop.load_state_dict(layer.state_dict())
    compiled = torch.compile(loop, dynamic=False)
    work = training(compiled, x, dy) if what == "training" else inference(compiled, x)
    started = time.perf_counter()
    work()
    print(f"compiling the loop took {time.perf_counter() - started:.0f} s", flush=True)
    return work, lambda result: result


RIVALS: dict[str, tuple[tuple[str, ...], Callable[..., Rival | None]]] = {
    "onnxruntime": (("onnxruntime", "onnx"), onnx_runtime),
    "keras": (("keras",), keras_layer),
    "compiled loop": ((), compiled_loop),
}


def suite(what: str, names: list[str], T: int, budget: float) -> dict[str, Any]:
    """All rivals beside ours and torch's; ``ratio`` is the contestant's time over ours."""
    table = Table(f"{what}: LSTM, T = {T}", "B", "H", "contestant   ", "ms", "ratio")
    for B, H in CASES:
        ours, theirs = pair("LSTM", H)
        x, dy = torch.randn(2, T, B, H)
        make = (lambda layer, x=x, dy=dy: training(layer, x, dy)) if what == "training" else partial(inference, x=x)
        works: dict[str, Work] = {"recurra": make(ours), "torch": make(theirs)}
        check_agreement(works["recurra"], works["torch"])
        for name in names:
            if (rival := RIVALS[name][1](what, theirs, x, dy)) is not None:
                work, read = rival
                check_agreement(lambda work=work, read=read: read(work()), works["torch"])
                works[name] = work
        seconds = measure(works, budget, SETTLE)
        for name, value in seconds.items():
            table.add(B, H, name, 1e3 * value, value / seconds["recurra"])
    return {"rows": table.rows}


def installed(names: list[str]) -> list[str]:
    """Those of the rivals that can be imported; why the others cannot is printed."""
    found = []
    for name in names:
        try:
            for package in RIVALS[name][0]:
                __import__(package)
            found.append(name)
        except ImportError as error:
            print(f"skipped: {name}: {error}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("suites", nargs="*", metavar="SUITE", help="of training, inference; both without any")
    parser.add_argument("--rivals", nargs="+", choices=tuple(RIVALS), default=list(RIVALS))
    parser.add_argument("--keras", choices=("torch", "jax"), default="torch", help="the back end of Keras")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=100, help="T; the time to compile the loop grows with it")
    parser.add_argument(
        "--budget",
        type=float,
        default=1.0,
        help="seconds of each contestant in each case, what does not count included",
    )
    parser.add_argument(
        "--out", metavar="results/NAME.json", help="a path from this folder; without it nothing is kept"
    )
    arguments = parser.parse_args()
    if unknown := set(arguments.suites) - {"training", "inference"}:
        parser.error(f"no suite named {', '.join(sorted(unknown))}; there are training and inference")
    os.environ["KERAS_BACKEND"] = arguments.keras  # read when keras is imported
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    names, results = installed(arguments.rivals), {}
    for what in arguments.suites or ("training", "inference"):
        with torch.inference_mode(what == "inference"):
            results[what] = suite(what, names, arguments.steps, arguments.budget)
        if arguments.out:
            keep(arguments.out, results, packages=("onnxruntime", "onnx", "keras", "jax"))


if __name__ == "__main__":
    main()
