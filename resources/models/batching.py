"""Calls that overlap, gathered into batches."""

import threading
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from typing import Generic, NamedTuple, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Ask(NamedTuple, Generic[Item, Result]):
    item: Item
    kind: Hashable
    answer: Future[Result]


class Batcher(Generic[Item, Result]):
    """Runs the items of several threads together; each thread gets its own result.

    The threads do it themselves: the first one runs what is waiting, and those that come meanwhile are the next batch.
    So nothing has to be stopped, an item that comes alone does not wait, and one batch runs at a time.
    """

    def __init__(self, run: Callable[[Sequence[Item]], Sequence[Result]], most: int) -> None:
        """Make a batcher.

        Args:
            run: Takes up to ``most`` items of one kind to their results, in order.
            most: Items of a batch.
        """
        self._run = run
        self._most = most
        self._changed = threading.Condition()
        self._waiting: list[_Ask[Item, Result]] = []
        self._running = False

    def __call__(self, item: Item, kind: Hashable) -> Result:
        """The result of an item, run with others of its kind where there are some.

        Raises:
            Exception: What ``run`` raises, in each thread that has an item in that batch and in no other.
        """
        ask = _Ask[Item, Result](item, kind, Future())
        with self._changed:
            self._waiting.append(ask)
            self._changed.wait_for(lambda: ask.answer.done() or not self._running)
            if ask.answer.done():
                return ask.answer.result()
            batch = self._batch_with(ask)
            self._running = True
        try:
            self._answer(batch)
        finally:
            with self._changed:
                self._running = False
                self._changed.notify_all()
        return ask.answer.result()

    def _batch_with(self, ask: _Ask[Item, Result]) -> list[_Ask[Item, Result]]:
        others = [other for other in self._waiting if other is not ask and other.kind == ask.kind]
        batch = [ask, *others[: self._most - 1]]
        taken = {id(each) for each in batch}
        self._waiting = [other for other in self._waiting if id(other) not in taken]
        return batch

    def _answer(self, batch: Sequence[_Ask[Item, Result]]) -> None:
        try:
            results = self._run([ask.item for ask in batch])
            if len(results) != len(batch):
                raise RuntimeError(f"a batch of {len(batch)} gave {len(results)} results")
        except BaseException as error:
            for ask in batch:
                ask.answer.set_exception(error)
            raise
        for ask, result in zip(batch, results, strict=True):
            ask.answer.set_result(result)
