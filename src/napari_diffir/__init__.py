"""napari-diffir: restore image layers with DiffIR, from widgets and from scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_diffir._ipr_session import current_session as ipr_session
    from napari_diffir._scripting import restore_layer

__all__ = ["ipr_session", "restore_layer"]


def __getattr__(name: str) -> Any:
    if name == "ipr_session":
        from napari_diffir._ipr_session import current_session

        return current_session
    if name != "restore_layer":
        raise AttributeError(f"module 'napari_diffir' has no attribute '{name}'")
    from napari_diffir._scripting import restore_layer

    return restore_layer
