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
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from diffir_training.losses import kd_kl, kd_l1, masked_l1, pixel_l1
from golden_cases import FOLDER, Case, Row, case_folders, load_case
from golden_steps import rate_rows, step_rows
from torch import Tensor

from diffir_core.nn import DiffIRS2, schedule_values

TENSOR_TOLERANCE, LOSS_TOLERANCE, GRADIENT_TOLERANCE = 1e-4, 1e-5, 1e-3
_NEGLIGIBLE_GRADIENT = 1e-7


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
