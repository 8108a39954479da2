"""Networks folded under the IPRs of late, so that planes of one IPR share a fold."""

from __future__ import annotations

import torch

from diffir_core.engine.device import inferring
from diffir_core.engine.folding import FoldedNetwork, fold
from diffir_core.ipr import IPR
from diffir_core.nn import DIRformer

_MOST_BYTES = 256_000_000
_MOST = 16
_FLOAT32_BYTES = 4


class Folds:
    """As many folds of a network as fit a fixed memory, the oldest given up first."""

    def __init__(
        self, network: DIRformer, dtype: torch.dtype, weight_copies: int
    ) -> None:
        self._network, self._dtype = network, dtype
        weights = sum(p.numel() for p in network.parameters())
        one = _FLOAT32_BYTES * weight_copies * weights
        self.most = max(1, min(_MOST, _MOST_BYTES // one))
        """How many are kept at once."""
        self._folds: dict[bytes, FoldedNetwork] = {}

    def of(self, ipr: IPR) -> FoldedNetwork:
        """Fold an IPR into the weights, or give the fold that is still at hand."""
        key = ipr.vector.tobytes()
        if key not in self._folds:
            while len(self._folds) >= self.most:
                self._folds.pop(next(iter(self._folds)))
            device = next(self._network.parameters()).device
            with inferring(device):
                vector = torch.from_numpy(ipr.vector).to(device)
                self._folds[key] = fold(self._network, vector, self._dtype)
        return self._folds[key]
