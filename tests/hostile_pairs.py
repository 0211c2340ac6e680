"""Exported pairs that somebody made to do harm, or that came to harm: each a change of the files of a good one.

A folder holds ``model.onnx`` and ``model.json``.
"""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from hostile_bundles import Exploit, changed, cut, directory, link, missing, pipe
from hostile_json import Attack, SealedFile

GRAPH, ABOUT = "model.onnx", "model.json"
SEALED = SealedFile(ABOUT)
forge, text, within = SEALED.forge, SEALED.text, SEALED.within


def settings(**values: Any) -> Attack:
    return forge(lambda fields: fields["settings"]["settings"].update(values))


def content(make: Callable[[bytes], bytes]) -> Attack:
    """Replace the graph, and list the new one."""

    def attack(folder: Path) -> None:
        made = make((folder / GRAPH).read_bytes())
        (folder / GRAPH).write_bytes(made)
        entry = {"bytes": len(made), "sha256": hashlib.sha256(made).hexdigest()}
        forge(lambda fields: fields["onnx"].update(entry))(folder)

    return attack


def graph(change: Callable[[onnx.ModelProto], object]) -> Attack:
    """Change the graph as somebody would who knows the standard."""

    def make(whole: bytes) -> bytes:
        model = onnx.ModelProto.FromString(whole)
        change(model)
        return model.SerializeToString()

    return content(make)


def weight(change: Callable[[TensorProto], object]) -> Attack:
    """Change the first constant that is float32."""
    return graph(lambda model: change(next(c for c in model.graph.initializer if c.data_type == TensorProto.FLOAT)))


def external(location: str) -> Attack:
    """Weights that are said to be in another file."""

    def change(tensor: TensorProto) -> None:
        size = len(tensor.raw_data)
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", "0"), ("length", str(size))):
            tensor.external_data.add(key=key, value=value)

    return weight(change)


def node(kind: str, *inputs: str, **attributes: Any) -> Attack:
    """A further node, whose output nobody reads."""
    return graph(lambda model: model.graph.node.append(helper.make_node(kind, inputs, ["more"], **attributes)))


def scans(depth: int) -> Attack:
    """Loops within loops."""

    def change(model: onnx.ModelProto) -> None:
        inner = helper.make_graph([], "body", [], [])
        for _ in range(depth):
            inner = helper.make_graph([helper.make_node("Scan", [], [], body=inner, num_scan_inputs=0)], "body", [], [])
        model.graph.node.append(inner.node[0])

    return graph(change)


def message(depth: int) -> bytes:
    """Loops within loops, more than the library itself would write."""
    part = b""
    for _ in range(depth):
        for number in (6, 5, 1):  # a graph in an attribute in a node
            part = bytes([number << 3 | 2]) + varint(len(part)) + part
    return b"\x3a" + varint(len(part)) + part


def varint(size: int) -> bytes:
    rest = size >> 7
    return bytes([size & 127 | 128 * bool(rest)]) + (varint(rest) if rest else b"")


def enlarged(model: onnx.ModelProto) -> None:
    """A number repeated 2^28 times, which a runtime might do on loading; one output is too many."""
    model.graph.initializer.append(numpy_helper.from_array(np.ones(1, np.float32), "one"))
    model.graph.initializer.append(numpy_helper.from_array(np.array([2**28]), "often"))
    model.graph.node.append(helper.make_node("Expand", ["one", "often"], ["more"]))
    model.graph.output.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [2**28]))


def function(model: onnx.ModelProto) -> None:
    opsets = [helper.make_opsetid("", 17)]
    model.functions.append(
        helper.make_function("mine", "f", ["x"], ["y"], [helper.make_node("Abs", ["x"], ["y"])], opsets)
    )


def output(change: Callable[[onnx.ValueInfoProto], object]) -> Attack:
    return graph(lambda model: change(model.graph.output[0]))


def resized(port: onnx.ValueInfoProto, axis: int, size: int) -> None:
    port.type.tensor_type.shape.dim[axis].dim_value = size


def renamed(model: onnx.ModelProto) -> None:
    """The output under another name."""
    model.graph.node[-1].output[0] = model.graph.output[0].name = "other"


