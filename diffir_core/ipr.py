"""The IR prior representation as a value: save, load, blend."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from diffir_core._whole_files import write_whole
from diffir_core.errors import InputError

_FORMAT = "diffir-ipr/1"
UNLIKE = 2.0
"""A distance above which an image is called unlike the training images."""


@dataclass(frozen=True, eq=False)
class IPR:
    """How to restore an image, in 256 numbers, with where they come from.

    Equal are those of the same numbers, model, seed and source.
    """

    vector: NDArray[np.float32] = field(repr=False)
    """(ipr_length,) float32."""
    model: str
    """Fingerprint of the weights it belongs to; other weights cannot read it."""
    seed: int = 0
    chain: NDArray[np.float32] | None = field(default=None, repr=False)
    """(T, ipr_length): the estimate after each reverse step, or None."""
    source: str = ""
    """The image it was extracted from, in words."""

    def __post_init__(self) -> None:
        # Of its own and of one kind, whatever array it was made of: what is computed
        # from it must be what is computed from the file it is saved to.
        object.__setattr__(self, "vector", _own(self.vector))
        if self.chain is not None:
            object.__setattr__(self, "chain", _own(self.chain))
        object.__setattr__(self, "seed", int(self.seed))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IPR) and self._value() == other._value()

    def __hash__(self) -> int:
        return hash(self._value())

    def _value(self) -> tuple[object, ...]:
        numbers = self.vector.tobytes(), self.chain is None or self.chain.tobytes()
        return *numbers, self.model, self.seed, self.source

    def save(self, path: str | Path) -> None:
        """Write the IPR as JSON (``*.ipr.json``); whole or not at all."""
        path = Path(path)
        if not path.parent.is_dir():
            raise InputError(f"There is no folder {path.parent}; create it first.")
        text = json.dumps(self.to_dict()) + "\n"
        write_whole(path, text.encode())

    def to_dict(self) -> dict[str, Any]:
        """Give plain values, as they are saved."""
        return {
            "format": _FORMAT,
            "model": self.model,
            "seed": self.seed,
            "source": self.source,
            "vector": [float(value) for value in self.vector],
            "chain": None if self.chain is None else self.chain.tolist(),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Read the plain values of `to_dict`."""
        if values.get("format") != _FORMAT:
            raise InputError(
                f"An IPR has format '{_FORMAT}', not '{values.get('format')}'; name an "
                "IPR file, or extract the IPR anew."
            )
        chain = values.get("chain")
        try:
            vector = _numbers(values["vector"], "vector", 1)
            return cls(
                vector=vector,
                model=str(values["model"]),
                seed=_seed(values["seed"]),
                chain=None if chain is None else _chain(chain, len(vector)),
                source=str(values["source"]),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise InputError(
                f"The IPR is damaged ({error}); extract it anew."
            ) from error

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read an IPR from JSON."""
        try:
            values = json.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(f"Cannot read {path}: {error.strerror}.") from error
        except UnicodeDecodeError as error:
            raise _no_ipr(path, "it is not text in UTF-8") from error
        except (json.JSONDecodeError, RecursionError) as error:
            raise _no_ipr(path, str(error)) from error
        if not isinstance(values, dict):
            raise _no_ipr(path, f"it holds a {type(values).__name__}")
        return cls.from_dict(values)


def _no_ipr(path: str | Path, why: str) -> InputError:
    return InputError(
        f"{path} is not an IPR file ({why}); name the right file, or extract the IPR "
        "anew."
    )


def _own(values: Any) -> NDArray[np.float32]:
    try:
        with np.errstate(over="ignore"):  # What is too large is not finite then.
            return np.array(values, np.float32, order="C")
    except (TypeError, ValueError) as error:
        raise InputError(
            f"An IPR is made of numbers ({error}); give an array of them."
        ) from error


def _numbers(values: Any, name: str, dimensions: int) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # What is too large is not finite then.
        numbers = np.asarray(values, np.float32)
    if numbers.ndim != dimensions or not numbers.size:
        raise ValueError(f"its {name} must be a list of numbers")
    if not np.isfinite(numbers).all():
        raise ValueError(f"its {name} must be finite numbers")
    return numbers


def _chain(values: Any, length: int) -> NDArray[np.float32]:
    chain = _numbers(values, "chain", 2)
    if chain.shape[1] != length:
        raise ValueError(
            f"its chain is of {chain.shape[1]} numbers, its vector of {length}"
        )
    return chain


def _seed(value: Any) -> int:
    if (seed := int(value)) < 0:
        raise ValueError(f"its seed is {seed}, and must be 0 or more")
    return seed


def blend(a: IPR, b: IPR, weight: float) -> IPR:
    """Give the IPR between `a` (weight 0) and `b` (weight 1), of the same model.

    Weights below 0 and above 1 go on beyond them, and exaggerate.
    """
    if a.model != b.model:
        raise InputError(
            "These IPRs belong to different models; extract both with one model."
        )
    if a.vector.shape != b.vector.shape:
        raise InputError(
            f"These IPRs are of {a.vector.size} and {b.vector.size} numbers; extract "
            "both anew."
        )
    with np.errstate(over="ignore", invalid="ignore"):
        vector = np.asarray((1 - weight) * a.vector + weight * b.vector, np.float32)
    if not np.isfinite(vector).all():
        raise InputError(
            f"A weight of {weight} gives no finite IPR; choose 0 to 1 to be between "
            "both."
        )
    source = f"blend of {a.source or 'an IPR'} and {b.source or 'an IPR'} at {weight:g}"
    return IPR(vector, a.model, a.seed, None, source)
