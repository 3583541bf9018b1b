"""The appearance split once more, over tracks of an earlier run, with the vectors that already exist."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from screenalytics_assets.core.common.arrow import table_of
from screenalytics_assets.core.common.schemas import CUTS
from screenalytics_assets.core.tracking.appearance_split import SplitLimits
from screenalytics_assets.core.tracking.split_and_link import Cut, split_and_link
from screenalytics_assets.core.tracking.track_table import detection_ids_of, track_ids_by_detection

Vectors = Mapping[str, NDArray[np.float32]]
"""Unit vectors by detection id, all of one embedder."""


def known_vectors(rows: pa.Table, vectors: NDArray[np.float32], model_digest: str) -> dict[str, NDArray[np.float32]]:
    """The vectors of one embedder, by detection id.

    Args:
        rows: Table with ``detection_id`` and ``model_digest``; row i describes vector i.
        vectors: (N, 512) float32.
        model_digest: Digest of the embedder.
    """
    digests = zip(rows["detection_id"].to_pylist(), rows["model_digest"].to_pylist(), strict=True)
    return {detection_id: vectors[row] for row, (detection_id, digest) in enumerate(digests) if digest == model_digest}


class Resplit(NamedTuple):
    """Tracks, and where they were divided, in the declared schemas."""

    tracks: pa.Table
    cuts: pa.Table


def resplit_tracks(
    tracks: pa.Table,
    detections: pa.Table,
    known: Vectors,
    limits: SplitLimits,
    *,
    interval_s: float,
    max_gap_s: float,
) -> Resplit:
    """Split and link existing tracks without embedding anything.

    Args:
        tracks: Tracks before or after an appearance split.
        detections: The detections of the episode.
        known: The vectors to compare.
        limits: When a track shows another face.
        interval_s: As for `split_and_link`.
        max_gap_s: As for `split_and_link`.

    Returns:
        Tracks of the same detections. A track that begins with the same detection as an earlier one keeps its id and
        its split reason, so correct tracks do not change; new tracks have numbers that no track had.
    """
    if not tracks.num_rows:
        return unsplit(tracks)
    has_vector = pc.is_in(detections["detection_id"], value_set=pa.array(list(known), pa.string())).to_numpy()

    def recall(detection_ids: Sequence[str]) -> NDArray[np.float32]:
        return np.stack([known[detection_id] for detection_id in detection_ids])

    split = split_and_link(
        tracks,
        detections,
        has_vector,
        recall,
        limits,
        interval_s=interval_s,
        max_gap_s=max_gap_s,
        model_digest="",
    )
    found = _with_earlier_ids(split.tracks, tracks)
    return Resplit(found, _cuts_table(split.cuts, tracks, found, detections))


def unsplit(tracks: pa.Table) -> Resplit:
    """The same tracks and no cuts."""
    return Resplit(tracks, CUTS.empty_table())


def cut_counts(cuts: pa.Table) -> dict[str, int]:
    """Number of cuts by reason (``hard``, ``streak``, ``iou``) and in ``total``."""
    reasons = Counter(cuts["reason"].to_pylist())
    return {**{reason: reasons[reason] for reason in ("hard", "streak", "iou")}, "total": cuts.num_rows}


def _cuts_table(cuts: Sequence[Cut], before: pa.Table, after: pa.Table, detections: pa.Table) -> pa.Table:
    old, new = track_ids_by_detection(before), track_ids_by_detection(after)
    ts_s = dict(zip(detections["detection_id"].to_pylist(), detections["ts_s"].to_pylist(), strict=True))
    ids = [cut.detection_id for cut in cuts]
    return table_of(
        CUTS,
        {
            "ep_id": before["ep_id"].to_pylist()[:1] * len(cuts),
            "track_id": [old[detection_id] for detection_id in ids],
            "new_track_id": [new[detection_id] for detection_id in ids],
            "detection_id": ids,
            "ts_s": [ts_s[detection_id] for detection_id in ids],
            "reason": [cut.reason for cut in cuts],
        },
    )


def _with_earlier_ids(found: pa.Table, earlier: pa.Table) -> pa.Table:
    """Tracks with the id and reason of the earlier track that begins with the same detection, or a new id."""
    ids_and_reasons = zip(earlier["track_id"].to_pylist(), earlier["split_reason"].to_pylist(), strict=True)
    known = dict(zip(_first_detections(earlier), ids_and_reasons, strict=True))
    number = max(int(track_id.rpartition("-")[2]) for track_id, _ in known.values())
    ids, reasons = [], []
    for first, reason in zip(_first_detections(found), found["split_reason"].to_pylist(), strict=True):
        if first not in known:
            number += 1
            known[first] = (f"track-{number:05d}", reason)
        track_id, split_reason = known[first]
        ids.append(track_id)
        reasons.append(split_reason)
    for name, values in (("track_id", ids), ("split_reason", reasons)):
        column = found.schema.get_field_index(name)
        found = found.set_column(column, found.schema.field(name), pa.array(values, pa.string()))
    return found


def _first_detections(tracks: pa.Table) -> list[str]:
    """The detection with which each track begins."""
    ids, lengths = detection_ids_of(tracks)
    firsts: list[str] = ids.take(np.cumsum(lengths) - lengths).to_pylist()
    return firsts
