"""Inference: exact restoration of planes of any size."""
