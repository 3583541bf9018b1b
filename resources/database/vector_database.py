"""Faces as vectors in PostgreSQL: the facebank of each show, and the tracks of each episode.

Searches are exact: they compare every vector, without an approximate index. A show or an episode is replaced in one
transaction; if that fails, the earlier content stays.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import psycopg
import pyarrow as pa
from numpy.typing import NDArray
from pgvector import Vector

from resources.database.connection import DatabaseConnection
from resources.database.queries import (
    TRACK_COLUMNS,
    TRACK_MATCHES,
    TRACKS_SQL,
    require_vectors,
)
from screenalytics_assets.core.common.arrow import table_of


class FacebankRecord(NamedTuple):
    """The version of a show's stored facebank, and the model that made its vectors."""

    version: str
    model_digest: str


class VectorDatabase(DatabaseConnection):
    """The vectors of an open database.

    Every method raises `DatabaseError` if the server does not answer; nothing is stored in part.
    """

    def facebank(self, show: str) -> FacebankRecord | None:
        """The stored facebank of a show; None if there is none."""
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
        """Replace the stored photos of a show.

        Args:
            show: The show.
            version: Changes whenever a photo, its person or its vector does.
            model_digest: The embedder that made the vectors.
            photo_ids: Name of each photo, unique in the show.
            person_ids: Who each photo shows.
            vectors: (N, 512) float32, unit norm.
            names: Names by person id; a person without one is called by the id.
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

    def stored_facebanks(self) -> list[str]:
        """The shows whose facebank is stored."""
        with self._transaction() as connection:
            rows = connection.execute("select show from screenalytics.facebank order by show").fetchall()
        return [show for (show,) in rows]

    def remove_facebank(self, show: str) -> None:
        """Delete the facebank of a show."""
        with self._transaction() as connection:
            _lock(connection, f"facebank {show}")
            connection.execute("delete from screenalytics.facebank where show = %s", [show])

    def episode_digest(self, ep_id: str) -> str | None:
        """The digest that an episode was stored with; None if it is not stored."""
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
        """Replace the stored tracks of an episode.

        Args:
            ep_id: The episode.
            show: Its show.
            content_digest: Identifies this content; see `episode_digest`.
            model_digest: The embedder that made the vectors.
            tracks: The columns ``TRACK_COLUMNS``. ``identity_id`` may be null, ``person_id`` and ``name`` may be null
                or left out; ``detection_id`` is the track's best face.
            vectors: (N, 512) float32, row i for track i.
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
        """Delete an episode."""
        with self._transaction() as connection:
            _lock(connection, f"episode {ep_id}")
            connection.execute("delete from screenalytics.episode where ep_id = %s", [ep_id])

    def stored_episodes(self, show: str | None = None) -> dict[str, str]:
        """The stored episodes of one show or of all, each with the model that made its vectors."""
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
        """The tracks that resemble a face, by exact cosine similarity, computed in SQL.

        A track is found by itself, or because the tracks of its identity resemble the face on average: so a person is
        also found in tracks that are dark or half covered.

        Args:
            vector: (512,) float32.
            model_digest: The embedder that made it; tracks of another embedder are not compared.
            min_similarity: Least similarity of a track, or least mean similarity of the tracks of an identity.
            min_identity_sim: Least similarity of a track that is found because of its identity.
            show: Only the episodes of this show.

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


def _lock(connection: psycopg.Connection, name: str) -> None:
    """One replacement at a time: a concurrent one would not see the rows of the first, and add to them."""
    connection.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"screenalytics {name}"])
