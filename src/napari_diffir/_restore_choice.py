"""What is chosen in Restore: the same in all its panels, and in one opened later."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar

from psygnal import SignalGroupDescriptor

from diffir_core.models import DEFAULT_MODEL
from diffir_core.options import RestoreOptions
from napari_diffir._preferences import preferences


@dataclass
class RestoreChoice:
    """A model and options; layers and axes are each viewer's own."""

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    model_name: str = DEFAULT_MODEL
    options: RestoreOptions = RestoreOptions()  # noqa: RUF009 - frozen
    preferred: RestoreOptions = RestoreOptions()  # noqa: RUF009 - frozen
    """The preferences that the options began with."""

    def heed_preferences(self) -> None:
        """Begin anew with the preferences, if they were changed."""
        preferred = preferences().options
        if preferred != self.preferred:
            self.preferred = self.options = preferred


@functools.cache
def current_choice() -> RestoreChoice:
    """Give the one choice of this process; panels come and go."""
    return RestoreChoice()
