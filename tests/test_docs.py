"""What the README and the documentation show, runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

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
    exec(compile(block, "example", "exec"), {})


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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_are_there(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target
