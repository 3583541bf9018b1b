"""Tracks after the appearance split: divided where the face changes, linked where it is the same."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from screenalytics_assets.core.common import schemas
from screenalytics_assets.core.common.arrow import boxes_of, column_of, table_of
from screenalytics_assets.core.tracking.appearance_split import (
    Observations,
    SplitLimits,
    SplitReason,
    box_jumps,
    sample_around_changes,
    sample_observations,
    split_track,
)
from screenalytics_assets.core.tracking.near_duplicates import representatives
from screenalytics_assets.core.tracking.track_table import TrackBoxes, detection_ids_of, tracks_table
from screenalytics_assets.core.tracking.tracklet_linking import ShotTracklet, link_shot

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""From detection ids to (N, 512) float32 unit rows, row i for id i."""


class Cut(NamedTuple):
    """Where a track was divided: the first detection that shows another face, and why."""

    detection_id: str
    reason: SplitReason


class SplitTracks(NamedTuple):
    """Tracks after the split, what was embedded for it, and where tracks were divided.

    Attributes:
        tracks: Rows of the tracks table.
        embedded: Rows of the table of split embeddings, each detection once.
        vectors: (N, 512) float32, row i for row i of ``embedded``.
        cuts: By track, then in time.
    """

    tracks: pa.Table
    embedded: pa.Table
    vectors: NDArray[np.float32]
    cuts: tuple[Cut, ...] = ()


def split_and_link(
    tracks: pa.Table,
    detections: pa.Table,
    usable: NDArray[np.bool_],
    embed: Embed,
    limits: SplitLimits,
    *,
    interval_s: float,
    max_gap_s: float,
    model_digest: str,
    patches: NDArray[np.uint8] | None = None,
    max_duplicate_s: float = 0.0,
) -> SplitTracks:
    """Divide tracks that show several people, and link the tracklets of a shot that show one.

    Args:
        tracks: Tracks from motion alone, in any order.
        detections: The detections of the episode, in any order.
        usable: (N,) whether each detection has a crop that is good enough to be embedded.
        embed: Computes vectors; called at most once for a detection.
        limits: When a track shows another face.
        interval_s: The best usable detection of each interval of this length is embedded, or its representative, and
            all usable detections around a change.
        max_gap_s: Tracklets of one face at most this far apart in time are linked.
        model_digest: Digest of the embedder.
        patches: (N, 20, 20) the `face_patch` of each detection; without them there are no near-duplicates.
        max_duplicate_s: Maximum time that one crop represents its near-duplicates.

    Returns:
        Tracks of the same detections; a track that begins at a split has a reason.
    """
    order = pc.sort_indices(detections, [("frame_idx", "ascending"), ("detection_id", "ascending")]).to_numpy()
    faces = _Faces(detections.take(order), usable[order], embed)
    members, shots = _tracks_in_time(tracks, faces.table)
    representative = np.arange(len(faces.ids))
    if patches is not None:
        representative = _representatives(faces, members, patches[order], limits.min_iou, max_duplicate_s)
    _embed_samples(faces, members, representative, limits, interval_s)
    tracklets: list[ShotTracklet] = []
    groups: list[int] = []
    cuts: list[Cut] = []
    for shot in np.unique(shots):
        in_shot = _split_shot(faces, [members[i] for i in np.flatnonzero(shots == shot)], limits)
        sums = np.stack([faces.weighted_sum(tracklet.rows) for tracklet in in_shot])
        linked = link_shot(in_shot, sums, min_sim=limits.soft_sim, max_gap_s=max_gap_s, interval_s=interval_s)
        cuts += _cuts_of_shot(faces.ids, in_shot, linked)
        groups += (len(tracklets) + linked).tolist()
        tracklets += in_shot
    new_tracks = _table_of_groups(faces.table, tracklets, groups)
    return SplitTracks(new_tracks, faces.embedded_table(model_digest), faces.vectors(), tuple(cuts))


def no_split_embeddings() -> tuple[pa.Table, NDArray[np.float32]]:
    """Empty table and vectors, which are published where the appearance split is switched off."""
    return schemas.SPLIT_EMBEDDINGS.empty_table(), np.empty((0, schemas.EMBEDDING_DIMENSION), np.float32)


