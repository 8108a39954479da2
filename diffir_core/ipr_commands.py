"""The commands `diffir ipr extract | blend | show`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from diffir_core.models import DEFAULT_MODEL

app = typer.Typer(
    help="Extract, blend and show IR prior representations (IPRs).",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
IprFile = Annotated[Path, typer.Argument(help="An .ipr.json file.")]

Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace an existing .ipr.json.")
]


@app.command()
def extract(
    image: Annotated[Path, typer.Argument(help="TIFF, OME-TIFF or OME-Zarr.")],
    destination: Annotated[Path, typer.Argument(help="The .ipr.json to write.")],
    model: Annotated[str, typer.Option(help="A shipped name or a file.")] = (
        DEFAULT_MODEL
    ),
    axes: Annotated[str | None, typer.Option(help="Such as TZYX.")] = None,
    channel: Annotated[int | None, typer.Option(help="Counted from 0.")] = None,
    seed: Annotated[int, typer.Option(help="Of the start noise.")] = 0,
    steps: Annotated[int | None, typer.Option(help="Reverse steps, 1 to T.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Estimate the IPR of an image, or of all planes of a stack together."""
    from diffir_core.checkpoint import load_model
    from diffir_core.options import RestoreOptions
    from diffir_core.stacks.extracting import extract_ipr_of_file

    _check_place(destination, [image], overwrite=overwrite)
    options = RestoreOptions.parse(dict(seed=seed, steps=steps))
    found = extract_ipr_of_file(
        image, load_model(model), axes=axes, channel=channel, options=options
    )
    found.save(destination)
    Console(soft_wrap=True).print(
        f"{destination}: the IPR of {found.source}", highlight=False, markup=False
    )


@app.command()
def blend(
    first: IprFile,
    second: IprFile,
    destination: Annotated[Path, typer.Argument(help="The .ipr.json to write.")],
    weight: Annotated[
        float,
        typer.Option(help="0 is the first, 1 the second; others lie beyond them."),
    ] = 0.5,
    overwrite: Overwrite = False,
) -> None:
    """Write the IPR between two of the same model."""
    from diffir_core.ipr import IPR
    from diffir_core.ipr import blend as between

    _check_place(destination, [first, second], overwrite=overwrite)
    between(IPR.load(first), IPR.load(second), weight).save(destination)


@app.command()
def show(
    file: IprFile,
    model: Annotated[
        str | None, typer.Option(help="Its model, to say how unlike training it is.")
    ] = None,
) -> None:
    """Say what an IPR is, and with its model how unlike the training images."""
    from diffir_core.checkpoint import load_model
    from diffir_core.describing import describe_ipr
    from diffir_core.engine.checking import check_ipr
    from diffir_core.ipr import IPR
    from diffir_core.ipr_steering import ipr_distance

    text = describe_ipr(file)
    if model is not None:
        ipr, loaded = IPR.load(file), load_model(model)
        check_ipr(ipr, loaded)
        distance = ipr_distance(ipr, loaded)
        text += f"distance: {distance:.2f}  # About 1 is typical of training.\n"
    Console(soft_wrap=True).print(text, highlight=False, markup=False, end="")


def _check_place(
    destination: Path, sources: Sequence[Path], *, overwrite: bool
) -> None:
    """Refuse to write over images, the IPRs that are read, and what is there."""
    from diffir_core.errors import InputError, OutputExistsError
    from diffir_core.stacks.destination import check_apart

    check_apart(sources, destination)
    if not destination.name.lower().endswith(".json") or destination.is_dir():
        raise InputError(f"Cannot write {destination}; name a file .ipr.json.")
    if destination.exists() and not overwrite:
        raise OutputExistsError(
            f"{destination} is already there; choose another name or pass --overwrite."
        )
