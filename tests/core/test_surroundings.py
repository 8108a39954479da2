"""What others have set in torch, for the process or around a call, changes nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from networks import random_network, save_tiny

import diffir_core as diffir
from diffir_core.engine import workers
from diffir_core.engine.restorer import Restorer
from diffir_core.engine.selftest import native_agrees
from diffir_core.errors import InputError
from diffir_core.model import Model

IMAGE = np.random.default_rng(0).poisson(60, (40, 52)).astype(np.float32)


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@pytest.mark.parametrize("kernels", ["auto", "torch"])
@pytest.mark.parametrize(
    "around",
    [
        partial(default_dtype, torch.float16),
        partial(default_dtype, torch.bfloat16),
        partial(default_dtype, torch.float64),
        partial(torch.device, "meta"),
    ],
    ids=["float16", "bfloat16", "float64", "meta"],
)
def test_defaults_of_torch_do_not_matter(
    tiny: Model, tiny_file: Path, tmp_path: Path, kernels: str, around: Any
) -> None:
    options = diffir.RestoreOptions(kernels=kernels)
    expected, report = diffir.restore(
        IMAGE, tiny, axes="YX", options=options, return_report=True
    )
    native_agrees.cache_clear()  # As in a process that begins with that default.
    with around():
        model = diffir.load_model(tiny_file)
        restored, again = diffir.restore(
            IMAGE, model, axes="YX", options=options, return_report=True
        )
        diffir.save_model(tmp_path / "again.safetensors", model.network)
    assert np.array_equal(restored, expected)
    assert again.kernels == report.kernels
    assert diffir.load_model(tmp_path / "again.safetensors").fingerprint == (
        tiny.fingerprint
    )


def test_autocast_around_a_call_does_not_matter(tiny: Model, tmp_path: Path) -> None:
    save_tiny(tmp_path, "first", stage=1)
    first = diffir.load_model(tmp_path / "first.safetensors")

    def results() -> list[np.ndarray]:
        restored = diffir.restore(IMAGE, tiny, axes="YX")
        ipr = diffir.extract_ipr(IMAGE, tiny, axes="YX")
        reference = diffir.reference_ipr(IMAGE, IMAGE, tiny, first)
        state = diffir.freeze(IMAGE, tiny, axes="YX")
        rendered = diffir.render(IMAGE, tiny, state)
        return [restored, ipr.vector, reference.vector, rendered]

    expected = results()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = results()
    for a, b in zip(found, expected, strict=True):
        assert np.array_equal(a, b)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64], ids=str)
def test_weights_that_are_not_float32_are_refused(
    tiny: Model, dtype: torch.dtype
) -> None:
    network = random_network().to(dtype)
    model = Model(network, network.config, None, tiny.fingerprint, "converted")
    with pytest.raises(InputError, match=f"'converted' has become {dtype}"):
        diffir.restore(IMAGE, model, axes="YX")


def test_threads_that_start_elsewhere_do_not_make_a_run_single(
    tiny: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Torch's number of threads is 1 for the whole process while a pool starts."""
    plain, starting = workers._become_single, threading.Event()

    def slowly(everyone: threading.Barrier) -> None:
        plain(everyone)
        starting.set()
        time.sleep(0.5)

    before = torch.get_num_threads()
    torch.set_num_threads(3)
    monkeypatch.setattr(workers, "_become_single", slowly)
    try:
        with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as other:
            first = one.submit(Restorer, tiny, diffir.RestoreOptions())
            assert starting.wait(60)
            second = other.submit(Restorer, tiny, diffir.RestoreOptions())
            counts = [made.result().workers.count for made in (first, second)]
            assert counts == [3, 3]
            assert other.submit(torch.get_num_threads).result() == 3
    finally:
        torch.set_num_threads(before)
