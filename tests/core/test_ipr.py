"""The IPR in a person's hands: shorter chains, strength, places, distance, samples."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from networks import random_network, save_tiny

import diffir_core as diffir
from diffir_core import save_model
from diffir_core._tensor_files import write_tensors
from diffir_core.errors import CheckpointError, InputError
from diffir_core.ipr_statistics import IPRStatistics
from diffir_core.model import Model
from diffir_core.noise import NoiseModel
from diffir_core.stacks.source import open_source
from diffir_core.wording import report_line


def noisy(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).poisson(60, shape).astype(np.uint16)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model whose statistics are those of images like `noisy`."""
    network = random_network()
    path = tmp_path_factory.mktemp("known") / "known.safetensors"
    save_model(path, network)
    bare = diffir.load_model(path)
    vectors = np.stack(
        [
            diffir.extract_ipr(noisy(32, 32, seed=i), bare, axes="YX").vector
            for i in range(1, 40)
        ]
    )
    truths = vectors + np.random.default_rng(0).normal(0, 0.05, vectors.shape)
    save_model(path, network, statistics=IPRStatistics.of(vectors, truths))
    return diffir.load_model(path)


def test_a_shorter_chain_ends_with_the_estimate_of_its_last_step(tiny: Model) -> None:
    network: Any = tiny.network
    lq = torch.rand((1, 1, 16, 16), generator=torch.Generator().manual_seed(0))
    condition = network.extract_condition(lq)
    start = torch.randn(1, 256, generator=torch.Generator().manual_seed(1))
    whole = network.reverse_chain(condition, start)
    assert torch.equal(network.reverse_chain(condition, start, 4), whole)
    short = network.reverse_chain(condition, start, 2)
    assert torch.equal(short[0], whole[0])
    assert torch.equal(short[1], network.denoise(condition, 2, whole[0]))
    image = noisy(24, 24)
    options = diffir.RestoreOptions(steps=1)
    one = diffir.extract_ipr(image, tiny, axes="YX", options=options)
    assert one.chain is not None
    assert len(one.chain) == 1
    with pytest.raises(InputError, match="4 reverse steps, not 5"):
        diffir.extract_ipr(
            image, tiny, axes="YX", options=diffir.RestoreOptions(steps=5)
        )


def test_strength_goes_from_the_average_to_the_images_own(known: Model) -> None:
    image = noisy(40, 48)
    own = diffir.extract_ipr(image, known, axes="YX")
    assert known.statistics is not None
    none, half = (diffir.steer(own, known, strength) for strength in (0.0, 0.5))
    assert np.array_equal(none.vector, known.statistics.mean)
    assert np.allclose(half.vector, (own.vector + none.vector) / 2, atol=1e-6)
    options = diffir.RestoreOptions(strength=0.5, output_dtype="float32")
    one = diffir.restore(image, known, axes="YX", options=options)
    given = diffir.RestoreOptions(ipr=half, output_dtype="float32")
    assert np.array_equal(one, diffir.restore(image, known, axes="YX", options=given))
    with pytest.raises(InputError, match="used as it is"):
        diffir.RestoreOptions.parse(dict(ipr=half, strength=2.0))


def test_a_strength_that_exaggerates_is_told(known: Model) -> None:
    for strength, said in ((0.5, ""), (1.0, ""), (1.5, "A strength of 1.5")):
        options = diffir.RestoreOptions(strength=strength)
        _, report = diffir.restore(
            noisy(24, 24), known, axes="YX", options=options, return_report=True
        )
        line = report_line(Path("out.ome.tif"), report)
        assert ("strength" in line) == bool(said)
        assert said in line


def test_without_statistics_only_strength_one_is_defined(tiny: Model) -> None:
    options = diffir.RestoreOptions(strength=0.5)
    with pytest.raises(InputError, match="without statistics"):
        diffir.restore(noisy(16, 16), tiny, axes="YX", options=options)
    ipr = diffir.extract_ipr(noisy(16, 16), tiny, axes="YX")
    with pytest.raises(InputError, match="without statistics"):
        diffir.ipr_distance(ipr, tiny)


