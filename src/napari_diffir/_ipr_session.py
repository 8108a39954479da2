"""The IPR controls apart from any widget: what was chosen, and who computes it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from functools import partial
from typing import TYPE_CHECKING, Any

from diffir_core.errors import InputError
from napari_diffir._ipr_choosing import Choosing
from napari_diffir._ipr_state import ImageChoice, IPRState, PlaneMap, Sight, Spread
from napari_diffir._ipr_steps import (
    IPRFound,
    Order,
    Restored,
    Share,
    Studio,
    layer_steps,
    look_steps,
    map_steps,
    spread_steps,
)
from napari_diffir._latest import LatestLane
from napari_diffir._scripting import Failure
from napari_diffir._watched import Watched
from napari_diffir._wording import told

if TYPE_CHECKING:
    from diffir_core.model import Model
    from diffir_core.stacks.drawing import SampleKind
    from napari_diffir._scripting import RestoreResult


class IPRSession(Watched):
    """One for all widgets of a process; all methods are for the viewer's thread."""

    def __init__(self) -> None:
        super().__init__()
        self.state = IPRState()
        self.studio = Studio()
        self.choosing = Choosing(self.state, self.studio, self._order)
        self._look, self._long = LatestLane(), LatestLane(self._end_long)
        self._asked: Order | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a worker is still there."""
        return self._look.is_busy or self._long.is_busy

    def _be_left(self) -> None:
        """End all work and let the pixels go."""
        self.cancel()
        self._look.cancel()
        self._asked, self.state.is_live = None, False
        self.state.image = self.state.sight = None
        self.state.preview = self.state.spread = self.state.plane_map = None
        self.studio.forget_image()

    def look_at(self, image: ImageChoice | None, model_name: str) -> None:
        """Choose an image and a model."""
        state, old = self.state, self.state.image
        if model_name != state.model_name:
            self._forget_failure()
            state.model_ready, state.ipr = False, None
        if not (image.is_same(old) if image else old is None):
            self._forget_failure()
            state.sight = state.ipr = state.distance = None
            state.preview = state.spread = state.plane_map = None
            state.image = image
        elif model_name != state.model_name:
            state.preview = state.spread = state.plane_map = None
        state.model_name = model_name
        self._order()

    def look_anew(self, image: ImageChoice) -> None:
        """Look again at an image whose pixels were changed where they are."""
        if image.is_same(self.state.image):
            self.look_at(None, self.state.model_name)
            self.studio.forget_image()
            self.look_at(image, self.state.model_name)

    def see(self, sight: Sight | None) -> None:
        """Take over what is on the screen."""
        self.state.sight = sight
        self._order()

    def set_live(self, is_live: bool) -> None:
        """Restore what is on the screen, as it changes; or leave off."""
        self.state.is_live = is_live
        if not is_live:
            self.state.preview = None
        self._order()

    def _order(self) -> None:
        """Have the screen's content looked at, unless that is under way already."""
        order = self._new_order()
        if order is None:
            self._asked = None
            self._look.cancel()
        elif not order.is_same(self._asked):
            self._asked, self.state.ipr_is_current = order, False
            if order.sight is None:
                self.state.preview = None
            self._look.submit(partial(look_steps, self.studio, order), self._take_look)

    def _new_order(self) -> Order | None:
        state = self.state
        if state.image is None:
            return None
        parts = state.model_name, state.choice, state.sight, state.is_live
        return Order(state.image, *parts)

    def _take_look(self, found: Any) -> None:
        """Take what was found in sight, or why nothing was."""
        self._take(found)
        if isinstance(found, Failure):
            self.state.failure = self.state.message

    def _forget_failure(self) -> None:
        """Say no more what does not hold any more."""
        state = self.state
        if state.failure and state.message == state.failure:
            state.message = ""
        state.failure = ""

    def _take(self, found: Any) -> None:
        """Take what a worker has found."""
        state = self.state
        if isinstance(found, Failure):
            state.message, self._asked = str(told(found.error)), None
        elif isinstance(found, IPRFound):
            state.ipr_is_current = True
            self._forget_failure()
            state.ipr, state.distance = found.ipr, found.distance
        elif isinstance(found, Share):
            state.progress = found.done
        elif isinstance(found, PlaneMap):
            state.plane_map = found
        elif isinstance(found, Spread):
            state.spread = found
        elif hasattr(found, "exactness"):
            state.preview = found
        else:
            self._take_model(found)

    def _take_model(self, model: Model) -> None:
        self.state.timesteps = model.config.timesteps
        self.state.has_statistics = model.statistics is not None
        self.state.model_ready = True

    def map_planes(self) -> None:
        """Estimate the IPR of every plane of the channel in sight."""
        self._begin_long(map_steps)

    def measure_spread(self, kind: SampleKind, samples: int) -> None:
        """Measure how sure the restoration of the region in sight is."""
        self._begin_long(partial(spread_steps, kind=kind, samples=samples))

    def restore(self, add: Callable[[RestoreResult], object]) -> None:
        """Restore the whole layer as chosen, and have the result added."""

        def take(found: Any) -> None:
            if isinstance(found, Restored):
                add(found.result)
            else:
                self._take(found)

        self._begin_long(layer_steps, take)

    def _begin_long(
        self,
        steps: Callable[[Studio, Order], Generator[Any, None, None]],
        take: Callable[[Any], None] | None = None,
    ) -> None:
        order = self._new_order()
        if order is None:
            raise InputError("Open an image first.")
        chosen = order

        def take_if_current(found: Any) -> None:
            """Drop what was found about an image that is no longer chosen."""
            if isinstance(found, Share | Failure) or chosen.image.is_same(
                self.state.image
            ):
                self._take(found)

        self.state.message, self.state.progress = "", 0.0
        work = partial(steps, self.studio, order)
        self._long.submit(work, take or take_if_current)

    def cancel(self) -> None:
        """End the map, the measurement or the restoration under way."""
        self._long.cancel()

    def _end_long(self) -> None:
        self.state.progress = None


@functools.cache
def current_session() -> IPRSession:
    """Give the one session of this process; widgets come and go."""
    return IPRSession()
