"""Tracks of two people, found and cut afterwards from the vectors that there are already."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from screenalytics_assets.core.common.arrow import column_of, table_of
from screenalytics_assets.core.common.schemas import CUTS
from screenalytics_assets.core.tracking.appearance_split import GateLimits
from screenalytics_assets.core.tracking.split_and_link import Cut, gate_tracks

Vectors = Mapping[str, NDArray[np.float32]]
"""Vectors of unit norm by detection id, all of one embedder."""


def known_vectors(rows: pa.Table, vectors: NDArray[np.float32], model_digest: str) -> dict[str, NDArray[np.float32]]:
    """The vectors that an embedder has made, by detection id.

    Args:
        rows: detection_id and model_digest; row i is about vector i.
        vectors: (N, 512) float32.
        model_digest: The embedder.
    """
    made_by = zip(rows["detection_id"].to_pylist(), rows["model_digest"].to_pylist(), strict=True)
    return {detection_id: vectors[row] for row, (detection_id, digest) in enumerate(made_by) if digest == model_digest}


class Resplit(NamedTuple):
    """Tracks, and the cuts that made them, rows of the cuts table."""

    tracks: pa.Table
    cuts: pa.Table


def resplit_tracks(
    tracks: pa.Table,
    detections: pa.Table,
    known: Vectors,
    limits: GateLimits,
    *,
    interval_s: float,
    rejoin_gap_s: float,
) -> Resplit:
    """The appearance gate over tracks that exist, with nothing newly embedded.

    Args:
        tracks: Tracks, gated or not.
        detections: The detections of the episode.
        known: The vectors that the gate may compare.
        limits: When a track shows another face.
        interval_s: The best of each such stretch is compared, and all where the face changes.
        rejoin_gap_s: Pieces of one face at most this far apart in time are one track.

    Returns:
        The same detections in tracks. A track that begins where one began before keeps its id and the reason of its
        beginning, so that what is in order stays as it is; further pieces have numbers that no track had.
    """
    if not tracks.num_rows:
        return nothing_cut(tracks)
    has_vector = pc.is_in(detections["detection_id"], value_set=pa.array(list(known), pa.string())).to_numpy()

    def recall(detection_ids: Sequence[str]) -> NDArray[np.float32]:
        return np.stack([known[detection_id] for detection_id in detection_ids])

    gated = gate_tracks(
        tracks,
        detections,
        has_vector,
        recall,
        limits,
        interval_s=interval_s,
        rejoin_gap_s=rejoin_gap_s,
        model_digest="",
    )
    found = _with_earlier_ids(gated.tracks, tracks)
    return Resplit(found, _cuts_table(gated.cuts, tracks, found, detections))


def nothing_cut(tracks: pa.Table) -> Resplit:
    """Tracks as they are."""
    columns: dict[str, list[str]] = {name: [] for name in CUTS.names}
    return Resplit(tracks, table_of(CUTS, columns))


def cut_counts(cuts: pa.Table) -> dict[str, int]:
    """Number of cuts by reason, ``hard``, ``streak`` and ``iou``, and in ``total``."""
    reasons = Counter(cuts["reason"].to_pylist())
    return {**{reason: reasons[reason] for reason in ("hard", "streak", "iou")}, "total": cuts.num_rows}


def track_of_detection(tracks: pa.Table) -> dict[str, str]:
    """The track of each detection that is in one."""
    boxes = tracks["boxes"].combine_chunks()
    track_ids = np.repeat(column_of(tracks, "track_id"), boxes.value_lengths().to_numpy()).tolist()
    return dict(zip(boxes.flatten().field("detection_id").to_pylist(), track_ids, strict=True))


def _cuts_table(cuts: Sequence[Cut], before: pa.Table, after: pa.Table, detections: pa.Table) -> pa.Table:
    old, new = track_of_detection(before), track_of_detection(after)
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
    ids_and_reasons = zip(earlier["track_id"].to_pylist(), earlier["split_reason"].to_pylist(), strict=True)
    began = dict(zip(_first_detections(earlier), ids_and_reasons, strict=True))
    number = max(int(track_id.rpartition("-")[2]) for track_id, _ in began.values())
    ids, reasons = [], []
    for first, reason in zip(_first_detections(found), found["split_reason"].to_pylist(), strict=True):
        known = began.get(first)
        if known is None:
            number += 1
            known = (f"track-{number:05d}", reason)
        ids.append(known[0])
        reasons.append(known[1])
    for name, values in (("track_id", ids), ("split_reason", reasons)):
        column = found.schema.get_field_index(name)
        found = found.set_column(column, found.schema.field(name), pa.array(values, pa.string()))
    return found


def _first_detections(tracks: pa.Table) -> list[str]:
    """The detection with which each track begins."""
    boxes = tracks["boxes"].combine_chunks()
    lengths = boxes.value_lengths().to_numpy()
    firsts: list[str] = boxes.flatten().field("detection_id").take(np.cumsum(lengths) - lengths).to_pylist()
    return firsts
