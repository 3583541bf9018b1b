"""The tracks table: made from the track of each detection, and read back."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from screenalytics_assets.core.common import schemas
from screenalytics_assets.core.common.arrow import boxes_of, column_of, table_of


class TrackBoxes(NamedTuple):
    """Where a track is at which time.

    Attributes:
        ts_s: (N,) float64 seconds, ascending.
        boxes: (N, 4) float32, normalised.
    """

    ts_s: NDArray[np.float64]
    boxes: NDArray[np.float32]

    def at(self, ts_s: NDArray[np.float64]) -> NDArray[np.float32]:
        """The boxes at these times, (M, 4), interpolated: with another stride the boxes are at other times."""
        return np.column_stack([np.interp(ts_s, self.ts_s, side) for side in self.boxes.T]).astype(np.float32)


def tracks_table(
    detections: pa.Table, tracker_ids: NDArray[np.int64], split_reasons: Mapping[int, str | None] | None = None
) -> pa.Table:
    """The tracks table of an episode.

    Args:
        detections: Rows of the detections table, by frame.
        tracker_ids: (N,) number of the track of each detection, below 0 for none.
        split_reasons: Reason of each track that begins at a split, by its number.

    Returns:
        Tracks in the order in which they begin, numbered in this order.
    """
    reasons = split_reasons or {}
    frame_idx, ts_s = column_of(detections, "frame_idx"), column_of(detections, "ts_s")
    members = _members(tracker_ids, frame_idx)
    confidence, shot_idx = column_of(detections, "confidence"), column_of(detections, "shot_idx")
    first = [rows[0] for rows in members]
    last = [rows[-1] for rows in members]
    count = len(members)
    return table_of(
        schemas.TRACKS,
        {
            "ep_id": _episode(detections, count),
            "track_id": [f"track-{i + 1:05d}" for i in range(count)],
            "start_s": ts_s[first],
            "end_s": ts_s[last],
            "start_frame": frame_idx[first],
            "end_frame": frame_idx[last],
            "shot_idx": shot_idx[first],
            "num_detections": [len(rows) for rows in members],
            "mean_confidence": np.array([confidence[rows].mean() for rows in members], np.float32),
            "split_reason": [reasons.get(int(tracker_ids[rows[0]])) for rows in members],
            "boxes": _boxes_column(detections, members),
        },
    )


def detection_ids_of(tracks: pa.Table) -> tuple[pa.Array, NDArray[np.int64]]:
    """The ids of the detections of all tracks, track by track in time, and the number of detections of each track."""
    boxes = tracks["boxes"].combine_chunks()
    return boxes.flatten().field("detection_id"), boxes.value_lengths().to_numpy()


def track_ids_by_detection(tracks: pa.Table) -> dict[str, str]:
    """The id of the track of each detection that is in one."""
    ids, lengths = detection_ids_of(tracks)
    return dict(zip(ids.to_pylist(), np.repeat(column_of(tracks, "track_id"), lengths).tolist(), strict=True))


def boxes_by_track(tracks: pa.Table) -> dict[str, TrackBoxes]:
    """The boxes of each track, by its id."""
    column = tracks["boxes"].combine_chunks()
    entries = column.flatten()
    ts_s, boxes = entries.field("ts_s").to_numpy(), boxes_of(entries.field("bbox"))
    lengths = column.value_lengths().to_numpy()
    ends = np.cumsum(lengths)
    return {
        track_id: TrackBoxes(ts_s[start:end], boxes[start:end])
        for track_id, start, end in zip(tracks["track_id"].to_pylist(), ends - lengths, ends, strict=True)
    }


def _boxes_column(detections: pa.Table, members: list[NDArray[np.int64]]) -> pa.Array:
    kind = schemas.TRACKS.field("boxes").type
    rows = detections.take(np.concatenate([np.empty(0, np.int64), *members]))
    fields = list(kind.value_type)
    boxes = pa.StructArray.from_arrays([rows[field.name].combine_chunks() for field in fields], fields=fields)
    ends = np.cumsum([len(rows) for rows in members], dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(np.concatenate([[0], ends]), pa.int32()), boxes, type=kind)


def _members(tracker_ids: NDArray[np.int64], frame_idx: NDArray[np.int32]) -> list[NDArray[np.int64]]:
    """Rows of each track in time, the tracks in the order in which they begin."""
    tracked = np.flatnonzero(tracker_ids >= 0)
    order = tracked[np.lexsort((frame_idx[tracked], tracker_ids[tracked]))]
    groups = np.split(order, np.flatnonzero(np.diff(tracker_ids[order])) + 1) if len(order) else []
    return sorted(groups, key=lambda rows: (int(frame_idx[rows[0]]), int(rows[0])))


def _episode(detections: pa.Table, count: int) -> list[str]:
    return [detections["ep_id"][0].as_py()] * count if count else []
