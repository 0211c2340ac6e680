"""The commands: train, resume, evaluate, backtest, predict, generate, serve, info, demo."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recurra.cli.flags import flags_of, gather, with_flags
from recurra.errors import MissingExtraError, SettingsError
from recurra.server.settings import Serving
from recurra.settings import Sampling, from_dict
from recurra.tasks import TASKS
from recurra.training.options import TrainingOptions

if TYPE_CHECKING:
    from recurra.bundle import Bundle

app = typer.Typer(
    name="recurra",
    help="LSTM-family sequence models: from your file to a model in service.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
train = typer.Typer(help="Train a model on your file; score it on what was held out.", no_args_is_help=True)
app.add_typer(train, name="train", rich_help_panel="Train")

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="folder of the bundle")]
Data = Annotated[str, typer.Argument(metavar="DATA", help="a file of the kind that the model was trained on")]
AllData = Annotated[
    list[str], typer.Argument(metavar="DATA...", help="a file, or files, of the kind that the model was trained on")
]
Out = Annotated[Path, typer.Option("--out", help="folder for the bundle and its report", metavar="DIR")]
Config = Annotated[
    Path | None, typer.Option("--config", help="settings file (TOML) with the same names", metavar="FILE")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="replace a bundle or a run that is there")]
_SHOWN = 40  # rows of a table on the terminal


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"recurra {version('recurra')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="show the version")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="show tracebacks; also RECURRA_DEBUG=1")] = False,
) -> None:
    """LSTM-family sequence models: from your file to a model in service."""


def _add_training(name: str, settings: type[Any]) -> None:
    """Add ``recurra train NAME`` with the flags of the task's settings and of training."""
    flags = [*flags_of(settings, "task"), *flags_of(TrainingOptions, "training")]

    def command(data: Data, out: Out, config: Config = None, overwrite: Overwrite = False, **given: Any) -> None:
        values = gather(flags, given, config)
        task = from_dict(settings, values.get("task", {}))
        training = from_dict(TrainingOptions, values.get("training", {}))
        from recurra.pipeline import train as run
        from recurra.training.progress import progress_on

        bundle = run(task, data, out=out, overwrite=overwrite, options=training, progress=progress_on())
        _tell(bundle, out, "DATA" if settings.many else data)

    kind: Any = list[str] if settings.many else str
    metavar = "FILES..." if settings.many else "DATA"
    command.__annotations__["data"] = Annotated[kind, typer.Argument(metavar=metavar, help=settings.reads)]
    summary = (settings.__doc__ or "").split("\n")[0]
    train.command(name, help=summary)(with_flags(flags)(command))


for _name, _settings in TASKS.items():
    _add_training(_name, _settings)


@app.command(rich_help_panel="Train")
def resume(folder: Folder) -> None:
    """Go on, bit for bit, with a training that was interrupted or killed."""
    from recurra.pipeline import resume as run
    from recurra.training.progress import progress_on

    _tell(run(folder, progress=progress_on()), folder, "DATA")


@app.command(rich_help_panel="Use")
def evaluate(folder: Folder, data: AllData) -> None:
    """Score a model on all of a file that it was not trained on."""
    from recurra.bundle import load

    bundle = load(folder)
    many = TASKS[bundle.task.name].many
    if len(data) > 1 and not many:
        raise SettingsError("evaluate", f"a model for {bundle.task.name} takes one file, {len(data)} came. Name one.")
    typer.echo(bundle.evaluate(data if many else data[0]).summary())


@app.command(rich_help_panel="Use")
def backtest(
    folder: Folder,
    data: Data,
    windows: Annotated[int, typer.Option(min=1, help="windows at the end of each series")],
    stride: Annotated[int | None, typer.Option(min=1, help="steps between windows; default: the horizon")] = None,
) -> None:
    """Score a model on the last windows of a file, as if they had not been seen."""
    from recurra.bundle import load

    typer.echo(load(folder).backtest(data, windows, stride).summary())


@app.command(rich_help_panel="Use")
def predict(
    folder: Folder,
    data: Data,
    out: Annotated[Path | None, typer.Option(help=".csv, .parquet or .jsonl; default: show", metavar="FILE")] = None,
) -> None:
    """Predict what comes after the end of a file."""
    import polars as pl

    from recurra.bundle import load
    from recurra.data.tables import write_table

    if out is not None and not out.parent.is_dir():
        raise SettingsError(f"--out {out}", f"the folder {out.parent} must exist, it does not. Make it first.")
    frame = load(folder).predict(data)
    if out is not None:
        write_table(frame, out)
        typer.echo(f"{frame.height:,} rows written to {out}")
        return
    with pl.Config(
        tbl_rows=_SHOWN, tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True, tbl_width_chars=120
    ):
        typer.echo(str(frame))
    if frame.height > _SHOWN:
        typer.echo(f"{frame.height:,} rows; write all of them with --out FILE.csv")


