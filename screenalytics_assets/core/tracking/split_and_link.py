"""The tracks of an episode after the appearance gate: divided where the face changes, joined where it is the same."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from screenalytics_assets.core.common import schemas
from screenalytics_assets.core.common.arrow import boxes_of, column_of, table_of
from screenalytics_assets.core.tracking.appearance_split import (
    GateLimits,
    Observations,
    Piece,
    Reason,
    around_unlike,
    box_jumps,
    find_pieces,
    sample_observations,
)
from screenalytics_assets.core.tracking.near_duplicates import stand_ins
from screenalytics_assets.core.tracking.track_table import tracks_table
from screenalytics_assets.core.tracking.tracklet_linking import rejoin

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""From detection ids to (N, 512) float32 of unit norm, row i for id i."""


class Cut(NamedTuple):
    """Where a track was divided: the first detection that shows another face than the track before, and why."""

    detection_id: str
    reason: Reason


class GatedTracks(NamedTuple):
    """Tracks, the detections that were embedded for them, each once, and where tracks were divided.

    Row i of the table is vector i.
    """

    tracks: pa.Table
    embedded: pa.Table
    vectors: NDArray[np.float32]
    cuts: tuple[Cut, ...] = ()


def gate_tracks(
    tracks: pa.Table,
    detections: pa.Table,
    trusted: NDArray[np.bool_],
    embed: Embed,
    limits: GateLimits,
    *,
    interval_s: float,
    rejoin_gap_s: float,
    model_digest: str,
    pictures: NDArray[np.uint8] | None = None,
    still_s: float = 0.0,
) -> GatedTracks:
    """Divide tracks that show several people, and join the pieces of a shot that show one.

    Args:
        tracks: Tracks as motion alone gives them.
        detections: The detections of the episode, in any order.
        trusted: (N,) for each detection, whether it has a crop that is good enough to mean something.
        embed: Makes vectors; never asked twice for a detection.
        limits: When a track shows another face.
        interval_s: The best trusted detection of each stretch of this length is embedded, or one whose picture is the
            same, and around changes all.
        rejoin_gap_s: Pieces of one face at most this far apart in time are one track.
        model_digest: Digest of the embedder.
        pictures: (N, 20, 20) for each detection its `face_picture`; without them none stands for another one.
        still_s: One detection stands for others at most this long.

    Returns:
        The same detections in tracks; a track that begins at a split says why.
    """
    order = pc.sort_indices(detections, [("frame_idx", "ascending"), ("detection_id", "ascending")]).to_numpy()
    gate = _Gate(detections.take(order), trusted[order], embed)
    if pictures is not None:
        gate.find_still(tracks, pictures[order], limits.iou, still_s)
    members = gate.members(tracks)
    gate.embed_rows([gate.sampled(rows, interval_s, limits.iou) for rows in members])
    gate.embed_rows([gate.refined(rows, limits.soft_sim) for rows in members])
    labels = np.full(detections.num_rows, -1, np.int64)
    reasons: dict[int, str | None] = {}
    shots = column_of(tracks, "shot_idx")
    for shot in np.unique(shots):
        in_shot = [members[i] for i in np.flatnonzero(shots == shot)]
        gate.label_shot(in_shot, limits, interval_s, rejoin_gap_s, labels, reasons)
    return GatedTracks(
        tracks_table(gate.detections, labels, reasons),
        gate.embedded_table(model_digest),
        gate.vectors_by_row(),
        tuple(gate.cuts),
    )


def no_embeddings() -> tuple[pa.Table, NDArray[np.float32]]:
    """What is published as embedded where the gate is off: nothing."""
    columns: dict[str, list[str]] = {name: [] for name in schemas.GATE.names}
    return table_of(schemas.GATE, columns), np.empty((0, schemas.EMBEDDING_DIMENSION), np.float32)


