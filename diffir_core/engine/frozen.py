"""All that is global about a restored plane or stack, as a small value.

With the IPR and the attention matrices given, DIRformer is a plain convolutional
network: any crop, with a halo around it, comes out as the same place of the whole.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from safetensors import SafetensorError, safe_open
from torch import Tensor

from diffir_core._tensor_files import write_tensors
from diffir_core.errors import InputError
from diffir_core.intensity import IntensityMapping
from diffir_core.ipr import IPR

_FORMAT = "diffir-state/1"


@dataclass(frozen=True, eq=False)
class FrozenState:
    """The IPR, the attention matrices and the intensity mapping of a plane or stack."""

    ipr: IPR
    attention: dict[str, Tensor] = field(repr=False)
    """(heads, c, c) float32 by block."""
    mapping: IntensityMapping
    halo: int
    """Pixels around a crop beyond which the image hardly matters; see `probe_halo`."""

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return sum(matrix.nbytes for matrix in self.attention.values())

    def save(self, path: str | Path) -> None:
        """Write as safetensors; whole or not at all."""
        path = Path(path)
        if not path.parent.is_dir():
            raise InputError(f"There is no folder {path.parent}; create it first.")
        about = {
            "format": _FORMAT,
            "ipr": self.ipr.to_dict(),
            **self.mapping.to_dict(),
            "halo": self.halo,
        }
        tensors = {k: v.cpu().contiguous() for k, v in self.attention.items()}
        write_tensors(path, tensors, {"diffir": json.dumps(about)})

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote."""
        try:
            with safe_open(path, "pt") as file:
                about = json.loads((file.metadata() or {}).get("diffir", "{}"))
                tensors = {key: file.get_tensor(key) for key in file.keys()}
        except (OSError, SafetensorError, ValueError) as error:
            raise InputError(f"{path} is not a frozen state ({error}).") from error
        if not isinstance(about, dict) or about.get("format") != _FORMAT:
            raise InputError(f"{path} is not a frozen state ('{_FORMAT}').")
        try:
            mapping = IntensityMapping.from_dict(about)
            ipr, halo = IPR.from_dict(about["ipr"]), int(about["halo"])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path} is damaged ({error!r}); freeze anew.") from error
        return cls(ipr, tensors, mapping, halo)


def crop_with_halo(start: int, stop: int, size: int, halo: int, multiple: int) -> slice:
    """Grow [start, stop) by a halo to the network's grid.

    At the end of the plane, where the network mirrors, the crop ends too.
    """
    first = max(0, start - halo) // multiple * multiple
    last = min(size, -(-(stop + halo) // multiple) * multiple)
    return slice(first, last)
