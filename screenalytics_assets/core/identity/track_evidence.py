"""What tracks are compared by: their templates, and how far these can be relied on."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from screenalytics_assets.core.common.arrow import column_of
from screenalytics_assets.core.identity.episode_tracks import EpisodeTracks
from screenalytics_assets.core.identity.link_probability import reliability
from screenalytics_assets.core.identity.track_templates import pool_tracks
from screenalytics_assets.core.tracking.track_table import boxes_by_track


class PoorFaces(NamedTuple):
    """Faces of tracks without an accepted one.

    Attributes:
        table: N rows of the faces table.
        vectors: (N, 512) float32, unit rows.
    """

    table: pa.Table
    vectors: NDArray[np.float32]


class TrackEvidence(NamedTuple):
    """What tracks are compared by.

    Attributes:
        row_of: The row of each track that has a face with a vector, accepted or not.
        vectors: (T, 512) float64, the template of each, unit rows.
        reliability: (T,) mean `reliability` of its faces.
        spans_s: (T, 2) its start and end in seconds.
        shots: (T,) number of its shot.
        box_counts: (T,) number of its boxes.
        end_boxes: (T, 2, 4) its first and its last box, as fractions of the frame.
    """

    row_of: Mapping[str, int]
    vectors: NDArray[np.float64]
    reliability: NDArray[np.float64]
    spans_s: NDArray[np.float64]
    shots: NDArray[np.int64]
    box_counts: NDArray[np.int64]
    end_boxes: NDArray[np.float32]


def track_evidence(tracks: EpisodeTracks, poor: PoorFaces, detections: pa.Table) -> TrackEvidence:
    """The evidence of the tracks of an episode.

    Args:
        tracks: The tracks, with their accepted faces.
        poor: The best faces of the others.
        detections: Rows of the detections table: ``detection_id``, ``sharpness`` and ``yaw`` of all these faces.
    """
    poor_ids, poor_vectors = pool_tracks(*poor)
    track_ids = [*tracks.track_ids, *poor_ids]
    faces = pa.concat_tables([table.select(["track_id", "detection_id"]) for table in (tracks.faces, poor.table)])
    row_of = {track_id: row for row, track_id in enumerate(track_ids)}
    row_of_face = np.array([row_of.get(track_id, -1) for track_id in faces["track_id"].to_pylist()], np.int64)
    is_compared = row_of_face >= 0
    in_detections = pc.index_in(faces["detection_id"], value_set=detections["detection_id"].combine_chunks())
    measured = detections.take(in_detections.filter(pa.array(is_compared)))
    of_faces = reliability(column_of(measured, "sharpness"), column_of(measured, "yaw"))
    boxes = boxes_by_track(tracks.table)
    in_tracks = pc.index_in(pa.array(track_ids, pa.string()), value_set=tracks.table["track_id"].combine_chunks())
    spans = tracks.table.take(in_tracks)
    return TrackEvidence(
        row_of,
        np.concatenate([tracks.vectors, poor_vectors]).astype(np.float64),
        _means(of_faces, row_of_face[is_compared], len(track_ids)),
        np.column_stack([column_of(spans, "start_s"), column_of(spans, "end_s")]),
        column_of(spans, "shot_idx").astype(np.int64),
        np.array([len(boxes[track_id].boxes) for track_id in track_ids], np.int64),
        np.array([boxes[track_id].boxes[[0, -1]] for track_id in track_ids], np.float32).reshape(-1, 2, 4),
    )


def _means(values: NDArray[np.float64], groups: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """(count,) the mean value of each group; none is empty."""
    return np.bincount(groups, values, count) / np.bincount(groups, minlength=count)
