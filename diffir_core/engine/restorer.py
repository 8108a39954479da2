"""A model and options, made ready to restore planes."""

from __future__ import annotations

import copy
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from diffir_core.engine.budget import MemoryBudget
from diffir_core.engine.checking import check_options, check_weights
from diffir_core.engine.choosing import choose_precision, choose_streams
from diffir_core.engine.dense import dense_layers
from diffir_core.engine.device import (
    choose_device,
    full_float32,
    inferring,
    lacks_memory,
    no_memory,
    telling_of_memory,
)
from diffir_core.engine.flips import FLIPS, FlipMean
from diffir_core.engine.folds import Folds
from diffir_core.engine.free_memory import free_memory_bytes
from diffir_core.engine.memory import MemoryModel, MemoryPlan
from diffir_core.engine.planes import Job, Plane, array_plane
from diffir_core.engine.pooling import pooled_features
from diffir_core.engine.runner import Runner
from diffir_core.engine.storage import FileStore, MemoryStore, Store
from diffir_core.engine.tiling import Tiling
from diffir_core.engine.workers import Workers, exhaust, torch_threads
from diffir_core.errors import InputError
from diffir_core.ipr import IPR
from diffir_core.ipr_steering import steer
from diffir_core.model import Model
from diffir_core.nn import DiffIRS2
from diffir_core.nn.diffusion import standard_normal
from diffir_core.options import RestoreOptions
from diffir_core.settled import settle

Array = NDArray[np.float32]
Result = TypeVar("Result")

_MOST_HALVINGS = 5


class Restorer:
    """Restore planes of any size, exactly, on one device; the model is not changed."""

    def __init__(
        self, model: Model, options: RestoreOptions, threads: int | None = None
    ) -> None:
        self.model, self.options, self.config = model, options, model.config
        self.settled = settle(model.card, options)
        check_weights(model)
        check_options(options, model, self.settled)
        chosen = choose_device(options.device)
        self.device, self.device_reason = chosen.device, chosen.reason
        self._network = _on_device(model.restorer, self.device)
        on_cpu = self.device.type == "cpu"
        threads = threads or torch_threads()
        self.workers = Workers(threads if on_cpu else 1)
        self.tiling = Tiling(options.tile)
        self.tiles_done = 0
        self.last_plan: MemoryPlan | None = None
        self.precision, self.precision_psnr_db = choose_precision(
            options, self._network, self.workers, self.device
        )
        self.streams = choose_streams(self.device, self.precision, options.kernels)
        self._folds = Folds(
            self._network.G, self.precision.dtype, self.streams.weight_copies
        )
        self.memory = MemoryBudget(
            MemoryModel(self.config, self.streams, self.workers.count),
            self.tiling,
            self.settled.averages_flips,
            on_cpu,
            options.memory_bytes() or free_memory_bytes(self.device),
        )
        with inferring(self.device):
            self._dense = dense_layers(self._network.G, self.streams.convolution)

    def features(self, planes: Sequence[Plane]) -> Generator[float, None, list[Array]]:
        """Give CPEN's average features of planes; they can be averaged over planes."""
        condition = self._network.condition
        with telling_of_memory(self.device):
            pooled = yield from self._inferring(
                pooled_features(condition, list(planes), self.workers, self.device)
            )
        return [average.cpu().numpy() for average in pooled]

    def ipr_from(self, features: Array, source: str, seed: int | None = None) -> IPR:
        """Estimate the IPR from pooled features, by reverse steps from the seed."""
        pooled = torch.from_numpy(features)[None].to(self.device)
        seed = self.options.seed if seed is None else seed
        generator = torch.Generator().manual_seed(seed)
        start = standard_normal((1, self.config.ipr_length), generator)
        with inferring(self.device):
            condition = self._network.condition.mlp(pooled)
            start = start.to(self.device)
            chain = self._network.reverse_chain(condition, start, self.options.steps)
            values = chain[:, 0].cpu().numpy()
        if not np.isfinite(values).all():
            raise InputError(
                f"'{self.model.name}' gave an IPR that is not finite; its weights are "
                "damaged, fetch or train them anew."
            )
        ipr = IPR(values[-1].copy(), self.model.fingerprint, seed, values, source)
        return steer(ipr, self.model, self.options.strength)

    def job(self, plane: Plane, ipr: IPR) -> Job:
        """Give what `restore` takes."""
        return Job(plane, self._folds.of(ipr))

    def largest_batch(self) -> int:
        """Give how many planes with IPRs of their own may be restored at once."""
        return self._folds.most

    def restore(
        self, jobs: Sequence[Job], *, joint: bool = False
    ) -> Generator[float, None, None]:
        """Restore planes; yield the fraction done.

        The attention matrices that were computed are left in the jobs.
        """
        if not self.settled.averages_flips:
            yield from self._restore(jobs, joint)
            return
        means = [FlipMean(job) for job in jobs]
        for flip in FLIPS:
            flipped = [mean.flipped(flip) for mean in means]
            for fraction in self._restore(flipped, joint):
                yield (flip.number + fraction) / len(FLIPS)
            for mean in means:
                mean.add(flip)
        for mean in means:
            mean.write()

    def _restore(
        self, jobs: Sequence[Job], joint: bool
    ) -> Generator[float, None, None]:
        given = [dict(job.attention) for job in jobs]
        tiling = self.tiling
        while True:
            try:
                yield from self._inferring(self._attempt(jobs, tiling, joint))
                return
            except RuntimeError as error:
                if not lacks_memory(error):
                    raise
                if tiling.halvings == _MOST_HALVINGS:
                    raise no_memory(self.device) from error
                tiling = tiling.halved()
                for job, attention in zip(jobs, given, strict=True):
                    job.attention = dict(attention)

    def _attempt(
        self, jobs: Sequence[Job], tiling: Tiling, joint: bool
    ) -> Generator[float, None, None]:
        chosen = self.memory.of_jobs(jobs, tiling)
        store: Store = MemoryStore(self.device)
        if chosen.in_files:
            store = FileStore()
        self.last_plan = chosen
        runner = Runner(
            self._network.G,
            self.workers,
            store,
            chosen.tiling,
            self.device,
            self.streams,
            self._dense,
        )
        total, done = runner.total_work(jobs), 0.0
        for work in runner.restore(jobs, joint=joint):
            done += work
            yield min(1.0, done / total)
        self.tiles_done += runner.tiles_done

    def _inferring(
        self, steps: Generator[float, None, Result]
    ) -> Generator[float, None, Result]:
        """Run a generator without gradients, which must not leak out between steps.

        "exact" is exact on every device: TF32 is off until the next step, too.
        """
        exact = self.options.exactness == "exact"
        try:
            while True:
                with inferring(self.device), ExitStack() as settings:
                    if exact:
                        settings.enter_context(full_float32(self.device))
                    try:
                        work = next(steps)
                    except StopIteration as finished:
                        return finished.value  # type: ignore[no-any-return]
                yield work
        finally:
            steps.close()

    def restore_array(self, values: Array, ipr: IPR) -> Array:
        """Restore (channels, height, width) in model units."""
        config = self.config
        shape = tuple(size * config.scale for size in values.shape[1:])
        out = np.empty((config.out_channels, *shape), np.float32)
        exhaust(self.restore([self.job(array_plane(values, config, out), ipr)]))
        return out


def _on_device(network: DiffIRS2, device: torch.device) -> DiffIRS2:
    """Give the network there, without moving the caller's."""
    if device.type == "cpu":
        return network
    with telling_of_memory(device):
        return copy.deepcopy(network).to(device)
