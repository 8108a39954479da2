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
from diffir_training.logs import Validated
from diffir_training.losses import pixel_log_rms
from diffir_training.recipe import Recipe
from diffir_training.trainer import Trainer
from safetensors.torch import load_file
from skimage.io import imread

from diffir_core import load_model
from diffir_core.errors import InputError


def test_training_gives_a_stage_two_model_with_a_log(
    recipe: Recipe, tmp_path: Path
) -> None:
    trained = Trainer(recipe, tmp_path / "run").run()
    model = load_model(trained)
    assert model.stage == 2
    assert model.config == recipe.model
    assert model.statistics is not None
    assert model.statistics.patches == 16
    assert load_model(tmp_path / "run" / "stage1.safetensors").statistics is None
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


def test_a_run_stopped_after_every_step_ends_with_the_same_weights(
    recipe: Recipe, tmp_path: Path
) -> None:
    recipe = recipe.replace(
        validation=dict(steps=3, patches=1, patch_size=32, held_back_fraction=0.5)
    )
    unbroken = load_file(Trainer(recipe, tmp_path / "unbroken").run())
    trainer = Trainer(recipe, tmp_path / "stopped")
    while trainer.step < trainer.steps:
        steps = trainer.train()
        for _ in range(2):  # In the middle of the news of a step, too.
            next(steps, None)
        steps.close()
        trainer = Trainer(recipe, tmp_path / "stopped", resume=True)
    weights = load_file(trainer.result)
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


def test_the_log_rms_weighs_all_noise_levels_alike() -> None:
    target = torch.rand(2, 1, 8, 8)
    error = torch.randn(2, 1, 8, 8) * torch.tensor([0.3, 0.03])[:, None, None, None]
    estimate = (target + error).requires_grad_(True)
    loss = pixel_log_rms(estimate, target)
    assert 0 < loss < 0.2
    assert pixel_log_rms(target, target) == 0
    loss.backward()
    slopes = (estimate.grad * error).sum(dim=(1, 2, 3))  # By shrinking the error.
    torch.testing.assert_close(slopes, torch.full((2,), 0.015), rtol=5e-3, atol=0)


def test_a_recipe_may_train_for_decibels(recipe: Recipe, tmp_path: Path) -> None:
    rates = dict(patch_size=32, learning_rate=2e-3, pixel_loss="log_rms")
    stages = [dict(kind=kind, steps=40, **rates) for kind in ("ground_truth", "joint")]
    losses: list[float] = []
    Trainer(recipe.replace(stages=stages, log_steps=20), tmp_path / "run").run(
        lambda done: losses.append(done.loss)
    )
    assert losses[1] < losses[0] - 0.001
    with pytest.raises(InputError, match="pixel_loss must be l1"):
        recipe.replace(
            stages=[{**stages[0], "adversary": {"kind": "inpainting"}}, stages[1]]
        )


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
    images = dict(kind="clean", sources=[dict(pattern="nothing/*.tif")])
    data = recipe.data.replace(images=images)
    with pytest.raises(InputError, match=r"nothing/\*\.tif"):
        Trainer(recipe.replace(data=data.model_dump()), tmp_path / "run")


def test_learning_rate_warms_up_and_falls(recipe: Recipe) -> None:
    schedule = recipe.stages[0].replace(steps=1000, warmup_steps=100)
    rates = [schedule.rate_at(step) for step in range(1000)]
    assert rates[0] < rates[50] < rates[100]
    assert rates[-1] == pytest.approx(schedule.final_learning_rate, rel=0.01)


