"""The identities of an episode: which tracks are one person, and why the others are unassigned."""

from collections.abc import Collection, Iterable, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from screenalytics_assets.core.config.people_keys import ClusteringSettings
from screenalytics_assets.core.config.thresholds import Thresholds
from screenalytics_assets.core.documents.identities import ClusterStats, Identities, Identity, UnassignedTrack
from screenalytics_assets.core.identity.cannot_link import TrackPair, cannot_link_pairs
from screenalytics_assets.core.identity.clustering import Cluster, TrackVectors, blocked_merges, cluster_tracks
from screenalytics_assets.core.identity.episode_tracks import EpisodeTracks
from screenalytics_assets.core.identity.same_face import same_face_pairs
from screenalytics_assets.core.identity.stable_ids import EarlierIdentities, stable_ids

NO_ACCEPTED_FACE = "no_accepted_face"
"""Reason of a track none of whose faces was good enough to be embedded."""
NO_LIMIT = -1.0
"""A limit that no cosine similarity is below."""

PICTURE = "picture"
"""Reason of a track that shows a picture of a face: a photo, a poster, a drawing, a frozen frame."""


def identify(
    ep_id: str,
    tracks: EpisodeTracks,
    settings: ClusteringSettings,
    thresholds: Thresholds,
    *,
    earlier: EarlierIdentities | None = None,
) -> Identities:
    """Cluster the tracks of an episode into identities.

    Args:
        ep_id: The episode.
        tracks: All its tracks.
        settings: Constraints, size and outlier rules.
        thresholds: Similarities.
        earlier: The identities of this episode that were published before; the same person keeps the id.
    """
    cannot_link, same_face = seen_together(tracks, settings)
    pairs = [pair for pair in cannot_link if len(tracks.rows_of(pair)) == 2]
    clustered = TrackVectors(
        tracks.vectors,
        tracks.face_counts,
        np.array([tracks.rows_of(pair) for pair in pairs], np.int64).reshape(-1, 2),
    )
    limits = {"tight_thresh": thresholds.tight_thresh, "cluster_thresh": thresholds.cluster_thresh}
    clusters = cluster_tracks(
        clustered,
        **limits,
        min_identity_sim=thresholds.min_identity_sim,
        min_cluster_size=settings.min_cluster_size,
    )
    outliers_are_identities = settings.outlier_handling.treat_as_singletons
    kept = [cluster for cluster in clusters if not cluster.reason or outliers_are_identities]
    ids, last_number = stable_ids([_members(cluster, tracks) for cluster in kept], tracks.table, earlier)
    low_cohesion = low_cohesion_limit(settings, thresholds.min_cohesion)
    identities = [
        identity_of(identity_id, cluster, tracks, low_cohesion=low_cohesion)
        for identity_id, cluster in zip(ids, kept, strict=True)
    ]
    unassigned = [
        UnassignedTrack(track_id=track_id, reason=cluster.reason)
        for cluster in clusters
        if cluster.reason and not outliers_are_identities
        for track_id in _members(cluster, tracks)
    ]
    unassigned += unassigned_without_vector(tracks)
    return Identities(
        ep_id=ep_id,
        config=settings.model_dump(mode="json"),
        stats=cluster_stats(
            identities,
            unassigned,
            outliers=sum(cluster.reason is not None for cluster in clusters),
            cannot_link_pairs=len(pairs),
            blocked_merges=blocked_merges(clustered, clusters, **limits),
        ),
        last_identity_number=last_number,
        identities=tuple(identities),
        unassigned=_by_track(unassigned),
        **({"same_face": tuple(same_face)} if same_face else {}),
    )


def with_identities(
    document: Identities, identities: Sequence[Identity], unassigned: Sequence[UnassignedTrack]
) -> Identities:
    """The document with its tracks distributed otherwise, and the figures of that."""
    stats = cluster_stats(
        identities,
        unassigned,
        outliers=sum(identity.outlier for identity in identities),
        cannot_link_pairs=document.stats.cannot_link_pairs,
        blocked_merges=document.stats.blocked_merges,
    )
    return document.model_copy(
        update={"stats": stats, "identities": tuple(identities), "unassigned": _by_track(unassigned)}
    )


