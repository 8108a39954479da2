"""Files that are written whole: nothing of anybody's is lost, and nothing stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from diffir_core import IPR
from diffir_core._whole_files import write_whole

_HALF = """
import os, signal, sys
from pathlib import Path
from diffir_core._whole_files import whole_file
with whole_file(Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    print("written", flush=True)
    sys.stdin.read()
"""


def half_written(path: Path) -> subprocess.Popen[bytes]:
    """Start a process that has written half a file, and waits."""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", _HALF, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"written\n"
    return process


def an_hour_ago(path: Path) -> None:
    os.utime(path, (time.time() - 3600,) * 2)


@pytest.fixture
def precious(tmp_path: Path) -> list[Path]:
    """Files whose names look like those of what is not finished."""
    names = ("a.json.part", ".diffir-mine.part", "a.json.partial", ".a.json.part")
    for name in names:
        (tmp_path / name).write_text("precious")
        an_hour_ago(tmp_path / name)
    return [tmp_path / name for name in names]


def test_files_of_others_are_left_alone(tmp_path: Path, precious: list[Path]) -> None:
    IPR((0.0, 1.0), model="m").save(tmp_path / "a.json")
    assert [path.read_text() for path in precious] == ["precious"] * len(precious)
    assert len(list(tmp_path.iterdir())) == 1 + len(precious)


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"old")
    killed, at_work = half_written(path), half_written(path)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert path.read_bytes() == b"old"
    for left in tmp_path.glob(".diffir-*"):
        an_hour_ago(left)
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    # That of the process which is still at work stays, until it has done it.
    assert len(list(tmp_path.glob(".diffir-*"))) == 1
    assert at_work.communicate()[0] == b""
    assert at_work.returncode == 0
    assert path.read_bytes() == b"half"
    assert [each.name for each in tmp_path.iterdir()] == ["a.json"]


def test_a_place_that_cannot_be_written_is_named_as_it_was_given(
    tmp_path: Path,
) -> None:
    with pytest.raises(FileNotFoundError, match=r"gone/a\.json"):
        write_whole(tmp_path / "gone" / "a.json", b"")


def test_a_name_as_long_as_can_be_is_written(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 250 + ".json")
    write_whole(path, b"whole")
    assert path.read_bytes() == b"whole"
