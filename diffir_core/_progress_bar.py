"""The progress bar of the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from diffir_core.stacks.progress import RestoreProgress


class ProgressBar:
    """A line on stderr with planes done and time left."""

    def __enter__(self) -> Any:
        from rich.console import Console
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
