"""What is to be restored: a layer and its axes, a model, options."""

from __future__ import annotations

from typing import TYPE_CHECKING

from diffir_core.options import RestoreOptions
from napari_diffir.widgets._layer_source import LayerSource
from napari_diffir.widgets._options_box import OptionsBox

if TYPE_CHECKING:
    import napari


class RestoreForm(LayerSource):
    """The choices before a restoration; `changed` tells of layer, axes and model."""

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__(viewer)
        self.options_box = OptionsBox()
        self._column.addWidget(self.options_box)

    @property
    def is_complete(self) -> bool:
        """Whether a layer is chosen whose axes are possible."""
        return not self.problem

    @property
    def options(self) -> RestoreOptions:
        """The chosen options."""
        return self.options_box.options
