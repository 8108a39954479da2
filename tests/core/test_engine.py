"""The engine equals the plain networks: any size, tiling, storage and kernel."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from goldens import FOLDER, case_folders, load_case
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import random_network

import diffir_core as diffir
from diffir_core.engine import pointwise
from diffir_core.engine import restorer as restorer_module
from diffir_core.engine.folding import fold
from diffir_core.engine.native import native_streams
from diffir_core.engine.planes import Job, array_plane
from diffir_core.engine.pooling import pooled_features
from diffir_core.engine.restorer import Restorer
from diffir_core.engine.runner import Runner
from diffir_core.engine.selftest import native_agrees
from diffir_core.engine.spans import cut
from diffir_core.engine.storage import FileStore, MemoryStore, Store
from diffir_core.engine.streams import Streams
from diffir_core.engine.tiling import Tiling
from diffir_core.engine.torch_streams import TorchStreams
from diffir_core.engine.workers import Workers, exhaust
from diffir_core.metrics import psnr
from diffir_core.model import Model, fingerprint
from diffir_core.nn.padding import pad_to_multiple
from diffir_core.stacks import freezing

CPU = torch.device("cpu")
BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
ARCHITECTURES: list[dict[str, Any]] = [
    {},
    {"layer_norm": "BiasFree", "bias": True, "num_refinement_blocks": 0, "dim": 24},
    {"architecture": "sr", "scale": 2, "ffn_expansion": 2.2, "dim": 16},
    {"architecture": "sr", "scale": 1, "layer_norm": "BiasFree"},
    {"architecture": "sr", "scale": 4},
    {"architecture": "sr", "scale": 2, "body_grid": "input"},
    {"architecture": "inpainting", "in_channels": 2, "num_refinement_blocks": 0},
]
NETWORKS = [random_network(**changes) for changes in ARCHITECTURES]
WORKERS = Workers(2)
STREAMS: list[Streams] = [TorchStreams()]
if (native := native_streams()) is not None:
    STREAMS.append(native)


def image_of(network: Any, height: int, width: int, seed: int = 0) -> np.ndarray:
    shape = network.config.in_channels, height, width
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


def run(
    network: Any,
    image: np.ndarray,
    ipr: torch.Tensor,
    *,
    tiling: Tiling | None = None,
    store: Store | None = None,
    streams: Streams | None = None,
    dtype: torch.dtype = torch.float32,
    workers: Workers = WORKERS,
) -> np.ndarray:
    """Restore an image, any size, by the engine alone."""
    config = network.config
    sizes = (size * config.scale for size in image.shape[1:])
    out = np.full((config.out_channels, *sizes), np.nan, np.float32)
    runner = Runner(
        network.G,
        workers,
        store or MemoryStore(CPU),
        tiling or Tiling(),
        CPU,
        streams or STREAMS[-1],
    )
    with torch.inference_mode():
        job = Job(array_plane(image, config, out), fold(network.G, ipr, dtype))
        total = runner.total_work([job])
        assert sum(runner.restore([job])) == pytest.approx(total)
    return out


@settings(max_examples=60, deadline=None)
@given(
    which=st.integers(0, len(NETWORKS) - 1),
    height=st.integers(1, 80),
    width=st.integers(1, 80),
    tile=st.one_of(st.none(), st.integers(8, 40)),
    streams=st.sampled_from(STREAMS),
    in_files=st.booleans(),
    seed=st.integers(0, 99),
)
def test_any_tiling_equals_the_whole_network(
    which: int,
    height: int,
    width: int,
    tile: int | None,
    streams: Streams,
    in_files: bool,
    seed: int,
) -> None:
    network = NETWORKS[which]
    image = image_of(network, height, width, seed)
    lq = torch.from_numpy(image)[None]
    with torch.inference_mode():
        ipr = network.extract_ipr(lq)
        expected = network.restore(lq, ipr)[0].numpy()
    store = FileStore() if in_files else MemoryStore(CPU)
    restored = run(
        network, image, ipr[0], tiling=Tiling(tile), store=store, streams=streams
    )
    assert np.abs(restored - expected).max() < 1e-4 * expected.std() + 1e-6


@settings(max_examples=20, deadline=None)
@given(
    which=st.integers(0, len(NETWORKS) - 1),
    height=st.integers(1, 500),
    width=st.integers(1, 500),
)
def test_pooled_features_equal_those_of_the_whole(
    which: int, height: int, width: int
) -> None:
    network = NETWORKS[which]
    config = network.config
    image = image_of(network, height, width)
    plane = array_plane(image, config, np.empty(0, np.float32))
    with torch.inference_mode():
        found = exhaust(pooled_features(network.condition, [plane], WORKERS, CPU))[0]
        lq = pad_to_multiple(torch.from_numpy(image)[None], config)
        part = F.pixel_unshuffle(lq, config.cpen_unshuffle)
        whole = network.condition.E(part).mean(dim=(-2, -1))[0]
    torch.testing.assert_close(found, whole, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("streams", STREAMS, ids=lambda streams: streams.name)
@pytest.mark.parametrize("folder", case_folders(FOLDER), ids=lambda path: path.name)
def test_folded_equals_the_official_output(folder: Path, streams: Streams) -> None:
    case = load_case(folder)
    golden = case.arrays("eval.npz")
    for network, ipr, output in (
        (case.stage1, "s1_ipr", "s1_out"),
        (case.stage2, "s2_ipr", "s2_out"),
    ):
        for image, vector, expected in zip(
            golden["lq"], golden[ipr], golden[output], strict=True
        ):
            restored = run(network, image.numpy(), vector, streams=streams)
            deviation = np.abs(restored - expected.numpy()).max()
            assert deviation < 1e-4 * float(golden[output].std())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_reduced_precision_stays_near(dtype: torch.dtype) -> None:
    for network in NETWORKS[:2]:
        image = image_of(network, 48, 40)
        ipr = torch.randn(256, generator=torch.Generator().manual_seed(0)) / 10
        exact = run(network, image, ipr)
        reduced = run(network, image, ipr, streams=TorchStreams(), dtype=dtype)
        assert psnr(reduced, exact, data_range=float(np.ptp(exact))) > 30
        assert not np.array_equal(reduced, exact)


def test_many_tiles_of_a_larger_plane_leave_no_seam() -> None:
    network = NETWORKS[1]
    image = image_of(network, 320, 384)
    ipr = torch.zeros(256)
    with torch.inference_mode():
        expected = network.restore(torch.from_numpy(image)[None], ipr[None])[0].numpy()
    errors = np.abs(run(network, image, ipr, tiling=Tiling(32)) - expected)[0]
    assert errors.max() < 1e-4 * expected.std()
    at_seams = np.isin(np.arange(384) % 32, (0, 31))
    assert errors[:, at_seams].mean() < 2 * errors[:, ~at_seams].mean() + 1e-7


def test_a_batch_of_planes_equals_them_one_by_one(tiny: Model) -> None:
    stack = np.random.default_rng(0).poisson(60, (5, 40, 33)).astype(np.uint16)
    options = diffir.RestoreOptions(output_dtype="float32")
    batch = diffir.restore(stack, tiny, axes="ZYX", options=options)
    mapping = diffir.freeze(stack, tiny, axes="ZYX").mapping
    restorer = Restorer(tiny, options)
    for plane, restored in zip(stack, batch, strict=True):
        values = mapping.to_model(plane[None])
        target = array_plane(values, tiny.config, np.empty(0, np.float32))
        ipr = restorer.ipr_from(exhaust(restorer.features([target]))[0], "")
        single = restorer.restore_array(values, ipr)[0] * mapping.scale + mapping.offset
        assert np.abs(single - restored).max() < 1e-4 * restored.std()


def test_restoring_twice_gives_the_same_bytes_and_leaves_the_model(tiny: Model) -> None:
    stack = np.random.default_rng(0).poisson(60, (3, 70, 50)).astype(np.float32)
    before = fingerprint(tiny.network.state_dict())
    first, second = (diffir.restore(stack, tiny, axes="ZYX") for _ in range(2))
    assert first.tobytes() == second.tobytes()
    assert fingerprint(tiny.network.state_dict()) == before


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_any_region_of_a_frozen_plane_equals_the_whole(
    tiny: Model, data: st.DataObject
) -> None:
    image = np.random.default_rng(1).poisson(60, (190, 230)).astype(np.float32)
    state = diffir.freeze(image, tiny, axes="YX")
    whole = diffir.restore(image, tiny, axes="YX")
    top = data.draw(st.integers(0, 180))
    bottom = data.draw(st.integers(top + 1, 190))
    left = data.draw(st.integers(0, 220))
    right = data.draw(st.integers(left + 1, 230))
    region = (top, bottom, left, right)
    crop = diffir.render(image, tiny, state, region=region)
    expected = whole[top:bottom, left:right]
    assert np.abs(crop - expected).max() < 3e-4 * whole.std()


def test_the_halo_of_a_model_is_probed_once(
    tiny: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = np.random.default_rng(0).poisson(60, (40, 48)).astype(np.uint16)
    first = diffir.freeze(image, tiny, axes="YX")
    monkeypatch.setattr(freezing, "probe_halo", lambda _: pytest.fail("once more"))
    assert diffir.freeze(image.T, tiny, axes="YX").halo == first.halo


def test_a_state_is_saved_and_refused_where_it_does_not_belong(
    tiny: Model, identity: Model, tmp_path: Path
) -> None:
    stack = np.random.default_rng(1).poisson(60, (4, 64, 64)).astype(np.uint16)
    state = diffir.freeze(stack, tiny, axes="ZYX")
    state.save(tmp_path / "stack.state.safetensors")
    loaded = diffir.FrozenState.load(tmp_path / "stack.state.safetensors")
    crops = [
        diffir.render(stack[2], tiny, s, region=(8, 40, 16, 30))
        for s in (state, loaded)
    ]
    assert np.array_equal(*crops)
    options = diffir.RestoreOptions(ipr_scope="stack", attention_scope="stack")
    consistent = diffir.restore(stack, tiny, axes="ZYX", options=options)
    rendered = diffir.render(stack[2], tiny, state)
    assert np.abs(rendered.astype(int) - consistent[2]).max() <= 1
    with pytest.raises(diffir.errors.InputError, match="another model"):
        diffir.render(stack[2], identity, state)
    with pytest.raises(diffir.errors.InputError, match="not inside"):
        diffir.render(stack[2], tiny, state, region=(0, 65, 0, 10))
    (tmp_path / "bad").write_bytes(b"nothing")
    with pytest.raises(diffir.errors.InputError, match="not a frozen state"):
        diffir.FrozenState.load(tmp_path / "bad")


def test_a_small_budget_goes_through_files_and_changes_nothing(
    tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    image = np.random.default_rng(0).poisson(60, (2000, 2200)).astype(np.float32)
    budgets = ("300MB", "20GB")
    results = [
        diffir.restore(
            image,
            tiny,
            axes="YX",
            options=diffir.RestoreOptions(memory=memory),
            return_report=True,
        )
        for memory in budgets
    ]
    (small, small_report), (large, large_report) = results
    assert small_report.temporary_file_bytes > 0 == large_report.temporary_file_bytes
    assert small_report.predicted_peak_bytes is not None
    assert small_report.predicted_peak_bytes < 300e6
    assert np.abs(small - large).max() < 1e-4 * large.std()
    assert list(tmp_path.iterdir()) == []


def test_no_memory_on_the_device_means_smaller_strips(
    tiny: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hungry(TorchStreams):
        failures = 0

        def main(self, *arguments: Any) -> Any:
            if arguments[3].rows > 30:
                Hungry.failures += 1
                raise torch.OutOfMemoryError("no memory left")
            return super().main(*arguments)

    image = np.random.default_rng(0).poisson(60, (160, 120)).astype(np.float32)
    expected = diffir.restore(image, tiny, axes="YX")
    monkeypatch.setattr(restorer_module, "choose_streams", lambda *_: Hungry())
    restored = diffir.restore(image, tiny, axes="YX")
    assert Hungry.failures > 0
    assert np.abs(restored - expected).max() < 1e-4 * expected.std()


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("no memory left"),
        RuntimeError("MPS backend out of memory"),  # It has no error of its own.
    ],
    ids=str,
)
def test_a_device_that_never_has_memory_is_told_in_a_sentence(
    tiny: Model, monkeypatch: pytest.MonkeyPatch, error: RuntimeError
) -> None:
    class Starving(TorchStreams):
        attempts = 0

        def main(self, *arguments: Any) -> Any:
            Starving.attempts += 1
            raise error

    monkeypatch.setattr(restorer_module, "choose_streams", lambda *_: Starving())
    with pytest.raises(
        diffir.errors.InputError, match="Device 'cpu' has no memory left; end what"
    ):
        diffir.restore(np.ones((64, 64), np.uint8), tiny, axes="YX")
    assert Starving.attempts > 5


def test_closing_stops_the_threads(tiny: Model) -> None:
    restorer = Restorer(tiny, diffir.RestoreOptions(tile=16))
    image = image_of(tiny.network, 700, 700)
    ipr = restorer.ipr_from(np.zeros(256, np.float32), "")
    out = np.empty_like(image)
    steps = restorer.restore([restorer.job(array_plane(image, tiny.config, out), ipr)])
    next(steps)
    steps.close()
    small = image[:, :32, :32]
    assert np.isfinite(restorer.restore_array(small, ipr)).all()


def test_bfloat16_has_to_pass_on_the_weights(tiny: Model, identity: Model) -> None:
    image = np.random.default_rng(0).poisson(60, (64, 64)).astype(np.float32)
    options = diffir.RestoreOptions(precision="bfloat16")
    _, kept = diffir.restore(
        image, identity, axes="YX", options=options, return_report=True
    )
    assert kept.precision == "bfloat16"
    network = random_network()
    for parameter in network.G.parameters():
        parameter.data.mul_(2)
    chaotic = Model(network, network.config, None, tiny.fingerprint, "chaotic")
    _, refused = diffir.restore(
        image, chaotic, axes="YX", options=options, return_report=True
    )
    assert refused.precision == "float32"
    assert "60 dB" in refused.precision_reason
    assert refused.precision_psnr_db is not None
    assert refused.precision_psnr_db < 60


def test_kernels_are_chosen_and_fall_back(
    identity: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = np.random.default_rng(0).poisson(60, (40, 48)).astype(np.float32)

    def restored(kernels: str) -> tuple[np.ndarray, str]:
        options = diffir.RestoreOptions(kernels=kernels)
        result, report = diffir.restore(
            image, identity, axes="YX", options=options, return_report=True
        )
        return result, report.kernels

    expected, used = restored("torch")
    assert used == "torch"
    assert restored("auto")[1] == ("torch" if native is None else "native")

    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("no compiler")

    monkeypatch.setattr(torch, "compile", broken)
    pointwise.compiled.cache_clear()
    result, used = restored("compiled")
    assert used == "torch"
    assert np.array_equal(result, expected)
    pointwise.compiled.cache_clear()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # PyTorch's own.
def test_compiled_kernels_agree(tiny: Model) -> None:
    pointwise.compiled.cache_clear()
    image = np.random.default_rng(0).poisson(60, (90, 70)).astype(np.float32)
    results = []
    for kernels in ("compiled", "torch"):
        options = diffir.RestoreOptions(kernels=kernels)
        result, report = diffir.restore(
            image, tiny, axes="YX", options=options, return_report=True
        )
        assert report.kernels == kernels
        results.append(result)
    assert np.abs(results[0] - results[1]).max() < 1e-4 * results[1].std()


def test_the_order_of_the_tiles_changes_nothing() -> None:
    network, ipr = NETWORKS[0], torch.zeros(256)
    image = image_of(network, 96, 80)

    class Shuffled(Workers):
        def run(self, tasks: Any) -> Any:
            order = np.random.default_rng(len(tasks)).permutation(len(tasks))
            results = yield from super().run([tasks[i] for i in order])
            return [results[list(order).index(i)] for i in range(len(tasks))]

    expected = run(network, image, ipr, tiling=Tiling(16))
    shuffled = run(network, image, ipr, tiling=Tiling(16), workers=Shuffled(2))
    assert np.array_equal(shuffled, expected)


@pytest.mark.skipif(native is None, reason="no C compiler")
def test_native_streams_agree_and_can_be_absent(tmp_path: Path) -> None:
    assert native is not None
    assert native_agrees(native)
    assert native_streams() is native_streams()  # Loaded and tried out once.
    code = (
        "from diffir_core.engine.native import native_streams;"
        "import sys; sys.exit(native_streams() is None)"
    )
    absent = {"CC": "/nowhere/cc", "XDG_CACHE_HOME": str(tmp_path)}
    there = {"XDG_CACHE_HOME": str(tmp_path)}
    for extra, status in ((absent, 1), (there, 0), (there, 0), (there, 0)):
        for library in tmp_path.rglob("*.so"):  # Damaged, it is compiled anew.
            library.write_bytes(b"")
        environment = {k: v for k, v in os.environ.items() if k != "CC"} | extra
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, check=False
        )
        assert done.returncode == status


@pytest.mark.parametrize(
    ("name", "side", "memory"),
    [
        ("fluo-denoise", 1400, "8GB"),
        ("deblur", 768, "400MB"),
        ("deblur", 384, "8GB"),
        ("srgan-x4", 256, "8GB"),
    ],
)
def test_the_predicted_peak_is_right_within_15_percent(
    name: str, side: int, memory: str
) -> None:
    """In a process of its own, whose peak is that of the restoration."""
    code = f"""
