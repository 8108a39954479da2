"""The house keeps its shape: who may import whom, and what stays fast."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
PACKAGES = {
    "diffir_core": ROOT / "diffir_core",
    "diffir_training": ROOT / "training" / "diffir_training",
    "napari_diffir": ROOT / "src" / "napari_diffir",
}
QT_AND_NAPARI = {"napari", "qtpy", "magicgui", "superqt", "psygnal", "PySide6", "PyQt6"}
FORBIDDEN = {
    "diffir_core": QT_AND_NAPARI | {"diffir_training", "napari_diffir"},
    "diffir_training": QT_AND_NAPARI | {"napari_diffir"},
    "napari_diffir": set(),
}
# Inside the core, from the door inwards; a part may import those after it.
LAYERS = (
    "cli",
    "restore_commands",
    "model_commands",
    "ipr_commands",
    "commands",
    "command_requests",
    "wording",
    "demo",
    "describing",
    "exporting",
    "stacks",
    "engine",
    "downloading",
    "checkpoint",
    "model",
    "nn",
)
LEAVES = (
    "config",
    "errors",
    "intensity",
    "metrics",
    "card",
    "ipr",
    "ipr_map",
    "ipr_statistics",
    "ipr_steering",
    "models",
    "noise",
    "samples",
)


def modules(package: str) -> list[Path]:
    return sorted(PACKAGES[package].rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Full names of what a module imports, wherever in it, but for type checking."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        for child in ast.walk(node)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_arrows_between_packages_never_turn_around(package: str) -> None:
    for path in modules(package):
        roots = {name.partition(".")[0] for name in imports(path)}
        assert not roots & FORBIDDEN[package], path


def test_arrows_inside_the_core_point_inwards() -> None:
    for path in modules("diffir_core"):
        part = path.relative_to(PACKAGES["diffir_core"]).parts[0].removesuffix(".py")
        if part not in LAYERS + LEAVES:
            continue
        allowed = set(LEAVES) | {
            "_assigning",
            "_blank",
            "_converting",
            "_base",
            "_folder_lock",
            "_official",
            "_progress_bar",
            "_refusals",
            "_shared_weights",
            "_stopping",
            "_tensor_files",
            "_unpickling",
            "_version",
            "_whole_files",
            "_yaml",
            "options",
            "report",
            "settled",
        }
        if part in LAYERS:
            allowed |= set(LAYERS[LAYERS.index(part) :])
        for name in imports(path):
            root, _, rest = name.partition(".")
            if root == "diffir_core" and rest:
                assert rest.partition(".")[0] in allowed, f"{path} imports {name}"


@pytest.mark.parametrize(
    ("code", "seconds"),
    [
        ("import diffir_core", 2.0),
        ("import diffir_core.cli", 4.0),
        ("import diffir_training.cli", 4.0),
        ("import napari_diffir", 2.0),
        (
            "import npe2; npe2.PluginManifest.from_distribution('napari-diffir')",
            8.0,
        ),
    ],
)
def test_torch_is_imported_late(code: str, seconds: float) -> None:
    started = time.monotonic()
    assert not imports_torch(code)
    assert time.monotonic() - started < seconds


def imports_torch(code: str) -> bool:
    check = f"{code}\nimport sys, json; print(json.dumps('torch' in sys.modules))"
    command = [sys.executable, "-W", "ignore", "-c", check]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return bool(json.loads(done.stdout.splitlines()[-1]))


def test_widgets_are_imported_without_torch() -> None:
    """It would come on the viewer's thread, which then stands still for seconds."""
    names = ("restore", "ipr", "stream", "train")
    assert not imports_torch(
        "import " + ", ".join(f"napari_diffir.widgets.{name}" for name in names)
    )


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_neither_print_nor_assert(package: str) -> None:
    for path in modules(package):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            assert not isinstance(node, ast.Assert), path
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id != "print", path


def test_the_manifest_is_valid() -> None:
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "npe2",
        "validate",
        "napari-diffir",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_widget_is_in_the_menu_of_filters() -> None:
    text = (ROOT / "src" / "napari_diffir" / "napari.yaml").read_text()
    offered = yaml.safe_load(text)["contributions"]
    listed = offered["menus"]["napari_diffir_filter"]
    assert [entry["command"] for entry in listed] == [
        widget["command"] for widget in offered["widgets"]
    ]


def test_root_pointer_names_the_manifest() -> None:
    pointer = (ROOT / "napari.yaml").read_text()
    assert "src/napari_diffir/napari.yaml" in pointer
    assert (ROOT / "src" / "napari_diffir" / "napari.yaml").is_file()
