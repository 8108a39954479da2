"""The training loop: stages in order, validation, checkpoints, resume.

Batch and diffusion noise of a step depend on its number alone, and a checkpoint
holds everything else; so an interrupted run ends with the weights of an unbroken one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator
from pathlib import Path

import torch

from diffir_core._folder_lock import FolderLock
from diffir_core._whole_files import make_folder
from diffir_core.checkpoint import save_model
from diffir_core.nn import DiffIRS2
from diffir_training.batches import Batch, drawn
from diffir_training.building import (
    build_stage,
    data_of,
    discriminator_for,
    first_network,
    second_network,
)
from diffir_training.checking import (
    begin_folder,
    check_files,
    check_noise,
    check_patch,
    check_saving,
    check_shares,
    check_vacant,
)
from diffir_training.devices import Devices, find_devices
from diffir_training.fused import Network, fuse
from diffir_training.ipr_statistics import STATISTICS_STEP, measure_iprs
from diffir_training.learner import Learner
from diffir_training.logs import Event, Validated
from diffir_training.recipe import Recipe
from diffir_training.reporting import Reporter
from diffir_training.stage_schedule import StageSchedule
from diffir_training.stages import stage_two_from
from diffir_training.state import NAME, load_state, save_state
from diffir_training.validation import held_back_batches


class Trainer:
    """Train a recipe in a folder; to resume is to go on from the checkpoint there.

    The folder receives `recipe.yaml`, `state.pt`, `log.csv`, `stage1.safetensors` and
    `stage2.safetensors` (the averaged weights, renewed with every checkpoint), and
    with validation `validation.csv`, `best.safetensors` and `previews/`. No other run
    can train in it until this one has ended.
    """

    def __init__(
        self,
        recipe: Recipe,
        folder: str | Path,
        *,
        resume: bool = False,
        devices: Devices | None = None,
    ) -> None:
        folder = Path(folder)
        self.recipe, self.folder = recipe, folder
        goes_on = resume and (folder / NAME).exists()
        if not goes_on:
            check_vacant(folder)
        self.devices = devices or find_devices(recipe.loop.device)
        check_shares(recipe, self.devices.processes)
        check_noise(recipe)
        if not goes_on:
            check_files(recipe)
        make_folder(folder)
        self._lock = FolderLock(
            folder,
            f"Another run is training in {folder}; wait for it, stop it, or choose "
            "another folder.",
        )
        self._lock_folder()
        try:
            self._begin(goes_on=goes_on)
        except BaseException:
            self._lock.release()
            raise

    def _lock_folder(self) -> None:
        if self.devices.is_first:  # It alone writes.
            self._lock.acquire()

    def _begin(self, *, goes_on: bool) -> None:
        """Open the images, build the networks, and begin or go on in the folder."""
        recipe, folder = self.recipe, self.folder
        held_back = self._open_data()
        torch.manual_seed(recipe.seed)  # Initial weights; torch offers no other way.
        self.stage1 = self._prepared(first_network(recipe))
        self.stage2: DiffIRS2 | None = None
        self.position, self.step_in_stage, self.step = 0, 0, 0
        self._reporter = Reporter(recipe, folder, held_back, self.devices)
        self._enter_stage()
        if goes_on:
            self._load()
        elif self.devices.is_first:
            check_saving(self.stage1, recipe, folder)
            begin_folder(recipe, folder)

    def _open_data(self) -> list[Batch]:
        """Open what is trained on; give the patches that are held back."""
        data = data_of(self.recipe)
        self.data, self._images = data.training, data.inventory
        check_patch(self.recipe, self.data)
        return held_back_batches(self.recipe.validation, data, self.devices.device)

    @property
    def schedule(self) -> StageSchedule:
        """The stretch of training under way."""
        return self.recipe.stages[self.position]

    @property
    def steps(self) -> int:
        """Steps of all stages together."""
        return self.recipe.steps

    @property
    def result(self) -> Path:
        """The file of the trained model."""
        return self.folder / f"stage{2 if self.stage2 else 1}.safetensors"

    def run(self, on_event: Callable[[Event], None] | None = None) -> Path:
        """Train to the end; give the file of the trained model."""
        for event in self.train():
            if on_event and event is not None:
                on_event(event)
        return self.result

    def train(self) -> Generator[Event | None, None, None]:
        """Train step by step; a step without news yields None.

        Closing the generator keeps a checkpoint of the last step.
        """
        self._lock_folder()
        started, losses = time.monotonic(), []
        try:
            while self.position < len(self.recipe.stages):
                losses.append(self.learner.step(self.step, self.step_in_stage))
                self.step, self.step_in_stage = self.step + 1, self.step_in_stage + 1
                finished = self.step_in_stage == self.schedule.steps
                news = self._news(losses, time.monotonic() - started)
                if finished:
                    self._leave_stage()
                if finished or self.step % self.recipe.checkpoint_steps == 0:
                    self._save()
                yield None
                yield from news
        except GeneratorExit:
            self._save()
            raise
        finally:
            self.learner.close()
            self._reporter.close()
            self._lock.release()

    def _news(self, losses: list[float], seconds: float) -> list[Event]:
        """Report and validate if it is time to."""
        finished = self.step_in_stage == self.schedule.steps
        news: list[Event] = []
        if self._reporter.is_report_due(self.step, finished=finished):
            done = self._reporter.report(self.learner, self.step, losses, seconds)
            news.append(done)
            losses.clear()
        if self._reporter.is_validation_due(self.step, finished=finished):
            news.append(self._validate())
        return news

    def _prepared(self, network: Network) -> Network:
        fuse(network, compiled=self.recipe.loop.compile)
        return network.to(self.devices.device)

    def _enter_stage(self) -> None:
        kind = self.schedule.kind
        if kind != "ground_truth" and self.stage2 is None:
            self.stage2 = self._prepared(second_network(self.recipe, self.stage1))
        discriminator = discriminator_for(self.recipe, self.schedule)
        if discriminator is not None:
            discriminator.to(self.devices.device)
        stage = build_stage(self.schedule, self.stage1, self.stage2, discriminator)
        self.learner = Learner(
            self.recipe, self.schedule, stage, self.data, self.devices, discriminator
        )

    def _leave_stage(self) -> None:
        self.learner.close()
        self.learner.keep_average()
        self._export(self.result, with_statistics=True)
        self.position, self.step_in_stage = self.position + 1, 0
        if self.position < len(self.recipe.stages):
            self._reporter.best_psnr_db = -math.inf
            self._enter_stage()

    def _export(self, path: Path, *, with_statistics: bool = False) -> None:
        if not self.devices.is_first:
            return
        network = self.learner.ema.network
        statistics = None
        if with_statistics and isinstance(network, DiffIRS2):
            size, count = self.schedule.patch_sizes[-1], self.recipe.statistics_patches
            batches = drawn(self.data, STATISTICS_STEP, size, count)
            device = self.devices.device
            statistics = measure_iprs(network, self.stage1, batches, device)
        save_model(path, network, card=self.recipe.card, statistics=statistics)

    def _save(self) -> None:
        if not self.devices.is_first:
            return
        if self.position < len(self.recipe.stages):
            self._export(self.result)
        state = {
            "recipe": self.recipe.unchanging(),
            "resolved_recipe": self.recipe.to_yaml(),
            "position": self.position,
            "step_in_stage": self.step_in_stage,
            "step": self.step,
            "best_psnr_db": self._reporter.best_psnr_db,
            "images": self._images,
            "generator": torch.get_rng_state(),
            "stage1": self.stage1.state_dict(),
            "stage2": self.stage2.state_dict() if self.stage2 else None,
            **self.learner.state(),
        }
        save_state(self.folder, state)

    def _load(self) -> None:
        state = load_state(self.folder, self.recipe.unchanging(), self._images)
        self.position = state["position"]
        self.step_in_stage, self.step = state["step_in_stage"], state["step"]
        self._reporter.best_psnr_db = state["best_psnr_db"]
        self.stage1.load_state_dict(state["stage1"])
        if self.position == len(self.recipe.stages):
            if state["stage2"]:
                self.stage2 = stage_two_from(self.stage1, self.recipe.model)
            return
        self._enter_stage()
        if self.stage2 is not None:
            self.stage2.load_state_dict(state["stage2"])
        self.learner.load(state)
        if "generator" in state:  # What later stages begin with is drawn from it.
            torch.set_rng_state(state["generator"])

    def _validate(self) -> Validated:
        quality = self._reporter.validate(self.learner, self.step)
        if quality.is_best:
            self._export(self.folder / "best.safetensors", with_statistics=True)
        self._reporter.show(quality, self.learner)
        return quality
