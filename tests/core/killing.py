"""Restore a file again and again in child processes that are killed at any moment.

Run as a script: the children are forked from a process that has imported everything
and computed nothing, so that a trial takes a second and not ten. A child is killed at
its nth touch of the file system, whichever that is, or after a time.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import tifffile

import diffir_core as diffir
import diffir_core.stacks.restoring
from diffir_core.stacks import planning
from diffir_core.stacks.provenance import provenance
from diffir_core.stacks.unfinished import described

EVENTS = ("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate")


def main() -> None:
    """Run the trials; print one JSON line for each."""
    model, source, folder, suffix, trials, seed = sys.argv[1:]
    planning._BATCH_PIXELS = 1  # Every plane is a unit of its own.
    chance, whole = random.Random(int(seed)), Path(folder, f"whole{suffix}")
    started = time.monotonic()
    events = run_child(model, source, whole)
    seconds = time.monotonic() - started
    expected = contents(whole)
    for number in range(int(trials)):
        result = Path(folder, f"trial-{number}", f"out{suffix}")
        result.parent.mkdir()
        kills = []
        while len(kills) < 3:
            if chance.random() < 0.7:
                kill = {"at_event": chance.randrange(1, events + 1)}
            else:
                kill = {"after": chance.uniform(0, seconds)}
            finished = run_child(model, source, result, **kill)
            kills.append(kill)
            check_unfinished(result)
            if finished >= 0 or chance.random() < 0.5:
                break
        final = run_child(model, source, result)
        names = sorted(path.name for path in result.parent.iterdir())
        equal = final >= 0 and contents(result) == expected
        trial = {"kills": kills, "equal": equal, "names": names}
        sys.stdout.write(json.dumps(trial) + "\n")


def run_child(
    model: str,
    source: str,
    result: Path,
    at_event: int | None = None,
    after: float | None = None,
) -> int:
    """Restore in a child; give how often it touched the files, or -1 if it died."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        count = [0]
        sys.addaudithook(
            lambda event, args: touched(event, args, result, count, at_event)
        )
        diffir.restore_file(source, result, diffir.load_model(model), resume=True)
        os.write(writing, str(count[0]).encode())
        os._exit(0)
    os.close(writing)
    if after is not None:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return int(text) if text else -1


def touched(
    event: str, args: Any, result: Path, count: list[int], at_event: int | None
) -> None:
    """Count what touches the output's folder, and die at the right one."""
    if event in EVENTS and str(result.parent) in str(args[0]):
        count[0] += 1
        if count[0] == at_event:
            os.kill(os.getpid(), signal.SIGKILL)


def check_unfinished(result: Path) -> None:
    """An output is whole or not there; what is begun can be described."""
    if result.exists():
        assert provenance(result) is not None
    described(result)


def contents(result: Path) -> dict[str, str]:
    """Give digests of all that does not tell the time."""
    if result.is_file():
        return {"pixels": hashlib.sha256(tifffile.imread(result).tobytes()).hexdigest()}
    found = {}
    for path in sorted(result.rglob("*")):
        if path.is_file():
            name = str(path.relative_to(result))
            data = path.read_bytes()
            if name == "zarr.json":
                data = json.dumps(json.loads(data)["attributes"]["ome"]).encode()
            found[name] = hashlib.sha256(data).hexdigest()
    return found


if __name__ == "__main__":
    main()
