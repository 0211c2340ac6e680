"""Command-line flags made from settings classes, and settings made from flags and a settings file.

A flag is never written by hand: name, type, default and help are those of the field. A flag that is not given is
None, so that the file, and then the class, can say what holds: flag before file before default.
"""

from __future__ import annotations

import dataclasses
import inspect
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import typer
from pydantic.fields import FieldInfo

from recurra.errors import SettingsError, nearest
from recurra.settings import default_of, read_toml

_METAVARS: dict[Any, str] = {Path: "FILE", str: "TEXT", list[str]: "TEXT", list[float]: "NUMBER", int: "N", float: "X"}


@dataclass(frozen=True)
class Flag:
    """One field of a settings class: where its value goes, and what it may be."""

    table: tuple[str, ...]
    """The tables of the settings file that lead to it, such as ``("task", "encoder")``."""
    name: str
    kind: Any
    """Its type on the command line, such as ``list[str]``."""
    help: str
    panel: str

    @property
    def parameter(self) -> inspect.Parameter:
        """The flag as typer wants it."""
        name = self.name.rstrip("_").replace("_", "-")  # from_ is --from: Python keeps that word for itself
        names = f"--{name}/--no-{name}" if self.kind is bool else f"--{name}"
        option = typer.Option(names, help=self.help, rich_help_panel=self.panel, metavar=_METAVARS.get(self.kind))
        kind: Any = self.kind
        return inspect.Parameter(
            self.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, option]
        )


def flags_of(settings: type, *table: str, default: Any = None) -> Iterator[Flag]:
    """All flags of a settings class; the settings within it are flattened.

    ``default`` are the settings that hold if no flag is given, where they are not the class's own defaults.
    """
    hints = get_type_hints(settings, include_extras=True)
    for field in dataclasses.fields(settings):
        kind, info = _split(hints[field.name])
        if dataclasses.is_dataclass(kind):
            within = default_of(settings, field.name)
            yield from flags_of(kind, *table, field.name, default=within)  # type: ignore[arg-type]
        else:
            text = _help(info, default_of(settings, field.name) if default is None else getattr(default, field.name))
            yield Flag(table, field.name, _on_the_line(kind), text, settings.__name__)


def with_flags(flags: list[Flag]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Let a command take ``flags`` as keywords, as if each had been written in its signature."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = [
            parameter.replace(annotation=hint)
            for parameter, hint in zip(
                inspect.signature(command).parameters.values(),
                get_type_hints(command, include_extras=True).values(),
                strict=False,
            )
            if parameter.kind is not inspect.Parameter.VAR_KEYWORD
        ]
        parameters = [*own, *(flag.parameter for flag in flags)]
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return command

    return decorate


def gather(flags: list[Flag], given: Mapping[str, Any], file: Path | None) -> dict[str, Any]:
    """Nested plain values: those of the file, and over them the flags that were given."""
    known = {flag.table[0] for flag in flags}
    values = read_toml(file) if file else {}
    for name in values:
        if name not in known:
            raise SettingsError(f"{file}: [{name}]", f"there is no such table. {nearest(name, known)}")
    for flag in flags:
        value = given.get(flag.name)
        if value is not None and value != []:
            _table(values, flag.table)[flag.name] = list(value) if isinstance(value, tuple) else value
    return values


def _table(values: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    for name in path:
        values = values.setdefault(name, {})
    return values


def _split(hint: Any) -> tuple[Any, FieldInfo]:
    """The type of a field and what pydantic knows of it."""
    if get_origin(hint) is not Annotated:
        return hint, FieldInfo()
    kind, *more = get_args(hint)
    described = (item for item in more if isinstance(item, FieldInfo) and item.description)
    return kind, next(described, FieldInfo())


def _on_the_line(kind: Any) -> Any:
    """The type of a value on the command line: without Optional and bounds, a tuple of any length as a list."""
    kind = _bare(kind)
    if get_origin(kind) is not tuple:
        return kind
    first, *rest = (_bare(part) for part in get_args(kind))
    return list[first] if rest == [...] else tuple[(first, *rest)]  # type: ignore[valid-type]


def _bare(kind: Any) -> Any:
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) in (Union, types.UnionType):
        return _bare(next(part for part in get_args(kind) if part is not type(None)))
    return kind


def _help(info: FieldInfo, default: Any) -> str:
    if default is None or default == () or isinstance(default, bool):
        return info.description or ""
    shown = ", ".join(str(part) for part in default) if isinstance(default, tuple) else default
    return f"{info.description} (default: {shown})"
