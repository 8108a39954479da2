"""What files say of their pixels is read, and written, in the words of each format."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile
import yaozarrs
import zarr
from ome_files import STACK, write_ome

import diffir_core as diffir
from diffir_core.model import Model
from diffir_core.stacks.file_run import restore_file_steps
from diffir_core.stacks.metadata import StackMetadata, axis_symbol, unit_name
from diffir_core.stacks.source import ArraySource, open_source

ZARR_LENGTHS = (
    "angstrom attometer centimeter decimeter exameter femtometer foot gigameter "
    "hectometer inch kilometer megameter meter micrometer mile millimeter nanometer "
    "parsec petameter picometer terameter yard yoctometer yottameter zeptometer "
    "zettameter"
).split()
ZARR_TIMES = (
    "attosecond centisecond day decisecond exasecond femtosecond gigasecond "
    "hectosecond hour kilosecond megasecond microsecond millisecond minute nanosecond "
    "petasecond picosecond second terasecond yoctosecond yottasecond zeptosecond "
    "zettasecond"
).split()
OME_LENGTHS = (
    "Ym Zm Em Pm Tm Gm Mm km hm dam m dm cm mm µm nm pm fm am zm ym Å thou in ft yd mi "
    "ua ly pc pt"
).split()
OME_TIMES = "Ys Zs Es Ps Ts Gs Ms ks hs das s ds cs ms µs ns ps fs as zs ys min h d"


def metadata_of(path: Path, axes: str | None = None) -> StackMetadata:
    source = open_source(path, axes)
    source.close()
    return source.metadata


def write_imagej(path: Path, axes: str = "TZCYX", **metadata: Any) -> Path:
    resolution = metadata.pop("resolution", (4.0, 4.0))
    stack = np.ones([2] * (len(axes) - 2) + [16, 16], np.uint16)
    described = {"axes": axes, **metadata}
    tifffile.imwrite(
        path, stack, imagej=True, resolution=resolution, metadata=described
    )
    return path


def restore_array(source: ArraySource, path: Path, model: Model) -> None:
    for _ in restore_file_steps(source, path, model):
        pass


def described_in(path: Path) -> dict[str, str]:
    """Give the attributes of an OME-TIFF's pixels."""
    with tifffile.TiffFile(path) as file:
        root = ElementTree.fromstring(file.ome_metadata or "")
    pixels = root.find("{*}Image/{*}Pixels")
    assert pixels is not None
    return dict(pixels.attrib)


@pytest.mark.parametrize("name", ZARR_LENGTHS)
def test_lengths_of_ome_zarr_have_a_symbol_and_come_back(name: str) -> None:
    symbol = axis_symbol("X", name)
    assert symbol in OME_LENGTHS
    assert symbol is not None
    assert unit_name(symbol) == unit_name(name) == name


@pytest.mark.parametrize("name", ZARR_TIMES)
def test_times_of_ome_zarr_have_a_symbol_and_come_back(name: str) -> None:
    symbol = axis_symbol("T", name)
    assert symbol in OME_TIMES.split()
    assert symbol is not None
    assert unit_name(symbol) == unit_name(name) == name


@pytest.mark.parametrize(
    ("axis", "symbols"), [("X", OME_LENGTHS), ("T", OME_TIMES.split())]
)
def test_symbols_of_ome_have_a_name_and_come_back(
    axis: str, symbols: list[str]
) -> None:
    for symbol in symbols:
        name = unit_name(symbol)
        assert name, symbol
        assert axis_symbol(axis, name) == symbol


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("um", "micrometer"), ("UM", "micrometer"), ("Microns", "micrometer"),
        ("μm", "micrometer"), ("\\u00B5m", "micrometer"), ("\\u00B5s", "microsecond"),
        ("\u212b", "angstrom"), ("Angstrom", "angstrom"), ("inches", "inch"),
        ("Mm", "megameter"), ("mm", "millimeter"), ("metre", "meter"),
        ("micrometres", "micrometer"), ("sec", "second"), ("Seconds", "second"),
        ("msec", "millisecond"), ("us", "microsecond"), ("hrs", "hour"),
        ("pixel", None), ("reference frame", None), ("", None), ("s ", "second"),
    ],
)  # fmt: skip
def test_units_are_known_in_many_spellings(text: str, name: str | None) -> None:
    assert unit_name(text) == name


