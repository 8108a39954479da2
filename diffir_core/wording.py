"""Reports and estimates in words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from diffir_core.ipr_steering import strength_warning
from diffir_core.report import RestoreReport, rounding_sentence

if TYPE_CHECKING:
    from diffir_core.stacks.estimating import Estimate


def report_line(destination: Path, report: RestoreReport) -> str:
    """Say in a sentence what a run has done."""
    line = (
        f"{destination}: {_count(report.planes)} in {report.seconds:.1f} s on "
        f"{report.device}, {report.clipped_values} values clipped to "
        f"{report.output_dtype}"
    )
    share = report.device_wait_share
    waited = "" if share is None else f", the device waited {share:.1%} of the time"
    said = f"{line}{waited}.{rounding_sentence(report.rounded_to_levels)}"
    return f"{said} {_warning(report)}".rstrip()


def _warning(report: RestoreReport) -> str:
    strength = report.options.get("strength")
    return strength_warning(strength) if isinstance(strength, float) else ""


def _count(planes: int) -> str:
    return "1 plane" if planes == 1 else f"{planes} planes"


def estimate_lines(found: Estimate) -> list[tuple[str, str]]:
    """Give an estimate as names and values to be read."""
    lines = [
        ("planes", str(found.planes)),
        ("tiles", str(found.tiles)),
        ("time", _duration(found.seconds)),
        ("main memory", _size(found.memory_bytes)),
        ("GPU memory", _size(found.device_memory_bytes)),
        ("temporary files", _size(found.temporary_file_bytes)),
        ("input", _size(found.input_bytes)),
        ("output", f"about {_size(found.output_bytes)}"),
    ]
    if found.free_disk_bytes is not None:
        fits = "" if found.fits else " - too little"
        lines.append(("free disk", _size(found.free_disk_bytes) + fits))
    return [*lines, ("device", found.device)]


def _size(count: int) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count / 1e3:.3g} kB" if count else "none"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
