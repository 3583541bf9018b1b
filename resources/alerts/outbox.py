"""What was told and what is still to be told, in one SQLite file: survives a restart and a sink that is down.

A message is written once, under a key, in the same transaction as the state that it follows from. Each sink then
works through the messages that it has not taken yet, in their order, on its own.
"""

import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from screenalytics_assets.core.quality.alert_state import AlertEvent, LastState, Message, StateChange, news_of

BUSY_S = 60.0
"""A sink that someone delivers to is left alone this long; after a crash in the middle, it waits so long."""
_TRIES = 2
"""So many messages in a row that a sink does not take, and it is taken to be down until the next tick.

One alone may be the message's own fault and must not hold up those behind it.
"""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT UNIQUE NOT NULL, at REAL NOT NULL,
    title TEXT NOT NULL, body TEXT NOT NULL, level TEXT NOT NULL, document TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS standing (
    ep_id TEXT NOT NULL, subject TEXT NOT NULL, level TEXT NOT NULL, state TEXT NOT NULL, at REAL NOT NULL,
    PRIMARY KEY (ep_id, subject)
);
CREATE TABLE IF NOT EXISTS sinks (
    name TEXT PRIMARY KEY, after_id INTEGER NOT NULL, busy_until REAL NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS delivered (
    sink TEXT NOT NULL, message INTEGER NOT NULL, at REAL NOT NULL, PRIMARY KEY (sink, message)
);
CREATE VIEW IF NOT EXISTS waiting AS
    SELECT sinks.name AS sink, messages.* FROM messages JOIN sinks ON messages.id > sinks.after_id
    WHERE NOT EXISTS (SELECT 1 FROM delivered WHERE sink = sinks.name AND message = messages.id);
"""


class SinkError(Exception):
    """A sink did not take a message; it will be offered again."""


@dataclass(frozen=True)
class Envelope:
    """A message as a sink gets it.

    Attributes:
        key: The same for the same message, should it arrive twice.
        at: When it was written, in seconds since the epoch.
        message: What it says.
    """

    key: str
    at: float
    message: Message


class Outbox:
    """Messages, what is standing, and how far each sink is.

    Args:
        path: The SQLite file; made when it is not there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._connection() as connection:
            connection.executescript(_SCHEMA)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self._path, timeout=30, isolation_level=None)
        try:
            yield connection
        finally:
            connection.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction that nobody else writes beside; undone when an error leaves it."""
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def know_sink(self, name: str, *, from_the_start: bool = False) -> None:
        """Messages written from now on are for this sink too, or all of them."""
        with self._writing() as connection:
            newest = connection.execute("SELECT coalesce(max(id), 0) FROM messages").fetchone()[0]
            connection.execute(
                "INSERT OR IGNORE INTO sinks (name, after_id) VALUES (?, ?)", (name, 0 if from_the_start else newest)
            )

    def write(self, key: str, message: Message) -> bool:
        """Take a message unless one with this key was taken before; whether it was new."""
        with self._writing() as connection:
            return _insert(connection, key, message)

    def report(
        self, key: str, findings: Sequence[AlertEvent], compose: Callable[[Sequence[StateChange]], Message]
    ) -> Message | None:
        """Take what is new about some findings as one message, and remember the findings.

        Args:
            key: Of the message, for example of the run.
            findings: What was found; those that were reported before count once.
            compose: Makes the message of what is new; not called where nothing is.
        """
        with self._writing() as connection:
            news = [item for finding in findings if (item := news_of(_standing(connection, finding), finding))]
            if not news:
                return None
            connection.executemany(
                "INSERT OR REPLACE INTO standing VALUES (?, ?, ?, ?, ?)",
                [(f.ep_id, f.subject, f.level, f.state, f.at) for f in (item.finding for item in news)],
            )
            message = compose(news)
            _insert(connection, key, message)
            return message

    def waiting(self, sink: str) -> int:
        """How many messages a sink has not taken yet."""
        with self._connection() as connection:
            row = connection.execute("SELECT count(*) FROM waiting WHERE sink = ?", (sink,))
            return int(row.fetchone()[0])

    def deliver(self, sink: str, send: Callable[[Envelope], None]) -> tuple[int, str | None]:
        """Offer a sink what it has not taken yet, in order; what it refuses stays.

        Args:
            sink: Name of the sink.
            send: Sends one message; raises SinkError where the sink does not take it.

        Returns:
            How many it took, and its last refusal in words.
        """
        if not self._claim(sink):
            return 0, "someone else is delivering"
        taken, refusals, told = 0, 0, None
        try:
            with self._connection() as connection:
                envelopes = _undelivered(connection, sink)
            for number, envelope in envelopes:
                try:
                    send(envelope)
                except SinkError as error:
                    told, refusals = str(error), refusals + 1
                    if refusals == _TRIES:
                        break
                    continue
                taken, refusals = taken + 1, 0
                with self._writing() as connection:
                    connection.execute("INSERT OR IGNORE INTO delivered VALUES (?, ?, ?)", (sink, number, time.time()))
                    connection.execute("UPDATE sinks SET busy_until = ? WHERE name = ?", (time.time() + BUSY_S, sink))
        finally:
            with self._writing() as connection:
                connection.execute("UPDATE sinks SET busy_until = 0 WHERE name = ?", (sink,))
        return taken, told

    def _claim(self, sink: str) -> bool:
        now = time.time()
        with self._writing() as connection:
            changed = connection.execute(
                "UPDATE sinks SET busy_until = ? WHERE name = ? AND busy_until <= ?", (now + BUSY_S, sink, now)
            )
            return changed.rowcount == 1


def _insert(connection: sqlite3.Connection, key: str, message: Message) -> bool:
    row: tuple[Any, ...] = (key, time.time(), message.title, message.body, message.level)
    done = connection.execute(
        "INSERT OR IGNORE INTO messages (key, at, title, body, level, document) VALUES (?, ?, ?, ?, ?, ?)",
        (*row, json.dumps(message.document, ensure_ascii=False)),
    )
    return done.rowcount == 1


def _standing(connection: sqlite3.Connection, finding: AlertEvent) -> LastState | None:
    row = connection.execute(
        "SELECT level, state, at FROM standing WHERE ep_id = ? AND subject = ?", (finding.ep_id, finding.subject)
    ).fetchone()
    return LastState(*row) if row else None


def _undelivered(connection: sqlite3.Connection, sink: str) -> list[tuple[int, Envelope]]:
    rows = connection.execute(
        "SELECT id, key, at, title, body, level, document FROM waiting WHERE sink = ? ORDER BY id LIMIT 100", (sink,)
    ).fetchall()
    return [
        (number, Envelope(key, at, Message(title, body, level, json.loads(document))))
        for number, key, at, title, body, level, document in rows
    ]
