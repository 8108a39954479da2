"""The device of this process, and its part in a run of several processes.

One process or `torchrun` with many: accelerate finds the device and the others.
Gradients are summed by hand after the backward pass. A wrapper around the network, as
usual, sees its `forward` alone; stages that call parts of a network, such as the first
phase of stage 2, would then train apart on every process, as in the official code.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from diffir_core.engine.device import bfloat16_gain
from diffir_core.errors import InputError

Precision = Literal["float32", "bfloat16", "auto"]
_WORTH_IT = 1.3


@dataclass(frozen=True, slots=True)
class Devices:
    """Where this process computes, and which of how many it is."""

    device: torch.device
    rank: int
    processes: int

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and logs."""
        return self.rank == 0

    def own(self, items: Sequence[int]) -> list[int]:
        """Give the items of a batch that fall to this process."""
        return list(items[self.rank :: self.processes])

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Make every gradient the sum over all processes; without one it is zero."""
        if self.processes == 1:
            return
        from accelerate.utils import reduce

        own = list(parameters)
        for parameter in own:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        flat = torch.cat([p.grad.reshape(-1) for p in own if p.grad is not None])
        flat = reduce(flat, "sum")
        for parameter, part in zip(
            own, torch.split(flat, [p.numel() for p in own]), strict=True
        ):
            # In place: a recorded step (graphed.py) goes on writing to this memory.
            if parameter.grad is not None:
                parameter.grad.copy_(part.view_as(parameter))

    def sum(self, value: float) -> float:
        """Give the sum of a number over all processes."""
        if self.processes == 1:
            return value
        from accelerate.utils import reduce

        total: Tensor = reduce(
            torch.tensor(value, dtype=torch.float64, device=self.device), "sum"
        )
        return float(total)

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.processes > 1:
            from accelerate import PartialState

            PartialState().wait_for_everyone()


def find_devices(name: str = "auto") -> Devices:
    """Give the device by name ('auto', 'cpu', 'cuda'), and the other processes.

    Raises
    ------
    InputError
        If accelerate is missing, or the device is not there.
    """
    try:
        from accelerate import PartialState
    except ImportError as error:
        raise InputError(
            "Training needs accelerate; install it with "
            "pip install 'napari-diffir[train]'."
        ) from error
    if name not in ("auto", "cpu", "cuda"):
        raise InputError(f"Device '{name}' is none of auto, cpu, cuda.")
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("Device 'cuda' is not there; use 'cpu' or 'auto'.")
    on_cpu = name == "cpu" or not torch.cuda.is_available()
    state = PartialState(cpu=on_cpu)
    device = torch.device("cpu") if on_cpu else state.device
    if not on_cpu and device.type == "cpu":
        # Accelerate keeps the device of this process's first run, here a CPU's.
        device = torch.device("cuda")
    return Devices(device, state.process_index, state.num_processes)


def autocast_dtype(precision: Precision, device: torch.device) -> torch.dtype | None:
    """Give the precision of products: None is float32; 'auto' asks a short probe."""
    if precision == "auto":
        precision = "bfloat16" if bfloat16_gain(device) >= _WORTH_IT else "float32"
    return torch.bfloat16 if precision == "bfloat16" else None
