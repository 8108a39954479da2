"""The golden table: our networks against numbers of the official code.

    python benchmarks/goldens.py [FOLDER]

Prints, for every case and quantity, the worst deviation: of tensors in standard
deviations of the golden tensor, of losses and gradient norms relative to the golden
value, of our average in units in the last place. Exits with status 1 if any is above
its tolerance. The official float32 code itself differs from its float64 by up to 3e-5
standard deviations.

The gradient of an L1 loss jumps where a pixel crosses its target. One pixel of one
case lies so near that rounding decides its side; gradients are therefore taken at the
official output (its sign, our network), which the losses themselves are not.
"""

from __future__ import annotations

import argparse
import copy
import importlib.util
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from diffir_training.data import Batch
from diffir_training.ema import EMA
from diffir_training.losses import kd_kl, kd_l1, masked_l1, pixel_l1
from diffir_training.schedules import OFFICIAL_SCHEDULES
from diffir_training.stages import EstimationStage, JointStage
from torch import Tensor

from diffir_core import load_model
from diffir_core.nn import DiffIRS1, DiffIRS2, schedule_values

FOLDER = Path(__file__).parent.parent / "tests" / "data" / "goldens"
TENSOR_TOLERANCE, LOSS_TOLERANCE, GRADIENT_TOLERANCE = 1e-4, 1e-5, 1e-3
RATE_TOLERANCE = 1e-9
_NEGLIGIBLE_GRADIENT = 1e-7
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


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    case: str
    quantity: str
    deviation: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the deviation is within the tolerance."""
        return self.deviation <= self.tolerance


@dataclass(frozen=True, slots=True)
class Case:
    """Goldens of one network, and our networks loaded from its official files."""

    name: str
    folder: Path
    stage1: DiffIRS1
    stage2: DiffIRS2

    def arrays(self, file: str) -> dict[str, Tensor]:
        """Read `eval.npz` or `train.npz`."""
        with np.load(self.folder / file) as arrays:
            return {key: torch.from_numpy(arrays[key]) for key in arrays.files}

    @property
    def inpainting(self) -> bool:
        """Whether the network fills masked regions."""
        return self.stage1.config.architecture == "inpainting"


def case_folders(folder: Path = FOLDER) -> list[Path]:
    """List the folders of the cases."""
    return sorted(path.parent for path in folder.glob("*/manifest.json"))


def load_case(folder: Path) -> Case:
    """Rebuild the official checkpoint files of a case, and load them."""
    recipe = _recipe(folder.parent)
    with tempfile.TemporaryDirectory() as temporary:
        files = recipe.materialize(folder, temporary)
        models = [
            load_model(path).network
            for name, path in files.items()
            if "flat" not in name
        ]
    stage1, stage2 = sorted(models, key=lambda network: network.stage)
    return Case(folder.name, folder, stage1, stage2)


def _recipe(folder: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("recipe", folder / "recipe.py")
    module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    spec.loader.exec_module(module)  # type: ignore[union-attr]
    return module


def inference_rows(case: Case) -> Iterator[Row]:
    """Compare every intermediate of both stages, and padded inference."""
    golden = case.arrays("eval.npz")
    lq, gt, x_T = golden["lq"], golden["gt"], golden["s2_x_T"]
    with torch.no_grad():
        condition = case.stage2.extract_condition(lq)
        ours = {
            "s1_ipr": case.stage1.extract_ipr(lq, gt),
            "s1_out": case.stage1(lq, gt),
            "s2_cond": condition,
            "s2_x0": _x0_estimates(case.stage2, condition, x_T),
            "s2_chain": case.stage2.ipr_chain(lq, noise=x_T),
            "s2_ipr": case.stage2.extract_ipr(lq, noise=x_T),
            "s2_out": case.stage2(lq, noise=x_T),
            "pad_out": _padded(case, golden),
        }
        if case.inpainting:
            mask, image = golden["mask"], golden["gt"]
            for key in ("s1", "s2"):
                ours[f"{key}_inpainted"] = (
                    mask * ours[f"{key}_out"] + (1 - mask) * image
                )
    for key, value in ours.items():
        yield Row(case.name, key, deviation(value, golden[key]), TENSOR_TOLERANCE)


def _x0_estimates(network: DiffIRS2, condition: Tensor, x_T: Tensor) -> Tensor:
    estimates: list[Tensor] = []

    def estimate(t: int, x_t: Tensor) -> Tensor:
        estimates.append(network.denoise(condition, t, x_t))
        return estimates[-1]

    network.diffusion.reverse(estimate, x_T)
    return torch.stack(estimates)


def _padded(case: Case, golden: dict[str, Tensor]) -> Tensor:
    if case.inpainting:
        mask = (golden["pad_mask"] > 0).float()
        lq = torch.cat([golden["pad_image"] * (1 - mask), mask], dim=1)
    else:
        lq = golden["pad_lq"]
    ipr = case.stage2.extract_ipr(lq, noise=golden["pad_x_T"])
    return case.stage2.restore(lq, ipr)


def training_rows(case: Case) -> Iterator[Row]:
    """Compare forward passes, losses and all gradient norms of training."""
    golden = case.arrays("train.npz")
    values = json.loads((case.folder / "values.json").read_text())
    teacher, network = case.stage1, case.stage2
    lq, gt, target = golden["lq"], golden["gt"], golden["S1_IPR"]

    ipr = teacher.extract_ipr(lq, gt)
    restored = teacher(lq, gt)
    yield Row(case.name, "train s1_ipr", deviation(ipr, golden["s1_ipr"]), 1e-4)
    yield Row(case.name, "train s1_out", deviation(restored, golden["s1_out"]), 1e-4)
    yield from _loss_rows(
        case,
        "s1",
        teacher,
        {"l_pix": _pixel(case, restored, golden)},
        _pixel(case, _at(restored, golden["s1_out"]), golden),
        values["s1"],
    )

    x_T = network.diffusion.q_sample(target, golden["noise"])
    chain = network.reverse_chain(network.extract_condition(lq), x_T)
    found = deviation(chain, golden["pred_IPR_list"])
    yield Row(case.name, "train IPR chain", found, 1e-4)
    output = network.G(lq, chain[-1])
    yield Row(case.name, "train s2_out", deviation(output, golden["s2_out"]), 1e-4)
    distillation = kd_l1(target, chain[-1])
    divergence = kd_kl(target, chain[-1])
    pixel = _pixel(case, output, golden)
    joint = _pixel(case, _at(output, golden["s2_out"]), golden) + distillation
    for phase, losses, total in (
        ("s2_phase1", {"l_abs": distillation}, distillation),
        ("s2_phase2", {"l_pix": pixel, "l_abs": distillation}, joint),
        ("s2_kl_only", {"l_kd": divergence}, divergence),
    ):
        yield from _loss_rows(case, phase, network, losses, total, values[phase])


def _at(ours: Tensor, golden: Tensor) -> Tensor:
    """Give the golden values with the gradient of ours."""
    return ours + (golden - ours).detach()


def _pixel(case: Case, restored: Tensor, golden: dict[str, Tensor]) -> Tensor:
    if case.inpainting:
        return masked_l1(restored, golden["gt"], golden["mask"])
    return pixel_l1(restored, golden["gt"])


def _loss_rows(
    case: Case,
    phase: str,
    network: torch.nn.Module,
    losses: dict[str, Tensor],
    total: Tensor,
    golden: dict[str, Any],
) -> Iterator[Row]:
    for key, loss in losses.items():
        relative = abs(loss.item() - golden[key]) / abs(golden[key])
        yield Row(case.name, f"{phase} {key}", relative, LOSS_TOLERANCE)
    network.zero_grad(set_to_none=True)
    total.backward(retain_graph=True)
    worst = 0.0
    for name, parameter in network.named_parameters():
        expected = golden["grad_norm"][name]
        found = 0.0 if parameter.grad is None else float(parameter.grad.norm())
        scale = max(abs(expected or 0.0), _NEGLIGIBLE_GRADIENT)
        worst = max(worst, abs(found - (expected or 0.0)) / scale)
    yield Row(case.name, f"{phase} gradient norms", worst, GRADIENT_TOLERANCE)


def step_rows(case: Case) -> Iterator[Row]:
    """Take one optimiser step in each phase of stage 2, and compare what it changed.

    The official steps have fresh Adam moments (those of phase 1 are thrown away at the
    switch; so does our trainer, which builds one optimiser a stage) and an average
    that starts as a copy of the network. A whole official run starts it from other
    random weights instead, which is a bug that ours does not have.
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
    # The fixtures' RealSR steps were made with the intervals of the deblur options.
    joint = "sr" if case.name.startswith("srgan") else "deblur joint"
    name = "deblur estimation" if (phase, joint) == (1, "deblur joint") else joint
    step = golden["iter"] - (1 if name != "deblur joint" else golden["encoder_iter"])
    rate = OFFICIAL_SCHEDULES[name].rate(step)
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
    yield Row(case.name, f"{title} parameter changes", worst, GRADIENT_TOLERANCE)
    # One step moves the average by about one unit in the last place, so that its
    # norm is largely rounding: it is that of the official decay * a + (1 - decay) * p,
    # which moves even parameters that stand still. Ours interpolates, which does not,
    # and is held against the exact average.
    change = {k: _official_average(before[k], after[k]) - before[k] for k in before}
    worst = _worst_norm(change, golden["ema_delta_norm"])
    yield Row(case.name, f"{title} average changes", worst, GRADIENT_TOLERANCE)
    worst = max(
        _ulps_from_exact(a, before[k], after[k])
        for k, a in average.network.named_parameters()
    )
    yield Row(case.name, f"{title} our average, in ulps", worst, 1.0)


