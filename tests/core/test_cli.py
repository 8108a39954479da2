"""The command line as a user types it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
from asking import Command
from networks import save_tiny

from diffir_core import _progress_bar as bars
from diffir_core import cli
from diffir_core.ipr import IPR
from diffir_core.models import DEFAULT_MODEL
from diffir_core.samples import sample_path
from diffir_core.stacks import planning
from diffir_core.stacks.journal import Journal
from diffir_core.stacks.progress import RestoreProgress
from diffir_core.stacks.unfinished import Unfinished

NOISY = str(sample_path("noisy"))


def diffir(
    *arguments: str, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    code = "from diffir_core.cli import main; main()"
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


def test_restore_info_and_convert(tiny_file: Path, tmp_path: Path) -> None:
    result = tmp_path / "out.ome.zarr"
    done = diffir(
        "restore", NOISY, str(result), "--model", str(tiny_file), "--seed", "3"
    )
    assert done.returncode == 0, done.stderr
    assert "16 planes" in done.stdout
    described = diffir("info", str(result))
    assert "axes: ZYX" in described.stdout
    assert "seed: 3" in described.stdout
    assert "micrometer" in described.stdout
    model = diffir("info", str(tiny_file))
    assert "stage: 2" in model.stdout
    converted = tmp_path / "copy.safetensors"
    assert diffir("convert", str(tiny_file), str(converted)).returncode == 0
    again = diffir("convert", str(tiny_file), str(converted))
    assert again.returncode == 2
    assert "already there" in again.stderr


def test_help_names_every_command() -> None:
    shown = diffir("--help").stdout
    for command in ("restore", "info", "models", "download", "convert", "train"):
        assert command in shown


def test_what_the_user_can_mend_is_one_line_and_status_two(
    tiny_file: Path, tmp_path: Path, diffir_command: Command
) -> None:
    out = str(tmp_path / "out.tif")
    stage1 = save_tiny(tmp_path, "first", stage=1)
    inf = np.full((8, 8), np.inf, np.float32)
    tifffile.imwrite(tmp_path / "inf.tif", inf, ome=True, metadata={"axes": "YX"})
    (tmp_path / "job.yaml").write_text("sede: 3\n")
    (tmp_path / "cut.tif").write_bytes(Path(NOISY).read_bytes()[:5000])
    for arguments, message in (
        (["absent.tif", out], "no file"),
        ([NOISY, out, "--model", "absent"], "No model 'absent'"),
        ([NOISY, out, "--model", str(stage1)], "stage-1"),
        ([NOISY, out, "--axes", "YX"], "2 dimensions"),
        ([NOISY, out, "--memory", "lots"], "lots"),
        ([NOISY, out, "--exactness", "roughly"], "exact"),
        ([NOISY, out, "--resume", "--overwrite"], "not both"),
        ([NOISY], "OUT"),
        ([NOISY, out, "--options", str(tmp_path / "job.yaml")], "sede"),
        ([str(tmp_path / "inf.tif"), out], "64 infinite"),
        ([str(tmp_path / "cut.tif"), out], "truncated"),
    ):
        if "--model" not in arguments:
            arguments = [*arguments, "--model", str(tiny_file)]
        status, said = diffir_command("restore", *arguments)
        assert status == 2, (arguments, said)
        assert message in said
        assert not Path(out).exists()


@pytest.mark.parametrize("name", ["model.safetensors", "image.tif", "x.ipr.json"])
def test_info_on_a_damaged_file_explains(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("{}")
    done = diffir("info", str(tmp_path / name))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_info_knows_the_shipped_models_by_name() -> None:
    done = diffir("info", DEFAULT_MODEL)
    assert done.returncode == 0, done.stderr
    assert "task: denoise" in done.stdout
    assert "ms per megapixel" in done.stdout


def test_info_describes_what_says_little_of_itself(
    tiny_file: Path, tmp_path: Path, diffir_command: Command
) -> None:
    (tmp_path / "run").mkdir()
    shutil.copy(tiny_file, tmp_path / "run" / "stage2.safetensors")
    shutil.copy(tiny_file, tmp_path / "weights")
    tifffile.imwrite(tmp_path / "axes.tif", np.zeros((3, 2, 8, 9), np.uint16))
    (tmp_path / "planes").mkdir()
    for name in "ab":
        plane = np.zeros((8, 9), np.uint8)
        tifffile.imwrite(tmp_path / "planes" / f"{name}.tif", plane)
    recipe = "name: mine\nmodel: {dim: 8}\ndata: {folder: x}\nstages: []\n"
    (tmp_path / "recipe.yaml").write_text(recipe)
    for name, status, messages in [
        ("axes.tif", 0, ("axes: not said", "- 3\n- 2\n- 8\n- 9", "uint16")),
        ("planes", 0, ("axes: not said", "- 2\n- 8\n- 9", "uint8")),
        ("weights", 0, ("kind: model", "stage: 2")),
        ("recipe.yaml", 0, ("kind: recipe of a training", "name: mine")),
        ("run", 2, ("run is a folder and no image", "run/stage2.safetensors")),
    ]:
        ended, said = diffir_command("info", name)
        assert (ended, [m for m in messages if m not in said]) == (status, []), said


def test_iprs_are_extracted_blended_and_shown(
    tiny_file: Path, tmp_path: Path, diffir_command: Command
) -> None:
    files = [str(tmp_path / f"{name}.ipr.json") for name in "abc"]
    for file, seed in zip(files[:2], "01", strict=True):
        options = ("--model", str(tiny_file), "--seed", seed)
        assert diffir_command("ipr", "extract", NOISY, file, *options)[0] == 0
    assert diffir_command("ipr", "blend", *files, "--weight", "0.25")[0] == 0
    a, b, c = (IPR.load(file).vector for file in files)
    assert np.allclose(c, 0.75 * a + 0.25 * b, atol=1e-6)
    assert "blend of" in diffir_command("ipr", "show", files[2])[1]
    status, said = diffir_command("ipr", "show", files[2], "--model", "fluo-denoise")
    assert status == 2
    assert "another model" in said


def test_what_can_be_seen_at_once_is_refused_in_one_sentence(
    tiny_file: Path, tmp_path: Path, diffir_command: Command
) -> None:
    """Each of these ended in a traceback, or over its own input."""
    model = tmp_path / "model.safetensors"
    shutil.copy(tiny_file, model)
    (tmp_path / "folder").mkdir()
    deep = tmp_path / "deep.ipr.json"
    deep.write_text("[" * 100_000)
    for words, message in [
        (("demo", "--model", "fluo-sr-x2"), "2 times as large"),
        (("convert", str(model), str(model), "--overwrite"), "the input itself"),
        (("convert", str(model), "weights.tif"), "not named .safetensors"),
        (("convert", str(model), "folder", "--overwrite"), "not named .safetensors"),
        (("restore", NOISY, "o.ome.tif", "--device", "meta"), "'meta' is not there"),
        (("restore", NOISY, "o.ome.tif", "--set", "device=hpu"), "'hpu' is not there"),
        (("restore", NOISY, "o.ome.tif", "--set", "channels=[]"), "channels is []"),
        (("info", str(deep)), "not an IPR file"),
        (("ipr", "show", str(model)), "is not an IPR file"),
        (("ipr", "show", NOISY), "is not an IPR file"),
        (("ipr", "show", DEFAULT_MODEL), f"Cannot read {DEFAULT_MODEL}"),
        (
            ("ipr", "extract", NOISY, "o.ipr.json", "--channel", "4"),
            "There is no channel 4; the image has [0]",
        ),
        (("demo", "--output", str(model)), "is a file, where"),
        (("demo", "--output", f"{model}/sub"), "sub should be a folder; name another"),
    ]:
        status, said = diffir_command(*words)
        assert status == 2, (words, said)
        assert message in " ".join(said.split())
        assert "Traceback" not in said
    assert not list(tmp_path.glob("*.part"))


def test_ctrl_c_while_it_is_loaded_is_a_line(
    diffir_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_add_commands_of_others", interrupted)
    assert diffir_command("--help") == (130, "Stopped.\n")


@pytest.fixture
def heeds_ctrl_c() -> Iterator[None]:
    """What a shell starts in the background ignores it, and tests may be started so."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends it at once")
@pytest.mark.usefixtures("heeds_ctrl_c")
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)]
)
def test_what_ends_a_command_lets_it_tidy_up(
    tiny_file: Path,
    diffir_command: Command,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    status: int,
) -> None:
    """As `kill`, `scancel` or a time limit do."""
    monkeypatch.setattr(planning, "_BATCH_PIXELS", 1)
    before = signal.getsignal(number)

    def kill(_: object, step: RestoreProgress) -> None:
        if step.planes_done:
            os.kill(os.getpid(), number)

    words = ("restore", NOISY, "out.ome.zarr", "--model", str(tiny_file))
    with monkeypatch.context() as patch:
        patch.setattr(bars.ProgressBar, "_show", kill)
        ended, said = diffir_command(*words)
    assert ended == status
    assert said.startswith("Stopped; pass --resume to complete it.\n")
    assert "Traceback" not in said
    assert signal.getsignal(number) == before
    assert Journal.load(Unfinished(Path("out.ome.zarr")).journal).done
    assert diffir_command(*words, "--resume")[0] == 0