def same_face_warning(document: Identities, tracks: pa.Table) -> str | None:
    """A sentence with the faces that are in the picture twice, or None.

    Args:
        document: The identities.
        tracks: Rows of the tracks table.
    """
    if not document.same_face:
        return None
    starts_s = dict(zip(tracks["track_id"].to_pylist(), tracks["start_s"].to_pylist(), strict=True))
    first_s = min(starts_s[track_id] for pair in document.same_face for track_id in pair)
    return (
        f"pairs of tracks that show one face twice at the same time: {len(document.same_face)}, first at {first_s:.1f} "
        "s (a mirror, or a copy of the picture). Each pair is one person; if they are two, correct that with `split`"
    )


def seen_together(tracks: EpisodeTracks, settings: ClusteringSettings) -> tuple[list[TrackPair], list[TrackPair]]:
    """Pairs of tracks that are seen together: those that are two people, and those that show one face twice."""
    pairs = cannot_link_constraints(tracks.table, settings)
    same_face = same_face_pairs(tracks, pairs)
    return [pair for pair in pairs if pair not in same_face], same_face


def cannot_link_constraints(
    tracks: pa.Table, settings: ClusteringSettings, exempt: Collection[TrackPair] = ()
) -> list[TrackPair]:
    """Pairs of tracks that cannot be one person by the rules of the configuration.

    Args:
        tracks: Rows of the tracks table.
        settings: The rules.
        exempt: Pairs that may be one person nevertheless.
    """
    if not settings.cannot_link_enabled:
        return []
    return cannot_link_pairs(
        tracks,
        min_frames=settings.cannot_link_min_frames,
        max_iou=settings.cannot_link_max_iou,
        exempt=exempt,
    )


def low_cohesion_limit(settings: ClusteringSettings, min_cohesion: float) -> float:
    """The cohesion below which an identity is flagged; `NO_LIMIT` where that is switched off."""
    return min_cohesion if settings.outlier_handling.mark_low_cohesion else NO_LIMIT


def cluster_stats(
    identities: Sequence[Identity],
    unassigned: Sequence[UnassignedTrack],
    *,
    outliers: int,
    cannot_link_pairs: int,
    blocked_merges: int,
) -> ClusterStats:
    """Figures of a clustering.

    Args:
        identities: Its identities.
        unassigned: The other tracks.
        outliers: Number of outliers, whether they became identities or were left unassigned.
        cannot_link_pairs: Number of cannot-link pairs.
        blocked_merges: Number of merges that they prevented.
    """
    sizes = [len(identity.track_ids) for identity in identities]
    singletons = sum(size == 1 for size in sizes)
    return ClusterStats(
        clusters=len(sizes),
        tracks=sum(sizes) + len(unassigned),
        singleton_count=singletons,
        singleton_fraction=singletons / len(sizes) if sizes else 0.0,
        largest_cluster_size=max(sizes, default=0),
        largest_cluster_fraction=max(sizes) / sum(sizes) if sizes else 0.0,
        outlier_count=outliers,
        low_cohesion_count=sum(identity.low_cohesion for identity in identities),
        cannot_link_pairs=cannot_link_pairs,
        blocked_merges=blocked_merges,
    )


def identity_of(identity_id: str, cluster: Cluster, tracks: EpisodeTracks, *, low_cohesion: float) -> Identity:
    """A cluster as an identity of the document.

    Args:
        identity_id: Its id.
        cluster: Its tracks, as rows of the tracks that have a vector.
        tracks: The tracks of the episode.
        low_cohesion: A lower cohesion is flagged.
    """
    members = _members(cluster, tracks)
    identity = Identity(
        identity_id=identity_id,
        track_ids=tuple(members),
        outlier=cluster.reason is not None,
        low_cohesion=cluster.cohesion_score < low_cohesion,
        cohesion_score=round(cluster.cohesion_score, 4),
        min_identity_sim=round(cluster.min_identity_sim, 4),
        num_faces=tracks.num_faces(members),
        representative_face_id=tracks.best_face(members),
    )
    return identity.model_copy(update={"reason": cluster.reason}) if cluster.reason else identity


def unassigned_without_vector(tracks: EpisodeTracks) -> list[UnassignedTrack]:
    """The tracks that cannot be compared with others."""
    return [
        UnassignedTrack(track_id=track_id, reason=PICTURE if track_id in tracks.pictures else NO_ACCEPTED_FACE)
        for track_id in tracks.without_vector
    ]


def _members(cluster: Cluster, tracks: EpisodeTracks) -> list[str]:
    members: NDArray[np.int64] = cluster.members
    return [tracks.track_ids[row] for row in members]


def _by_track(unassigned: Iterable[UnassignedTrack]) -> tuple[UnassignedTrack, ...]:
    return tuple(sorted(unassigned, key=lambda track: track.track_id))
