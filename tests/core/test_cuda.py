"""What users run on a GPU gives what the CPU gives: `pytest -m gpu`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

import diffir_core as diffir
from diffir_core.model import Model
from diffir_core.samples import sample_path
from diffir_core.stacks.file_run import restore_file_steps

pytestmark = pytest.mark.gpu
WITHIN = 1e-3
"""Of the standard deviation of the result: far below the noise of any image."""


@pytest.fixture(scope="module")
def planes() -> np.ndarray:
    return tifffile.imread(sample_path("noisy"))[6:9, :200, :187].astype(np.float32)


def assert_same(on_gpu: np.ndarray, on_cpu: np.ndarray) -> None:
    assert on_gpu.shape == on_cpu.shape
    assert np.abs(on_gpu - on_cpu).max() < WITHIN * on_cpu.std()


@pytest.mark.parametrize("memory", [None, "300MB"])
@pytest.mark.parametrize("name", ["fluo-denoise", "fluo-denoise-large", "fluo-sr-x2"])
def test_shipped_models_restore_as_on_the_cpu(
    planes: np.ndarray, name: str, memory: str | None
) -> None:
    model = diffir.load_model(name)
    on_cpu = diffir.RestoreOptions(device="cpu")
    expected = diffir.restore(planes[0], model, axes="YX", options=on_cpu)
    options = diffir.RestoreOptions(device="cuda", memory=memory)
    restored = diffir.restore(planes[0], model, axes="YX", options=options)
    assert_same(restored, expected)


@pytest.mark.parametrize(
    "asked",
    [
        dict(steps=1),
        dict(ipr_scope="stack", attention_scope="stack"),
        dict(ipr_scope="region", region=(20, 90, 30, 100), strength=1.5),
        dict(tile=64),
    ],
)
def test_options_mean_what_they_mean_on_the_cpu(
    planes: np.ndarray, asked: dict[str, Any]
) -> None:
    model = diffir.load_model("fluo-denoise")
    each = [
        diffir.restore(
            planes,
            model,
            axes="ZYX",
            options=diffir.RestoreOptions(device=device, **asked),
        )
        for device in ("cuda", "cpu")
    ]
    assert_same(*each)


def test_a_file_is_restored_on_a_gpu(tmp_path: Path, tiny: Model) -> None:
    """Of 16 bits; a value may fall to either side of a half."""
    source, written = tmp_path / "raw.tif", []
    values = np.random.default_rng(0).poisson(60, (5, 90, 70)).astype(np.uint16)
    tifffile.imwrite(source, values, ome=True, metadata={"axes": "ZYX"})
    for device in ("cuda", "cpu"):
        output = tmp_path / f"{device}.ome.tif"
        options = diffir.RestoreOptions(device=device)
        for _ in restore_file_steps(source, output, tiny, options=options):
            pass
        written.append(tifffile.imread(output).astype(int))
    assert np.abs(written[0] - written[1]).max() <= 1


def test_samples_spread_as_on_the_cpu(planes: np.ndarray) -> None:
    """The noise that they begin with is drawn on the CPU."""
    model = diffir.load_model("fluo-denoise")
    spreads = []
    for device in ("cuda", "cpu"):
        options = diffir.RestoreOptions(device=device)
        _, deviation = diffir.restore_samples(
            planes[0], model, axes="YX", samples=3, kind="ipr", options=options
        )
        spreads.append(deviation)
    assert np.abs(spreads[0] - spreads[1]).max() < WITHIN * planes[0].std()
