"""Training images of real files: read by windows, paired, checked, drawn from."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from diffir_training.data import open_data
from diffir_training.degradations import CameraNoise, OneOf, RealEsrgan
from diffir_training.images import (
    CleanImages,
    FileCache,
    ForegroundSampler,
    HeldBack,
    PairedImages,
    PairSource,
    RepeatedFrames,
    array_planes,
    check_agreement,
    flipped,
    open_clean,
    open_pairs,
    open_planes,
    pairs_of_planes,
    read_pair,
    split,
    split_groups,
)
from diffir_training.images import survey as surveying
from numpy.typing import NDArray
from skimage.io import imsave

from diffir_core.errors import InputError
from diffir_core.samples import sample_path

STACK = np.random.default_rng(0).integers(0, 60_000, (3, 40, 52)).astype(np.uint16)
GRAY = dict(photometric="minisblack")
PLAIN = dict(mixed_fraction=0, gamma_fraction=0, dimmed_fraction=0)
Writer = Callable[[Path, NDArray[Any]], None]


def _zarr(version: int) -> Writer:
    def write(path: Path, stack: NDArray[Any]) -> None:
        array = zarr.create_array(
            store=path,
            shape=stack.shape,
            dtype=stack.dtype,
            chunks=(1, 16, 16),
            zarr_format=version,
        )
        array[:] = stack

    return write


def _tiff(**options: Any) -> Writer:
    return lambda path, stack: tifffile.imwrite(path, stack, **options)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("plain.tif", _tiff(**GRAY)),
        ("big.tif", _tiff(bigtiff=True, byteorder=">", **GRAY)),
        (
            "tiles.tif",
            _tiff(tile=(16, 16), compression="zlib", photometric="minisblack"),
        ),
        ("imagej.tif", _tiff(imagej=True, metadata={"axes": "ZYX"})),
        ("stack.ome.tif", _tiff(ome=True, metadata={"axes": "ZYX"})),
        ("two.zarr", _zarr(2)),
        ("three.zarr", _zarr(3)),
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_window_of_any_file_is_that_of_the_array(
    tmp_path: Path, name: str, write: Writer, dtype: type
) -> None:
    stack = (STACK // 257).astype(dtype)
    write(tmp_path / name, stack)
    planes = open_planes(tmp_path / name, "ZYX")
    assert [plane.position for plane in planes] == [(("Z", i),) for i in range(3)]
    window = planes[1].read(slice(5, 30), slice(10, 52))
    assert window.dtype == dtype
    assert np.array_equal(window, stack[1:2, 5:30, 10:52])


def test_pictures_and_their_samples(tmp_path: Path) -> None:
    rgb = (STACK[:3].transpose(1, 2, 0) // 257).astype(np.uint8)
    imsave(tmp_path / "rgb.png", rgb)
    (joint,) = open_planes(tmp_path / "rgb.png", "YXS")
    assert joint.shape == (3, 40, 52)
    assert np.array_equal(
        joint.read(slice(3, 9), slice(0, 4)), rgb[3:9, :4].transpose(2, 0, 1)
    )
    assert [plane.shape[0] for plane in open_planes(tmp_path / "rgb.png")] == [1, 1, 1]
    assert array_planes(STACK, "ZYX")[2].position == (("Z", 2),)


@pytest.mark.skipif(not hasattr(os, "SEEK_HOLE"), reason="needs sparse files")
def test_a_window_of_a_file_larger_than_memory_allows(tmp_path: Path) -> None:
    """30 GB on paper, in a file with holes; what is read is a window."""
    path = tmp_path / "huge.tif"
    huge = tifffile.memmap(path, shape=(60, 16_000, 16_000), dtype=np.uint16)
    huge[59, 8000:8064, 9000:9064] = STACK[0, :1, :1]
    del huge
    plane = open_planes(path, "ZYX")[59]
    window = plane.read(slice(7990, 8064), slice(9000, 9064))
    assert (window[0, 10:] == STACK[0, 0, 0]).all()
    assert not window[0, :10].any()


def test_the_cache_keeps_to_its_bound(tmp_path: Path) -> None:
    for i in range(6):
        imsave(tmp_path / f"{i}.png", STACK[0] + np.uint16(i), check_contrast=False)
    cache = FileCache(limit_bytes=3 * STACK[0].nbytes)
    planes = open_planes(tmp_path, cache=cache)
    values = [int(p.read(slice(0, 1), slice(0, 1))[0, 0, 0]) for p in planes * 2]
    assert values == [int(STACK[0, 0, 0]) + i for i in range(6)] * 2
    assert cache.held_bytes <= 3 * STACK[0].nbytes


def _paired(tmp_path: Path, count: int = 3) -> PairedImages:
    for i in range(count):
        _write(tmp_path / "raw" / f"cell{i}_noisy.tif", STACK[i] // 2)
        _write(tmp_path / "clean" / f"cell{i}.tif", STACK[i])
    return PairedImages(noisy="raw/*_noisy.tif", clean="clean/*.tif")


def _write(path: Path, image: NDArray[Any]) -> None:
    path.parent.mkdir(exist_ok=True, parents=True)
    tifffile.imwrite(path, image, photometric="minisblack")


def test_pairs_are_found_by_name_and_flipped_alike(tmp_path: Path) -> None:
    pairs = open_pairs(_paired(tmp_path), tmp_path)
    assert [Path(pair.file).name for pair in pairs] == [
        f"cell{i}_noisy.tif" for i in range(3)
    ]
    sampler = ForegroundSampler([(1.0, pairs)], seed=0)
    flips = set()
    for index in range(60):
        window = sampler.window(0, index, 16)
        flips.add(window.flip)
        noisy, clean = read_pair(window)
        values = window.source.mapping
        # The clean image is twice the noisy one, but for what halving rounds off.
        assert clean * values.scale + values.offset == pytest.approx(
            2 * (noisy * values.scale + values.offset), abs=1.5
        )
    assert flips == set(range(8))
    images = {flipped(STACK[:1].astype(np.float32), i).tobytes() for i in range(8)}
    assert len(images) == 8


def test_a_table_gives_gain_and_offset(tmp_path: Path) -> None:
    _paired(tmp_path)
    (tmp_path / "pairs.csv").write_text(
        "noisy,clean,gain,offset\n"
        "raw/cell0_noisy.tif,clean/cell0.tif,0.5,100\n"
        "raw/cell1_noisy.tif,clean/cell1.tif,2,-3\n"
    )
    first, second = open_pairs(PairedImages(table="pairs.csv"), tmp_path)
    window = slice(0, 8), slice(8, 20)
    assert np.allclose(first.read(*window)[1], 0.5 * STACK[0][window] + 100)
    assert np.allclose(second.read(*window)[1], 2.0 * STACK[1][window] - 3)


def test_clean_images_may_be_larger(tmp_path: Path) -> None:
    _write(tmp_path / "a" / "0.tif", STACK[0, ::2, ::2])
    _write(tmp_path / "b" / "0.tif", STACK[0])
    config = PairedImages(noisy="a/*.tif", clean="b/*.tif", scale=2)
    (pair,) = open_pairs(config, tmp_path)
    noisy, clean = pair.read(slice(2, 10), slice(4, 12))
    assert np.array_equal(clean[0, ::2, ::2], noisy[0])
    assert clean.shape == (1, 16, 16)


def test_a_repeated_frame_becomes_the_mean_of_the_others(tmp_path: Path) -> None:
    for i in range(3):
        _write(tmp_path / "raw" / "a" / f"{i}.tif", STACK[i])
    pairs = open_pairs(RepeatedFrames(pattern="raw/*"), tmp_path)
    everywhere = slice(0, 40), slice(0, 52)
    noisy, target = pairs[1].read(*everywhere)
    assert np.array_equal(noisy[0], STACK[1])
    assert np.allclose(target[0], (STACK[0].astype(float) + STACK[2]) / 2)
    _write(tmp_path / "average" / "a.tif", STACK[0] // 3)
    config = RepeatedFrames(pattern="raw/*", average="average/*.tif")
    _, target = open_pairs(config, tmp_path)[1].read(*everywhere)
    assert np.array_equal(target[0], STACK[0] // 3)


def _break(tmp_path: Path, change: str) -> PairedImages:
    """Make pairs, and one mistake."""
    config = _paired(tmp_path)
    if change == "size":
        _write(tmp_path / "clean" / "cell1.tif", STACK[1, 1:])
    elif change == "partner":
        (tmp_path / "clean" / "cell2.tif").unlink()
    elif change == "nan":
        _write(tmp_path / "raw" / "cell0_noisy.tif", np.full((40, 52), np.nan, "f4"))
    elif change == "wide":
        wide = np.where(np.eye(40, 52), 1e38, -1e38)
        _write(tmp_path / "raw" / "cell0_noisy.tif", wide.astype("f4"))
    elif change == "cut":
        os.truncate(tmp_path / "raw" / "cell1_noisy.tif", 600)
    elif change == "capitals":
        for name in ("raw/cell0_noisy.tif", "clean/cell1.tif"):
            (tmp_path / name).rename((tmp_path / name).with_suffix(".TIF"))
    elif change == "folders":
        return config.replace(noisy="ra*", clean="clea*")
    elif change == "empty":
        return config.replace(noisy="nothing/*.tif")
    elif change == "planes":
        path = tmp_path / "clean" / "cell1.tif"
        tifffile.imwrite(path, STACK, imagej=True, metadata={"axes": "ZYX"})
    elif change == "types":
        for file in (tmp_path / "raw").iterdir():
            file.rename(file.with_suffix(".txt"))
        return config.replace(noisy="raw/*_noisy.txt")
    return config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("size", r"cell1.* must have its size"),
        ("partner", "cell2_noisy.tif has no partner"),
        ("nan", "^raw/cell0_noisy.tif has NaN"),
        ("wide", "^raw/cell0_noisy.tif cannot be trained on: The values range from"),
        ("cut", r"^raw/cell1_noisy.tif is truncated or damaged"),
        ("empty", r"Nothing matches 'nothing/\*\.tif'"),
        ("folders", r"^Only folders match 'ra\*' below .*, such as raw, where images"),
        ("planes", "need the same planes"),
        ("types", "None of the 3 files"),
    ],
)
def test_pairs_that_cannot_be_learnt_from(
    tmp_path: Path, change: str, message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        open_pairs(_break(tmp_path, change), tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.tif", "a.png"])
def test_a_damaged_file_of_this_very_folder_is_named_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(b"II*\0junk")
    config = CleanImages(sources=({"pattern": name},))
    with pytest.raises(InputError, match=rf"^{name} ") as caught:
        open_clean(config, Path("."))
    assert "\n" not in str(caught.value)


def _real_pairs(
    folder: Path, noisy: NDArray[Any], clean: NDArray[Any]
) -> list[PairSource]:
    for i, (one, other) in enumerate(zip(noisy, clean, strict=True)):
        _write(folder / "raw" / f"{i}.tif", one)
        _write(folder / "gt" / f"{i}.tif", other)
    return open_pairs(PairedImages(noisy="raw/*.tif", clean="gt/*.tif"), folder)


def _nuclei() -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Give three planes of the bundled stack, and the same with noise before them."""
    clean = tifffile.imread(sample_path("reference"))[5:11:2]
    return np.random.default_rng(0).poisson(clean).astype(np.uint16), clean


