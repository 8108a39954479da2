"""The compact IR prior extraction network, CPEN (DiffIR, section 3.1)."""

from __future__ import annotations

from torch import Tensor, nn

from diffir_core.config import ModelConfig

_SLOPE = 0.1


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and the input; no activation after the sum."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _conv(features, features),
            nn.LeakyReLU(_SLOPE),
            _conv(features, features),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Transform `x` (b, features, h, w)."""
        return x + self.body(x)  # type: ignore[no-any-return]


class CPEN(nn.Module):
    """Sum an image up in its IPR: (b, in_channels, h, w) -> (b, ipr_length).

    The last convolution is averaged over all pixels, so the IPR of an image of any
    size is a sum over its tiles.
    """

    def __init__(self, config: ModelConfig, in_channels: int) -> None:
        super().__init__()
        features, length = config.cpen_features, config.ipr_length
        self.ipr_length = length
        activation = nn.LeakyReLU(_SLOPE)
        self.E = nn.Sequential(
            _conv(in_channels, features),
            activation,
            *(ResidualBlock(features) for _ in range(config.n_encoder_res)),
            _conv(features, features * 2),
            activation,
            _conv(features * 2, features * 2),
            activation,
            _conv(features * 2, length),
            activation,
        )
        self.mlp = nn.Sequential(
            nn.Linear(length, length), activation, nn.Linear(length, length), activation
        )

    def forward(self, x: Tensor) -> Tensor:
        """Extract the IPR of `x`, already pixel-unshuffled."""
        return self.mlp(self.E(x).mean(dim=(-2, -1)))  # type: ignore[no-any-return]
