"""The description of a package, `rdf.yaml`: bioimage.io model specification 0.5."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from diffir_core._version import package_version
from diffir_core.card import ModelCard
from diffir_core.config import ModelConfig
from diffir_core.exporting.weights import SEED
from diffir_core.intensity import IntensityOptions
from diffir_core.model import Model
from diffir_core.stacks.extremes import MOST

FORMAT = "0.5.0"
"""The oldest patch of 0.5: later ones read it, and programs of its time, too."""
WEIGHTS, INPUT, OUTPUT = "weights.pt", "test_input.npy", "test_output.npy"
COVER, PAGE, DESCRIPTION = "cover.png", "README.md", "rdf.yaml"
_LONGEST_NAME, _LONGEST_DESCRIPTION = 64, 512
_SPDX = frozenset(
    "0BSD AGPL-3.0-only Apache-2.0 BSD-2-Clause BSD-3-Clause CC0-1.0 CC-BY-4.0 "
    "CC-BY-NC-4.0 CC-BY-NC-SA-4.0 CC-BY-SA-4.0 GPL-2.0-only GPL-3.0-only "
    "GPL-3.0-or-later LGPL-3.0-only MIT MPL-2.0".split()
)
"""Licences that may stand in the description; others stand in the page alone."""
_CITE = {
    "text": "Xia et al., DiffIR: Efficient Diffusion Model for Image Restoration, "
    "ICCV 2023",
    "doi": "10.48550/arXiv.2303.09472",
}


def title(model: Model, card: ModelCard) -> str:
    """Give a name of the characters that the specification allows."""
    name = re.sub(r"[^A-Za-z0-9_+\-() ]+", "-", card.name or model.name)
    return f"DiffIR {name}"[:_LONGEST_NAME].strip()


def describe(model: Model, card: ModelCard, digests: dict[str, str]) -> dict[str, Any]:
    """Give what `rdf.yaml` holds.

    Parameters
    ----------
    digests
        SHA-256 of each file of the package, by name.
    """
    described = {
        "type": "model",
        "format_version": FORMAT,
        "name": title(model, card),
        "description": (card.description or "Image restoration with DiffIR")[
            :_LONGEST_DESCRIPTION
        ],
        # Whoever uploads it has a name and an account; a program has neither.
        "authors": [{"name": "The napari-diffir developers"}],
        "cite": [_CITE],
        "license": card.licence,
        "covers": [COVER],
        "documentation": PAGE,
        "tags": ["2d", "diffir", "image-restoration", "pytorch", model.config.task],
        "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
        "inputs": [_input(model.config, digests)],
        "outputs": [_output(model.config, digests)],
        "weights": {"torchscript": _weights(model, digests)},
        "config": {"diffir": _provenance(model)},
    }
    if card.licence not in _SPDX:
        del described["license"]
    return described


def _file(name: str, digests: dict[str, str]) -> dict[str, str]:
    return {"source": name, "sha256": digests[name]}


def _input(config: ModelConfig, digests: dict[str, str]) -> dict[str, Any]:
    size = {"min": config.size_multiple, "step": config.size_multiple}
    axes = [{"type": "space", "id": axis, "size": dict(size)} for axis in "yx"]
    return {
        "id": "input",
        "description": "Raw image; values of any range",
        "axes": [{"type": "batch"}, _channels(config.in_channels), *axes],
        "test_tensor": _file(INPUT, digests),
        "data": {"type": "float32"},
        "preprocessing": _preprocessing(),
    }


def _preprocessing() -> list[dict[str, Any]]:
    """Give our mapping of a plane's values, and the range that our network sees."""
    intensity = IntensityOptions()
    percentiles = {
        "axes": ["channel", "y", "x"],
        "min_percentile": intensity.low_percentile,
        "max_percentile": intensity.high_percentile,
        # Ours adds nothing to the divisor; the default would dim images whose values
        # are all below a thousandth.
        "eps": 1e-12,
    }
    return [
        {"id": "scale_range", "kwargs": percentiles},
        {"id": "clip", "kwargs": {"min": -MOST, "max": MOST}},
    ]


def _output(config: ModelConfig, digests: dict[str, str]) -> dict[str, Any]:
    axes = [
        {
            "type": "space",
            "id": axis,
            "size": {"tensor_id": "input", "axis_id": axis},
            "scale": 1 / config.scale,
        }
        for axis in "yx"
    ]
    return {
        "id": "output",
        "description": "Restored image in the units of the scaled input",
        "axes": [{"type": "batch"}, _channels(config.out_channels), *axes],
        "test_tensor": _file(OUTPUT, digests),
        "data": {"type": "float32"},
    }


def _channels(count: int) -> dict[str, Any]:
    names = [f"channel{number}" for number in range(count)]
    return {"type": "channel", "channel_names": names}


def _weights(model: Model, digests: dict[str, str]) -> dict[str, Any]:
    from torch import __version__ as torch_version

    return {
        **_file(WEIGHTS, digests),
        "pytorch_version": torch_version.partition("+")[0],
        "comment": f"Traced; the diffusion starts from the noise of seed {SEED}.",
    }


def _provenance(model: Model) -> dict[str, Any]:
    return {
        "model": model.name,
        "fingerprint": model.fingerprint,
        "seed": SEED,
        "napari_diffir": package_version(),
    }
