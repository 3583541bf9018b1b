"""The event log of ``dagster.yaml``, built on private modules of Dagster; to be reviewed when Dagster is upgraded.

Not in `dagster_private`: it imports Alembic, which nothing needs before the instance is opened.
"""

import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from dagster._config.config_schema import UserConfigSchema
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, create_engine

_MAX_OPEN_FILES = 16
"""Of the event log: its index and those of the latest runs, far below the usual limit of 1,024 files of a process."""


class _OpenedFile(NamedTuple):
    """A file that is kept open.

    Attributes:
        engine: Its connections.
        file: The device and inode of the file that they lead to.
    """

    engine: Engine
    file: tuple[int, int] | None


class CachedEngineEventLogStorage(SqliteEventLogStorage):
    """The event log in SQLite, with its files kept open between events.

    Dagster opens and closes a file for each event. The last to close a SQLite file copies its write-ahead log into it,
    and a new engine has to compile each statement again: together a third of the CPU time of an event.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        """As the class that it extends."""
        self._opened: OrderedDict[str, _OpenedFile] = OrderedDict()
        super().__init__(base_dir, inst_data)

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """No configuration: the files lie where Dagster puts them without this class."""
        return {}

    @classmethod
    def from_config_value(
        cls,
        inst_data: ConfigurableClassData | None,
        config_value: Mapping[str, Any],  # noqa: ARG003 - by its base
    ) -> "CachedEngineEventLogStorage":
        """The storage below ``DAGSTER_HOME``."""
        return cls(str(Path(os.environ["DAGSTER_HOME"]) / "history" / "runs"), inst_data)

    def dispose(self) -> None:
        """Close the files; a later event opens them again."""
        super().dispose()
        with self._db_lock:
            while self._opened:
                self._opened.popitem()[1].engine.dispose()

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock, self._engine(shard).begin() as connection:
            yield connection

    def _engine(self, shard: str) -> Engine:
        path = Path(self.path_for_shard(shard))
        opened = self._opened.pop(shard, None)
        # Another process may have deleted the runs: what is written to a deleted file is lost without an error.
        if opened is not None and opened.file != _file_at(path):
            opened.engine.dispose()
            opened = None
        if opened is None:
            engine = create_engine(
                self.conn_string_for_shard(shard), pool_size=1, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS}
            )
            self._initdb(engine)
            opened = _OpenedFile(engine, _file_at(path))
        self._opened[shard] = opened
        if len(self._opened) > _MAX_OPEN_FILES:
            self._opened.popitem(last=False)[1].engine.dispose()
        return opened.engine


def _file_at(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_dev, stat.st_ino