class _Faces:
    """The detections of an episode in frame order, and the vectors of those embedded so far.

    Rows below are rows of ``table``.
    """

    def __init__(self, table: pa.Table, usable: NDArray[np.bool_], embed: Embed) -> None:
        self.table = table
        self.usable = usable
        self.ids: list[str] = table["detection_id"].to_pylist()
        self.ts_s = column_of(table, "ts_s")
        self.boxes = boxes_of(table["bbox"])
        self.quality = np.maximum(column_of(table, "quality_score"), np.finfo(np.float32).eps)
        self._embed = embed
        self._vectors = np.empty((0, schemas.EMBEDDING_DIMENSION), np.float32)
        self._vector_of_row = np.full(len(self.ids), -1, np.int64)

    def embed(self, parts: Sequence[NDArray[np.int64]]) -> None:
        """Embed the rows that have no vector yet."""
        rows = np.unique(np.concatenate([np.empty(0, np.int64), *parts]))
        rows = rows[self._vector_of_row[rows] < 0]
        if len(rows):
            self._vector_of_row[rows] = len(self._vectors) + np.arange(len(rows))
            self._vectors = np.concatenate([self._vectors, self._embed([self.ids[row] for row in rows])])

    def observations(self, rows: NDArray[np.int64]) -> Observations:
        """The detections of one track or tracklet."""
        embedded = np.flatnonzero(self._vector_of_row[rows] >= 0)
        vectors = self._vectors[self._vector_of_row[rows[embedded]]]
        return Observations(self.boxes[rows], embedded, vectors, self.quality[rows[embedded]])

    def weighted_sum(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(512,) quality-weighted sum of the vectors; zeros where there is none."""
        observed = self.observations(rows)
        return np.asarray(observed.quality @ observed.vectors, np.float32)

    def embedded_table(self, model_digest: str) -> pa.Table:
        """The embedded detections."""
        rows = self._embedded_rows()
        columns = {
            "ep_id": self.table["ep_id"].take(rows),
            "detection_id": [self.ids[row] for row in rows],
            "model_digest": [model_digest] * len(rows),
        }
        return table_of(schemas.SPLIT_EMBEDDINGS, columns)

    def vectors(self) -> NDArray[np.float32]:
        """The vectors in the order of `embedded_table`."""
        return self._vectors[self._vector_of_row[self._embedded_rows()]]

    def _embedded_rows(self) -> NDArray[np.int64]:
        return np.asarray(np.flatnonzero(self._vector_of_row >= 0))


def _tracks_in_time(tracks: pa.Table, detections: pa.Table) -> tuple[list[NDArray[np.int64]], NDArray[np.int32]]:
    """For each track the rows of its detections, ascending, and its shot; tracks in the order of their first row.

    Where two tracklets could return to one place, the first has it: so the order must not be that of the table.
    """
    ids, lengths = detection_ids_of(tracks)
    rows = pc.index_in(ids, value_set=detections["detection_id"].combine_chunks()).to_numpy()
    members = [np.sort(part) for part in np.split(rows.astype(np.int64), np.cumsum(lengths))[:-1]]
    order = sorted(range(len(members)), key=lambda track: int(members[track][0]))
    return [members[track] for track in order], column_of(tracks, "shot_idx")[order]


def _representatives(
    faces: _Faces,
    members: Sequence[NDArray[np.int64]],
    patches: NDArray[np.uint8],
    min_iou: float,
    max_duplicate_s: float,
) -> NDArray[np.int64]:
    """(N,) row of the representative of each detection."""
    found = np.arange(len(faces.ids))
    for rows in members:
        own = rows[faces.usable[rows]]
        jumps = np.searchsorted(own, rows[box_jumps(faces.boxes[rows], min_iou)])
        times_s, quality = faces.ts_s[own], faces.quality[own]
        found[own] = own[representatives(times_s, quality, patches[own], jumps, max_duplicate_s=max_duplicate_s)]
    return found


def _embed_samples(
    faces: _Faces,
    members: Sequence[NDArray[np.int64]],
    representative: NDArray[np.int64],
    limits: SplitLimits,
    interval_s: float,
) -> None:
    """Embed some detections of each track, then more where the face changes."""
    samples = [
        sample_observations(
            faces.ts_s[rows],
            faces.boxes[rows],
            faces.quality[rows],
            faces.usable[rows],
            interval_s=interval_s,
            min_iou=limits.min_iou,
        )
        for rows in members
    ]
    faces.embed([representative[rows[chosen]] for rows, chosen in zip(members, samples, strict=True)])
    around_changes = []
    for rows in members:
        own = np.searchsorted(rows, representative[rows])
        chosen = sample_around_changes(faces.observations(rows), faces.usable[rows], own, limits.soft_sim)
        around_changes.append(rows[chosen])
    faces.embed(around_changes)


def _split_shot(faces: _Faces, members: Sequence[NDArray[np.int64]], limits: SplitLimits) -> list[ShotTracklet]:
    """The tracklets of a shot, track by track."""
    found: list[ShotTracklet] = []
    for track, track_rows in enumerate(members):
        first = len(found)
        for tracklet in split_track(faces.observations(track_rows), limits):
            rows = track_rows[tracklet.positions]
            parent = None if tracklet.parent is None else first + tracklet.parent
            path = TrackBoxes(faces.ts_s[rows], faces.boxes[rows])
            found.append(ShotTracklet(track, rows, path, tracklet.reason, parent))
    return found


def _table_of_groups(detections: pa.Table, tracklets: Sequence[ShotTracklet], groups: Sequence[int]) -> pa.Table:
    """The tracks table with a track for each group of tracklets, which has the reason of the first of them."""
    numbers = np.full(detections.num_rows, -1, np.int64)
    reasons: dict[int, SplitReason | None] = {}
    for tracklet, group in sorted(zip(tracklets, groups, strict=True), key=lambda pair: int(pair[0].rows[0])):
        numbers[tracklet.rows] = group
        reasons.setdefault(group, tracklet.reason)
    return tracks_table(detections, numbers, reasons)


def _cuts_of_shot(ids: Sequence[str], tracklets: Sequence[ShotTracklet], groups: NDArray[np.int64]) -> list[Cut]:
    """The first detection of each other face of a track; a face that returns is no second cut."""
    cuts = []
    known: set[tuple[int, int]] = set()
    for tracklet, group in sorted(
        zip(tracklets, groups.tolist(), strict=True), key=lambda pair: (pair[0].track, int(pair[0].rows[0]))
    ):
        if tracklet.reason is not None and (tracklet.track, group) not in known:
            cuts.append(Cut(ids[tracklet.rows[0]], tracklet.reason))
        known.add((tracklet.track, group))
    return cuts
