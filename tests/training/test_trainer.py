"""Two-stage training runs, improves, survives a kill, and refuses what cannot work."""

from __future__ import annotations

import csv
import math
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
import typer
from click.testing import Result
from diffir_training.batches import Batch
from diffir_training.cli import load_recipe, train
from diffir_training.learner import Learner
from diffir_training.logs import RunLog, StepDone, Validated
from diffir_training.losses import pixel_log_rms
from diffir_training.recipe import Recipe
from diffir_training.trainer import Trainer
from diffir_training.validation import validate
from safetensors.torch import load_file
from skimage.io import imread
from typer.testing import CliRunner

import diffir_core as diffir
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
    unbroken = load_file(Trainer(recipe, str(tmp_path / "unbroken")).run())
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
    unbroken = load_file(Trainer(recipe, str(tmp_path / "unbroken")).run())
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


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_run_without_its_checkpoint_keeps_its_models(
    recipe: Recipe, tmp_path: Path
) -> None:
    run, recipe = tmp_path / "run", recipe.replace(stages=recipe.stages[:1])
    Trainer(recipe, run).run()
    (run / "state.pt").unlink()
    before = _contents(run)
    for resume in (False, True):
        with pytest.raises(InputError, match=r"stage1\.safetensors is already there"):
            Trainer(recipe, run, resume=resume)
    assert _contents(run) == before


@pytest.mark.parametrize(
    ("name", "contents"), [("log.csv", "day,dose\n1,2\n"), ("recipe.yaml", "")]
)
def test_files_of_others_in_the_folder_of_a_run_stay_as_they_are(
    recipe: Recipe, tmp_path: Path, name: str, contents: str
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / name).write_text(contents or f"# Why dim is 8.\n{recipe.to_yaml()}")
    before = _contents(run)
    source = run / name if name == "recipe.yaml" else tmp_path / "own.yaml"
    if not source.exists():
        source.write_text(recipe.to_yaml())
    done = _invoked(str(source), "--output", str(run))
    assert isinstance(done.exception, InputError)
    assert f"{name} is already there" in str(done.exception)
    assert _contents(run) == before


def test_a_run_that_took_no_step_can_be_begun_again(
    recipe: Recipe, tmp_path: Path
) -> None:
    recipe = recipe.replace(stages=recipe.stages[:1])
    Trainer(recipe, tmp_path / "run")
    assert Trainer(recipe, tmp_path / "run").run().exists()


def test_two_runs_never_share_a_folder(recipe: Recipe, tmp_path: Path) -> None:
    """As jobs of an array that all take the folder of the recipe's name."""
    first = Trainer(recipe, tmp_path / "run")
    steps = first.train()
    next(steps)  # Nothing but recipe.yaml is there yet.
    other = recipe.replace(seed=1)
    with pytest.raises(InputError, match=r"Another run is training in .*run; wait"):
        Trainer(other, tmp_path / "run")
    assert Recipe.from_yaml(tmp_path / "run" / "recipe.yaml").seed == recipe.seed
    steps.close()
    resumed = Trainer(recipe, tmp_path / "run", resume=True)
    with pytest.raises(InputError, match="Another run is training"):
        Trainer(recipe, tmp_path / "run", resume=True)
    assert resumed.run().exists()
    Trainer(recipe, tmp_path / "run", resume=True)


