"""What is seen of the IPR controls: every field tells its observers of changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from psygnal import SignalGroupDescriptor

from diffir_core.models import DEFAULT_MODEL
from napari_diffir._ipr_choice import Choice, Region

if TYPE_CHECKING:
    from diffir_core.ipr import IPR
    from diffir_core.ipr_map import IPRMap
    from diffir_core.stacks.axes import PlaneIndex
    from diffir_core.stacks.previewing import RegionPreview

View = Literal["restored", "swipe", "beside", "difference"]


@dataclass(frozen=True, eq=False)
class ImageChoice:
    """An image of the viewer, apart from its layer."""

    name: str
    data: Any
    axes: str
    path: str = ""
    """The file it came from, if that is known."""

    def is_same(self, other: ImageChoice | None) -> bool:
        """Tell whether another is the same array, taken the same way."""
        return other is not None and self.axes == other.axes and self.data is other.data


@dataclass(frozen=True, slots=True)
class Sight:
    """What of the image is on the screen."""

    position: tuple[int, ...]
    """An index for each axis of the array; those of Y and X do not count."""
    region: Region
    """(first row, row after the last, first column, column after the last)."""


@dataclass(frozen=True, eq=False)
class PlaneMap:
    """The map of a channel's planes."""

    positions: tuple[tuple[tuple[str, int], ...], ...]
    """Where each plane is, such as (("Z", 3),)."""
    layout: IPRMap


@dataclass(frozen=True, eq=False)
class Spread:
    """How differently a region might have come out."""

    plane: PlaneIndex
    region: Region
    deviation: NDArray[np.float32]
    """(channels, Y, X) in the units of the image."""
    kind: str
    samples: int


@dataclass
class IPRState:
    """What the widgets show; each of them changes it by the session alone."""

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    image: ImageChoice | None = None
    model_name: str = DEFAULT_MODEL
    model_ready: bool = False
    has_statistics: bool = False
    timesteps: int = 4
    sight: Sight | None = None
    choice: Choice = Choice()  # noqa: RUF009 - frozen
    can_undo: bool = False
    can_redo: bool = False
    ipr: IPR | None = None
    """Under which the plane in sight is restored."""
    ipr_is_current: bool = False
    """Whether it is that of what is chosen and in sight now."""
    distance: float | None = None
    plane_map: PlaneMap | None = None
    progress: float | None = None
    """Of the long work under way, 0 to 1; None if there is none."""
    is_live: bool = False
    view: View = "restored"
    divider: float = 0.5
    """Of the swipe view, 0 to 1 of the region's width."""
    preview: RegionPreview | None = None
    spread: Spread | None = None
    unsure_share: float = 0.1
    """Of the pixels that count as unsure."""
    failure: str = ""
    """Why there is neither IPR nor preview of what is in sight, or nothing."""
    message: str = ""
