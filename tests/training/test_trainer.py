"""Two-stage training runs, improves, survives a kill, and refuses what cannot work."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from diffir_training.cli import load_recipe
from diffir_training.recipe import Recipe
from diffir_training.trainer import Trainer, learning_rate
from safetensors.torch import load_file

from diffir_core import load_model
from diffir_core.errors import InputError


def test_training_gives_a_stage_two_model_with_a_log(
    recipe: Recipe, tmp_path: Path
) -> None:
    trained = Trainer(recipe, tmp_path / "run").run()
    model = load_model(trained)
    assert model.stage == 2
    assert model.config == recipe.model
    with (tmp_path / "run" / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert int(rows[-1]["step"]) == 16
    assert {row["stage"] for row in rows} == {"ground_truth", "estimation", "joint"}


def test_a_killed_run_resumes_to_the_very_same_weights(
    recipe: Recipe, tmp_path: Path
) -> None:
    recipe_file = tmp_path / "recipe.yaml"
    recipe_file.write_text(recipe.to_yaml())
    unbroken = load_file(Trainer(recipe, tmp_path / "unbroken").run())
    _kill_after_first_checkpoint(recipe_file, tmp_path / "killed")
    resumed = Trainer(recipe, tmp_path / "killed", resume=True)
    assert 0 < resumed.step < 16
    weights = load_file(resumed.run())
    assert weights.keys() == unbroken.keys()
    assert all(torch.equal(weights[key], unbroken[key]) for key in weights)


def test_a_run_closed_at_any_news_resumes_to_the_very_same_weights(
    recipe: Recipe, tmp_path: Path
) -> None:
    plan = dict(steps=3, patches=2, patch_size=32)
    recipe = recipe.replace(validation=plan, checkpoint_steps=1000)
    unbroken = load_file(Trainer(recipe, tmp_path / "unbroken").run())
    trainer, sittings = Trainer(recipe, tmp_path / "closed"), 0
    while trainer.position < 3:
        assert sittings < 30  # A stage closed at its end must not go on for ever.
        training = trainer.train()
        next((event for event in training if event is not None), None)
        training.close()
        trainer = Trainer(recipe, tmp_path / "closed", resume=True)
        sittings += 1
    assert sittings >= 8
    assert trainer.step == 16
    weights = load_file(trainer.run())
    assert all(torch.equal(weights[key], unbroken[key]) for key in weights)


def _kill_after_first_checkpoint(recipe_file: Path, folder: Path) -> None:
    """Train in a process of its own, and kill it in the middle."""
    code = (
        "import sys, time; from pathlib import Path\n"
        "from diffir_training.recipe import Recipe\n"
        "from diffir_training.trainer import Trainer\n"
        "recipe = Recipe.from_yaml(sys.argv[1])\n"
        "Trainer(recipe, Path(sys.argv[2])).run(lambda done: time.sleep(0.5))\n"
    )
    command = [sys.executable, "-c", code, str(recipe_file), str(folder)]
    process = subprocess.Popen(command)
    deadline = time.monotonic() + 120
    while not (folder / "state.pt").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def test_more_steps_lower_the_loss(recipe: Recipe, tmp_path: Path) -> None:
    stages = [dict(kind="ground_truth", steps=120, patch_size=32, learning_rate=2e-3)]
    losses: list[float] = []
    Trainer(recipe.replace(stages=stages, log_steps=20), tmp_path / "run").run(
        lambda done: losses.append(done.loss)
    )
    assert losses[-1] < 0.7 * losses[0]


def test_a_run_is_not_overwritten_unless_resumed_with_its_own_recipe(
    recipe: Recipe, tmp_path: Path
) -> None:
    Trainer(recipe, tmp_path / "run").run()
    with pytest.raises(InputError, match="already holds a training run"):
        Trainer(recipe, tmp_path / "run")
    with pytest.raises(InputError, match="another recipe"):
        Trainer(recipe.replace(seed=7), tmp_path / "run", resume=True)


def test_a_finished_run_resumes_to_its_end_at_once(
    recipe: Recipe, tmp_path: Path
) -> None:
    first = Trainer(recipe, tmp_path / "run").run()
    assert Trainer(recipe, tmp_path / "run", resume=True).run() == first


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("stage=3", "stage"),
        ("model.dimm=8", "dimm"),
        ("model.dim=7", "dim"),
        ("stages.9.steps=3", "no value 'stages.9.steps'"),
        ("seed", "key=value"),
        ("stages=[]", "stages"),
    ],
)
def test_a_wrong_recipe_is_refused_in_one_sentence(
    recipe: Recipe, tmp_path: Path, change: str, message: str
) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(recipe.to_yaml())
    with pytest.raises(InputError, match=message) as caught:
        load_recipe(path, [change])
    assert "\n" not in str(caught.value)


def test_images_that_are_not_there_are_named(recipe: Recipe, tmp_path: Path) -> None:
    data = recipe.data.replace(sources=[dict(pattern="nothing/*.tif")])
    with pytest.raises(InputError, match=r"nothing/\*\.tif"):
        Trainer(recipe.replace(data=data.model_dump()), tmp_path / "run")


def test_learning_rate_warms_up_and_falls(recipe: Recipe) -> None:
    schedule = recipe.stages[0].replace(steps=1000, warmup_steps=100)
    rates = [learning_rate(schedule, step) for step in range(1000)]
    assert rates[0] < rates[50] < rates[100]
    assert rates[-1] == pytest.approx(schedule.final_learning_rate, rel=0.01)
