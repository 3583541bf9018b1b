"""The alert outbox: messages to be sent and the last known states, in one SQLite file that survives restarts.

Delivery is at least once. A message is stored for each sink in the same transaction as the state it reports, and marked
as sent after the sink has accepted it. A crash in between sends it a second time, with the same key. If the file cannot
be written, for example because the disk is full, nothing is sent.
"""

import json
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import Timeout

from resources.system.error_translation import reason_of
from resources.system.locks import file_lock
from screenalytics_assets.core.common.errors import StorageError
from screenalytics_assets.core.quality.alert_state import AlertEvent, LastState, Message, StateChange, change_of

_MAX_REFUSALS = 2
"""After this many refusals in a row the newest message is tried.

If that is refused too, the sink is down until the next delivery; otherwise the refusals were the fault of the messages,
which must not hold up those behind them.
"""
_REFUSAL_INTERVAL_S = 3600.0
"""Of the refusals of a message, one counts in this time: a busy service may refuse any message for minutes."""
_LAST_REFUSAL = 24
"""A message is dropped after this many refusals that count, if the sink accepted a newer message before each of them.

That is a day: a limit on requests or a fault of a service passes sooner, and then it takes the message after all.
"""
SILENCE_S = 600.0
"""A sink that took a message and did not answer is left alone for this long: it may have the message."""
_BATCH = 100
_VERSION = 1
"""Of the tables, in the file's ``user_version``: raised if earlier programs would misread them. Older files have 0."""
_DROPPED = "dropped:"
"""Begins the key of a report about a dropped message."""
_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS outbox (
        id INTEGER PRIMARY KEY, key TEXT NOT NULL, sink TEXT NOT NULL, at REAL NOT NULL, title TEXT NOT NULL,
        body TEXT NOT NULL, level TEXT NOT NULL, document TEXT NOT NULL, sent_at REAL,
        refusals INTEGER NOT NULL DEFAULT 0, refused_at REAL, dropped_at REAL, UNIQUE (key, sink)
    )""",
    """CREATE TABLE IF NOT EXISTS last_states (
        ep_id TEXT NOT NULL, subject TEXT NOT NULL, level TEXT NOT NULL, state TEXT NOT NULL, at REAL NOT NULL,
        PRIMARY KEY (ep_id, subject)
    )""",
    "CREATE TABLE IF NOT EXISTS known_sinks (name TEXT PRIMARY KEY, tried_at REAL, silent_until REAL)",
)
_ADDED_COLUMNS = (
    ("outbox", "refusals INTEGER NOT NULL DEFAULT 0"),
    ("outbox", "refused_at REAL"),
    ("outbox", "dropped_at REAL"),
    ("known_sinks", "silent_until REAL"),
)
"""Since the file was first made."""
_UPGRADE = (
    """INSERT OR IGNORE INTO outbox (key, sink, at, title, body, level, document, sent_at)
        SELECT key, sinks.name, messages.at, title, body, level, document, delivered.at
        FROM messages JOIN sinks ON messages.id > sinks.after_id
        LEFT JOIN delivered ON delivered.message = messages.id AND delivered.sink = sinks.name
        ORDER BY messages.id""",
    "INSERT OR IGNORE INTO known_sinks (name) SELECT name FROM sinks",
    "INSERT OR IGNORE INTO last_states SELECT ep_id, subject, level, state, at FROM standing",
    "DROP VIEW waiting",
    *(f"DROP TABLE {name}" for name in ("messages", "standing", "sinks", "delivered")),
)
"""From the tables of version 0.1 and before."""


class SinkError(Exception):
    """A sink did not accept a message; it is sent again later."""


class SilentSinkError(SinkError):
    """A sink took a message and did not answer in time."""


@dataclass(frozen=True)
class Envelope:
    """A message as it is sent to a sink.

    Attributes:
        key: Identifies the message, should it arrive twice.
        at: When it was written, in seconds since the epoch.
        message: The message.
    """

    key: str
    at: float
    message: Message


class Outbox:
    """Stores messages until each sink has accepted them.

    Args:
        path: The SQLite file; created where it does not exist.
        sinks: Names of the sinks that messages are stored for from now on, even while they are not configured: they
            get them when they are back.

    Raises:
        StorageError: The file is of a newer version.
    """

    def __init__(self, path: Path, sinks: Sequence[str]) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._transaction() as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > _VERSION:
                raise StorageError(
                    f"{path}: a newer version of screenalytics made it (tables {version}, expected {_VERSION}): "
                    "use that version, or move the file away, and with it the alerts that were not sent"
                )
            connection.execute(f"PRAGMA user_version = {_VERSION}")
            for statement in _SCHEMA:
                connection.execute(statement)
            for table, column in _ADDED_COLUMNS:
                present = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
                if column.split()[0] not in present:
                    connection.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
            if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'messages'").fetchone():
                for statement in _UPGRADE:
                    connection.execute(statement)
            connection.executemany("INSERT OR IGNORE INTO known_sinks (name) VALUES (?)", [(name,) for name in sinks])

    def write(self, key: str, message: Message) -> bool:
        """Store a message unless one with this key was stored before; whether it is new."""
        with self._transaction() as connection:
            return _insert(connection, key, message)

    def report(
        self, key: str, events: Sequence[AlertEvent], compose: Callable[[Sequence[StateChange]], Message]
    ) -> Message | None:
        """Store one message about what has changed since the last known states, and update those states.

        Args:
            key: Key of the message, for example of the run.
            events: Results of checks and steps.
            compose: Writes the message about the changes; not called if there are none.
        """
        with self._transaction() as connection:
            changes = [change for event in events if (change := change_of(_last_state(connection, event), event))]
            if not changes:
                return None
            connection.executemany(
                "INSERT OR REPLACE INTO last_states VALUES (?, ?, ?, ?, ?)",
                [(e.ep_id, e.subject, e.level, e.state, e.at) for e in (change.event for change in changes)],
            )
            message = compose(changes)
            if not _insert(connection, key, message):
                # A run that was taken for dead and went on ends twice.
                _insert(connection, f"{key}:{changes[-1].event.at}", message)
            return message

    def waiting(self, sink: str) -> int:
        """Number of messages that a sink has not accepted yet."""
        with self._transaction() as connection:
            query = "SELECT count(*) FROM outbox WHERE sink = ? AND sent_at IS NULL AND dropped_at IS NULL"
            return int(connection.execute(query, (sink,)).fetchone()[0])

    def deliver(self, sink: str, send: Callable[[Envelope], None]) -> tuple[int, str | None]:
        """Send a sink the messages that it has not accepted yet, in order.

        A file lock keeps a second process from sending the same; the system releases it when a process dies. A message
        that the sink refuses for a day although it accepts newer ones is dropped, and this is reported. Whatever is
        raised for a message counts as its refusal and holds up no other.

        Args:
            sink: Name of the sink.
            send: Sends one message; raises SinkError if the sink does not accept it.

        Returns:
            Number of accepted messages, and the reason of the last refusal.
        """
        try:
            with file_lock(Path(f"{self._path}.{sink}.lock")).acquire(timeout=0):
                return self._deliver(sink, send)
        except Timeout:
            return 0, "another process is sending"

    def _deliver(self, sink: str, send: Callable[[Envelope], None]) -> tuple[int, str | None]:
        waiting = deque(self._unsent(sink))
        accepted, refusals, reason, is_up = 0, 0, None, False
        while waiting:
            if refusals == _MAX_REFUSALS and not is_up:
                waiting.rotate(1)  # the newest
            row, envelope = waiting.popleft()
            try:
                send(envelope)
            except SilentSinkError as error:
                self._refused(sink, row, silent_until=time.time() + SILENCE_S)
                return accepted, str(error)
            except Exception as error:  # noqa: BLE001 - of this message, whatever it is
                reason, refusals = reason_of(error), refusals + 1
                self._refused(sink, row)
                if refusals > _MAX_REFUSALS and not is_up:
                    break
                continue
            accepted, refusals, is_up = accepted + 1, 0, is_up or refusals == _MAX_REFUSALS
            with self._transaction() as connection:
                connection.execute("UPDATE outbox SET sent_at = ? WHERE id = ?", (time.time(), row))
        return accepted, reason

    def _refused(self, sink: str, row: int, silent_until: float | None = None) -> None:
        """Count a refusal that may be the message's fault: the sink took a newer one since. At the limit, drop it."""
        now = time.time()
        with self._transaction() as connection:
            if silent_until is not None:
                connection.execute("UPDATE known_sinks SET silent_until = ? WHERE name = ?", (silent_until, sink))
            counted = connection.execute(
                "UPDATE outbox SET refusals = refusals + 1, refused_at = ? WHERE id = ? "
                "AND coalesce(refused_at, 0) <= ? AND EXISTS (SELECT 1 "
                "FROM outbox AS newer WHERE newer.sink = ? AND newer.id > outbox.id "
                "AND newer.sent_at > coalesce(outbox.refused_at, 0)) RETURNING refusals, key, title",
                (now, row, now - _REFUSAL_INTERVAL_S, sink),
            ).fetchone()
            if counted is None or counted[0] < _LAST_REFUSAL:
                return
            connection.execute("UPDATE outbox SET dropped_at = ? WHERE id = ?", (now, row))
            _, key, title = counted
            if not key.startswith(_DROPPED):  # a report about a report would never end
                body = f"{title!r} was refused for a day and is not sent to it again; newer ones arrive."
                _insert(connection, f"{_DROPPED}{sink}:{key}", Message(f"{sink} refuses an alert", body, "warning", {}))

    def _unsent(self, sink: str) -> list[tuple[int, Envelope]]:
        """The first messages, and the newest, by id; none while the sink is left alone."""
        unsent = (
            "SELECT id, key, at, title, body, level, document FROM outbox WHERE sink = ? AND sent_at IS NULL "
            "AND dropped_at IS NULL ORDER BY id"
        )
        with self._transaction() as connection:
            # Fails on a full disk, where a message that is sent could not be marked and would be sent at every tick.
            connection.execute("UPDATE known_sinks SET tried_at = ? WHERE name = ?", (time.time(), sink))
            silent = connection.execute("SELECT silent_until FROM known_sinks WHERE name = ?", (sink,)).fetchone()
            if silent and silent[0] and silent[0] > time.time():
                return []
            first = connection.execute(f"{unsent} LIMIT ?", (sink, _BATCH)).fetchall()
            newest = connection.execute(f"{unsent} DESC LIMIT 1", (sink,)).fetchall()
        return [
            (row, Envelope(key, at, Message(title, body, level, json.loads(document, parse_constant=_null))))
            for row, key, at, title, body, level, document in sorted({*first, *newest})
        ]

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """One exclusive transaction, rolled back on an error."""
        connection = sqlite3.connect(self._path, timeout=30, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
            with connection:  # commits, or rolls back
                yield connection
        finally:
            connection.close()


def _insert(connection: sqlite3.Connection, key: str, message: Message) -> bool:
    """Store a message for each known sink unless its key was stored before; whether it is new."""
    if connection.execute("SELECT 1 FROM outbox WHERE key = ?", (key,)).fetchone():
        return False
    document = json.dumps(message.document, ensure_ascii=False)
    connection.execute(
        "INSERT INTO outbox (key, sink, at, title, body, level, document) "
        "SELECT ?, name, ?, ?, ?, ?, ? FROM known_sinks",
        (key, time.time(), message.title, message.body, message.level, document),
    )
    return True


def _null(_name: str) -> None:
    """NaN and the infinities, which are not JSON."""


def _last_state(connection: sqlite3.Connection, event: AlertEvent) -> LastState | None:
    row = connection.execute(
        "SELECT level, state, at FROM last_states WHERE ep_id = ? AND subject = ?", (event.ep_id, event.subject)
    ).fetchone()
    return LastState(*row) if row else None
