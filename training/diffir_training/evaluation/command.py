"""`diffir evaluate`: found by the core's command line by its entry point."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from functools import partial
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from diffir_core.errors import InputError, OutputExistsError
from diffir_core.models import DEFAULT_MODEL

if TYPE_CHECKING:
    from diffir_core.model import Model
    from diffir_training.evaluation import Evaluated, Quality
    from diffir_training.images import Partners

_COLUMNS = (
    ("PSNR", "psnr", "{:.2f}"),
    ("siPSNR", "scale_invariant_psnr", "{:.2f}"),
    ("SSIM", "ssim", "{:.3f}"),
    ("riSSIM", "range_invariant_ssim", "{:.3f}"),
    ("gain", "gain_error", "{:+.3f}"),
    ("lag 1", "residual_lag1", "{:+.3f}"),
)
_SCORES = {"model", "fingerprint", "images", "mean"}
"""What a file of scores says."""
_LEGEND = (
    "PSNR in dB, siPSNR after the best gain and offset; SSIM, riSSIM after background "
    "and gain; gain: error of the contrast; lag 1: autocorrelation of what was "
    "removed, beside that of the noise."
)


def evaluate(
    model: Annotated[
        str, typer.Option(help="A shipped model's name, or a weights file.")
    ] = DEFAULT_MODEL,
    noisy: Annotated[
        Path | None, typer.Option(help="Folder of noisy images, or one image.")
    ] = None,
    clean: Annotated[
        Path | None,
        typer.Option(help="Folder of references of the same names, or one image."),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(help="A CSV instead: columns noisy, clean, and gain, offset."),
    ] = None,
    axes: Annotated[
        str | None, typer.Option(help="One letter a dimension, such as TZYX.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, mps")] = "auto",
    json_: Annotated[
        Path | None, typer.Option("--json", help="Write all numbers here, a .json.")
    ] = None,
) -> None:
    """Restore noisy images that have references, and say how near they come."""
    from diffir_core._whole_files import write_whole
    from diffir_core.checkpoint import load_model
    from diffir_core.options import RestoreOptions
    from diffir_core.stacks.destination import check_apart
    from diffir_training.evaluation import evaluate_partners, find_partners

    _check_destination(json_)
    partners = find_partners(noisy, clean, table)
    if json_ is not None:
        check_apart(_inputs(partners, table), json_)
        _check_replaced(json_)
    loaded = load_model(model)
    options = RestoreOptions.parse(dict(device=device))
    one_by_one = evaluate_partners(partners, loaded, axes=axes, options=options)
    found = list(_with_progress(one_by_one, len(partners)))
    _print_table(found)
    if json_ is not None:
        values = json.dumps(_as_json(loaded, found), indent=1)
        write_whole(json_, f"{values}\n".encode())


def _check_destination(path: Path | None) -> None:
    """Say before minutes of work that its result could not be written."""
    if path is None:
        return
    if path.suffix.lower() != ".json":
        raise InputError(f"The numbers cannot go to '{path}'; name it .json.")
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file.")
    if not path.absolute().parent.is_dir():
        raise InputError(f"There is no folder {path.parent}; create it first.")
    if not os.access(path.absolute().parent, os.W_OK):
        raise InputError(
            f"Nothing can be written to {path.parent}; name a file in another folder."
        )


def _check_replaced(path: Path) -> None:
    """Refuse to replace a file that holds no earlier scores, such as an IPR."""
    if not path.exists():
        return
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):  # ValueError: no JSON, or no text at all.
        found = None
    if not isinstance(found, dict) or not found.keys() >= _SCORES:
        raise OutputExistsError(
            f"{path} is already there and holds no scores of an evaluation; choose "
            "another name."
        )


def _inputs(partners: list[Partners], table: Path | None) -> Iterator[Path]:
    for one in partners:
        yield from (one.noisy, one.clean)
    if table is not None:
        yield table


def _with_progress(found: Iterable[Evaluated], count: int) -> Iterable[Evaluated]:
    from rich.progress import track

    console = Console(stderr=True)
    quiet = not console.is_terminal
    return track(found, "images", count, console=console, disable=quiet)


def _print_table(found: list[Evaluated]) -> None:
    from diffir_training.evaluation import mean_quality

    table = Table("image", "", *(title for title, _, _ in _COLUMNS), box=None)
    for one in found:
        _add_rows(table, one.partners.noisy.name, one.given, one.restored)
    if len(found) > 1:
        given = mean_quality([one.given for one in found])
        restored = mean_quality([one.restored for one in found])
        _add_rows(table, f"mean of {len(found)}", given, restored)
    Console().print(table)
    say = partial(Console(soft_wrap=True).print, highlight=False, markup=False)
    say(_LEGEND)
    if others := [one for one in found if one.is_in_other_units]:
        say(_other_units(others, len(found)))


def _other_units(others: list[Evaluated], count: int) -> str:
    """Say that numbers compare counts with something else."""
    name = others[0].partners.clean.name
    which = name if count == 1 else f"{len(others)} of {count} references, as {name},"
    verb = "is" if len(others) == 1 else "are"
    return (
        f"Warning: {which} {verb} in other units than the noisy image: PSNR, SSIM and "
        "gain say nothing then, siPSNR and riSSIM do. Give gain and offset of the "
        "reference in a --table of pairs."
    )


def _add_rows(table: Table, name: str, given: Quality, restored: Quality) -> None:
    for title, which, quality in ((name, "input", given), ("", "restored", restored)):
        cells = [style.format(getattr(quality, key)) for _, key, style in _COLUMNS]
        table.add_row(Text(title), which, *cells)  # Names have brackets at times.


def _as_json(model: Model, found: list[Evaluated]) -> dict[str, Any]:
    from diffir_training.evaluation import mean_quality

    return {
        "model": model.name,
        "fingerprint": model.fingerprint,
        "images": [
            {
                "noisy": str(one.partners.noisy),
                "clean": str(one.partners.clean),
                "data_range": one.data_range,
                "input": _numbers(one.given),
                "restored": _numbers(one.restored),
            }
            for one in found
        ],
        "mean": {
            "input": _numbers(mean_quality([one.given for one in found])),
            "restored": _numbers(mean_quality([one.restored for one in found])),
        },
    }


def _numbers(quality: Quality) -> dict[str, float | None]:
    """Give plain values; JSON has no infinity, which is the PSNR of equal images."""
    values = asdict(quality).items()
    return {name: value if isfinite(value) else None for name, value in values}