import ctypes
import sys
sys.path.insert(0, {str(BENCHMARKS)!r})
import numpy as np
import diffir_core as diffir
from diffir_core.engine.planes import array_plane
from diffir_core.engine.restorer import Restorer
from diffir_core.engine.workers import exhaust
from engine import load
from schemes import resident_bytes

model = load({name!r})
config = model.config
restorer = Restorer(model, diffir.RestoreOptions(memory={memory!r}))
image = np.random.default_rng(0).random(
    (config.in_channels, {side}, {side}), dtype=np.float32)
large = {side} * config.scale
out = np.full((config.out_channels, large, large), 1, np.float32)
plane = array_plane(image, config, out)
ctypes.CDLL(None).malloc_trim(0)
before = resident_bytes("VmRSS")
ipr = restorer.ipr_from(exhaust(restorer.features([plane]))[0], "")
exhaust(restorer.restore([restorer.job(plane, ipr)]))
peak = resident_bytes("VmHWM") - before
print(restorer.last_plan.peak_bytes / peak, restorer.last_plan, peak)
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    ratio = float(done.stdout.split()[0])
    assert 0.85 < ratio < 1.15, done.stdout


@given(
    size=st.integers(1, 200),
    length=st.integers(1, 60),
    halo=st.integers(0, 20),
    multiple=st.sampled_from([1, 2, 8]),
)
def test_spans_partition_the_axis(
    size: int, length: int, halo: int, multiple: int
) -> None:
    size, halo = size * multiple, halo * multiple
    covered: list[int] = []
    for span in cut(size, length, halo, multiple):
        outer = list(range(size))[span.outer]
        assert outer[span.local] == list(range(size))[span.inner]
        assert span.outer.start in (0, span.inner.start - halo)
        assert span.inner.start % multiple == 0
        covered += range(size)[span.inner]
    assert covered == list(range(size))
