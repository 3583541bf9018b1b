"""Which identities may be one person, and which may be two: what a person should look at first."""

from collections.abc import Collection, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from screenalytics_assets.core.identity.cannot_link import TrackPair
from screenalytics_assets.core.identity.constrained_linkage import required_similarity
from screenalytics_assets.core.people.corrections import Corrections, IdentityReference, Merge, Split, TrackPlaces


class Tracks(NamedTuple):
    """The tracks that have a vector.

    Attributes:
        track_ids: (T,) their ids.
        vectors: (T, D) float32, unit rows.
        faces: (T,) number of faces behind each vector, at least 1.
    """

    track_ids: Sequence[str]
    vectors: NDArray[np.float32]
    faces: NDArray[np.int64]


class Limits(NamedTuple):
    """Mean similarities from which on two sets of faces are one person (`required_similarity`)."""

    tight_thresh: float
    cluster_thresh: float

    def required(self, faces: int, others: int) -> float:
        """The mean similarity that so many faces on either side must reach."""
        counts = np.array([float(faces)]), np.array([float(others)])
        return float(required_similarity(*counts, **self._asdict())[0])


class MergeDoubt(NamedTuple):
    """Two identities that may be one person.

    Attributes:
        identities: Their ids, the one with more faces first.
        similarity: Mean cosine similarity between their tracks.
        required: From which similarity on they would be one person.
    """

    identities: tuple[str, str]
    similarity: float
    required: float

    @property
    def is_likely(self) -> bool:
        """Whether the limit says that they are one."""
        return self.similarity >= self.required


class SplitDoubt(NamedTuple):
    """Tracks of an identity that may be somebody else.

    Attributes:
        identity_id: The identity.
        track_ids: The tracks that fit the rest least; of the two parts the one with fewer faces.
        rest: The tracks of the other part.
        similarity: Mean cosine similarity between the two parts.
        required: Below which similarity they would be two people.
    """

    identity_id: str
    track_ids: tuple[str, ...]
    rest: tuple[str, ...]
    similarity: float
    required: float

    @property
    def is_likely(self) -> bool:
        """Whether the limit says that they are two."""
        return self.similarity < self.required


class Decided(NamedTuple):
    """What people said about tracks, so that nobody is asked again.

    Attributes:
        apart: Pairs of tracks that are two people.
        together: Sets of tracks that are one person.
    """

    apart: Collection[TrackPair] = ()
    together: Sequence[frozenset[str]] = ()


def decided_by(corrections: Corrections, places: TrackPlaces) -> Decided:
    """What the corrections of an episode say about its tracks as they are now."""

    def tracks_of(shown: IdentityReference) -> set[str]:
        return {track for anchor in shown.faces if (track := places.track_at(anchor)) is not None}

    apart: list[TrackPair] = []
    together = []
    for entry in corrections.corrections:
        if isinstance(entry, Merge):
            together.append(frozenset().union(*map(tracks_of, entry.identities)))
        elif isinstance(entry, Split):
            taken = set().union(*map(tracks_of, entry.tracks))
            apart += [(a, b) for a in taken for b in tracks_of(entry.identity) - taken]
    return Decided(apart, together)


class IdentitySimilarity(NamedTuple):
    """How much the identities resemble each other.

    Attributes:
        identity_ids: (N,) identities with at least one vector.
        values: (N, N) mean cosine similarity between their tracks; on the diagonal between those of one identity,
            1.0 for a single track.
    """

    identity_ids: tuple[str, ...]
    values: NDArray[np.float64]

    def ordered(self) -> "IdentitySimilarity":
        """The same with those that resemble each other side by side: average linkage, optimal leaf order.

        Bar-Joseph et al., "Fast optimal leaf ordering for hierarchical clustering", Bioinformatics 2001.
        """
        if len(self.identity_ids) < 3:
            return self
        distance = 1 - np.clip(self.values, -1, 1)
        np.fill_diagonal(distance, 0)
        tree = linkage(squareform(distance, checks=False), "average", optimal_ordering=True)
        order = leaves_list(tree)
        return IdentitySimilarity(tuple(self.identity_ids[i] for i in order), self.values[np.ix_(order, order)])


def identity_similarity(identities: Sequence[Mapping[str, Any]], tracks: Tracks) -> IdentitySimilarity:
    """Mean cosine similarity within and between identities.

    Args:
        identities: Entries of the identities document.
        tracks: The tracks that have a vector.
    """
    rows = _rows_of(identities, tracks)
    means = np.array([tracks.vectors[own].astype(np.float64).mean(0) for own in rows.values()])
    values = means @ means.T if len(means) else np.empty((0, 0))
    for i, own in enumerate(rows.values()):
        count = len(own)
        values[i, i] = (count * values[i, i] - 1) / (count - 1) if count > 1 else 1.0
    return IdentitySimilarity(tuple(rows), values)


