"""What a restoration did, for people and for the file beside the result."""

from __future__ import annotations

from diffir_core._base import FrozenConfig


class MappingReport(FrozenConfig):
    """The intensity mapping of one channel: ``model = (value - offset) / scale``."""

    channel: int
    offset: float
    scale: float


class RestoreReport(FrozenConfig):
    """The provenance of a result."""

    model_name: str
    model_fingerprint: str
    planes: int
    tiles: int
    """Strips of panels that all planes were worked through in, block by block."""
    halo: int
    """Pixels that neighbouring panels share inside a block; there are no seams."""
    device: str
    device_reason: str
    precision: str
    precision_reason: str
    precision_psnr_db: float | None
    """Of a reduced precision against float32 on a test image; None: none was tried."""
    kernels: str
    """'native' code of this machine, 'compiled', or 'torch'."""
    seconds: float
    first_pass_seconds: float = 0.0
    """Of these, for what is global about the stack."""
    device_wait_share: float | None = None
    """Of the time after that, in which nothing was there to be restored, or no room for
    the result: reading or writing was slower than restoring. None if other processes
    restored: they are not watched."""
    predicted_peak_bytes: int | None = None
    """Predicted working memory for one plane, beside the stack itself. None if other
    processes restored."""
    temporary_file_bytes: int
    """Disk that the working memory was extended to; 0 if it was not."""
    clipped_values: int
    """Restored values that the output type could not hold."""
    output_dtype: str
    mappings: tuple[MappingReport, ...]
    seed: int
    ipr_source: str
    ipr_mean_norm: float
    """Mean Euclidean length of the IPRs that were used."""
    keeps_local_mean: bool = False
    """Whether planes were given the local mean of the raw ones, by the options
    or, where they leave it open, by the model's card."""
    keeps_fine_structure: bool = False
    """Whether planes were given back fine structure of the raw ones, likewise."""
    averages_flips: bool = False
    """Whether planes are the mean of their four flips, likewise."""
    versions: dict[str, str]
    options: dict[str, object]
