"""Which of the models that a run has written restores best."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_diffir._run_folder import Measurement, measurements

_LAST, _BEST = "stage2.safetensors", "best.safetensors"


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A weights file of a run, and which of its models it is."""

    path: Path
    name: str
    """What it is called in a list of models."""
    description: str


def usable_model(folder: Path) -> TrainedModel | None:
    """Give the best model that restores images, if training has come so far.

    That is the best of the joint stage on held-back images. `best.safetensors` is
    renewed in every stage, and may still be that of an earlier one, whose network sees
    the clean image or was never trained to restore: then the last model is taken.
    """
    last, best = folder / _LAST, folder / _BEST
    if not last.is_file():
        return None
    marked = [one for one in measurements(folder) if one.is_best]
    if best.is_file() and marked and marked[-1].stage == "joint":
        return _best(folder, marked[-1])
    words = "the last model; none of its stage has been measured"
    return TrainedModel(last, f"{folder.name}: last", words)


def _best(folder: Path, measured: Measurement) -> TrainedModel:
    quality = f"step {measured.step} ({measured.psnr_db:.1f} dB)"
    name = f"{folder.name}: best, step {measured.step}"
    words = f"the best model of stage 2 on held-back images, of {quality}"
    return TrainedModel(folder / _BEST, name, words)
