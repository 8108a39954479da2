"""Three sliders that describe the camera whose noise is simulated."""

from __future__ import annotations

from psygnal import Signal
from qtpy.QtWidgets import QFormLayout, QWidget

from napari_diffir._camera import CameraChoice
from napari_diffir.widgets._parts import NumberSlider


class CameraForm(QWidget):
    """Photons, read noise and offset; `changed` tells of each."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        usual = CameraChoice()
        self.photons = NumberSlider(90, lambda i: 10 ** (i / 30), "{:.0f} photons")
        self.read_noise = NumberSlider(100, lambda i: i / 10, "{:.1f} photons")
        self.offset = NumberSlider(30, lambda i: i / 100, "{:.0%}")
        self.photons.set_nearest(usual.photons)
        self.read_noise.set_nearest(usual.read_noise)
        self.offset.set_nearest(usual.offset)
        self._add_tooltips()
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Photons", self.photons)
        form.addRow("Read noise", self.read_noise)
        form.addRow("Offset", self.offset)
        for slider in (self.photons, self.read_noise, self.offset):
            slider.changed.connect(self.changed.emit)

    def _add_tooltips(self) -> None:
        self.photons.setToolTip(
            "Light in the bright parts of your noisy images, in photons per pixel: the "
            "less, the grainier. A third to three times as much is trained."
        )
        self.read_noise.setToolTip(
            "Noise of the camera's electronics, in photons; seen in the dark parts. "
            "None to twice as much is trained."
        )
        self.offset.setToolTip(
            "What the camera shows in the dark, in per cent of its full scale."
        )

    @property
    def camera(self) -> CameraChoice:
        """The camera that the sliders describe."""
        return CameraChoice(
            self.photons.value, self.read_noise.value, self.offset.value
        )