def test_a_start_that_failed_can_be_mended_in_its_folder(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before its first checkpoint, a run has nothing that is worth keeping."""
    run = tmp_path / "run"
    recipe = recipe.replace(stages=recipe.stages[:1], log_steps=1)
    with monkeypatch.context() as patch:
        real = Learner._accumulated
        seen: list[int] = []

        def fails_later(*arguments: Any) -> Any:
            seen.append(1)
            if len(seen) == 3:
                raise MemoryError
            return real(*arguments)

        patch.setattr(Learner, "_accumulated", fails_later)
        with pytest.raises(MemoryError):
            Trainer(recipe, run).run()
    for path in (*run.glob("*.safetensors"), *run.glob("state.pt")):
        path.unlink()
    assert (run / "log.csv").exists()
    Trainer(recipe.replace(seed=recipe.seed + 1), run).run()
    rows = (run / "log.csv").read_text().splitlines()
    assert [row.split(",")[1] for row in rows[1:3]] == ["1", "2"]
    assert sum(row.startswith("ground_truth,1,") for row in rows) == 1


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
        ("name=''", r"Recipe\.name is ''"),
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
    unbroken = load_file(Trainer(recipe, str(tmp_path / "unbroken")).run())
    started = Trainer(recipe, tmp_path / "stopped")
    steps = started.train()
    while started.step < 6:
        next(steps)
    steps.close()
    assert started.learner.discriminator is not None
    weights = load_file(Trainer(recipe, tmp_path / "stopped", resume=True).run())
    assert all(torch.equal(weights[key], unbroken[key]) for key in weights)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_inpainting_against_a_discriminator_from_the_first_stage_on_resumes(
    recipe: Recipe, tmp_path: Path, precision: str
) -> None:
    """What the second stage begins with is drawn as if nothing had happened."""
    changes = dict(architecture="inpainting", in_channels=2, num_refinement_blocks=0)
    stage = dict(steps=2, patch_size=32, batch=2, adversary=dict(kind="inpainting"))
    recipe = recipe.replace(
        model=recipe.model.replace(**changes),
        noise=dict(kind="sensor_defects"),
        stages=[stage | dict(kind=kind) for kind in ("ground_truth", "joint")],
        loop=dict(device="cpu", precision=precision),
    )
    unbroken = load_file(Trainer(recipe, str(tmp_path / "unbroken")).run())
    _stop_after(1, Trainer(recipe, tmp_path / "stopped"))
    weights = load_file(Trainer(recipe, tmp_path / "stopped", resume=True).run())
    assert all(torch.equal(weights[key], unbroken[key]) for key in weights)


def _stop_after(step: int, trainer: Trainer) -> None:
    steps = trainer.train()
    while trainer.step < step:
        next(steps)
    steps.close()


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


def test_a_stage_2_may_take_other_reverse_steps_than_its_stage_1_says(
    recipe: Recipe, tmp_path: Path
) -> None:
    """Stage 1 has no diffusion: one teaches models of every T, to compare them."""
    Trainer(recipe.replace(stages=recipe.stages[:1]), tmp_path / "first").run()
    stage1 = tmp_path / "first" / "stage1.safetensors"
    longer = recipe.replace(
        model=recipe.model.replace(timesteps=recipe.model.timesteps + 3),
        stages=recipe.stages[1:],
        start=dict(stage1=str(stage1)),
    )
    model = load_model(Trainer(longer, tmp_path / "second").run())
    assert model.config == longer.model
    image = np.random.default_rng(0).poisson(40, (40, 48)).astype(np.float32)
    target = diffir.reference_ipr(image, image, model, load_model(stage1))
    assert target.vector.shape == (model.config.ipr_length,)


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


def _change(folder: Path, change: str) -> None:
    if change == "added":
        tifffile.imwrite(folder / "a.tif", np.eye(64, dtype=np.uint16))
    elif change == "removed":
        (folder / "clean1.tif").unlink()
    else:
        image = tifffile.imread(folder / "clean1.tif")
        tifffile.imwrite(folder / "clean1.tif", image[::-1] // 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("added", r"now a\.tif is trained on, then not"),
        ("removed", r"then clean1\.tif is held back, now not"),
        ("changed", r"clean1\.tif is held back, and has changed"),
    ],
)
def test_a_run_goes_on_with_its_own_images_alone(
    recipe: Recipe, tmp_path: Path, change: str, message: str
) -> None:
    tifffile.imwrite(recipe.data.folder / "other1.tif", np.eye(64, dtype=np.uint16))
    validation = dict(patches=1, patch_size=32, held_back_files="*1.tif")
    recipe = recipe.replace(validation=validation)
    _stop_after(1, Trainer(recipe, tmp_path / "run"))
    assert Trainer(recipe, tmp_path / "run", resume=True).step == 1
    _change(recipe.data.folder, change)
    with pytest.raises(InputError, match=message) as caught:
        Trainer(recipe, tmp_path / "run", resume=True)
    assert "made with other images" in str(caught.value)


def test_images_may_have_moved_as_a_whole_at_resume(
    recipe: Recipe, tmp_path: Path
) -> None:
    """As on another machine, or when a relative name was begun with."""
    recipe = recipe.replace(validation=dict(patches=1, patch_size=32))
    _stop_after(1, Trainer(recipe, tmp_path / "run"))
    there = tmp_path / ("a long name " * 8) / "elsewhere"
    there.parent.mkdir()
    recipe.data.folder.rename(there)
    moved = recipe.replace(data=recipe.data.replace(folder=there))
    assert Trainer(moved, tmp_path / "run", resume=True).step == 1


def test_how_often_is_logged_and_saved_may_change_at_resume(
    recipe: Recipe, tmp_path: Path
) -> None:
    _stop_after(1, Trainer(recipe, tmp_path / "run"))
    changed = recipe.replace(log_steps=1, checkpoint_steps=5)
    assert Trainer(changed, tmp_path / "run", resume=True).step == 1
    path = tmp_path / "run" / "state.pt"  # Before, both were kept.
    state = torch.load(path, weights_only=True)
    state["recipe"] = state["recipe"].replace("log_steps: 50", "log_steps: 9")
    for newer in ("images", "generator"):
        del state[newer]
    torch.save(state, path)
    assert Trainer(changed, tmp_path / "run", resume=True).step == 1


@pytest.mark.parametrize("left", [0, 100, 0.5, "a text"])
def test_a_damaged_checkpoint_is_told_in_one_sentence(
    recipe: Recipe, tmp_path: Path, left: float | str
) -> None:
    _stop_after(1, Trainer(recipe, tmp_path / "run"))
    path = tmp_path / "run" / "state.pt"
    whole = path.read_bytes()
    size = int(left * len(whole)) if isinstance(left, float) else left
    path.write_bytes(left.encode() if isinstance(left, str) else whole[:size])
    with pytest.raises(InputError, match=r"state\.pt cannot be gone on from") as caught:
        Trainer(recipe, tmp_path / "run", resume=True)
    assert "\n" not in str(caught.value)


def test_a_loss_that_explodes_is_told_with_a_way_that_can_be_gone(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Learner, "_accumulated", lambda *_: [math.nan])
    first = recipe.stages[0].replace(learning_rate=0.5)
    changed = recipe.replace(stages=[first, *recipe.stages[1:]])
    # That of the recipe, not what the warm-up has made of it.
    said = "start anew with a lower learning rate than 0.5 in the stage 'ground_truth'"
    with pytest.raises(InputError, match=said) as caught:
        Trainer(changed, tmp_path / "run").run()
    assert "stage1.safetensors" not in str(caught.value)  # Which is not there yet.


@pytest.mark.skipif(os.name == "nt", reason="needs signals between processes")
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_a_run_that_is_asked_to_end_keeps_a_checkpoint_and_says_so(
    recipe: Recipe, tmp_path: Path, number: int, code: int
) -> None:
    """Its own recipe, and no more, is needed to go on."""
    long = recipe.replace(
        stages=[dict(kind="ground_truth", steps=100_000, patch_size=32)],
        checkpoint_steps=100_000,
        log_steps=1,
    )
    (tmp_path / "long.yaml").write_text(long.to_yaml())
    run = tmp_path / "run"
    words = [str(tmp_path / "long.yaml"), "--output", str(run)]
    process = subprocess.Popen(
        [sys.executable, "-m", "diffir_core", "train", *words],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    process.stderr.readline()  # A step is done.
    process.send_signal(number)
    _, said = process.communicate(timeout=120)
    assert process.returncode == code, said
    step = torch.load(run / "state.pt", weights_only=True)["step"]
    assert f"Stopped at step {step}; pass --resume to go on." in said


def _invoked(*words: str) -> Result:
    command = typer.Typer()
    command.command()(train)
    return CliRunner().invoke(command, words)


def test_a_run_goes_on_where_its_own_recipe_is(recipe: Recipe, tmp_path: Path) -> None:
    _stop_after(12, Trainer(recipe, tmp_path / "run"))
    own = tmp_path / "run" / "recipe.yaml"
    done = _invoked(str(own), "--resume")
    assert done.exit_code == 0, done.output
    assert torch.load(tmp_path / "run/state.pt", weights_only=True)["step"] == 16


def test_a_recipe_of_a_run_means_no_other_run_of_its_name(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _stop_after(1, Trainer(recipe, Path("runs") / recipe.name))
    Trainer(recipe, Path("killed early [1]"))
    done = _invoked("killed early [1]/recipe.yaml", "--resume")
    assert isinstance(done.exception, InputError)
    assert "killed early [1] holds no checkpoint" in str(done.exception)
    done = _invoked("killed early [1]/recipe.yaml")  # Which is begun where it is.
    assert "Trained: killed early [1]/stage2.safetensors" in done.stderr
    assert torch.load(f"runs/{recipe.name}/state.pt", weights_only=True)["step"] == 1


def test_an_input_of_another_size_has_no_quality_to_print(
    recipe: Recipe, tmp_path: Path
) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(recipe.to_yaml())
    enlarging = (
        "model={architecture: sr, task: sr, scale: 2, body_grid: input, in_channels: 1,"
        " out_channels: 1, dim: 8, num_blocks: [1, 1, 1, 1], cpen_features: 8}",
        "noise={kind: chain, steps: [{kind: binning, factor: 2}, {kind: camera}]}",
        "validation={steps: 1, patches: 1, patch_size: 32}",
        "stages=[{kind: ground_truth, steps: 1, patch_size: 32, batch: 1}]",
    )
    changes = [word for change in enlarging for word in ("--set", change)]
    done = _invoked(str(path), "--output", str(tmp_path / "run"), *changes)
    assert re.search(r"ground_truth 1  PSNR \S+ dB  SSIM", done.stderr), done.output


def test_what_was_never_begun_is_not_resumed(recipe: Recipe, tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(recipe.to_yaml())
    done = _invoked(str(path), "--output", str(tmp_path / "run"), "--resume")
    assert isinstance(done.exception, InputError)
    assert "holds no checkpoint to go on from" in str(done.exception)
    assert not (tmp_path / "run").exists()


def test_a_torn_line_of_a_log_does_not_swallow_the_next(tmp_path: Path) -> None:
    log = RunLog(tmp_path, tensorboard=False)
    path = tmp_path / "log.csv"
    for step in (1, 2, 3):
        log.step(StepDone("joint", step, 9, 0.5, 1e-3, 1.0, 0.0))
        path.write_bytes(path.read_bytes()[: -4 if step == 2 else None])
    rows = path.read_text().splitlines()
    assert [row.split(",")[1] for row in rows] == ["step", "1", "2", "3"]


def test_all_channels_count_in_the_quality() -> None:
    class Identity:
        def restored(self, network: object, batch: Batch) -> torch.Tensor:
            return batch.noisy

    clean = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    noisy = clean.clone()
    noisy[:, 1:] = torch.rand(2, 2, 32, 32, generator=torch.Generator().manual_seed(1))
    whole = validate(Identity(), torch.nn.Identity(), [Batch(noisy, clean)])
    assert 0.3 < whole.ssim < 0.4
