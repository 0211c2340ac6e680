"""Load bundles that were made to do harm: each must be refused with a clear sentence, at once, and do nothing.

    python benchmarks/faults/hostile_bundles.py --out /tmp/hostile.json
    python benchmarks/faults/hostile_bundles.py --pairs      # exported graphs with their JSON, in recurra.runtime

Each is loaded in a process of its own, which counts its time and the memory it takes beyond that of a good bundle, and
watches what Python does: a file opened for writing, or one outside the bundle, a process begun, a module imported,
code compiled or a pickle read is a failure. The bundles are made by ``tests/hostile_bundles.py``, the pairs
by ``tests/hostile_pairs.py``.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests")]

import hostile_bundles  # noqa: E402
import hostile_pairs  # noqa: E402
import recurra  # noqa: E402
from recurra import runtime  # noqa: E402
from recurra.errors import BundleError  # noqa: E402
from recurra.tasks import TASKS  # noqa: E402

Load = Callable[[Path], Any]
MEMORY, SECONDS = 64.0, 1.0
USUAL: set[str] = set()
"""What loading a good bundle does, too."""
FORBIDDEN = ("subprocess.", "os.system", "os.exec", "os.posix_spawn", "pickle.", "marshal.", "socket.")
CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.chmod", "shutil.")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    parser.add_argument("--pairs", action="store_true", help="exported graphs with their JSON, not bundles")
    arguments = parser.parse_args()
    attacks = hostile_pairs.ATTACKS if arguments.pairs else hostile_bundles.ATTACKS
    load = load_pair if arguments.pairs else recurra.load
    with tempfile.TemporaryDirectory() as place:
        good = make_good(Path(place) / "good")
        if arguments.pairs:
            good = make_pair(good, Path(place) / "pair")
        for name in TASKS:  # all that loading imports is there before the children are made
            importlib.import_module(f"recurra.tasks.{name}.task")
        load(good)
        USUAL.update(happenings(good, load)[1])
        results = {name: attempt(attack, good, Path(place), load) for name, attack in attacks.items()}
    failures = {name: result["verdict"] for name, result in results.items() if result["verdict"] != "refused"}
    for name, verdict in failures.items():
        print(f"{name}: {verdict}")
    summary = {
        "pairs" if arguments.pairs else "bundles": len(results),
        "failures": len(failures),
        "most extra memory, MB": max(result["megabytes"] for result in results.values()),
        "longest, seconds": max(result["seconds"] for result in results.values()),
    }
    print(json.dumps(summary, indent=2))
    if arguments.out:
        arguments.out.write_text(json.dumps({"summary": summary, "results": results}, indent=2))
    return bool(failures)


def make_good(folder: Path) -> Path:
    data = {"day": list(range(90)), "x": [float(i % 7) for i in range(90)]}
    settings = recurra.Forecasting(time="day", target="x", horizon=2, encoder=recurra.Encoder(hidden_size=4))
    recurra.train(settings, data, out=folder, options=recurra.TrainingOptions(steps=3, threads=1))
    return folder


def make_pair(bundle: Path, folder: Path) -> Path:
    folder.mkdir()
    recurra.export(recurra.load(bundle), folder / hostile_pairs.GRAPH)
    return folder


def load_pair(folder: Path) -> Any:
    return runtime.load(folder / hostile_pairs.GRAPH)


def attempt(attack: Callable[[Path], None], good: Path, place: Path, load: Load) -> dict[str, Any]:
    """Load one in a child, which writes what it found into a pipe."""
    folder = Path(shutil.copytree(good, place / "inbox" / "bundle"))
    attack(folder)
    before = tree(place)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        os.write(write, json.dumps(measure(folder, load)).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        told = pipe.read()
    _, status = os.waitpid(child, 0)
    if not told:
        result = {"verdict": f"the process ended with {status}", "megabytes": 0.0, "seconds": 0.0}
    else:
        result = json.loads(told)
    if tree(place) != before:
        result["verdict"] = "files have changed"
    if result["verdict"] == "refused" and (result["megabytes"] > MEMORY or result["seconds"] > SECONDS):
        result["verdict"] = f"{result['megabytes']:.0f} MB, {result['seconds']:.2f} s"
    shutil.rmtree(folder.parent)
    return result


def measure(folder: Path, load: Load) -> dict[str, Any]:
    """Load it in this process and tell how it went."""
    os.chdir(folder)
    Path("/proc/self/clear_refs").write_text("5")  # the peak of this process begins here, not at its parent's
    base = peak()
    verdict, done, seconds = happenings(folder, load)
    verdict = f"did {done[0]}" if done else verdict
    return {"verdict": verdict, "megabytes": round(peak() - base, 1), "seconds": round(seconds, 3)}


def happenings(folder: Path, load: Load) -> tuple[str, list[str], float]:
    """How loading ended, what was done meanwhile that a good bundle does not cause, and the seconds."""
    done: list[str] = []
    watching = False

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if not watching:
            return
        if event in ("compile", "exec"):  # the types of our own settings classes are read from their annotations
            code = arguments[0]
            done.append(f"{event} {getattr(code, 'co_names', code)!r:.80} {getattr(code, 'co_consts', '')!r:.80}")
        elif event.startswith(FORBIDDEN) or event in CHANGES:
            done.append(f"{event} {arguments!r:.80}")
        elif event == "open" and isinstance(arguments[0], (str, bytes, os.PathLike)):
            path, _, flags = arguments
            given = Path(os.fsdecode(path))
            follows = not (isinstance(flags, int) and flags & os.O_NOFOLLOW)
            reached = given.resolve() if follows else given.parent.resolve() / given.name
            outside = not reached.is_relative_to(folder.resolve())
            if outside or (isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)):
                done.append(f"open {path!r:.80}")

    watching = True
    sys.addaudithook(watch)
    started = time.perf_counter()
    try:
        load(folder)
        verdict = "accepted"
    except BundleError as error:
        message = str(error)
        verdict = "refused" if message.startswith("[") and len(message) < 1000 else f"no clear sentence: {message:.80}"
    except BaseException as error:
        verdict = f"{type(error).__name__}: {error!s:.80}"
    watching = False
    return verdict, [one for one in done if one not in USUAL], time.perf_counter() - started


def peak() -> float:
    """The most memory this process has had, in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def tree(place: Path) -> list[tuple[str, int, int]]:
    """All files with their sizes and times."""
    found = [(str(path), path.lstat().st_size, path.lstat().st_mtime_ns) for path in place.rglob("*")]
    return sorted(found)


if __name__ == "__main__":
    raise SystemExit(main())
