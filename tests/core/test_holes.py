"""Models for inpainting fill what is NaN, and touch nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from networks import save_tiny
from numpy.typing import NDArray

import diffir_core as diffir
from diffir_core.errors import InputError
from diffir_core.stacks.plane_iprs import PlaneIPRs
from diffir_core.stacks.previewing import Previewer, RegionPreview

Image = NDArray[np.float32]
WITHOUT_REFINEMENT = {"architecture": "inpainting", "num_refinement_blocks": 0}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    return save_tiny(folder, "filling", in_channels=2, **WITHOUT_REFINEMENT)


@pytest.fixture(scope="module")
def model(path: Path) -> diffir.Model:
    return diffir.load_model(path)


def holed(*shape: int, seed: int = 0) -> Image:
    rng = np.random.default_rng(seed)
    image = rng.integers(100, 4000, shape).astype(np.float32)
    image[..., 12:15, :] = np.nan
    image[..., 30:40, 20:28] = np.nan
    return image


def by_network(image: Image, model: diffir.Model, ipr: diffir.IPR) -> Image:
    """What the network itself makes of (channels, Y, X), in its own units."""
    low, high = np.percentile(image[~np.isnan(image)], (1.0, 99.8))
    missing = np.isnan(image).any(0)
    values = np.where(missing, 0, (image - low) / (high - low))
    lq = np.concatenate([values, missing[None]]).astype(np.float32)
    with torch.inference_mode():
        made = model.network.G(
            torch.from_numpy(lq)[None], torch.tensor(ipr.vector)[None]
        )
    return np.asarray(made[0].numpy() * (high - low) + low, np.float32)


def test_holes_are_filled_as_by_the_network_and_all_else_stays(
    model: diffir.Model,
) -> None:
    image = holed(64, 48)
    ipr = diffir.extract_ipr(image, model, axes="YX")
    options = diffir.RestoreOptions(ipr=ipr)
    result = diffir.restore(image, model, axes="YX", options=options)
    missing = np.isnan(image)
    assert np.array_equal(result[~missing], image[~missing])
    expected = by_network(image[None], model, ipr)[0]
    assert result[missing] == pytest.approx(expected[missing], rel=1e-3)
    assert np.array_equal(result, diffir.restore(image, model, axes="YX"))


def test_colours_share_their_holes_and_keep_what_one_of_them_has(
    tmp_path: Path,
) -> None:
    file = save_tiny(
        tmp_path, "rgb", in_channels=4, out_channels=3, **WITHOUT_REFINEMENT
    )
    image = holed(3, 48, 40)
    image[0, 2, 2] = np.nan  # The others of this pixel are known.
    result = diffir.restore(image, diffir.load_model(file), axes="CYX")
    missing = np.isnan(image)
    assert np.isfinite(result).all()
    assert np.array_equal(result[~missing], image[~missing])


def test_a_stack_of_planes_with_and_without_holes_may_become_integers(
    model: diffir.Model,
) -> None:
    stack = holed(3, 48, 40)
    stack[1] = holed(48, 40, seed=1)
    stack[2] = np.random.default_rng(2).integers(100, 4000, (48, 40))
    options = diffir.RestoreOptions(output_dtype="uint16")
    result, report = diffir.restore(
        stack, model, axes="ZYX", options=options, return_report=True
    )
    assert result.dtype == np.uint16
    known = ~np.isnan(stack)
    assert np.array_equal(result[known], stack[known].astype(np.uint16))
    assert report.clipped_values <= np.count_nonzero(~known)


def test_any_region_is_that_of_the_whole(model: diffir.Model) -> None:
    image = holed(96, 80)
    state = diffir.freeze(image, model, axes="YX")
    whole = diffir.render(image, model, state)
    part = diffir.render(image, model, state, region=(8, 44, 16, 60))
    assert part == pytest.approx(whole[8:44, 16:60], rel=1e-3)


def test_previews_fill_holes_coarsely_and_then_as_the_result(
    model: diffir.Model,
) -> None:
    stack = holed(2, 96, 80)
    iprs = PlaneIPRs(stack, model, "ZYX")
    previewer, plane = Previewer(iprs), iprs.plane_at((1, 0, 0))
    steps = previewer.preview(plane, (8, 44, 16, 60), diffir.RestoreOptions())
    looks = [look for look in steps if isinstance(look, RegionPreview)]
    assert [look.exactness for look in looks] == ["coarse", "near", "exact"]
    known = ~np.isnan(looks[0].original)
    for look in looks:
        assert np.isfinite(look.restored).all()
        assert np.array_equal(look.restored[known], look.original[known])
    whole = diffir.restore(stack, model, axes="ZYX")
    assert looks[-1].restored[0] == pytest.approx(whole[1, 8:44, 16:60], rel=1e-4)


def test_where_nothing_is_known_nothing_is_made_up(model: diffir.Model) -> None:
    stack = holed(2, 48, 40)
    stack[1] = np.nan
    result = diffir.restore(stack, model, axes="ZYX")
    assert np.isfinite(result[0]).all()
    assert np.isnan(result[1]).all()
    options = diffir.RestoreOptions(output_dtype="uint16")
    with pytest.raises(InputError, match="1920 NaN"):
        diffir.restore(stack, model, axes="ZYX", options=options)


def test_what_can_have_no_holes_is_refused(model: diffir.Model) -> None:
    image = np.zeros((48, 40), np.uint16)
    with pytest.raises(InputError, match="images of uint16 cannot have"):
        diffir.restore(image, model, axes="YX")
    options = diffir.RestoreOptions(keep_local_mean=True)
    with pytest.raises(InputError, match="leave keep_local_mean"):
        diffir.restore(holed(48, 40), model, axes="YX", options=options)
    with pytest.raises(InputError, match="samples"):
        diffir.restore_samples(holed(48, 40), model, axes="YX")


def test_a_file_with_holes_is_filled_by_the_command(path: Path, tmp_path: Path) -> None:
    stack = holed(2, 48, 40)
    tifffile.imwrite(tmp_path / "in.tif", stack, metadata={"axes": "ZYX"})
    code = "from diffir_core.cli import main; main()"
    command = [sys.executable, "-c", code, "restore", "in.tif", "out.ome.tif"]
    done = subprocess.run(
        [*command, "--model", str(path)], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    result = tifffile.imread(tmp_path / "out.ome.tif")
    model = diffir.load_model(path)
    assert np.array_equal(result, diffir.restore(stack, model, axes="ZYX"))
    assert np.isfinite(result).all()
