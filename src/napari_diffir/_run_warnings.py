"""When to warn about a training under way: it diverges, or it learns by heart."""

from __future__ import annotations

import math

from napari_diffir._run_folder import Points

_RECENT = 20
_FEW = 5
_LOSS_FACTOR = 3.0
_PSNR_DROP_DB = 0.5


def warning(losses: Points, psnrs_db: Points) -> str:
    """Give one sentence about what goes wrong in a stage; empty if nothing does.

    Both curves must be of one stage: another stage has another loss.
    """
    if _diverges(losses):
        return (
            "The loss has grown to more than three times its best: training diverges. "
            "Stop, and start anew with a lower learning rate or other images."
        )
    if _overfits(losses, psnrs_db):
        return (
            "The quality on held-back images falls while the loss still falls: the "
            "network learns your images by heart. Stop, or train with more images."
        )
    return ""


def _diverges(losses: Points) -> bool:
    recent = [loss for _, loss in losses[-_RECENT:]]
    if not recent:
        return False
    finite = [loss for loss in recent if math.isfinite(loss)]
    return len(finite) < len(recent) or recent[-1] > _LOSS_FACTOR * min(finite)


def _overfits(losses: Points, psnrs_db: Points) -> bool:
    if not psnrs_db:
        return False
    best_step, best_db = max(psnrs_db, key=lambda point: point[1])
    if best_db - psnrs_db[-1][1] <= _PSNR_DROP_DB:
        return False
    before = [loss for step, loss in losses if step <= best_step][-_FEW:]
    after = [loss for step, loss in losses if step > best_step][-_FEW:]
    return bool(before and after) and _mean(after) < _mean(before)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
