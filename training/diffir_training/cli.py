"""`diffir train`: a command that the core's command line finds by its entry point."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from diffir_training.recipe import Recipe
    from diffir_training.trainer import Event


def train(
    recipe: Annotated[Path, typer.Argument(help="The recipe, a YAML file.")],
    output: Annotated[
        Path | None, typer.Option(help="Folder of the run; default runs/<name>.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a value: --set data.folder=/images"),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint.")
    ] = False,
) -> None:
    """Train a DiffIR in two stages."""
    from diffir_training.trainer import Trainer

    console = Console(stderr=True)
    plan = load_recipe(recipe, set_ or [])
    trainer = Trainer(plan, output or Path("runs") / plan.name, resume=resume)
    console.quiet = not trainer.devices.is_first
    started_at = trainer.step
    model = trainer.run(lambda event: console.print(_line(event, started_at)))
    console.print(f"Trained: {model}")


def load_recipe(path: Path, changes: list[str]) -> Recipe:
    """Read a recipe and change some of its values, given as ``a.b=value``."""
    from diffir_training.recipe import Recipe

    return Recipe.from_yaml(path).changed(changes)


def _line(event: Event, started_at: int) -> str:
    from diffir_training.logs import Validated

    if isinstance(event, Validated):
        best = "  best so far" if event.is_best else ""
        return (
            f"{event.stage} {event.step}  PSNR {event.psnr_db:.2f} dB (input "
            f"{event.input_psnr_db:.2f})  SSIM {event.ssim:.4f}{best}"
        )
    rate = (event.step - started_at) / max(event.seconds, 1e-9)
    left = (event.steps - event.step) / max(rate, 1e-9) / 60
    return (
        f"{event.stage} {event.step}/{event.steps}  loss {event.loss:.4f}  "
        f"{rate:.2f} steps/s  {left:.0f} min left  data {event.waiting_percent:.1f} %"
    )
