"""The DiffIR networks, one component of the paper a module."""

from diffir_core.nn.cpen import CPEN
from diffir_core.nn.denoiser import Denoiser
from diffir_core.nn.diffir import DiffIRS1, DiffIRS2
from diffir_core.nn.diffusion import IPRDiffusion, schedule_values
from diffir_core.nn.dirformer import DIRformer

__all__ = [
    "CPEN",
    "DIRformer",
    "Denoiser",
    "DiffIRS1",
    "DiffIRS2",
    "IPRDiffusion",
    "schedule_values",
]
