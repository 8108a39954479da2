"""Writing safetensors: whole or not at all, and for all who may read the folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save
from torch import Tensor

from diffir_core._whole_files import write_whole


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]
) -> None:
    """Write contiguous tensors of the CPU, with metadata, in place of what is there."""
    # `save_file` would make a file that nobody else may read.
    write_whole(path, save(dict(tensors), dict(metadata)))
