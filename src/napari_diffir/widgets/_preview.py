"""A look at the chosen images: crops that are read by a worker, as a picture."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtWidgets import QVBoxLayout, QWidget

from diffir_core.errors import InputError
from napari_diffir._crops import Crops
from napari_diffir._latest import LatestLane
from napari_diffir._scripting import Failure
from napari_diffir._training_images import TrainingImages, crops_or_failure
from napari_diffir._worker import new_worker
from napari_diffir.widgets._parts import Picture, small_label

_PICTURE_PIXELS = 150
Drawing = Callable[[], NDArray[np.uint8]]
"""Draws a picture, on any thread."""


class Preview(QWidget):
    """Shows the crops of what was asked for last, or why there are none."""

    def __init__(self, drawing_of: Callable[[Crops], Drawing], tip: str) -> None:
        super().__init__()
        self._drawing_of, self._lane = drawing_of, LatestLane()
        self._crops: Crops | None = None
        self._requests = 0
        self.picture = Picture(_PICTURE_PIXELS, "")
        self.picture.setToolTip(tip)
        self.hint = small_label()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.picture)
        layout.addWidget(self.hint)

    def load(self, choose: Callable[[], TrainingImages]) -> None:
        """Read crops of the images that `choose` gives, unless it refuses them."""
        self.cancel()
        try:
            images = choose()
        except InputError as error:
            self._show_hint(str(error))
            return
        request = self._requests
        worker = new_worker(crops_or_failure, images)
        worker.returned.connect(lambda crops: self._take(crops, request))
        worker.start()

    def cancel(self) -> None:
        """Forget what was asked for; what comes of it later is dropped."""
        self._requests += 1
        self._crops = None
        self._lane.cancel()

    def redraw(self) -> None:
        """Draw the crops anew, if they are there.

        A worker draws: the first picture of a camera imports what trains, in seconds.
        """
        if self._crops is not None:
            drawing = self._drawing_of(self._crops)
            self._lane.submit(partial(_steps, drawing), self._show)

    def _show(self, drawn: NDArray[np.uint8] | Failure) -> None:
        if isinstance(drawn, Failure):
            self._show_hint(str(drawn.error))
        else:
            self.picture.show_array(drawn)

    def _take(self, crops: Any, request: int) -> None:
        if request != self._requests:
            return  # Other images have been chosen while these were read.
        if isinstance(crops, Failure):
            self._show_hint(str(crops.error))
            return
        self.hint.setText("")
        self._crops = crops
        self.redraw()

    def _show_hint(self, text: str) -> None:
        self.hint.setText(text)
        self.picture.show_nothing()


def _steps(drawing: Drawing) -> Generator[NDArray[np.uint8], None, None]:
    yield drawing()