class _Gate:
    """The detections of an episode by frame, and the vectors of those that were embedded so far."""

    def __init__(self, detections: pa.Table, trusted: NDArray[np.bool_], embed: Embed) -> None:
        self.detections = detections
        self._trusted = trusted
        self._embed = embed
        self._ids: list[str] = detections["detection_id"].to_pylist()
        self._ts_s = column_of(detections, "ts_s")
        self._boxes = boxes_of(detections["bbox"])
        self._quality = np.maximum(column_of(detections, "quality_score"), np.finfo(np.float32).eps)
        self._vectors = np.empty((0, schemas.EMBEDDING_DIMENSION), np.float32)
        self._vector_of_row = np.full(len(self._ids), -1, np.int64)
        self._stand_in = np.arange(len(self._ids))
        self.cuts: list[Cut] = []

    def members(self, tracks: pa.Table) -> list[NDArray[np.int64]]:
        """The rows of each track's detections, in time."""
        boxes = tracks["boxes"].combine_chunks()
        ids = boxes.flatten().field("detection_id")
        rows = pc.index_in(ids, value_set=self.detections["detection_id"].combine_chunks()).to_numpy()
        parts = np.split(rows.astype(np.int64), np.cumsum(boxes.value_lengths().to_numpy()))
        return [np.sort(part) for part in parts[:-1]]

    def find_still(self, tracks: pa.Table, pictures: NDArray[np.uint8], min_iou: float, still_s: float) -> None:
        """Find the detections that another one of their track stands for, because it shows the same."""
        for rows in self.members(tracks):
            own = rows[self._trusted[rows]]
            jumps = np.searchsorted(own, rows[box_jumps(self._boxes[rows], min_iou)])
            times_s, quality = self._ts_s[own], self._quality[own]
            self._stand_in[own] = own[stand_ins(times_s, quality, pictures[own], jumps, still_s=still_s)]

    def sampled(self, rows: NDArray[np.int64], interval_s: float, min_iou: float) -> NDArray[np.int64]:
        """The rows of a track to embed first."""
        chosen = sample_observations(
            self._ts_s[rows],
            self._boxes[rows],
            self._quality[rows],
            self._trusted[rows],
            interval_s=interval_s,
            min_iou=min_iou,
        )
        return self._stand_in[rows[chosen]]

    def refined(self, rows: NDArray[np.int64], soft_sim: float) -> NDArray[np.int64]:
        """The rows of a track to embed because the face around them changes."""
        stand_in = np.searchsorted(rows, self._stand_in[rows])
        return np.asarray(rows[around_unlike(self._observations(rows), self._trusted[rows], stand_in, soft_sim)])

    def embed_rows(self, parts: Sequence[NDArray[np.int64]]) -> None:
        """Embed detections that are not yet."""
        rows = np.unique(np.concatenate([np.empty(0, np.int64), *parts]))
        rows = rows[self._vector_of_row[rows] < 0]
        if len(rows):
            self._vector_of_row[rows] = len(self._vectors) + np.arange(len(rows))
            self._vectors = np.concatenate([self._vectors, self._embed([self._ids[row] for row in rows])])

    def label_shot(
        self,
        tracks: Sequence[NDArray[np.int64]],
        limits: GateLimits,
        interval_s: float,
        rejoin_gap_s: float,
        labels: NDArray[np.int64],
        reasons: dict[int, str | None],
    ) -> None:
        """Write the new tracks of a shot into the labels, and why they begin."""
        pieces: list[Piece] = []
        rows_of_piece: list[NDArray[np.int64]] = []
        track_of_piece: list[int] = []
        for track, rows in enumerate(tracks):
            first = len(pieces)
            for piece in find_pieces(self._observations(rows), limits):
                pieces.append(piece._replace(host=None if piece.host is None else first + piece.host))
                rows_of_piece.append(rows[piece.positions])
                track_of_piece.append(track)
        times_s = [self._ts_s[rows] for rows in rows_of_piece]
        sums = np.stack([self._sum(rows) for rows in rows_of_piece])
        groups = rejoin(times_s, sums, min_sim=limits.soft_sim, max_gap_s=rejoin_gap_s)
        hosts = _hosts(pieces, times_s, track_of_piece, groups, interval_s)
        _return_to_hosts(hosts, times_s, groups)
        self._note_cuts(pieces, rows_of_piece, track_of_piece, groups)
        offset = int(labels.max(initial=-1)) + 1
        begins: dict[int, int] = {}
        for piece, rows, group in zip(pieces, rows_of_piece, groups.tolist(), strict=True):
            labels[rows] = offset + group
            if rows[0] <= begins.get(offset + group, rows[0]):
                begins[offset + group] = int(rows[0])
                reasons[offset + group] = piece.reason

    def _note_cuts(
        self,
        pieces: Sequence[Piece],
        rows_of_piece: Sequence[NDArray[np.int64]],
        track_of_piece: Sequence[int],
        groups: NDArray[np.int64],
    ) -> None:
        seen: set[tuple[int, int]] = set()
        in_time = sorted(range(len(pieces)), key=lambda i: (track_of_piece[i], int(rows_of_piece[i][0])))
        for i in in_time:
            reason, face = pieces[i].reason, (track_of_piece[i], int(groups[i]))
            if reason is not None and face not in seen:
                self.cuts.append(Cut(self._ids[rows_of_piece[i][0]], reason))
            seen.add(face)

    def embedded_table(self, model_digest: str) -> pa.Table:
        """The embedded detections, by frame."""
        rows = self._embedded_rows()
        return table_of(
            schemas.GATE,
            {
                "ep_id": self.detections["ep_id"].take(rows),
                "detection_id": [self._ids[row] for row in rows],
                "model_digest": [model_digest] * len(rows),
            },
        )

    def vectors_by_row(self) -> NDArray[np.float32]:
        """The vectors in the order of the table."""
        return self._vectors[self._vector_of_row[self._embedded_rows()]]

    def _embedded_rows(self) -> NDArray[np.int64]:
        return np.asarray(np.flatnonzero(self._vector_of_row >= 0))

    def _observations(self, rows: NDArray[np.int64]) -> Observations:
        embedded = np.flatnonzero(self._vector_of_row[rows] >= 0)
        return Observations(
            self._boxes[rows],
            embedded,
            self._vectors[self._vector_of_row[rows[embedded]]],
            self._quality[rows[embedded]],
        )

    def _sum(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        seen = self._observations(rows)
        return np.asarray(seen.quality @ seen.vectors, np.float32)


def _hosts(
    pieces: Sequence[Piece],
    times_s: Sequence[NDArray[np.float64]],
    track_of_piece: Sequence[int],
    groups: NDArray[np.int64],
    interval_s: float,
) -> list[int | None]:
    """For each piece the one that gets it back if nobody else shows the face.

    Where a face returns within the interval at which it is looked at, the moment between was one look, however many
    detections it has.
    """
    hosts = [piece.host for piece in pieces]
    tracks = np.asarray(track_of_piece)
    start_s = np.array([times[0] for times in times_s])
    end_s = np.array([times[-1] for times in times_s])
    for index in range(len(pieces)):
        before = np.flatnonzero((tracks == tracks[index]) & (end_s < start_s[index]))
        after = np.flatnonzero((tracks == tracks[index]) & (start_s > end_s[index]))
        if hosts[index] is None and len(before) and len(after) and end_s[index] - start_s[index] < interval_s:
            previous, following = before[np.argmax(end_s[before])], after[np.argmin(start_s[after])]
            hosts[index] = int(previous) if groups[previous] == groups[following] else None
    return hosts


def _return_to_hosts(
    hosts: Sequence[int | None], times_s: Sequence[NDArray[np.float64]], groups: NDArray[np.int64]
) -> None:
    """Give what nobody else has claimed back to the track it was in, unless that one has others in its frames."""
    alone = (np.bincount(groups, minlength=len(groups)) == 1)[groups]
    for index in np.flatnonzero(alone).tolist():
        host = hosts[index]
        while host is not None and alone[host] and hosts[host] is not None:
            host = hosts[host]
        if host is None:
            continue
        taken = np.concatenate([times_s[i] for i in np.flatnonzero(groups == groups[host]).tolist()])
        if not np.isin(times_s[index], taken).any():
            groups[index] = groups[host]
