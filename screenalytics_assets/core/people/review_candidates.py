"""Review candidates: identities that may be the same person, and identities that may hold two people."""

from collections.abc import Collection, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from screenalytics_assets.core.documents.identities import Identity
from screenalytics_assets.core.identity.cannot_link import TrackPair
from screenalytics_assets.core.identity.constrained_linkage import required_similarity
from screenalytics_assets.core.identity.episode_tracks import EpisodeTracks
from screenalytics_assets.core.people.corrections.corrections import Corrections, Merge, Split, TrackPlaces


class MergeLimits(NamedTuple):
    """Mean similarities from which two sets of faces are one person (`required_similarity`)."""

    tight_thresh: float
    cluster_thresh: float

    def required(self, faces: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
        """The mean similarity that sets of so many faces must reach; the two arrays are broadcast."""
        return required_similarity(faces, others, tight_thresh=self.tight_thresh, cluster_thresh=self.cluster_thresh)


class MergeCandidate(NamedTuple):
    """Two identities that may be the same person.

    Attributes:
        identities: Their ids, the one with more faces first.
        similarity: Mean cosine similarity between their tracks.
        required: The similarity from which they would be one person.
    """

    identities: tuple[str, str]
    similarity: float
    required: float

    @property
    def is_likely(self) -> bool:
        """Whether the similarity reaches the limit."""
        return self.similarity >= self.required


class SplitCandidate(NamedTuple):
    """Tracks that may show another person than the rest of their identity.

    Attributes:
        identity_id: The identity.
        track_ids: The tracks that fit the rest least; of the two parts the one with fewer faces.
        rest: The tracks of the other part.
        similarity: Mean cosine similarity between the two parts.
        required: The similarity below which they would be two people.
    """

    identity_id: str
    track_ids: tuple[str, ...]
    rest: tuple[str, ...]
    similarity: float
    required: float

    @property
    def is_likely(self) -> bool:
        """Whether the similarity is below the limit."""
        return self.similarity < self.required


class EarlierDecisions(NamedTuple):
    """What corrections already say about tracks; candidates that contradict it are left out.

    Attributes:
        cannot_link: Pairs of tracks of different people.
        same_person: Sets of tracks of one person.
        confirmed: Tracks whose person a user confirmed.
    """

    cannot_link: Collection[TrackPair] = ()
    same_person: Sequence[frozenset[str]] = ()
    confirmed: frozenset[str] = frozenset()


def earlier_decisions(
    corrections: Corrections, places: TrackPlaces, identities: Sequence[Identity]
) -> EarlierDecisions:
    """What the corrections of an episode say about its tracks and identities as they are now."""
    tracks_of = places.tracks_of
    cannot_link: list[TrackPair] = []
    same_person = [frozenset(one.confirmed_track_ids or ()) for one in identities]
    confirmed = frozenset().union(*same_person)
    for correction in corrections.corrections:
        if isinstance(correction, Merge):
            same_person.append(frozenset().union(*map(tracks_of, correction.identities)))
        elif isinstance(correction, Split):
            moved = set().union(*map(tracks_of, correction.tracks))
            cannot_link += [(a, b) for a in moved for b in tracks_of(correction.identity) - moved]
    return EarlierDecisions(cannot_link, same_person, confirmed)


class IdentitySimilarity(NamedTuple):
    """How similar the identities are to each other.

    Attributes:
        identity_ids: (N,) identities with at least one vector.
        values: (N, N) mean cosine similarity between their tracks; on the diagonal between those of one identity,
            1.0 for a single track.
    """

    identity_ids: tuple[str, ...]
    values: NDArray[np.float64]

    def ordered(self) -> "IdentitySimilarity":
        """The same with similar identities next to each other: average linkage, optimal leaf order.

        Bar-Joseph et al., "Fast optimal leaf ordering for hierarchical clustering", Bioinformatics 2001.
        """
        if len(self.identity_ids) < 3:
            return self
        distance = 1 - np.clip(self.values, -1, 1)
        np.fill_diagonal(distance, 0)
        tree = linkage(squareform(distance, checks=False), "average", optimal_ordering=True)
        order = leaves_list(tree)
        return IdentitySimilarity(tuple(self.identity_ids[i] for i in order), self.values[np.ix_(order, order)])


def identity_similarity(identities: Sequence[Identity], tracks: EpisodeTracks) -> IdentitySimilarity:
    """Mean cosine similarity within and between identities."""
    rows = _rows_of(identities, tracks)
    means = np.array([tracks.vectors[own].astype(np.float64).mean(0) for own in rows.values()])
    values = means @ means.T if len(means) else np.empty((0, 0))
    for i, own in enumerate(rows.values()):
        count = len(own)
        values[i, i] = (count * values[i, i] - 1) / (count - 1) if count > 1 else 1.0
    return IdentitySimilarity(tuple(rows), values)


def merge_candidates(
    identities: Sequence[Identity],
    tracks: EpisodeTracks,
    limits: MergeLimits,
    *,
    cannot_link: Collection[TrackPair] = (),
    decisions: EarlierDecisions | None = None,
) -> list[MergeCandidate]:
    """Pairs of identities that may be one person, the most likely first.

    Left out are pairs that cannot be linked and pairs that both have a name.

    Args:
        identities: The identities.
        tracks: The tracks of the episode.
        limits: Limits of the embedder; pairs are ordered by how far they are above it.
        cannot_link: Pairs of tracks that cannot be one person.
        decisions: What corrections say.
    """
    rows = _rows_of(identities, tracks)
    similarity = identity_similarity(identities, tracks)
    identity_of = {track: identity.identity_id for identity in identities for track in identity.track_ids}
    pairs = [*cannot_link, *(decisions.cannot_link if decisions else ())]
    excluded = {frozenset((identity_of[a], identity_of[b])) for a, b in pairs if a in identity_of and b in identity_of}
    named = {identity.identity_id for identity in identities if identity.person_id}
    faces = {identity_id: int(tracks.face_counts[own].sum()) for identity_id, own in rows.items()}
    counts = np.array(list(faces.values()), np.float64)
    required = limits.required(counts[:, None], counts)
    found = []
    for (i, a), (j, b) in combinations(enumerate(similarity.identity_ids), 2):
        if frozenset((a, b)) in excluded or {a, b} <= named:
            continue
        first, second = sorted((a, b), key=lambda identity_id: (-faces[identity_id], identity_id))
        found.append(MergeCandidate((first, second), float(similarity.values[i, j]), float(required[i, j])))
    return sorted(found, key=lambda candidate: (candidate.required - candidate.similarity, candidate.identities))


def split_candidates(
    identities: Sequence[Identity],
    tracks: EpisodeTracks,
    limits: MergeLimits,
    *,
    decisions: EarlierDecisions | None = None,
) -> list[SplitCandidate]:
    """For each identity of several tracks the part that fits the rest least, the most likely mistake first.

    The two parts are those that average linkage joins last. If they are two people by the limit, each part is divided
    in the same way, so that an identity of three people gives two candidates. Tracks that a correction merged are not
    divided, and tracks that a person confirmed are not split off.

    Args:
        identities: The identities.
        tracks: The tracks of the episode.
        limits: Limits of the embedder; candidates are ordered by how far they are below it.
        decisions: What corrections say.
    """
    same_person, confirmed = (decisions.same_person, decisions.confirmed) if decisions else ((), frozenset())
    found = [
        candidate
        for identity_id, rows in _rows_of(identities, tracks).items()
        for candidate in _split(identity_id, rows, tracks, limits)
        if not any(
            merged.intersection(candidate.track_ids) and merged.intersection(candidate.rest) for merged in same_person
        )
        and not confirmed.issuperset(candidate.track_ids)
    ]
    return sorted(found, key=lambda one: (one.similarity - one.required, one.identity_id, one.track_ids))


def _rows_of(identities: Sequence[Identity], tracks: EpisodeTracks) -> dict[str, NDArray[np.int64]]:
    """The rows of the vectors of each identity that has one, without those of tracks that joined."""
    rows = {identity.identity_id: tracks.rows_of(identity.clustered_track_ids) for identity in identities}
    return {identity_id: own for identity_id, own in rows.items() if len(own)}


def _split(
    identity_id: str, rows: NDArray[np.int64], tracks: EpisodeTracks, limits: MergeLimits
) -> list[SplitCandidate]:
    if len(rows) < 2:
        return []
    parts = sorted(_last_joined(rows, tracks), key=lambda part: (int(tracks.face_counts[part].sum()), part.tolist()))
    first, second = (tracks.vectors[part].astype(np.float64).mean(0) for part in parts)
    faces = [np.array(tracks.face_counts[part].sum(), np.float64) for part in parts]
    track_ids, rest = (tuple(tracks.track_ids[row] for row in part) for part in parts)
    candidate = SplitCandidate(identity_id, track_ids, rest, float(first @ second), float(limits.required(*faces)))
    if not candidate.is_likely:
        return [candidate]
    further = [one for part in parts for one in _split(identity_id, part, tracks, limits)]
    return [candidate, *(one for one in further if one.is_likely)]


def _last_joined(rows: NDArray[np.int64], tracks: EpisodeTracks) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The two parts that average linkage joins last."""
    own = tracks.vectors[rows].astype(np.float64)
    distance = np.clip(1 - own @ own.T, 0, None)
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform(distance, checks=False), "average")
    members: list[list[int]] = [[row] for row in range(len(rows))]
    for left, right in tree[:, :2].astype(int).tolist():
        members.append(members[left] + members[right])
    left, right = tree[-1, :2].astype(int).tolist()
    return rows[sorted(members[left])], rows[sorted(members[right])]
