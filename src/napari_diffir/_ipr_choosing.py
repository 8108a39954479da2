"""What is chosen about the IPR: changed, taken back, kept in slots and in files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffir_core.errors import InputError
from diffir_core.ipr import IPR
from napari_diffir._history import History
from napari_diffir._ipr_choice import Choice
from napari_diffir._ipr_state import IPRState
from napari_diffir._ipr_steps import Studio
from napari_diffir._preferences import preferences

if TYPE_CHECKING:
    from diffir_core.model import Model
    from diffir_core.options import RestoreOptions


class Choosing:
    """Changes the choice in a state, and lets others know when it has changed."""

    def __init__(
        self, state: IPRState, studio: Studio, changed: Callable[[], object]
    ) -> None:
        self.state, self._studio, self._changed = state, studio, changed
        self._history = History(Choice(base=preferences().options))
        state.choice = self._history.value

    def choose(self, topic: str = "", **changes: Any) -> None:
        """Change fields of the `Choice`; for topics see `History`."""
        self._history.record(replace(self._history.value, **changes), topic)
        self._take_choice()

    def seal(self) -> None:
        """Let the next change be a step of its own."""
        self._history.seal()

    def undo(self) -> None:
        """Take back the last change."""
        self._history.undo()
        self._take_choice()

    def redo(self) -> None:
        """Make the change again that was taken back."""
        self._history.redo()
        self._take_choice()

    def reset(self) -> None:
        """Restore under the image's own IPR again; slots stay filled."""
        old = self._history.value
        self._history.record(Choice(a=old.a, b=old.b, base=old.base))
        self._take_choice()

    def _take_choice(self) -> None:
        self.state.choice = self._history.value
        self.state.can_undo = self._history.can_undo
        self.state.can_redo = self._history.can_redo
        self._changed()

    def keep(self, slot: str) -> None:
        """Put the IPR of the plane in sight into slot 'a' or 'b'."""
        changes: dict[str, Any] = {slot: self._current()}
        self.choose(**changes)

    def use_for_whole_stack(self) -> None:
        """Restore every plane under the IPR of the plane in sight, through slot A."""
        ipr = self._current()
        self.choose(use="slots", a=ipr, weight=0.0, strength=1.0)
        self.state.message = f"Every plane is restored under the IPR of {ipr.source}."

    def load(self, path: Path, slot: str) -> None:
        """Put an IPR from a file into a slot, and use the slots.

        Raises
        ------
        InputError
            If it is no IPR, or one of another model.
        """
        from diffir_core.engine.checking import check_ipr

        ipr = IPR.load(path)
        check_ipr(ipr, self.model)
        changes: dict[str, Any] = {slot: ipr, "weight": 0.0 if slot == "a" else 1.0}
        self.choose(use="slots", **changes)
        self.state.message = f"{path.name} is in slot {slot.upper()}."

    def save(self, path: Path) -> None:
        """Write the IPR under which the plane in sight is restored."""
        self._current().save(path)
        self.state.message = f"Saved {path.name}."

    def take(self, options: RestoreOptions) -> None:
        """Choose what options say, such as those of a job; its IPR goes to slot A.

        Raises
        ------
        InputError
            If its IPR is one of another model.
        """
        from diffir_core.engine.checking import check_ipr

        if options.ipr is not None:
            check_ipr(options.ipr, self.model)
        self._history.record(self._history.value.taking(options))
        self._take_choice()

    def options(self) -> RestoreOptions:
        """Give the options that do what was chosen."""
        return self._history.value.options(self.model)

    @property
    def model(self) -> Model:
        """The chosen model, loaded if it is not yet."""
        return self._studio.model(self.state.model_name)

    def _current(self) -> IPR:
        if self.state.ipr is None or not self.state.ipr_is_current:
            raise InputError(self._lacking())
        return self.state.ipr

    def _lacking(self) -> str:
        """Say why there is no IPR of what is in view, and what to do."""
        if self.state.image is None:
            return "Open an image first."
        if self.state.sight is None:
            return (
                "Show Y and X of the layer in 2-D first: the IPR is that of the plane "
                "in view."
            )
        return self.state.failure or "The IPR is not there yet; wait a moment."
