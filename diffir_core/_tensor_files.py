"""Writing safetensors: whole or not at all, and for all who may read the folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save
from torch import Tensor


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]
) -> None:
    """Write contiguous tensors of the CPU, with metadata, in place of what is there."""
    temporary = path.with_name(path.name + ".part")
    # `save_file` would make a file that nobody else may read.
    temporary.write_bytes(save(dict(tensors), dict(metadata)))
    os.replace(temporary, path)
