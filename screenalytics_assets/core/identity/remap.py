"""What was found about tracks that were divided or joined since, carried over to what they are now."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from screenalytics_assets.core.common.arrow import column_of
from screenalytics_assets.core.embedding.crop_sampling import quality_ranks
from screenalytics_assets.core.identity.cannot_link import TrackPair
from screenalytics_assets.core.identity.clustering import cluster_of
from screenalytics_assets.core.identity.identities import (
    NO_ACCEPTED_FACE,
    cluster_stats,
    faces_of_tracks,
    identity_entry,
)
from screenalytics_assets.core.tracking.track_table import track_ids_by_detection

SEEN_TOGETHER = "seen_together"
"""Reason of a track that is seen together with the identity that most of its detections were in."""


def carry_faces(faces: pa.Table, tracks: pa.Table) -> pa.Table:
    """The same faces with the tracks that now hold their detections, ranked anew within them."""
    return _ranked(_retracked(faces, tracks))


def carry_rejected(rejected: pa.Table, tracks: pa.Table) -> pa.Table:
    """The same rejected candidates with the tracks that now hold their detections; those of no track stay so."""
    return _retracked(rejected, tracks)


def carry_identities(
    document: Mapping[str, Any],
    earlier_tracks: pa.Table,
    tracks: pa.Table,
    faces: pa.Table,
    track_ids: Sequence[str],
    vectors: NDArray[np.float32],
    *,
    seen_together: Sequence[TrackPair],
    min_cohesion: float,
) -> dict[str, Any]:
    """The same identities over other tracks: each goes where most of its detections were.

    A track that is seen together with tracks of that identity goes where the next most of its detections were, and is
    unassigned in the end; the tracks with most detections of an identity choose first.

    Args:
        document: The identities document of the earlier tracks.
        earlier_tracks: The tracks that it is about.
        tracks: The tracks of today; of the same detections.
        faces: Their embedded faces.
        track_ids: The tracks that have a vector.
        vectors: (T, 512) float32, unit rows, one for each of them.
        seen_together: Pairs of tracks that are two people.
        min_cohesion: Identities that are less coherent are flagged, if they ever were to be.
    """
    owner_of_track = {track: entry["identity_id"] for entry in document["identities"] for track in entry["track_ids"]}
    reason_of_track = {entry["track_id"]: entry["reason"] for entry in document["unassigned"]}
    came_from = origins(earlier_tracks, tracks)
    owner, homeless = _owners({track: came_from[track] for track in track_ids}, owner_of_track, seen_together)
    row_of = {track_id: row for row, track_id in enumerate(track_ids)}
    of_track = faces_of_tracks(faces)
    marks_cohesion = document["config"]["outlier_handling"]["mark_low_cohesion"]
    identities = []
    for entry in document["identities"]:
        rows = [row_of[track_id] for track_id in track_ids if owner.get(track_id) == entry["identity_id"]]
        if rows:
            cluster = cluster_of(vectors, np.array(rows))
            flag_below = min_cohesion if marks_cohesion else -1.0
            computed = identity_entry(entry["identity_id"], cluster, track_ids, of_track, flag_below=flag_below)
            identities.append({**entry, **computed, "outlier": entry["outlier"]})
    unassigned = [
        {"track_id": track_id, "reason": _reason(came_from[track_id], reason_of_track)} for track_id in homeless
    ]
    vectorless = sorted(set(tracks["track_id"].to_pylist()) - set(track_ids))
    unassigned += [{"track_id": track_id, "reason": NO_ACCEPTED_FACE} for track_id in vectorless]
    outliers = sum(entry["outlier"] for entry in identities)
    return {
        **document,
        "stats": {**document["stats"], **cluster_stats(identities, tracks=tracks.num_rows, outliers=outliers)},
        "identities": identities,
        "unassigned": sorted(unassigned, key=lambda entry: entry["track_id"]),
    }


def origins(earlier_tracks: pa.Table, tracks: pa.Table) -> dict[str, Counter[str]]:
    """For each track how many of its detections were in which earlier track, those that come first first."""
    earlier = track_ids_by_detection(earlier_tracks)
    found: dict[str, Counter[str]] = {}
    for detection_id, track_id in track_ids_by_detection(tracks).items():
        found.setdefault(track_id, Counter())[earlier[detection_id]] += 1
    return found


def _owners(
    came_from: Mapping[str, Counter[str]], owner_of_track: Mapping[str, str], seen_together: Sequence[TrackPair]
) -> tuple[dict[str, str], list[str]]:
    """The identity of each track, and the tracks that have none."""
    claims = []
    for track_id, earlier in came_from.items():
        shares: Counter[str] = Counter()
        for other, count in earlier.items():
            if other in owner_of_track:
                shares[owner_of_track[other]] += count
        claims += [(-count, rank, track_id, name) for rank, (name, count) in enumerate(shares.most_common())]
    rivals: dict[str, set[str]] = {}
    for first, second in seen_together:
        rivals.setdefault(first, set()).add(second)
        rivals.setdefault(second, set()).add(first)
    owner: dict[str, str] = {}
    for _, _, track_id, name in sorted(claims):
        if track_id not in owner and all(owner.get(rival) != name for rival in rivals.get(track_id, ())):
            owner[track_id] = name
    return owner, [track_id for track_id in came_from if track_id not in owner]


def _reason(came_from: Counter[str], reason_of_track: Mapping[str, str]) -> str:
    reasons = [reason_of_track[track_id] for track_id, _ in came_from.most_common() if track_id in reason_of_track]
    return reasons[0] if reasons else SEEN_TOGETHER


def _retracked(rows: pa.Table, tracks: pa.Table) -> pa.Table:
    track_of = track_ids_by_detection(tracks)
    ids = [track_of.get(detection_id) for detection_id in rows["detection_id"].to_pylist()]
    place = rows.schema.get_field_index("track_id")
    return rows.set_column(place, rows.schema.field(place), pa.array(ids, pa.string()))


def _ranked(faces: pa.Table) -> pa.Table:
    if not faces.num_rows:
        return faces
    _, number = np.unique(column_of(faces, "track_id").astype(str), return_inverse=True)
    ranks = quality_ranks(number, column_of(faces, "quality_score"))
    place = faces.schema.get_field_index("quality_rank")
    return faces.set_column(place, faces.schema.field(place), pa.array(ranks))
