"""A choice among layers, files and folders: what is restored to disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from napari.layers import Image
from qtpy.QtWidgets import QFileDialog

from napari_diffir._layers import full_resolution
from napari_diffir._stack_inputs import LayerStack, StackInput, file_of
from napari_diffir.widgets._source_box import SourceBox

if TYPE_CHECKING:
    import napari

_FILE, _ZARR = "TIFF file…", "OME-Zarr…"
_PLANES, _STACKS = "Folder of planes, as one stack…", "Folder of stacks…"
_TIP = (
    "A layer, or a file or folder that is read plane by plane, however large. Files of "
    "other kinds are opened in napari by their own readers and restored as layers."
)


class StackBox(SourceBox):
    """Lists layers, chosen files, and ways to more."""

    placeholder = "Choose a stack…"
    more: ClassVar[tuple[str, ...]] = (_FILE, _ZARR, _PLANES, _STACKS)

    def __init__(self, viewer: napari.Viewer) -> None:
        self._folders_of_stacks: set[str] = set()
        super().__init__(viewer, "What to restore", _TIP)
        self._choose_active(viewer)

    def _choose_active(self, viewer: napari.Viewer) -> None:
        """Begin with the layer that is being looked at."""
        active = viewer.layers.selection.active
        for index in range(self.count()):
            # Equal, not the same: napari gives plugins a proxy of the active layer.
            if active is not None and self.itemData(index) == active:
                self.setCurrentIndex(index)

    @property
    def path(self) -> Path | None:
        """The chosen file or folder; None where a layer is chosen."""
        chosen = self.currentData()
        return Path(chosen) if isinstance(chosen, str) else None

    @property
    def is_folder_of_stacks(self) -> bool:
        """Whether the chosen folder holds stacks, to be restored each on its own."""
        return self.currentData() in self._folders_of_stacks

    def choose_input(self, source: StackInput, *, is_folder_of_stacks: bool) -> bool:
        """Choose what a run reads; nothing, and False, if its layer is gone."""
        if isinstance(source, LayerStack):
            return self._choose_layer(lambda one: full_resolution(one) is source.data)
        if not self._choose_layer(lambda one: file_of(one) == source):
            self.add_path(source, is_folder_of_stacks=is_folder_of_stacks)
        return True

    def _choose_layer(self, fits: Callable[[Image], bool]) -> bool:
        entries = enumerate(self.itemData(i) for i in range(self.count()))
        found = [i for i, one in entries if isinstance(one, Image) and fits(one)]
        self.setCurrentIndex(found[0] if found else -1)
        return bool(found)

    def add_path(self, path: Path, *, is_folder_of_stacks: bool = False) -> None:
        """Offer a file or folder, and choose it."""
        if is_folder_of_stacks:
            self._folders_of_stacks.add(str(path))
        else:
            self._folders_of_stacks.discard(str(path))
        self.add_folder(path)

    def ask(self, text: str) -> Path | None:
        """Ask for a file or folder."""
        if text == _FILE:
            kinds = "TIFF (*.tif *.tiff *.btf *.tf8)"
            name, _ = QFileDialog.getOpenFileName(self, "Stack to restore", "", kinds)
        else:
            name = QFileDialog.getExistingDirectory(self, text.rstrip("…"))
        if name and text == _STACKS:
            self._folders_of_stacks.add(name)
        return Path(name) if name else None
