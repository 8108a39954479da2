"""What a run is known by: the same in every session, and in every process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from diffir_core.stacks.metadata import ImageSpec
from diffir_core.stacks.source import StackSource
from diffir_core.stacks.work import StackWork


def header_of(work: StackWork) -> dict[str, Any]:
    """Give the fingerprint of a run: resuming takes the same, but for no key."""
    restorer = work.restorer
    return {
        "input": input_of(work.source),
        "model": restorer.model.fingerprint,
        "options": restorer.options.model_dump(mode="json"),
        "settled": restorer.settled.model_dump(mode="json"),
        "machine": machine_of(work),
        "planes": len(work.planes),
        "conditions": asdict(work.conditions),
    }


def input_of(source: StackSource) -> dict[str, Any]:
    """Give what is known of an input before it is read."""
    return {
        "axes": source.layout.axes,
        "shape": list(source.shape),
        "type": str(source.dtype),
    }


def machine_of(work: StackWork) -> dict[str, str]:
    """Give what computes; other machines give other last digits."""
    restorer = work.restorer
    return {
        "device": str(restorer.device),
        "precision": restorer.precision.name,
        "kernels": restorer.streams.name,
    }


def image_spec(work: StackWork, job: Mapping[str, Any]) -> ImageSpec:
    """Give what the output will be, as every process that writes it must know it."""
    metadata = work.source.metadata.scaled(work.restorer.config.scale)
    # By its name, since NumPy has several types of 64 bits and Zarr knows one of them.
    dtype = np.dtype(work.dtype.name)
    return ImageSpec(work.output_shape, dtype, metadata, dict(job))
