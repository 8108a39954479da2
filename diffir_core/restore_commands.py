"""The commands `diffir restore | estimate | demo`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from diffir_core._progress_bar import ProgressBar
from diffir_core._stopping import exit_status, terminable
from diffir_core.models import DEFAULT_MODEL

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
SeedOption = Annotated[int | None, typer.Option(help="Of the start noise.")]
ExactnessOption = Annotated[str | None, typer.Option(help="exact or fast")]


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
    seed: SeedOption = None,
    memory: MemoryOption = None,
    device: DeviceOption = None,
    exactness: ExactnessOption = None,
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
    from diffir_core.command_requests import request
    from diffir_core.commands import crew_of, run_restore

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
            ProgressBar() as show,
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


def estimate(
    source: SourceArgument = None,
    destination: DestinationArgument = None,
    model: Annotated[str | None, typer.Option(show_default=DEFAULT_MODEL)] = None,
    axes: AxesOption = None,
    options: SettingsOption = None,
    seed: SeedOption = None,
    memory: MemoryOption = None,
    device: DeviceOption = None,
    exactness: ExactnessOption = None,
    set_: SetOption = None,
) -> None:
    """Say what restoring a file will take: time, memory, disk."""
    from diffir_core.command_requests import request
    from diffir_core.commands import run_estimate

    changes = {
        "seed": seed,
        "memory": memory,
        "device": device,
        "exactness": exactness,
    }
    asked = request(
        source, destination, model, axes, options, changes, assignments=set_ or ()
    )
    table = Table(show_header=False, box=None)
    for name, value in run_estimate(asked):
        table.add_row(name, value)
    Console().print(table)


def demo(
    output: Annotated[Path, typer.Option(help="Folder for the results.")] = Path(
        "diffir-demo"
    ),
    model: Annotated[
        str, typer.Option(help="A shipped model's name, or a weights file.")
    ] = DEFAULT_MODEL,
) -> None:
    """Restore the bundled sample and show what changed."""
    from diffir_core.checkpoint import load_model
    from diffir_core.demo import run_demo

    with ProgressBar() as show:
        result = run_demo(load_model(model), output, show)
    table = Table("", "PSNR (dB)", "SSIM")
    table.add_row("noisy", f"{result.noisy_psnr:.2f}", f"{result.noisy_ssim:.3f}")
    table.add_row(
        "restored", f"{result.restored_psnr:.2f}", f"{result.restored_ssim:.3f}"
    )
    Console().print(table)
    for line in (f"Restored stack: {result.stack}", f"Picture: {result.picture}"):
        Console(soft_wrap=True).print(line, markup=False)
