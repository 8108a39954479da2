"""A cluster of processes on this machine, each with a GPU of its own if it has any."""

from __future__ import annotations

import logging
import os
from typing import Any

import torch
from distributed import Nanny, Scheduler, SpecCluster

_HOST = "127.0.0.1"
_TASKS_AT_ONCE = 2
"""One unit is read or written while another is computed."""


def local_cluster(workers: int) -> SpecCluster:
    """Give a cluster of `workers` processes; as a context, it ends with it."""
    scheduler = {
        "cls": Scheduler,
        "options": {"host": _HOST, "dashboard": False, "dashboard_address": ":0"},
    }
    return SpecCluster(
        workers={
            number: {"cls": Nanny, "options": _options(number)}
            for number in range(workers)
        },
        scheduler=scheduler,
        silence_logs=logging.ERROR,
    )


def _options(number: int) -> dict[str, Any]:
    return {
        "host": _HOST,
        "nthreads": _TASKS_AT_ONCE,
        "memory_limit": 0,  # The budget of the run is the limit; none is killed for it.
        "dashboard": False,
        "silence_logs": logging.ERROR,
        "env": _gpu(number),
    }


def _gpu(number: int) -> dict[str, str]:
    """Give the environment that shows a worker one GPU, in turn."""
    count = torch.cuda.device_count()
    if not count:
        return {}
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = shown.split(",") if shown else [str(index) for index in range(count)]
    return {"CUDA_VISIBLE_DEVICES": names[number % len(names)]}