def generate(
    folder: Folder,
    prompt: Annotated[str, typer.Option(help="text to go on with", metavar="TEXT")] = "",
    state: Annotated[Path | None, typer.Option(help="go on where --save-state left off", metavar="FILE")] = None,
    save_state: Annotated[Path | None, typer.Option(help="file to go on from later", metavar="FILE")] = None,
    config: Config = None,
    **given: Any,
) -> None:
    """Write: go on with a prompt; the text is shown as it is made."""
    if save_state is not None and not save_state.parent.is_dir():
        raise SettingsError(f"--save-state {save_state}", "its folder must exist, it does not. Make it first.")
    sampling = gather(_SAMPLING, given, config).get("sampling", {})
    from recurra.bundle import load

    bundle = load(folder)
    first = iter([prompt])  # shown with the first piece: what is refused shows nothing
    written = bundle.generate(prompt, state=state, show=lambda text: _show(next(first, "") + text), **sampling)
    typer.echo(next(first, ""))
    for notice in written.notices:
        typer.echo(f"notice: {notice}", err=True)
    if save_state is not None:
        written.state.save(save_state)


_SAMPLING = list(flags_of(Sampling, "sampling"))
app.command(rich_help_panel="Use")(with_flags(_SAMPLING)(generate))


@app.command(rich_help_panel="Use")
def export(
    folder: Folder,
    out: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="file of the graph; a .json is written beside it")],
    opset: Annotated[int, typer.Option(help="of the ONNX standard", metavar="N")] = 17,
    int8: Annotated[bool, typer.Option("--int8", help="weights in int8: a quarter of the size")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace files that are there")] = False,
) -> None:
    """Write a model as an ONNX graph that is proven to answer alike; it runs without torch."""
    from recurra.bundle import load
    from recurra.exporting import export as run

    typer.echo(run(load(folder), out, opset=opset, int8=int8, overwrite=overwrite).summary())


@app.command("import-weights", rich_help_panel="Use")
def import_weights(
    source: Annotated[Path, typer.Argument(metavar="FILE", help=".safetensors, .keras, .weights.h5 or .onnx")],
    out: Annotated[Path, typer.Argument(metavar="OUT.safetensors", help="file of the layer's state dict")],
    layer: Annotated[str | None, typer.Option(help="one of several layers, by name", metavar="NAME")] = None,
) -> None:
    """Make a layer of recurra.nn of a recurrent layer of torch, Keras 3 or ONNX."""
    if out.suffix != ".safetensors" or not out.parent.is_dir() or out.exists():
        raise SettingsError(f"{out}", "must be a new file .safetensors in a folder that exists. Change it.")
    from recurra.nn.convert import read_layer, save_layer

    found = read_layer(source, layer)
    save_layer(found, out)
    typer.echo(f"{found} written to {out}\nread it with: recurra.nn.convert.read_layer({str(out)!r})")


def _show(text: str) -> None:
    typer.echo(text, nl=False)
    sys.stdout.flush()


def serve(
    folders: Annotated[list[str], typer.Argument(metavar="DIR...", help="folders of bundles, DIR or NAME=DIR")],
    config: Config = None,
    **given: Any,
) -> None:
    """Answer requests over HTTP, with a page to try the models in the browser."""
    settings = from_dict(Serving, gather(_SERVING, given, config).get("serving", {}))
    try:
        from recurra.server.run import name_folders
        from recurra.server.run import serve as run
    except ImportError as error:
        raise MissingExtraError("serve", f"needs {error.name}: pip install 'recurra[serve]'") from None
    run(name_folders(folders), settings)


_SERVING = list(flags_of(Serving, "serving"))
app.command(rich_help_panel="Use")(with_flags(_SERVING)(serve))


@app.command(rich_help_panel="Use")
def info(folder: Folder) -> None:
    """Tell what a bundle is: its task, layers and cost, its data, its scores; nothing in it is run."""
    from recurra.bundle import load
    from recurra.cli.info import describe

    typer.echo(describe(load(folder), folder))


@app.command(rich_help_panel="Train")
def demo(
    out: Annotated[Path, typer.Option(help="folder for the bundle and its report", metavar="DIR")] = Path(
        "recurra-demo"
    ),
    overwrite: Overwrite = False,
) -> None:
    """Forecast the weather of Seattle: data, training, report and prediction in a minute."""
    from recurra.demo import run
    from recurra.training.progress import progress_on

    run(out, overwrite=overwrite, progress=progress_on())


def _tell(bundle: Bundle, out: Path, data: str) -> None:
    from recurra.task import Generates

    typer.echo(_score_text(bundle))
    use = f"predict with: recurra predict {out} {data}"
    if isinstance(bundle.task, Generates):
        use = f"write with: recurra generate {out} --prompt TEXT"
    typer.echo(f"\nbundle and report: {out}, {out / 'report.html'}\n{use}")


def _score_text(bundle: Bundle) -> str:
    if not bundle.scores:
        return "Nothing was held out, so there is no score."
    return bundle.task.restore_scores(bundle.scores).summary()
