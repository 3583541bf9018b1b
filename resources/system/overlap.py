"""Calls that overlap, their results in order, and a source that is read ahead of who asks."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import TypeVar

from screenalytics_assets.core.detection.adaptive_sampling import InOrder

A = TypeVar("A")
B = TypeVar("B")


@contextmanager
def overlapping(workers: int) -> Iterator[InOrder]:
    """A ``map`` that works in so many threads at once; with one it is the builtin one.

    Items are taken from their source in the thread that asks for results, one for each worker ahead of the result that
    is asked for. That thread does not wait for what has not begun, but does it itself. An error of the function reaches
    the one who asks; what has not begun by then never does.
    """
    if workers <= 1:
        yield map
        return
    with ThreadPoolExecutor(workers, thread_name_prefix="overlap") as pool:

        def in_order(function: Callable[[A], B], items: Iterable[A], /) -> Iterator[B]:
            waiting: deque[tuple[A, Future[B]]] = deque()

            def next_result() -> B:
                item, future = waiting.popleft()
                return function(item) if future.cancel() else future.result()

            try:
                for item in items:
                    waiting.append((item, pool.submit(function, item)))
                    if len(waiting) > workers:
                        yield next_result()
                while waiting:
                    yield next_result()
            finally:
                for _, future in waiting:
                    future.cancel()

        yield in_order


@contextmanager
def read_ahead(items: Generator[A], most: int) -> Iterator[Iterator[A]]:
    """The same items, taken from their source in a thread of its own, at most so many before they are asked for.

    An error of the source reaches the one who asks for the item. The source is closed at the end.
    """
    with closing(items), ThreadPoolExecutor(1, thread_name_prefix="ahead") as pool:
        waiting = deque(pool.submit(next, items, None) for _ in range(most))

        def taken() -> Iterator[A]:
            while (item := waiting.popleft().result()) is not None:
                waiting.append(pool.submit(next, items, None))
                yield item

        try:
            yield taken()
        finally:
            for future in waiting:
                future.cancel()
