"""The commands `diffir models | download | info | convert | export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from diffir_core.model import Model


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


def download(
    address: Annotated[
        str,
        typer.Argument(help="https:, http:, ftp: or doi:DOI/FILE of a weights file."),
    ],
    sha256: Annotated[
        str, typer.Option(help="The file's SHA-256, as its authors state it.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(help="The file to write, or its folder; by default, this folder."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace another file of that name.")
    ] = False,
) -> None:
    """Fetch a model, and keep it if it is the very file that was meant."""
    from diffir_core._progress_bar import BytesBar
    from diffir_core.downloading import download_model

    with BytesBar() as bar:
        model = download_model(
            address, sha256, output, overwrite=overwrite, progress=bar
        )
    _say_written(model.source, f"{model.config.task}, stage {model.stage}", model)


def info(
    file: Annotated[
        Path,
        typer.Argument(
            help="A model (file or shipped name), IPR, options, recipe or image."
        ),
    ],
) -> None:
    """Say what a file is."""
    from diffir_core.describing import describe

    Console(soft_wrap=True).print(describe(file), highlight=False, markup=False)


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
    _say_written(destination, f"{model.config.task}, stage {model.stage}", model)


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
    _say_written(destination, f"bioimage.io package of {loaded.name}", loaded)


def _say_written(place: str | Path, what: str, model: Model) -> None:
    Console(soft_wrap=True).print(
        f"{place}: {what}, fingerprint {model.fingerprint[:12]}",
        highlight=False,
        markup=False,
    )
