"""Compile `native.c`, once for the processor at hand, into the user's cache folder."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_SOURCE = Path(__file__).with_name("native.c")
_FLAGS = (
    "-O3",
    "-march=native",
    "-fopenmp-simd",
    "-fno-math-errno",
    "-shared",
    "-fPIC",
)
_WIDE = ("-mprefer-vector-width=512",)
_COMPILE_SECONDS = 120


def compiled() -> Path:
    """Give the compiled library, from the cache or anew.

    Raises
    ------
    OSError, subprocess.SubprocessError
        If there is no compiler, no place to keep the library, or compiling fails.
    """
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
    if not compiler or sys.platform == "win32":
        raise OSError("there is no C compiler")
    wide = _WIDE if platform.machine() in ("x86_64", "AMD64") else ()
    flags = [*_FLAGS, *wide]
    folder = _cache_folder()
    target = folder / f"native-{_key(compiler, flags)}.so"
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            built = Path(temporary) / "native.so"
            subprocess.run(
                [compiler, *flags, str(_SOURCE), "-lm", "-o", str(built)],
                check=True,
                capture_output=True,
                timeout=_COMPILE_SECONDS,
            )
            with built.open("rb") as file:  # One cut short would end the process.
                os.fsync(file.fileno())
            built.replace(target)
    return target


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "napari-diffir"


def _key(compiler: str, flags: list[str]) -> str:
    """Sum up all that the machine code depends on."""
    about = [_SOURCE.read_text(), compiler, *flags, platform.machine(), _processor()]
    return hashlib.sha256("\n".join(about).encode()).hexdigest()[:16]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith("flags")), "")
