import threading
from collections.abc import Iterator

import pytest

from resources.overlap import overlapping


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
