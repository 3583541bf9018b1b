"""Faces as vectors in PostgreSQL: the facebank of each show, and the tracks of each episode.

Searches are exact: every vector is compared, with no index of neighbours. A show, and an episode, is replaced in one
transaction; whatever fails in between leaves what was there before.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import psycopg
import pyarrow as pa
from numpy.typing import NDArray
from pgvector import Vector
from pgvector.psycopg import register_vector
from psycopg_pool import ConnectionPool, PoolTimeout

from resources.database.database_schema import migrate
from resources.database.embedded_postgres import EmbeddedPostgres
from resources.database.vector_queries import (
    PHOTO_SIMILARITIES,
    SIMILARITIES_SQL,
    TRACK_COLUMNS,
    TRACK_MATCHES,
    TRACKS_SQL,
    load_query,
    require_vectors,
)
from resources.system.paths import embedded_database_dir
from screenalytics_assets.core.common.arrow import table_of
from screenalytics_assets.core.common.errors import DatabaseAwayError, DatabaseError

CONNECT_TIMEOUT_S = 10
_POOL_SIZE = 4


class FacebankRecord(NamedTuple):
    """What the database holds of a show's facebank: which photos, and made by which model."""

    version: str
    model_digest: str


class VectorDatabase:
    """An open database whose tables are of this version; close it, or use it as a context.

    Every method raises `DatabaseError` when the server is away; nothing is stored by halves.
    """

    def __init__(self, url: str | None = None, *, may_upgrade: bool = False) -> None:
        """Connect, and prepare an empty database.

        Args:
            url: A PostgreSQL server; without one the embedded server below the data root.
            may_upgrade: Also change the tables of an older version on that server, as is always done to the
                embedded one.

        Raises:
            DatabaseError: The server is away, or its tables are of another version.
            MissingPackageError: No server is named, and the embedded one is not installed.
        """
        self._embedded = None if url else EmbeddedPostgres(embedded_database_dir())
        self.place = "SCREENALYTICS_DATABASE_URL" if url else f"the embedded database in {embedded_database_dir()}"
        self._pool: ConnectionPool | None = None
        conninfo = self._embedded.open() if self._embedded else url or ""
        try:
            self._open(conninfo, may_upgrade=may_upgrade or self._embedded is not None)
        except BaseException:
            self.close()
            raise

    def _open(self, conninfo: str, *, may_upgrade: bool) -> None:
        options: dict[str, Any] = {"connect_timeout": CONNECT_TIMEOUT_S}
        if self._embedded:
            options["application_name"] = self._embedded.application
        with self._errors(), psycopg.connect(conninfo, autocommit=True, **options) as connection:
            migrate(connection, may_upgrade=may_upgrade)
        self._pool = ConnectionPool(
            conninfo,
            min_size=1,
            max_size=_POOL_SIZE,
            timeout=CONNECT_TIMEOUT_S,
            kwargs=options,
            configure=_configure,
            check=ConnectionPool.check_connection,
            open=True,
        )

    def close(self) -> None:
        """Disconnect; the last one to do so stops the embedded server."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None
        if self._embedded is not None:
            self._embedded.close()

    def __enter__(self) -> "VectorDatabase":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout) as error:
            raise DatabaseAwayError(
                f"{self.place} does not answer: {str(error).splitlines()[0]}. Start it or correct the address, then "
                "run again: what was stored before is as it was"
            ) from error
        except psycopg.ProgrammingError:
            if self._pool is not None:
                raise
            # Its message repeats the address, and with it the password.
            raise DatabaseError(
                f"{self.place} is not a PostgreSQL address: expected postgresql://user:password@host:port/name"
            ) from None

    @contextmanager
    def _transaction(self) -> Iterator[psycopg.Connection]:
        if self._pool is None:
            raise DatabaseError(f"{self.place} was closed: open it again")
        with self._errors(), self._pool.connection() as connection:
            yield connection

    def facebank(self, show: str) -> FacebankRecord | None:
        """What is stored of a show's facebank, or nothing where there is none."""
        with self._transaction() as connection:
            return _facebank(connection, show)

    def replace_facebank(
        self,
        show: str,
        *,
        version: str,
        model_digest: str,
        photo_ids: Sequence[str],
        person_ids: Sequence[str],
        vectors: NDArray[np.float32],
        names: Mapping[str, str] | None = None,
    ) -> None:
        """Store the photos of a show instead of those that were there.

        Args:
            show: The show.
            version: Changes whenever a photo, its person or its vector does.
            model_digest: The embedder that made the vectors.
            photo_ids: Name of each photo, unique in the show.
            person_ids: Who each photo shows.
            vectors: (N, 512) float32, unit norm.
            names: What people are called, by their ids; who is not in it is called by the id.
        """
        require_vectors(vectors, len(photo_ids))
        people = {person_id: (names or {}).get(person_id, person_id) for person_id in sorted(set(person_ids))}
        with self._transaction() as connection:
            _lock(connection, f"facebank {show}")
            connection.execute("delete from screenalytics.facebank where show = %s", [show])
            connection.execute(
                "insert into screenalytics.facebank (show, version, model_digest) values (%s, %s, %s)",
                [show, version, model_digest],
            )
            connection.cursor().executemany(
                "insert into screenalytics.facebank_person (show, person_id, name) values (%s, %s, %s)",
                [(show, person_id, name) for person_id, name in people.items()],
            )
            with connection.cursor().copy(
                "copy screenalytics.facebank_photo (show, position, photo_id, person_id, model_digest, vector) "
                "from stdin (format binary)"
            ) as copy:
                copy.set_types(["text", "int4", "text", "text", "text", "vector"])
                for position, (photo_id, person_id, vector) in enumerate(
                    zip(photo_ids, person_ids, vectors, strict=True)
                ):
                    copy.write_row([show, position, photo_id, person_id, model_digest, Vector(vector)])
            # The plan of a search depends on how many photos there are.
            connection.execute("analyze screenalytics.facebank_photo")

    def facebank_version(self, show: str, model_digest: str) -> str | None:
        """What changes whenever the facebank of a show does, for fingerprints; nothing where there is none.

        Raises:
            DatabaseError: It was made by another model.
        """
        with self._transaction() as connection:
            return _version_of_model(connection, show, model_digest)

    def facebank_names(self, show: str) -> dict[str, str]:
        """What the people of a show's facebank are called, by their ids; those with a photo that was accepted."""
        with self._transaction() as connection:
            rows = connection.execute(
                "select person_id, name from screenalytics.facebank_person where show = %s order by person_id", [show]
            ).fetchall()
        return dict(rows)

    def facebank_similarities(
        self, show: str, model_digest: str, track_ids: Sequence[str], vectors: NDArray[np.float32]
    ) -> pa.Table:
        """How alike each track is to each photo of a show's facebank: exact cosine similarity, computed in SQL.

        Args:
            show: The show.
            model_digest: The embedder that made the vectors.
            track_ids: A name for each vector.
            vectors: (N, 512) float32.

        Returns:
            ``track_id``, ``person_id``, ``photo_id``, ``similarity`` (float32): the tracks in the order given, for
            each the photos in the order in which they were stored. No rows where the show has no facebank.

        Raises:
            DatabaseError: The facebank was made by another model, or the server is away.
        """
        require_vectors(vectors, len(track_ids))
        with self._transaction() as connection:
            # All queries see one state of the tables.
            connection.execute("set transaction isolation level repeatable read")
            if _version_of_model(connection, show, model_digest) is None:
                return PHOTO_SIMILARITIES.empty_table()
            photos = connection.execute(
                "select photo_id, person_id from screenalytics.facebank_photo where show = %s order by position", [show]
            ).fetchall()
            load_query(connection, vectors)
            rows = connection.execute(
                SIMILARITIES_SQL, {"show": show, "model_digest": model_digest}, binary=True
            ).fetchall()
        # A facebank without photos gives null.
        similarities = np.frombuffer(b"".join(row or b"" for (row,) in rows), ">f4").astype(np.float32)
        track_rows, photo_rows = (index.ravel() for index in np.indices((len(vectors), len(photos))))
        return table_of(
            PHOTO_SIMILARITIES,
            {
                "track_id": pa.array(track_ids, pa.string()).take(pa.array(track_rows)),
                "person_id": pa.array([person_id for _, person_id in photos], pa.string()).take(pa.array(photo_rows)),
                "photo_id": pa.array([photo_id for photo_id, _ in photos], pa.string()).take(pa.array(photo_rows)),
                "similarity": similarities,
            },
        )

    def episode_digest(self, ep_id: str) -> str | None:
        """What is stored of an episode, by the digest that it was stored with; nothing where there is none."""
        with self._transaction() as connection:
            row = connection.execute(
                "select content_digest from screenalytics.episode where ep_id = %s", [ep_id]
            ).fetchone()
        return row[0] if row else None

    def replace_episode(
        self,
        ep_id: str,
        *,
        show: str,
        content_digest: str,
        model_digest: str,
        tracks: pa.Table,
        vectors: NDArray[np.float32],
    ) -> None:
        """Store the tracks of an episode instead of those that were there.

        Args:
            ep_id: The episode.
            show: Its show.
            content_digest: Tells later whether this is what is stored.
            model_digest: The embedder that made the vectors.
            tracks: The columns ``TRACK_COLUMNS``: ``identity_id`` is null for none, ``person_id`` and ``name`` are null
                or left out where nobody is named, ``detection_id`` is the track's best face.
            vectors: (N, 512) float32, one a track.
        """
        require_vectors(vectors, tracks.num_rows)
        with self._transaction() as connection:
            _lock(connection, f"episode {ep_id}")
            connection.execute("delete from screenalytics.episode where ep_id = %s", [ep_id])
            connection.execute(
                "insert into screenalytics.episode (ep_id, show, content_digest, model_digest) values (%s, %s, %s, %s)",
                [ep_id, show, content_digest, model_digest],
            )
            with connection.cursor().copy(
                f"copy screenalytics.track (ep_id, {', '.join(TRACK_COLUMNS)}, model_digest, vector) "
                "from stdin (format binary)"
            ) as copy:
                copy.set_types(["text", *TRACK_COLUMNS.values(), "text", "vector"])
                for row, vector in zip(tracks.to_pylist(), vectors, strict=True):
                    copy.write_row([ep_id, *map(row.get, TRACK_COLUMNS), model_digest, Vector(vector)])

    def remove_episode(self, ep_id: str) -> None:
        """Forget an episode."""
        with self._transaction() as connection:
            _lock(connection, f"episode {ep_id}")
            connection.execute("delete from screenalytics.episode where ep_id = %s", [ep_id])

    def stored_episodes(self, show: str | None = None) -> dict[str, str]:
        """The episodes, of one show or of all, and the model that made the vectors of each."""
        with self._transaction() as connection:
            rows = connection.execute(
                "select ep_id, model_digest from screenalytics.episode where show = coalesce(%s, show) order by ep_id",
                [show],
            ).fetchall()
        return dict(rows)

    def find_tracks(
        self,
        vector: NDArray[np.float32],
        model_digest: str,
        *,
        min_similarity: float,
        min_identity_sim: float,
        show: str | None = None,
    ) -> pa.Table:
        """The tracks that resemble a face, of one show or of all: exact cosine similarity, computed in SQL.

        A track is found by itself, or with its identity, whose tracks resemble the face on average: in the dark, or
        half covered, a person is known by the company of better tracks.

        Args:
            vector: (512,) float32.
            model_digest: The embedder that made it; tracks of another one are not compared.
            min_similarity: Least similarity of a track, or on average of the tracks of an identity.
            min_identity_sim: Least similarity of a track that is found with its identity.
            show: The show; without one, every episode.

        Returns:
            In the schema ``TRACK_MATCHES``, by episode and time.
        """
        require_vectors(vector[None], 1)
        with self._transaction() as connection:
            rows = connection.execute(
                TRACKS_SQL,
                {
                    "vector": Vector(vector),
                    "model_digest": model_digest,
                    "min_similarity": min_similarity,
                    "min_identity_sim": min_identity_sim,
                    "show": show,
                },
            ).fetchall()
        columns = zip(*rows, strict=True) if rows else [()] * len(TRACK_MATCHES)
        return table_of(TRACK_MATCHES, dict(zip(TRACK_MATCHES.names, map(list, columns), strict=True)))


def _facebank(connection: psycopg.Connection, show: str) -> FacebankRecord | None:
    row = connection.execute(
        "select version, model_digest from screenalytics.facebank where show = %s", [show]
    ).fetchone()
    return FacebankRecord(*row) if row else None


def _version_of_model(connection: psycopg.Connection, show: str, model_digest: str) -> str | None:
    stored = _facebank(connection, show)
    if stored is not None and stored.model_digest != model_digest:
        raise DatabaseError(
            f"the facebank of {show} was made by the embedder {stored.model_digest[:12]}, this run uses "
            f"{model_digest[:12]}: vectors of two models cannot be compared. Run `screenalytics facebank {show}` "
            "with the model of this run, or this run with the model of the facebank"
        )
    return stored.version if stored else None


def _lock(connection: psycopg.Connection, name: str) -> None:
    """One replacement of a thing at a time: a second one would not see the rows of the first, and add to them."""
    connection.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"screenalytics {name}"])


def _configure(connection: psycopg.Connection) -> None:
    register_vector(connection)
    connection.commit()