def test_a_unit_that_does_not_measure_an_axis_has_no_symbol() -> None:
    assert axis_symbol("T", "meter") is None
    assert axis_symbol("X", "second") is None
    assert axis_symbol("X", "furlong") is None


@pytest.mark.parametrize(
    ("symbol", "name"), [("µs", "microsecond"), ("ns", "nanosecond"), ("d", "day")]
)
@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr"])
def test_time_intervals_keep_their_unit(
    identity: Model, tmp_path: Path, suffix: str, symbol: str, name: str
) -> None:
    given = {"axes": "TYX", "TimeIncrement": 500.0, "TimeIncrementUnit": symbol}
    stack = np.ones((2, 16, 16), np.uint16)
    tifffile.imwrite(tmp_path / "in.ome.tif", stack, ome=True, metadata=given)
    result = tmp_path / f"out{suffix}"
    diffir.restore_file(tmp_path / "in.ome.tif", result, identity)
    metadata = metadata_of(result)
    assert metadata.pixel_size["T"] == 500.0
    assert metadata.units["T"] == name


def test_a_time_of_unknown_unit_is_not_called_seconds(
    identity: Model, tmp_path: Path
) -> None:
    known = StackMetadata(
        "TYX", {"T": 500.0, "X": 2.0}, {"T": "fortnight", "X": "hair"}
    )
    source = ArraySource(np.ones((2, 16, 16), np.uint16), "TYX", known)
    restore_array(source, tmp_path / "out.ome.tif", identity)
    described = described_in(tmp_path / "out.ome.tif")
    assert "TimeIncrement" not in described
    assert described["PhysicalSizeXUnit"] == "pixel"


@pytest.mark.parametrize(
    ("length", "time"), [("picometer", "microsecond"), ("foot", "day")]
)
def test_units_survive_from_zarr_to_tiff_and_back(
    identity: Model, tmp_path: Path, length: str, time: str
) -> None:
    units = {"T": time, "Z": length, "Y": length, "X": length}
    known = StackMetadata("TZYX", dict.fromkeys("TZYX", 0.5), units)
    source = ArraySource(np.ones((2, 2, 16, 16), np.uint16), "TZYX", known)
    paths = [tmp_path / name for name in ("a.ome.zarr", "b.ome.tif", "c.ome.zarr")]
    restore_array(source, paths[0], identity)
    diffir.restore_file(paths[0], paths[1], identity)
    diffir.restore_file(paths[1], paths[2], identity)
    for path in paths:
        assert metadata_of(path).units == units, path.name
        assert metadata_of(path).pixel_size == known.pixel_size, path.name
    described = described_in(paths[1])
    assert described["PhysicalSizeXUnit"] in OME_LENGTHS
    assert described["TimeIncrementUnit"] in OME_TIMES.split()


def test_symbols_in_zarr_are_understood(tmp_path: Path) -> None:
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=2)
    group.create_array("0", shape=(8, 8), dtype="uint8")
    axes = [{"name": n, "type": "space", "unit": "um"} for n in "yx"]
    scale = {"type": "scale", "scale": [0.5, 0.5]}
    datasets = [{"path": "0", "coordinateTransformations": [scale]}]
    group.attrs["multiscales"] = [
        {"version": "0.4", "axes": axes, "datasets": datasets}
    ]
    assert metadata_of(tmp_path / "a.zarr").units == {
        "Y": "micrometer",
        "X": "micrometer",
    }


def test_imagej_intervals_are_in_their_own_unit(tmp_path: Path) -> None:
    path = write_imagej(tmp_path / "a.tif", unit="um", finterval=5, tunit="min")
    metadata = metadata_of(path)
    assert (metadata.pixel_size["T"], metadata.units["T"]) == (5.0, "minute")
    path = write_imagej(tmp_path / "b.tif", unit="um", finterval=5, tunit="turns")
    metadata = metadata_of(path)
    assert metadata.pixel_size["T"] == 5.0
    assert "T" not in metadata.units


