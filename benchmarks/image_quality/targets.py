"""What the shipped models are to reach, and whether they do."""

from __future__ import annotations

from collections.abc import Iterator

from image_quality.methods import NOISY, STABILISED_BM3D
from image_quality.running import Row
from image_quality.tables import Results, least_gain, markdown, mean

_GAIN_DB = 1.0
_LAG = 0.05


def target_table(results: Results, model: str) -> Iterator[str]:
    """Yield each target, what was measured, and whether that is enough."""
    return markdown(["target", "measured", "met"], _targets(results, model))


def _targets(results: Results, model: str) -> Iterator[list[str]]:
    everything = [row for rows in results.values() for row in rows]
    if rows := _compared(results.get("fmd mixed", [])):
        gain = _gain(rows, model, "psnr")
        yield _line("FMD mixed: PSNR over VST+BM3D, dB", gain, gain >= _GAIN_DB)
        least = min(_gain(own, model, "ssim") for own in _groups(rows))
        yield _line("FMD mixed: least SSIM over VST+BM3D", least, least > 0, 4)
    if rows := _compared(results.get("w2s", [])):
        gain = _gain(rows, model, "scale_invariant_psnr")
        yield _line("W2S: siPSNR over VST+BM3D, dB", gain, gain >= _GAIN_DB)
    least = least_gain(everything, model)
    yield _line("least gain over the input, any image, dB", least, least >= 0)
    for title, rows in results.items():
        if title.startswith(("w2s", "fmd")):
            lag, off = _lags(rows, model)
            name = f"{title}: residual lag 1 less that of the noise, mean"
            yield _line(name, lag, abs(lag) <= _LAG, 3)
            name = f"{title}: the same, greatest of any image"
            yield _line(name, off, abs(off) <= _LAG, 3)


def _line(name: str, value: float, is_met: bool, digits: int = 2) -> list[str]:
    return [name, f"{value:+.{digits}f}", "yes" if is_met else "no"]


def _compared(rows: list[Row]) -> list[Row]:
    return [row for row in rows if STABILISED_BM3D in row.scores]


def _groups(rows: list[Row]) -> Iterator[list[Row]]:
    for group in dict.fromkeys(row.group for row in rows):
        yield [row for row in rows if row.group == group]


def _gain(rows: list[Row], model: str, number: str) -> float:
    return mean(rows, model, number) - mean(rows, STABILISED_BM3D, number)


def _lags(rows: list[Row], model: str) -> tuple[float, float]:
    """Give the mean, and the greatest, difference from the noise's own at lag 1."""
    differences = [
        row.scores[model].residual_lag1 - row.scores[NOISY].residual_lag1
        for row in rows
    ]
    return sum(differences) / len(differences), max(differences, key=abs)
