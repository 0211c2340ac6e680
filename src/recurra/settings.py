"""How settings are declared, validated, read and written.

A settings class has one home, is frozen, checks itself when built, and is the only description of its options: the
CLI's flags, the TOML file and the bundle's JSON are all made from it. This module never imports torch.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, cast, dataclass_transform, get_type_hints

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass as pydantic_dataclass
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from recurra.errors import SettingsError, nearest

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(Field,))
def settings(cls: type[T]) -> type[T]:
    """Make ``cls`` a frozen, validated dataclass whose errors are :class:`SettingsError`."""
    made = cast(type[T], pydantic_dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))(cls))
    build: Callable[..., None] = made.__init__

    def __init__(self: Any, **values: Any) -> None:  # noqa: N807 - it is the constructor
        known = [field.name for field in dataclasses.fields(made)]  # type: ignore[arg-type]
        for name in values:
            if name not in known:
                raise SettingsError(f"{cls.__name__}.{name}", f"there is no such setting. {nearest(name, known)}")
        try:
            build(self, **values)
        except ValidationError as error:
            raise _readable(cls.__name__, error) from None

    made.__init__ = __init__  # type: ignore[method-assign]
    return made


def _readable(owner: str, error: ValidationError) -> SettingsError:
    first = error.errors()[0]
    if first["type"] == "value_error" and isinstance(first["ctx"]["error"], SettingsError):
        return first["ctx"]["error"]
    where = ".".join([owner, *(str(part) for part in first["loc"])])
    rule = first["msg"][0].lower() + first["msg"][1:]
    if first["type"] == "missing_argument" or first["type"] == "missing":
        return SettingsError(where, "this setting is required, none came.")
    return SettingsError(where, f"{rule}, got {first['input']!r}.")


def to_dict(value: Any) -> dict[str, Any]:
    """Settings as plain JSON values (lists, numbers, strings), nested like the classes."""
    plain: dict[str, Any] = TypeAdapter(type(value)).dump_python(value, mode="json")
    return plain


def plain_schema(kind: type) -> dict[str, Any]:
    """The JSON Schema of settings."""
    return TypeAdapter(kind).json_schema()


def from_dict(kind: type[T], values: Mapping[str, Any]) -> T:
    """Settings of ``kind`` from plain values; unknown names and bad values are a :class:`SettingsError`.

    What is not given of settings within them is as in ``kind``'s own default.
    """
    arguments = dict(values)
    declared: Any
    for name, declared in get_type_hints(kind).items():
        if isinstance(arguments.get(name), Mapping) and dataclasses.is_dataclass(declared):
            default = default_of(kind, name)
            given = {**(to_dict(default) if default is not None else {}), **arguments[name]}
            arguments[name] = from_dict(cast(type[Any], declared), given)
    return kind(**arguments)


def default_of(kind: type, name: str) -> Any:
    """The value of a setting that is not given; None for one that must be."""
    field = next(field for field in dataclasses.fields(kind) if field.name == name)
    default: Any = field.default
    if isinstance(default, FieldInfo):
        default = default.get_default(call_default_factory=True, validated_data={})
    return None if default in (dataclasses.MISSING, PydanticUndefined) else default


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a settings file; a syntax error names the line."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(str(path), "a settings file must exist, there is none. Check the path.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(str(path), f"a settings file must be TOML in UTF-8: {error}.") from None


Probability = Annotated[float, Field(ge=0, lt=1)]
StartFrom = Annotated[
    str | None,
    BeforeValidator(lambda folder: str(folder) if isinstance(folder, Path) else folder),
    Field(description="folder of a trained language model to start from: its vocabulary, embeddings and layers"),
]


@settings
class Encoder:
    """The recurrent stack of a model: which cell, how large, with which of the variants of :mod:`recurra.nn`."""

    cell: Annotated[Literal["lstm", "gru", "rnn"], Field(description="the recurrent cell")] = "lstm"
    hidden_size: Annotated[int, Field(ge=1, description="hidden units H of each layer")] = 128
    layers: Annotated[int, Field(ge=1, le=100, description="recurrent layers L, one upon the other")] = 1
    dropout: Annotated[Probability, Field(description="dropout between layers and before the head")] = 0.0
    bidirectional: Annotated[bool, Field(description="read in both directions")] = False
    peephole: Annotated[Literal["diagonal", "full"] | None, Field(description="LSTM: gates see the cell")] = None
    candidate: Annotated[Literal["cell"] | None, Field(description="LSTM: the candidate sees only the cell")] = None
    coupled: Annotated[bool, Field(description="LSTM: forget gate = 1 - input gate")] = False
    gates: Annotated[
        Literal["NIG", "NFG", "NOG", "NIAF", "NOAF", "FGR"] | None, Field(description="LSTM: an ablation of Greff 2015")
    ] = None
    layer_norm: Annotated[bool, Field(description="LSTM: layer norm inside the cell (Ba 2016)")] = False
    proj_size: Annotated[int, Field(ge=0, description="LSTM: size P of the projected output, 0 for none")] = 0
    zoneout: Annotated[
        tuple[Probability, Probability], Field(description="LSTM: keep old h, old c with these probabilities")
    ] = (0.0, 0.0)
    recurrent_dropout: Annotated[Probability, Field(description="one dropout mask for all steps on h (Gal 2015)")] = 0.0
    weight_drop: Annotated[Probability, Field(description="DropConnect on the recurrent weights (Merity 2017)")] = 0.0
    cell_clip: Annotated[float | None, Field(gt=0, description="LSTM: clamp c to this range")] = None
    forget_bias: Annotated[float | None, Field(description="LSTM: initial bias of the forget gate")] = None
    chrono: Annotated[int | None, Field(ge=2, description="LSTM: chrono initialisation for this many steps")] = None
    reset: Annotated[Literal["after", "before"], Field(description="GRU: reset gate after or before the product")] = (
        "after"
    )
    nonlinearity: Annotated[Literal["tanh", "relu"], Field(description="RNN: the activation")] = "tanh"


@settings
class Sampling:
    """How a model goes on with a text: what is drawn out of all that it holds possible, and where it ends."""

    length: Annotated[int, Field(ge=1, description="symbols to write at most")] = 500
    temperature: Annotated[
        float, Field(gt=0, description="below 1 the likely becomes likelier, above 1 all becomes more equal")
    ] = 0.8
    top_k: Annotated[int | None, Field(ge=1, description="draw from so many of the likeliest symbols only")] = None
    top_p: Annotated[
        float | None, Field(gt=0, le=1, description="draw from the fewest symbols that have this probability together")
    ] = None
    repetition_penalty: Annotated[
        float, Field(ge=1, description="make symbols of the last 64 less likely by this factor (Keskar 2019)")
    ] = 1.0
    stop: Annotated[
        tuple[str, ...],
        BeforeValidator(lambda one: (one,) if isinstance(one, str) else one),
        Field(description="text that ends the writing and is not written"),
    ] = ()
    beam: Annotated[
        int | None, Field(ge=1, description="draw nothing: search the likeliest text, so many candidates at a time")
    ] = None
    seed: Annotated[
        int | None, Field(ge=0, description="of the draws; default: 0, or where a saved state left off")
    ] = None

    @model_validator(mode="after")
    def _check(self) -> Sampling:
        if "" in self.stop:
            raise SettingsError("Sampling.stop", "a text that ends the writing must have characters, got ''.")
        drawn = ("temperature", "top_k", "top_p", "repetition_penalty", "seed")
        odd = [name for name in drawn if getattr(self, name) != default_of(Sampling, name)]
        if self.beam is not None and odd:
            raise SettingsError(
                f"Sampling.{odd[0]}", f"a beam draws nothing, so beam = {self.beam} must stand alone. Drop one of them."
            )
        return self
