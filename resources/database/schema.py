"""The tables of the vector database: numbered SQL files, each applied once and recorded in the database."""

from importlib.resources import files
from typing import NamedTuple

import psycopg

from screenalytics_assets.core.common.digests import sha256_of
from screenalytics_assets.core.common.errors import DatabaseError

SCHEMA = "screenalytics"
_LOCK_KEY = 7_266_330_148
"""The advisory lock under which tables are changed; any number that no other program uses."""


class Migration(NamedTuple):
    """A numbered SQL file."""

    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """SHA-256 of the text, in hexadecimal."""
        return sha256_of(self.sql.encode())


def known_migrations() -> list[Migration]:
    """The files in ``resources/database/migrations``, sorted by number."""
    folder = files("resources.database") / "migrations"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return [Migration(int(name.split("_")[0]), name, (folder / name).read_text(encoding="utf-8")) for name in names]


def migrate(connection: psycopg.Connection, *, may_upgrade: bool) -> list[str]:
    """Bring the tables to this version, in one transaction.

    Args:
        connection: In autocommit mode.
        may_upgrade: Also change existing tables of an older version; in an empty database, they are always created.

    Returns:
        The names of the applied migrations.

    Raises:
        DatabaseError: The tables are of a newer version, of an older one that may not be changed, or not ours; or
            permissions or the extension pgvector are missing.
    """
    try:
        with connection.transaction():
            connection.execute("select pg_advisory_xact_lock(%s)", [_LOCK_KEY])
            return _apply(connection, _missing(connection, may_upgrade=may_upgrade))
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.FeatureNotSupported) as error:
        raise DatabaseError(
            f"the database cannot be prepared: {error.diag.message_primary or error}. It needs the extension pgvector "
            f"(an administrator runs `create extension vector`) and the right to make the schema {SCHEMA}"
        ) from error


def _missing(connection: psycopg.Connection, *, may_upgrade: bool) -> list[Migration]:
    known = known_migrations()
    applied = _applied(connection)
    for number, name, sha256 in applied:
        match = next((migration for migration in known if migration.number == number), None)
        if match is None:
            raise DatabaseError(
                f"the database is of a newer version: it has the migration {name}, this program knows them up to "
                f"{known[-1].name}: update screenalytics. Nothing was changed"
            )
        if match.sha256 != sha256:
            raise DatabaseError(
                f"the database is of another version: its migration {name} differs from {match.name} of this program: "
                "use the version that made it, or another database. Nothing was changed"
            )
    missing = known[len(applied) :]
    if [number for number, _, _ in applied] != [migration.number for migration in known[: len(applied)]]:
        raise DatabaseError(
            f"the database is of an unknown version: it has the migrations {[name for _, name, _ in applied]}, "
            f"expected the first of {[migration.name for migration in known]}. Nothing was changed"
        )
    if applied and missing and not may_upgrade:
        raise DatabaseError(
            f"the database is of an older version: it lacks {', '.join(migration.name for migration in missing)}. "
            "Nothing was changed: run `screenalytics database upgrade`, after which older versions of screenalytics "
            "cannot use it any more"
        )
    return missing


def _applied(connection: psycopg.Connection) -> list[tuple[int, str, str]]:
    ours, tables = connection.execute(
        "select to_regclass(%s) is not null, count(*) from pg_class where relnamespace = to_regnamespace(%s)",
        [f"{SCHEMA}.migration", SCHEMA],
    ).fetchone() or (False, 0)
    if ours:
        return connection.execute(f"select number, name, sha256 from {SCHEMA}.migration order by number").fetchall()  # noqa: S608
    if tables:
        raise DatabaseError(
            f"the database has a schema {SCHEMA} with tables that do not say their version: use another database, or "
            "move that schema away. Nothing was changed"
        )
    return []


def _apply(connection: psycopg.Connection, migrations: list[Migration]) -> list[str]:
    if not migrations:
        return []
    connection.execute("create extension if not exists vector")
    connection.execute(f"create schema if not exists {SCHEMA}")
    connection.execute(
        f"create table if not exists {SCHEMA}.migration (number integer primary key, name text not null, "
        "sha256 text not null, applied_at timestamptz not null default now())"
    )
    for migration in migrations:
        connection.execute(migration.sql.encode())
        connection.execute(
            f"insert into {SCHEMA}.migration (number, name, sha256) values (%s, %s, %s)",  # noqa: S608
            [migration.number, migration.name, migration.sha256],
        )
    return [migration.name for migration in migrations]
