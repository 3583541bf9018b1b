"""A parallel map that keeps the order, and a generator that is read ahead in a thread."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import TypeVar

from screenalytics_assets.core.detection.adaptive_sampling import OrderedMap

A = TypeVar("A")
B = TypeVar("B")


@contextmanager
def parallel_map(workers: int) -> Iterator[OrderedMap]:
    """A ``map`` that calls the function in this many threads; the builtin one for one worker.

    Items are taken from their source in the calling thread, one per worker ahead of the result it asks for. If that
    call has not begun yet, the calling thread makes it itself instead of waiting. The first error of the function is
    raised in the calling thread, and calls that have not begun by then are cancelled.
    """
    if workers <= 1:
        yield map
        return
    with ThreadPoolExecutor(workers, thread_name_prefix="parallel_map") as pool:

        def ordered_map(function: Callable[[A], B], items: Iterable[A], /) -> Iterator[B]:
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

        yield ordered_map


@contextmanager
def prefetch(items: Generator[A], max_items: int) -> Iterator[Iterator[A]]:
    """The same items, taken from their source in another thread, up to ``max_items`` ahead.

    An error of the source is raised in place of the item. The source is closed at the end.
    """
    with closing(items), ThreadPoolExecutor(1, thread_name_prefix="prefetch") as pool:
        waiting = deque(pool.submit(next, items, None) for _ in range(max_items))

        def fetched() -> Iterator[A]:
            while (item := waiting.popleft().result()) is not None:
                waiting.append(pool.submit(next, items, None))
                yield item

        try:
            yield fetched()
        finally:
            for future in waiting:
                future.cancel()
