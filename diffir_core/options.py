"""What a person can ask of a restoration; the same in Python, shell and napari."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from diffir_core._base import FrozenConfig
from diffir_core.intensity import IntensityOptions
from diffir_core.ipr import IPR

_UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_OUTPUT_DTYPES = ("uint8", "uint16", "int16", "float32", "float64")


def _as_ipr(value: Any) -> Any:
    """Take an IPR as it is, as its saved values, or as the path of its file."""
    if isinstance(value, dict):
        return IPR.from_dict(value)
    return IPR.load(value) if isinstance(value, str | Path) else value


IPRField = Annotated[
    IPR,
    BeforeValidator(_as_ipr),
    PlainSerializer(lambda ipr: ipr.to_dict(), when_used="json"),
]


Kernels = Literal["auto", "native", "torch", "compiled"]


class RestoreOptions(FrozenConfig):
    """Options of a restoration; the defaults are what most images want.

    A value that this version cannot do yet is refused, never ignored.
    """

    model_config = FrozenConfig.model_config | {"arbitrary_types_allowed": True}

    ipr: IPRField | None = None
    """Restore under this IPR instead of the image's own."""
    ipr_scope: Literal["plane", "time", "stack", "region"] = "plane"
    """What the IPR is extracted from: each plane, the planes of a time point together,
    those of the stack (of either at most 64, evenly spread, are looked at), or the
    `region` of the stack's planes. Channels never share an IPR."""
    seed: int = Field(0, ge=0, lt=2**63)
    """Of the start noise of the diffusion; all planes share it."""
    steps: int | None = Field(None, ge=1)
    """Reverse steps, 1 to T; None is T, what the model was trained with."""
    strength: float = Field(1.0, ge=0, le=4)
    """Scale of an estimated IPR about the mean of training: 0 restores as the average
    image wants it, 1 as this one does, more exaggerates. A given IPR is not scaled."""
    intensity: IntensityOptions = IntensityOptions()
    """How values become model units; inverted on the way back."""
    memory: str | None = None
    """Budget such as '4GB' for the working memory; None is what is free, of
    the machine or of a container's or job's share of it. Planes that need more go
    through temporary files: same result, more time."""
    device: str = "auto"
    """'auto', 'cpu', 'cuda', 'cuda:1' or 'mps'."""
    precision: Literal["float32", "bfloat16", "auto"] = "auto"
    """A reduced precision is used only if it passes a test on the model's weights."""
    kernels: Kernels = "auto"
    """'native' is C code for this processor, 'compiled' is `torch.compile`; what cannot
    be had falls back to 'torch', and the report says what was used."""
    tile: int | None = Field(None, ge=8)
    """Rows and columns of a tile; None is chosen. The result does not depend on it."""
    exactness: Literal["exact", "fast"] = "exact"
    """'fast' allows a reduced precision where the machine gains by it."""
    attention_scope: Literal["plane", "stack"] = "plane"
    """'stack': all planes of a channel share their attention, taken from planes spread
    over the stack as if they were one image; with the IPR of the stack, its planes are
    restored consistently."""
    keep_local_mean: bool | None = None
    """Give the result the mean of the raw image over every forty pixels or so, where
    noise hardly matters: backgrounds and brightnesses stay as they were measured. None
    does what the model's card says; models for photographs change brightness freely."""
    keep_fine_structure: bool | None = None
    """Give the result back what was taken of structure as fine as the pixels, where the
    image has much of it and little noise; noisy or smooth images hardly change. For
    results of the input's size. None does what the model's card says."""
    average_flips: bool | None = None
    """Restore each plane in its four flips and give the mean: a little nearer to the
    truth, in about three times the time. None does what the card says."""
    negative: bool | None = None
    """Restore images as their negatives, and turn the result back. None does so with a
    channel whose background is bright, if the model's card says that it expects a dark
    one."""
    output_dtype: str | None = None
    """None keeps the input's."""
    channels: tuple[int, ...] | None = Field(None, min_length=1)
    """Restore these channels alone and copy the others; None restores all."""
    region: tuple[int, int, int, int] | None = None
    """(first row, row after the last, first column, column after the last) from which
    ipr_scope 'region' takes the IPR."""

    @model_validator(mode="after")
    def _only_what_is_there(self) -> Self:
        if (self.ipr_scope == "region") != (self.region is not None):
            raise ValueError("ipr_scope 'region' and a region belong together")
        if self.ipr is not None and self.ipr_scope in ("time", "region"):
            raise ValueError(
                f"a given ipr leaves nothing to extract from a {self.ipr_scope}; "
                "leave ipr_scope out, or the ipr"
            )
        if self.ipr is not None and self.strength != 1.0:
            raise ValueError(
                "a given ipr is used as it is; scale it with diffir_core.steer, or "
                "leave strength at 1"
            )
        shares_ipr = self.ipr is not None or self.ipr_scope in ("stack", "region")
        if self.attention_scope == "stack" and not shares_ipr:
            raise ValueError(
                "attention_scope 'stack' needs ipr_scope 'stack' or 'region', or an ipr"
            )
        if self.output_dtype not in (None, *_OUTPUT_DTYPES):
            raise ValueError(
                f"output_dtype '{self.output_dtype}' is none of "
                + ", ".join(_OUTPUT_DTYPES)
            )
        if self.memory is not None:
            parse_bytes(self.memory)
        return self

    @classmethod
    def in_folder(cls, values: dict[str, Any], folder: Path) -> dict[str, Any]:
        """Let the path of an IPR start at the folder of the file that names it.

        One that is not there, but in the working directory, is meant to be that.
        """
        ipr = values.get("ipr")
        if not isinstance(ipr, str) or (
            Path(ipr).exists() and not (folder / ipr).exists()
        ):
            return values
        return values | {"ipr": str(folder / ipr)}

    def memory_bytes(self) -> int | None:
        """Give the memory budget in bytes, or None."""
        return None if self.memory is None else parse_bytes(self.memory)

    def dtype(self, source: np.dtype[Any]) -> np.dtype[Any]:
        """Give the type of the result for a source of this type."""
        return source if self.output_dtype is None else np.dtype(self.output_dtype)


def parse_bytes(text: str) -> int:
    """Read a size such as '4GB' or '500 MB' (powers of ten)."""
    match = re.fullmatch(r"\s*([\d.]+)\s*([KMGT]?B?)\s*", text.upper())
    unit = (match[2] if match[2] in _UNITS else match[2] + "B") if match else ""
    try:
        size = int(float(match[1]) * _UNITS[unit])  # type: ignore[index]
    except (TypeError, KeyError, ValueError, OverflowError):
        size = 0
    if size <= 0:
        raise ValueError(f"'{text}' is not a size like '4GB' or '500MB'")
    return size
