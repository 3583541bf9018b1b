"""Similar groups of tracks merged, but for those that cannot be one person."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from screenalytics_assets.core.documents.grouping import MergeDecision
from screenalytics_assets.core.identity.cannot_link import TrackPair
from screenalytics_assets.core.identity.episode_tracks import EpisodeTracks
from screenalytics_assets.core.people.cluster_merging import ClusterFeatures, ClusterMerge, merge_clusters
from screenalytics_assets.core.people.groups import Group, confirmed_together
from screenalytics_assets.core.people.naming import NameMatch, Namer


def merge_similar_groups(
    groups: Sequence[Group], pairs: Sequence[TrackPair], tracks: EpisodeTracks, namer: Namer
) -> tuple[list[Group], list[MergeDecision]]:
    """Merge groups that are similar.

    A track that was left unassigned takes no part unless a correction named it, and one that a correction gave to a
    person takes none; nor do groups without a vector.
    """
    candidates = [
        group
        for group in groups
        if (group.is_assigned or group.name) and not group.is_given and tracks.with_vector(group.tracks)
    ]
    matches = [namer.match(group) for group in candidates]
    features = ClusterFeatures(
        means=np.array(
            [tracks.vectors[tracks.rows_of(group.tracks)].astype(np.float64).mean(0) for group in candidates]
        ).reshape(-1, tracks.vectors.shape[1]),
        tracks=np.array([len(tracks.rows_of(group.tracks)) for group in candidates], np.int64),
        faces=np.array([tracks.num_faces(tracks.with_vector(group.tracks)) for group in candidates], np.int64),
        doubtful=np.array([group.is_doubtful for group in candidates], bool),
        cannot_link=cannot_link_groups(candidates, pairs) | _different_people(candidates, matches),
    )
    decisions = [
        _merge(candidates[merge.kept], candidates[merge.absorbed], merge, tracks)
        for merge in merge_clusters(features, namer.limits)
    ]
    return [group for group in groups if group.tracks], decisions


def _merge(kept: Group, absorbed: Group, merge: ClusterMerge, tracks: EpisodeTracks) -> MergeDecision:
    """Move everything of the second group to the first; returns the record of that."""
    rounded = {
        name: None if value is None else round(value, 4)
        for name, value in merge._asdict().items()
        if name not in ("kept", "absorbed")
    }
    decision = MergeDecision(
        decision="merged",
        clusters=(tuple(kept.clusters), tuple(absorbed.clusters)),
        shared_shots=len(tracks.shots_of(kept.tracks) & tracks.shots_of(absorbed.tracks)),
        **rounded,
    )
    confirmed = confirmed_together([kept, absorbed])
    kept.clusters += absorbed.clusters
    kept.tracks += absorbed.tracks
    kept.confirmed = confirmed
    kept.is_doubtful &= absorbed.is_doubtful
    kept.name = kept.name or absorbed.name
    kept.excluded |= absorbed.excluded
    kept.is_split_off |= absorbed.is_split_off
    absorbed.tracks = []
    return decision


def cannot_link_groups(groups: Sequence[Group], pairs: Sequence[TrackPair]) -> NDArray[np.bool_]:
    """(N, N) groups of which two tracks cannot be linked."""
    number_of = {track: i for i, group in enumerate(groups) for track in group.tracks}
    matrix = np.zeros((len(groups), len(groups)), bool)
    for a, b in pairs:
        first, second = number_of.get(a), number_of.get(b)
        if first is not None and second is not None and first != second:
            matrix[first, second] = matrix[second, first] = True
    return matrix


def _different_people(groups: Sequence[Group], matches: Sequence[NameMatch]) -> NDArray[np.bool_]:
    """(N, N) groups with two names, or of which a correction says that one is not who the other is."""
    names = np.array([match.person_id or "" for match in matches], object)
    known = names != ""
    matrix = known[:, None] & known[None, :] & (names[:, None] != names[None, :])
    for i, group in enumerate(groups):
        denied = np.isin(names, list(group.excluded))
        matrix[i, denied] = matrix[denied, i] = True
    np.fill_diagonal(matrix, False)
    return matrix
