"""The vector database on a real server, embedded and named by its address."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psycopg
import pytest
from numpy.typing import NDArray
from psycopg.sql import SQL, Identifier

from resources.database_schema import known_migrations, migrate
from resources.embedded_postgres import EmbeddedPostgres
from resources.vector_database import VectorDatabase
from screenalytics_assets.core.errors import DatabaseError

MODEL, OTHER_MODEL = "a" * 64, "b" * 64


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    """A running server; in a folder that the server's own user can reach, which a folder of pytest's is not."""
    folder = Path(tempfile.mkdtemp(prefix="screenalytics-test-"))
    server = EmbeddedPostgres(folder)
    server.open()
    yield server
    server.close()
    shutil.rmtree(folder)


@pytest.fixture
def url(server: EmbeddedPostgres, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of an empty database on that server."""
    name = f"test_{abs(hash(request.node.nodeid))}"
    conninfo = server.conninfo
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(f'create database "{name}"'.encode())
    yield psycopg.conninfo.make_conninfo(conninfo, dbname=name)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(f'drop database "{name}" with (force)'.encode())


@pytest.fixture
def database(url: str) -> Iterator[VectorDatabase]:
    with VectorDatabase(url) as database:
        yield database


def unit(count: int, seed: int = 0) -> NDArray[np.float32]:
    vectors = np.random.default_rng(seed).normal(size=(count, 512)).astype(np.float32)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def enrol(database: VectorDatabase, vectors: NDArray[np.float32], *, version: str = "1", model: str = MODEL) -> None:
    """A photo a vector, two photos a person."""
    database.replace_facebank(
        "show",
        version=version,
        model_digest=model,
        photo_ids=[f"person-{i // 2}/{i}.jpg" for i in range(len(vectors))],
        person_ids=[f"person-{i // 2}" for i in range(len(vectors))],
        vectors=vectors,
    )