def test_imagej_axes_may_differ_in_unit(tmp_path: Path) -> None:
    path = write_imagej(tmp_path / "a.tif", unit="um", spacing=500, zunit="nm")
    metadata = metadata_of(path)
    assert metadata.pixel_size == {"X": 0.25, "Y": 0.25, "Z": 500.0}
    units = {"X": "micrometer", "Y": "micrometer", "Z": "nanometer"}
    assert metadata.units == units


def test_a_kymograph_has_no_length_along_time(identity: Model, tmp_path: Path) -> None:
    path = write_imagej(tmp_path / "a.tif", "YX", unit="um", yunit="sec")
    assert metadata_of(path).units == {"X": "micrometer"}
    diffir.restore_file(path, tmp_path / "out.ome.tif", identity)
    assert described_in(tmp_path / "out.ome.tif")["PhysicalSizeYUnit"] == "pixel"


def test_imagej_pixels_of_one_micrometer_keep_their_size(tmp_path: Path) -> None:
    path = write_imagej(tmp_path / "a.tif", "YX", resolution=(1, 1), unit="um")
    metadata = metadata_of(path)
    assert metadata.pixel_size == {"Y": 1.0, "X": 1.0}
    assert metadata.units == {"Y": "micrometer", "X": "micrometer"}
    path = write_imagej(tmp_path / "b.tif", "YX", resolution=(1, 1), unit="pixel")
    assert metadata_of(path).pixel_size == {}


def test_nonsense_in_imagej_calibration_is_left_out(tmp_path: Path) -> None:
    path = write_imagej(tmp_path / "a.tif", unit="um", spacing=-0.5, finterval="often")
    assert metadata_of(path).pixel_size == {"X": 0.25, "Y": 0.25, "Z": 0.5}


def test_imagej_origins_are_positions(identity: Model, tmp_path: Path) -> None:
    origins = {"xorigin": 8.0, "yorigin": -4.0, "zorigin": 2.0}
    path = write_imagej(tmp_path / "a.tif", unit="um", spacing=0.5, **origins)
    positions = {"X": -2.0, "Y": 1.0, "Z": -1.0}
    assert metadata_of(path).translate == positions
    for name in ("out.ome.tif", "out.ome.zarr"):
        diffir.restore_file(path, tmp_path / name, identity)
        assert metadata_of(tmp_path / name).translate == positions, name


def test_inverted_tables_give_their_brightest_colour(tmp_path: Path) -> None:
    ramp, none = np.arange(256, dtype=np.uint8), np.zeros(256, np.uint8)
    green, red = np.stack([none, ramp, none]), np.stack([ramp[::-1], none, none])
    highlights = np.stack([ramp] * 3)
    highlights[:, -1] = (255, 0, 0)
    tables = [green, red, highlights]
    tifffile.imwrite(
        tmp_path / "a.tif",
        np.ones((3, 16, 16), np.uint16),
        imagej=True,
        metadata={"axes": "CYX", "mode": "composite", "LUTs": tables},
    )
    assert metadata_of(tmp_path / "a.tif").channel_colors == (
        "00FF00",
        "FF0000",
        "FEFEFE",
    )


@pytest.mark.parametrize("samples", [3, 4])
def test_rgb_becomes_named_channels_of_zarr(
    identity: Model, tmp_path: Path, samples: int
) -> None:
    image = np.random.default_rng(0).integers(0, 255, (24, 32, samples), np.uint8)
    extra = ["unassalpha"] if samples == 4 else None
    path = tmp_path / "in.tif"
    tifffile.imwrite(path, image, photometric="rgb", extrasamples=extra)
    diffir.restore_file(path, tmp_path / "out.ome.zarr", identity)
    yaozarrs.validate_zarr_store(str(tmp_path / "out.ome.zarr"))
    metadata = metadata_of(tmp_path / "out.ome.zarr")
    assert metadata.axes == "CYX"
    assert metadata.channel_names == ("red", "green", "blue", "alpha")[:samples]
    assert metadata.channel_colors[:3] == ("FF0000", "00FF00", "0000FF")
    group = zarr.open_group(str(tmp_path / "out.ome.zarr"), mode="r")
    channels = dict(group.attrs)["ome"]["omero"]["channels"]  # type: ignore[index,call-overload]
    shown = [channel["active"] for channel in channels]  # type: ignore[index,union-attr,call-overload]
    assert shown == [True, True, True, False][:samples]


