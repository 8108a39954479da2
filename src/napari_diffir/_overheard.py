"""What training warns of while it runs: on a command line a line, here a value."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class _Listener(logging.Handler):
    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        self._tell(record.getMessage())


@contextmanager
def overheard(package: str, tell: Callable[[str], None]) -> Iterator[None]:
    """Tell each warning that modules of a package log, in whichever thread."""
    logger, listener = logging.getLogger(package), _Listener(tell)
    logger.addHandler(listener)
    try:
        yield
    finally:
        logger.removeHandler(listener)
