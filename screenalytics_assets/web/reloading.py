"""Loads the definitions again when a file that they are made from changes.

A schedule is made for each season of ``seasons.yaml`` with a time, and the inbox sensor has the interval of
``inbox.yaml``. All else is read by each tick.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dagster import DagsterError

from resources.system.paths import config_dir
from resources.system.text_documents import MAX_YAML_BYTES, read_limited
from screenalytics_assets.core.common.errors import ScreenalyticsError

FILES = ("seasons.yaml", "inbox.yaml")
_INTERVAL_S = 5.0
"""Between two looks: a person who has saved a file waits a moment, and two small files are read for next to nothing."""


class ChangedFiles:
    """Notices that one of the files was changed."""

    def __init__(self) -> None:
        self._seen = _contents()

    def __call__(self) -> bool:
        """Whether a file has changed since the last call."""
        before, self._seen = self._seen, _contents()
        return self._seen != before


def _contents() -> list[bytes | str]:
    """What is in each file, or why it cannot be read."""
    contents: list[bytes | str] = []
    for name in FILES:
        try:
            contents.append(read_limited(config_dir() / name, MAX_YAML_BYTES))
        except ScreenalyticsError as error:
            contents.append(str(error))
    return contents


@contextmanager
def reloading(changed: Callable[[], bool], reload: Callable[[], None]) -> Iterator[None]:
    """Within this context, the definitions are loaded again whenever a file has changed."""
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(_INTERVAL_S):
            try:
                if changed():
                    reload()
            except (DagsterError, OSError):
                logging.getLogger(__name__).exception("the definitions were not loaded again; start the UI again")

    threading.Thread(target=watch, daemon=True, name="reloading").start()
    try:
        yield
    finally:
        stop.set()
