"""Clean images that nobody took: structures drawn at random, as many as one likes.

Real clean images are few, and of few specimens; a network that sees them alone learns
those specimens. Drawn ones bring every width, density and brightness, sharp to the
pixel, at no licence. Leaves cover each other as the objects of any scene do (Lee,
Mumford & Huang, IJCV 2001); that networks can learn to restore from such images alone
was shown by Achddou, Gousseau & Ladjal (SSVM 2021).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from diffir_training.degradations.base import log_uniform
from diffir_training.images.configs import Structure

Image = NDArray[np.float64]
_WIDTHS_PIXELS = (0.7, 1.2, 2.2)
"""Deviations of the Gaussians that thin structures are drawn with."""


def drawn_image(structure: Structure, size: int, seed: tuple[int, ...]) -> Image:
    """Draw an image (size, size), from 0 at its darkest; the same for the same seed."""
    generator = np.random.default_rng(seed)
    image = _DRAWN[structure](size, generator)
    return np.asarray(image - image.min())


def leaves(size: int, generator: np.random.Generator) -> Image:
    """Draw ellipses of all sizes that cover each other, with grain in them."""
    image = np.zeros((size, size))
    count = 6 * size
    # A density of r^-3 shows the same whatever it is magnified by.
    least, most = 1.5, size / 5
    share = generator.random(count)
    radii = (share / most**2 + (1 - share) / least**2) ** -0.5
    for radius in radii:
        _cover(image, radius, generator.random() ** 2, generator)
    grain = texture(size, generator.uniform(0.6, 1.6), generator)
    image *= np.exp(generator.uniform(0, 0.35) * grain)
    return _blurred(image, generator.uniform(0.4, 1.0))


def _cover(
    image: Image, radius: float, brightness: float, generator: np.random.Generator
) -> None:
    """Lay an ellipse over the image, anywhere and at any angle."""
    centre = generator.uniform(0, len(image), 2)
    angle, ratio = generator.uniform(0, np.pi), generator.uniform(0.35, 1.0)
    first = np.maximum(np.floor(centre - radius), 0).astype(int)
    last = np.minimum(np.ceil(centre + radius) + 1, len(image)).astype(int)
    y, x = np.ogrid[first[0] : last[0], first[1] : last[1]]
    along = np.cos(angle) * (x - centre[1]) + np.sin(angle) * (y - centre[0])
    across = np.cos(angle) * (y - centre[0]) - np.sin(angle) * (x - centre[1])
    inside = along**2 + (across / ratio) ** 2 <= radius**2
    image[first[0] : last[0], first[1] : last[1]][inside] = brightness


def filaments(size: int, generator: np.random.Generator) -> Image:
    """Draw curved threads that start in a few places, and the haze around them."""
    count = int(log_uniform((20, 300), generator))
    steps, stiffness = size, generator.uniform(0.01, 0.08)
    turns = generator.normal(0, stiffness, (count, steps))
    turns[:, 0] = generator.uniform(0, 2 * np.pi, count)
    angles = np.cumsum(turns, axis=1)
    centres = generator.uniform(0, size, (generator.integers(1, 12), 2))
    starts = centres[generator.integers(len(centres), size=count)]
    starts += generator.normal(0, size / 8, starts.shape)
    paths = starts[:, None] + np.cumsum(
        np.stack([np.sin(angles), np.cos(angles)], -1), 1
    )
    light = np.repeat(generator.lognormal(0, 0.6, count), steps).reshape(count, steps)
    light[np.arange(steps) > generator.uniform(0.1, 1, count)[:, None] * steps] = 0
    return _with_haze(_of_widths(paths, light, size, generator), generator)


def puncta(size: int, generator: np.random.Generator) -> Image:
    """Draw spots, dense here and sparse there, some of them merging."""
    count = int(log_uniform((100, 8000), generator))
    density = np.exp(2 * texture(size, 2.0, generator)).ravel()
    chosen = generator.choice(density.size, count, p=density / density.sum())
    corners = np.stack(np.unravel_index(chosen, (size, size)), -1)[:, None]
    places = corners + generator.random(corners.shape)
    light = generator.lognormal(0, 0.8, (count, 1))
    return _with_haze(_of_widths(places, light, size, generator), generator)


def cells(size: int, generator: np.random.Generator) -> Image:
    """Draw cells that touch: bright walls, grainy insides of unequal brightness."""
    count = int(log_uniform((15, 600), generator))
    wobble = generator.uniform(0, 0.25) * size / np.sqrt(count)
    grid = np.moveaxis(np.indices((size, size), np.float64), 0, -1)
    for axis in range(2):
        grid[..., axis] += wobble * texture(size, 1.6, generator)
    distances, owners = cKDTree(generator.uniform(0, size, (count, 2))).query(grid, 2)
    width = generator.uniform(1.0, 5.0)
    walls = np.exp(-(((distances[..., 1] - distances[..., 0]) / width) ** 2))
    inside = generator.random(count)[owners[..., 0]] ** 2
    inside *= np.exp(0.5 * texture(size, generator.uniform(0.6, 1.6), generator))
    image = walls + generator.uniform(0, 1.5) * inside
    return _blurred(image, generator.uniform(0.4, 1.0))


def texture(size: int, exponent: float, generator: np.random.Generator) -> Image:
    """Draw noise whose amplitude falls as frequency^-exponent: mean 0, deviation 1."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size))
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(generator.standard_normal((size, size)))
    image = np.fft.irfft2(spectrum * frequency**-exponent, s=(size, size))
    return np.asarray(image / image.std())


def _of_widths(
    places: Image, light: Image, size: int, generator: np.random.Generator
) -> Image:
    """Draw the light (objects, points) at its places; a width for each object."""
    image = np.zeros((size, size))
    width = generator.integers(len(_WIDTHS_PIXELS), size=len(places))
    for i, deviation in enumerate(_WIDTHS_PIXELS):
        points = _points(places[width == i], light[width == i], size)
        image += _blurred(points, deviation)
    return image


def _points(places: Image, light: Image, size: int) -> Image:
    """Collect light in the pixels that it falls into; what falls outside is lost."""
    edges = np.arange(size + 1) - 0.5
    y, x = places.reshape(-1, 2).T
    points = np.histogram2d(y, x, bins=(edges, edges), weights=light.ravel())[0]
    return np.asarray(points)


def _blurred(image: Image, deviation_pixels: float) -> Image:
    return np.asarray(ndimage.gaussian_filter(image, deviation_pixels))


def _with_haze(image: Image, generator: np.random.Generator) -> Image:
    """Add what a thick specimen adds: light from above and below the focus."""
    haze = _blurred(image, generator.uniform(4, 20))
    return np.asarray(image + generator.uniform(0, 1.5) * haze)


_DRAWN: dict[Structure, Callable[[int, np.random.Generator], Image]] = {
    "leaves": leaves,
    "filaments": filaments,
    "puncta": puncta,
    "cells": cells,
}
