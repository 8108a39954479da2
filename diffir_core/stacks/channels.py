"""Which channels of a stack are restored, and which are copied."""

from __future__ import annotations

from diffir_core.config import ModelConfig
from diffir_core.errors import InputError
from diffir_core.options import RestoreOptions
from diffir_core.stacks.axes import StackLayout


def restored_channels(
    layout: StackLayout, config: ModelConfig, options: RestoreOptions
) -> frozenset[int] | None:
    """Give the channels to restore, or None for all; opacity is no light."""
    chosen = _chosen(layout, options)
    is_alike = config.scale == 1 and config.image_channels == 1
    if chosen is not None and not is_alike:
        does = "enlarges images" if config.scale != 1 else "takes channels together"
        raise InputError(
            f"The model {does}, so that some channels cannot be copied beside "
            "restored ones; leave channels out, or pass those to be restored alone."
        )
    if chosen is None and is_alike and layout.has_alpha:
        return frozenset(range(3))
    return chosen


def _chosen(layout: StackLayout, options: RestoreOptions) -> frozenset[int] | None:
    """Give the channels to restore, or None for all."""
    if options.channels is None:
        return None
    axis = layout.channel_axis
    count = layout.size(axis) if axis else 1
    if any(not 0 <= channel < count for channel in options.channels):
        raise InputError(
            f"Channels {list(options.channels)} were chosen, and the image has "
            f"{f'0 to {count - 1}' if count > 1 else '0 alone'}."
        )
    return frozenset(options.channels) if axis else None
