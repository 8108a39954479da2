"""What the IPRs of a model's training images were like, and how well it estimates them.

Training stores it with the weights. It gives the IPR axes of meaning: how unlike an
image is to what the model knows, where its average behaviour lies, and how far an
estimate may be off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from diffir_core.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor

Vector = NDArray[np.float32]
Matrix = NDArray[np.float64]

PREFIX = "statistics."
_SHRINKAGE = 0.02


@dataclass(frozen=True, eq=False)
class IPRStatistics:
    """Mean and covariances of IPRs over training patches, n numbers each."""

    mean: Vector
    """(n,) of the estimated IPRs."""
    covariance: Matrix
    """(n, n) of the estimated IPRs."""
    error_covariance: Matrix | None
    """(n, n) of the stage-2 estimate minus the stage-1 IPR, about zero; or None."""
    patches: int
    """Over how many patches."""

    @classmethod
    def of(cls, estimates: Vector, truths: Vector | None) -> Self:
        """Sum up estimates (patches, n), and their errors if truths are given."""
        values = estimates.astype(np.float64)
        errors = None
        if truths is not None:
            difference = values - truths
            errors = difference.T @ difference / len(values)
        covariance = np.cov(values, rowvar=False, ddof=0)
        mean = values.mean(axis=0).astype(np.float32)
        return cls(mean, covariance, errors, len(values))

    def distance(self, vector: Vector) -> float:
        """Give how unlike training an IPR (n,) is: 1 is the rms over training patches.

        The Mahalanobis distance, over the root of its mean square over the patches. The
        covariance is shrunk towards a multiple of the identity: nearly all of it is in
        a few directions, and in the others an image that is unlike would not be seen
        for their noise.
        """
        values, directions = np.linalg.eigh(self.covariance)
        values = np.maximum(values, 0.0)
        shrunk = (1 - _SHRINKAGE) * values + _SHRINKAGE * (values.mean() or 1.0)
        off = directions.T @ (vector.astype(np.float64) - self.mean)
        typical = float((values / shrunk).sum()) or 1.0
        return float(np.sqrt((off**2 / shrunk).sum() / typical))

    def steered(self, vector: Vector, strength: float) -> Vector:
        """Scale an IPR about the mean: 0 is the average image's, 1 its own."""
        steered = self.mean + strength * (vector - self.mean)
        return np.asarray(steered, np.float32)

    def errors(self, count: int, generator: np.random.Generator) -> Vector:
        """Draw errors (count, n) as the estimate made them in training.

        Raises
        ------
        ValueError
            If the model was stored without them.
        """
        if self.error_covariance is None:
            raise ValueError("no error covariance is stored")
        values, directions = np.linalg.eigh(self.error_covariance)
        normal = generator.standard_normal((count, len(values)))
        scaled = normal * np.sqrt(np.maximum(values, 0.0))
        return np.asarray(scaled @ directions.T, np.float32)

    def state(self) -> dict[str, Tensor]:
        """Give tensors, as they are stored beside the weights."""
        import torch

        values = {"mean": self.mean, "covariance": self.covariance}
        if self.error_covariance is not None:
            values["error_covariance"] = self.error_covariance
        state = {
            PREFIX + name: torch.from_numpy(np.asarray(value, np.float32).copy())
            for name, value in values.items()
        }
        state[PREFIX + "patches"] = torch.tensor([self.patches], device="cpu")
        return state

    @classmethod
    def taken_from(cls, state: dict[str, Tensor], length: int) -> Self | None:
        """Take statistics out of a state dict that may hold some; check their sizes.

        Raises
        ------
        CheckpointError
            If they are not whole.
        """
        own = {
            key.removeprefix(PREFIX): state.pop(key)
            for key in list(state)
            if key.startswith(PREFIX)
        }
        if not own:
            return None
        shapes = {"mean": (length,), "covariance": (length, length), "patches": (1,)}
        if "error_covariance" in own:
            shapes["error_covariance"] = (length, length)
        for name, shape in shapes.items():
            if name not in own or tuple(own[name].shape) != shape:
                raise CheckpointError(
                    f"The IPR statistics of the model are not whole ('{name}'); fetch "
                    "the file again."
                )
        error = own.get("error_covariance")
        return cls(
            own["mean"].float().numpy(),
            own["covariance"].double().numpy(),
            None if error is None else error.double().numpy(),
            int(own["patches"]),
        )
