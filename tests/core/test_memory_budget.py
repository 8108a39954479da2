"""A budget that one plane fits is enough for any number of planes, and samples."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

import diffir_core as diffir
from diffir_core import RestoreOptions
from diffir_core.engine.restorer import Restorer
from diffir_core.engine.storage import FileStore
from diffir_core.errors import InputError, StorageError
from diffir_core.stacks.estimating import estimate
from diffir_core.stacks.source import ArraySource


@pytest.fixture(scope="module")
def model() -> diffir.Model:
    return diffir.load_model("fluo-denoise")


def photons(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).poisson(50, shape).astype(np.uint16)


def test_many_planes_need_no_more_than_their_budget(model: diffir.Model) -> None:
    stack, tight = photons(20, 64, 64), RestoreOptions(memory="40MB")
    restored, report = diffir.restore(
        stack, model, axes="ZYX", options=tight, return_report=True
    )
    assert report.predicted_peak_bytes is not None
    assert report.predicted_peak_bytes < 40e6
    assert report.temporary_file_bytes == 0
    roomy = diffir.restore(stack, model, axes="ZYX")
    assert np.abs(restored.astype(int) - roomy).max() <= 1
    with pytest.raises(InputError, match="A plane of 64 x 64 needs at least"):
        diffir.restore(stack, model, axes="ZYX", options=RestoreOptions(memory="9MB"))


def test_what_is_estimated_is_what_is_restored(model: diffir.Model) -> None:
    stack, options = photons(3, 40, 44), RestoreOptions(memory="45MB")
    diffir.restore(stack, model, axes="ZYX", options=options)
    found = estimate(ArraySource(stack, "ZYX"), model, options=options)
    assert found.planes == 3
    assert found.temporary_file_bytes == 0


def test_samples_keep_the_budget(
    model: diffir.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    plane, sizes = photons(64, 64), []
    original = Restorer.restore

    def watched(self: Restorer, jobs: list, **more: bool) -> object:
        sizes.append(len(jobs))
        return original(self, jobs, **more)

    monkeypatch.setattr(Restorer, "restore", watched)
    results = [
        diffir.restore_samples(
            plane, model, axes="YX", samples=12, options=RestoreOptions(memory=memory)
        )
        for memory in ("40MB", "8GB")
    ]
    assert max(sizes) == 12
    assert 1 < sizes[2] < 12
    for tight, roomy in zip(*results, strict=True):
        assert np.abs(tight - roomy).max() < 1e-2


def test_a_full_disk_of_temporary_files_is_named(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    store = FileStore(tmp_path)
    kept = store.allocate((64, 64, 8))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    rows, columns, tile = slice(0, 64), slice(0, 64), torch.ones(64, 64, 8)
    said = f"{re.escape(str(tmp_path))} could not be kept .*TMPDIR"
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(StorageError, match=said):
            kept.write(rows, columns, tile)
        with pytest.raises(StorageError, match=said):
            store.allocate((64, 64, 8))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    kept.write(rows, columns, tile)
    kept.read(rows, columns, found := torch.zeros(64, 64, 8))
    assert torch.equal(found, tile)
