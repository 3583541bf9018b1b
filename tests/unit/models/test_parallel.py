import threading
from collections.abc import Generator, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.system.parallel import parallel_map, prefetch


def test_results_come_in_the_order_of_the_items_whatever_finishes_first() -> None:
    later_is_done = threading.Event()

    def slow_first(item: int) -> int:
        if item == 0:
            assert later_is_done.wait(10)
        elif item == 1:
            later_is_done.set()
        return 10 * item

    with parallel_map(2) as ordered_map:
        assert list(ordered_map(slow_first, range(20))) == [10 * i for i in range(20)]


def test_items_are_taken_only_a_few_ahead() -> None:
    taken = []

    def items() -> Iterator[int]:
        for item in range(1000):
            taken.append(item)
            yield item

    with parallel_map(2) as ordered_map:
        results = ordered_map(str, items())
        assert next(results) == "0"
        assert len(taken) <= 4


def test_maps_can_be_chained() -> None:
    with parallel_map(2) as ordered_map:
        assert list(ordered_map(str, ordered_map(abs, range(-100, 0)))) == [str(i) for i in range(100, 0, -1)]


def test_the_calling_thread_makes_a_call_that_has_not_begun_instead_of_waiting() -> None:
    begun = threading.Semaphore(0)
    free = threading.Event()

    def hold(_: int) -> bool:
        begun.release()
        return free.wait(10)

    with parallel_map(2) as ordered_map:
        others = threading.Thread(target=lambda: list(ordered_map(hold, range(2))))
        others.start()
        assert begun.acquire(timeout=10)
        assert begun.acquire(timeout=10)
        assert list(ordered_map(lambda _: threading.current_thread(), [0])) == [threading.current_thread()]
        free.set()
        others.join(10)


def test_an_error_is_raised_in_the_calling_thread_and_the_other_calls_are_cancelled() -> None:
    begun = []

    def fails(item: int) -> int:
        begun.append(item)
        raise ValueError(f"item {item}")

    with pytest.raises(ValueError, match="item 0"), parallel_map(2) as ordered_map:
        list(ordered_map(fails, range(1000)))
    assert len(begun) <= 4


def test_one_worker_is_the_builtin_map() -> None:
    with parallel_map(1) as ordered_map:
        assert ordered_map is map


def numbers(count: int, closed: list[bool], taken: list[int]) -> Generator[int]:
    try:
        for number in range(1, count + 1):
            taken.append(number)
            yield number
    finally:
        closed.append(True)


@given(st.integers(0, 30), st.integers(1, 8))
def test_prefetched_items_are_the_same_in_the_same_order(count: int, max_items: int) -> None:
    closed: list[bool] = []
    with prefetch(numbers(count, closed, []), max_items) as items:
        assert list(items) == list(range(1, count + 1))
    assert closed == [True]


def test_no_more_than_max_items_are_prefetched_and_the_source_is_closed_early() -> None:
    closed: list[bool] = []
    taken: list[int] = []
    with prefetch(numbers(1000, closed, taken), 5) as items:
        assert [next(items), next(items)] == [1, 2]
    assert closed == [True]
    assert 2 <= len(taken) <= 7


def test_an_error_of_a_prefetched_source_comes_after_the_items_before_it() -> None:
    def failing() -> Generator[int]:
        yield 1
        raise ValueError("broken")

    with prefetch(failing(), 4) as items:
        assert next(items) == 1
        with pytest.raises(ValueError, match="broken"):
            next(items)