def positions_of(path: Path, axis: str) -> list[float]:
    with tifffile.TiffFile(path) as file:
        text = file.ome_metadata or ""
    return [float(value) for value in re.findall(f'Position{axis}="([^"]*)"', text)]


@pytest.mark.parametrize(
    ("axes", "axis", "places"),
    [
        ("ZYX", "Z", [100.0, 99.0, 98.0]),  # Taken downwards.
        ("TYX", "X", [5.0, 6.0, 7.0]),  # A stage that follows.
        ("ZYX", "Z", [10.0, 11.0, 12.0]),
    ],
)
def test_each_plane_stays_where_the_stage_was(
    identity: Model, tmp_path: Path, axes: str, axis: str, places: list[float]
) -> None:
    path, result = tmp_path / "in.ome.tif", tmp_path / "out.ome.tif"
    plane = {f"Position{axis}": places, f"Position{axis}Unit": ["µm"] * 3}
    sizes = {f"PhysicalSize{axis}": 1.0, f"PhysicalSize{axis}Unit": "µm"}
    values = np.full((3, 20, 24), 9, np.uint16)
    tifffile.imwrite(
        path, values, ome=True, metadata={"axes": axes, "Plane": plane, **sizes}
    )
    diffir.restore_file(path, result, identity)
    assert positions_of(result, axis) == places
    follows = places == [10.0, 11.0, 12.0]
    assert metadata_of(result).translate == ({axis: 10.0} if follows else {})


def test_planes_may_be_described_in_any_order(identity: Model, tmp_path: Path) -> None:
    plane = '<Plane TheC="0" TheT="0" TheZ="{0}" PositionZ="{1}" PositionZUnit="nm"/>'
    inner = '<Channel ID="Channel:0:0" Name="A"/><TiffData/>'
    inner += "".join(plane.format(z, 10 + z) for z in (2, 0, 1))
    path = write_ome(tmp_path / "i.ome.tif", STACK, 3, 1, inner)
    xml = tifffile.tiffcomment(path).replace(
        'SizeX="24"', 'PhysicalSizeZ="1" PhysicalSizeZUnit="nm" SizeX="24"'
    )
    tifffile.tiffcomment(path, xml.encode())
    result = tmp_path / "out.ome.tif"
    diffir.restore_file(path, result, identity)
    assert positions_of(result, "Z") == [10.0, 11.0, 12.0]


def test_a_single_plane_keeps_its_height_and_thickness(
    identity: Model, tmp_path: Path
) -> None:
    path, result = tmp_path / "in.ome.tif", tmp_path / "out.ome.tif"
    values = np.full((3, 1, 1, 32, 32), 9, np.uint16)
    plane = {"PositionZ": [37.0] * 3, "PositionZUnit": ["µm"] * 3}
    sizes = {"PhysicalSizeZ": 0.5, "PhysicalSizeZUnit": "µm"}
    tifffile.imwrite(
        path, values, ome=True, metadata={"axes": "TZCYX", "Plane": plane, **sizes}
    )
    diffir.restore_file(path, result, identity)
    assert positions_of(result, "Z") == [37.0] * 3
    assert metadata_of(result).pixel_size == {"Z": 0.5}


def test_channels_of_colour_images_keep_their_names(
    identity: Model, tmp_path: Path
) -> None:
    metadata = StackMetadata("CYXS", channel_names=("A", "B"))
    values = np.full((2, 20, 24, 3), 9, np.uint8)
    result = tmp_path / "out.ome.tif"
    source = ArraySource(values, "CYXS", metadata)
    for _ in restore_file_steps(source, result, identity):
        pass
    assert metadata_of(result).channel_names == ("A", "B")


