"""Restoring stacks to disk on a worker's thread; the news go to the viewer's."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffir_core.engine.workers import PauseSwitch
from diffir_core.options import RestoreOptions
from diffir_core.stacks.ordering import NearestFirst
from napari_diffir._scripting import Failure
from napari_diffir._stack_inputs import StackInput, opened
from napari_diffir._wording import told

if TYPE_CHECKING:
    from diffir_core.model import Model
    from diffir_core.report import RestoreReport
    from diffir_core.stacks.progress import RestoreProgress


@dataclass(frozen=True, slots=True)
class StackTask:
    """A stack, and where it goes."""

    source: StackInput
    destination: Path

    @property
    def name(self) -> str:
        """How a person knows it."""
        if isinstance(self.source, Path):
            return self.source.name
        return self.source.metadata.name


@dataclass(frozen=True, slots=True)
class StackRequest:
    """What is to be done, all under the same model and options."""

    tasks: tuple[StackTask, ...]
    model: str
    axes: str | None = None
    """None is what each file says."""
    options: RestoreOptions = field(default_factory=RestoreOptions)
    overwrite: bool = False
    resume: bool = False
    model_fingerprint: str | None = None
    """Of the job that was loaded, if one was: no other weights are taken."""
    folder: Path | None = None
    """That holds the stacks, where they were chosen by their folder."""


@dataclass(frozen=True, slots=True)
class TaskMoved:
    """A task is so far."""

    number: int
    progress: RestoreProgress
    limits: tuple[float, float]
    """Contrast limits that suit the input."""


@dataclass(frozen=True, slots=True)
class TaskEnded:
    """A task is done, or has failed with an error."""

    number: int
    end: RestoreReport | Exception | None
    """None: its file was restored before, with others of its set."""


News = TaskMoved | TaskEnded


class StackControl:
    """What two threads share of a run; every part may be used from either."""

    def __init__(self) -> None:
        self.switch, self.order = PauseSwitch(), NearestFirst()
        self.news: deque[News] = deque()


def stack_steps(
    request: StackRequest, control: StackControl
) -> Generator[None, None, Failure | None]:
    """Restore one stack after the other; what goes wrong with one is told in the news.

    Closing stops within a tile; what is restored is kept and can be completed. Gives a
    failure only if nothing could be begun.
    """
    from diffir_core.checkpoint import load_model
    from diffir_core.stacks.jobs import check_fingerprint

    try:
        model = load_model(request.model)
        check_fingerprint(model, request.model_fingerprint)
    except Exception as error:
        return Failure(error)
    done: set[Path] = set()
    for number, task in enumerate(request.tasks):
        end: Any = None
        if not (isinstance(task.source, Path) and task.source.resolve() in done):
            done |= _files_of(task.source)
            try:
                end = yield from _steps(request, number, model, control)
            except Exception as error:
                end = told(error)
        control.news.append(TaskEnded(number, end))
    return None


def _files_of(source: StackInput) -> set[Path]:
    """Give the files that are restored with this one."""
    from diffir_core.stacks.folders import with_siblings

    return with_siblings(source) if isinstance(source, Path) else set()


def _steps(
    request: StackRequest, number: int, model: Model, control: StackControl
) -> Generator[None, None, RestoreReport]:
    from diffir_core.stacks.file_run import restore_file_steps

    task = request.tasks[number]
    if request.folder is not None:
        task.destination.parent.mkdir(exist_ok=True)
    limits = _contrast_limits(task.source, request.axes)
    steps = restore_file_steps(
        opened(task.source),
        task.destination,
        model,
        axes=request.axes,
        options=request.options,
        overwrite=request.overwrite,
        resume=request.resume,
        order=control.order,
        switch=control.switch,
    )
    try:
        while True:
            try:
                progress = next(steps)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            control.news.append(TaskMoved(number, progress, limits))
            yield
    finally:
        steps.close()


def _contrast_limits(stack: StackInput, axes: str | None) -> tuple[float, float]:
    from diffir_core.stacks.source import open_source
    from napari_diffir._opening import contrast_limits

    source = open_source(stack, axes) if isinstance(stack, Path) else stack.open()
    try:
        return contrast_limits(source)
    finally:
        source.close()
