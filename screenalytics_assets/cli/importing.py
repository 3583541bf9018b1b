"""Faster imports: the garbage collector is paused."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def gc_paused() -> Iterator[None]:
    """Pause garbage collection, and exempt from it what was created.

    Modules are hundreds of thousands of objects that stay: collecting while they are loaded takes a fifth of the time
    of a run's imports.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
