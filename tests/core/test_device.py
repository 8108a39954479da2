"""Devices and precisions; tests that need a GPU are marked."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import diffir_core as diffir
from diffir_core.engine import device as device_module
from diffir_core.engine.device import choose_device, full_float32
from diffir_core.model import Model


def test_tf32_is_off_within_and_as_before_after() -> None:
    backends = torch.backends.cudnn, torch.backends.cuda.matmul
    before = [backend.allow_tf32 for backend in backends]
    with full_float32(torch.device("cuda")):
        assert not any(backend.allow_tf32 for backend in backends)
    assert [backend.allow_tf32 for backend in backends] == before
    with full_float32(torch.device("cpu")):
        assert [backend.allow_tf32 for backend in backends] == before


def test_a_device_is_chosen_with_a_reason() -> None:
    chosen = choose_device("auto")
    assert chosen.reason
    assert chosen.device.type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert choose_device("cpu").reason == "asked for"
    with pytest.raises(diffir.errors.InputError, match="'cuda:99'"):
        choose_device("cuda:99")


def test_a_gpu_without_memory_is_left_alone_or_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As far as can be seen without one; a first call of CUDA fails so."""
    full = RuntimeError("CUDA error: out of memory")

    def fail(*_: object, **__: object) -> None:
        raise full

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(device_module, "_products_per_second", fail)
    chosen = choose_device("auto")
    assert chosen.device.type == "cpu"
    assert "no memory left" in chosen.reason
    monkeypatch.setattr(torch, "empty", fail)
    with pytest.raises(diffir.errors.InputError, match="'cuda' has no memory left"):
        choose_device("cuda")


@pytest.mark.gpu
@pytest.mark.parametrize("kernels", ["torch", "compiled"])
def test_cuda_equals_the_cpu(tiny: Model, kernels: str) -> None:
    image = np.random.default_rng(0).poisson(60, (310, 275)).astype(np.float32)
    on_cpu = diffir.RestoreOptions(device="cpu")
    expected = diffir.restore(image, tiny, axes="YX", options=on_cpu)
    for memory in (None, "200MB"):
        options = diffir.RestoreOptions(device="cuda", kernels=kernels, memory=memory)
        restored = diffir.restore(image, tiny, axes="YX", options=options)
        assert np.abs(restored - expected).max() < 1e-4 * expected.std()


@pytest.mark.gpu
def test_bfloat16_on_cuda_says_how_near_it_is(identity: Model) -> None:
    image = np.random.default_rng(0).poisson(60, (310, 275)).astype(np.float32)
    options = diffir.RestoreOptions(device="cuda", exactness="fast")
    _, report = diffir.restore(
        image, identity, axes="YX", options=options, return_report=True
    )
    assert report.device == "cuda"
    assert report.precision == "float32" or report.precision_psnr_db >= 60
