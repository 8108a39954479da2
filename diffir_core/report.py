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
    strips: int
    """Strips of rows that all planes were worked through in."""
    halo_rows: int
    """Rows that neighbouring strips share inside a block; there are no seams."""
    device: str
    precision: str
    seconds: float
    predicted_peak_bytes: int
    """Predicted working memory for one plane, beside the stack itself."""
    clipped_values: int
    """Restored values that the output type could not hold."""
    output_dtype: str
    mappings: tuple[MappingReport, ...]
    seed: int
    ipr_source: str
    ipr_mean_norm: float
    """Mean Euclidean length of the IPRs that were used."""
    versions: dict[str, str]
    options: dict[str, object]
