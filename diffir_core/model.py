"""A network with all that is known about it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from diffir_core.card import ModelCard
from diffir_core.config import ModelConfig
from diffir_core.errors import CheckpointError
from diffir_core.ipr_statistics import IPRStatistics

if TYPE_CHECKING:
    from torch import Tensor

    from diffir_core.nn import DiffIRS1, DiffIRS2


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A loaded network: in evaluation mode, float32, on the CPU."""

    network: DiffIRS1 | DiffIRS2
    config: ModelConfig
    card: ModelCard | None
    """None for bare weights, such as official files."""
    fingerprint: str
    """SHA-256 of names, shapes and float32 values: the weights, not the file."""
    name: str
    statistics: IPRStatistics | None = None
    """Of the IPRs in training; None for models that were stored without."""
    source: str = ""
    """What `load_model` finds it by again: a shipped name or the path of a file."""

    @property
    def stage(self) -> int:
        """1 needs the ground truth to restore; 2 restores from the image alone."""
        return self.network.stage

    @property
    def restorer(self) -> DiffIRS2:
        """Give the stage-2 network, or say why this model cannot restore."""
        from diffir_core.nn import DiffIRS2

        if isinstance(self.network, DiffIRS2):
            return self.network
        raise CheckpointError(
            f"'{self.name}' is a stage-1 model, which needs the ground truth to "
            "restore; load the stage-2 file of the same training."
        )


def fingerprint(state: dict[str, Tensor]) -> str:
    """Sum a state dict up in 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().float().contiguous()
        digest.update(f"{name}{tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()
