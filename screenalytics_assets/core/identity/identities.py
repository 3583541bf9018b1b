"""The identities document: who is who in an episode, and which tracks are nobody."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from screenalytics_assets.core.common.arrow import column_of
from screenalytics_assets.core.config.people_keys import ClusteringSettings
from screenalytics_assets.core.config.thresholds import Thresholds
from screenalytics_assets.core.identity.cannot_link import TrackPair, cannot_link_pairs
from screenalytics_assets.core.identity.clustering import Cluster, Tracks, blocked_merges, cluster_tracks
from screenalytics_assets.core.identity.stable_ids import Publication, stable_ids

NO_ACCEPTED_FACE = "no_accepted_face"
"""Reason of a track none of whose faces was good enough to be embedded."""


def identify(
    ep_id: str,
    tracks: pa.Table,
    faces: pa.Table,
    track_ids: Sequence[str],
    vectors: NDArray[np.float32],
    settings: ClusteringSettings,
    thresholds: Thresholds,
    *,
    exempt: Collection[TrackPair] = (),
    earlier: Publication | None = None,
) -> dict[str, Any]:
    """Build the identities document of an episode; every track is in one identity or has a reason.

    Args:
        ep_id: The episode.
        tracks: All its tracks.
        faces: Its embedded faces.
        track_ids: The tracks that have a vector, ascending, which is the order in which they begin.
        vectors: (T, 512) float32, unit rows, one for each of them.
        settings: Constraints, size and outlier rules.
        thresholds: Similarities.
        exempt: Pairs of tracks that may be one person although they are seen together.
        earlier: The identities of this episode that were published before; who is there again keeps the id.
    """
    faces_of_track = faces_of_tracks(faces)
    row_of = {track_id: row for row, track_id in enumerate(track_ids)}
    seen_together = [pair for pair in apart(tracks, settings, exempt) if set(pair) <= row_of.keys()]
    known = Tracks(
        vectors,
        np.array([len(faces_of_track[track_id]) for track_id in track_ids], np.int64),
        np.array([[row_of[track_id] for track_id in pair] for pair in seen_together], np.int64).reshape(-1, 2),
    )
    limits = {"tight_thresh": thresholds.tight_thresh, "cluster_thresh": thresholds.cluster_thresh}
    clusters = cluster_tracks(
        known,
        **limits,
        min_identity_sim=thresholds.min_identity_sim,
        min_cluster_size=settings.min_cluster_size,
    )
    noise = [] if settings.outlier_handling.treat_as_singletons else [c for c in clusters if c.reason]
    kept = [c for c in clusters if not c.reason or settings.outlier_handling.treat_as_singletons]
    ids, last_number = stable_ids([[track_ids[row] for row in c.members] for c in kept], tracks, earlier)
    identities = [
        identity_entry(
            identity_id,
            cluster,
            track_ids,
            faces_of_track,
            flag_below=thresholds.min_cohesion if settings.outlier_handling.mark_low_cohesion else -1.0,
        )
        for identity_id, cluster in zip(ids, kept, strict=True)
    ]
    unassigned = [
        {"track_id": track_ids[row], "reason": cluster.reason} for cluster in noise for row in cluster.members
    ]
    vectorless = sorted(set(tracks["track_id"].to_pylist()) - set(track_ids))
    unassigned += [{"track_id": track_id, "reason": NO_ACCEPTED_FACE} for track_id in vectorless]
    return {
        "ep_id": ep_id,
        "config": settings.model_dump(mode="json"),
        "stats": cluster_stats(
            identities, tracks=tracks.num_rows, outliers=sum(cluster.reason is not None for cluster in clusters)
        )
        | {"cannot_link_pairs": len(seen_together), "blocked_merges": blocked_merges(known, clusters, **limits)},
        "last_identity_number": last_number,
        "identities": identities,
        "unassigned": sorted(unassigned, key=lambda entry: entry["track_id"]),
    }


def apart(tracks: pa.Table, settings: ClusteringSettings, exempt: Collection[TrackPair] = ()) -> list[TrackPair]:
    """Pairs of tracks that are two people by the rules of the configuration."""
    if not settings.cannot_link_enabled:
        return []
    return cannot_link_pairs(
        tracks,
        min_frames=settings.cannot_link_min_frames,
        max_iou=settings.cannot_link_max_iou,
        exempt=exempt,
    )


def cluster_stats(identities: Sequence[Mapping[str, Any]], *, tracks: int, outliers: int) -> dict[str, float]:
    """Figures of a clustering; fractions of singletons are of the identities, of the largest one of its tracks.

    Args:
        identities: As in the document.
        tracks: Number of tracks of the episode, with those in no identity.
        outliers: Number of tracks that the clustering singled out, whether they became identities or not.
    """
    sizes = [len(identity["track_ids"]) for identity in identities]
    singletons = sum(size == 1 for size in sizes)
    return {
        "clusters": len(sizes),
        "tracks": tracks,
        "singleton_count": singletons,
        "singleton_fraction": singletons / len(sizes) if sizes else 0.0,
        "largest_cluster_size": max(sizes, default=0),
        "largest_cluster_fraction": max(sizes) / sum(sizes) if sizes else 0.0,
        "outlier_count": outliers,
        "low_cohesion_count": sum(identity["low_cohesion"] for identity in identities),
    }


def identity_entry(
    identity_id: str,
    cluster: Cluster,
    track_ids: Sequence[str],
    faces_of_track: Mapping[str, list[tuple[float, str]]],
    *,
    flag_below: float,
) -> dict[str, Any]:
    """An identity as it stands in the document.

    Args:
        identity_id: Its id.
        cluster: Its tracks, as rows of ``track_ids``.
        track_ids: The tracks that have a vector.
        faces_of_track: As `faces_of_tracks` gives them.
        flag_below: A lower mean similarity between its tracks is flagged.
    """
    own_tracks = [track_ids[row] for row in cluster.members]
    own_faces = [face for track_id in own_tracks for face in faces_of_track[track_id]]
    identity = {
        "identity_id": identity_id,
        "track_ids": own_tracks,
        "outlier": cluster.reason is not None,
        "low_cohesion": cluster.cohesion_score < flag_below,
        "cohesion_score": round(cluster.cohesion_score, 4),
        "min_identity_sim": round(cluster.min_identity_sim, 4),
        "num_faces": len(own_faces),
        "representative_face_id": min(own_faces)[1],
    }
    return identity | ({"reason": cluster.reason} if cluster.reason else {})


def faces_of_tracks(faces: pa.Table) -> dict[str, list[tuple[float, str]]]:
    """For each track its faces as (minus quality, face id), so that the least is the best and earliest."""
    found: dict[str, list[tuple[float, str]]] = {}
    for track_id, face_id, quality in zip(
        faces["track_id"].to_pylist(),
        faces["face_id"].to_pylist(),
        column_of(faces, "quality_score").tolist(),
        strict=True,
    ):
        found.setdefault(track_id, []).append((-quality, face_id))
    return found