def test_pairs_that_agree_bring_no_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    noisy, clean = _nuclei()
    noisy[:, ::37, ::41] = 65535  # Hot pixels.
    check_agreement(_real_pairs(tmp_path / "counts", noisy, clean))
    nothing = np.random.default_rng(0).poisson(50.0, (2, 64, 64)).astype(np.uint16)
    check_agreement(_real_pairs(tmp_path / "empty", nothing, clean[:2, :64, :64]))
    check_agreement(
        _real_pairs(tmp_path / "small", nothing[:, :32, :32], nothing[:, 32:, 32:])
    )
    assert not caplog.records


def _lattice(period: float) -> NDArray[np.float32]:
    y, x = np.indices((256, 256)) * 2 * np.pi / period
    return (200 * np.sin(y) * np.sin(x) + 240).astype(np.float32)


_EDGE = np.where(np.arange(256)[:, None] < 252, 0, 100) * np.ones(256, np.float32)


@pytest.mark.parametrize("clean", [_lattice(16 / 3), _lattice(8), _EDGE])
def test_means_that_are_all_alike_tell_nothing_of_units(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, clean: NDArray[np.float32]
) -> None:
    noisy = np.random.default_rng(0).poisson(clean).astype(np.uint16)
    check_agreement(_real_pairs(tmp_path, noisy[None], clean[None]))
    assert not caplog.records


