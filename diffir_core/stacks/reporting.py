"""What a run reports when it is done."""

from __future__ import annotations

import platform
import time
from typing import Any

import numpy as np
import torch

from diffir_core._version import package_version
from diffir_core.engine.panels import HALO
from diffir_core.report import FEW_LEVELS, MappingReport, RestoreReport
from diffir_core.stacks.ledger import Ledger
from diffir_core.stacks.statistics import StackStatistics, mean_norm
from diffir_core.stacks.units import decode_vector
from diffir_core.stacks.work import StackWork


class Timing:
    """Seconds of a run, and how many of them the device had to wait."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self.first_pass_seconds = 0.0
        self._waited = 0.0

    def first_pass_done(self) -> None:
        """Note the end of the first pass."""
        self.first_pass_seconds = self.seconds

    def waited(self, seconds: float) -> None:
        """Note how long nothing was there to restore, or no room for a result."""
        self._waited += seconds

    @property
    def seconds(self) -> float:
        """Give the seconds so far."""
        return time.monotonic() - self._started

    @property
    def wait_share(self) -> float:
        """Give the share of the time after the first pass that the device waited."""
        streaming = self.seconds - self.first_pass_seconds
        return min(1.0, self._waited / streaming) if streaming > 0 else 0.0


def versions() -> dict[str, str]:
    """Give the versions that a result may depend on."""
    return {
        "napari-diffir": package_version(),
        "torch": str(torch.__version__),  # Not every build is known to pip.
        "python": platform.python_version(),
    }


def report_of(
    work: StackWork,
    ledger: Ledger,
    statistics: StackStatistics,
    timing: Timing,
    *,
    was_here: bool = True,
) -> RestoreReport:
    """Sum a run up; of a resumed one, with the units that were there before.

    `was_here` is whether this process restored the planes.
    """
    restorer, records = work.restorer, ledger.done.values()
    iprs = [s.ipr.vector for s in statistics.shared.values() if s.ipr]
    iprs += [decode_vector(text) for record in records for text in record.iprs]
    plan = restorer.last_plan
    return RestoreReport(
        device=str(restorer.device),
        device_reason=restorer.device_reason,
        precision=restorer.precision.name,
        precision_reason=restorer.precision.reason,
        precision_psnr_db=restorer.precision_psnr_db,
        kernels=restorer.streams.name,
        model_name=restorer.model.name,
        model_fingerprint=restorer.model.fingerprint,
        planes=len(work.restored_planes),
        tiles=sum(record.tiles for record in records),
        halo=HALO,
        seconds=round(timing.seconds, 3),
        first_pass_seconds=round(timing.first_pass_seconds, 3),
        device_wait_share=round(timing.wait_share, 4) if was_here else None,
        predicted_peak_bytes=plan.peak_bytes if plan and was_here else None,
        temporary_file_bytes=plan.file_bytes if plan else 0,
        clipped_values=sum(record.clipped for record in records),
        output_dtype=str(work.dtype),
        rounded_to_levels=_few_levels(work.dtype, statistics),
        mappings=tuple(
            MappingReport(channel=channel or 0, **m.to_dict())
            for channel, m in statistics.mappings.items()
        ),
        seed=restorer.options.seed,
        ipr_source="given" if restorer.options.ipr else restorer.options.ipr_scope,
        ipr_mean_norm=mean_norm(iprs),
        versions=versions(),
        **dict(restorer.settled),
        options=restorer.options.model_dump(mode="json"),
    )


def _few_levels(dtype: np.dtype[Any], statistics: StackStatistics) -> int | None:
    """Give the levels of the channel with fewest, if the result is rounded to few."""
    if dtype.kind not in "iu" or not statistics.mappings:
        return None
    least = min(abs(mapping.scale) for mapping in statistics.mappings.values())
    return int(least) if least < FEW_LEVELS else None
