"""How readers treat damaged CSV files: ours beside the default settings of pandas, polars and pyarrow.

    python benchmarks/faults/damaged_csv.py

Prints a table and exits with 1 if any file is accepted in silence. The files are made by
``tests/data/damaged_files.py``.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests" / "data")]

from damaged_files import Damage, damaged_files  # noqa: E402

from recurra.data.series import Columns, read_series  # noqa: E402
from recurra.data.tables import read_table  # noqa: E402
from recurra.errors import DataError  # noqa: E402

COLUMNS = Columns(time="day", target="demand", past=("temperature", "sky"))
OTHERS = {
    "pandas": ("pandas", "read_csv"),
    "polars": ("polars", "read_csv"),
    "pyarrow": ("pyarrow.csv", "read_csv"),
}


def others() -> dict[str, Callable[[Path], Any]]:
    """The readers that can be imported here."""
    found = {}
    for name, (module, function) in OTHERS.items():
        try:
            found[name] = getattr(importlib.import_module(module), function)
        except ImportError:
            continue
    return found


def ours(path: Path) -> tuple[bool, str]:
    """Whether the fault was said, and the sentence."""
    try:
        notices = read_series(read_table(path), COLUMNS).notices
    except DataError as error:
        return True, f"error: {error}"
    return bool(notices), "notice: " + "; ".join(notices) if notices else "ACCEPTED IN SILENCE"


def accepts(read: Callable[[Path], Any], path: Path) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            read(path)
    except Exception:
        return False
    return True


def main() -> int:
    readers, files = others(), damaged_files()
    silent = dict.fromkeys(("recurra", *readers), 0)
    with tempfile.TemporaryDirectory() as folder:
        for damage in files:
            path = Path(folder) / f"damaged{damage.suffix}"
            path.write_bytes(damage.data)
            said, sentence = ours(path)
            accepted = [name for name, read in readers.items() if accepts(read, path)]
            _count(silent, damage, said, accepted)
            others_say = f"accepted by {', '.join(accepted)}" if accepted else "refused by all others"
            print(f"{damage.name:<34} {others_say}\n    {sentence.replace(folder + '/', '')}")
            path.unlink()
    structure = sum(damage.structure for damage in files)
    print(f"\n{len(files)} files, {structure} of them with faults of the CSV or its numbers. Accepted in silence:")
    for name, count in silent.items():
        print(f"  {name:<8} {count}")
    print("(For the others, faults of the time series alone are not counted: they do not look for them.)")
    return 1 if silent["recurra"] else 0


def _count(silent: dict[str, int], damage: Damage, said: bool, accepted: list[str]) -> None:
    silent["recurra"] += not said
    for name in accepted:
        silent[name] += damage.structure


if __name__ == "__main__":
    sys.exit(main())
