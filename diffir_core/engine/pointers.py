"""The door to C: what a tensor must be before its memory is handed over."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from diffir_core.errors import InputError


def pointer(values: Tensor, dtype: torch.dtype = torch.float32) -> ctypes.c_void_p:
    """Give where the values begin; C takes them for contiguous ones of `dtype`.

    Of another type they would be misread, and memory beyond them overwritten.
    """
    there = (values.dtype, values.device.type, values.is_contiguous())
    if there != (dtype, "cpu", True):
        raise InputError(
            f"A tensor of {values.dtype} on '{values.device}' was to be given to C, "
            f"which takes contiguous {dtype} on the CPU; choose kernels 'torch'."
        )
    return ctypes.c_void_p(values.data_ptr())
