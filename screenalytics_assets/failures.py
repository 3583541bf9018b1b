"""What a failed step means for its run: which errors end it at once, and which are tried again."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import dagster as dg

from screenalytics_assets.core.common.errors import ScreenalyticsError, UnavailableError

RETRIES = 2
RETRY_DELAY_S = 30.0
"""Long enough for a network drive or a database to come back, short against the step that is repeated."""
TRANSIENT_ERRNOS = frozenset(
    {errno.EAGAIN, errno.EBUSY, errno.EIO, errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ESTALE}
)

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
def translate_errors() -> Iterator[None]:
    """Turn an error with a message for people into a failure of the run, with that message and without retries.

    A network drive or a database that does not answer is retried, except within `retries_disabled`. Any other error
    is a bug: it fails the step at once.
    """
    try:
        yield
    except ScreenalyticsError as error:
        if is_transient(error) and _may_retry.get():
            raise _retry() from error
        raise dg.Failure(description=str(error), allow_retries=False) from error
    except OSError as error:
        if is_transient(error) and _may_retry.get():
            raise _retry() from error
        raise


def is_transient(error: Exception) -> bool:
    """Whether the same call may succeed a moment later."""
    return isinstance(error, UnavailableError | ConnectionError | TimeoutError) or (
        isinstance(error, OSError) and error.errno in TRANSIENT_ERRNOS
    )


def _retry() -> dg.RetryRequested:
    return dg.RetryRequested(max_retries=RETRIES, seconds_to_wait=RETRY_DELAY_S)
