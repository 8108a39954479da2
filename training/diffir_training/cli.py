"""`diffir train`: a command that the core's command line finds by its entry point."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml
from rich.console import Console

from diffir_core.errors import InputError

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

    recipe = Recipe.from_yaml(path)
    if not changes:
        return recipe
    values = recipe.model_dump(mode="json")
    for change in changes:
        _apply(values, change)
    return Recipe.parse(values)


def _apply(values: dict[str, Any], change: str) -> None:
    key, separator, text = change.partition("=")
    if not separator:
        raise InputError(f"'{change}' must look like key=value, such as seed=1.")
    *parents, last = key.split(".")
    target: Any = values
    try:
        for parent in parents:
            target = target[int(parent) if isinstance(target, list) else parent]
        target[int(last) if isinstance(target, list) else last] = yaml.safe_load(text)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise InputError(f"The recipe has no value '{key}' to set.") from error


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
