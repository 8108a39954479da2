"""Image quality on real pairs, of DiffIR models and of what one would use instead.

    python benchmarks/quality.py [--model fluo-denoise ...] [--rival NAME=FILE ...]
        [--data DIR] [--sets ...] [--json FILE] [--figure FILE] [--scores FILE]
        [--limit N] [--float32]

Models give the type of the image, which rounds their results; `--float32` scores them
once more as they are, as the other methods are.

Sets are described in `image_quality/sets.py`, methods in `image_quality/classical.py`,
`stabilised_bm3d.py` and `noise2void.py`. BM3D needs what is in
`requirements-quality.txt`, Noise2Void `requirements-noise2void.txt`; what is not
installed is left out. Everything that is scored is written to the file `--scores` at
once and not computed again, so that a run may be stopped and go on.

Rivals, a CARE-style U-Net and the DIRformer without its IPR, are what
`train_rival.py` has trained.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from image_quality.figure import draw
from image_quality.methods import (
    NOISY,
    STABILISED_BM3D,
    Method,
    check_names,
    classical_methods,
    of_model,
    of_rival,
)
from image_quality.pairs import check_data, default_data, spread
from image_quality.running import ScoreFile, score_set
from image_quality.sets import SETS
from image_quality.single_frames import single_frame_table
from image_quality.tables import Results, group_table, main_table
from image_quality.targets import target_table
from image_quality.without_reference import (
    empty_table,
    flicker_table,
    resolution_table,
)
from image_quality.yardsticks import yardstick_table


def main() -> None:
    """Score, print tables as Markdown, draw the figure."""
    options = _options()
    methods, models = _methods(
        options.model, options.methods, unrounded=options.float32
    )
    methods += [of_rival(name, path) for name, path in options.rival]
    check_names(method.name for method in methods)
    file = ScoreFile(options.scores)
    results: Results = {}
    for title in options.sets:
        pairs = spread(SETS[title](options.data), options.limit)
        if pairs:
            results[title] = score_set(title, pairs, methods, file)
        else:
            print(f"{title} is left out: there are no images of it.")
    if options.json:
        options.json.write_text(_as_json(results), encoding="utf-8")
    _say("Quality", main_table(results))
    for model in models:
        _say_about(model, results)
    blind = [method for method in methods if not method.is_oracle]
    _say("The frames of FMD themselves", single_frame_table(options.data))
    _say("Published yardsticks", yardstick_table())
    _say("Empty fields: spread / false structure", empty_table(blind, file))
    _say("Repeated frames", resolution_table(blind, options.data, file))
    for name in options.model:
        _say("Flicker over the input's", flicker_table(name, options.data))
    if options.figure:
        draw(options.figure, blind, options.data)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", nargs="+", default=["fluo-denoise"])
    parser.add_argument(
        "--rival", nargs="+", type=_named_file, default=[], metavar="NAME=FILE"
    )
    parser.add_argument(
        "--float32", action="store_true", help="models once more, not rounded"
    )
    parser.add_argument("--data", type=Path, default=default_data())
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--methods", nargs="+", help="besides models; default all")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--scores", type=Path, default=Path("quality-scores.jsonl"))
    parser.add_argument("--limit", type=int, help="pairs of a set, evenly spread")
    options = parser.parse_args()
    check_data(options.data)
    return options


def _named_file(text: str) -> tuple[str, Path]:
    name, separator, path = text.partition("=")
    if not (name and separator and path):
        raise argparse.ArgumentTypeError(f"'{text}' must look like NAME=FILE")
    return name, Path(path)


def _methods(
    names: list[str], asked: list[str] | None, *, unrounded: bool
) -> tuple[list[Method], list[str]]:
    """Give what can be compared, and the names of the models among it."""
    dtypes = (None, "float32") if unrounded else (None,)
    models = [of_model(name, dtype) for name in names for dtype in dtypes]
    wanted = [
        method
        for method in classical_methods()
        if asked is None or method.name in (NOISY, *asked)
    ]
    for method in wanted:
        if not method.is_here:
            print(f"{method.name} is left out: '{method.needs}' is not installed.")
    here = [method for method in wanted if method.is_here]
    return [*here, *models], [model.name for model in models]


def _say_about(model: str, results: Results) -> None:
    mixed = results.get("fmd mixed", [])
    if mixed and STABILISED_BM3D in mixed[0].scores:
        _say("FMD mixed", group_table(mixed, model, STABILISED_BM3D))
    _say(f"Targets, {model}", target_table(results, model))


def _say(title: str, lines: Iterable[str]) -> None:
    print(f"\n{title}\n")
    for line in lines:
        print(line)


def _as_json(results: Results) -> str:
    values = {title: [asdict(row) for row in rows] for title, rows in results.items()}
    return json.dumps(values, indent=1) + "\n"


if __name__ == "__main__":
    main()
