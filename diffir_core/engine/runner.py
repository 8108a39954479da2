"""A DIRformer over planes of any size, exactly: block by block over all their tiles.

Within a block, one IPR and one attention matrix per head are all that is global. So the
residual stream is kept (in memory or in files), every block sweeps over it in place,
panel by panel: each panel is a stream of strips (see `streams`), and while a strip of
output is at hand, the sums that the next block's attention needs are taken on it.
Convolutions between the levels run over tiles. Nothing is approximated, so there are no
seams: the tiling changes rounding only.

Everything long is a generator that yields work done; closing it stops the threads.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from functools import partial

import torch

from diffir_core.engine.dense import DenseLayers, dense_layers
from diffir_core.engine.features import Edges, FeatureMap
from diffir_core.engine.local import LocalLayers
from diffir_core.engine.panels import HALO, MAIN_WORK, SUM_WORK, Panel, PanelRunner
from diffir_core.engine.planes import Job
from diffir_core.engine.storage import Store
from diffir_core.engine.streams import AttentionSums, Streams
from diffir_core.engine.tail import Tail
from diffir_core.engine.tiling import Tiling
from diffir_core.engine.torch_streams import TorchStreams
from diffir_core.engine.workers import Workers
from diffir_core.nn import DIRformer

Steps = Generator[float, None, None]


class Runner:
    """Restores planes under folded IPRs with one DIRformer."""

    def __init__(
        self,
        network: DIRformer,
        workers: Workers,
        store: Store,
        tiling: Tiling,
        device: torch.device,
        streams: Streams | None = None,
        dense: DenseLayers | None = None,
    ) -> None:
        self.network, self.workers, self.store = network, workers, store
        self.tiling, self.device = tiling, device
        streams = streams or TorchStreams()
        self.dense = dense or dense_layers(network, streams.convolution)
        self.panels = PanelRunner(streams, tiling, device, workers.count)

    @property
    def tiles_done(self) -> int:
        """How many strips of panels have been done."""
        return self.panels.tiles_done

    def restore(self, jobs: Sequence[Job], *, joint: bool = False) -> Steps:
        """Restore the planes of `jobs`; with `joint`, as if they were one image.

        Attention matrices that a job already has are used; others are computed and
        left in the job. `joint` shares them among all jobs, which share an IPR then.
        """
        layers = LocalLayers(
            self.dense, self.workers, self.store, self.tiling, self.device
        )
        tail = Tail(self.dense, self.workers, self.tiling, self.device)
        planes = [job.plane for job in jobs]

        def stage(maps: list[FeatureMap], *names: str) -> Steps:
            return self._stage(names, jobs, maps, joint)

        level1 = yield from layers.embed(planes)
        yield from stage(level1, "encoder_level1")
        level2 = yield from layers.down(0, level1)
        yield from stage(level2, "encoder_level2")
        level3 = yield from layers.down(1, level2)
        yield from stage(level3, "encoder_level3")
        latent = yield from layers.down(2, level3)
        yield from stage(latent, "latent")

        yield from layers.merge(2, latent, level3)
        del latent
        yield from stage(level3, "decoder_level3")
        yield from layers.merge(1, level3, level2)
        del level3
        yield from stage(level2, "decoder_level2")
        up = yield from layers.up(level2)
        del level2
        level1 = [a.beside(b) for a, b in zip(up, level1, strict=True)]
        del up
        yield from stage(level1, "decoder_level1", "refinement")
        yield from tail.end(level1, planes)

    def _stage(
        self,
        names: Sequence[str],
        jobs: Sequence[Job],
        maps: list[FeatureMap],
        joint: bool,
    ) -> Steps:
        """Sweep the blocks of one or two stacks, which follow each other, over maps."""
        blocks = [
            f"{name}.{i}"
            for name in names
            for i in range(len(getattr(self.network, name, ())))
        ]
        for block, following in zip(blocks, [*blocks[1:], None], strict=True):
            if any(block not in job.attention for job in jobs):
                yield from self._sums_of_first(block, jobs, maps, joint)
            yield from self._sweep(block, following, jobs, maps, joint)

    def _sums_of_first(
        self, block: str, jobs: Sequence[Job], maps: list[FeatureMap], joint: bool
    ) -> Steps:
        panels = self.panels.cut(jobs, maps, block, halo=1)
        tasks = [partial(self.panels.sums, panel) for panel in panels]
        sums = yield from self.workers.run(tasks)
        self._keep_attention(block, jobs, panels, sums, joint)

    def _sweep(
        self,
        block: str,
        following: str | None,
        jobs: Sequence[Job],
        maps: list[FeatureMap],
        joint: bool,
    ) -> Steps:
        if following is not None and following in jobs[0].attention:
            following = None
        panels = self.panels.cut(jobs, maps, block, HALO)
        edges = [
            Edges(features, [p.span for p in panels if p.features is features], HALO)
            for features in maps
        ]
        mixing = [job.folded[block].mixing_matrix(job.attention[block]) for job in jobs]
        tasks = [
            partial(
                self.panels.sweep,
                panel,
                edges[panel.number],
                mixing[panel.number],
                jobs[panel.number].folded[following] if following else None,
            )
            for panel in panels
        ]
        sums = yield from self.workers.run(tasks)
        if following:
            taken = [s for s in sums if s is not None]
            self._keep_attention(following, jobs, panels, taken, joint)

    def _keep_attention(
        self,
        block: str,
        jobs: Sequence[Job],
        panels: Sequence[Panel],
        sums: Sequence[AttentionSums],
        joint: bool,
    ) -> None:
        totals: dict[int, AttentionSums] = {}
        for panel, part in zip(panels, sums, strict=True):
            key = 0 if joint else panel.number
            totals[key] = totals[key].plus(part) if key in totals else part
        for number, job in enumerate(jobs):
            total = totals[0 if joint else number]
            job.attention[block] = total.matrix(job.folded[block].temperature)

    def total_work(self, jobs: Sequence[Job]) -> float:
        """Give the work that `restore` will yield."""
        config, total = self.network.config, 0.0
        for job in jobs:
            height, width = job.plane.body_shape
            frozen = bool(job.attention)
            for name, level, channels in (
                ("encoder_level1", 0, config.dim),
                ("encoder_level2", 1, 2 * config.dim),
                ("encoder_level3", 2, 4 * config.dim),
                ("latent", 3, 8 * config.dim),
                ("decoder_level3", 2, 4 * config.dim),
                ("decoder_level2", 1, 2 * config.dim),
                ("decoder_level1", 0, 2 * config.dim),
                ("refinement", 0, 2 * config.dim),
            ):
                blocks = len(getattr(self.network, name, ()))
                each = MAIN_WORK + (0 if frozen else SUM_WORK)
                total += each * blocks * channels * height * width / 4**level
        return total
