"""A work-around for PySide6 6.12 before Python 3.12."""

from __future__ import annotations

import ctypes
import sys

_SPARE = 1 << 29


def spare_references() -> bool:
    """Give `None`, `True` and `False` references to lose; tell whether they need it.

    PySide6 6.12 drops a reference to `None` at each call of a method that returns
    nothing, and one to `True` at each emission of a signal. From Python 3.12 on they
    are immortal (PEP 683). Before, the process dies with "deallocating None" after
    some hundred thousand calls: hours of a training. So they are made as good as
    immortal here, too. Debug builds, which put other fields first, are left alone.
    """
    is_needed = sys.version_info < (3, 12) and "PySide6" in sys.modules
    if not is_needed or hasattr(sys, "getobjects"):
        return False
    for value in (None, True, False):
        count = ctypes.c_ssize_t.from_address(id(value))
        if count.value < _SPARE:
            count.value += _SPARE
    return True
