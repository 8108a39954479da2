"""Noisy frames with references: real ones, and simulated noise on clean images.

- `w2s`: widefield; one frame against the mean of 400, rescaled with the fitted gain and
  offset of its table, because both were contrast-stretched separately.
- `fmd mixed`: confocal, five configurations of four frames, against the mean of 50.
- `fmd fields`: confocal, five other fields.
- `fmd repeats`: confocal nuclei, 25 frames of one field.
- `simulated nuclei`, `simulated sem`: clean images with a camera's noise, kept apart
  from the real ones.
- `simulated variety`: the same of thirteen fluorescence images of all kinds, with 8 and
  with 80 photons at the brightest.
- `simulated sharp`: those binned by two once more, which makes their structures a pixel
  or two wide and takes what noise they had, with 80 and with 800 photons.
- `simulated correlated`: the variety, seen by a widefield camera whose noise is nearly
  Gaussian and correlated between neighbours, by 0.37 and by 0.73.
- `simulated resampled`: the variety, with shot noise that is correlated between
  neighbours, along the lines of a scan or along both axes.
- `simulated processed`: the variety as software left it: turned scans, pixels repeated
  or interpolated, medians.
- `simulated moved`: the variety as registration and turning leave it, with empty
  borders.
- `simulated bright`: the variety with a bright background: inverted, and as it would be
  in transmitted light.
- `simulated scanned`: electron micrographs, binned by four, with noise that is
  correlated along the lines of a scan, by 0.73; in half, lines are off as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from image_quality import real_sets as real
from image_quality import simulated_sets as simulated
from image_quality.bright_sets import simulated_bright
from image_quality.moved_sets import simulated_moved
from image_quality.pairs import Pair

IPR_SETS = ("w2s", "fmd mixed", "fmd fields", "simulated nuclei")
"""Those on which IPRs are compared, each with those of the next."""
SETS: dict[str, Callable[[Path], Iterator[Pair]]] = {
    "w2s": real.w2s,
    "fmd mixed": real.fmd_mixed,
    "fmd fields": real.fmd_fields,
    "fmd repeats": real.fmd_repeats,
    "simulated variety": simulated.simulated_variety,
    "simulated sharp": simulated.simulated_sharp,
    "simulated correlated": simulated.simulated_correlated,
    "simulated resampled": simulated.simulated_resampled,
    "simulated processed": simulated.simulated_processed,
    "simulated moved": simulated_moved,
    "simulated bright": simulated_bright,
    "simulated nuclei": simulated.simulated_nuclei,
    "simulated sem": simulated.simulated_sem,
    "simulated scanned": simulated.simulated_scanned,
}
