"""Change one byte of a bundle, or cut the end off a file, again and again: loading it must refuse each time.

python benchmarks/faults/flip_bits.py --count 2000 --cuts 200 --seed 0
python benchmarks/faults/flip_bits.py --pairs --count 2000 --cuts 200 --seed 0      # of an exported pair
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import recurra
from recurra import runtime
from recurra.errors import BundleError


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--cuts", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pairs", action="store_true", help="an exported graph and its JSON, not a bundle")
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    data = {"day": list(range(90)), "x": [float(i % 7) for i in range(90)]}
    settings = recurra.Forecasting(time="day", target="x", horizon=2, encoder=recurra.Encoder(hidden_size=4))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "model"
        recurra.train(settings, data, out=folder, options=recurra.TrainingOptions(steps=3))
        load: Callable[[], object] = partial(recurra.load, folder)
        if arguments.pairs:
            graph = Path(place) / "pair" / "model.onnx"
            graph.parent.mkdir()
            recurra.export(recurra.load(folder), graph)
            folder, load = graph.parent, partial(runtime.load, graph)
        files = {path: path.read_bytes() for path in folder.iterdir()}
        kinds = {flip: arguments.count, cut: arguments.cuts}
        unnoticed = {
            harm.__name__: sum(not is_noticed(load, harm, chance, files) for _ in range(count))
            for harm, count in kinds.items()
        }
        load()  # whole again
    print(f"{arguments.count} changed bytes, {arguments.cuts} cuts in {len(files)} files; unnoticed: {unnoticed}")
    return any(unnoticed.values())


def flip(content: bytes, chance: random.Random) -> bytes:
    """Another value for one byte anywhere."""
    changed = bytearray(content)
    changed[chance.randrange(len(content))] ^= chance.randrange(1, 256)
    return bytes(changed)


def cut(content: bytes, chance: random.Random) -> bytes:
    """The beginning only, of any length."""
    return content[: chance.randrange(len(content))]


def is_noticed(
    load: Callable[[], object],
    harm: Callable[[bytes, random.Random], bytes],
    chance: random.Random,
    files: dict[Path, bytes],
) -> bool:
    """Harm a file, each as likely as the others; tell whether loading refused."""
    path = chance.choice(list(files))
    path.write_bytes(harm(files[path], chance))
    try:
        load()
    except BundleError:
        return True
    finally:
        path.write_bytes(files[path])
    print(f"unnoticed in {path.name}")
    return False


if __name__ == "__main__":
    raise SystemExit(main())
