"""Every number of the official code, from its own checkpoint files."""

from __future__ import annotations

from pathlib import Path

import goldens
import pytest

from diffir_core import load_model
from diffir_core._unpickling import read_pickled
from diffir_core.config import PRESETS
from diffir_core.errors import CheckpointError
from diffir_core.nn import DiffIRS1, DiffIRS2


@pytest.mark.parametrize("folder", goldens.case_folders(), ids=lambda path: path.name)
def test_inference_and_training_match_the_official_numbers(folder: Path) -> None:
    case = goldens.load_case(folder)
    rows = [*goldens.inference_rows(case), *goldens.training_rows(case)]
    assert len(rows) >= 20
    assert [row for row in rows if not row.passed] == []
    steps = list(goldens.step_rows(case))
    assert len(steps) == (0 if case.inpainting else 8)
    assert [row for row in steps if not row.passed] == []


def test_schedules_match() -> None:
    rows = list(goldens.schedule_rows())
    assert len(rows) == 4
    assert all(row.passed for row in rows)


def test_learning_rates_in_force_match() -> None:
    rows = list(goldens.rate_rows())
    assert len(rows) == 9
    assert [row for row in rows if not row.passed] == []


def test_a_lightning_container_with_foreign_objects_gives_its_tensors() -> None:
    path = goldens.FOLDER / "inpainting" / "container_omegaconf.ckpt"
    assert len(read_pickled(path)["state_dict"]) == 43
    with pytest.raises(CheckpointError, match="no whole DiffIR network"):
        load_model(path)


@pytest.mark.parametrize(
    ("name", "stage1", "stage2", "keys1"),
    [
        ("deblur", 26_742_206, 26_911_934, 536),
        ("srgan-x4", 24_801_478, 24_971_206, 547),
        ("srgan-x2", 24_811_846, 24_981_574, 547),
        ("realsr-x1", 24_853_318, 25_023_046, 547),
        ("inpainting-celebahq", 26_232_746, 26_402_474, 237),
        ("inpainting-places2-big", 49_313_194, 49_482_922, 392),
    ],
)
def test_presets_have_the_released_sizes(
    name: str, stage1: int, stage2: int, keys1: int
) -> None:
    import torch

    with torch.device("meta"):
        first, second = DiffIRS1(PRESETS[name]), DiffIRS2(PRESETS[name])
    assert sum(p.numel() for p in first.parameters()) == stage1
    assert sum(p.numel() for p in second.parameters()) == stage2
    assert len(first.state_dict()) == keys1
