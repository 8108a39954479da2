"""Repeated frames of the same field, from folders of files or stacks along T."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from diffir_training.images._files import (
    Found,
    image_files,
    is_image,
    is_zarr,
    matching,
    matching_images,
)
from diffir_training.images._opening import FileCache
from diffir_training.images._partners import by_stars
from diffir_training.images.configs import RepeatedFrames
from diffir_training.images.pairing_checks import (
    check_frames,
    check_partners,
    check_same_positions,
    check_same_size,
    check_some_readable,
)
from diffir_training.images.planes import (
    ImagePlane,
    MeanPlane,
    Position,
    file_planes,
)


@dataclass(frozen=True, slots=True)
class RepeatedField:
    """Frames of one plane of a field."""

    name: str
    """The folder, or stack, that holds the frames."""
    frames: tuple[ImagePlane, ...]
    given: ImagePlane | None
    """An average that was given, or None."""

    @property
    def average(self) -> ImagePlane:
        """The given average, or the mean of all frames."""
        return self.given or self._mean(self.frames)

    def target(self, frame: int) -> ImagePlane:
        """Give what a frame is to become: the average, or the mean of the others."""
        others = self.frames[:frame] + self.frames[frame + 1 :]
        return self.given or self._mean(others)

    def _mean(self, frames: tuple[ImagePlane, ...]) -> MeanPlane:
        name = f"mean of {len(frames)} frames in {Path(self.name).name}"
        return MeanPlane(frames, name, self.name, _without_time(self.frames[0]))


def fields_of(
    config: RepeatedFrames, folder: Path, cache: FileCache
) -> list[RepeatedField]:
    """List the fields that a pattern matches, one for each plane besides T."""
    found = [one for one in matching(folder, config.pattern) if _holds_frames(one.path)]
    paths = [one.path for one in found]
    check_some_readable(len(paths), paths, config.pattern, folder)
    averages: dict[tuple[str, ...], Path] = {}
    if config.average is not None:
        given = matching_images(folder, config.average)
        averages = by_stars(given, config.average)
        missing = [one.path for one in found if one.stars not in averages]
        check_partners(missing, config.average)
    return [
        field
        for one in found
        for field in _fields(one, averages.get(one.stars), config.axes, cache)
    ]


def _holds_frames(path: Path) -> bool:
    return path.is_dir() or is_image(path) or is_zarr(path)


def _fields(
    found: Found, average: Path | None, axes: str | None, cache: FileCache
) -> list[RepeatedField]:
    frames: dict[Position, list[ImagePlane]] = {}
    for file in image_files(found.path):
        for plane in file_planes(file, axes, cache):
            frames.setdefault(_without_time(plane), []).append(plane)
    given = _given(average, found.path, set(frames), axes, cache)
    return [
        _checked(RepeatedField(str(found.path), tuple(members), given.get(position)))
        for position, members in frames.items()
    ]


def _without_time(plane: ImagePlane) -> Position:
    return tuple(at for at in plane.position if at[0] != "T")


def _given(
    average: Path | None,
    frames: Path,
    positions: set[Position],
    axes: str | None,
    cache: FileCache,
) -> dict[Position, ImagePlane]:
    """Look the planes of a given average up by their position."""
    if average is None:
        return {}
    axes = axes.upper().replace("T", "") if axes else None
    planes = {plane.position: plane for plane in file_planes(average, axes, cache)}
    check_same_positions(str(frames), positions, str(average), set(planes))
    return planes


def _checked(field: RepeatedField) -> RepeatedField:
    check_frames(field.name, len(field.frames), needed=1 if field.given else 2)
    for other in (*field.frames[1:], *([field.given] if field.given else [])):
        check_same_size(field.frames[0], other)
    return field
