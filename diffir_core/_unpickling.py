"""Read tensors from a pickle without ever running what is in it.

A pickle is a program. Here its only callables are our own: tensors are rebuilt from
raw bytes, a few plain containers are real, foreign classes become inert stand-ins,
and anything else of Python's own library (`os.system`, `builtins.eval`, ...) is
refused by name.
"""

from __future__ import annotations

import io
import pickle
import re
import sys
import zipfile
from collections import OrderedDict, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor

from diffir_core.errors import CheckpointError

_TORCH_MAGIC = 0x1950A86A20F9469CFC6C
_STORAGES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "ComplexFloatStorage": torch.complex64,
    "ComplexDoubleStorage": torch.complex128,
}
_PLAIN_TYPES = (
    dict,
    list,
    set,
    frozenset,
    tuple,
    int,
    float,
    complex,
    str,
    bytes,
    bool,
)
_BUILTINS = {kind.__name__: kind for kind in _PLAIN_TYPES} | {
    "long": int,  # Pickle protocol 2 still uses the names of Python 2.
    "unicode": str,
    "object": object,
    "slice": slice,
}
_PLAIN_OF_TORCH: dict[tuple[str, str], Any] = {
    ("torch", "Size"): tuple,
    **{
        ("torch", str(dtype).removeprefix("torch.")): dtype
        for dtype in _STORAGES.values()
    },
}
"""What settings beside the weights may hold."""
_KNOWN_TO_RUN = ("__builtin__", "torch", "setuptools", "pip", "IPython")
_INERT_STDLIB = {
    "functools",
    "typing",
    "argparse",
    "pathlib",
    "collections",
    "enum",
    "datetime",
}


@dataclass(frozen=True, slots=True)
class _Storage:
    data: bytes
    dtype: torch.dtype


class _Inert:
    """Stand-in for an object of a foreign class: takes anything, does nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, item: Any) -> None:
        """Take an item."""

    def extend(self, items: Any) -> None:
        """Take items."""


def read_pickled(path: Path) -> Any:
    """Give the object that `torch.save` or `pickle.dump` wrote to `path`, inertly."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return _read_archive(archive)
        return _read_stream(path)
    except CheckpointError:
        raise
    except Exception as error:
        raise CheckpointError(
            f"{path.name} is damaged or not a weights file ({error}); fetch it again."
        ) from error


def _read_archive(archive: zipfile.ZipFile) -> Any:
    pickles = [name for name in archive.namelist() if name.endswith("data.pkl")]
    if len(pickles) != 1:
        raise ValueError("no data.pkl inside")
    root = pickles[0].removesuffix("data.pkl")

    def storage(kind: torch.dtype, key: str) -> _Storage:
        return _Storage(archive.read(f"{root}data/{key}"), kind)

    return _SafeUnpickler(io.BytesIO(archive.read(pickles[0])), storage).load()


def _read_stream(path: Path) -> Any:
    """Read a bare pickle; torch's format before 1.6 begins with a magic number."""

    def no_storage(kind: torch.dtype, key: str) -> NoReturn:
        raise ValueError("a tensor without its data")

    with path.open("rb") as file:
        first = _SafeUnpickler(file, no_storage).load()
    if first == _TORCH_MAGIC:
        return _read_legacy(path)
    return first


def _read_legacy(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        asked = re.search(r"GLOBAL (\S+)", str(error))
        raise CheckpointError(
            f"Refused: {path.name} asks for '{asked[1] if asked else 'code'}', which "
            "is no data; do not trust its source, or save its weights anew."
        ) from error


class _SafeUnpickler(pickle.Unpickler):
    """An unpickler whose every global is one of ours."""

    def __init__(self, file: Any, storage: Any) -> None:
        super().__init__(file)
        self._storage = storage

    def persistent_load(self, pid: Any) -> _Storage:
        """Give the raw bytes of a tensor's storage."""
        kind, key = pid[1], pid[2]
        if not isinstance(kind, torch.dtype):
            raise ValueError(f"tensors of an unknown type {kind}")
        return self._storage(kind, key)  # type: ignore[no-any-return]

    def find_class(self, module: str, name: str) -> Any:
        """Resolve a global to something harmless, or refuse it by name."""
        if module in ("torch", "torch.storage") and name in _STORAGES:
            return _STORAGES[name]
        if module == "torch._utils" and name in _REBUILDERS:
            return _REBUILDERS[name]
        if module in ("builtins", "__builtin__") and name in _BUILTINS:
            return _BUILTINS[name]
        if module == "_codecs" and name == "encode":
            return _encode  # How protocol 2 writes bytes.
        if (module, name) in _PLAIN_OF_TORCH:
            return _PLAIN_OF_TORCH[module, name]
        if module == "collections" and name in ("OrderedDict", "defaultdict"):
            return {"OrderedDict": OrderedDict, "defaultdict": _default_dict}[name]
        root = module.partition(".")[0]
        known = root in sys.stdlib_module_names or root in _KNOWN_TO_RUN
        inert = module in _INERT_STDLIB and "." not in name
        if known and not inert:
            raise CheckpointError(
                f"Refused: the file asks to run '{module}.{name}'; weights are data "
                "and never need it, so do not trust its source."
            )
        return type(name, (_Inert,), {"__module__": module})


def _encode(text: str, codec: str) -> bytes:
    return text.encode("latin1")


def _default_dict(*_: Any) -> defaultdict[Any, Any]:
    return defaultdict()


def _rebuild_tensor(
    storage: _Storage,
    offset: int,
    size: tuple[int, ...],
    stride: tuple[int, ...],
    *_: Any,
) -> Tensor:
    if not storage.data:
        return torch.empty(size, dtype=storage.dtype, device="cpu")
    flat = torch.frombuffer(bytearray(storage.data), dtype=storage.dtype)
    return flat.as_strided(size, stride, offset).clone()


def _rebuild_parameter(data: Tensor, *_: Any) -> Tensor:
    return data


_REBUILDERS = {
    "_rebuild_tensor_v2": _rebuild_tensor,
    "_rebuild_tensor": _rebuild_tensor,
    "_rebuild_parameter": _rebuild_parameter,
}