def test_a_stage_with_a_discriminator_trains_and_resumes(
    recipe: Recipe, tmp_path: Path
) -> None:
    """Both sides, their optimisers and the KL distillation are in the checkpoint."""
    model = recipe.model.replace(architecture="sr", scale=2, layer_norm="BiasFree")
    noise = dict(kind="chain", steps=[dict(kind="binning"), dict(kind="camera")])
    adversary = dict(kind="super_resolution")
    stage = dict(patch_size=64, batch=2)
    stages = [
        stage | dict(kind="ground_truth", steps=2),
        stage | dict(kind="estimation", steps=2, distillation="kl"),
        stage | dict(kind="joint", steps=4, adversary=adversary),
    ]
    recipe = recipe.replace(
        model=model, noise=noise, stages=stages, log_steps=1, checkpoint_steps=100
    )
    unbroken = load_file(Trainer(recipe, tmp_path / "unbroken").run())
    started = Trainer(recipe, tmp_path / "stopped")
    steps = started.train()
    while started.step < 6:
        next(steps)
    steps.close()
    assert started.learner.discriminator is not None
    weights = load_file(Trainer(recipe, tmp_path / "stopped", resume=True).run())
    assert all(torch.equal(weights[key], unbroken[key]) for key in weights)


def test_trained_models_can_be_gone_on_from(recipe: Recipe, tmp_path: Path) -> None:
    joint = recipe.stages[2:]
    Trainer(recipe, tmp_path / "first").run()
    stage1, stage2 = (str(tmp_path / "first" / f"stage{i}.safetensors") for i in (1, 2))
    with_teacher = recipe.replace(start=dict(stage1=stage1), stages=recipe.stages[1:])
    assert load_model(Trainer(with_teacher, tmp_path / "second").run()).stage == 2
    both = recipe.replace(start=dict(stage1=stage1, stage2=stage2), stages=joint)
    begun = Trainer(both, tmp_path / "third")
    assert begun.stage2 is not None
    expected = load_model(stage2).network.state_dict()
    own = begun.stage2.state_dict()
    assert all(torch.equal(own[key], expected[key]) for key in expected)
    tuned = Trainer(recipe.replace(start=dict(stage2=stage2)), tmp_path / "fourth")
    weight = tuned.stage1.state_dict()["G.output.weight"]
    assert torch.equal(weight, expected["G.output.weight"])
    assert load_model(tuned.run()).stage == 2


def test_a_start_that_does_not_fit_is_refused(recipe: Recipe, tmp_path: Path) -> None:
    Trainer(recipe.replace(stages=recipe.stages[:1]), tmp_path / "first").run()
    start = str(tmp_path / "first" / "stage1.safetensors")
    wider = recipe.model.replace(dim=16)
    with pytest.raises(InputError, match="not the recipe's model"):
        Trainer(
            recipe.replace(start=dict(stage1=start), model=wider), tmp_path / "second"
        )
    with pytest.raises(InputError, match="the other stage"):
        Trainer(recipe.replace(start=dict(stage2=start)), tmp_path / "third")
    with pytest.raises(InputError, match=r"start\.stage1 must name"):
        recipe.replace(stages=recipe.stages[1:])


def test_compiled_blocks_learn_the_same_by_rounding(
    recipe: Recipe, tmp_path: Path
) -> None:
    recipe = recipe.replace(stages=recipe.stages[:1])
    compiled = recipe.replace(loop=dict(compile=True))
    weights, others = (
        load_file(Trainer(r, tmp_path / name).run())
        for r, name in ((recipe, "eager"), (compiled, "compiled"))
    )
    for key, weight in weights.items():
        torch.testing.assert_close(others[key], weight, atol=1e-4, rtol=1e-3)


def test_validation_keeps_the_best_and_shows_it(recipe: Recipe, tmp_path: Path) -> None:
    validation = dict(steps=3, patches=2, patch_size=32, held_back_fraction=0.5)
    recipe = recipe.replace(validation=validation)
    events = []
    Trainer(recipe, tmp_path / "run").run(events.append)
    measured = [event for event in events if isinstance(event, Validated)]
    assert [event.step for event in measured] == [3, 6, 9, 10, 12, 15, 16]
    best = [event for event in measured if event.stage == "joint" and event.is_best]
    assert best[-1].psnr_db == max(e.psnr_db for e in measured if e.stage == "joint")
    assert load_model(tmp_path / "run" / "best.safetensors").stage == 2
    preview = imread(tmp_path / "run" / "previews" / "00000016.png")
    assert preview.shape == (2 * 32, 3 * 32)
