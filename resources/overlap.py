"""Calls that overlap, their results in order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from screenalytics_assets.core.pacing import InOrder

A = TypeVar("A")
B = TypeVar("B")


@contextmanager
def overlapping(workers: int) -> Iterator[InOrder]:
    """A ``map`` that works in so many threads at once; with one it is the builtin one.

    Items are taken from their source in the thread that asks for results, one for each worker ahead of the result that
    is asked for. An error of the function reaches the one who asks; what has not begun by then never does.
    """
    if workers <= 1:
        yield map
        return
    with ThreadPoolExecutor(workers, thread_name_prefix="overlap") as pool:

        def in_order(function: Callable[[A], B], items: Iterable[A], /) -> Iterator[B]:
            waiting: deque[Future[B]] = deque()
            try:
                for item in items:
                    waiting.append(pool.submit(function, item))
                    if len(waiting) > workers:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

        yield in_order