def _take_step(case: Case, stage: EstimationStage, rate: float) -> None:
    golden = case.arrays("train.npz")
    values = json.loads((case.folder / "values.json").read_text())
    noise = torch.Generator().manual_seed(values["torch_seed_train"])
    optimizer = torch.optim.Adam(stage.parameters(), lr=rate, betas=(0.9, 0.99))
    stage.loss(Batch(golden["lq"], golden["gt"]), noise).backward()
    optimizer.step()


def _official_average(average: Tensor, parameter: Tensor) -> Tensor:
    return torch.add(average * _EMA_DECAY, parameter, alpha=1 - _EMA_DECAY)


def _ulps_from_exact(ours: Tensor, before: Tensor, after: Tensor) -> float:
    exact = _official_average(before.double(), after.double()).numpy()
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


def schedule_rows(folder: Path = FOLDER) -> Iterator[Row]:
    """Compare the twelve buffers of every schedule."""
    golden = json.loads((folder / "schedules.json").read_text())["ddpm"]
    for title, buffers in golden.items():
        parts = dict(part.split("=") for part in title.split(","))
        ours = schedule_values(
            int(parts["T"]), float(parts["start"]), float(parts["end"])
        )
        worst = max(
            float((ours[key] - torch.tensor(value)).abs().max())
            for key, value in buffers.items()
            if key in ours
        )
        yield Row("schedule", title, worst, 1e-6)


def deviation(ours: Tensor, golden: Tensor) -> float:
    """Give the largest difference, in standard deviations of the golden tensor."""
    difference = (ours.detach() - golden).abs().max()
    return float(difference / golden.std())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER)
    folder = parser.parse_args().folder
    rows = [*schedule_rows(folder), *rate_rows(folder)]
    for path in case_folders(folder):
        case = load_case(path)
        rows += [*inference_rows(case), *training_rows(case), *step_rows(case)]
    print("| case | quantity | worst deviation | tolerance | |\n|---|---|---|---|---|")
    for row in rows:
        verdict = "ok" if row.passed else "FAILED"
        print(
            f"| {row.case} | {row.quantity} | {row.deviation:.1e} | "
            f"{row.tolerance:.0e} | {verdict} |"
        )
    sys.exit(0 if all(row.passed for row in rows) else 1)


if __name__ == "__main__":
    main()
