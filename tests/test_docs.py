"""What the README and the documentation show, runs."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from diffir_core import load_model

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page in PAGES
    for number, block in enumerate(
        re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    )
]


@pytest.mark.parametrize(
    "block", [b for b in BLOCKS if "napari.run" not in b.values[0]]
)
def test_python_examples_run(
    block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # What they save does not land in the checkout.
    exec(compile(block, "example", "exec"), {"__name__": "__main__"})


def test_the_napari_example_runs(make_napari_viewer_proxy: object) -> None:
    import napari

    import napari_diffir

    viewer = make_napari_viewer_proxy()  # type: ignore[operator]
    (block,) = [b.values[0] for b in BLOCKS if "napari.run" in b.values[0]]
    lines = [
        line
        for line in str(block).splitlines()
        if not line.startswith(("import", "viewer = ", "napari.run"))
    ]
    names = {"viewer": viewer, "napari": napari, "napari_diffir": napari_diffir}
    exec("\n".join(lines), names)
    assert "nuclei noisy restored" in viewer.layers


def _training_commands() -> list[str]:
    """Give those for a user's own images; the benchmarks' own need theirs."""
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    lines = page.replace("\\\n", " ").splitlines()
    trains = re.compile(r" {4}(diffir train|torchrun) (?!benchmarks/)")
    return [line.strip() for line in lines if trains.match(line)]


def test_the_commands_that_train_run(tmp_path: Path) -> None:
    """With fewer steps, on images of our own; the second goes on from the first."""
    for i in range(3):
        image = np.random.default_rng(i).gamma(2, 300, (110, 110)).astype(np.uint16)
        tifffile.imwrite(tmp_path / f"{i}.tif", image)
    commands = _training_commands()
    assert len(commands) == 3
    for command in commands:
        short = [] if "--resume" in command else ["--set", "validation.patches=1"]
        short += ["--set", "statistics_patches=4"] if short else []
        for stage in range(0 if "--resume" in command else 3):
            short += ["--set", f"stages.{stage}.steps=2"]
        words = [
            word.replace("/my/images", str(tmp_path)).replace(
                "training/recipes", str(ROOT / "training" / "recipes")
            )
            for word in shlex.split(command)
        ]
        words[0] = str(Path(sys.executable).parent / words[0])
        done = subprocess.run(
            [*words, *short], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    assert (
        load_model(tmp_path / "runs/fluo-denoise-quick/stage2.safetensors").stage == 2
    )
    assert load_model(tmp_path / "runs/two/stage2.safetensors").stage == 2


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_are_there(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target
