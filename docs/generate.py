"""Write docs/reference/settings.md from the settings classes.  Run: python docs/generate.py"""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from recurra.cli.flags import Flag, flags_of
from recurra.server.settings import Serving
from recurra.settings import Sampling
from recurra.tasks import TASKS
from recurra.training.options import TrainingOptions

PAGE = Path(__file__).parent / "reference" / "settings.md"
HEAD = """# Settings

Made by `docs/generate.py` from the settings classes; do not edit. Each setting is a flag (`--hidden-size 64`), a line
in a settings file (`hidden_size = 64` in its table) and an argument in Python, with one name. A flag goes before the
file, the file before the default. Only `from_` is `--from` as a flag: Python keeps the word `from` for itself.
"""


def render() -> str:
    """The whole page."""
    parts = [(f"recurra train {name}", list(flags_of(settings, "task"))) for name, settings in TASKS.items()]
    parts.append(("Every training", list(flags_of(TrainingOptions, "training"))))
    parts.append(("recurra generate", list(flags_of(Sampling, "sampling"))))
    parts.append(("recurra serve", list(flags_of(Serving, "serving"))))
    return HEAD + "".join(_part(title, flags) for title, flags in parts)


def _part(title: str, flags: list[Flag]) -> str:
    panels = list(dict.fromkeys((flag.panel, flag.table) for flag in flags))
    return f"\n## {title}\n" + "".join(_table(panel, table, flags) for panel, table in panels)


def _table(panel: str, table: tuple[str, ...], flags: list[Flag]) -> str:
    rows = [f"| `{flag.name}` | {_kind(flag)} | {flag.help} |\n" for flag in flags if flag.table == table]
    head = f"\n### {panel}\n\nIn a settings file: `[{'.'.join(table)}]`.\n\n| name | value | meaning |\n|---|---|---|\n"
    return head + "".join(rows)


_KINDS: dict[object, str] = {Path: "a file", str: "text", int: "integer", float: "number", bool: "yes or no"}
_KINDS |= {list[str]: "texts", list[float]: "numbers", tuple[float, float]: "two numbers"}


def _kind(flag: Flag) -> str:
    return _KINDS.get(flag.kind) or " \\| ".join(f"`{choice}`" for choice in get_args(flag.kind))


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
