"""Batches are ready before they are needed, in order; errors come in their place."""

from __future__ import annotations

import threading
import time

import pytest
from diffir_training.prefetch import Prefetcher


def test_a_step_does_not_wait_for_batches_that_take_less_than_it() -> None:
    def batch(number: int) -> int:
        time.sleep(0.01)
        return number

    with Prefetcher(batch, first=5) as ahead:
        next(ahead)
        waited = ahead.waited_seconds
        numbers = []
        for _ in range(10):
            time.sleep(0.03)
            numbers.append(next(ahead))
        assert numbers == list(range(6, 16))
        assert ahead.waited_seconds - waited < 0.02


def test_no_more_batches_are_made_than_asked_for_ahead() -> None:
    made: list[int] = []
    with Prefetcher(made.append, ahead=3) as ahead:
        next(ahead)
        time.sleep(0.2)
        assert len(made) == 4


def test_an_error_comes_where_its_batch_would_have() -> None:
    def batch(number: int) -> int:
        if number == 2:
            raise ValueError("the disk is gone")
        return number

    with Prefetcher(batch) as ahead:
        assert [next(ahead), next(ahead)] == [0, 1]
        with pytest.raises(ValueError, match="the disk is gone"):
            next(ahead)


def test_closing_ends_the_thread_in_the_middle_of_a_batch() -> None:
    """A process that ended then would be aborted from within native code."""
    ahead = Prefetcher(lambda number: time.sleep(0.2))
    time.sleep(0.05)
    ahead.close()
    assert not any(thread.name == "prefetch" for thread in threading.enumerate())
    assert list(ahead) == []
