import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from resources.models.batching import Batcher

DEADLINE_S = 30


class HeldRun:
    """Squares numbers; the first batch is held until it is let go."""

    def __init__(self, fails: Callable[[int], bool] = lambda _item: False) -> None:
        self.batches: list[list[int]] = []
        self.first_has_started = threading.Event()
        self.go_on = threading.Event()
        self._fails = fails

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        self.first_has_started.set()
        assert self.go_on.wait(DEADLINE_S)
        if any(map(self._fails, items)):
            raise ValueError(f"cannot square {items}")
        return [item * item for item in items]


def ask_while_one_runs(batcher: Batcher[int, int], run: HeldRun, asks: Sequence[tuple[int, str]]) -> list[Future[int]]:
    """Asks 1 alone, the others while it runs, and lets all go; each on a thread of its own."""
    with ThreadPoolExecutor(1 + len(asks)) as pool:
        futures = [pool.submit(batcher, 1, "first")]
        assert run.first_has_started.wait(DEADLINE_S)
        for count, (item, kind) in enumerate(asks, start=1):
            futures.append(pool.submit(batcher, item, kind))
            until = time.monotonic() + DEADLINE_S
            while len(batcher._waiting) < count:
                assert time.monotonic() < until
                time.sleep(0.001)
        run.go_on.set()
        return futures


def test_calls_that_come_while_one_runs_are_the_next_batches() -> None:
    run = HeldRun()
    batcher = Batcher(run, 3)
    futures = ask_while_one_runs(batcher, run, [(item, "same") for item in range(2, 7)])
    assert [future.result() for future in futures] == [1, 4, 9, 16, 25, 36]
    assert [len(batch) for batch in run.batches] == [1, 3, 2]


def test_a_batch_holds_items_of_one_kind() -> None:
    run = HeldRun()
    futures = ask_while_one_runs(Batcher(run, 8), run, [(2, "even"), (3, "odd"), (4, "even"), (5, "odd")])
    assert [future.result() for future in futures] == [1, 4, 9, 16, 25]
    assert sorted(map(sorted, run.batches)) == [[1], [2, 4], [3, 5]]


def test_a_batch_that_fails_is_an_error_for_those_in_it_and_for_nobody_else() -> None:
    run = HeldRun(fails=lambda item: item == 2)
    batcher = Batcher(run, 8)
    futures = ask_while_one_runs(batcher, run, [(2, "even"), (3, "odd"), (4, "even"), (5, "odd")])
    assert [future.exception() is None for future in futures] == [True, False, True, False, True]
    with pytest.raises(ValueError, match="cannot square"):
        futures[3].result()
    assert batcher(6, "even") == 36


def test_a_run_that_loses_a_result_is_an_error_and_not_somebody_else_s_result() -> None:
    batcher: Batcher[int, int] = Batcher(lambda items: [item for item in items if item != 2], 4)
    with pytest.raises(RuntimeError, match="batch of 1 gave 0 results"):
        batcher(2, "same")
    assert batcher(3, "same") == 3


def test_many_threads_each_get_their_own_results() -> None:
    sizes = []

    def run(items: Sequence[int]) -> list[int]:
        sizes.append(len(items))
        time.sleep(0.0005)
        return [item * item for item in items]

    batcher = Batcher(run, 4)
    with ThreadPoolExecutor(8) as pool:
        squares = list(pool.map(lambda item: batcher(item, item % 2), range(400)))
    assert squares == [item * item for item in range(400)]
    assert sum(sizes) == 400
    assert 1 < max(sizes) <= 4
