"""The page of a package: its model's card, and what differs from our engine."""

from __future__ import annotations

from diffir_core.card import ModelCard
from diffir_core.config import ModelConfig
from diffir_core.intensity import IntensityOptions
from diffir_core.stacks.extremes import MOST

_NOTHING = "Not stated."
_PAGE = """\
# {title}

{description}

## Training data

{training_data}

Degradation in training: {degradation}

## Intended use

{intended_use}

## Limitations

{limitations}

## Input and output

The input is a raw image, planes of {channels}; height and width are multiples of
{multiple}. The first steps of the package map, plane by plane, the percentiles {low:g}
and {high:g} of the raw values to 0 and 1, and clip at -{most:g} and {most:g}.
**The output is in these units**{size}. The format has no step that maps back; do it
with the percentiles of the same raw plane:

```python
low, high = numpy.percentile(raw, ({low:g}, {high:g}))
restored = output * (high - low) + low
```

## What differs from napari-diffir

- **Tiles.** The network's attention and its prior are global: they are computed from
  all pixels that it sees. Give it whole planes. A program that cuts them into tiles
  restores each tile as an image of its own, and seams may show, with any overlap;
  napari-diffir computes the whole plane exactly, within any memory.
- **Intensities.** Each plane is scaled on its own, so that planes of a stack may
  flicker; napari-diffir uses one mapping for a stack.
- **Bright spots and hot pixels** beyond the clipping stay clipped or are smoothed;
  napari-diffir takes out single hot pixels and gives bright spots back.
- **Empty pixels**, as software leaves beside images that it turns or stitches, are
  restored as if they were data; napari-diffir passes over them.
{kept}- The diffusion starts from the noise of seed {seed}; it cannot be chosen.

## Validation

{figures}

To validate it on images of your own, take pairs of a noisy and a clean image of the
same field, map the output back as above, and compare both with the clean image, by PSNR
and SSIM; `diffir evaluate --noisy DIR --clean DIR` does it for the model itself.

## Licence and citation

Licence: {licence}

{citation}
"""
_LOCAL_MEAN = """\
- **The local mean** of the raw image is kept by napari-diffir with this model, but not
  by the package: backgrounds and dim structures may get darker or brighter.
"""
_FINE_STRUCTURE = """\
- **Fine structure** of sharp images with little noise is given back by napari-diffir
  with this model, but not by the package: it may come out smoother than it was.
"""
_FLIPS = """\
- **All four flips** are averaged by napari-diffir with this model, but not by the
  package: it restores images as they lie, a little less well.
"""
_NEGATIVE = """\
- **Images with a bright background** are restored as their negatives by napari-diffir
  with this model, but not by the package: turn their values round beforehand.
"""


def documentation(title: str, card: ModelCard, config: ModelConfig, seed: int) -> str:
    """Give the page in Markdown."""
    intensity, data = IntensityOptions(), card.training_data
    return _PAGE.format(
        title=title,
        description=card.description or _NOTHING,
        training_data="\n".join(f"- {entry}" for entry in data) or _NOTHING,
        degradation=card.degradation or _NOTHING,
        intended_use=card.intended_use or _NOTHING,
        limitations=card.limitations or _NOTHING,
        channels=_count(config.in_channels),
        multiple=config.size_multiple,
        low=intensity.low_percentile,
        high=intensity.high_percentile,
        most=MOST,
        size=_enlargement(config.scale),
        kept=(_LOCAL_MEAN if card.keeps_local_mean else "")
        + (_FINE_STRUCTURE if card.keeps_fine_structure else "")
        + (_FLIPS if card.averages_flips else "")
        + (_NEGATIVE if card.expects_dark_background else ""),
        seed=seed,
        figures=_table(card),
        licence=card.licence or _NOTHING,
        citation=card.citation,
    )


def _count(channels: int) -> str:
    return "one channel" if channels == 1 else f"{channels} channels"


def _enlargement(scale: int) -> str:
    if scale == 1:
        return ""
    return f", with {scale} times as many pixels along each axis, 1/{scale} as wide"


def _table(card: ModelCard) -> str:
    if not card.figures:
        return "No figures were measured."
    head = "Measured with napari-diffir, not with this package:\n"
    rows = [f"| {name} | {value} |" for name, value in card.figures.items()]
    return "\n".join([head, "| figure | value |", "|---|---|", *rows])
