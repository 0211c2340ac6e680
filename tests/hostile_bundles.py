"""Bundles that somebody made to do harm, or that came to harm: each a change of the files of a good one."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch

from hostile_json import Attack, Fields, SealedFile
from recurra.manifest import MANIFEST, REPORT, WEIGHTS

SEALED = SealedFile(MANIFEST)
forge, text, within = SEALED.forge, SEALED.text, SEALED.within


class Exploit:
    """What a pickle would run; ``touched`` in the folder would tell."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch touched",)


def settings(change: Callable[[Fields], object]) -> Attack:
    """Change the task's own settings."""
    return forge(lambda fields: change(fields["settings"]["settings"]))


def weights(make: Callable[[bytes], bytes]) -> Attack:
    """Replace the weights and list the new ones."""

    def attack(folder: Path) -> None:
        content = make((folder / WEIGHTS).read_bytes())
        (folder / WEIGHTS).write_bytes(content)
        entry = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        forge(lambda fields: fields["files"].update({WEIGHTS: entry}))(folder)

    return attack


def tensors(change: Callable[[dict[str, torch.Tensor]], Mapping[str, torch.Tensor]]) -> Attack:
    """Replace some of the weights by others."""
    return weights(lambda content: safetensors.torch.save(dict(change(safetensors.torch.load(content)))))


def header(change: Callable[[Fields], object]) -> Attack:
    """Change the header of the weights, whose length is put right."""

    def make(content: bytes) -> bytes:
        size = struct.unpack("<Q", content[:8])[0]
        fields = json.loads(content[8 : 8 + size])
        change(fields)
        written = json.dumps(fields).encode()
        return struct.pack("<Q", len(written)) + written + content[8 + size :]

    return weights(make)


def first(fields: Mapping[str, Any]) -> str:
    """The name of the first tensor."""
    return next(name for name in fields if name != "__metadata__")


def all_zero(content: bytes) -> bytes:
    return b"\0" * len(content)


def pickled(content: bytes) -> bytes:
    body = pickle.dumps(Exploit())
    return body + b"\0" * (len(content) - len(body))


def repeated_header(content: bytes) -> bytes:
    """The first tensor named twice."""
    size = struct.unpack("<Q", content[:8])[0]
    fields = json.loads(content[8 : 8 + size])
    name = first(fields)
    twice = b"{" + json.dumps({name: fields[name]}).encode()[1:-1] + b", " + content[9 : 8 + size]
    return struct.pack("<Q", len(twice)) + twice + content[8 + size :]


def link(name: str, to: str) -> Attack:
    def attack(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).symlink_to(to)

    return attack


