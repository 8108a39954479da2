"""What holds for every degradation: seeds, types, YAML, and steps in a chain."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import yaml
from diffir_training import degradations as deg
from scipy import ndimage

from diffir_core._base import FrozenConfig
from diffir_core.errors import InputError

CASES: list[Any] = [
    deg.CameraNoise(photons=(3, 30)),
    deg.ScmosNoise(bits=(16,)),
    deg.ScanNoise(electrons=(3, 30)),
    deg.GaussianBlur(sigma=(0.5, 1.5)),
    deg.DiffractionBlur(defocus_waves=(0.2, 0.9)),
    deg.MeasuredPsfBlur(path=Path("psf.npy")),
    deg.Binning(factor=4),
    deg.Processed(smoothing_pixels=(0.5, 1.5)),
    deg.Warped(degrees=(-20, 30)),
    deg.Blanked(blanked_fraction=1.0),
    deg.Bleaching(remaining=(0.2, 0.5)),
    deg.JpegCompression(quality=(5, 60)),
    deg.BicubicDownscale(scale=2),
    deg.RealEsrgan(scale=2, sharpen_target=True),
    deg.Inpainting(stroke_probability=0.3),
    deg.SensorDefects(),
    deg.OneOf(choices=(deg.CameraNoise(), deg.ScanNoise()), weights=(3, 1)),
    deg.Chain(steps=(deg.GaussianBlur(), deg.Binning(), deg.CameraNoise())),
]
CAMERA = dict(kind="camera")
BINNED_CAMERA = dict(kind="chain", steps=[dict(kind="binning"), CAMERA])
MASKED_CHAIN = dict(kind="chain", steps=[CAMERA, dict(kind="inpainting")])
NOT_RANDOM = {"measured_psf", "binning", "bicubic"}


class Holder(FrozenConfig):
    degradation: deg.Degradation


@pytest.fixture(params=CASES, ids=lambda case: case.kind)
def config(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    case = request.param
    if case.kind != "measured_psf":
        return case
    np.save(tmp_path / "psf.npy", np.outer([1, 2, 1], [1, 3, 1]))
    return case.replace(path=tmp_path / "psf.npy")


@pytest.fixture
def clean() -> deg.base.Image:
    noise = np.random.default_rng(0).random((3, 64, 64))
    smooth = ndimage.gaussian_filter(noise, (0, 3, 3))
    image = (smooth - smooth.min()) / np.ptp(smooth)
    return np.asarray(image, np.float32)


def test_every_kind_of_the_union_has_a_case() -> None:
    members = get_args(get_args(deg.Degradation)[0])
    assert {type(case) for case in CASES} == set(members)


def test_the_seed_decides_everything(config: Any, clean: deg.base.Image) -> None:
    first, again, other = (
        config.apply(clean, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert np.array_equal(first.noisy, again.noisy)
    assert np.array_equal(first.clean, again.clean)
    assert np.array_equal(first.noisy, other.noisy) == (config.kind in NOT_RANDOM)


def test_pairs_are_finite_float32_and_the_input_is_untouched(
    config: Any, clean: deg.base.Image
) -> None:
    before = clean.copy()
    pair = config.apply(clean, np.random.default_rng(3))
    assert np.array_equal(clean, before)
    assert pair.clean.shape == clean.shape
    assert clean.shape[1] / pair.noisy.shape[1] in (1, 2, 4)
    for side in (pair.noisy, pair.clean):
        assert side.dtype == np.float32
        assert np.isfinite(side).all()


def test_yaml_gives_every_config_back(config: Any) -> None:
    assert type(config).parse(yaml.safe_load(config.to_yaml())) == config
    holder = Holder(degradation=config)
    assert Holder.parse(yaml.safe_load(holder.to_yaml())) == holder


def test_a_misspelt_key_is_refused(config: Any) -> None:
    values = {**config.model_dump(), "fotons": 3}
    with pytest.raises(InputError, match="fotons"):
        Holder.parse({"degradation": values})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (dict(kind="blur"), "blur"),
        (dict(kind="gaussian_blur", sigma=(3, 1)), "low to high"),
        (dict(kind="diffraction", airy_radius_pixels=(1, 3)), "from 1.22 on, not 1"),
        (dict(kind="camera", photons=(0, 9)), "greater than 0"),
        (dict(kind="camera", scan_correlation=(0, 0.9)), "less than or equal to 0.7"),
        (dict(kind="bleaching", remaining=(0, 0.5)), "more than 0"),
        (dict(kind="processed", enlarged=(0.5, 2)), "starts at 1"),
        (dict(kind="jpeg", quality=(0, 50)), "between 1 and 100"),
        (dict(kind="real_esrgan", scale=3), "scale"),
        (dict(kind="real_esrgan", first=dict(resize_weights=(0, 0, 0))), "one > 0"),
        (dict(kind="real_esrgan", first=dict(resize_range=(2, 3))), "lacks 1"),
        (dict(kind="camera", bits=[]), "bits"),
        (dict(kind="chain", steps=[]), "steps"),
        (
            dict(kind="chain", steps=[dict(kind="sensor_defects"), CAMERA]),
            "sensor_defects adds a mask",
        ),
        (
            dict(kind="chain", steps=[MASKED_CHAIN, CAMERA]),
            "inpainting adds a mask",
        ),
        (dict(kind="chain", steps=[dict(kind="binning", factor=3)]), "factor"),
        (
            dict(kind="one_of", choices=[CAMERA, BINNED_CAMERA], weights=[9, 1]),
            "shrink images 1 and 2 times",
        ),
        (
            dict(
                kind="chain",
                steps=[
                    dict(
                        kind="one_of",
                        choices=[
                            dict(kind="bicubic", scale=2),
                            dict(kind="real_esrgan"),
                        ],
                        weights=[1, 1],
                    )
                ],
            ),
            "shrink images 2 and 4 times",
        ),
    ],
)
def test_impossible_values_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Holder.parse({"degradation": values})


def test_an_image_without_channels_is_refused(config: Any) -> None:
    with pytest.raises(InputError, match=r"\(64, 64\)"):
        config.apply(np.zeros((64, 64), np.float32), np.random.default_rng(0))


def test_the_target_of_a_chain_stays_sharp_and_follows_into_the_units_of_the_camera(
    clean: deg.base.Image,
) -> None:
    bright = deg.CameraNoise(
        photons=(1e7, 1e7), read_noise=(0, 0), hot_pixel_fraction=0, bits=(16,)
    )
    chain = deg.Chain(steps=(deg.GaussianBlur(sigma=(3, 3)), deg.Binning(), bright))
    pair = chain.apply(clean, np.random.default_rng(4))
    slope, offset = np.polyfit(clean.ravel(), pair.clean.ravel(), 1)
    assert np.abs(pair.clean - slope * clean - offset).max() < 1e-4
    blurred = ndimage.gaussian_filter(clean, (0, 3, 3))
    binned = blurred.reshape(3, 32, 2, 32, 2).mean(axis=(2, 4))
    assert np.abs(pair.noisy - slope * binned - offset).max() < 0.01
    assert np.ptp(binned) < 0.9 * np.ptp(clean)


def test_choices_may_shrink_alike_in_different_ways() -> None:
    twice = deg.Chain(steps=(deg.Binning(), deg.BicubicDownscale(scale=2)))
    choices = (deg.RealEsrgan(scale=4), deg.Binning(factor=4), twice)
    nested = deg.OneOf(choices=choices, weights=(1, 1, 1))
    assert deg.Chain(steps=(nested, deg.CameraNoise())).shrinking == 4


def test_shrinking_is_what_becomes_of_an_image(
    config: Any, clean: deg.base.Image
) -> None:
    pair = config.apply(clean, np.random.default_rng(0))
    assert pair.noisy.shape[-1] * config.shrinking == clean.shape[-1]


def test_what_a_discriminator_takes_for_real_follows_the_target(
    config: Any, clean: deg.base.Image
) -> None:
    """Into other units, but not out of sight; no random number more is drawn."""
    sharp, real = clean[:, ::-1].copy(), clean[..., ::-1].copy()
    pair, swapped, without = (
        config.degrade(deg.Degraded(clean, *targets), np.random.default_rng(5))
        for targets in ((sharp, real), (real, sharp), (sharp,))
    )
    assert np.array_equal(pair.noisy, without.noisy)
    assert np.array_equal(pair.clean, without.clean)
    if config.kind == "real_esrgan":  # It sharpens the target, not what is real.
        assert np.array_equal(pair.real, real)
        return
    assert without.real is None
    assert pair.real.dtype == np.float32
    assert np.array_equal(pair.real, swapped.clean)


def test_what_is_real_stays_unsharpened_through_a_chain(clean: deg.base.Image) -> None:
    sharpening = deg.RealEsrgan(scale=1, sharpen_target=True)
    steps = (sharpening, deg.JpegCompression(), sharpening, deg.RealEsrgan(scale=1))
    pair = deg.Chain(steps=steps).apply(clean, np.random.default_rng(6))
    assert pair.real is not None
    assert np.array_equal(pair.real, clean)
    assert not np.array_equal(pair.clean, clean)
