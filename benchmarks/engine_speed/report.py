"""What `engine.py` has found, as tables and a plot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from schemes import table as scheme_table


def table(found: dict[str, Any]) -> str:
    """Give the report as Markdown."""
    about = found["machine"]
    lines = [
        f"{about['processor']}, device {about['device']}, {about['threads']} threads, "
        f"PyTorch {about['torch']}, kernels '{about['kernels']}', "
        f"{about['precision']}; 3x3 convolution "
        f"{about['convolution_gflops']:.0f} GFLOP/s, matrix product "
        f"{about['matrix_gflops']:.0f} GFLOP/s.",
        "",
        "| network | pixels a side | plain, s | engine, s | times as fast (range) | "
        "of convolution peak | µs a pixel |",
        "|---|---|---|---|---|---|---|",
        *(time_row(row) for row in found["time"]),
    ]
    if found["memory"]:
        lines += [
            "",
            "| network | pixels a side | plain, MB a megapixel | engine | times less |",
            "|---|---|---|---|---|",
            *(memory_row(row) for row in found["memory"]),
        ]
    if "schemes" in found:
        lines += ["", scheme_table(found["schemes"])]
    if "official" in found:
        case = found["official"]
        lines += [
            "",
            f"Official code, {case['size']} pixels: {case['ratio']:.1f} times.",
        ]
    return "\n".join(lines)


def time_row(row: dict[str, Any]) -> str:
    """Give a row of the table of times."""
    ratio, plain = "-", "-"
    if "ratio" in row:
        low, high = row["ratio_range"]
        ratio, plain = (
            f"**{row['ratio']:.1f}** ({low:.1f}-{high:.1f}, {row['pairs']} pairs)",
            f"{row['plain_seconds']:.2f}",
        )
    return (
        f"| {row['network']} | {row['size']} | {plain} | "
        f"{row['engine_seconds']:.2f} | {ratio} | "
        f"{row['share_of_convolution_peak']:.0%} | "
        f"{row['microseconds_per_pixel']:.1f} |"
    )


def memory_row(row: dict[str, Any]) -> str:
    """Give a row of the table of memory."""
    return (
        f"| {row['network']} | {row['size']} | {row['plain']:.0f} | "
        f"{row['engine']:.0f} | {row['plain'] / row['engine']:.1f} |"
    )


def plot(found: dict[str, Any], path: Path) -> None:
    """Draw the ratios and the cost a pixel."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    rows = [row for row in found["time"] if "ratio" in row]
    labels = [f"{row['network']} {row['size']}²" for row in rows]
    left.barh(range(len(rows)), [row["ratio"] for row in rows], color="#3b7ea1")
    left.axvline(1, color="black", linewidth=0.8)
    left.set_yticks(range(len(rows)), labels, fontsize=8)
    left.invert_yaxis()
    left.set_xlabel("times as fast as the plain network")
    for name in dict.fromkeys(row["network"] for row in found["time"]):
        own = [row for row in found["time"] if row["network"] == name]
        x = [row["size"] ** 2 / 1e6 for row in own]
        y = [row["microseconds_per_pixel"] for row in own]
        right.plot(x, y, "o-", markersize=4, label=name)
    right.set(
        xscale="log",
        yscale="log",
        xlabel="megapixels of input",
        ylabel="µs a pixel (flat: cost is linear)",
    )
    right.legend(fontsize=7)
    figure.savefig(path, dpi=150)
