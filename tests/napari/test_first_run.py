"""A session as it begins: nothing imported yet, the shipped model, a real window."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from skimage.io import imread

TOOL = Path(__file__).parent.parent.parent / "tools" / "screenshot.py"


def test_the_first_press_of_restore_in_a_new_process(tmp_path: Path) -> None:
    # Here torch is imported by the worker's thread, as it is for a user.
    picture = tmp_path / "window.png"
    command = [sys.executable, str(TOOL), str(picture)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    window = imread(picture)
    assert window.shape[0] > 600
    assert np.ptp(window[..., :3]) > 200
