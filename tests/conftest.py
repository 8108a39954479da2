from __future__ import annotations

import ctypes


def _spare_references_to_none() -> None:
    """Keep the interpreter from freeing None at its end.

    PySide6 6.12 on Python 3.11 loses a reference to None with every call of
    `QApplication.processEvents`, and pytest-qt makes some for every test.
    """
    keep = ctypes.pythonapi.Py_IncRef
    none = ctypes.py_object(None)
    for _ in range(300_000):
        keep(none)


_spare_references_to_none()
