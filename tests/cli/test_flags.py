"""Every field of every settings class is a flag, and what is typed arrives in the settings."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from recurra.cli.flags import Flag, flags_of, gather, with_flags
from recurra.errors import SettingsError
from recurra.settings import Sampling, from_dict
from recurra.tasks import TASKS
from recurra.tasks.forecasting import Forecasting
from recurra.tasks.generation import Generation
from recurra.training.options import TrainingOptions

FLAGS = [*flags_of(Forecasting, "task"), *flags_of(TrainingOptions, "training")]
NEEDED = ["--time", "t", "--target", "y", "--horizon", "2"]
EXAMPLES = {
    "target": (["--target", "z"], ("y", "z")),  # a value for each flag that a plain one of its type would not suit
    "levels": (["--levels", "0.2", "--levels", "0.5"], (0.2, 0.5)),
    "zoneout": (["--zoneout", "0.1", "0.2"], (0.1, 0.2)),
    "transform": (["--transform", "log"], "log"),
    "unit": (["--unit", "series"], "series"),
    "decoder": (["--decoder", "segments"], "segments"),
    "head": (["--head", "normal"], "normal"),
    "cell": (["--cell", "gru"], "gru"),
    "peephole": (["--peephole", "full"], "full"),
    "candidate": (["--candidate", "cell"], "cell"),
    "gates": (["--gates", "NIG"], "NIG"),
    "reset": (["--reset", "before"], "before"),
    "nonlinearity": (["--nonlinearity", "relu"], "relu"),
    "decimal": (["--decimal", ","], ","),
    "fill": (["--fill", "linear"], "linear"),
    "optimizer": (["--optimizer", "sgd"], "sgd"),
    "schedule": (["--schedule", "cosine"], "cosine"),
    "rate_divisor": (["--rate-divisor", "2"], 2.0),
}

TEXT = {
    "from_": (["--from", "folder"], "folder"),
    "unit": (["--unit", "word"], "word"),
    "split": (["--split", "spaces"], "spaces"),
    "repetition_penalty": (["--repetition-penalty", "1.5"], 1.5),
}


def parse(arguments: list[str], file: Path | None = None, flags: list[Flag] = FLAGS) -> dict[str, object]:
    """The nested values that a command line gives."""
    app, seen = typer.Typer(), {}

    @app.command()
    @with_flags(flags)
    def command(**given: object) -> None:
        seen.update(gather(flags, given, file))

    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return seen


def example(flag: Flag) -> tuple[list[str], object]:
    """Arguments for a flag, and the value that must arrive."""
    name = f"--{flag.name.replace('_', '-')}"
    plain = {int: (["3"], 3), float: (["0.25"], 0.25), str: (["x"], "x"), list[str]: (["x", name, "z"], ("x", "z"))}
    if flag.name in EXAMPLES:
        return EXAMPLES[flag.name]
    if flag.kind is bool:
        return [name], True
    values, expected = plain[flag.kind]
    return [name, *values], expected


@pytest.mark.parametrize("settings", TASKS.values(), ids=TASKS)
def test_no_two_settings_of_a_command_share_a_flag(settings):
    names = [flag.name for kind in (settings, TrainingOptions) for flag in flags_of(kind)]
    assert len(names) == len(set(names))


def test_every_flag_says_what_it_is():
    assert [flag.name for flag in FLAGS if not flag.help or "None" in flag.help] == []


@pytest.mark.parametrize("flag", FLAGS, ids=lambda flag: flag.name)
def test_what_is_typed_arrives_in_the_settings(flag):
    arguments, expected = example(flag)
    values = parse([*NEEDED, *arguments])
    made = {
        "task": from_dict(Forecasting, values["task"]),
        "training": from_dict(TrainingOptions, values.get("training", {})),
    }
    found = made[flag.table[0]]
    for part in (*flag.table[1:], flag.name):
        found = getattr(found, part)
    assert found == expected


@pytest.mark.parametrize("kind", [Generation, Sampling])
def test_so_it_is_with_text_and_sampling(kind):
    flags = list(flags_of(kind, "wishes"))
    for flag in flags:
        if flag.name in TEXT:
            arguments, expected = TEXT[flag.name]
        elif flag.name in EXAMPLES or (kind is Generation and flag.table[1:] == ("encoder",)):
            continue  # as above
        else:
            arguments, expected = example(flag)
        found = from_dict(kind, parse(arguments, flags=flags)["wishes"])
        for part in (*flag.table[1:], flag.name):
            found = getattr(found, part)
        assert found == expected, flag.name


def test_a_switch_can_be_turned_off(tmp_path):
    file = tmp_path / "settings.toml"
    file.write_text("[task.encoder]\ncoupled = true\n")
    assert parse([], file)["task"]["encoder"]["coupled"] is True
    assert parse(["--no-coupled"], file)["task"]["encoder"]["coupled"] is False


def test_flag_before_file_before_default(tmp_path):
    file = tmp_path / "settings.toml"
    file.write_text("[task]\nhorizon = 7\ncontext = 30\n[task.encoder]\nhidden_size = 16\n[training]\nseed = 5\n")
    values = parse([*NEEDED, "--seed", "6"], file)
    task = from_dict(Forecasting, values["task"])
    assert (task.horizon, task.context, task.encoder.hidden_size, task.encoder.layers) == (2, 30, 16, 1)
    assert values["training"]["seed"] == 6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[tasks]\nhorizon = 3", "Did you mean 'task'"),
        ("[task]\nhorizn = 3", "Did you mean 'horizon'"),
        ("[task.encoder]\nhiden_size = 3", "Did you mean 'hidden_size'"),
        ("[task\n", "must be TOML"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path, text, message):
    file = tmp_path / "settings.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=message):
        from_dict(Forecasting, gather(FLAGS, {}, file)["task"])
