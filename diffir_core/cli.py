"""The command line: `diffir`."""

from __future__ import annotations

import sys
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from diffir_core._stopping import exit_status, terminable
from diffir_core.errors import DiffIRError
from diffir_core.ipr_commands import app as ipr_app
from diffir_core.models import DEFAULT_MODEL

if TYPE_CHECKING:
    from diffir_core.stacks.progress import RestoreProgress

app = typer.Typer(
    help="DiffIR image restoration for microscopy.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.add_typer(ipr_app, name="ipr")

ModelOption = Annotated[
    str, typer.Option(help="A shipped model's name, or a weights file.")
]


SourceArgument = Annotated[
    Path | None,
    typer.Argument(help="TIFF, OME-TIFF, OME-Zarr, or a folder.", show_default=False),
]
DestinationArgument = Annotated[
    Path | None,
    typer.Argument(help=".ome.zarr or .ome.tif, or a folder for a folder of stacks."),
]
AxesOption = Annotated[
    str | None, typer.Option(help="One letter a dimension, such as TZYX.")
]
SettingsOption = Annotated[
    Path | None, typer.Option(help="A YAML file: options, or a job with IN and OUT.")
]
MemoryOption = Annotated[str | None, typer.Option(help="Budget, such as 4GB.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change an option: --set intensity.low_percentile=2"),
]
DeviceOption = Annotated[str | None, typer.Option(help="auto, cpu, cuda, mps")]


@app.command()
def restore(
    source: SourceArgument = None,
    destination: DestinationArgument = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="A shipped model's name, or a weights file.",
            show_default=DEFAULT_MODEL,
        ),
    ] = None,
    axes: AxesOption = None,
    options: SettingsOption = None,
    seed: Annotated[int | None, typer.Option(help="Of the start noise.")] = None,
    memory: MemoryOption = None,
    device: DeviceOption = None,
    exactness: Annotated[str | None, typer.Option(help="exact or fast")] = None,
    set_: SetOption = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing output.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Complete what was interrupted.")
    ] = False,
    scheduler: Annotated[
        str | None,
        typer.Option(help="Of a dask cluster that restores it, tcp://HOST:PORT."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Restore in so many processes of this machine.")
    ] = None,
) -> None:
    """Restore a file; type, value range, axes and pixel size stay."""
    from diffir_core.commands import crew_of, request, run_restore

    changes = {
        "seed": seed,
        "memory": memory,
        "device": device,
        "exactness": exactness,
    }
    asked = request(
        source,
        destination,
        model,
        axes,
        options,
        changes,
        assignments=set_ or (),
        resume=resume,
    )
    say = partial(Console(soft_wrap=True).print, highlight=False, markup=False)
    try:
        with (
            terminable(),
            crew_of(scheduler, workers) as crew,
            _progress_bar() as show,
        ):
            run_restore(
                asked,
                overwrite=overwrite,
                resume=resume,
                show=show,
                say=say,
                crew=crew,
            )
    except KeyboardInterrupt as interrupt:
        say("Stopped; pass --resume to complete it.")
        raise typer.Exit(exit_status(interrupt)) from None


@app.command()
def estimate(
    source: SourceArgument = None,
    destination: DestinationArgument = None,
    model: Annotated[str | None, typer.Option(show_default=DEFAULT_MODEL)] = None,
    axes: AxesOption = None,
    options: SettingsOption = None,
    memory: MemoryOption = None,
    device: DeviceOption = None,
    set_: SetOption = None,
) -> None:
    """Say what restoring a file will take: time, memory, disk."""
    from diffir_core.commands import request, run_estimate

    changes = {"memory": memory, "device": device}
    asked = request(
        source, destination, model, axes, options, changes, assignments=set_ or ()
    )
    table = Table(show_header=False, box=None)
    for name, value in run_estimate(asked):
        table.add_row(name, value)
    Console().print(table)


