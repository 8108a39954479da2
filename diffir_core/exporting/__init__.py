"""A model as a package that programs of the bioimage.io family run."""

from diffir_core.exporting.package import export_model

__all__ = ["export_model"]
