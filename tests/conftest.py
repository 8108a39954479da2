from __future__ import annotations

import sys
from pathlib import Path

import pytest
import qtpy.QtCore  # noqa: F401
from asking import Command

from napari_diffir._pyside import spare_references

# pytest-qt processes events around every test.
spare_references()


@pytest.fixture
def diffir_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """The command line in this process, in a folder of its own."""
    from diffir_core.cli import main

    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["diffir", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        said = "".join(capsys.readouterr())
        return int(ended.value.code or 0), said

    return run
