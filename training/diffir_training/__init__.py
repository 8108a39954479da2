"""Two-stage training of DiffIR; imports neither Qt nor napari."""
