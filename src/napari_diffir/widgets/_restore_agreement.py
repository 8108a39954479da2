"""What keeps the panels of Restore in agreement."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from diffir_core.errors import InputError
from napari_diffir._following import Following
from napari_diffir._restore_choice import current_choice

if TYPE_CHECKING:
    from diffir_core.options import RestoreOptions
    from napari_diffir.widgets._restore_form import RestoreForm


class RestoreAgreement:
    """Begins a form with what is chosen, tells of its changes, and follows others."""

    def __init__(self, form: RestoreForm) -> None:
        self._form, self._choice = form, current_choice()
        self._following = Following()
        self._choice.heed_preferences()
        self._follow()
        form.model_box.changed.connect(self._tell)
        form.options_box.changed.connect(self._tell)
        events = self._choice.events
        self._events = events.model_name, events.options
        for event in self._events:
            event.connect(self._follow)

    def leave(self) -> None:
        """Follow no more."""
        for event in self._events:
            event.disconnect(self._follow)

    def _tell(self) -> None:
        if self._following.is_on:
            return
        self._choice.model_name = self._form.model
        if (options := self._shown()) is not None:
            self._choice.options = options

    def _follow(self) -> None:
        form, choice = self._form, self._choice
        with self._following:
            if form.model != choice.model_name:
                form.choose_model(choice.model_name)
            if self._shown() != choice.options:
                form.options_box.show_options(choice.options)

    def _shown(self) -> RestoreOptions | None:
        """Give the options in the form; None while a memory is being typed."""
        with suppress(InputError):
            return self._form.options
        return None