def test_images_unlike_training_are_far(known: Model) -> None:
    def distance(image: np.ndarray) -> float:
        return diffir.ipr_distance(diffir.extract_ipr(image, known, axes="YX"), known)

    trained = [distance(noisy(32, 32, seed=i)) for i in range(1, 40)]
    assert np.sqrt(np.mean(np.square(trained))) == pytest.approx(1, rel=0.01)
    stripes = np.tile([0, 4000], (32, 16)).astype(np.uint16)
    # 39 patches leave most directions unseen: others of their kind are farther off.
    assert distance(stripes) > 3 * distance(noisy(32, 32, seed=99)) > 0.5


def test_iprs_of_a_region_and_along_an_axis(tiny: Model) -> None:
    stack = noisy(3, 32, 40)
    options = diffir.RestoreOptions(ipr_scope="region", region=(0, 16, 8, 40))
    where = diffir.extract_ipr(stack[0], tiny, axes="YX", options=options)
    assert "region" in where.source
    everywhere = diffir.extract_ipr(stack[0], tiny, axes="YX")
    assert not np.allclose(where.vector, everywhere.vector, atol=1e-5)
    restored = diffir.restore(stack[0], tiny, axes="YX", options=options)
    given = diffir.RestoreOptions(ipr=where)
    assert np.array_equal(
        restored, diffir.restore(stack[0], tiny, axes="YX", options=given)
    )
    planes = diffir.extract_iprs(stack, tiny, axes="ZYX", along="Z")
    assert len(planes) == 3
    assert not np.array_equal(planes[0].vector, planes[1].vector)
    outside = options.replace(region=(0, 99, 0, 8))
    with pytest.raises(InputError, match="not inside the plane"):
        diffir.restore(stack[0], tiny, axes="YX", options=outside)
    with pytest.raises(InputError, match="belong together"):
        diffir.RestoreOptions.parse(dict(ipr_scope="region"))


def test_each_time_point_can_have_an_ipr_of_its_own(
    tiny: Model, tmp_path: Path
) -> None:
    stack = noisy(2, 3, 32, 40)
    stack[1] //= 2
    options = diffir.RestoreOptions(ipr_scope="time")
    restored = diffir.restore(stack, tiny, axes="TZYX", options=options)
    times = diffir.extract_iprs(stack, tiny, axes="TZYX", along="T")
    assert not np.allclose(times[0].vector, times[1].vector, atol=1e-4)
    for time, ipr in enumerate(times):
        given = diffir.RestoreOptions(ipr=ipr)
        whole = diffir.restore(stack, tiny, axes="TZYX", options=given)
        assert np.array_equal(restored[time], whole[time])
    source, result = tmp_path / "movie.ome.tif", tmp_path / "out.ome.zarr"
    tifffile.imwrite(source, stack, metadata={"axes": "TZYX"})
    diffir.restore_file(source, result, tiny, options=options)
    with closing(open_source(result)) as written:
        planes = written.layout.planes(1)
        values = np.stack([written.read(plane)[0] for plane in planes])
    assert np.array_equal(values, restored.reshape(values.shape))
    with pytest.raises(InputError, match="needs an axis T, and the axes are ZYX"):
        diffir.restore(stack[0], tiny, axes="ZYX", options=options)


def test_samples_are_restored_under_the_ipr_that_is_given(known: Model) -> None:
    image = noisy(32, 40)
    average = diffir.RestoreOptions(strength=0.0)
    mean_ipr = diffir.extract_ipr(image, known, axes="YX", options=average)
    given = diffir.RestoreOptions(ipr=mean_ipr)

    def drawn(kind: Any, options: diffir.RestoreOptions) -> np.ndarray:
        results = diffir.restore_samples(
            image, known, axes="YX", samples=3, kind=kind, options=options
        )
        return np.stack(results)

    for kind in ("noise", "symmetries", "ipr"):
        under = drawn(kind, given)
        assert not np.allclose(under, drawn(kind, diffir.RestoreOptions()), atol=1e-3)
        np.testing.assert_allclose(under, drawn(kind, average), rtol=1e-3, atol=0.02)
    with pytest.raises(InputError, match="no start noise decides"):
        drawn("seeds", given)


