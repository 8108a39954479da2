"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from image_quality.methods import NOISY
from image_quality.running import Row

Results = dict[str, list[Row]]
_COLUMNS = (
    ("PSNR, dB", "psnr", "{:.2f}"),
    ("siPSNR, dB", "scale_invariant_psnr", "{:.2f}"),
    ("SSIM", "ssim", "{:.3f}"),
    ("riSSIM", "range_invariant_ssim", "{:.3f}"),
    ("gain error", "gain_error", "{:+.3f}"),
    ("bias, counts", "bias", "{:.2f}"),
    ("residual lag 1", "residual_lag1", "{:+.3f}"),
    ("lag 2", "residual_lag2", "{:+.3f}"),
)


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table."""
    yield f"| {' | '.join(head)} |"
    yield "|---" * len(head) + "|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def mean(rows: Iterable[Row], method: str, number: str) -> float:
    """Average a number over images."""
    return float(np.mean([getattr(row.scores[method], number) for row in rows]))


def least_gain(rows: Iterable[Row], method: str, number: str = "psnr") -> float:
    """Give the smallest gain over the noisy input on any image."""
    return min(
        getattr(row.scores[method], number) - getattr(row.scores[NOISY], number)
        for row in rows
    )


def main_table(results: Results) -> Iterator[str]:
    """Yield all numbers, a line for each set and method; means over the images."""
    head = ["set", "images", "method", *(title for title, _, _ in _COLUMNS)]
    return markdown([*head, "least gain, dB"], _main_rows(results))


def _main_rows(results: Results) -> Iterator[list[str]]:
    for title, rows in results.items():
        for method in rows[0].scores:
            cells = [
                style.format(mean(rows, method, number))
                for _, number, style in _COLUMNS
            ]
            least = f"{least_gain(rows, method):+.2f}"
            yield [title, str(len(rows)), method, *cells, least]


def group_table(rows: list[Row], method: str, baseline: str) -> Iterator[str]:
    """Yield PSNR and SSIM of a method and a baseline, by configuration."""
    head = ["configuration", NOISY, baseline, method, "gain over baseline"]
    return markdown(head, _group_rows(rows, method, baseline))


def _group_rows(rows: list[Row], method: str, baseline: str) -> Iterator[list[str]]:
    for group in dict.fromkeys(row.group for row in rows):
        own = [row for row in rows if row.group == group]
        cells = [
            f"{mean(own, m, 'psnr'):.2f} dB / {mean(own, m, 'ssim'):.3f}"
            for m in (NOISY, baseline, method)
        ]
        psnr, ssim = (
            mean(own, method, number) - mean(own, baseline, number)
            for number in ("psnr", "ssim")
        )
        yield [group, *cells, f"{psnr:+.2f} dB / {ssim:+.3f}"]
