"""Arguments of benchmarks that restore the clean variety with noise of their own."""

from __future__ import annotations

import argparse
from pathlib import Path

import diffir_core as diffir
from diffir_core.model import Model
from image_quality.pairs import Image, check_data, default_data, spread
from image_quality.simulated_sets import clean_variety


def model_and_images(description: str) -> tuple[Model, list[tuple[str, Image]]]:
    """Read the command line; give the model, and names and planes of the images."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--data", type=Path, default=default_data())
    parser.add_argument("--model", default="fluo-denoise")
    parser.add_argument("--limit", type=int, help="images, evenly spread")
    options = parser.parse_args()
    check_data(options.data)
    model = diffir.load_model(options.model)
    return model, spread(clean_variety(options.data), options.limit)