def test_a_clean_reference_gives_the_ipr_of_stage_one(
    tiny: Model, tmp_path: Path
) -> None:
    stage1 = diffir.load_model(save_tiny(tmp_path, "first", stage=1))
    image, clean = noisy(24, 24), np.full((24, 24), 60, np.uint16)
    ipr = diffir.reference_ipr(image, clean, tiny, stage1)
    assert ipr.model == tiny.fingerprint
    diffir.restore(
        image, tiny, axes="YX", options=diffir.RestoreOptions(ipr=ipr)
    )  # The stage-2 model reads it.
    with pytest.raises(InputError, match="not the stage-1 model"):
        diffir.reference_ipr(image, clean, tiny, tiny)
    with pytest.raises(InputError, match="reference must have"):
        diffir.reference_ipr(image, clean[1:], tiny, stage1)


@pytest.mark.parametrize("kind", ["noise", "symmetries", "ipr", "seeds"])
def test_samples_have_a_mean_and_a_spread(known: Model, kind: Any) -> None:
    image = noisy(2, 24, 32)
    mean, deviation = diffir.restore_samples(
        image, known, axes="ZYX", samples=4, kind=kind
    )
    again, _ = diffir.restore_samples(
        image, known, axes="ZYX", samples=np.int64(4), seed=np.int64(0), kind=kind
    )
    assert np.array_equal(mean, again)
    assert mean.shape == deviation.shape == image.shape
    assert np.isfinite(deviation).all()
    assert (deviation > 0).mean() > 0.9
    restored = diffir.restore(image, known, axes="ZYX").astype(float)
    assert np.abs(mean - restored).mean() < 3 * deviation.mean() + 1.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(kind="luck"), "kind is 'luck'"),
        (dict(samples=1), "choose 2 to 1000"),
        (dict(samples=9, kind="symmetries"), "choose 2 to 8"),
        (dict(samples="3"), "samples is '3'; choose a whole number"),
        (dict(samples=2.5), "samples is 2.5; choose a whole number"),
        (dict(seed=-1), "seed is -1; choose 0 or more"),
        (dict(seed=None), "seed is None; choose a whole number"),
        (dict(kind="ipr"), "without the errors"),
    ],
)
def test_samples_that_cannot_be_drawn(
    tiny: Model, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        diffir.restore_samples(noisy(16, 16), tiny, axes="YX", **options)


def test_the_noise_of_a_camera_is_found_again() -> None:
    generator = np.random.default_rng(0)
    signal = generator.uniform(20, 400, (256, 256)).astype(np.float32)
    values = 2.5 * generator.poisson(signal / 2.5) + generator.normal(0, 6, (256, 256))
    noise = NoiseModel.fitted(values.astype(np.float32), signal)
    assert noise.slope == pytest.approx(2.5, rel=0.1)
    assert noise.constant == pytest.approx(36, abs=15)


def test_statistics_travel_with_the_weights(known: Model, tmp_path: Path) -> None:
    save_model(
        tmp_path / "copy.safetensors", known.restorer, statistics=known.statistics
    )
    copy = diffir.load_model(tmp_path / "copy.safetensors").statistics
    assert copy is not None
    assert known.statistics is not None
    assert np.array_equal(copy.mean, known.statistics.mean)
    assert np.allclose(copy.covariance, known.statistics.covariance)
    state = known.statistics.state()
    state.pop("statistics.mean")
    with pytest.raises(CheckpointError, match="not whole"):
        IPRStatistics.taken_from(state, 256)


@pytest.mark.parametrize(
    "options",
    [
        dict(ipr_scope="stack"),
        dict(ipr_scope="region", region=(0, 8, 0, 8)),
        dict(channels=(0,)),
        dict(output_dtype="uint8"),
    ],
)
def test_samples_refuse_options_that_they_would_ignore(
    tiny: Model, options: dict[str, Any]
) -> None:
    asked = diffir.RestoreOptions(**options)
    with pytest.raises(InputError, match="which samples know nothing of"):
        diffir.restore_samples(noisy(16, 16), tiny, axes="YX", options=asked)


@pytest.mark.parametrize("scope", ["time", "region"])
def test_a_given_ipr_and_a_place_to_extract_it_from_exclude_each_other(
    tiny: Model, scope: str
) -> None:
    ipr = diffir.extract_ipr(noisy(16, 16), tiny, axes="YX")
    region = (0, 8, 0, 8) if scope == "region" else None
    with pytest.raises(ValueError, match="nothing to extract"):
        diffir.RestoreOptions(ipr=ipr, ipr_scope=scope, region=region)


def test_seeds_and_sources_of_iprs_are_kept(tiny: Model) -> None:
    image, options = noisy(16, 16), diffir.RestoreOptions(seed=5)
    ipr = diffir.extract_ipr(image, tiny, axes="YX", options=options)
    assert ipr.seed == 5
    assert diffir.extract_ipr(image, tiny, axes="YX", seed=0, options=options).seed == 0
    given = replace(ipr, source="elsewhere")
    asked = diffir.RestoreOptions(ipr=given)
    state = diffir.freeze(image, tiny, axes="YX", options=asked)
    assert state.ipr.source == "elsewhere"
    with pytest.raises(InputError, match=r"Channels \[7\] were chosen"):
        diffir.freeze(
            image, tiny, axes="YX", options=diffir.RestoreOptions(channels=(7,))
        )


def test_iprs_are_compared_by_value_and_shown_in_a_line(
    tiny: Model, tmp_path: Path
) -> None:
    image = noisy(24, 24)
    ipr = diffir.extract_ipr(image, tiny, axes="YX")
    ipr.save(tmp_path / "a.ipr.json")
    loaded = diffir.IPR.load(tmp_path / "a.ipr.json")
    assert loaded == ipr
    assert len({loaded, ipr}) == 1
    options = diffir.RestoreOptions(ipr=ipr)
    (tmp_path / "options.yaml").write_text(options.to_yaml())
    assert diffir.RestoreOptions.from_yaml(tmp_path / "options.yaml") == options
    for other in (
        replace(ipr, vector=ipr.vector + 1),
        replace(ipr, chain=None),
        replace(ipr, seed=1),
        replace(ipr, source="elsewhere"),
        ipr.to_dict(),
    ):
        assert other != ipr
    for shown in (ipr, options, diffir.freeze(image, tiny, axes="YX")):
        assert "\n" not in repr(shown)
        assert len(repr(shown)) < 1000


@pytest.mark.parametrize("along", ["TC", "Y", "Q"])
def test_an_axis_to_go_along_is_one_letter(tiny: Model, along: str) -> None:
    stack = noisy(2, 16, 16)
    assert len(diffir.extract_iprs(stack, tiny, axes="zyx", along="z")) == 2
    with pytest.raises(InputError, match="none of the axes"):
        diffir.extract_iprs(stack, tiny, axes="TYX", along=along)


def test_the_smallest_and_oddest_images_have_samples_or_a_sentence(tiny: Model) -> None:
    mean, deviation = diffir.restore_samples(noisy(1, 1), tiny, axes="YX", samples=2)
    assert np.isfinite(mean).all()
    assert np.isfinite(deviation).all()
    for dtype in (bool, np.complex64):
        with pytest.raises(InputError, match="cannot be restored"):
            diffir.restore_samples(noisy(8, 8).astype(dtype), tiny, axes="YX")
    with pytest.raises(InputError, match="whole number"):
        diffir.restore_samples(noisy(8, 8), tiny, axes="YX", samples=2.5)


def test_a_damaged_state_is_refused(tiny: Model, tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    diffir.freeze(noisy(32, 32), tiny, axes="YX").save(path)
    for about in ('{"format": "diffir-state/1"}', "[]"):
        write_tensors(path, {}, {"diffir": about})
        with pytest.raises(InputError, match=r"state|damaged"):
            diffir.FrozenState.load(path)
    with pytest.raises(InputError, match="is a folder"):
        diffir.freeze(noisy(32, 32), tiny, axes="YX").save(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [path.name]