@pytest.mark.parametrize(("samples", "axis"), [(3, -1), (4, -1), (4, 0)])
def test_samples_that_are_no_colours_are_channels(
    identity: Model, tmp_path: Path, samples: int, axis: int
) -> None:
    path = tmp_path / "spectral.tif"
    values = np.random.default_rng(0).poisson(50, (samples, 20, 24)).astype(np.uint16)
    tifffile.imwrite(
        path,
        np.moveaxis(values, 0, axis),
        photometric="minisblack",
        planarconfig="contig" if axis else "separate",
    )
    for name in ("out.ome.tif", "out.ome.zarr"):
        report = diffir.restore_file(path, tmp_path / name, identity)
        source = open_source(tmp_path / name)
        source.close()
        assert (source.layout.axes, source.shape) == ("CYX", values.shape)
        assert report.planes == samples
        assert not source.metadata.channel_names


def test_negatives_stay_negatives(identity: Model, tmp_path: Path) -> None:
    path = tmp_path / "gel.tif"
    tifffile.imwrite(path, STACK[0], photometric="miniswhite")
    for name in ("out.ome.tif", "out.ome.zarr"):
        diffir.restore_file(path, tmp_path / name, identity, axes="YX")
    with tifffile.TiffFile(tmp_path / "out.ome.tif") as file:
        assert file.pages.first.photometric == tifffile.PHOTOMETRIC.MINISWHITE
    ome = zarr.open(tmp_path / "out.ome.zarr", mode="r").attrs["ome"]
    assert ome["omero"]["channels"][0]["inverted"] is True


@pytest.mark.parametrize(("steady", "colours"), [(True, ("00FF00",)), (False, ())])
def test_a_table_of_colours_gives_the_colour_of_its_bright_end(
    identity: Model, tmp_path: Path, steady: bool, colours: tuple[str, ...]
) -> None:
    path, result = tmp_path / "green.tif", tmp_path / "out.ome.zarr"
    ramp = np.arange(256) * 257 if steady else np.arange(256)[::-1] * 257
    table = np.stack([np.zeros(256), ramp, np.zeros(256)]).astype(np.uint16)
    values = STACK[0].clip(0, 255).astype(np.uint8)
    tifffile.imwrite(path, values, photometric="palette", colormap=table)
    diffir.restore_file(path, result, identity, axes="YX")
    found = [c for c in metadata_of(result).channel_colors if c != "FFFFFF"]
    assert tuple(found) == colours


def test_what_was_said_of_the_acquisition_goes_on(
    identity: Model, tmp_path: Path
) -> None:
    path, result = tmp_path / "in.ome.tif", tmp_path / "out.ome.tif"
    light = {"EmissionWavelength": [461, 509], "EmissionWavelengthUnit": ["nm", "nm"]}
    plane = {
        "DeltaT": [0.0, 20.0, 1500.0, 1520.0],
        "DeltaTUnit": ["ms"] * 4,
        "ExposureTime": [0.02] * 4,
    }
    metadata = {
        "axes": "TCYX",
        "AcquisitionDate": "2024-05-06T07:08:09",
        "Channel": {"Name": ["DAPI", "GFP"], **light, "Fluor": ["DAPI", ""]},
        "Plane": plane,
    }
    values = np.full((2, 2, 20, 24), 9, np.uint16)
    tifffile.imwrite(path, values, ome=True, metadata=metadata)
    diffir.restore_file(path, result, identity)
    found = metadata_of(result)
    assert found == metadata_of(path)
    assert found.acquired == "2024-05-06T07:08:09"
    assert found.channel_details["EmissionWavelength"] == ("461", "509")
    assert "Fluor" not in found.channel_details  # Of one of them alone.
    assert found.plane_times["DeltaT"] == pytest.approx((0.0, 0.02, 1.5, 1.52))
    assert found.plane_times["ExposureTime"] == (0.02,) * 4
