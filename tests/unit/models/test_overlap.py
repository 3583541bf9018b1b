import threading
from collections.abc import Generator, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.system.overlap import overlapping, read_ahead


def test_results_come_in_the_order_of_the_items_whatever_finishes_first() -> None:
    later_is_done = threading.Event()

    def slow_first(item: int) -> int:
        if item == 0:
            assert later_is_done.wait(10)
        elif item == 1:
            later_is_done.set()
        return 10 * item

    with overlapping(2) as in_order:
        assert list(in_order(slow_first, range(20))) == [10 * i for i in range(20)]


def test_items_are_taken_only_a_few_ahead() -> None:
    taken = []

    def items() -> Iterator[int]:
        for item in range(1000):
            taken.append(item)
            yield item

    with overlapping(2) as in_order:
        results = in_order(str, items())
        assert next(results) == "0"
        assert len(taken) <= 4


def test_one_stream_can_be_made_of_another() -> None:
    with overlapping(2) as in_order:
        assert list(in_order(str, in_order(abs, range(-100, 0)))) == [str(i) for i in range(100, 0, -1)]


def test_who_asks_for_what_has_not_begun_does_it_instead_of_waiting() -> None:
    begun = threading.Semaphore(0)
    free = threading.Event()

    def hold(_: int) -> bool:
        begun.release()
        return free.wait(10)

    with overlapping(2) as in_order:
        others = threading.Thread(target=lambda: list(in_order(hold, range(2))))
        others.start()
        assert begun.acquire(timeout=10)
        assert begun.acquire(timeout=10)
        assert list(in_order(lambda _: threading.current_thread(), [0])) == [threading.current_thread()]
        free.set()
        others.join(10)


def test_an_error_reaches_the_one_who_asks_and_the_rest_is_not_begun() -> None:
    begun = []

    def fails(item: int) -> int:
        begun.append(item)
        raise ValueError(f"item {item}")

    with pytest.raises(ValueError, match="item 0"), overlapping(2) as in_order:
        list(in_order(fails, range(1000)))
    assert len(begun) <= 4


def test_one_worker_is_the_builtin_map() -> None:
    with overlapping(1) as in_order:
        assert in_order is map


def numbers(count: int, closed: list[bool], taken: list[int]) -> Generator[int]:
    try:
        for number in range(1, count + 1):
            taken.append(number)
            yield number
    finally:
        closed.append(True)


@given(st.integers(0, 30), st.integers(1, 8))
def test_what_is_read_ahead_is_the_same_in_the_same_order(count: int, most: int) -> None:
    closed: list[bool] = []
    with read_ahead(numbers(count, closed, []), most) as items:
        assert list(items) == list(range(1, count + 1))
    assert closed == [True]


def test_no_more_is_read_ahead_than_was_said_and_the_source_is_closed_by_whoever_stops_early() -> None:
    closed: list[bool] = []
    taken: list[int] = []
    with read_ahead(numbers(1000, closed, taken), 5) as items:
        assert [next(items), next(items)] == [1, 2]
    assert closed == [True]
    assert 2 <= len(taken) <= 7


def test_an_error_of_a_source_that_is_read_ahead_comes_after_what_was_before_it() -> None:
    def failing() -> Generator[int]:
        yield 1
        raise ValueError("broken")

    with read_ahead(failing(), 4) as items:
        assert next(items) == 1
        with pytest.raises(ValueError, match="broken"):
            next(items)
