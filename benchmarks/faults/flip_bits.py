"""Flip one bit of a bundle, again and again: loading it must refuse each time.

python benchmarks/faults/flip_bits.py --count 2000 --seed 0
"""

from __future__ import annotations

import argparse
import random
import tempfile
from pathlib import Path

import recurra
from recurra.errors import BundleError


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    data = {"day": list(range(90)), "x": [float(i % 7) for i in range(90)]}
    settings = recurra.Forecasting(time="day", target="x", horizon=2, encoder=recurra.Encoder(hidden_size=4))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "bundle"
        recurra.train(settings, data, out=folder, options=recurra.TrainingOptions(steps=3))
        files = {path: path.read_bytes() for path in folder.iterdir()}
        unnoticed = sum(not is_noticed(folder, chance, files) for _ in range(arguments.count))
        recurra.load(folder)  # whole again
    print(f"{arguments.count} bits flipped in {len(files)} files: {unnoticed} unnoticed")
    return bool(unnoticed)


def is_noticed(folder: Path, chance: random.Random, files: dict[Path, bytes]) -> bool:
    """Flip one bit anywhere, each file as likely as the others; tell whether loading refused."""
    path = chance.choice(list(files))
    content = bytearray(files[path])
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)
    try:
        recurra.load(folder)
    except BundleError:
        return True
    finally:
        path.write_bytes(files[path])
    print(f"unnoticed in {path.name}")
    return False


if __name__ == "__main__":
    raise SystemExit(main())
