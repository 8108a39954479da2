"""The main call: what goes in comes out, restored, and nothing else changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import random_network

import diffir_core as diffir
from diffir_core import save_model
from diffir_core.errors import CheckpointError, InputError
from diffir_core.intensity import IntensityMapping, fit_mapping
from diffir_core.model import Model


def noisy_stack(shape: tuple[int, ...], dtype: Any = np.uint16) -> np.ndarray:
    return np.random.default_rng(0).poisson(60, shape).astype(dtype)


def test_a_plane_equals_the_network_by_hand(tiny: Model) -> None:
    plane = noisy_stack((37, 52))
    mapping = fit_mapping(plane)
    lq = torch.from_numpy(mapping.to_model(plane))[None, None]
    with torch.inference_mode():
        network: Any = tiny.network
        by_hand = network.restore(lq, network.extract_ipr(lq))[0, 0].numpy()
    options = diffir.RestoreOptions(output_dtype="float64")
    restored = diffir.restore(plane, tiny, axes="YX", options=options)
    deviation = np.abs((restored - mapping.offset) / mapping.scale - by_hand).max()
    assert deviation < 1e-4 * by_hand.std()


@settings(max_examples=40, deadline=None)
@given(
    dtype=st.sampled_from(["uint8", "uint16", "int16", "float32", "float64"]),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    outer=st.sampled_from(["", "Z", "TC", "C"]),
    offset=st.integers(0, 100),
)
def test_an_identity_model_gives_back_every_value(
    identity: Model, dtype: str, height: int, width: int, outer: str, offset: int
) -> None:
    shape = (*range(2, 2 + len(outer)), height, width)
    stack = (noisy_stack(shape) + offset).astype(dtype)
    restored, report = diffir.restore(
        stack, identity, axes=f"{outer}YX", return_report=True
    )
    assert restored.dtype == stack.dtype
    assert restored.shape == stack.shape
    assert np.allclose(restored, stack, atol=1e-4 * (np.ptp(stack) + 1))
    assert report.clipped_values == 0
    assert report.planes == int(np.prod(shape[:-2]))


def test_same_seed_same_bytes_and_strips_do_not_matter(tiny: Model) -> None:
    stack = noisy_stack((2, 64, 48))
    first, second, other = (
        diffir.restore(
            stack, tiny, axes="ZYX", options=diffir.RestoreOptions(seed=seed)
        )
        for seed in (1, 1, 2)
    )
    assert first.tobytes() == second.tobytes()
    assert first.tobytes() != other.tobytes()
    strips = diffir.RestoreOptions(seed=1, tile=8, output_dtype="float32")
    whole = strips.replace(tile=None)
    results = [
        diffir.restore(stack, tiny, axes="ZYX", options=o) for o in (strips, whole)
    ]
    assert np.abs(results[0] - results[1]).max() < 1e-4 * results[1].std()


def test_one_mapping_serves_the_stack_so_that_planes_do_not_flicker(
    identity: Model,
) -> None:
    stack = noisy_stack((6, 32, 32)).astype(np.uint16)
    stack[3] += 4000  # One plane is far brighter than the others.
    restored, report = diffir.restore(stack, identity, axes="TYX", return_report=True)
    assert len(report.mappings) == 1
    means = restored.mean(axis=(1, 2)), stack.mean(axis=(1, 2))
    assert np.allclose(*means, atol=0.02)


def test_hot_pixels_do_not_move_the_mapping() -> None:
    plane = noisy_stack((256, 256))
    hot = plane.copy()
    hot[::64, ::64] = 65535
    a, b = fit_mapping(plane), fit_mapping(hot)
    assert abs(a.scale - b.scale) < 0.1 * a.scale
    assert abs(a.offset - b.offset) < 0.1 * a.scale


@given(
    offset=st.floats(-1e4, 1e4),
    scale=st.floats(1e-2, 1e5),
    values=st.lists(st.integers(0, 65535), min_size=1, max_size=50),
)
def test_mapping_is_invertible(offset: float, scale: float, values: list[int]) -> None:
    mapping = IntensityMapping(offset, scale)
    array = np.array(values, np.uint16)
    model_units = (array - offset) / scale
    if np.abs(model_units).max() * scale * 2**-24 > 0.4:  # Beyond float32's digits.
        return
    back, clipped = mapping.from_model(mapping.to_model(array), array.dtype)
    assert np.array_equal(back, array)
    assert clipped == 0


def test_clipped_values_are_counted() -> None:
    mapping = IntensityMapping(0.0, 100.0)
    values = np.array([-0.5, 0.5, 2.0, 9.0], np.float32)
    restored, clipped = mapping.from_model(values, np.dtype("uint8"))
    assert restored.tolist() == [0, 50, 200, 255]
    assert clipped == 2


def test_super_resolution_enlarges_and_takes_channels_together(tmp_path: Path) -> None:
    network = random_network(architecture="sr", scale=2, in_channels=3, out_channels=3)
    save_model(tmp_path / "sr.safetensors", network)
    model = diffir.load_model(tmp_path / "sr.safetensors")
    image = noisy_stack((20, 24, 3), np.uint8)
    assert diffir.restore(image, model, axes="YXS").shape == (40, 48, 3)


def test_lazy_arrays_are_read_plane_by_plane(tiny: Model) -> None:
    import zarr

    stack = noisy_stack((3, 32, 32))
    lazy = zarr.create_array({}, shape=stack.shape, dtype=stack.dtype)
    lazy[:] = stack
    expected = diffir.restore(stack, tiny, axes="ZYX")
    assert np.array_equal(diffir.restore(lazy, tiny, axes="ZYX"), expected)


def test_an_ipr_can_be_kept_blended_and_used_again(tiny: Model, tmp_path: Path) -> None:
    a, b = noisy_stack((32, 32)), noisy_stack((48, 40)) * 3
    ipr = diffir.extract_ipr(a, tiny, axes="YX", seed=3)
    ipr.save(tmp_path / "a.ipr.json")
    loaded = diffir.IPR.load(tmp_path / "a.ipr.json")
    assert np.array_equal(loaded.vector, ipr.vector)
    assert loaded.chain is not None
    assert np.array_equal(loaded.chain[-1], loaded.vector)
    own = diffir.restore(a, tiny, axes="YX", options=diffir.RestoreOptions(seed=3))
    under = diffir.restore(
        a, tiny, axes="YX", options=diffir.RestoreOptions(ipr=loaded)
    )
    assert np.array_equal(own, under)
    other = diffir.extract_ipr(b, tiny, axes="YX")
    middle = diffir.blend(ipr, other, 0.5).vector
    assert np.allclose(middle, (ipr.vector + other.vector) / 2, atol=1e-6)


def test_an_ipr_is_the_same_whatever_array_it_was_made_of(
    tiny: Model, tmp_path: Path
) -> None:
    image = noisy_stack((16, 16))
    ipr = diffir.extract_ipr(image, tiny, axes="YX")
    expected = diffir.restore(
        image, tiny, axes="YX", options=diffir.RestoreOptions(ipr=ipr)
    )
    constant = ipr.vector.copy()
    constant.flags.writeable = False
    for vector in (
        ipr.vector.astype(np.float64),
        ipr.vector.astype(">f4"),
        ipr.vector[::-1].copy()[::-1],
        ipr.vector.tolist(),
        constant,
    ):
        made: Any = diffir.IPR(vector, ipr.model, np.int64(3))
        made.save(tmp_path / "made.ipr.json")
        for same in (made, diffir.IPR.load(tmp_path / "made.ipr.json")):
            assert same.vector.tobytes() == ipr.vector.tobytes()
            assert type(same.seed) is int
            options = diffir.RestoreOptions(ipr=same)
            restored = diffir.restore(image, tiny, axes="YX", options=options)
            assert np.array_equal(restored, expected)
    with pytest.raises(InputError, match="made of numbers"):
        diffir.IPR(["much"], ipr.model)


def test_a_stack_can_share_one_ipr(tiny: Model) -> None:
    stack = noisy_stack((3, 32, 32))
    options = diffir.RestoreOptions(ipr_scope="stack")
    shared = diffir.restore(stack, tiny, axes="ZYX", options=options)
    ipr = diffir.extract_ipr(stack, tiny, axes="ZYX")
    given_ = diffir.restore(
        stack, tiny, axes="ZYX", options=diffir.RestoreOptions(ipr=ipr)
    )
    assert np.array_equal(shared, given_)


def test_unchosen_channels_are_copied(tiny: Model) -> None:
    stack = noisy_stack((2, 32, 32))
    options = diffir.RestoreOptions(channels=(1,))
    restored = diffir.restore(stack, tiny, axes="CYX", options=options)
    assert np.array_equal(restored[0], stack[0])
    assert not np.array_equal(restored[1], stack[1])


@pytest.mark.parametrize("value", [0, 100])
@pytest.mark.parametrize("shape", [(1, 1), (16, 16), (3, 1)])
def test_constant_and_tiny_images_stay_near_themselves(
    identity: Model, value: int, shape: tuple[int, int]
) -> None:
    image = np.full(shape, value, np.uint16)
    assert np.array_equal(diffir.restore(image, identity, axes="YX"), image)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("value", [0.0, 1e-3, -0.5, 3e4, -1e-30])
def test_what_is_invented_on_a_constant_channel_is_no_part_of_its_value(
    tiny: Model, value: float, dtype: str
) -> None:
    image = np.full((2, 24, 24), value, dtype)
    image[1] = noisy_stack((24, 24), dtype)
    restored = diffir.restore(image, tiny, axes="CYX").astype(float)
    constant = image[0].astype(float)
    assert np.abs(restored[0] - constant).max() <= 1e-4 * (np.abs(constant).max() or 1)
    other = diffir.restore(image[1], tiny, axes="YX").astype(float)
    assert np.allclose(restored[1], other, rtol=1e-3)


@pytest.mark.parametrize(
    ("image", "axes", "options", "message"),
    [
        (np.zeros((0, 5)), "YX", {}, "empty"),
        (np.full((8, 8), np.nan), "YX", {"output_dtype": "uint8"}, "64 NaN"),
        (np.full((2, 8, 8), np.inf, np.float32), "ZYX", {}, "64 infinite.*Z=0"),
        (np.zeros((8, 8), complex), "YX", {}, "complex128"),
        (np.zeros((8, 8), bool), "YX", {}, "bool"),
        (np.zeros((8, 8)), "ZYX", {}, "3 dimensions"),
        (np.zeros((8, 8)), "YX", {"steps": 5}, "4 reverse steps"),
        (np.zeros((8, 8)), "YX", {"device": "nowhere"}, "nowhere"),
        (np.zeros((2, 8, 8)), "CYX", {"channels": (2,)}, r"\[2\]"),
        (np.zeros((4000, 4000), np.uint8), "YX", {"memory": "5MB"}, "budget is 5 MB"),
    ],
    ids=str,
)
def test_bad_input_is_one_clear_sentence(
    tiny: Model, image: Any, axes: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        diffir.restore(
            image, tiny, axes=axes, options=diffir.RestoreOptions.parse(options)
        )
    assert "\n" not in str(caught.value)


def test_things_of_other_kinds_are_refused_in_a_sentence(tiny: Model) -> None:
    image, call = noisy_stack((16, 16)), diffir.restore
    named, asked = "fluo-denoise", {"seed": 1}
    state = diffir.freeze(image, tiny, axes="YX")
    tensor = torch.zeros(16, 16)
    for message, attempt in (
        ("type torch.float32", lambda: call(tensor, tiny, axes="YX")),
        ("different lengths", lambda: call([[1, 2], [3]], tiny, axes="YX")),
        ("axes is None", lambda: call(image, tiny, axes=None)),
        (r"axes is \('Y', 'X'\)", lambda: call(image, tiny, axes=("Y", "X"))),
        ("model is 'fluo-denoise'", lambda: call(image, named, axes="YX")),
        ("model is 'f", lambda: diffir.extract_ipr(image, named, axes="YX")),
        ("model is 'fluo", lambda: diffir.freeze(image, named, axes="YX")),
        ("options is {", lambda: call(image, tiny, axes="YX", options=asked)),
        ("Region .* is not", lambda: diffir.render(image, tiny, state, region=(0.5,))),
    ):
        with pytest.raises(InputError, match=message):
            attempt()


def test_a_region_may_be_an_array(tiny: Model) -> None:
    image, region = noisy_stack((32, 32)), (0, 8, 4, 12)
    state = diffir.freeze(image, tiny, axes="YX")
    expected = diffir.render(image, tiny, state, region=region)
    for same in (np.array(region), list(region)):
        assert np.array_equal(diffir.render(image, tiny, state, region=same), expected)


def test_a_lazy_array_that_does_not_know_its_shape_is_refused(tiny: Model) -> None:
    dask_array = pytest.importorskip("dask.array")
    lazy = dask_array.from_array(noisy_stack((16, 16)), chunks=8)
    with pytest.raises(InputError, match="does not know its shape"):
        diffir.restore(lazy[lazy[:, 0] > 0], tiny, axes="YX")


def test_models_that_cannot_do_it_say_so(tiny: Model, tmp_path: Path) -> None:
    image = noisy_stack((16, 16))
    save_model(tmp_path / "first.safetensors", random_network(stage=1))
    with pytest.raises(CheckpointError, match="stage-1"):
        diffir.restore(
            image, diffir.load_model(tmp_path / "first.safetensors"), axes="YX"
        )
    save_model(tmp_path / "other.safetensors", random_network(seed=5))
    other = diffir.load_model(tmp_path / "other.safetensors")
    ipr = diffir.extract_ipr(image, other, axes="YX")
    with pytest.raises(InputError, match="another model"):
        diffir.restore(image, tiny, axes="YX", options=diffir.RestoreOptions(ipr=ipr))


def test_a_damaged_ipr_is_refused(tiny: Model, tmp_path: Path) -> None:
    image = noisy_stack((16, 16))
    ipr = diffir.extract_ipr(image, tiny, axes="YX")
    for vector in (ipr.vector[:10], np.full_like(ipr.vector, np.nan)):
        options = diffir.RestoreOptions(ipr=diffir.IPR(vector, ipr.model))
        with pytest.raises(InputError, match="256 finite"):
            diffir.restore(image, tiny, axes="YX", options=options)
    with pytest.raises(InputError, match="no folder"):
        ipr.save(tmp_path / "no" / "where.ipr.json")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sead": 1}, "sead"),
        ({"seed": 2**64}, "seed"),
        ({"memory": "0GB"}, "0GB"),
        ({"ipr": {"format": "diffir-ipr/1"}}, "damaged"),
        ({"ipr": "absent.ipr.json"}, "absent"),
        ({"seed": -1}, "seed"),
        ({"memory": "much"}, "much"),
        ({"strength": -0.5}, "strength"),
        ({"exactness": "roughly"}, "exact"),
        ({"attention_scope": "stack"}, "ipr_scope"),
        ({"output_dtype": "complex64"}, "complex64"),
        ({"region": [1, 2]}, "region"),
    ],
)
def test_options_that_cannot_be_met_are_refused(
    values: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        diffir.RestoreOptions.parse(values)


def test_options_survive_yaml(tiny: Model, tmp_path: Path) -> None:
    ipr = diffir.extract_ipr(noisy_stack((16, 16)), tiny, axes="YX")
    options = diffir.RestoreOptions(ipr=ipr, seed=4, memory="2GB", channels=(0, 2))
    (tmp_path / "job.yaml").write_text(options.to_yaml())
    again = diffir.RestoreOptions.from_yaml(tmp_path / "job.yaml")
    assert again.to_yaml() == options.to_yaml()
