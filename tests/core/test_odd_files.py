"""Odd but legal files, of other programs and of interrupted ones."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from asking import Command
from ome_files import CHANNEL, OME, STACK, write_ome, write_set

import diffir_core as diffir
from diffir_core.errors import InputError
from diffir_core.model import Model
from diffir_core.stacks.batch import restore_folder
from diffir_core.stacks.file_run import restore_file_steps
from diffir_core.stacks.metadata import StackMetadata
from diffir_core.stacks.source import ArraySource, open_source

PLAIN: dict[str, Any] = {"photometric": "minisblack", "metadata": {"axes": "ZYX"}}


def write_zarr(path: Path, shape: tuple[int, ...] = (3, 20, 24), **ome: Any) -> Path:
    group = zarr.open_group(str(path), mode="w")
    group.create_array("0", data=STACK[: shape[0]])
    axes = [{"name": n, "type": "space"} for n in "zyx"]
    image = {"axes": axes, "datasets": [{"path": "0"}]} | ome.pop("image", {})
    group.attrs["ome"] = {"version": "0.5", "multiscales": [image], **ome}
    return path


def described(path: Path, axes: str | None = None) -> StackMetadata:
    source = open_source(path, axes)
    source.close()
    return source.metadata


def test_planes_that_an_aborted_acquisition_promised_are_missed(tmp_path: Path) -> None:
    inner = CHANNEL.format(0, "A") + "<TiffData/>"
    path = write_ome(tmp_path / "a.ome.tif", STACK, 6, 1, inner)
    with pytest.raises(InputError, match="3 of 6 planes"):
        open_source(path)


def test_a_missing_file_of_a_set_is_missed(tmp_path: Path) -> None:
    first, second = write_set(tmp_path)
    source = open_source(first)
    planes = source.layout.planes(1)
    assert np.array_equal([source.read(p)[0] for p in planes], STACK[:2])
    source.close()
    second.unlink()
    with pytest.raises(InputError, match="1 of 2 planes"):
        open_source(first)


def test_no_file_of_a_set_is_written_over(identity: Model, tmp_path: Path) -> None:
    first, second = write_set(tmp_path)
    before = second.read_bytes()
    with pytest.raises(InputError, match="is the input"):
        diffir.restore_file(first, second, identity, overwrite=True)
    assert second.read_bytes() == before


def test_a_set_in_a_folder_is_one_stack(identity: Model, tmp_path: Path) -> None:
    folder = tmp_path / "raw"
    folder.mkdir()
    write_set(folder)
    tifffile.imwrite(folder / "other.tif", STACK, **PLAIN)
    items = list(restore_folder(folder, tmp_path / "out", identity))
    assert [item.destination.name for item in items] == [
        "c0.ome.zarr",
        "other.ome.zarr",
    ]
    assert all(item.report for item in items)


def test_a_set_in_a_folder_of_planes_is_not_stacked_on_itself(
    identity: Model, tmp_path: Path
) -> None:
    write_set(tmp_path)
    for axes in (None, "TCYX"):
        with pytest.raises(InputError, match="one OME-TIFF of several files; give one"):
            open_source(tmp_path, axes)


def test_a_folder_of_stacks_is_told_axes_that_can_be_given(tmp_path: Path) -> None:
    for number in range(2):
        path = tmp_path / f"t{number}.ome.tif"
        tifffile.imwrite(path, STACK, ome=True, metadata={"axes": "ZYX"})
    with pytest.raises(InputError, match="such as --axes TZYX"):
        open_source(tmp_path)
    assert open_source(tmp_path, "TZYX").shape == (2, *STACK.shape)


def test_a_folder_has_no_times_of_one_of_its_files(
    identity: Model, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    for number in range(3):
        plane = {"DeltaT": [0.1 * number], "ExposureTime": [0.02]}
        tifffile.imwrite(
            tmp_path / "in" / f"t{number}.ome.tif",
            STACK[number],
            ome=True,
            metadata={"axes": "YX", "Plane": plane},
        )
    result = tmp_path / "out.ome.tif"
    diffir.restore_file(tmp_path / "in", result, identity, axes="TYX")
    assert not described(result).plane_times


def test_the_odd_one_of_many_files_is_found_before_the_first_is_restored(
    tmp_path: Path,
) -> None:
    for number in range(70):
        tifffile.imwrite(tmp_path / f"z{number}.tif", STACK[0, number // 69 :])
    with pytest.raises(InputError, match=r"z69.tif is \(19, 24\)"):
        open_source(tmp_path, "ZYX")


def test_what_a_companion_file_says_is_read(tmp_path: Path) -> None:
    path, companion = tmp_path / "x.ome.tif", tmp_path / "x.companion.ome"
    xml = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/'
        '2016-06"><BinaryOnly MetadataFile="x.companion.ome" UUID="urn:uuid:1"/></OME>'
    )
    tifffile.imwrite(
        path, STACK, metadata=None, photometric="minisblack", description=xml
    )
    assert not described(path, "ZYX").pixel_size  # It was not copied.
    whole = OME.format(me="1", z=3, c=1, inner=CHANNEL.format(0, "DÄPI"))
    whole = whole.replace("SizeX", 'PhysicalSizeX="0.5" SizeX')
    companion.write_text(whole.replace("UTF-8", "ISO-8859-1"), "iso-8859-1")
    assert described(path, "ZYX").pixel_size == {"X": 0.5}


@pytest.mark.parametrize("size", [0.0, float("nan"), float("inf"), -1.0])
def test_sizes_that_are_none_are_left_out(
    identity: Model, tmp_path: Path, size: float
) -> None:
    path = tmp_path / "z.ome.tif"
    sizes = {"PhysicalSizeX": size, "PhysicalSizeY": 0.5, "TimeIncrement": size}
    tifffile.imwrite(path, STACK, ome=True, metadata={"axes": "TYX", **sizes})
    assert described(path).pixel_size == {"Y": 0.5}
    result = tmp_path / "z.ome.zarr"
    diffir.restore_file(path, result, identity)
    json.loads((result / "zarr.json").read_text(), parse_constant=pytest.fail)


@pytest.mark.parametrize("ending", [".ome.tif", ".ome.zarr"])
def test_a_single_channel_keeps_name_and_colour(
    identity: Model, tmp_path: Path, ending: str
) -> None:
    path, result = tmp_path / "g.ome.tif", tmp_path / f"out{ending}"
    channel = {"Name": ["GFP"], "Color": [16711935]}
    metadata = {"axes": "ZCYX", "Channel": channel}
    tifffile.imwrite(path, STACK[:, None], ome=True, metadata=metadata)
    diffir.restore_file(path, result, identity)
    if ending == ".ome.zarr":
        (shown,) = zarr.open_group(str(result)).attrs["ome"]["omero"]["channels"]
        assert (shown["label"], shown["color"]) == ("GFP", "00FF00")
    else:
        kept = described(result)
        assert (kept.channel_names, kept.channel_colors) == (("GFP",), ("00FF00",))


def test_a_single_channel_of_imagej_keeps_label_and_colour(tmp_path: Path) -> None:
    path = tmp_path / "i.tif"
    table = np.stack([np.zeros(256), np.arange(256), np.zeros(256)]).astype(np.uint8)
    metadata = {"axes": "YX", "Labels": ["DAPI"], "LUTs": [table]}
    tifffile.imwrite(path, STACK[0], imagej=True, metadata=metadata)
    kept = described(path)
    assert (kept.channel_names, kept.channel_colors) == (("DAPI",), ("00FF00",))


@pytest.mark.parametrize("ending", [".ome.tif", ".ome.zarr"])
def test_channels_of_which_some_are_known_keep_what_is_known(
    identity: Model, tmp_path: Path, ending: str
) -> None:
    channels = [{"label": "DAPI", "color": "yellow"}, {"label": "", "color": "00ff00"}]
    axes = [{"name": n} for n in "cyx"]
    path = write_zarr(
        tmp_path / "c.zarr", image={"axes": axes}, omero={"channels": channels}
    )
    result = tmp_path / f"out{ending}"
    diffir.restore_file(path, result, identity)
    kept = described(result)
    assert kept.channel_names[:2] == ("DAPI", "")
    assert kept.channel_colors[:2] == ("FFFFFF", "00FF00")


def test_control_characters_in_names_do_no_harm(
    identity: Model, tmp_path: Path
) -> None:
    metadata = StackMetadata("ZYX", {"X": 0.5}, name="a\x00b\x1f<&>")
    result = tmp_path / "out.ome.tif"
    for _ in restore_file_steps(ArraySource(STACK, "ZYX", metadata), result, identity):
        pass
    assert described(result).name == "ab<&>"
    assert described(result).pixel_size == {"X": 0.5}


def test_positions_are_given_in_the_unit_of_the_pixels(tmp_path: Path) -> None:
    path = tmp_path / "p.ome.tif"
    plane = {"PositionX": [1.25] * 3, "PositionXUnit": ["mm"] * 3}
    sizes = {"PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm"}
    tifffile.imwrite(
        path, STACK, ome=True, metadata={"axes": "ZYX", "Plane": plane, **sizes}
    )
    assert described(path).translate == pytest.approx({"X": 1250.0})


def test_channels_that_are_copied_may_lack_values(
    identity: Model, tmp_path: Path
) -> None:
    stack = STACK[:2].astype(np.float32)
    stack[1, 3, 4] = np.nan
    options = diffir.RestoreOptions(channels=[0])
    restored = diffir.restore(stack, identity, axes="CYX", options=options)
    assert np.array_equal(restored[1], stack[1], equal_nan=True)
    whole = options.replace(output_dtype="uint16")
    with pytest.raises(InputError, match="1 NaN"):
        diffir.restore(stack, identity, axes="CYX", options=whole)


def test_copied_channels_have_no_range_of_others(
    identity: Model, tmp_path: Path
) -> None:
    stack = STACK * np.array([40, 1, 1], np.uint16)[:, None, None]
    path, result = tmp_path / "c.ome.tif", tmp_path / "out.ome.zarr"
    tifffile.imwrite(path, stack, ome=True, metadata={"axes": "CYX"})
    options = diffir.RestoreOptions(channels=(2,))
    diffir.restore_file(path, result, identity, options=options)
    shown = zarr.open_group(str(result)).attrs["ome"]["omero"]["channels"]
    assert [one["window"]["end"] < 2000 for one in shown] == [False, False, True]


def test_xml_that_is_none_is_said_in_one_line(
    diffir_command: Command, tmp_path: Path
) -> None:
    path = write_ome(tmp_path / "a.ome.tif", STACK, 3, 1, CHANNEL.format(0, "a & b"))
    result = tmp_path / "out.ome.zarr"
    code, said = diffir_command("restore", str(path), str(result), "--axes", "ZYX")
    assert code
    assert "not well-formed" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("plane", ["", "x", "1.5", "-1", "7"])
def test_planes_that_are_nowhere_have_no_times(tmp_path: Path, plane: str) -> None:
    times = [("0", 1), ("1", 2), ("2", 3), (plane, 9)]
    inner = "<TiffData/>" + "".join(
        f'<Plane TheZ="{z}" TheC="0" TheT="0" DeltaT="{t}"/>' for z, t in times
    )
    path = write_ome(tmp_path / "a.ome.tif", STACK, 3, 1, inner)
    assert described(path).plane_times == {"DeltaT": (1.0, 2.0, 3.0)}


def test_xml_without_a_namespace_is_read(tmp_path: Path) -> None:
    xml = OME.format(me="a", z=3, c=1, inner=CHANNEL.format(0, "GFP") + "<TiffData/>")
    xml = xml.replace('xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"', "")
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(
        path, STACK, metadata=None, photometric="minisblack", description=xml
    )
    assert described(path).name == "set"
    assert described(path).channel_names == ("GFP",)


def test_resolutions_that_are_plain_numbers_are_read(tmp_path: Path) -> None:
    path = tmp_path / "f.tif"
    tifffile.imwrite(path, STACK, resolution=(1, 1), resolutionunit=3, **PLAIN)
    with tifffile.TiffFile(path, mode="r+") as file:
        for tag, value in (("XResolution", 2000.0), ("YResolution", 1000.0)):
            file.pages[0].tags[tag].overwrite(value, dtype="f")
    assert described(path).pixel_size == pytest.approx({"X": 0.0005, "Y": 0.001})


@pytest.mark.parametrize("compression", ["lzw", "jpeg", "zstd", "deflate"])
def test_compressed_tiffs_are_read(
    identity: Model, tmp_path: Path, compression: str
) -> None:
    path = tmp_path / "packed.tif"
    values = STACK.clip(0, 255).astype(np.uint8)
    tifffile.imwrite(path, values, compression=compression, **PLAIN)
    expected = tifffile.imread(path)
    diffir.restore_file(path, tmp_path / "out.ome.zarr", identity, axes="ZYX")
    found = zarr.open(tmp_path / "out.ome.zarr" / "0", mode="r")[:]
    assert np.array_equal(found, expected)


def test_a_tag_of_an_unknown_kind_is_no_damage(identity: Model, tmp_path: Path) -> None:
    path = tmp_path / "vendor.tif"
    tifffile.imwrite(path, STACK[0], extratags=[(65000, 3, 1, 7, True)])
    raw = path.read_bytes()
    entry = raw.index(struct.pack("<HHI", 65000, 3, 1))
    path.write_bytes(raw[: entry + 2] + struct.pack("<H", 99) + raw[entry + 4 :])
    assert described(path, "YX").axes == "YX"


def test_damaged_chunks_are_said_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "d.tif"
    tifffile.imwrite(path, STACK, compression="zlib", **PLAIN)
    with tifffile.TiffFile(path) as file:
        offset = file.pages[0].dataoffsets[0]
    content = bytearray(path.read_bytes())
    content[offset : offset + 8] = bytes(8)
    path.write_bytes(content)
    source = open_source(path)
    with pytest.raises(InputError, match="Cannot read the plane"):
        source.read(source.layout.planes(1)[0])
    source.close()


def test_a_level_that_was_not_copied_is_not_missed(tmp_path: Path) -> None:
    image = {"datasets": [{"path": "0"}, {"path": "1"}]}
    source = open_source(write_zarr(tmp_path / "l.zarr", image=image))
    assert source.read(source.layout.planes(1)[0]).shape == (1, 20, 24)


def test_axes_of_zarr_may_have_long_names(tmp_path: Path) -> None:
    axes = [{"name": "channel", "type": "channel"}]
    axes += [{"name": n, "type": "space", "unit": "micrometer"} for n in ("y", "x")]
    step = {"type": "scale", "scale": [1.0, 0.5, 0.25]}
    levels = [{"path": "0", "coordinateTransformations": [step]}]
    path = write_zarr(tmp_path / "n.zarr", image={"axes": axes, "datasets": levels})
    assert described(path).axes == "CYX"
    assert described(path).pixel_size == {"Y": 0.5, "X": 0.25}


def test_pixels_of_a_mirrored_zarr_have_a_size(tmp_path: Path) -> None:
    step = {"type": "scale", "scale": [-2.0, -0.5, 0.25]}
    levels = [{"path": "0", "coordinateTransformations": [step]}]
    path = write_zarr(tmp_path / "m.zarr", image={"datasets": levels})
    assert described(path).pixel_size == {"Z": 2.0, "Y": 0.5, "X": 0.25}


@pytest.mark.parametrize(
    "ome",
    [
        {"omero": None},
        {"omero": {"channels": None}},
        {"omero": {"channels": [None, {"label": None, "color": None}]}},
        {"omero": {"channels": "GFP"}},
        {"image": {"name": None, "coordinateTransformations": None}},
        {"image": {"coordinateTransformations": [{"type": "scale", "path": "s"}]}},
        {"image": {"coordinateTransformations": [{"type": "scale", "scale": [9.0]}]}},
    ],
    ids=str,
)
def test_what_a_zarr_says_without_saying_anything_is_passed_over(
    tmp_path: Path, ome: dict[str, Any]
) -> None:
    step = {"type": "scale", "scale": [2.0, 0.5, 0.25]}
    levels = [{"path": "0", "coordinateTransformations": [step]}]
    ome["image"] = {"datasets": levels, **ome.get("image", {})}
    kept = described(write_zarr(tmp_path / "n.zarr", **ome))
    assert kept.pixel_size == {"Z": 2.0, "Y": 0.5, "X": 0.25}
    assert kept.channel_names == ()
    assert kept.name == "n.zarr"


def test_a_zarr_that_names_too_few_axes_is_asked_for_them(tmp_path: Path) -> None:
    path = write_zarr(tmp_path / "n.zarr", image={"axes": ["y", "x"]})
    with pytest.raises(InputError, match=r"what its 3 axes are; .* --axes ZYX\."):
        open_source(path)
    assert described(path, "ZYX").axes == "ZYX"


def test_fields_of_plates_and_wells_are_named_as_they_are(tmp_path: Path) -> None:
    plate = zarr.open_group(str(tmp_path / "p.zarr"), mode="w")
    plate.attrs["ome"] = {"version": "0.5", "plate": {"wells": [{"path": "B/3"}]}}
    well = plate.create_group("B/3")
    well.attrs["ome"] = {"version": "0.5", "well": {"images": [{"path": "7"}]}}
    write_zarr(tmp_path / "p.zarr" / "B" / "3" / "7")
    with pytest.raises(InputError, match=r"such as p\.zarr/B/3/7\."):
        open_source(tmp_path / "p.zarr")
    with pytest.raises(InputError, match=r"such as 3/7\."):
        open_source(tmp_path / "p.zarr" / "B" / "3")
    assert described(tmp_path / "p.zarr" / "B" / "3" / "7").axes == "ZYX"


def test_axes_that_are_called_otherwise_keep_their_sizes(tmp_path: Path) -> None:
    axes = [{"name": n, "type": "space", "unit": "micrometer"} for n in "zyx"]
    step = {"type": "scale", "scale": [2.0, 0.5, 0.25]}
    levels = [{"path": "0", "coordinateTransformations": [step]}]
    path = write_zarr(tmp_path / "n.zarr", image={"axes": axes, "datasets": levels})
    kept = described(path, "TYX")
    assert kept.pixel_size == {"T": 2.0, "Y": 0.5, "X": 0.25}
    assert kept.units == {"Y": "micrometer", "X": "micrometer"}
    assert described(path, "CYX").pixel_size == {"Y": 0.5, "X": 0.25}


def test_axes_without_names_are_guessed_differently(tmp_path: Path) -> None:
    path = tmp_path / "q.tif"
    tifffile.imwrite(path, STACK.reshape(3, 1, 20, 24).repeat(2, 1))
    with pytest.raises(InputError, match="--axes TZYX"):
        open_source(path)
    assert described(path, "TZYX").axes == "TZYX"


def test_every_column_is_met_when_the_range_is_measured(identity: Model) -> None:
    image = np.full((1000, 1000), 100, np.uint16)
    image[:, 5::10] = 2000  # Between the columns that every tenth pixel is in.
    _, report = diffir.restore(image, identity, axes="YX", return_report=True)
    assert report.mappings[0].scale == pytest.approx(1900)


@pytest.mark.parametrize(
    ("axes", "name", "said"),
    [
        ("MYX", "m.ome.tif", "has no axis M"),
        ("VYX", "v.ome.zarr", "has no axis V"),
        ("PYX", "p.ome.zarr", "name the output .ome.tif"),
        ("CYXS", "s.ome.zarr", "has no axis S"),
    ],
)
def test_axes_that_a_format_has_not_are_refused_at_once(
    identity: Model, tmp_path: Path, axes: str, name: str, said: str
) -> None:
    stack = STACK if len(axes) == 3 else STACK[..., None]
    source = ArraySource(stack, axes)
    with pytest.raises(InputError, match=said):
        next(restore_file_steps(source, tmp_path / name, identity))
    assert not list(tmp_path.iterdir())


def test_phases_are_kept_by_ome_tiff(identity: Model, tmp_path: Path) -> None:
    source, result = ArraySource(STACK, "PYX"), tmp_path / "p.ome.tif"
    for _ in restore_file_steps(source, result, identity):
        pass
    assert described(result).axes == "PYX"