def pipe(name: str) -> Attack:
    def attack(folder: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return attack


def directory(name: str) -> Attack:
    def attack(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).mkdir()

    return attack


def sparse(name: str, size: int) -> Attack:
    """A file that is said to be enormous and has no bytes on the disk."""

    def attack(folder: Path) -> None:
        os.truncate(folder / name, size)
        if name != MANIFEST:
            forge(lambda fields: fields["files"][name].update(bytes=size))(folder)

    return attack


def cut(name: str, share: float) -> Attack:
    return lambda folder: os.truncate(folder / name, int((folder / name).stat().st_size * share))


def changed(name: str) -> Attack:
    def attack(folder: Path) -> None:
        content = bytearray((folder / name).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / name).write_bytes(content)

    return attack


def missing(name: str) -> Attack:
    return lambda folder: (folder / name).unlink()


def many(piece: str, times: int) -> Attack:
    """A setting that holds a long list of small things."""
    listed = "[" + ",".join([piece] * times) + "]"
    return within('"context": null', f'"context": {listed}')


def encoder(**values: Any) -> Attack:
    return settings(lambda fields: fields["encoder"].update(values))


def choices(**values: Any) -> Attack:
    return forge(lambda fields: fields["settings"]["choices"].update(values))


ATTACKS: dict[str, Attack] = {
    # The manifest as a file
    "no manifest": missing(MANIFEST),
    "an empty manifest": lambda folder: (folder / MANIFEST).write_bytes(b"") and None,
    "half a manifest": cut(MANIFEST, 0.5),
    "a manifest without its last byte": lambda f: os.truncate(f / MANIFEST, (f / MANIFEST).stat().st_size - 1),
    "a changed byte in the manifest": changed(MANIFEST),
    "a manifest of a terabyte": sparse(MANIFEST, 2**40),
    "a manifest of 12 MB of zeros": lambda folder: (folder / MANIFEST).write_bytes(b"\0" * 12 * 2**20) and None,
    "a link for a manifest": link(MANIFEST, "/etc/passwd"),
    "a pipe for a manifest": pipe(MANIFEST),
    "a folder for a manifest": directory(MANIFEST),
    "a pickle for a manifest": lambda folder: (folder / MANIFEST).write_bytes(pickle.dumps(Exploit())) and None,
    # The manifest as JSON
    "a list": text("[]"),
    "deep JSON": text("[" * 1_000_000),
    "deep objects": text('{"a":' * 200_000),
    "deep settings": within('"context": null', '"context": ' + "[" * 40_000 + "]" * 40_000),
    "a repeated field": within('"format": 1', '"format": 1, "format": 1'),
    "a repeated setting": within('"horizon": 2', '"horizon": 2, "horizon": 3'),
    "NaN": within('"horizon": 2', '"horizon": NaN'),
    "infinity": within('"horizon": 2', '"horizon": -Infinity'),
    "a float beyond 64 bits": within('"horizon": 2', '"horizon": 1e999'),
    "an integer of 4,000 digits": within('"horizon": 2', '"horizon": ' + "9" * 4_000),
    "an integer of a million digits": within('"horizon": 2', '"horizon": ' + "9" * 1_000_000),
    "a byte that is not ASCII": lambda folder: _raw(folder, b'"horizon": 2', b'"horizon": "\xff"'),
    "half of a character": within('"time": "day"', '"time": "\\ud800", "x": "\\ud800"'),
    "a zero byte": lambda folder: _raw(folder, b'"horizon": 2', b'"horizon": \x00'),
    "a million empty lists": many("[]", 1_000_000),
    "a million objects": many('{"a":0}', 1_000_000),
    "four million numbers": many("1", 4_000_000),
    # The manifest's fields
    "a newer format": forge(lambda m: m.update(format=2)),
    "an older format": forge(lambda m: m.update(format=0)),
    "a format of another type": forge(lambda m: m.update(format=True)),
    "an unknown task": forge(lambda m: m.update(task="os.system")),
    "a path for a task": forge(lambda m: m.update(task="../../evil")),
    "another known task": forge(lambda m: m.update(task="generation")),
    "a missing field": forge(lambda m: m.pop("scores")),
    "a further field": forge(lambda m: m.update(code="import os; os.system('touch touched')")),
    "settings that are a list": forge(lambda m: m.update(settings=[])),
    "no settings": forge(lambda m: m.update(settings={})),
    # The files it lists
    "a file above": forge(lambda m: m["files"].update({"../../secret": {"bytes": 1, "sha256": ""}})),
    "an absolute path": forge(lambda m: m["files"].update({"/etc/passwd": {"bytes": 1, "sha256": ""}})),
    "a file of code": forge(lambda m: m["files"].update({"model.py": {"bytes": 1, "sha256": ""}})),
    "no weights listed": forge(lambda m: m["files"].pop(WEIGHTS)),
    "weights without a size": forge(lambda m: m["files"][WEIGHTS].pop("bytes")),
    "a negative size": forge(lambda m: m["files"][WEIGHTS].update(bytes=-1)),
    "a size of another type": forge(lambda m: m["files"][WEIGHTS].update(bytes="many")),
    "a hash of another type": forge(lambda m: m["files"][WEIGHTS].update(sha256=None)),
    "an entry with a path": forge(lambda m: m["files"][WEIGHTS].update(path="/etc/passwd")),
    "another hash": forge(lambda m: m["files"][WEIGHTS].update(sha256="0" * 64)),
    # What the settings ask for
    "an unknown setting": settings(lambda s: s.update(horizn=3)),
    "a horizon below 1": settings(lambda s: s.update(horizon=-1)),
    "an enormous horizon": settings(lambda s: s.update(horizon=10**15)),
    "a text for a number": encoder(hidden_size="__import__('os').system('touch touched')"),
    "a model of terabytes": encoder(hidden_size=2**24),
    "a model beyond 64 bits": encoder(hidden_size=2**62),
    "a billion layers": encoder(layers=10**9, hidden_size=1),
    "a billion members": settings(lambda s: s.update(members=10**9)),
    "more layers than weights": encoder(layers=2),
    "an unknown cell": encoder(cell="eval"),
    "an unknown frequency": forge(lambda m: m["settings"].update(frequency="never")),
    "a list for a frequency": forge(lambda m: m["settings"].update(frequency=[[]])),
    "an enormous context": choices(context=10**15),
    "a negative context": choices(context=-5),
    "a text for a context": choices(context="many"),
    "covariates of no kind": forge(lambda m: m["settings"]["covariates"].update(past=[{"name": "x", "kind": "code"}])),
    # The weights as a file
    "no weights": missing(WEIGHTS),
    "empty weights": weights(lambda content: b""),
    "half of the weights": cut(WEIGHTS, 0.5),
    "a changed byte in the weights": changed(WEIGHTS),
    "weights of 4 terabytes": sparse(WEIGHTS, 2**42),
    "a link for the weights": link(WEIGHTS, "/dev/zero"),
    "a pipe for the weights": pipe(WEIGHTS),
    "a folder for the weights": directory(WEIGHTS),
    "a pickle in disguise": weights(pickled),
    "an archive of torch.save": weights(lambda content: b"PK\x03\x04" + content[4:]),
    "zeros": weights(all_zero),
    # Their header
    "a header of 2^64 bytes": weights(lambda content: b"\xff" * 8 + content[8:]),
    "a header longer than the file": weights(lambda content: struct.pack("<Q", len(content)) + content[8:]),
    "a header beyond its limit": header(lambda h: h.update(__metadata__={"x": "y" * 9 * 2**20})),
    "a header that is a list": weights(lambda content: struct.pack("<Q", 2) + b"[]" + content),
    "a header that is deep": weights(lambda content: struct.pack("<Q", 2**16) + b"[" * 2**16 + content),
    "a tensor named twice": weights(repeated_header),
    "offsets beyond the end": header(lambda h: h[first(h)].update(data_offsets=[0, 2**40])),
    "offsets that run backwards": header(lambda h: h[first(h)].update(data_offsets=[64, 0])),
    "offsets that overlap": header(lambda h: h[first(h)].update(data_offsets=h[list(h)[-1]]["data_offsets"])),
    "a shape of 2^62": header(lambda h: h[first(h)].update(shape=[2**31, 2**31])),
    "a negative shape": header(lambda h: h[first(h)].update(shape=[-1, 4])),
    "an unknown type": header(lambda h: h[first(h)].update(dtype="PICKLE")),
    # The tensors
    "weights that are NaN": tensors(lambda t: t | {first(t): torch.full_like(t[first(t)], torch.nan)}),
    "weights that are infinite": tensors(lambda t: t | {first(t): torch.full_like(t[first(t)], -torch.inf)}),
    "weights of another type": tensors(lambda t: t | {first(t): t[first(t)].to(torch.int32)}),
    "weights of another shape": tensors(lambda t: t | {first(t): t[first(t)].unsqueeze(0)}),
    "a tensor too few": tensors(lambda t: {name: t[name] for name in list(t)[1:]}),
    "a tensor too many": tensors(lambda t: t | {"more": torch.zeros(4)}),
    "another name": tensors(lambda t: {("x" if name == first(t) else name): part for name, part in t.items()}),
    # The report
    "a changed report": changed(REPORT),
    "half a report": cut(REPORT, 0.5),
    "a link for the report": link(REPORT, "/etc/passwd"),
    "a dangling link for the report": link(REPORT, "nowhere"),
    "a pipe for the report": pipe(REPORT),
    "a report of a terabyte": sparse(REPORT, 2**40),
}


def _raw(folder: Path, old: bytes, new: bytes) -> None:
    """Replace bytes and seal again."""
    whole = json.dumps(SEALED.fields(folder), indent=2).encode().replace(old, new, 1).removesuffix(b"\n}")
    end = f',\n  "sha256": "{hashlib.sha256(whole).hexdigest()}"\n}}\n'
    (folder / MANIFEST).write_bytes(whole + end.encode())


def flip(path: Path, chance: np.random.Generator) -> None:
    """Flip one bit anywhere in a file."""
    content = bytearray(path.read_bytes())
    content[chance.integers(len(content))] ^= 1 << chance.integers(8)
    path.write_bytes(content)
