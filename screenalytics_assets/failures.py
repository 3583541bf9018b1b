"""What a failed step means for its run: which errors end it at once, and which are tried again."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

import dagster as dg

from resources.system.error_translation import translated
from screenalytics_assets.core.common.errors import UnavailableError

RETRIES = 2
RETRY_DELAY_S = 30.0
"""Long enough for a network drive or a database to come back, short against the step that is repeated."""

_may_retry: ContextVar[bool] = ContextVar("may_retry", default=True)


@contextmanager
def retries_disabled() -> Iterator[None]:
    """Within this context, steps that fail in this thread are not retried: a person is waiting at the terminal.

    The executor of `execute_in_process` has no such option.
    """
    token = _may_retry.set(False)
    try:
        yield
    finally:
        _may_retry.reset(token)


@contextmanager
def translate_errors(place: str | Path = "") -> Iterator[None]:
    """Turn an error with a message for people into a failure of the run, with that message and without retries.

    A network drive or a database that does not answer is retried, except within `retries_disabled`. Any other error
    is a bug: it fails the step at once.

    Args:
        place: What is read or written, for errors of libraries that do not name it.
    """
    try:
        yield
    except (dg.Failure, dg.RetryRequested):
        raise
    except Exception as error:
        known = translated(error, place)
        if known is None:
            raise
        if isinstance(known, UnavailableError) and _may_retry.get():
            raise dg.RetryRequested(max_retries=RETRIES, seconds_to_wait=RETRY_DELAY_S) from error
        raise dg.Failure(description=str(known), allow_retries=False) from error


@contextmanager
def errors_of_tick() -> Iterator[None]:
    """Turn an error of a library in a sensor or schedule into one with a message for people; the tick fails with it."""
    try:
        yield
    except Exception as error:
        known = translated(error)
        if known is None or known is error:
            raise
        raise known from None
