"""Faces and identities carried over to tracks that were split or linked since."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from screenalytics_assets.core.common.arrow import column_of
from screenalytics_assets.core.documents.identities import Identities, Identity, UnassignedTrack
from screenalytics_assets.core.embedding.crop_sampling import quality_ranks
from screenalytics_assets.core.identity.cannot_link import TrackPair
from screenalytics_assets.core.identity.clustering import cluster_of
from screenalytics_assets.core.identity.episode_tracks import EpisodeTracks
from screenalytics_assets.core.identity.identities import (
    identity_of,
    low_cohesion_limit,
    unassigned_without_vector,
    with_identities,
)
from screenalytics_assets.core.tracking.track_table import track_ids_by_detection

SEEN_TOGETHER = "seen_together"
"""Reason of a track that cannot be linked to any of the identities that its detections were in."""


def remap_faces(faces: pa.Table, tracks: pa.Table) -> pa.Table:
    """The same faces, each with the track that now holds its detection and its new rank there."""
    return _ranked(_with_tracks(faces, tracks))


def remap_rejected(rejected: pa.Table, tracks: pa.Table) -> pa.Table:
    """The same rejected candidates with the tracks that now hold their detections, if any."""
    return _with_tracks(rejected, tracks)


def remap_identities(
    document: Identities,
    earlier_tracks: pa.Table,
    tracks: EpisodeTracks,
    *,
    cannot_link: Sequence[TrackPair],
    same_face: Sequence[TrackPair] = (),
    min_cohesion: float,
) -> Identities:
    """The same identities over other tracks of the same detections: each track goes where most of its detections were.

    A track that cannot be linked to that identity goes where the next most of its detections were, and is unassigned
    if no identity is left. The tracks that share most detections with an identity are assigned first.

    Args:
        document: The identities of the earlier tracks.
        earlier_tracks: Rows of the earlier tracks table.
        tracks: The tracks of today.
        cannot_link: Pairs of the tracks of today that cannot be one person.
        same_face: Pairs of the tracks of today that show one face twice.
        min_cohesion: A lower cohesion is flagged, if the document flags low cohesion at all.
    """
    found_in = origins(earlier_tracks, tracks.table)
    came_from = {track_id: found_in[track_id] for track_id in tracks.track_ids}
    earlier_owner_of = {track_id: identity.identity_id for track_id, identity in document.identity_of.items()}
    owner_of = _owners(came_from, earlier_owner_of, cannot_link)
    low_cohesion = low_cohesion_limit(document.settings, min_cohesion)
    identities = [
        _remapped(identity, members, tracks, low_cohesion)
        for identity in document.identities
        if (members := [track_id for track_id in tracks.track_ids if owner_of.get(track_id) == identity.identity_id])
    ]
    reasons = {track.track_id: track.reason for track in document.unassigned}
    unassigned = [
        UnassignedTrack(track_id=track_id, reason=_reason(earlier, reasons))
        for track_id, earlier in came_from.items()
        if track_id not in owner_of
    ]
    found = with_identities(document, identities, unassigned + unassigned_without_vector(tracks))
    kept = {key: value for key, value in found.to_dict().items() if key != "same_face"}
    return Identities.model_validate(kept | ({"same_face": tuple(same_face)} if same_face else {}))


def origins(earlier_tracks: pa.Table, tracks: pa.Table) -> dict[str, Counter[str]]:
    """For each track how many of its detections were in which earlier track, in the order of the detections."""
    earlier = track_ids_by_detection(earlier_tracks)
    found: dict[str, Counter[str]] = {}
    for detection_id, track_id in track_ids_by_detection(tracks).items():
        found.setdefault(track_id, Counter())[earlier[detection_id]] += 1
    return found


def _owners(
    came_from: Mapping[str, Counter[str]], earlier_owner_of: Mapping[str, str], cannot_link: Sequence[TrackPair]
) -> dict[str, str]:
    """The id of the identity of each track that has one."""
    claims = [
        (-shared, rank, track_id, identity_id)
        for track_id, earlier in came_from.items()
        for rank, (identity_id, shared) in enumerate(_shares(earlier, earlier_owner_of).most_common())
    ]
    rivals: dict[str, set[str]] = {}
    for first, second in cannot_link:
        rivals.setdefault(first, set()).add(second)
        rivals.setdefault(second, set()).add(first)
    owner_of: dict[str, str] = {}
    for _, _, track_id, identity_id in sorted(claims):
        if track_id not in owner_of and all(owner_of.get(rival) != identity_id for rival in rivals.get(track_id, ())):
            owner_of[track_id] = identity_id
    return owner_of


def _shares(earlier: Counter[str], earlier_owner_of: Mapping[str, str]) -> Counter[str]:
    """How many detections of a track were in which identity."""
    shares: Counter[str] = Counter()
    for track_id, count in earlier.items():
        if track_id in earlier_owner_of:
            shares[earlier_owner_of[track_id]] += count
    return shares


def _remapped(identity: Identity, members: Sequence[str], tracks: EpisodeTracks, low_cohesion: float) -> Identity:
    cluster = cluster_of(tracks.vectors, tracks.rows_of(members))
    kept = {"outlier": identity.outlier} | ({"reason": identity.reason} if identity.reason else {})
    return identity_of(identity.identity_id, cluster, tracks, low_cohesion=low_cohesion).model_copy(update=kept)


def _reason(earlier: Counter[str], reasons: Mapping[str, str]) -> str:
    """Why the track was unassigned that most of the detections came from; or that no identity can be linked to it."""
    return next((reasons[track_id] for track_id, _ in earlier.most_common() if track_id in reasons), SEEN_TOGETHER)


def _with_tracks(rows: pa.Table, tracks: pa.Table) -> pa.Table:
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