def merge_doubts(
    identities: Sequence[Mapping[str, Any]],
    tracks: Tracks,
    limits: Limits,
    *,
    seen_together: Collection[TrackPair] = (),
    decided: Decided | None = None,
) -> list[MergeDoubt]:
    """Pairs of identities that may be one person, the likeliest first.

    Pairs that are seen together, that people told apart, or that both have a name are not asked about.

    Args:
        identities: Entries of the identities document.
        tracks: The tracks that have a vector.
        limits: Of the embedder; pairs are ordered by how far they are above it.
        seen_together: Pairs of tracks that are two people.
        decided: What people said.
    """
    rows = _rows_of(identities, tracks)
    similarity = identity_similarity(identities, tracks)
    identity_of = {track: i["identity_id"] for i in identities for track in i["track_ids"]}
    pairs = [*seen_together, *(decided.apart if decided else ())]
    apart = {frozenset((identity_of[a], identity_of[b])) for a, b in pairs if a in identity_of and b in identity_of}
    named = {i["identity_id"] for i in identities if i.get("person_id")}
    faces = {name: int(tracks.faces[own].sum()) for name, own in rows.items()}
    counts = np.array(list(faces.values()), np.float64)
    required = required_similarity(counts[:, None], counts, **limits._asdict())
    found = []
    for (i, a), (j, b) in combinations(enumerate(similarity.identity_ids), 2):
        if frozenset((a, b)) in apart or {a, b} <= named:
            continue
        first, second = sorted((a, b), key=lambda name: (-faces[name], name))
        value = float(similarity.values[i, j])
        found.append(MergeDoubt((first, second), value, float(required[i, j])))
    return sorted(found, key=lambda doubt: (doubt.required - doubt.similarity, doubt.identities))


def split_doubts(
    identities: Sequence[Mapping[str, Any]], tracks: Tracks, limits: Limits, *, decided: Decided | None = None
) -> list[SplitDoubt]:
    """For each identity of several tracks the part that fits the rest least, the likeliest stranger first.

    The part is what average linkage joins last. Where the two parts are two people by the limit, each part is looked
    at in the same way, so that an identity of three people gives two entries. What people merged stays together.

    Args:
        identities: Entries of the identities document.
        tracks: The tracks that have a vector.
        limits: Of the embedder; entries are ordered by how far they are below it.
        decided: What people said.
    """
    together = decided.together if decided else ()
    found = [
        doubt
        for name, rows in _rows_of(identities, tracks).items()
        for doubt in _parts(name, rows, tracks, limits)
        if not any(said.intersection(doubt.track_ids) and said.intersection(doubt.rest) for said in together)
    ]
    return sorted(found, key=lambda doubt: (doubt.similarity - doubt.required, doubt.identity_id, doubt.track_ids))


def _rows_of(identities: Sequence[Mapping[str, Any]], tracks: Tracks) -> dict[str, NDArray[np.int64]]:
    row_of = {track_id: row for row, track_id in enumerate(tracks.track_ids)}
    rows = {
        identity["identity_id"]: np.array([row_of[t] for t in identity["track_ids"] if t in row_of], np.int64)
        for identity in identities
    }
    return {name: own for name, own in rows.items() if len(own)}


def _parts(name: str, rows: NDArray[np.int64], tracks: Tracks, limits: Limits) -> list[SplitDoubt]:
    if len(rows) < 2:
        return []
    one, other = sorted(_last_joined(rows, tracks), key=lambda part: (int(tracks.faces[part].sum()), part.tolist()))
    means = [tracks.vectors[part].astype(np.float64).mean(0) for part in (one, other)]
    doubt = SplitDoubt(
        name,
        tuple(tracks.track_ids[row] for row in one),
        tuple(tracks.track_ids[row] for row in other),
        float(means[0] @ means[1]),
        limits.required(int(tracks.faces[one].sum()), int(tracks.faces[other].sum())),
    )
    further = [part for half in (one, other) for part in _parts(name, half, tracks, limits)] if doubt.is_likely else []
    return [doubt, *(part for part in further if part.is_likely)]


def _last_joined(rows: NDArray[np.int64], tracks: Tracks) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    own = tracks.vectors[rows].astype(np.float64)
    distance = np.clip(1 - own @ own.T, 0, None)
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform(distance, checks=False), "average")
    members: list[list[int]] = [[row] for row in range(len(rows))]
    for left, right in tree[:, :2].astype(int).tolist():
        members.append(members[left] + members[right])
    left, right = tree[-1, :2].astype(int).tolist()
    return rows[sorted(members[left])], rows[sorted(members[right])]
