"""How long to train, how large a network, on which device; or a file that says it."""

from __future__ import annotations

from pathlib import Path

from psygnal import Signal
from qtpy.QtWidgets import QComboBox, QFileDialog, QFormLayout, QWidget

from napari_diffir._presets import NETWORKS, PRESETS
from napari_diffir._recipes import DeviceName
from napari_diffir.widgets._parts import small_label
from napari_diffir.widgets._source_box import narrow

_FILE = "Recipe file…"
_DEVICES: tuple[DeviceName, ...] = ("auto", "cpu", "cuda")


class RecipeForm(QWidget):
    """Preset or recipe file, network and device; `changed` tells of each."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.preset_box, self.network_box = narrow(QComboBox()), narrow(QComboBox())
        self.device_box = narrow(QComboBox())
        self.preset_hint, self.network_hint = small_label(), small_label()
        for name in PRESETS:
            self.preset_box.addItem(name, name)
        self.preset_box.addItem(_FILE, _FILE)
        for name in NETWORKS:
            self.network_box.addItem(name, name)
        self.device_box.addItems(_DEVICES)
        self._add_tooltips()
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Recipe", self.preset_box)
        form.addRow("", self.preset_hint)
        form.addRow("Network", self.network_box)
        form.addRow("", self.network_hint)
        form.addRow("Device", self.device_box)
        self.preset_box.activated.connect(self._choose_file)
        self.preset_box.currentIndexChanged.connect(self._show_used)
        self.network_box.currentIndexChanged.connect(lambda _: self._show_hints())
        self._show_hints()

    def _add_tooltips(self) -> None:
        self.preset_box.setToolTip(
            "How long to train. A recipe file says everything itself: images, noise, "
            "network, steps and device."
        )
        costs = ", ".join(
            f"{name} {network.relative_cost:g}" for name, network in NETWORKS.items()
        )
        self.network_box.setToolTip(
            "A shipped model that is trained on is good from the first step: best for "
            "few images or little time. New networks know your images alone; larger "
            f"ones restore better and are slower. Time a step: {costs}."
        )
        self.device_box.setToolTip(
            "What computes: 'cuda' is an NVIDIA graphics card, many times as fast as "
            "the processor, 'cpu'. 'auto' takes the card when there is one. A run that "
            "is resumed may change it."
        )

    @property
    def file(self) -> Path | None:
        """The chosen recipe file; None where a preset is chosen."""
        name = self.preset_box.currentData()
        return None if name in PRESETS or name == _FILE else Path(name)

    @property
    def preset(self) -> str:
        """The name of the chosen preset."""
        return str(self.preset_box.currentData())

    @property
    def network(self) -> str:
        """The name of the chosen network."""
        return str(self.network_box.currentData())

    @property
    def device(self) -> DeviceName | None:
        """The chosen device; None where a recipe file says it."""
        return None if self.file else _DEVICES[self.device_box.currentIndex()]

    def add_file(self, path: Path) -> None:
        """Offer a recipe file, and choose it."""
        self.preset_box.insertItem(0, path.name, str(path))
        self.preset_box.setCurrentIndex(0)

    def _choose_file(self, index: int) -> None:
        if self.preset_box.itemText(index) != _FILE:
            return
        name, _ = QFileDialog.getOpenFileName(
            self, "Choose a recipe", "", "Recipes (*.yaml *.yml)"
        )
        if name:
            self.add_file(Path(name))
        else:
            self.preset_box.setCurrentIndex(0)

    def _show_used(self, index: int = 0) -> None:
        for part in (self.network_box, self.device_box):
            part.setEnabled(self.file is None)
        self._show_hints()
        self.changed.emit()

    def _show_hints(self) -> None:
        preset, network = PRESETS.get(self.preset), NETWORKS[self.network]
        takes = preset.duration if preset else "the file says everything"
        self.preset_hint.setText(f"{takes[0].upper()}{takes[1:]}.")
        millions, cost = network.parameters / 1e6, network.relative_cost
        longer = f"; {cost:g} times the time a step" if cost != 1 else ""
        self.network_hint.setText(f"{millions:.1f} M parameters{longer}.")
        self.network_hint.setVisible(self.file is None)
