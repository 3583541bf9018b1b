"""The tracks of an episode with their faces and vectors: what identities and people are made from."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from screenalytics_assets.core.common.arrow import column_of


@dataclass(frozen=True)
class EpisodeTracks:
    """The tracks of an episode.

    Attributes:
        table: Rows of the tracks table.
        faces: Rows of the faces table.
        track_ids: The T tracks that have a vector, ascending, which is the order in which they begin.
        vectors: (T, 512) float32, unit rows, one for each of them.
        pictures: Tracks that show a picture of a face and no person; they have no vector.
    """

    table: pa.Table
    faces: pa.Table
    track_ids: Sequence[str]
    vectors: NDArray[np.float32]
    pictures: frozenset[str] = frozenset()

    @cached_property
    def without_vector(self) -> list[str]:
        """The tracks that have no vector: pictures, and those none of whose faces was accepted; ascending."""
        return sorted(set(self.table["track_id"].to_pylist()) - set(self.track_ids))

    def with_vector(self, track_ids: Iterable[str]) -> list[str]:
        """Those of these tracks that have a vector."""
        return [track_id for track_id in track_ids if track_id in self._rows]

    def rows_of(self, track_ids: Iterable[str]) -> NDArray[np.int64]:
        """The rows of ``vectors`` of these tracks; tracks without a vector are left out."""
        return np.array([self._rows[track_id] for track_id in self.with_vector(track_ids)], np.int64)

    def vector_of(self, track_id: str) -> NDArray[np.float32]:
        """(512,) the vector of a track that has one."""
        vector: NDArray[np.float32] = self.vectors[self._rows[track_id]]
        return vector

    @cached_property
    def face_counts(self) -> NDArray[np.int64]:
        """(T,) number of faces behind each vector."""
        return np.array([len(self._faces_of[track_id]) for track_id in self.track_ids], np.int64)

    def num_faces(self, track_ids: Iterable[str]) -> int:
        """How many faces these tracks have."""
        return sum(len(self._faces_of.get(track_id, ())) for track_id in track_ids)

    def weight_of(self, track_id: str) -> float:
        """The summed quality of a track's faces."""
        return sum(-negative_quality for negative_quality, _ in self._faces_of[track_id])

    def best_face(self, track_ids: Iterable[str]) -> str | None:
        """Id of the face of highest quality in these tracks, the earliest of equals; None if there is no face."""
        return min((face for track_id in track_ids for face in self._faces_of.get(track_id, ())), default=(0.0, None))[
            1
        ]

    def shots_of(self, track_ids: Iterable[str]) -> set[int]:
        """The shots that these tracks are in."""
        return {self._shots[track_id] for track_id in track_ids}

    @cached_property
    def _shots(self) -> dict[str, int]:
        return dict(zip(self.table["track_id"].to_pylist(), self.table["shot_idx"].to_pylist(), strict=True))

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {track_id: row for row, track_id in enumerate(self.track_ids)}

    @cached_property
    def _faces_of(self) -> dict[str, list[tuple[float, str]]]:
        """For each track its faces as (minus quality, face id), so that the least is the best and earliest."""
        found: dict[str, list[tuple[float, str]]] = {}
        for track_id, face_id, quality in zip(
            self.faces["track_id"].to_pylist(),
            self.faces["face_id"].to_pylist(),
            column_of(self.faces, "quality_score").tolist(),
            strict=True,
        ):
            found.setdefault(track_id, []).append((-quality, face_id))
        return found
