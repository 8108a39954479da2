"""Does the IPR pay? Real images restored under their own IPR and under others.

    python benchmarks/ipr_honesty.py [--model fluo-denoise] [--data DIR] [--limit 5]
        [--stage1 FILE]

On `--limit` images of each real set, evenly spread, PSNR in dB:

- `own`: the IPR that the model estimates from the image, with all T steps.
- `T = 1 ..`: the same with fewer reverse steps.
- `mean`: the mean of the IPRs of the set's images.
- `other set`: the IPR of an image of another set, a wrong one.
- `zero`: 256 zeros.
- `reference`: what stage 1 makes of noisy image and reference together, which is what
  stage 2 tries to estimate; with `--stage1`, the stage-1 file of the same training.

The last column says how far apart the IPRs of two sets are: the length of their mean
difference over the mean length of an IPR.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from image_quality.pairs import RANGE, Image, Pair, check_data, default_data, spread
from image_quality.sets import IPR_SETS, SETS
from image_quality.tables import markdown

import diffir_core as diffir
from diffir_core import metrics


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """An image and the IPR the model estimates from it."""

    pair: Pair
    ipr: diffir.IPR


def main() -> None:
    """Restore under each IPR and print the table as Markdown."""
    options = _options()
    model = diffir.load_model(options.model)
    stage1 = diffir.load_model(options.stage1) if options.stage1 else None
    known = {
        title: [
            Known(pair, diffir.extract_ipr(pair.noisy, model, axes="YX"))
            for pair in spread(SETS[title](options.data), options.limit)
        ]
        for title in IPR_SETS
    }
    rows = []
    for title, others in _with_other_sets(known):
        found = [
            _psnrs(one, known[title], others[i % len(others)], model, stage1)
            for i, one in enumerate(known[title])
        ]
        head = ["set", "images", *found[0], "difference of IPRs"]
        cells = [f"{np.mean([f[name] for f in found]):.2f}" for name in found[0]]
        apart = f"{_difference(known[title], others):.2f}"
        rows.append([title, str(len(found)), *cells, apart])
    for line in markdown(head, rows):
        print(line)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="fluo-denoise")
    parser.add_argument("--data", type=Path, default=default_data())
    parser.add_argument("--limit", type=int, default=5, help="images of each set")
    parser.add_argument("--stage1", type=Path, help="of the same training")
    options = parser.parse_args()
    check_data(options.data)
    return options


def _with_other_sets(
    known: dict[str, list[Known]],
) -> Iterator[tuple[str, list[Known]]]:
    """Give each set with the next one, the last with the first."""
    titles = list(known)
    for title, other in zip(titles, titles[1:] + titles[:1], strict=True):
        yield title, known[other]


def _psnrs(
    one: Known,
    own_set: list[Known],
    other: Known,
    model: diffir.Model,
    stage1: diffir.Model | None,
) -> dict[str, float]:
    """Give the PSNR of an image under each IPR."""
    pair, given = one.pair, {"own": one.ipr}
    given["mean"] = _of(np.mean([k.ipr.vector for k in own_set], axis=0), model)
    given["other set"] = other.ipr
    given["zero"] = _of(np.zeros_like(one.ipr.vector), model)
    if stage1 is not None:
        given["reference"] = diffir.reference_ipr(
            pair.noisy, pair.reference, model, stage1
        )
    found = {name: _psnr(pair, model, ipr=ipr) for name, ipr in given.items()}
    for steps in range(1, model.config.timesteps):
        found[f"T = {steps}"] = _psnr(pair, model, steps=steps)
    return {"noisy": _score(pair.noisy, pair), **found}


def _of(vector: Image, model: diffir.Model) -> diffir.IPR:
    return diffir.IPR(np.asarray(vector, np.float32), model.fingerprint)


def _psnr(pair: Pair, model: diffir.Model, **options: object) -> float:
    """Restore without rounding, so that small differences show."""
    chosen = diffir.RestoreOptions.parse(dict(output_dtype="float32", **options))
    restored = diffir.restore(pair.noisy, model, axes="YX", options=chosen)
    return _score(restored, pair)


def _score(image: Image, pair: Pair) -> float:
    return metrics.psnr(image, pair.reference, RANGE)


def _difference(some: list[Known], others: list[Known]) -> float:
    own, other = (np.stack([k.ipr.vector for k in known]) for known in (some, others))
    apart = np.linalg.norm(own.mean(axis=0) - other.mean(axis=0))
    return float(apart / np.linalg.norm(own, axis=1).mean())


if __name__ == "__main__":
    main()