def test_a_negative_is_told_as_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    noisy, clean = _nuclei()
    check_agreement(_real_pairs(tmp_path, noisy, 5000.0 - clean))
    (told,) = caplog.messages
    assert re.search(r"other units .* about -(0\.9\d*|1(\.\d+)?) · gt/0.tif \+\d", told)


def test_a_clean_side_in_other_units_is_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    noisy, clean = _nuclei()
    halved = (clean / 4 + 30).astype(np.float32)
    check_agreement(_real_pairs(tmp_path / "quarter", noisy, halved))
    dark = clean.astype(np.float32) - 600
    check_agreement(_real_pairs(tmp_path / "dark", noisy, dark))
    quarter, offset = caplog.messages
    assert re.search(
        r"^In (\d+) of \1 pairs .* other units .* raw/0.tif, which is about "
        r"(3\.[6-9]\d*|4(\.\d+)?) · gt/0.tif -\d",
        quarter,
    )
    assert re.search(r"about (0\.9\d*|1|1\.\d+) · gt/0.tif \+\d", offset)
    with pytest.raises(
        InputError, match=r"gt/0.tif is all but flat in the units of raw/0"
    ):
        check_agreement(_real_pairs(tmp_path / "flat", noisy, clean / 65535.0))


def test_frames_that_bleach_or_drift_are_told_of_as_frames(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    frame = _nuclei()[1][0]
    bleaching = np.stack([frame // divisor for divisor in (1, 2, 4, 8)])
    drifting = np.stack([np.roll(frame, 20 * i, 0) for i in range(4)])
    for name, frames in (("bleaching", bleaching), ("drifting", drifting)):
        noisy = np.random.default_rng(0).poisson(frames).astype(np.uint16)
        for i, one in enumerate(noisy):
            _write(tmp_path / name / "field" / f"{i}.tif", one)
        check_agreement(open_pairs(RepeatedFrames(pattern=f"{name}/*"), tmp_path))
    brighter, moved = caplog.messages
    assert "a frame is brighter or darker than the others, such as " in brighter
    assert " · the mean of its other frames " in brighter
    assert "leave out frames that have bleached" in brighter
    assert " and the mean of its other frames, which correlate by " in moved


def test_of_many_files_some_are_compared(caplog: pytest.LogCaptureFixture) -> None:
    noisy, clean = (side[0, :64, :64] for side in _nuclei())
    pairs: list[PairSource] = []
    for i in range(400):
        sides = array_planes(noisy, name=f"raw/{i}"), array_planes(clean // 4)
        pairs += pairs_of_planes(*sides)
    check_agreement(pairs)
    assert caplog.messages[0].startswith("In 200 of 200 pairs that were compared ")


def test_sides_of_other_places_are_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    noisy, clean = _nuclei()
    shifted = noisy[:, 12:, :-16], clean[:, :-12, 16:]
    check_agreement(_real_pairs(tmp_path / "shifted", *shifted))
    check_agreement(_real_pairs(tmp_path / "mirrored", noisy, clean[:, ::-1, ::-1]))
    moved, mirrored = caplog.messages
    assert re.search(
        r"^In (\d+) of \1 pairs .* do not show the same place, such as raw/0.tif and "
        r"gt/0.tif, .* if the clean one is moved by -12, 16 pixels",
        moved,
    )
    assert "do not show the same place" in mirrored


def test_the_ending_of_a_partner_may_be_written_in_capitals(tmp_path: Path) -> None:
    config = _break(tmp_path, "capitals")
    names = [pair.name for pair in open_pairs(config, tmp_path)]
    assert names == [
        f"raw/cell{i}_noisy.{e}" for i, e in enumerate(("TIF", "tif", "tif"))
    ]


def test_axes_that_a_file_does_not_say_are_named_by_the_recipe(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((3, 64, 64), np.uint16), **GRAY)
    for images, where in (
        (CleanImages.parse(dict(sources=[dict(pattern="*")])), "axes of the source"),
        (PairedImages(noisy="*", clean="*"), r"data\.images\.axes"),
    ):
        with pytest.raises(InputError, match=rf"In a recipe they are the {where}\."):
            open_data(
                images,
                tmp_path,
                None,
                channels=1,
                largest_patch=32,
                held_back=None,
                seed=0,
            )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("noisy,clen\na,b\n", "lacks the column 'clean'"),
        ("noisy,clean,gian\na,b,1\n", "unknown column 'gian'"),
        ("noisy,clean\nraw/cell9.tif,clean/cell0.tif\n", "line 2.*cell9"),
        (
            "noisy,clean,gain\nraw/cell0_noisy.tif,clean/cell0.tif,-1\n",
            "the gain is '-1'",
        ),
        ("noisy,clean\n", "no row"),
    ],
)
def test_a_table_with_a_mistake_is_refused(
    tmp_path: Path, text: str, message: str
) -> None:
    _paired(tmp_path)
    (tmp_path / "pairs.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        open_pairs(PairedImages(table="pairs.csv"), tmp_path)


def test_what_cannot_be_compared_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="different numbers of stars"):
        PairedImages.parse(dict(noisy="a/*.tif", clean="b/c.tif"))
    with pytest.raises(InputError, match="noisy and clean, or table"):
        PairedImages.parse(dict(noisy="a/*.tif"))
    _write(tmp_path / "raw" / "a" / "0.tif", STACK[0])
    with pytest.raises(InputError, match="holds 1 frame, 2 are needed"):
        open_pairs(RepeatedFrames(pattern="raw/*"), tmp_path)


def _mostly_empty() -> NDArray[np.uint16]:
    """A structured square of a hundredth of the area, in noise."""
    generator = np.random.default_rng(1)
    image = generator.normal(100, 3, (640, 640))
    image[64:128, 64:128] += 500 * (np.indices((64, 64)).sum(0) // 8 % 2)
    return image.astype(np.uint16)


def test_empty_background_does_not_dominate(tmp_path: Path) -> None:
    _write(tmp_path / "a.tif", _mostly_empty())
    images = CleanImages.parse(dict(sources=[dict(pattern="a.tif")]))
    shares = []
    for uniform in (1.0, 0.3):
        sampler = ForegroundSampler(open_clean(images, tmp_path), 0, uniform)
        windows = [sampler.window(0, i, 32) for i in range(400)]
        shares.append(
            np.mean([w.rows.start < 128 and w.columns.start < 128 for w in windows])
        )
    assert shares[0] < 0.1
    assert shares[1] > 0.4


@pytest.mark.parametrize("structure", ["leaves", "filaments", "puncta", "cells"])
def test_drawn_images_are_as_varied_as_real_ones_and_the_same_again(
    structure: str, tmp_path: Path
) -> None:
    source = dict(structure=structure, images=3, size=128)
    images = CleanImages.parse(dict(sources=[source]))
    planes, again = (open_clean(images, tmp_path)[0][1] for _ in range(2))
    whole = slice(0, 128)
    drawn = [plane.read(whole, whole) for plane in planes]
    assert [image.shape for image in drawn] == [(1, 128, 128)] * 3
    for image, plane in zip(drawn, again, strict=True):
        assert np.array_equal(image, plane.read(whole, whole))
        assert 0 <= image.min() < 0.05
        assert 0.9 < image.max() <= 3
        assert image.std() > 0.02
    similarity = np.corrcoef([image.ravel() for image in drawn])
    assert np.abs(similarity[np.triu_indices(3, 1)]).max() < 0.6
    assert len({plane.file for plane in planes}) == 3


def test_a_source_is_files_or_drawn() -> None:
    with pytest.raises(InputError, match="structure"):
        CleanImages.parse(dict(sources=[dict(structure="clouds")]))
    with pytest.raises(InputError, match="pattern"):
        CleanImages.parse(dict(sources=[dict(structure="cells", pattern="*.tif")]))
    with pytest.raises(InputError, match="downscale"):
        CleanImages.parse(dict(sources=[dict(pattern="a", downscale=(2, 1))]))


def test_factors_below_one_enlarge(tmp_path: Path) -> None:
    _write(tmp_path / "a.tif", (np.indices((64, 64)).sum(0) % 2 * 200).astype(np.uint8))
    steps = []
    for factor in (1.0, 0.25):
        source = dict(pattern="a.tif", downscale=(factor, factor))
        images = CleanImages.parse(dict(sources=[source], variety=PLAIN))
        data = open_data(images, tmp_path, CameraNoise(), channels=1, largest_patch=32,
                         held_back=None, seed=0)  # fmt: skip
        clean = data.training.batch(0, 32, [0]).clean
        steps.append(float(clean.diff(dim=-1).abs().mean()))
    assert steps[1] < 0.5 * steps[0]


@pytest.mark.parametrize(("share", "dark"), [(0.0, 0.75), (1.0, 0.25)])
def test_negatives_are_dark_where_the_image_is_bright(
    share: float, dark: float, tmp_path: Path
) -> None:
    image = np.zeros((64, 64), np.uint8)
    image[:32, :32] = 200
    _write(tmp_path / "a.tif", image)
    source = dict(pattern="a.tif", downscale=(1, 1))
    variety = PLAIN | dict(inverted_fraction=share)
    images = CleanImages.parse(dict(sources=[source], variety=variety))
    data = open_data(images, tmp_path, CameraNoise(), channels=1, largest_patch=64,
                     held_back=None, seed=0)  # fmt: skip
    clean = data.training.batch(0, 64, [0]).clean
    middle = (clean.min() + clean.max()) / 2
    assert float((clean < middle).float().mean()) == pytest.approx(dark)


def test_a_batch_depends_on_its_number_alone(tmp_path: Path) -> None:
    _write(tmp_path / "a.tif", STACK)
    images = CleanImages.parse(dict(sources=[dict(pattern="a.tif", axes="ZYX")]))
    first, second = (
        open_data(
            images,
            tmp_path,
            CameraNoise(),
            channels=1,
            largest_patch=32,
            held_back=None,
            seed=3,
        ).training
        for _ in range(2)
    )
    whole = first.batch(7, 32, range(4))
    first.batch(8, 32, range(4))
    assert whole.noisy.equal(second.batch(7, 32, range(4)).noisy)
    assert whole.clean[2:].equal(first.batch(7, 32, [2, 3]).clean)
    assert not whole.noisy.equal(first.batch(8, 32, range(4)).noisy)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(channels=3), "patches of 1 channels and the model restores 3"),
        (dict(largest_patch=64), "a patch 64 x 64"),
        (dict(held_back=HeldBack(0.5, "nothing*")), "matches none of the files"),
        (dict(held_back=HeldBack(0.5, "cell*")), "matches all of the files"),
    ],
)
def test_data_that_cannot_be_trained_on(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    config = _paired(tmp_path)
    plain = dict(channels=1, largest_patch=32, held_back=None, seed=0)
    assert open_data(config, tmp_path, None, **plain).held_back is None  # type: ignore[arg-type]
    with pytest.raises(InputError, match=message):
        open_data(config, tmp_path, None, **(plain | changes))  # type: ignore[arg-type]


def test_images_that_show_nothing_are_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plain = dict(channels=1, largest_patch=32, held_back=None, seed=0)
    config = _paired(tmp_path)
    for i in range(3):
        _write(tmp_path / "clean" / f"cell{i}.tif", np.full_like(STACK[0], 7))
    open_data(config, tmp_path, None, **plain)  # type: ignore[arg-type]
    assert "None of the 3 clean images shows anything" in caplog.messages[-1]
    caplog.clear()
    _write(tmp_path / "clean" / "cell1.tif", STACK[0])
    open_data(config, tmp_path, None, **plain)  # type: ignore[arg-type]
    assert not caplog.messages


def test_files_are_held_back_whole(tmp_path: Path) -> None:
    for i in range(5):
        _write(tmp_path / f"{i}.tif", STACK)
    planes = open_planes(tmp_path, "ZYX")
    seen, kept = split(planes, HeldBack(0.4), seed=0)
    assert len(seen) + len(kept) == 15
    assert {plane.file for plane in seen}.isdisjoint(plane.file for plane in kept)
    assert len({plane.file for plane in kept}) == 2
    _, named = split(planes, HeldBack(0.4, "3.tif"), seed=0)
    assert {Path(plane.file).name for plane in named} == {"3.tif"}
    seen, kept = split(planes[:3], HeldBack(0.1), seed=0)  # Of one file: its last.
    assert [plane.position for plane in kept] == [(("Z", 2),)]
    with pytest.raises(InputError, match="two planes or more"):
        split_groups([(1.0, planes[:1])], HeldBack(0.5), seed=0)


@pytest.mark.parametrize("by", ["stars", "table"])
def test_all_noisy_files_of_one_clean_file_are_on_one_side(
    tmp_path: Path, by: str
) -> None:
    rows = ["noisy,clean"]
    for i, image in enumerate(STACK):
        _write(tmp_path / "clean" / f"{i}.tif", image)
        for k in range(4):
            _write(tmp_path / "raw" / f"{i}_{k}.tif", image // 2)
            rows.append(f"raw/{i}_{k}.tif,clean/{i}.tif")
    (tmp_path / "pairs.csv").write_text("\n".join(rows))
    stars = PairedImages(noisy="raw/*_?.tif", clean="clean/*.tif")
    config = PairedImages(table="pairs.csv") if by == "table" else stars
    pairs = open_pairs(config, tmp_path)
    for held_back in (HeldBack(0.3), HeldBack(0.3, "1_2.tif")):
        seen, kept = split(pairs, held_back, seed=0)
        assert (len(seen), len(kept)) == (8, 4)
        clean = [{pair.clean.file for pair in side} for side in (seen, kept)]
        assert clean[0].isdisjoint(clean[1])


@pytest.mark.parametrize("axes", ["TYX", "TZYX"])
def test_repeated_frames_of_one_place_are_not_split(tmp_path: Path, axes: str) -> None:
    stack = np.stack([STACK] * 4) if axes == "TZYX" else STACK
    metadata = {"axes": axes}
    tifffile.imwrite(tmp_path / "a.tif", stack, imagej=True, metadata=metadata)
    pairs = open_pairs(RepeatedFrames(pattern="*.tif"), tmp_path)
    if axes == "TYX":
        with pytest.raises(InputError, match="show different places"):
            split_groups([(1.0, pairs)], HeldBack(0.5), seed=0)
        return
    seen, kept = split(pairs, HeldBack(0.3), seed=0)
    assert {pair.noisy.position[-1] for pair in kept} == {("Z", 2)}
    assert {pair.noisy.position[-1] for pair in seen} == {("Z", 0), ("Z", 1)}


@pytest.mark.parametrize("axes", ["YXS", "CYX"])
def test_channels_of_one_place_are_not_split(tmp_path: Path, axes: str) -> None:
    image = np.moveaxis(STACK, 0, -1) if axes == "YXS" else STACK
    planes = array_planes(image, axes)
    if axes == "YXS":
        planes = open_planes(_picture(tmp_path / "a.png", image))
    assert len(planes) == 3
    with pytest.raises(InputError, match="show different places"):
        split_groups([(1.0, planes)], HeldBack(0.5), seed=0)


def _picture(path: Path, image: NDArray[Any]) -> Path:
    imsave(path, (image // 257).astype(np.uint8))
    return path


def test_what_one_source_holds_back_no_other_trains_on(tmp_path: Path) -> None:
    for i in range(4):
        _write(tmp_path / f"{i}.tif", STACK[i % 3])

    def sides(second: str, files: str | None = None) -> list[set[str]]:
        sources = [dict(pattern="*.tif"), dict(pattern=second)]
        images = CleanImages.parse(dict(sources=sources))
        parts = split_groups(
            open_clean(images, tmp_path), HeldBack(0.25, files), seed=0
        )
        return [{one.file for _, group in part for one in group} for part in parts]

    for second in ("*.tif", "[01].tif", "[12].tif", "[23].tif", "3.tif"):
        seen, kept = sides(second)
        assert len(kept) == 1
        assert seen.isdisjoint(kept)
        assert len(seen | kept) == 4
    seen, kept = sides("[23].tif", "[13].tif")
    assert {Path(file).name for file in kept} == {"1.tif", "3.tif"}
    assert seen.isdisjoint(kept)


def test_drawn_sources_of_other_seeds_are_other_images(tmp_path: Path) -> None:
    sources = [
        dict(structure="puncta", images=4, size=64, seed=seed) for seed in (0, 1)
    ]
    groups = open_clean(CleanImages.parse(dict(sources=sources)), tmp_path)
    seen, kept = split_groups(groups, HeldBack(0.25), seed=0)
    assert [len(group) for _, group in (*seen, *kept)] == [3, 3, 1, 1]


@pytest.mark.parametrize("whole_values", [0, 2**24])
def test_nan_in_any_row_of_a_float_image_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole_values: int
) -> None:
    monkeypatch.setattr(surveying, "_WHOLE_VALUES", whole_values)
    image = np.random.default_rng(0).random((1200, 64), np.float32)
    image[18, 5] = np.nan  # A cell has 19 rows, of which 16 are looked at.
    _write(tmp_path / "a.tif", image)
    images = CleanImages.parse(dict(sources=[dict(pattern="a.tif")]))
    with pytest.raises(InputError, match=r"a\.tif has NaN"):
        open_clean(images, tmp_path)
    unseen = images.replace(intensity="range", foreground_fraction=0)
    ((_, (plane,)),) = open_clean(unseen, tmp_path)
    with pytest.raises(InputError, match=r"a\.tif has NaN"):
        plane.read(slice(0, 32), slice(0, 32))


def test_a_held_back_image_need_not_have_32_pixels(tmp_path: Path) -> None:
    _write(tmp_path / "a.tif", STACK[0])
    _write(tmp_path / "b.tif", STACK[1, :27, :26])
    images = CleanImages.parse(dict(sources=[dict(pattern="*.tif")]))
    data = open_data(images, tmp_path, CameraNoise(), channels=1, largest_patch=16,
                     held_back=HeldBack(0.5, "b.tif"), seed=0)  # fmt: skip
    assert data.held_back is not None
    assert data.largest_held_back == 24
    assert data.held_back.batch(0, 24, [0]).clean.shape == (1, 1, 24, 24)


@pytest.mark.parametrize("side", [15, 10, 5])
def test_a_held_back_image_too_small_to_be_measured_is_refused(
    side: int, tmp_path: Path
) -> None:
    """A patch of it would have 8 pixels, and SSIM takes 11."""
    _write(tmp_path / "a.tif", STACK[0])
    _write(tmp_path / "b.tif", STACK[1, :side])
    images = CleanImages.parse(dict(sources=[dict(pattern="*.tif")]))
    with pytest.raises(InputError, match=rf"b\.tif has {side} x 52 pixels.*held back"):
        open_data(images, tmp_path, CameraNoise(), channels=1, largest_patch=16,
                  held_back=HeldBack(0.5, "b.tif"), seed=0)  # fmt: skip


def test_every_patch_has_something_real_if_one_was_sharpened(tmp_path: Path) -> None:
    _write(tmp_path / "a.tif", STACK[0])
    noise = OneOf(
        choices=(RealEsrgan(scale=1, sharpen_target=True), RealEsrgan(scale=1)),
        weights=(1, 1),
    )
    images = CleanImages.parse(dict(sources=[dict(pattern="a.tif")], variety=PLAIN))
    data = open_data(images, tmp_path, noise, channels=1, largest_patch=32,
                     held_back=None, seed=0)  # fmt: skip
    batch = data.training.batch(0, 32, range(8))
    assert batch.real is not None
    assert batch.real.shape == batch.clean.shape
    differ = (batch.real != batch.clean).flatten(1).any(dim=1)
    assert 0 < differ.sum() < 8
    last = data.training.batch(0, 32, [7]).real
    assert batch.real[7:].equal(batch.clean[7:] if last is None else last)


def test_a_name_may_be_written_in_two_ways(tmp_path: Path) -> None:
    for side, form in (("raw", "NFC"), ("clean", "NFD")):
        name = unicodedata.normalize(form, "zell\u00e4")  # type: ignore[arg-type]
        _write(tmp_path / side / f"{name}.tif", STACK[0])
    config = PairedImages(noisy="raw/*.tif", clean="clean/*.tif")
    assert len(open_pairs(config, tmp_path)) == 1
