"""A job as text: what is copied does the same as the job."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

import diffir_core as diffir
from diffir_core.model import Model
from diffir_core.stacks.job_text import as_command, as_python
from diffir_core.stacks.jobs import RestoreJob

OPTIONS = {
    "seed": 7,
    "ipr_scope": "stack",
    "intensity": {"low_percentile": 2.0},
    "memory": "2GB",
}


@pytest.fixture
def job(tmp_path: Path, tiny_file: Path) -> RestoreJob:
    stack = np.random.default_rng(0).integers(0, 999, (3, 40, 40), np.uint16)
    tifffile.imwrite(tmp_path / "a stack.tif", stack, photometric="minisblack")
    return RestoreJob(
        input=str(tmp_path / "a stack.tif"),
        output=str(tmp_path / "result.ome.tif"),
        model=str(tiny_file),
        axes="ZYX",
        options=diffir.RestoreOptions.parse(OPTIONS),
    )


@pytest.mark.parametrize("door", [as_command, as_python])
def test_the_copied_text_does_the_job(job: RestoreJob, door: object) -> None:
    if door is as_command:
        words = shlex.split(as_command(job))
        assert words[0] == "diffir"
        command = [sys.executable, "-m", "diffir_core", *words[1:]]
    else:
        command = [sys.executable, "-c", as_python(job)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stderr
    with tifffile.TiffFile(job.input) as file:
        stack = file.asarray()
    expected = diffir.restore(
        stack, diffir.load_model(job.model), axes="ZYX", options=job.options
    )
    assert np.array_equal(tifffile.imread(job.output), expected)


def test_defaults_are_left_out(job: RestoreJob) -> None:
    plain = job.replace(options=diffir.RestoreOptions(), axes=None)
    assert "--set" not in as_command(plain)
    assert "options" not in as_python(plain)
    assert "--axes" not in as_command(plain)


def test_the_ipr_that_a_file_names_is_looked_for_beside_it(
    tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    image = np.random.default_rng(0).poisson(9, (16, 16)).astype(np.uint16)
    ipr = diffir.extract_ipr(image, tiny, axes="YX")
    ipr.save(tmp_path / "mine.ipr.json")
    alone, within = tmp_path / "options.yaml", tmp_path / "job.yaml"
    alone.write_text("ipr: mine.ipr.json\n")
    head = "input: in.tif\noutput: out.ome.tif\nmodel: fluo-denoise\n"
    within.write_text(f"{head}options: {{ipr: mine.ipr.json}}\n")
    for options in (
        diffir.RestoreOptions.from_yaml(alone),
        RestoreJob.load(within).options,
    ):
        assert options.ipr is not None
        assert np.array_equal(options.ipr.vector, ipr.vector)
