"""Named axes of a stack, and the planes that a network restores one at a time."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffir_core.errors import InputError

CHANNEL_AXES = "CS"
"""C for channels, S for the samples of an RGB image."""


@dataclass(frozen=True, slots=True)
class PlaneIndex:
    """Where one plane, or one set of jointly restored channels, is in a stack."""

    axes: str
    selection: tuple[int | slice, ...]
    """One entry an axis, in the order of `axes`."""
    channel: int | None
    """Whose intensity mapping applies; None when there is one for all."""

    @property
    def position(self) -> tuple[tuple[str, int], ...]:
        """Give the fixed axes and their indices, such as (("T", 0), ("Z", 3))."""
        pairs = zip(self.axes, self.selection, strict=True)
        return tuple((axis, item) for axis, item in pairs if isinstance(item, int))

    @property
    def place(self) -> str:
        """Name the plane in words, such as 'the plane at T 0, Z 3'."""
        where = ", ".join(f"{axis} {number}" for axis, number in self.position)
        return f"the plane at {where}" if where else "the plane"

    def take(self, array: Any) -> NDArray[Any]:
        """Read the plane from an array-like stack as (channels, Y, X)."""
        plane = np.transpose(in_memory(array[self.selection]), self._order())
        return plane if plane.ndim == 3 else plane[None]

    def put(self, array: Any, plane: NDArray[Any]) -> None:
        """Write (channels, Y, X) into an array-like stack."""
        values = plane if len(self._order()) == 3 else plane[0]
        array[self.selection] = np.transpose(values, np.argsort(self._order()))

    def _order(self) -> list[int]:
        """Give the permutation from the kept axes to (channel,) Y, X."""
        kept = [
            axis
            for axis, item in zip(self.axes, self.selection, strict=True)
            if isinstance(item, slice)
        ]
        channel = [axis for axis in kept if axis in CHANNEL_AXES]
        return [kept.index(axis) for axis in [*channel, "Y", "X"]]


@dataclass(frozen=True, slots=True)
class StackLayout:
    """Axes and sizes of a stack; made and checked by `check_axes`."""

    axes: str
    shape: tuple[int, ...]

    def size(self, axis: str) -> int:
        """Give the size along an axis; 1 where the stack has no such axis."""
        return self.shape[self.axes.index(axis)] if axis in self.axes else 1

    @property
    def channel_axis(self) -> str | None:
        """Give C or S, whichever tells the channels apart; C where there are both."""
        return next((axis for axis in CHANNEL_AXES if axis in self.axes), None)

    @property
    def has_alpha(self) -> bool:
        """Whether the channels are red, green, blue and opacity."""
        return self.channel_axis == "S" and self.size("S") == 4

    def planes(self, model_channels: int) -> list[PlaneIndex]:
        """List what a network of this many image channels restores one at a time.

        One channel: every plane of every channel. More: all channels together, whose
        number must fit.
        """
        joint = self._joint_axis(model_channels)
        ranges: list[Any] = [
            [slice(None)] if axis in ("Y", "X", joint) else range(size)
            for axis, size in zip(self.axes, self.shape, strict=True)
        ]
        return [self._plane(selection) for selection in product(*ranges)]

    def _plane(self, selection: tuple[int | slice, ...]) -> PlaneIndex:
        axis = self.channel_axis
        item = selection[self.axes.index(axis)] if axis else None
        channel = item if isinstance(item, int) else None
        return PlaneIndex(self.axes, selection, channel)

    def _joint_axis(self, model_channels: int) -> str | None:
        if model_channels == 1:
            return None
        for axis in CHANNEL_AXES:
            if axis in self.axes and self.size(axis) == model_channels:
                return axis
        found = ", ".join(
            f"{axis} has {self.size(axis)}"
            for axis in CHANNEL_AXES
            if axis in self.axes
        )
        raise InputError(
            f"The model takes {model_channels} channels together; axes '{self.axes}' "
            f"offer {found or 'no channel axis'}."
        )


def in_memory(taken: Any) -> NDArray[Any]:
    """Read a lazy array; only now is it seen whether values are masked."""
    # By dask: as a plain array it would lose its mask.
    if callable(getattr(taken, "compute", None)):
        taken = taken.compute()
    refuse_masked(taken)
    return np.asarray(taken)


def refuse_masked(array: Any) -> None:
    """Refuse masked values of an array in memory: they would pass for measured ones."""
    masked = np.ma.getmaskarray(array) if np.ma.isMaskedArray(array) else False
    if np.any(masked):
        raise InputError(
            f"{np.count_nonzero(masked)} values of the array are masked, and would "
            "be restored like the others; fill them, as with array.filled(0)."
        )


def unused_letters(axes: str) -> list[str]:
    """Give the letters that further axes may have, the likeliest first."""
    return [letter for letter in "ZTCABDE" if letter not in axes]


def _example(dimensions: int) -> str:
    """Give axes of so many dimensions; beyond five, further letters come first."""
    return "UVWTCZYX"[-max(2, dimensions) :]


def check_axes(axes: str, shape: tuple[int, ...]) -> StackLayout:
    """Check an axes string against a shape.

    Axes are one letter each, without repetition, Y and X among them; T, C, Z and S
    (RGB samples) have their usual meaning, any other letter is a further outer axis.
    """
    if not isinstance(axes, str):
        raise InputError(
            f"axes is {axes!r}; give one letter a dimension as text, such as 'ZYX'."
        )
    axes = axes.upper()
    if len(axes) != len(shape):
        raise InputError(
            f"Axes '{axes}' name {len(axes)} dimensions, the image has {len(shape)} "
            f"{shape}; give one letter for each, such as '{_example(len(shape))}'."
        )
    if not axes.isalpha() or len(set(axes)) != len(axes):
        raise InputError(
            f"Axes '{axes}' must be different letters, such as 'TCZYX'; mend them."
        )
    if missing := [axis for axis in "YX" if axis not in axes]:
        raise InputError(
            f"Axes '{axes}' lack {' and '.join(missing)}; images are restored along "
            "Y and X."
        )
    if any(size != size for size in shape):  # Not a number: dask has not counted.
        raise InputError(
            f"The array does not know its shape {shape}; call compute_chunk_sizes()."
        )
    if 0 in shape:
        raise InputError(f"The image is empty: its shape is {shape}.")
    return StackLayout(axes, tuple(int(size) for size in shape))
