from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffir_core.errors import InputError
from diffir_core.stacks.axes import check_axes


@given(
    axes=st.permutations("TCZYX"),
    keep=st.integers(2, 5),
    sizes=st.tuples(*[st.integers(1, 4)] * 5),
)
def test_planes_partition_the_stack_in_any_order_of_axes(
    axes: list[str], keep: int, sizes: tuple[int, ...]
) -> None:
    outer = [axis for axis in axes if axis not in "YX"][: keep - 2]
    kept = [axis for axis in axes if axis in "YX" or axis in outer]
    shape = sizes[: len(kept)]
    stack = np.arange(np.prod(shape)).reshape(shape)
    layout = check_axes("".join(kept), shape)
    channels = layout.size("C")
    for together in {1, channels}:
        rebuilt = np.full_like(stack, -1)
        for plane in layout.planes(together):
            values = plane.take(stack)
            assert values.shape == (together, layout.size("Y"), layout.size("X"))
            assert np.all(plane.take(rebuilt) == -1)
            plane.put(rebuilt, values)
        assert np.array_equal(rebuilt, stack)


@pytest.mark.parametrize(
    ("axes", "shape", "message"),
    [
        ("ZYX", (4, 4), "3 dimensions.* such as 'YX'"),
        ("YX", (2, 2, 4, 4), "2 dimensions.* such as 'CZYX'"),
        ("YY", (4, 4), "different letters"),
        ("Y1", (4, 4), "letters"),
        ("ZY", (4, 4), "lack X"),
        ("YX", (0, 4), "empty"),
    ],
)
def test_wrong_axes_are_explained(
    axes: str, shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        check_axes(axes, shape)
    assert "\n" not in str(caught.value)


def test_a_model_of_three_channels_needs_three() -> None:
    with pytest.raises(InputError, match="C has 2"):
        check_axes("CYX", (2, 8, 8)).planes(3)
    with pytest.raises(InputError, match="no channel axis"):
        check_axes("ZYX", (3, 8, 8)).planes(3)
    assert len(check_axes("YXS", (8, 8, 3)).planes(3)) == 1


@pytest.mark.parametrize("lazily", [False, True])
def test_masked_values_are_refused_when_their_plane_is_taken(lazily: bool) -> None:
    dask_array = pytest.importorskip("dask.array")
    stack = np.ma.masked_greater(np.arange(32).reshape(2, 4, 4), 28)
    first, last = check_axes("ZYX", stack.shape).planes(1)
    array = dask_array.from_array(stack, chunks=(1, 2, 2)) if lazily else stack
    assert type(first.take(array)) is np.ndarray
    with pytest.raises(InputError, match="3 values of the array are masked"):
        last.take(array)
