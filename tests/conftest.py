from __future__ import annotations

import qtpy.QtCore  # noqa: F401

from napari_diffir._pyside import spare_references

# pytest-qt processes events around every test.
spare_references()
