"""The command line: `diffir`."""

from __future__ import annotations

import sys
from functools import partial
from importlib.metadata import entry_points

import typer
from rich.console import Console

from diffir_core._stopping import exit_status
from diffir_core.errors import DiffIRError
from diffir_core.ipr_commands import app as ipr_app
from diffir_core.model_commands import convert, download, export, info, models
from diffir_core.restore_commands import demo, estimate, restore

app = typer.Typer(
    help="DiffIR image restoration for microscopy.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for _command in (restore, estimate, models, download, info, convert, export, demo):
    app.command()(_command)
app.add_typer(ipr_app, name="ipr")


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
