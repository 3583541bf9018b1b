"""The vector database on a real server, embedded and named by its address."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from psycopg.sql import SQL, Identifier

from resources.database.embedded_postgres import EmbeddedPostgres
from resources.database.index import EPISODE_ARTIFACTS, rebuild_index
from resources.database.schema import known_migrations, migrate
from resources.database.vector_database import FacebankRecord, VectorDatabase
from resources.storage.local_store import LocalArtifactStore
from screenalytics_assets.core.common.errors import ArtifactError, DatabaseError
from screenalytics_assets.core.people.enrolment import PhotoFinding, facebank_of

MODEL, OTHER_MODEL = "a" * 64, "b" * 64


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


def test_a_facebank_is_replaced_and_never_duplicated(database: VectorDatabase, url: str) -> None:
    enrol(database, unit(6))
    enrol(database, unit(4), version="2")
    assert database.facebank("show") == FacebankRecord("2", MODEL)
    assert count(url, "facebank_photo") == 4


def test_a_replacement_that_fails_leaves_what_was_there(database: VectorDatabase, url: str) -> None:
    enrol(database, unit(6))
    broken = unit(4)
    broken[2, 0] = np.nan
    with pytest.raises(psycopg.Error):
        enrol(database, broken, version="2")
    assert database.facebank("show") == FacebankRecord("1", MODEL)
    assert count(url, "facebank_photo") == 6


def test_vectors_of_another_length_are_refused(database: VectorDatabase) -> None:
    with pytest.raises(ValueError, match="512"):
        enrol(database, np.zeros((1, 128), np.float32))


def test_a_removed_facebank_is_gone_with_its_people_and_photos(database: VectorDatabase, url: str) -> None:
    enrol(database, unit(4))
    assert database.stored_facebanks() == ["show"]
    database.remove_facebank("show")
    assert (database.stored_facebanks(), database.facebank("show")) == ([], None)
    assert (count(url, "facebank_person"), count(url, "facebank_photo")) == (0, 0)


def test_migrations_are_applied_once_and_recorded(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        assert migrate(connection, may_upgrade=False) == [migration.name for migration in known_migrations()]
        assert migrate(connection, may_upgrade=False) == []
    assert count(url, "migration") == len(known_migrations())


def older(url: str) -> None:
    """Bring an empty database to the first version."""
    with psycopg.connect(url, autocommit=True) as connection:
        migrate(connection, may_upgrade=False)
        connection.execute("drop table screenalytics.track, screenalytics.episode")
        connection.execute("delete from screenalytics.migration where number > 1")


def test_a_database_of_an_older_version_is_refused_with_the_command_that_upgrades_it(url: str) -> None:
    older(url)
    with pytest.raises(DatabaseError, match=r"0002_episodes\.sql.*screenalytics database upgrade"):
        VectorDatabase(url)
    assert count(url, "migration") == 1
    VectorDatabase(url, may_upgrade=True).close()
    assert count(url, "migration") == len(known_migrations())
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


def test_a_schema_of_another_program_is_refused_and_left_unchanged(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("create schema screenalytics")
        connection.execute("create table screenalytics.facebank (mine integer)")
    with pytest.raises(DatabaseError, match="do not say their version"):
        VectorDatabase(url, may_upgrade=True)
    assert count(url, "facebank") == 0


def test_a_migration_that_fails_changes_nothing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first, *_ = known_migrations()
    broken = first._replace(number=2, name="0002_broken.sql", sql="create table screenalytics.half (); select 1 / 0")
    monkeypatch.setattr("resources.database.schema.known_migrations", lambda: [first, broken])
    with pytest.raises(psycopg.Error):
        VectorDatabase(url)
    with psycopg.connect(url) as connection:
        assert connection.execute("select to_regnamespace('screenalytics')").fetchone() == (None,)


@pytest.mark.parametrize("url_", ["postgresql://me:hunter2@127.0.0.1:1/faces", "me:hunter2@nowhere"])
def test_an_unavailable_database_is_reported_without_its_password(url_: str) -> None:
    with pytest.raises(DatabaseError, match="SCREENALYTICS_DATABASE_URL") as caught:
        VectorDatabase(url_)
    assert "hunter2" not in str(caught.value)


def test_only_the_owner_can_connect_to_the_server_of_a_folder(server: EmbeddedPostgres) -> None:
    data = server.folder / "postgres"
    assert data.stat().st_mode & 0o077 == 0
    sockets = list(data.glob(".s.PGSQL.*[0-9]"))
    assert sockets or os.name == "nt"
    assert all(socket.stat().st_mode & 0o077 == 0 for socket in sockets)


def tracks_table(count: int, *, identities: Sequence[str | None] = ()) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {
                "track_id": f"track-{i:05d}",
                "identity_id": identities[i] if identities else None,
                "start_s": float(i),
                "end_s": i + 0.5,
                "detection_id": f"det-{i:06d}",
            }
            for i in range(count)
        ]
    )


def store(database: VectorDatabase, ep_id: str, vectors: NDArray[np.float32], **keys: Any) -> None:
    values = {"tracks": tracks_table(len(vectors)), "model_digest": MODEL, "content_digest": "1"} | keys
    database.replace_episode(ep_id, show=ep_id.split("-")[0], vectors=vectors, **values)


def found(database: VectorDatabase, vector: NDArray[np.float32], **keys: Any) -> list[tuple[str, str]]:
    limits = {"min_similarity": 0.5, "min_identity_sim": 0.3} | keys
    table = database.find_tracks(vector, MODEL, **limits)
    return list(zip(table["ep_id"].to_pylist(), table["track_id"].to_pylist(), strict=True))


def test_the_tracks_of_an_episode_are_replaced_and_never_duplicated(database: VectorDatabase, url: str) -> None:
    store(database, "a-s01e01", unit(5))
    store(database, "a-s01e01", unit(3), content_digest="2")
    assert database.episode_digest("a-s01e01") == "2"
    assert count(url, "track") == 3
    assert count(url, "episode") == 1
    database.remove_episode("a-s01e01")
    assert database.episode_digest("a-s01e01") is None
    assert count(url, "track") == 0


def test_an_episode_that_cannot_be_stored_whole_leaves_what_was_there(database: VectorDatabase, url: str) -> None:
    store(database, "a-s01e01", unit(5))
    backwards = tracks_table(3).set_column(3, "end_s", pa.array([0.5, 0.0, 2.5]))
    with pytest.raises(psycopg.errors.CheckViolation):
        store(database, "a-s01e01", unit(3), tracks=backwards, content_digest="2")
    assert database.episode_digest("a-s01e01") == "1"
    assert count(url, "track") == 5


def test_a_face_is_found_in_every_episode_or_in_those_of_a_show(database: VectorDatabase) -> None:
    faces = unit(4)
    store(database, "a-s01e01", faces[:2])
    store(database, "b-s01e01", faces[1:])
    assert found(database, faces[1]) == [("a-s01e01", "track-00001"), ("b-s01e01", "track-00000")]
    assert found(database, faces[1], show="b") == [("b-s01e01", "track-00000")]
    assert found(database, unit(1, seed=9)[0]) == []


def test_tracks_of_another_model_are_not_compared(database: VectorDatabase) -> None:
    store(database, "a-s01e01", unit(2), model_digest=OTHER_MODEL)
    assert found(database, unit(2)[0]) == []
    assert database.stored_episodes() == {"a-s01e01": OTHER_MODEL}


def alike(vector: NDArray[np.float32], similarity: float, seed: int) -> NDArray[np.float32]:
    """A unit vector with this cosine to the other one."""
    other = unit(1, seed=seed)[0]
    across = other - (other @ vector) * vector
    result = similarity * vector + (1 - similarity**2) ** 0.5 * across / np.linalg.norm(across)
    return np.asarray(result, np.float32)


def test_a_poor_track_is_found_with_its_identity_unless_it_shows_another_person(database: VectorDatabase) -> None:
    face = unit(1)[0]
    similarities = (0.8, 0.7, 0.35, 0.25, 0.35)
    vectors = np.stack([alike(face, similarity, seed=10 + i) for i, similarity in enumerate(similarities)])
    tracks = tracks_table(5, identities=["i1", "i1", "i1", "i1", None])
    store(database, "a-s01e01", vectors, tracks=tracks)
    assert [track for _, track in found(database, face)] == ["track-00000", "track-00001", "track-00002"]


def test_a_track_is_found_with_its_identity_and_name(database: VectorDatabase) -> None:
    known = {"person_id": "ann-lee", "name": "Ann Lee"}
    tracks = pa.Table.from_pylist(
        [tracks_table(1, identities=["i1"]).to_pylist()[0] | known, tracks_table(2).to_pylist()[1]]
    )
    store(database, "a-s01e01", np.stack([unit(1)[0]] * 2), tracks=tracks)
    rows = database.find_tracks(unit(1)[0], MODEL, min_similarity=0.5, min_identity_sim=0.3).to_pylist()
    assert [(row["identity_id"], row["person_id"], row["name"]) for row in rows] == [
        ("i1", "ann-lee", "Ann Lee"),
        (None, None, None),
    ]


def test_each_found_track_says_how_many_tracks_of_its_person_were_compared(database: VectorDatabase) -> None:
    face = unit(1)[0]
    vectors = np.stack([alike(face, similarity, seed=10 + i) for i, similarity in enumerate((0.8, 0.1, 0.7, 0.1))])
    store(database, "a-s01e01", vectors, tracks=tracks_table(4, identities=["i1", "i1", None, None]))
    rows = database.find_tracks(face, MODEL, min_similarity=0.5, min_identity_sim=0.3).to_pylist()
    assert [(row["track_id"], row["person_tracks"]) for row in rows] == [("track-00000", 2), ("track-00002", 1)]


def test_the_tracks_of_an_identity_that_does_not_resemble_a_face_are_not_found(database: VectorDatabase) -> None:
    face = unit(1)[0]
    vectors = np.stack([alike(face, similarity, seed=i + 10) for i, similarity in enumerate((0.6, 0.35, 0.35))])
    store(database, "a-s01e01", vectors, tracks=tracks_table(3, identities=["i1", "i1", "i1"]))
    assert [track for _, track in found(database, face)] == ["track-00000"]


def test_people_are_called_by_their_names_or_their_ids(database: VectorDatabase, url: str) -> None:
    database.replace_facebank(
        "show",
        version="1",
        model_digest=MODEL,
        photo_ids=["a/1", "b/1"],
        person_ids=["a", "b"],
        vectors=unit(2),
        names={"a": "Amy", "nobody": "Nobody"},
    )
    with psycopg.connect(url) as connection:
        rows = connection.execute("select person_id, name from screenalytics.facebank_person order by 1").fetchall()
    assert rows == [("a", "Amy"), ("b", "b")]


def publish_facebank(artifacts: LocalArtifactStore, vectors: NDArray[np.float32]) -> None:
    """A facebank with two photos."""
    findings = [PhotoFinding(f"ann/{i}.jpg", "ann", "0" * 64) for i in range(2)]
    with artifacts.staging("facebank", "show") as staged:
        staged.write_document("facebank.json", facebank_of("show", "1", MODEL, {"ann": "Ann"}, findings))
        staged.write_array("facebank.npy", vectors)
        artifacts.publish(staged, fingerprint="", code_version="", config={}, inputs={}, metrics={})


@pytest.mark.parametrize(
    ("vectors", "problem"),
    [
        (unit(3), r"holds \(3, 512\) float32, expected \(2, 512\) float32"),
        (unit(2).astype(np.float64), r"holds \(2, 512\) float64, expected \(2, 512\) float32"),
        (np.full((2, 512), np.nan, np.float32), "holds values that are not finite"),
    ],
)
def test_a_facebank_whose_vectors_do_not_fit_its_photos_is_not_stored(
    vectors: NDArray[np.float32], problem: str, database: VectorDatabase, tmp_path: Path
) -> None:
    enrol(database, unit(4), version="0")
    artifacts = LocalArtifactStore(tmp_path)
    publish_facebank(artifacts, vectors)
    (reason,) = rebuild_index(database, artifacts, MODEL, lambda _: None)
    assert re.search(rf"facebank\.npy {problem}; run: screenalytics facebank show --force", reason)
    assert database.facebank("show") == FacebankRecord("0", MODEL)


def test_rebuilding_from_an_empty_data_root_is_refused_and_removes_nothing(
    database: VectorDatabase, tmp_path: Path
) -> None:
    enrol(database, unit(4))
    with pytest.raises(ArtifactError, match=f"{tmp_path}.* has neither a facebank nor .*--data-root"):
        rebuild_index(database, LocalArtifactStore(tmp_path), MODEL, lambda _: None)
    assert database.stored_facebanks() == ["show"]


def test_an_episode_that_is_published_during_a_rebuild_stays_stored(database: VectorDatabase, tmp_path: Path) -> None:
    artifacts = LocalArtifactStore(tmp_path)
    publish_facebank(artifacts, unit(2))

    def finish_an_episode(_line: str) -> None:
        with artifacts.staging("group_clusters", "show-s01e01") as staged:
            artifacts.publish(staged, fingerprint="", code_version="", config={}, inputs={}, metrics={})
        store(database, "show-s01e01", unit(1))

    assert rebuild_index(database, artifacts, MODEL, finish_an_episode) == []
    assert list(database.stored_episodes()) == ["show-s01e01"]


def test_an_episode_whose_run_stopped_halfway_does_not_stop_a_rebuild(database: VectorDatabase, tmp_path: Path) -> None:
    store(database, "show-s01e01", unit(2))
    artifacts = LocalArtifactStore(tmp_path)
    publish_facebank(artifacts, unit(2))
    for name in EPISODE_ARTIFACTS:
        inputs = {"split_tracks": "of an earlier run"} if name == "reembed" else {}
        with artifacts.staging(name, "show-s01e01") as staged:
            artifacts.publish(staged, fingerprint="", code_version="", config={}, inputs=inputs, metrics={})
    (reason,) = rebuild_index(database, artifacts, MODEL, lambda _: None)
    assert reason.startswith("show-s01e01: reembed was made from another split_tracks than the one that is published")
    assert reason.endswith("run: screenalytics run --ep-id show-s01e01")
    assert (database.stored_facebanks(), list(database.stored_episodes())) == (["show"], ["show-s01e01"])
