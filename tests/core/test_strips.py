"""Strips are exact: any size, any strip height, every architecture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import random_network

from diffir_core.engine.strips import StripRunner, pooled_features, total_work
from diffir_core.engine.tiling import cut_strips
from diffir_core.nn.padding import pad_to_multiple

ARCHITECTURES: list[dict[str, Any]] = [
    {},
    {"layer_norm": "BiasFree", "bias": True, "num_refinement_blocks": 0},
    {"architecture": "sr", "scale": 2},
    {"architecture": "sr", "scale": 1, "layer_norm": "BiasFree"},
    {"architecture": "sr", "scale": 4},
    {"architecture": "inpainting", "in_channels": 2, "num_refinement_blocks": 0},
]
NETWORKS = [random_network(**changes) for changes in ARCHITECTURES]


def run(network: Any, lq: torch.Tensor, rows: int | None) -> tuple[torch.Tensor, float]:
    work, done = StripRunner(rows).restore(network.G, lq, network.extract_ipr(lq)), 0.0
    while True:
        try:
            done += next(work)
        except StopIteration as finished:
            return finished.value, done


@settings(max_examples=40, deadline=None)
@given(
    which=st.integers(0, len(NETWORKS) - 1),
    height=st.integers(1, 70),
    width=st.integers(1, 50),
    rows=st.one_of(st.none(), st.integers(8, 80)),
    seed=st.integers(0, 99),
)
def test_strips_equal_the_network(
    which: int, height: int, width: int, rows: int | None, seed: int
) -> None:
    network = NETWORKS[which]
    config = network.config
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(1, config.in_channels, height, width, generator=generator)
    lq = pad_to_multiple(image, config)
    with torch.inference_mode():
        expected = network.G(lq, network.extract_ipr(lq))
        restored, done = run(network, lq, rows)
        part = F.pixel_unshuffle(lq, config.cpen_unshuffle)
        features = pooled_features(network.condition, part, rows)
        whole = network.condition.E(part).mean(dim=(-2, -1))
    assert float((restored - expected).abs().max()) < 1e-4 * float(expected.std())
    torch.testing.assert_close(features, whole, rtol=1e-4, atol=1e-6)
    assert done == pytest.approx(total_work(network.G, *lq.shape[-2:]))


def test_many_strips_of_a_larger_plane_leave_no_seam() -> None:
    network = NETWORKS[0]
    lq = torch.rand(1, 1, 512, 256, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = network.G(lq, network.extract_ipr(lq))
        errors = (run(network, lq, 16)[0] - expected)[0, 0].abs().numpy()
    assert errors.max() < 1e-5 * float(expected.std()) + 1e-5
    rows = np.arange(512)
    at_seams = np.isin(rows % 16, (0, 15))
    assert errors[at_seams].mean() < 3 * errors[~at_seams].mean() + 1e-7


@given(height=st.integers(1, 200), rows=st.integers(1, 60), halo=st.integers(0, 20))
def test_strips_partition_the_plane(height: int, rows: int, halo: int) -> None:
    covered: list[int] = []
    for strip in cut_strips(height, rows, halo):
        outer = list(range(height))[strip.outer]
        assert outer[strip.local] == list(range(height))[strip.inner]
        assert strip.outer.start in (0, strip.inner.start - halo)
        covered += range(height)[strip.inner]
    assert covered == list(range(height))
