"""The options of a restoration that a widget shows."""

from __future__ import annotations

from psygnal import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QGroupBox,
    QLineEdit,
    QSpinBox,
)

from diffir_core.errors import InputError
from diffir_core.options import RestoreOptions
from napari_diffir._preferences import preferences

_DEVICES = ("auto", "cpu", "cuda", "mps")
_TYPES = {"as the input": None, "float32": "float32"}


class OptionsBox(QGroupBox):
    """Shows options; those that it has no field for stay as they were set.

    `changed` tells of every field.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__("Options")
        self._build()
        self._lay_out()
        self._connect()
        self.show_options(preferences().options)

    def _build(self) -> None:
        self.device_box, self.memory_edit = QComboBox(), QLineEdit()
        for name in _DEVICES:
            self.device_box.addItem(name, name)
        self.seed_box, self.scope_box = QSpinBox(), QComboBox()
        self.seed_box.setRange(0, 2**31 - 1)
        self.scope_box.addItem("each plane", "plane")
        self.scope_box.addItem("each time point", "time")
        self.scope_box.addItem("the whole stack", "stack")
        self.mean_box, self.structure_box = (
            _card_box("kept as measured", "as the model gives it") for _ in range(2)
        )
        self.flips_box = _card_box("all four, averaged", "as the image lies")
        self.type_box = QComboBox()
        for name, dtype in _TYPES.items():
            self.type_box.addItem(name, dtype)
        self.low_box, self.high_box = _percentile_box(1.0), _percentile_box(99.8)
        self.memory_edit.setPlaceholderText("what is free")
        self.device_box.setToolTip(
            "'auto' takes a CUDA device if it is faster than the CPU."
        )
        self.memory_edit.setToolTip(
            "The most working memory, such as 4GB. Planes that need more go through "
            "temporary files: the same result, in more time."
        )
        self.scope_box.setToolTip(
            "What the model finds out about noise and blur is found out from each "
            "plane, once for the planes of a time point, or once for the whole stack."
        )
        self.mean_box.setToolTip(
            "Averaged over some forty pixels, where noise hardly matters, the result "
            "may be given the brightness of the raw image."
        )
        self.structure_box.setToolTip(
            "Where an image is sharp and hardly noisy, the result may be given back "
            "structure as fine as its pixels that the model took for noise."
        )
        self.flips_box.setToolTip(
            "The mean of a plane restored as it lies, upside down, left to right, and "
            "both, is a little nearer to the truth and takes about three times as long."
        )
        self.type_box.setToolTip(
            "Whole numbers are too coarse for a result where few grey levels lie "
            "between dark and bright; float32 keeps what lies between them."
        )
        self.seed_box.setToolTip("Of the random start; the same seed, the same result.")
        for box, end in ((self.low_box, "dark"), (self.high_box, "bright")):
            box.setToolTip(f"What counts as {end}, in percent of the pixels.")

    def _lay_out(self) -> None:
        form = QFormLayout(self)
        form.addRow("Device", self.device_box)
        form.addRow("Memory", self.memory_edit)
        form.addRow("Prior (IPR) from", self.scope_box)
        form.addRow("Local mean", self.mean_box)
        form.addRow("Fine structure", self.structure_box)
        form.addRow("Flips", self.flips_box)
        form.addRow("Result type", self.type_box)
        form.addRow("Seed", self.seed_box)
        form.addRow("Dark percentile", self.low_box)
        form.addRow("Bright percentile", self.high_box)

    def _connect(self) -> None:
        """Tell of every field, whichever there will be."""
        self.memory_edit.textChanged.connect(self._tell)
        for choice in self.findChildren(QComboBox):
            choice.currentIndexChanged.connect(self._tell)
        for whole in self.findChildren(QSpinBox):
            whole.valueChanged.connect(self._tell)
        for number in self.findChildren(QDoubleSpinBox):
            number.valueChanged.connect(self._tell)

    def _tell(self, value: object = None) -> None:
        self.changed.emit()

    @property
    def options(self) -> RestoreOptions:
        """The options; raises `InputError` for a memory that is no size."""
        before = self._others.intensity
        intensity = before.model_dump() | {
            "low_percentile": _untouched(self.low_box, before.low_percentile),
            "high_percentile": _untouched(self.high_box, before.high_percentile),
        }
        scope = self.scope_box.currentData()
        memory = self.memory_edit.text().strip() or None
        self._check_memory(memory)
        return self._others.replace(
            seed=self._seed(),
            device=self.device_box.currentText(),
            memory=memory,
            ipr_scope=scope,
            region=self._others.region if scope == "region" else None,
            keep_local_mean=self.mean_box.currentData(),
            keep_fine_structure=self.structure_box.currentData(),
            average_flips=self.flips_box.currentData(),
            output_dtype=self.type_box.currentData(),
            intensity=intensity,
        )

    def options_for(self, axes: str | None) -> RestoreOptions:
        """Give the options, or refuse those that do not suit these axes, if known."""
        options = self.options
        if options.ipr_scope == "time" and axes is not None and "T" not in axes:
            raise InputError(
                f"The prior (IPR) from each time point needs an axis T, and the axes "
                f"are {axes}; choose each plane or the whole stack, or name an axis T."
            )
        return options

    def _seed(self) -> int:
        """Give the seed; one too large for the field stays until that is changed."""
        before, shown = self._others.seed, self.seed_box.value()
        return before if shown == min(before, self.seed_box.maximum()) else shown

    def _check_memory(self, memory: str | None) -> None:
        try:
            RestoreOptions(memory=memory)
        except ValueError as error:
            raise InputError(
                f"Memory: '{memory}' is no size; write one such as 4GB, or leave the "
                "field empty."
            ) from error

    def show_options(self, options: RestoreOptions) -> None:
        """Show options, such as those of a job."""
        self._others = options
        self.seed_box.setValue(min(options.seed, self.seed_box.maximum()))
        _choose(self.device_box, options.device)  # Such as cuda:1.
        self.memory_edit.setText(options.memory or "")
        self._show_scope(options.ipr_scope)
        _choose(self.type_box, options.output_dtype)  # Such as uint16, of a job.
        _choose(self.mean_box, options.keep_local_mean)
        _choose(self.structure_box, options.keep_fine_structure)
        _choose(self.flips_box, options.average_flips)
        self.low_box.setValue(options.intensity.low_percentile)
        self.high_box.setValue(options.intensity.high_percentile)

    def _show_scope(self, scope: str) -> None:
        if scope != "region" and (other := self.scope_box.findData("region")) >= 0:
            self.scope_box.removeItem(other)
        _choose(self.scope_box, scope, f"a {scope}")


def _untouched(box: QDoubleSpinBox, before: float) -> float:
    """Give the value of a box, or what it was before it was rounded to be shown."""
    shown, half_a_step = box.value(), 0.501 * 10.0 ** -box.decimals()
    return before if abs(shown - before) <= half_a_step else shown


def _choose(box: QComboBox, value: object, name: str | None = None) -> None:
    """Choose a value, which is added if the box does not know it."""
    if box.findData(value) < 0:
        box.addItem(name or str(value), value)
    box.setCurrentIndex(box.findData(value))


def _card_box(yes: str, no: str) -> QComboBox:
    """Give a choice that the model's card makes unless the user does."""
    box = QComboBox()
    box.addItem("as the model's card says", None)
    box.addItem(yes, True)
    box.addItem(no, False)
    return box


def _percentile_box(value: float) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setRange(0.0, 100.0)
    box.setDecimals(2)
    box.setSingleStep(0.1)
    box.setValue(value)
    return box
