"""The event log of ``dagster.yaml``, built on private modules of Dagster; to be reviewed when Dagster is upgraded.

Not in `dagster_private`: it imports Alembic, which nothing needs before the instance is opened.
"""

import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dagster._config.config_schema import UserConfigSchema
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, create_engine

_MAX_OPEN_FILES = 16
"""Of the event log: its index and those of the latest runs, far below the usual limit of 1,024 files of a process."""


class CachedEngineEventLogStorage(SqliteEventLogStorage):
    """The event log in SQLite, with its files kept open between events.

    Dagster opens and closes a file for each event. The last to close a SQLite file copies its write-ahead log into it,
    and a new engine has to compile each statement again: together a third of the CPU time of an event.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        """As the class that it extends."""
        self._engines: OrderedDict[str, Engine] = OrderedDict()
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

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock, self._engine(shard).begin() as connection:
            yield connection

    def _engine(self, shard: str) -> Engine:
        engine = self._engines.pop(shard, None)
        if engine is None:
            engine = create_engine(
                self.conn_string_for_shard(shard), pool_size=1, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS}
            )
            self._initdb(engine)
        self._engines[shard] = engine
        if len(self._engines) > _MAX_OPEN_FILES:
            self._engines.popitem(last=False)[1].dispose()
        return engine
