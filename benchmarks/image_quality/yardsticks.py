"""Published numbers of others, to read beside ours.

Mixed test set of the Fluorescence Microscopy Denoising data set (Zhang et al., "A
Poisson-Gaussian Denoising Dataset with Real Fluorescence Microscopy Images", CVPR
2019), raw frames. It covers confocal, two-photon and widefield microscopes in twelve
configurations; our `fmd mixed` has five of them, all confocal and less noisy, so that
differences from the input compare, not the values. Taken from a plotting script of the
data set's authors' group, ND-HowardGroup (V. Mannam, 2019), which plots these against
PSNRs of its own; SSIM is not in it, nor are Noise2Noise and DnCNN.
"""

from __future__ import annotations

from collections.abc import Iterator

from image_quality.tables import markdown

PUBLISHED_PSNR_DB = {
    "noisy": 27.22,
    "VST+NLM": 31.25,
    "PURE-LET": 31.95,
    "VST+BM3D": 32.71,
}


def yardstick_table() -> Iterator[str]:
    """Yield what was published, and its gain over the noisy frames."""
    noisy = PUBLISHED_PSNR_DB["noisy"]
    rows = [
        [name, f"{psnr:.2f} dB", f"{psnr - noisy:+.2f} dB"]
        for name, psnr in PUBLISHED_PSNR_DB.items()
    ]
    return markdown(["Zhang et al. 2019, raw frames", "PSNR", "over noisy"], rows)