def count(url: str, table: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(SQL("select count(*) from {}").format(Identifier("screenalytics", table))).fetchone()
    assert row is not None
    return int(row[0])


def test_similarities_are_the_cosines_of_every_track_with_every_photo(database: VectorDatabase) -> None:
    photos, tracks = unit(6, seed=1), 3 * unit(4, seed=2)
    enrol(database, photos)
    found = database.facebank_similarities("show", MODEL, ["t0", "t1", "t2", "t3"], tracks)
    assert found["track_id"].to_pylist() == [f"t{i}" for i in range(4) for _ in range(6)]
    assert found["photo_id"].to_pylist() == [f"person-{i // 2}/{i}.jpg" for i in range(6)] * 4
    assert found["person_id"].to_pylist() == [f"person-{i // 2}" for i in range(6)] * 4
    expected = (tracks / 3) @ photos.T
    np.testing.assert_allclose(found["similarity"].to_numpy(), expected.ravel(), atol=1e-6)


def test_a_show_without_a_facebank_resembles_nobody(database: VectorDatabase) -> None:
    assert database.facebank_similarities("show", MODEL, ["t0"], unit(1)).num_rows == 0
    assert database.facebank_version("show", MODEL) is None


def test_a_facebank_in_which_no_photo_is_good_enough_resembles_nobody(database: VectorDatabase) -> None:
    enrol(database, unit(0))
    assert database.facebank_similarities("show", MODEL, ["t0"], unit(1)).num_rows == 0
    assert database.facebank_version("show", MODEL) == "1"


def test_no_tracks_are_no_rows(database: VectorDatabase) -> None:
    enrol(database, unit(2))
    assert database.facebank_similarities("show", MODEL, [], unit(0)).num_rows == 0


def test_a_facebank_is_replaced_and_never_doubled(database: VectorDatabase, url: str) -> None:
    enrol(database, unit(6))
    enrol(database, unit(4), version="2")
    assert database.facebank_version("show", MODEL) == "2"
    assert count(url, "facebank_photo") == 4


def test_a_replacement_that_fails_leaves_what_was_there(database: VectorDatabase, url: str) -> None:
    enrol(database, unit(6))
    broken = unit(4)
    broken[2, 0] = np.nan
    with pytest.raises(psycopg.Error):
        enrol(database, broken, version="2")
    assert database.facebank_version("show", MODEL) == "1"
    assert count(url, "facebank_photo") == 6


def test_vectors_of_another_model_are_refused(database: VectorDatabase) -> None:
    enrol(database, unit(2), model=OTHER_MODEL)
    with pytest.raises(DatabaseError, match="screenalytics facebank show"):
        database.facebank_similarities("show", MODEL, ["t0"], unit(1))
    with pytest.raises(DatabaseError, match="vectors of two models"):
        database.facebank_version("show", MODEL)


def test_vectors_of_another_length_are_refused(database: VectorDatabase) -> None:
    with pytest.raises(ValueError, match="512"):
        database.facebank_similarities("show", MODEL, ["t0"], np.zeros((1, 128), np.float32))


def test_migrations_are_applied_once_and_recorded(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        assert migrate(connection, may_upgrade=False) == [migration.name for migration in known_migrations()]
        assert migrate(connection, may_upgrade=False) == []
    assert count(url, "migration") == len(known_migrations())


def older(url: str) -> None:
    """Bring an empty database to the version before this one."""
    with psycopg.connect(url, autocommit=True) as connection:
        migrate(connection, may_upgrade=False)
        connection.execute("drop table screenalytics.track, screenalytics.episode")
        connection.execute("delete from screenalytics.migration where number = 2")


def test_a_database_of_an_older_version_is_refused_with_the_command_that_upgrades_it(url: str) -> None:
    older(url)
    with pytest.raises(DatabaseError, match=r"0002_episodes\.sql.*screenalytics database upgrade"):
        VectorDatabase(url)
    assert count(url, "migration") == 1
    VectorDatabase(url, may_upgrade=True).close()
    assert count(url, "migration") == 2
    assert count(url, "track") == 0


def test_a_database_of_a_newer_version_is_refused(url: str) -> None:
    VectorDatabase(url).close()
    with psycopg.connect(url) as connection:
        connection.execute("insert into screenalytics.migration values (99, '0099_future.sql', 'x')")
    with pytest.raises(DatabaseError, match=r"0099_future\.sql.*update screenalytics"):
        VectorDatabase(url, may_upgrade=True)


def test_a_database_whose_migration_has_another_content_is_refused(url: str) -> None:
    VectorDatabase(url).close()
    with psycopg.connect(url) as connection:
        connection.execute("update screenalytics.migration set sha256 = 'x' where number = 1")
    with pytest.raises(DatabaseError, match=r"0001_facebank\.sql differs"):
        VectorDatabase(url, may_upgrade=True)


def test_a_schema_of_somebody_else_is_refused_and_left_alone(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("create schema screenalytics")
        connection.execute("create table screenalytics.facebank (mine integer)")
    with pytest.raises(DatabaseError, match="do not tell their version"):
        VectorDatabase(url, may_upgrade=True)
    assert count(url, "facebank") == 0


def test_a_migration_that_fails_changes_nothing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first, *_ = known_migrations()
    broken = first._replace(number=2, name="0002_broken.sql", sql="create table screenalytics.half (); select 1 / 0")
    monkeypatch.setattr("resources.database_schema.known_migrations", lambda: [first, broken])
    with pytest.raises(psycopg.Error):
        VectorDatabase(url)
    with psycopg.connect(url) as connection:
        assert connection.execute("select to_regnamespace('screenalytics')").fetchone() == (None,)


@pytest.mark.parametrize("url_", ["postgresql://me:hunter2@127.0.0.1:1/faces", "me:hunter2@nowhere"])
def test_a_database_that_is_away_is_told_without_its_password(url_: str) -> None:
    with pytest.raises(DatabaseError, match="SCREENALYTICS_DATABASE_URL") as caught:
        VectorDatabase(url_)
    assert "hunter2" not in str(caught.value)


def test_the_folder_is_left_as_readable_as_it_was_by_nobody_else(server: EmbeddedPostgres) -> None:
    data = server.folder / "postgres"
    assert data.stat().st_mode & 0o077 == 0
    sockets = list(data.glob(".s.PGSQL.*[0-9]"))
    assert sockets or os.name == "nt"
    assert all(socket.stat().st_mode & 0o077 == 0 for socket in sockets)
