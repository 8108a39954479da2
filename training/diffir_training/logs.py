"""What a run writes down about itself: CSV always, TensorBoard if it is there."""

from __future__ import annotations

import csv
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StepDone:
    """Some steps of training have been taken."""

    stage: str
    step: int
    """Steps done in all stages together."""
    steps: int
    loss: float
    """Mean since the last report."""
    learning_rate: float
    seconds: float
    """Since this process began to train."""
    waiting_percent: float
    """Share of the time, since the last report, that was spent waiting for data."""


@dataclass(frozen=True, slots=True)
class Validated:
    """The averaged network has been measured on held-back patches."""

    stage: str
    step: int
    psnr_db: float
    ssim: float
    input_psnr_db: float
    is_best: bool


Event = StepDone | Validated


class RunLog:
    """Appends to `log.csv` and `validation.csv` of a run."""

    def __init__(self, folder: Path, *, tensorboard: bool) -> None:
        self._folder = folder
        self._board: Any = _board(folder) if tensorboard else None

    def step(self, done: StepDone) -> None:
        """Write a line about the loss."""
        values = asdict(done)
        del values["steps"]
        _append(self._folder / "log.csv", values)
        self._plot({"loss": done.loss, "learning rate": done.learning_rate}, done.step)

    def validated(self, quality: Validated) -> None:
        """Write a line about the quality."""
        _append(self._folder / "validation.csv", asdict(quality))
        self._plot({"PSNR, dB": quality.psnr_db, "SSIM": quality.ssim}, quality.step)

    def _plot(self, values: dict[str, float], step: int) -> None:
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Write what is left."""
        if self._board is not None:
            self._board.close()


def _board(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        logger.warning("TensorBoard is not installed; log.csv has the same values.")
        return None
    return SummaryWriter(folder / "tensorboard")


def _append(path: Path, values: dict[str, Any]) -> None:
    last = _last_byte(path)
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if last not in (b"", b"\n"):
            # A line that a kill tore must not swallow the first of the resumed run.
            file.write("\r\n")
        if not last:
            writer.writerow(values)
        writer.writerow(
            f"{value:.6g}" if isinstance(value, float) else value
            for value in values.values()
        )


def _last_byte(path: Path) -> bytes:
    """Give the last byte of a file; nothing if it is empty or not there."""
    if not path.exists():
        return b""
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - 1, 0))
        return file.read()
