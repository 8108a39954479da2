"""The progress bars of the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

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


class BytesBar:
    """A line on stderr with bytes fetched and time left, in the terms of pooch."""

    def __enter__(self) -> Self:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        self._bar = Progress(
            TextColumn("fetched"),
            BarColumn(),
            DownloadColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._task = self._bar.add_task("fetched", total=None)
        self.total = 0
        """In bytes, which pooch sets when the server has told it."""
        self._bar.start()
        return self

    def update(self, count: int) -> None:
        """Move on by `count` bytes."""
        self._bar.update(self._task, total=self.total or None, advance=count)

    def reset(self) -> None:
        """Begin anew: pooch counts once more what it has."""
        self._bar.reset(self._task)

    def close(self) -> None:
        """Say that all is there."""

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
