"""Sharpening and super-resolution of clean images that are spoiled as in training.

    python benchmarks/sharpness.py --task {deblur,sr} --model NAME_OR_PATH ...
        [--data DIR] [--json FILE] [--limit N] [--figure FILE]

Images and levels are described in `image_quality/blurred.py`. For `deblur`, models are
compared with the degraded image, with Wiener's filter and Richardson-Lucy, which are
told the true PSF, with `fluo-denoise`, which does not sharpen, and with Richardson-Lucy
after it. Balance and iterations are those with the best mean PSNR for such a PSF and
exposure: oracles, because without the clean images nobody knows them. For `sr`, models
are compared with cubic interpolation of the image as it is, and denoised.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from image_quality.blurred import LEVELS, Task, blurred_images
from image_quality.methods import check_names
from image_quality.pairs import check_data, default_data
from image_quality.sharpening import (
    INPUT,
    Sharpener,
    SharpRow,
    baselines,
    best_settings,
    of_model,
    score_row,
    with_oracles,
)
from image_quality.sharpness_figure import draw_sharpness
from image_quality.sharpness_tables import sharpness_table, worse_table

import diffir_core as diffir


def main() -> None:
    """Score, print tables as Markdown, draw the figure."""
    options = _options()
    models = _models(options.model, options.task)
    others = baselines(options.task)
    methods = list({method.name: method for method in (*others, *models)}.values())
    check_names(model.name for model in models)
    images = blurred_images(options.data, options.task, options.limit)
    tried = [score_row(image, methods) for image in images]
    if not tried:
        sys.exit(f"No clean images at {options.data / 'clean'}.")
    best = best_settings(tried, methods)
    rows = with_oracles(tried, best)
    _say(f"Means over {len({row.name for row in rows})} images", sharpness_table(rows))
    if options.task == "deblur":
        _say("Settings of the oracles", _chosen(best))
    for model in models:
        table = worse_table(rows, model.name, INPUT[options.task])
        _say(f"{model.name} against its input", table)
    if options.json:
        options.json.write_text(_as_json(rows), encoding="utf-8")
    if options.figure:
        draw_sharpness(options.figure, options.data, options.task, others, models)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", choices=LEVELS, required=True)
    parser.add_argument("--model", nargs="+", required=True)
    parser.add_argument("--data", type=Path, default=default_data())
    parser.add_argument("--json", type=Path)
    parser.add_argument("--limit", type=int, help="images, evenly spread")
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    check_data(options.data)
    return options


def _models(names: list[str], task: Task) -> list[Sharpener]:
    loaded = [diffir.load_model(name) for name in names]
    factor = LEVELS[task][0].binning
    for model in loaded:
        if model.config.scale != factor:
            sys.exit(
                f"{model.name} enlarges by {model.config.scale}; for the task {task} "
                f"name models that enlarge by {factor}."
            )
    return [of_model(model) for model in loaded]


def _chosen(best: dict[str, list[Sharpener]]) -> Iterator[str]:
    for exposure, methods in best.items():
        names = (method.name for method in methods if method.oracle)
        yield f"- {exposure}: {'; '.join(names)}"


def _say(title: str, lines: Iterable[str]) -> None:
    print(f"\n{title}\n")
    for line in lines:
        print(line)


def _as_json(rows: list[SharpRow]) -> str:
    values = [asdict(row) | {"title": row.level.title} for row in rows]
    return json.dumps(values, indent=1) + "\n"


if __name__ == "__main__":
    main()
