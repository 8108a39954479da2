"""The official optimiser steps and learning rates, for the golden table."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffir_training.batches import Batch
from diffir_training.ema import EMA
from diffir_training.schedules import OFFICIAL_SCHEDULES
from diffir_training.stages import EstimationStage, JointStage
from golden_cases import FOLDER, Case, Row
from torch import Tensor

NORM_TOLERANCE, RATE_TOLERANCE = 1e-3, 1e-9
_NEGLIGIBLE_CHANGE = 1e-12
_EMA_DECAY = 0.999
_RATES = {
    "demotionblur_S1": "deblur stage 1",
    "sr_S1 (srgan & realsr)": "sr",
    "srgan_S2": "sr",
    "srgan_GAN_G": "srgan adversarial",
    "srgan_GAN_D": "srgan discriminator",
    "realsr_GAN_D": "realsr discriminator",
    "realsr_GAN_G": "realsr adversarial",
}
"""The official name of a schedule and ours; iteration i is step i - 1."""
_PHASED_RATES = {"demotionblur_S2": "deblur", "realsr_S2": "realsr"}
"""Those with two phases, of which the second begins at iteration 100,000."""
_PHASE_2_START = 100_000


def step_rows(case: Case) -> Iterator[Row]:
    """Take one optimiser step in each phase of stage 2, and compare what it changed.

    The official steps have fresh Adam moments (a whole run throws those of phase 1
    away at the switch, and so does ours: one optimiser a stage) and an average that
    starts as a copy of the network. A whole official run starts it from other random
    weights instead, which is a bug that ours does not have.

    The first step of Adam is the rate times the gradient's sign, whatever the betas
    (eps shows where the gradient is about 1e-8): the norms tell the rate, what moves,
    and where the gradient is zero. Its size is compared among the gradient norms.
    """
    values = json.loads((case.folder / "values.json").read_text())
    for phase, kind in ((1, EstimationStage), (2, JointStage)):
        name = f"official_step_phase{phase}"
        if name in values:  # The fixtures have none for inpainting.
            stage = kind(copy.deepcopy(case.stage1), copy.deepcopy(case.stage2))
            yield from _step_rows(case, phase, stage, values[name])


def _step_rows(
    case: Case, phase: int, stage: EstimationStage, golden: dict[str, Any]
) -> Iterator[Row]:
    rate = _step_rate(case, phase, golden)
    expected = golden["lr_e" if phase == 1 else "lr_g"]
    title = f"step in phase {phase}:"
    found = abs(rate - expected) / expected
    yield Row(case.name, f"{title} learning rate", found, RATE_TOLERANCE)

    before = {k: p.detach().clone() for k, p in stage.network.named_parameters()}
    average = EMA(stage.network, _EMA_DECAY)
    average.updates = golden["iter"]  # Long after the warm-up, which is ours alone.
    _take_step(case, stage, rate)
    average.update(stage.network)
    after = {k: p.detach() for k, p in stage.network.named_parameters()}

    change = {k: after[k] - before[k] for k in before}
    worst = _worst_norm(change, golden["param_delta_norm"])
    yield Row(case.name, f"{title} parameter changes", worst, NORM_TOLERANCE)
    # One step moves the average by about one unit in the last place, so that its
    # norm is largely rounding: it is that of the official decay * a + (1 - decay) * p,
    # which moves even parameters that stand still. Ours interpolates, which does not,
    # and is held against the exact average.
    change = {k: _official_average(before[k], after[k]) - before[k] for k in before}
    worst = _worst_norm(change, golden["ema_delta_norm"])
    yield Row(case.name, f"{title} average changes", worst, NORM_TOLERANCE)
    worst = max(
        _ulps_from_exact(a, before[k], after[k])
        for k, a in average.network.named_parameters()
    )
    yield Row(case.name, f"{title} our average, in ulps", worst, 1.0)


def _step_rate(case: Case, phase: int, golden: dict[str, Any]) -> float:
    if case.name.startswith("srgan"):  # Has one schedule, whatever the phase.
        return OFFICIAL_SCHEDULES["sr"].rate(golden["iter"] - 1)
    # The fixtures' RealSR steps were made with the intervals of the deblur options.
    if phase == 1:
        return OFFICIAL_SCHEDULES["deblur estimation"].rate(golden["iter"] - 1)
    step = golden["iter"] - golden["encoder_iter"]
    return OFFICIAL_SCHEDULES["deblur joint"].rate(step)


def _take_step(case: Case, stage: EstimationStage, rate: float) -> None:
    golden = case.arrays("train.npz")
    values = json.loads((case.folder / "values.json").read_text())
    generator = torch.Generator().manual_seed(values["torch_seed_train"])
    noise = torch.randn(golden["S1_IPR"].shape, generator=generator)
    optimizer = torch.optim.Adam(stage.parameters(), lr=rate, betas=(0.9, 0.99))
    stage.loss(Batch(golden["lq"], golden["gt"]), noise).backward()
    optimizer.step()


def _official_average(average: Tensor, parameter: Tensor) -> Tensor:
    """Scale and round, then multiply and add in one rounding: on any processor."""
    share = float(np.float32(1 - _EMA_DECAY))
    return ((average * _EMA_DECAY).double() + parameter.double() * share).float()


def _ulps_from_exact(ours: Tensor, before: Tensor, after: Tensor) -> float:
    """Give the largest distance to the exact average in units in the last place."""
    exact = before.double().lerp(after.double(), 1 - _EMA_DECAY).numpy()
    unit = np.spacing(torch.maximum(before.abs(), after.abs()).numpy())
    return float((np.abs(ours.numpy() - exact) / unit).max())


def _worst_norm(ours: dict[str, Tensor], golden: dict[str, float]) -> float:
    """Give the largest relative deviation; what must not move may not at all."""
    return max(
        abs(float(ours[key].norm()) - norm) / max(norm, _NEGLIGIBLE_CHANGE)
        for key, norm in golden.items()
    )


def rate_rows(folder: Path = FOLDER) -> Iterator[Row]:
    """Compare the learning rates in force at the fixtures' iterations."""
    golden = json.loads((folder / "schedules.json").read_text())["lr"]
    for title, rates in golden.items():
        worst = max(
            abs(_rate(title, int(iteration), value) / _value(value) - 1)
            for iteration, value in rates.items()
        )
        yield Row("learning rate", title, worst, RATE_TOLERANCE)


def _value(entry: float | dict[str, float]) -> float:
    return entry["lr"] if isinstance(entry, dict) else entry


def _rate(title: str, iteration: int, entry: float | dict[str, float]) -> float:
    if not isinstance(entry, dict):
        return OFFICIAL_SCHEDULES[_RATES[title]].rate(iteration - 1)
    if entry["phase"] == 1:
        name, step = "estimation", iteration - 1
    else:
        name, step = "joint", iteration - _PHASE_2_START
    return OFFICIAL_SCHEDULES[f"{_PHASED_RATES[title]} {name}"].rate(step)
