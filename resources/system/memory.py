"""Returns freed memory to the system."""

import ctypes
from functools import cache
from typing import Any

import pyarrow as pa


def release_memory() -> None:
    """Return freed memory that Arrow and the C library keep for later allocations.

    After the pass over the video and after the embedder that is 120 to 160 MB, much of it in arenas of threads that
    have ended. The tables of the next steps would come on top of it. Without glibc, only Arrow's part is returned.
    """
    pa.default_memory_pool().release_unused()
    if trim := _malloc_trim():
        trim(0)


@cache
def _malloc_trim() -> Any:  # noqa: ANN401 - a foreign function, or None
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
