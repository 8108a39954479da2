"""What is compared, by name; what the environment lacks is left out, and said."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from rivals.files import load_rival
from rivals.restoring import restore_with

import diffir_core as diffir
from diffir_core.model import fingerprint
from diffir_core.settled import settle
from image_quality.classical import GAUSSIAN, NON_LOCAL_MEANS, TOTAL_VARIATION
from image_quality.noise2void import noise2void
from image_quality.pairs import Image, Pair
from image_quality.stabilised_bm3d import vst_bm3d

NOISY = "noisy"
STABILISED_BM3D = "VST+BM3D"


@dataclass(frozen=True, slots=True)
class Method:
    """A way to denoise; an oracle looks at the pair's reference."""

    name: str
    version: str
    """Changes when results do: what was scored before is scored anew."""
    restore: Callable[[Pair], Image]
    needs: str = ""
    """A package beyond those of this project."""
    is_oracle: bool = False

    @property
    def is_here(self) -> bool:
        """Whether its package is installed."""
        return not self.needs or find_spec(self.needs) is not None


def classical_methods() -> list[Method]:
    """List what needs no training, or trains on the image itself."""
    filters = (("Gaussian", GAUSSIAN), ("TV", TOTAL_VARIATION))
    blind = [
        Method(name, "1", lambda pair, f=f: f.discrepancy(pair.noisy))
        for name, f in filters
    ]
    nlm = Method("NLM", "1", lambda pair: NON_LOCAL_MEANS.apply(pair.noisy, 0.8))
    oracles = [
        Method(
            f"{name}, best",
            "1",
            lambda pair, f=f: f.oracle(pair.noisy, pair.reference),
            is_oracle=True,
        )
        for name, f in (*filters, ("NLM", NON_LOCAL_MEANS))
    ]
    bm3d = Method(STABILISED_BM3D, "2", lambda p: vst_bm3d(p.noisy), needs="bm3d")
    n2v = Method("Noise2Void", "1", lambda p: noise2void(p.noisy), needs="careamics")
    noisy = Method(NOISY, "1", lambda pair: pair.noisy)
    return [noisy, *blind, nlm, *oracles, bm3d, n2v]


def of_model(name: str, dtype: str | None = None) -> Method:
    """Restore with a DiffIR model as anybody would: default options, type as given.

    With a type of its own, the result is not rounded to that of the image, as those of
    the other methods are not.
    """
    model = diffir.load_model(name)
    options = diffir.RestoreOptions(output_dtype=dtype)
    settled = settle(model.card, options)
    told = "".join(str(value)[0] for value in settled.model_dump().values())
    return Method(
        f"{model.name}, {dtype}" if dtype else model.name,
        f"{model.fingerprint[:16]}-{told}",
        lambda pair: diffir.restore(pair.noisy, model, axes="YX", options=options),
    )


def of_rival(name: str, path: Path) -> Method:
    """Restore with a network of `train_rival.py`; its result is not rounded."""
    network = load_rival(path)
    version = fingerprint(network.state_dict())[:16]
    return Method(name, version, lambda pair: restore_with(network, pair.noisy))


def check_names(names: Iterable[str]) -> None:
    """End the program where two methods have one name, of which one would be lost."""
    for name, count in Counter(names).items():
        if count > 1:
            sys.exit(
                f"{count} of what is compared are called '{name}'; name their files or "
                "rivals apart."
            )
