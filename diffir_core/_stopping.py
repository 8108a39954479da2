"""How a command ends that is told to: by Ctrl-C, or by SIGTERM."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_INTERRUPTED = 130
_TERMINATED = 143


class Terminated(KeyboardInterrupt):
    """SIGTERM, as of `kill`, `scancel` or a time limit; whatever stops, stops so."""


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM end what is inside as Ctrl-C does, so that it is tidied up."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Signals reach the main thread only.
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def _terminate(number: int, _: Any) -> None:
    signal.signal(number, signal.SIG_IGN)  # Once is enough: tidying up has begun.
    raise Terminated


def exit_status(interrupt: KeyboardInterrupt) -> int:
    """Give the exit status that the shell has for what ended a command."""
    return _TERMINATED if isinstance(interrupt, Terminated) else _INTERRUPTED
