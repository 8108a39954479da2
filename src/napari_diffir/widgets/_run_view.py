"""How a training goes: curves of loss and quality, and the last pictures."""

from __future__ import annotations

import math
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_diffir._run_folder import Points, newest_preview
from napari_diffir._training_state import TrainingState
from napari_diffir.widgets._parts import Picture, small_label

_PLOT_PIXELS = 125
_LABEL_PIXELS = 24
_AXIS_PIXELS = 56
_BOTTOM_PIXELS = 42
_LEAST_GROWTH = 0.01
_PICTURE_PIXELS = 165
_LOSS_COLOUR, _PSNR_COLOUR, _INPUT_COLOUR = "#e69f00", "#56b4e9", "#999999"


class RunView(QWidget):
    """Shows a `TrainingState`, and follows it."""

    def __init__(self, state: TrainingState) -> None:
        super().__init__()
        self._state, self._drawn = state, 0
        layout = QVBoxLayout(self)
        self._plots: tuple[QWidget, ...] = ()
        self.waiting = small_label("The curves come with the first steps.")
        layout.addWidget(self.waiting)
        self._build_plots(layout)
        layout.addWidget(QLabel("Held-back patches: noisy | restored | clean"))
        self.picture = Picture(_PICTURE_PIXELS, "They come with the first measurement.")
        self.picture.setToolTip("Images that training does not see.")
        layout.addWidget(self.picture)
        layout.addStretch()
        state.events.losses.connect(self._show_losses)
        state.events.psnrs_db.connect(self._show_quality)
        state.events.folder.connect(self._show_picture)
        self._show_losses()
        self._show_quality()

    def _build_plots(self, layout: QVBoxLayout) -> None:
        self.loss_curve: Any = None
        try:
            import pyqtgraph as pg
        except ImportError:
            layout.addWidget(
                small_label(
                    "Curves need pyqtgraph: pip install 'napari-diffir[train]'. "
                    "log.csv in the run's folder has the same values."
                )
            )
            return
        loss, quality = pg.PlotWidget(background=None), pg.PlotWidget(background=None)
        for plot, name in ((loss, "Loss"), (quality, "PSNR, dB")):
            plot.setFixedHeight(_PLOT_PIXELS)
            plot.setLabel("left", name)
            plot.getAxis("left").setWidth(_AXIS_PIXELS)
            plot.getAxis("left").enableAutoSIPrefix(False)
            plot.setMenuEnabled(False)
            plot.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            layout.addWidget(plot)
        self._plots = (loss, quality)
        loss.setLogMode(y=True)
        loss.getAxis("left").logTickStrings = _tick_texts
        quality.setFixedHeight(_PLOT_PIXELS + _LABEL_PIXELS)
        quality.setXLink(loss)
        quality.setLabel("bottom", "Step")
        quality.getAxis("bottom").setHeight(_BOTTOM_PIXELS)
        loss.setToolTip("How far the network is from its target; lower is better.")
        quality.setToolTip(
            "Quality on held-back images; higher is better. Dashed: the noisy images. "
            "In stage 1 the network sees the clean image, too; compare stage 2 alone."
        )
        self.loss_curve = loss.plot(pen=pg.mkPen(_LOSS_COLOUR, width=2))
        self.psnr_curve = quality.plot(
            pen=pg.mkPen(_PSNR_COLOUR, width=2),
            symbol="o",
            symbolSize=4,
            symbolBrush=_PSNR_COLOUR,
            symbolPen=None,
        )
        dashed = pg.mkPen(_INPUT_COLOUR, style=Qt.PenStyle.DashLine)
        self.input_line = pg.InfiniteLine(angle=0, pen=dashed)
        self.input_line.setVisible(False)
        quality.addItem(self.input_line)

    def leave(self) -> None:
        """Stop following the state."""
        self._state.events.losses.disconnect(self._show_losses)
        self._state.events.psnrs_db.disconnect(self._show_quality)
        self._state.events.folder.disconnect(self._show_picture)

    def _show_losses(self) -> None:
        """Draw the loss anew once it has grown by a hundredth.

        Drawing at every report would take a run of days more and more time.
        """
        self._show_plots()
        count = len(self._state.losses)
        if 0 <= count - self._drawn < _LEAST_GROWTH * count:
            return
        self._drawn = count
        if self.loss_curve is not None:
            self.loss_curve.setData(*_columns(self._state.losses))

    def _show_plots(self) -> None:
        """Show the axes once there is something to show; Qt would make numbers up."""
        has_points = bool(self._state.losses or self._state.psnrs_db)
        self.waiting.setVisible(bool(self._plots) and not has_points)
        for plot in self._plots:
            plot.setVisible(has_points)

    def _show_quality(self) -> None:
        state = self._state
        self._show_plots()
        if self.loss_curve is not None:
            self.psnr_curve.setData(*_columns(state.psnrs_db))
            given = state.input_psnr_db
            self.input_line.setVisible(math.isfinite(given))
            if math.isfinite(given):
                self.input_line.setValue(given)
        self._show_picture()

    def _show_picture(self) -> None:
        """Show the run's last pictures, and none of another run."""
        folder = self._state.folder
        preview = newest_preview(folder) if folder else None
        if preview is None:
            self.picture.show_nothing()
        else:
            self.picture.show_rows(preview, columns=3)


def _columns(points: Points) -> tuple[list[int], list[float]]:
    return [step for step, _ in points], [value for _, value in points]


def _tick_texts(values: list[float], scale: float, spacing: float) -> list[str]:
    """Give plain numbers for a logarithmic axis, whose ticks are exponents."""
    return [f"{10**value:.2g}" for value in values]
