"""`diffir train`: a command that the core's command line finds by its entry point."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from types import FrameType

    from diffir_training.logs import Event
    from diffir_training.recipe import Recipe
    from diffir_training.trainer import Trainer


def train(
    recipe: Annotated[Path, typer.Argument(help="The recipe, a YAML file.")],
    output: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the run; default runs/<name>, or that of a run's recipe."
        ),
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

    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    plan = load_recipe(recipe, set_ or [])
    folder = output or _folder(recipe, plan)
    if resume:
        _check_run(folder)
    trainer = Trainer(plan, folder, resume=resume)
    console.quiet = not trainer.devices.is_first
    stopped_by = _run(trainer, console)
    if stopped_by is not None:
        console.print(f"Stopped at step {trainer.step}; pass --resume to go on.")
        raise typer.Exit(128 + stopped_by)
    console.print(f"Trained: {trainer.result}")


def load_recipe(path: Path, changes: list[str]) -> Recipe:
    """Read a recipe and change some of its values, given as ``a.b=value``."""
    from diffir_training.recipe import Recipe

    return Recipe.from_yaml(path).changed(changes)


def _folder(path: Path, plan: Recipe) -> Path:
    """Give the folder of a run: that of the recipe, if a run has written it there.

    It may have ended before its first checkpoint; another run of its name is not meant.
    """
    from diffir_training.checking import is_of_a_run

    if is_of_a_run(path):
        return path.parent
    return Path("runs") / plan.name


def _check_run(folder: Path) -> None:
    """Refuse to resume what was never begun: another folder would be begun anew."""
    from diffir_core.errors import InputError
    from diffir_training.state import NAME

    if not (folder / NAME).exists():
        raise InputError(
            f"{folder} holds no checkpoint to go on from; name the run's folder by "
            "--output, or leave --resume out."
        )


def _run(trainer: Trainer, console: Console) -> int | None:
    """Train; give the signal that ended it with a checkpoint, or None at its end."""
    started_at = trainer.step
    with _signals() as received, closing(trainer.train()) as steps:
        for event in steps:
            if event is not None:
                console.print(_line(event, started_at))
            # All processes of a run must stop at the same step: they share its batch.
            elif (
                trainer.devices.sum(len(received)) > 0 and trainer.step < trainer.steps
            ):
                return next(iter(received), signal.SIGTERM)
    return None


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Collect the first Ctrl-C or request to end; a second one ends at once."""
    kinds = (signal.SIGINT, signal.SIGTERM)
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received  # Signals reach the main thread only.
        return

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)
        restore()

    def restore() -> None:
        for kind, handler in before.items():
            signal.signal(kind, handler)

    before = {kind: signal.signal(kind, note) for kind in kinds}
    try:
        yield received
    finally:
        restore()


def _line(event: Event, started_at: int) -> str:
    from diffir_training.logs import Validated

    if isinstance(event, Validated):
        best = "  best so far" if event.is_best else ""
        before = f" (input {event.input_psnr_db:.2f})"
        if isnan(event.input_psnr_db):  # An input of another size has none.
            before = ""
        return (
            f"{event.stage} {event.step}  PSNR {event.psnr_db:.2f} dB{before}  SSIM "
            f"{event.ssim:.4f}{best}"
        )
    rate = (event.step - started_at) / max(event.seconds, 1e-9)
    left = (event.steps - event.step) / max(rate, 1e-9) / 60
    return (
        f"{event.stage} {event.step}/{event.steps}  loss {event.loss:.4f}  "
        f"{rate:.2f} steps/s  {left:.0f} min left  data {event.waiting_percent:.1f} %"
    )
