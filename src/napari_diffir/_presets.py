"""Choices by name: how long to train, how large a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Sections = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Network:
    """A network to train, and its cost."""

    parameters: int
    """Of the stage-2 model, which restores."""
    relative_cost: float
    """Time of a training step, against that of the small network."""
    config: Sections
    """Of a new network."""
    trained: str | None = None
    """The shipped model that is trained on, where the network is not a new one."""


NETWORKS = {
    "fluo-denoise, trained on": Network(3_290_651, 1.0, {}, "fluo-denoise"),
    "em-denoise, trained on": Network(3_290_651, 1.0, {}, "em-denoise"),
    "small, new": Network(
        3_290_651,
        1.0,
        dict(
            dim=16,
            num_blocks=(1, 2, 3, 3),
            num_refinement_blocks=1,
            n_encoder_res=2,
        ),
    ),
    "medium, new": Network(
        6_731_114,
        2.3,
        dict(
            dim=24,
            num_blocks=(2, 3, 4, 4),
            num_refinement_blocks=2,
            n_encoder_res=3,
        ),
    ),
    "full, new": Network(26_890_910, 8.8, dict(dim=48)),
}
"""By name; the small one is that of the shipped models, the full one of the paper."""

GENTLER = 0.5
"""Learning rates of a network that is trained on, against those of a new one."""


@dataclass(frozen=True, slots=True)
class Preset:
    """How long to train, and how often to look."""

    duration: str
    stages: tuple[Sections, ...]
    log_steps: int
    validation: Sections
    checkpoint_steps: int


def _stage(
    kind: str, steps: int, size: int, batch: int, rate: float, last: float = 1e-6
) -> Sections:
    return dict(
        kind=kind,
        steps=steps,
        patch_size=size,
        batch=batch,
        learning_rate=rate,
        final_learning_rate=last,
    )


_GROWING = ((192, 8), (256, 4), (320, 2), (384, 2), (464, 1), (512, 1))


def _growing(kind: str, steps: tuple[int, ...]) -> tuple[Sections, ...]:
    """Give stages whose patches grow and whose rate falls from 2e-4 to 1e-6."""
    rates = (2e-4, 1.7e-4, 1.3e-4, 9e-5, 5e-5, 2e-5, 1e-6)
    return tuple(
        _stage(kind, count, size, batch, rate, last)
        for count, (size, batch), rate, last in zip(
            steps, _GROWING, rates[:-1], rates[1:], strict=True
        )
    )


PRESETS = {
    "quick": Preset(
        "minutes; to see whether it works",
        (
            _stage("ground_truth", 300, 64, 4, 8e-4),
            _stage("estimation", 150, 64, 4, 4e-4),
            _stage("joint", 450, 64, 4, 4e-4),
        ),
        log_steps=10,
        validation=dict(steps=50, patches=4),
        checkpoint_steps=100,
    ),
    "standard": Preset(
        "hours; as the shipped model was made",
        (
            _stage("ground_truth", 2500, 64, 4, 8e-4),
            _stage("estimation", 1200, 64, 8, 4e-4),
            _stage("joint", 4500, 64, 4, 4e-4),
            _stage("joint", 5000, 96, 2, 3e-4),
        ),
        log_steps=25,
        validation=dict(steps=250, patches=8),
        checkpoint_steps=250,
    ),
    "paper": Preset(
        "days on a large GPU; steps and patches as published",
        (
            *_growing("ground_truth", (92_000, 80_000, 38_000, 33_000, 33_000, 24_000)),
            _stage("estimation", 100_000, 192, 8, 2e-4, 2e-6),
            *_growing("joint", (50_000, 60_000, 50_000, 60_000, 40_000, 40_000)),
        ),
        log_steps=100,
        validation=dict(steps=2000),
        checkpoint_steps=1000,
    ),
}
"""By name; the paper's schedule is that of its deblurring release, for one GPU."""