class _progress_bar:
    """A line on stderr with planes done and time left."""

    def __enter__(self) -> Any:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        self._bar = Progress(
            TextColumn("planes"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._bar.start()
        self._task = self._bar.add_task("planes", total=None)
        return self._show

    def _show(self, step: RestoreProgress) -> None:
        done = step.fraction * step.planes
        self._bar.update(self._task, total=step.planes, completed=round(done, 2))

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


@app.command()
def models() -> None:
    """List the shipped models."""
    from diffir_core.checkpoint import load_model
    from diffir_core.models import shipped_models

    table = Table("name", "what it does", "trained on", "licence")
    for name in shipped_models():
        card = load_model(name).card
        if card:
            table.add_row(
                name, card.description, "; ".join(card.training_data), card.licence
            )
    Console().print(table)


@app.command()
def info(
    file: Annotated[
        Path,
        typer.Argument(
            help="A model (file or shipped name), an IPR, options, an image."
        ),
    ],
) -> None:
    """Say what a file is."""
    from diffir_core.describing import describe

    Console(soft_wrap=True).print(describe(file), highlight=False, markup=False)


@app.command()
def convert(
    official: Annotated[Path, typer.Argument(help="An official .pth or .ckpt file.")],
    destination: Annotated[Path, typer.Argument(help="The .safetensors to write.")],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing output.")
    ] = False,
) -> None:
    """Turn an official checkpoint into safetensors."""
    from diffir_core.checkpoint import convert
    from diffir_core.errors import InputError, OutputExistsError

    if destination.exists() and not overwrite:
        raise OutputExistsError(
            f"{destination} is already there; choose another name or pass --overwrite."
        )
    if destination.suffix != ".safetensors":
        raise InputError(
            f"{destination} is not named .safetensors, which is what is written; "
            "choose such a name."
        )
    if destination.exists() and official.exists() and destination.samefile(official):
        raise InputError(f"{destination} is the input itself; choose another name.")
    model = convert(official, destination)
    Console(soft_wrap=True).print(
        f"{destination}: {model.config.task}, stage {model.stage}, fingerprint "
        f"{model.fingerprint[:12]}"
    )


@app.command()
def export(
    model: Annotated[
        str, typer.Argument(help="A shipped model's name, or a weights file.")
    ],
    destination: Annotated[
        Path, typer.Argument(metavar="OUT", help="The .zip to write.")
    ],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing output.")
    ] = False,
) -> None:
    """Write a model as a bioimage.io package."""
    from diffir_core.checkpoint import load_model
    from diffir_core.exporting import export_model

    loaded = load_model(model)
    export_model(loaded, destination, overwrite=overwrite)
    Console(soft_wrap=True).print(
        f"{destination}: bioimage.io package of {loaded.name}, fingerprint "
        f"{loaded.fingerprint[:12]}",
        highlight=False,
        markup=False,
    )


@app.command()
def demo(
    output: Annotated[Path, typer.Option(help="Folder for the results.")] = Path(
        "diffir-demo"
    ),
    model: ModelOption = DEFAULT_MODEL,
) -> None:
    """Restore the bundled sample and show what changed."""
    from diffir_core.checkpoint import load_model
    from diffir_core.demo import run_demo

    with _progress_bar() as show:
        result = run_demo(load_model(model), output, show)
    table = Table("", "PSNR (dB)", "SSIM")
    table.add_row("noisy", f"{result.noisy_psnr:.2f}", f"{result.noisy_ssim:.3f}")
    table.add_row(
        "restored", f"{result.restored_psnr:.2f}", f"{result.restored_ssim:.3f}"
    )
    Console().print(table)
    Console(soft_wrap=True).print(f"Restored stack: {result.stack}")
    Console(soft_wrap=True).print(f"Picture: {result.picture}")


def _add_commands_of_others() -> None:
    """Add what other packages offer, such as `train`; the core knows none of them."""
    for command in sorted(entry_points(group="diffir.commands"), key=lambda e: e.name):
        app.command(command.name)(command.load())


def main() -> None:
    """Run the command line; what the user can mend is one line and exit status 2.

    An interrupted command ends with status 130, as the shell has it.
    """
    say = partial(
        Console(stderr=True, soft_wrap=True).print, highlight=False, markup=False
    )
    try:
        _add_commands_of_others()
        app()
    except (DiffIRError, OSError) as error:
        say(f"diffir: {error}")
        sys.exit(2)
    except KeyboardInterrupt as interrupt:  # While it was being loaded.
        say("Stopped.")
        sys.exit(exit_status(interrupt))
