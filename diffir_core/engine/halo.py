"""How large a halo must be for crops under a frozen state to equal the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from diffir_core.engine.planes import array_plane
from diffir_core.engine.selftest import probe_image
from diffir_core.engine.workers import exhaust

if TYPE_CHECKING:
    from diffir_core.engine.restorer import Restorer

_SIDE, _CROP = 320, 64
_HALOS = (16, 24, 32, 40, 48, 64, 80, 96, 128)
_TOLERANCE = 1e-4


def probe_halo(restorer: Restorer) -> int:
    """Measure the halo in pixels of the input, on a test image.

    It is the smallest with which a crop deviates from the whole by less than 1e-4 of
    its standard deviation; influence falls off exponentially with distance.
    """
    config = restorer.config
    image = probe_image(config.in_channels, _SIDE)
    features = array_plane(image, config, np.empty(0, np.float32))
    ipr = restorer.ipr_from(exhaust(restorer.features([features]))[0], "halo probe")

    def run(part: NDArray[np.float32]) -> NDArray[np.float32]:
        shape = tuple(size * config.scale for size in part.shape[1:])
        out = np.empty((config.out_channels, *shape), np.float32)
        job = restorer.job(array_plane(part, config, out), ipr)
        job.attention = dict(attention)
        exhaust(restorer.restore([job]))
        attention.update(job.attention)
        return out

    attention: dict[str, Tensor] = {}
    whole = run(image)
    start = (_SIDE - _CROP) // 2
    place = slice(start * config.scale, (start + _CROP) * config.scale)
    for halo in _HALOS:
        grown = slice(start - halo, start + _CROP + halo)
        inner = slice(halo * config.scale, (halo + _CROP) * config.scale)
        crop = run(image[:, grown, grown])[:, inner, inner]
        if np.abs(crop - whole[:, place, place]).max() < _TOLERANCE * whole.std():
            return halo
    return _HALOS[-1]
