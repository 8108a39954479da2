"""The architecture of a DiffIR network as a value, and the released presets."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from diffir_core._base import FrozenConfig

Architecture = Literal["deblur", "sr", "inpainting"]
LayerNormKind = Literal["WithBias", "BiasFree"]
BodyGrid = Literal["release", "input"]


class ModelConfig(FrozenConfig):
    """Everything needed to build a DiffIR network; the defaults are the deblur release.

    The three architectures differ in their ends only: `deblur` predicts a residual at
    the input's size, `sr` a residual at `scale` times the input's size, `inpainting`
    the image itself from an image and its mask.
    """

    architecture: Architecture = "deblur"
    task: str = "deblur"
    """What the weights do, in a word; it does not change the network."""
    in_channels: int = Field(3, ge=1)
    """Channels of the network's input; inpainting counts its mask as the last one."""
    out_channels: int = Field(3, ge=1)
    scale: Literal[1, 2, 4] = 1
    """Output pixels per input pixel, along each axis."""
    body_grid: BodyGrid = "release"
    """On which pixels the body of an `sr` network works.

    `release`: as published, a quarter of the output's. `input`: the input's, like
    `deblur`, so that what a denoiser has learnt can be trained on to enlarge (ours).
    The residual is added to the input's pixels repeated, as released, or interpolated.
    """
    dim: int = Field(48, ge=2, multiple_of=2)
    """Width C of the first level; the levels have C, 2C, 4C and 8C channels."""
    num_blocks: tuple[int, int, int, int] = (3, 5, 6, 6)
    """Transformer blocks at level 1, 2, 3 (encoder and decoder each) and the latent."""
    num_refinement_blocks: int = Field(4, ge=0)
    heads: tuple[int, int, int, int] = (1, 2, 4, 8)
    ffn_expansion: float = Field(2.0, gt=0)
    """Hidden over input channels of the feed-forward; the product is truncated."""
    bias: bool = False
    layer_norm: LayerNormKind = "WithBias"
    cpen_features: int = Field(64, ge=1)
    n_encoder_res: int = Field(5, ge=0)
    """Residual blocks of the compact IR prior extraction network (CPEN)."""
    ipr_length: int = Field(256, ge=4, multiple_of=4)
    """Length of the IR prior representation (IPR)."""
    n_denoise_res: int = Field(1, ge=0)
    timesteps: int = Field(4, ge=1)
    """Reverse diffusion steps T."""
    linear_start: float = Field(0.1, gt=0, lt=1)
    linear_end: float = Field(0.99, gt=0, lt=1)

    @model_validator(mode="after")
    def _ends_must_fit(self) -> Self:
        if self.architecture == "sr":
            if self.num_refinement_blocks == 0:
                raise ValueError("the 'sr' architecture needs refinement blocks")
        elif self.scale != 1:
            raise ValueError(f"scale {self.scale} needs the 'sr' architecture")
        if self.body_grid == "input" and self.scale == 1:
            raise ValueError("body_grid 'input' needs a scale of 2 or 4")
        expected = self.out_channels + (self.architecture == "inpainting")
        if self.in_channels != expected:
            raise ValueError(
                f"{self.architecture} with {self.out_channels} output channels takes "
                f"{expected} input channels, not {self.in_channels}"
            )
        if self.hidden_width(self.dim) < 1:
            raise ValueError(
                f"ffn_expansion {self.ffn_expansion} leaves {self.dim} channels (dim) "
                "no hidden one; their product must be 1 at least"
            )
        for level, heads in enumerate(self.heads):
            if heads < 1 or self.level_width(level) % heads:
                raise ValueError(
                    f"{heads} heads do not divide {self.level_width(level)} channels"
                )
        return self

    @property
    def tail_scale(self) -> int:
        """Output pixels per pixel of the body, along each axis."""
        if self.architecture != "sr":
            return 1
        return 4 if self.body_grid == "release" else self.scale

    @property
    def body_unshuffle(self) -> int:
        """Pixel-unshuffle factor in front of the DIRformer (release: SR x2 2, x1 4)."""
        return self.tail_scale // self.scale

    @property
    def cpen_unshuffle(self) -> int:
        """Pixel-unshuffle factor of the degraded image in front of CPEN."""
        return 4 // self.scale if self.body_grid == "release" else 4

    @property
    def cpen_gt_unshuffle(self) -> int:
        """Pixel-unshuffle factor of the ground truth in front of CPEN; released: 4."""
        return self.cpen_unshuffle * self.scale

    @property
    def size_multiple(self) -> int:
        """Height and width of the network's input must be multiples of this."""
        return 8 * self.body_unshuffle

    @property
    def cpen_lq_channels(self) -> int:
        """Input channels of the stage-2 CPEN, which sees the degraded image alone."""
        return self.in_channels * self.cpen_unshuffle**2

    @property
    def cpen_gt_channels(self) -> int:
        """Channels that the ground truth adds to the input of the stage-1 CPEN."""
        return self.out_channels * self.cpen_gt_unshuffle**2

    def shares_stage1_with(self, other: ModelConfig) -> bool:
        """Tell whether both have the same stage-1 network, which has no diffusion.

        It may do another task there.
        """
        diffusion = ("n_denoise_res", "timesteps", "linear_start", "linear_end")
        theirs = {name: getattr(other, name) for name in ("task", *diffusion)}
        return self.replace(**theirs) == other

    def level_width(self, level: int) -> int:
        """Channels at level 0..3 of the U-net."""
        return self.dim << level

    @property
    def image_channels(self) -> int:
        """Channels of an image, which a mask is none of."""
        return self.out_channels

    @property
    def fills_holes(self) -> bool:
        """Whether the network needs a mask, of what it is to fill in."""
        return self.architecture == "inpainting"

    def hidden_width(self, width: int) -> int:
        """Hidden channels of the feed-forward in a block of `width` channels."""
        return int(width * self.ffn_expansion)


_DEBLUR = ModelConfig()
_SR_X4 = ModelConfig(
    architecture="sr",
    task="srgan",
    scale=4,
    dim=64,
    num_blocks=(13, 1, 1, 1),
    num_refinement_blocks=13,
    ffn_expansion=2.2,
    layer_norm="BiasFree",
    n_encoder_res=9,
)
_INPAINTING = ModelConfig(
    architecture="inpainting",
    task="inpainting",
    in_channels=4,
    dim=52,
    num_blocks=(1, 1, 1, 9),
    num_refinement_blocks=0,
    ffn_expansion=1.8,
)

PRESETS: dict[str, ModelConfig] = {
    "deblur": _DEBLUR,
    "srgan-x4": _SR_X4,
    "srgan-x2": _SR_X4.replace(scale=2),
    "realsr-x4": _SR_X4.replace(task="realsr"),
    "realsr-x2": _SR_X4.replace(task="realsr", scale=2),
    "realsr-x1": _SR_X4.replace(task="realsr", scale=1),
    "inpainting-celebahq": _INPAINTING,
    "inpainting-places2": _INPAINTING,
    "inpainting-places2-big": _INPAINTING.replace(
        num_blocks=(1, 1, 1, 20), n_encoder_res=8
    ),
}
"""The released configurations (`DiffIR`, ICCV 2023), by name."""