def filled(value: float) -> Callable[[TensorProto], None]:
    def change(tensor: TensorProto) -> None:
        tensor.raw_data = np.full(len(tensor.raw_data) // 4, value, np.float32).tobytes()

    return change


def sparse(name: str, size: int) -> Attack:
    """A file that is said to be enormous and has no bytes on the disk."""

    def attack(folder: Path) -> None:
        os.truncate(folder / name, size)
        if name == GRAPH:
            forge(lambda fields: fields["onnx"].update(bytes=size))(folder)

    return attack


def onnx_entry(**values: Any) -> Attack:
    return forge(lambda fields: fields["onnx"].update(values))


ATTACKS: dict[str, Attack] = {
    # The JSON as a file
    "no JSON": missing(ABOUT),
    "empty JSON": lambda folder: (folder / ABOUT).write_bytes(b"") and None,
    "half of the JSON": cut(ABOUT, 0.5),
    "a changed byte in the JSON": changed(ABOUT),
    "JSON of a terabyte": sparse(ABOUT, 2**40),
    "a link for the JSON": link(ABOUT, "/etc/passwd"),
    "a pipe for the JSON": pipe(ABOUT),
    "a folder for the JSON": directory(ABOUT),
    "a pickle for the JSON": lambda folder: (folder / ABOUT).write_bytes(pickle.dumps(Exploit())) and None,
    # What is written in it
    "a list": text("[]"),
    "deep JSON": text("[" * 1_000_000),
    "deep objects": text('{"a":' * 200_000),
    "deep settings": within('"context": null', '"context": ' + "[" * 40_000 + "]" * 40_000),
    "a repeated field": within('"format": 1', '"format": 1, "format": 1'),
    "a repeated setting": within('"horizon": 2', '"horizon": 2, "horizon": 3'),
    "NaN": within('"horizon": 2', '"horizon": NaN'),
    "infinity": within('"horizon": 2', '"horizon": -Infinity'),
    "a float beyond 64 bits": within('"horizon": 2', '"horizon": 1e999'),
    "an integer of a million digits": within('"horizon": 2', '"horizon": ' + "9" * 1_000_000),
    "a million empty lists": within('"context": null', '"context": [' + ",".join(["[]"] * 1_000_000) + "]"),
    "four million numbers": within('"context": null', '"context": [' + ",".join(["1"] * 4_000_000) + "]"),
    # Its fields
    "a newer format": forge(lambda m: m.update(format=2)),
    "a format of another type": forge(lambda m: m.update(format=True)),
    "an unknown kind": forge(lambda m: m.update(kind="os.system")),
    "a path for a kind": forge(lambda m: m.update(kind="../../evil")),
    "another known kind": forge(lambda m: m.update(kind="generation")),
    "the kind of a layer": forge(lambda m: m.update(kind="layer")),
    "a missing field": forge(lambda m: m.pop("provenance")),
    "a further field": forge(lambda m: m.update(code="import os; os.system('touch touched')")),
    "settings that are a list": forge(lambda m: m.update(settings=[])),
    "no settings": forge(lambda m: m.update(settings={})),
    "a graph without a size": forge(lambda m: m["onnx"].pop("bytes")),
    "a negative size": onnx_entry(bytes=-1),
    "a size of another type": onnx_entry(bytes="many"),
    "a size of 2^62": onnx_entry(bytes=2**62),
    "another hash": onnx_entry(sha256="0" * 64),
    "a hash of another type": onnx_entry(sha256=None),
    "an entry with a path": onnx_entry(path="/etc/passwd"),
    # What the settings say
    "an unknown setting": settings(horizn=3),
    "a horizon below 1": settings(horizon=-1),
    "an enormous horizon": settings(horizon=10**15),
    "another horizon than the graph's": settings(horizon=3),
    "other levels than the graph's": settings(levels=[0.5]),
    "another head than the graph's": settings(head="negative-binomial"),
    "another decoder than the graph's": settings(decoder="autoregressive", head="normal"),
    "a text for a number": settings(horizon="__import__('os').system('touch touched')"),
    "an unknown frequency": forge(lambda m: m["settings"].update(frequency="never")),
    "a list for a frequency": forge(lambda m: m["settings"].update(frequency=[[]])),
    "a negative context": forge(lambda m: m["settings"]["choices"].update(context=-5)),
    "an enormous context": forge(lambda m: m["settings"]["choices"].update(context=10**15)),
    "covariates of no kind": forge(lambda m: m["settings"]["covariates"].update(past=[{"name": "x", "kind": "code"}])),
    # The graph as a file
    "no graph": missing(GRAPH),
    "an empty graph": content(lambda whole: b""),
    "half of the graph": cut(GRAPH, 0.5),
    "half of the graph, listed": content(lambda whole: whole[: len(whole) // 2]),
    "a changed byte in the graph": changed(GRAPH),
    "a graph of a terabyte": sparse(GRAPH, 2**40),
    "a graph of 2 gigabytes without its bytes": onnx_entry(bytes=2**31),
    "a link for the graph": link(GRAPH, "/dev/zero"),
    "a pipe for the graph": pipe(GRAPH),
    "a folder for the graph": directory(GRAPH),
    "a pickle in disguise": content(lambda whole: pickle.dumps(Exploit())),
    "zeros": content(lambda whole: b"\0" * len(whole)),
    # What is in it, as a message
    "a number without an end": content(lambda whole: whole + b"\x08" + b"\xff" * 12),
    "a field longer than the file": content(lambda whole: whole + b"\x3a\xff\xff\xff\xff\x0f"),
    "a field that is not known": content(lambda whole: whole + b"\xfa\x7f\x01x"),
    "a group of fields": content(lambda whole: whole + b"\x3b\x3c"),
    "a number for a graph": content(lambda whole: whole + b"\x38\x01"),
    "notes": graph(lambda m: helper.set_model_props(m, {"code": "import os"})),
    # Weights in other files
    "weights beside it": external("weights.bin"),
    "weights in the passwords": external("/etc/passwd"),
    "weights above it": external("../../../../etc/passwd"),
    "weights in a device": external("/dev/zero"),
    "weights in another file within a node": node(
        "Constant", value=helper.make_tensor("t", TensorProto.FLOAT, [1], [1.0])
    ),
    # Weights
    "weights that are NaN": weight(filled(float("nan"))),
    "weights that are infinite": weight(filled(float("inf"))),
    "weights of a shape of 2^62": weight(lambda t: t.dims.__setitem__(0, 2**62)),
    "weights of a negative shape": weight(lambda t: t.dims.__setitem__(0, -4)),
    "weights of another shape": weight(lambda t: t.dims.__setitem__(0, t.dims[0] + 1)),
    "weights that are cut off": weight(lambda t: setattr(t, "raw_data", t.raw_data[:-3])),
    "weights of an unknown type": weight(lambda t: setattr(t, "data_type", 99)),
    "weights of texts": weight(lambda t: t.CopyFrom(numpy_helper.from_array(np.array(["x"], object), t.name))),
    "weights that are sparse": graph(
        lambda m: m.graph.sparse_initializer.append(
            helper.make_sparse_tensor(
                helper.make_tensor("s", TensorProto.FLOAT, [1], [1.0]),
                helper.make_tensor("s_at", TensorProto.INT64, [1], [0]),
                [2**40],
            )
        )
    ),
    # Operators
    "an operator of somebody else": node("Evil", domain="com.evil"),
    "operators of somebody else": graph(lambda m: m.opset_import.append(helper.make_opsetid("com.evil", 1))),
    "an opset of the future": graph(lambda m: setattr(m.opset_import[0], "version", 10_000)),
    "an unknown operator": node("Evil"),
    "a loop without an end": node("Loop", "", ""),
    "random numbers": node("RandomNormal", shape=[2**40]),
    "a constant of terabytes": node("ConstantOfShape", "base"),
    "constants that are a gigabyte together": graph(enlarged),
    "a function": graph(function),
    "a training": graph(lambda m: m.training_info.add()),
    "loops within loops": scans(3),
    "a thousand loops within each other": content(lambda whole: whole + message(1000)),
    "a node that reads itself": node("Abs", "more"),
    "a node that reads nothing": node("Abs", "nowhere"),
    "two nodes with one name of their output": graph(lambda m: m.graph.node.append(m.graph.node[0])),
    # Inputs and outputs
    "no output": graph(lambda m: m.graph.ClearField("output")),
    "another output": graph(renamed),
    "an output of another shape": output(lambda port: resized(port, 1, 3)),
    "an output of one axis less": output(lambda port: port.type.tensor_type.shape.dim.pop()),
    "an output of another type": output(lambda port: setattr(port.type.tensor_type, "elem_type", TensorProto.INT64)),
    "no nodes": graph(lambda m: m.graph.ClearField("node")),
    "no graph within the file": graph(lambda m: m.ClearField("graph")),
}
