"""What a restoration did, for people and for the file beside the result."""

from __future__ import annotations

from pydantic import ConfigDict

from diffir_core._base import FrozenConfig

_MEASURED = ConfigDict(allow_inf_nan=True)
"""What was measured is told as it is, such as the PSNR of equal images."""


class MappingReport(FrozenConfig):
    """The intensity mapping of one channel: ``model = (value - offset) / scale``."""

    model_config = _MEASURED

    channel: int
    offset: float
    scale: float
    blank_below: float | None = None
    """Pixels below were empty, filled by software, and stayed as they were."""


FEW_LEVELS = 50
"""Below so many, rounding costs a tenth of a decibel and more: of n levels, it allows
20 log10(n) + 10.8 dB at most (`benchmarks/grey_levels.py`)."""


def rounding_sentence(levels: int | None) -> str:
    """Say that a result is rounded to few grey levels, after a space; else nothing."""
    if levels is None:
        return ""
    apart = f"{levels} grey level{'' if levels == 1 else 's'} apart"
    return (
        f" Dark and bright are only {apart}, and the result is rounded to them; the "
        "output type float32 keeps what lies between."
    )


class RestoreReport(FrozenConfig):
    """The provenance of a result."""

    model_config = _MEASURED

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
    rounded_to_levels: int | None = None
    """How many grey levels lie between dark and bright, in the channel with fewest, if
    the result is rounded to them and they are fewer than 50; else None."""
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
    negative: bool | None = False
    """Whether images were restored as their negatives, likewise; None: channels whose
    mapping has a negative scale were."""
    versions: dict[str, str]
    options: dict[str, object]
