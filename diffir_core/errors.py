"""What can go wrong through no fault of the program, and is the user's to mend."""

from __future__ import annotations


class DiffIRError(Exception):
    """Base of every error this package raises on purpose; its text is one sentence."""


class InputError(DiffIRError, ValueError):
    """A value that was given cannot be used: says the value, what was expected, why."""


class AxesNotSaidError(InputError):
    """A file does not say what its axes are, and they were not given."""

    def __init__(self, message: str, count: int = 0) -> None:
        super().__init__(message)
        self.count = count
        """How many there are."""


class CheckpointError(DiffIRError, ValueError):
    """A weights file is damaged, unsafe, unknown, or of the wrong stage."""


class StorageError(DiffIRError, OSError):
    """The disk did not take what was written; what was written before is safe."""


class OutputExistsError(DiffIRError, FileExistsError):
    """The output is already there and was not asked to be replaced."""
