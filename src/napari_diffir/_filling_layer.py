"""The output of a run as a layer that fills; to be used on the viewer's thread."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffir_core.errors import DiffIRError
from diffir_core.stacks.unfinished import Unfinished
from napari_diffir._layers import full_resolution, position_in
from napari_diffir._opening import open_layer
from napari_diffir._stack_inputs import still_reads

if TYPE_CHECKING:
    import napari
    from napari.layers import Image

    from diffir_core.stacks.axes import PlaneIndex
    from napari_diffir._layers import Placement

UNFINISHED_KEY = "diffir_unfinished"
"""Of a layer's metadata: the unfinished image that the layer shows."""
_OWNER_KEY = "diffir_filled"
"""The layer itself, as napari copies metadata to duplicates."""


class FillingLayer:
    """Shows an output that is being made; what is not restored yet is black."""

    def __init__(
        self,
        viewer: napari.Viewer,
        source: Placement | None,
        *,
        goes_on: bool = False,
    ) -> None:
        """Fill a layer, or the one that a stopped run has left if it `goes_on`."""
        self._viewer, self._source, self._goes_on = viewer, source, goes_on
        self.layer: Image | None = None
        self._name = ""
        self._waits_for_refresh = False

    @property
    def is_there(self) -> bool:
        """Whether the layer is in the viewer; its user may have removed it."""
        return self.layer is not None and self.layer in self._viewer.layers

    @property
    def position(self) -> dict[str, int]:
        """The indices in view by axis letter, Y and X apart."""
        return {} if self.layer is None else position_in(self.layer, self._viewer)

    def open(self, image: Path, limits: tuple[float, float]) -> None:
        """Show the unfinished image, if it can be read yet, and is not done already."""
        try:
            data, arguments, _ = open_layer(image)
            # Its place is not the one where it will be: the layer names no file yet.
            arguments["metadata"] = {UNFINISHED_KEY: str(image)}
            self._show(data, self._dressed(data, arguments, limits))
        except DiffIRError:
            return
        except Exception:  # Readers complain in many ways of what is moved meanwhile.
            if image.exists():
                raise  # Else it is in its place by now, where `settle` will show it.

    def _dressed(
        self, data: Any, arguments: dict[str, Any], limits: tuple[float, float]
    ) -> dict[str, Any]:
        """Give the layer the looks of its source, and its place if it has its axes.

        A layer may have been turned, or measured, where its file was not.
        """
        arguments = arguments | {"contrast_limits": limits}
        source = self._source
        if source is None:
            return arguments
        axes = "".join(arguments["axis_labels"]).upper() + "S" * arguments["rgb"]
        if axes != source.axes:
            return arguments | source.looks
        finest = data[0] if arguments["multiscale"] else data
        placed = source.arguments(finest.shape[axes.index("X")] // source.width)
        kept = {name: arguments[name] for name in ("name", "axis_labels")}
        return arguments | placed | kept

    def _show(self, data: Any, arguments: dict[str, Any]) -> None:
        """Add the layer, or go on with the one that the same run has left.

        What another run has left has other looks, and its pixels are gone.
        """
        for layer in self._left(arguments["metadata"].get(UNFINISHED_KEY)):
            if self._goes_on and _is_alike(layer, data, arguments):
                self.layer = layer
                layer.data = data
                return
            self._viewer.layers.remove(layer)
        layer = self._viewer.add_image(data, **arguments)
        if self._source is not None:
            layer.contrast_limits_range = self._source.contrast_range
        layer.metadata[_OWNER_KEY] = layer.unique_id
        self.layer, self._name = layer, layer.name

    def _left(self, image: str | None) -> list[Image]:
        """Give the layer of an unfinished image; duplicates are a person's own."""
        return [
            layer
            for layer in self._viewer.layers
            if image
            and layer.metadata.get(UNFINISHED_KEY) == image
            and layer.metadata.get(_OWNER_KEY) == layer.unique_id
        ]

    def note(self, plane: PlaneIndex) -> None:
        """Note that a plane is on the disk; it is shown at the next `refresh`."""
        here, is_3d = self.position, self._viewer.dims.ndisplay == 3
        if is_3d or all(here.get(axis, i) == i for axis, i in plane.position):
            self._waits_for_refresh = True

    def refresh(self) -> None:
        """Show what has been restored of the plane in view."""
        if self._waits_for_refresh and self.layer is not None and self.is_there:
            self._waits_for_refresh = False
            self.layer.refresh(extent=False, thumbnail=False)

    def settle(self, path: Path, limits: tuple[float, float]) -> None:
        """Show the finished file in place of the unfinished one."""
        data, arguments, _ = open_layer(path)
        if self.layer is None:  # It was done before anybody looked.
            self._show(data, self._dressed(data, arguments, limits))
        elif self.is_there:
            self.layer.data = data
            self.layer.metadata = arguments["metadata"]
            self.layer.refresh()
        self._remove_others(path)
        if self.layer is not None and self.layer.name == self._name:
            self.layer.name = arguments["name"]  # It may be free only now.

    def _remove_others(self, path: Path) -> None:
        """Remove the layers of what was there before, and of what was unfinished.

        They would show the new pixels under an old name, or none.
        """
        from napari.layers import Image

        others = [layer for layer in self._viewer.layers if layer != self.layer]
        old = [one for one in others if isinstance(one, Image)]
        left = self._left(str(Unfinished(path).image))
        for layer in [*left, *(one for one in old if still_reads(one, path))]:
            self._viewer.layers.remove(layer)


def _is_alike(layer: Image, data: Any, arguments: dict[str, Any]) -> bool:
    is_multiscale = arguments["multiscale"]
    finest = data[0] if is_multiscale else data
    shape = full_resolution(layer).shape
    kind = layer.multiscale, layer.rgb
    return shape == finest.shape and kind == (is_multiscale, arguments["rgb"])
