"""Which person of the facebank a cluster is: similarities to the photos, and when they are enough for a name."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from screenalytics_assets.core.common.vectors import unit_rows
from screenalytics_assets.core.documents.grouping import NameLimits, NamingReason
from screenalytics_assets.core.identity.constrained_linkage import ROUNDING, required_similarity
from screenalytics_assets.core.identity.episode_tracks import EpisodeTracks
from screenalytics_assets.core.people.groups import Group, ResolvedPerson


@dataclass(frozen=True)
class NameMatch:
    """Whether a cluster has a name, with the figures that decided it: a `NamingDecision` before they are rounded."""

    person_id: str | None
    reason: NamingReason
    best: str | None
    best_similarity: float | None
    second: str | None
    second_similarity: float | None
    margin: float | None
    required_similarity: float | None
    required_margin: float | None
    photos: int
    tracks: int
    faces: int
    strict: bool

    def figures(self) -> dict[str, Any]:
        """The figures as they are published, similarities with four decimals."""
        return {key: round(value, 4) if isinstance(value, float) else value for key, value in asdict(self).items()}


@dataclass(frozen=True)
class Facebank:
    """The enrolled photos of a show.

    Attributes:
        person_ids: The person of each of the N photos.
        vectors: (N, 512) float32, the face of each photo, unit norm.
        names: The name of each person, by id.
        version: Changes whenever a photo, a name or a vector does.
    """

    person_ids: Sequence[str]
    vectors: NDArray[np.float32]
    names: Mapping[str, str]
    version: str


class PersonSimilarities:
    """How similar each track is to each person: the mean over the person's photos.

    The mean, and not the best photo: with two photos of each of 8 actors, pairs of strangers reached 0.44 where a photo
    was badly aligned, but only 0.33 in the mean of two photos. The best of many photos picks such outliers, a mean
    evens them out. A mean does not even out that two people look alike: between the 8 actors its spread was
    0.07 to 0.08 whether one pair of photos was compared or four (0.09 for a single pair). `NameLimits.similarity` is
    therefore five times 0.08 above strangers, and more photos do not lower the limit.
    """

    def __init__(
        self, track_ids: Sequence[str], person_ids: Sequence[str], similarities: NDArray[np.floating[Any]]
    ) -> None:
        """Average the similarities over the photos of each person.

        Args:
            track_ids: The T tracks.
            person_ids: The person of each of the N photos.
            similarities: (T, N), of each track to each photo.
        """
        people, column = np.unique(np.asarray(person_ids, str), return_inverse=True)
        self.people: list[str] = people.tolist()
        self._means = np.stack([similarities[:, column == i].mean(axis=1) for i in range(len(people))], axis=1)
        self._row_of = {track_id: i for i, track_id in enumerate(track_ids)}
        self._photos = dict(zip(self.people, np.bincount(column).tolist(), strict=True))

    @classmethod
    def compare(
        cls,
        track_ids: Sequence[str],
        vectors: NDArray[np.float32],
        person_ids: Sequence[str],
        photo_vectors: NDArray[np.float32],
    ) -> "PersonSimilarities":
        """Compare T tracks with N photos by exact cosine similarity.

        Args:
            track_ids: The tracks.
            vectors: (T, 512), one for each track.
            person_ids: The person of each photo.
            photo_vectors: (N, 512), one for each photo.
        """
        similarities = unit_rows(vectors).astype(np.float64) @ unit_rows(photo_vectors).astype(np.float64).T
        return cls(track_ids, person_ids, similarities)

    def photos(self, person_id: str) -> int:
        """Number of photos of a person."""
        return self._photos[person_id]

    def of(self, track_ids: Sequence[str], weights: Sequence[float]) -> NDArray[np.float64]:
        """(P,) weighted mean similarity of tracks to each of ``people``.

        Args:
            track_ids: Tracks of a cluster, all of them compared.
            weights: Of each of them, positive; the summed quality of its faces.
        """
        rows = [self._row_of[track_id] for track_id in track_ids]
        return np.average(self._means[rows], axis=0, weights=weights)


def match_name(
    similarities: PersonSimilarities | None,
    track_ids: Sequence[str],
    weights: Sequence[float],
    num_faces: int,
    limits: NameLimits,
    *,
    strict: bool,
    excluded: Collection[str] = (),
) -> NameMatch:
    """Decide whether a cluster is one of the people of the facebank.

    The best person must reach what `required_similarity` demands for as many faces and photos, and lead the second best
    by the margin. A doubtful cluster (an outlier, one of low cohesion, a track that was left unassigned) may hold two
    people or none: both limits are raised by one margin.

    Args:
        similarities: Of all tracks; None without a facebank.
        track_ids: Tracks of the cluster; all of them have a vector.
        weights: Weight of each track.
        num_faces: Number of faces of the tracks.
        limits: The embedder's limits.
        strict: Whether the cluster is doubtful.
        excluded: People that it is not, by a correction.
    """
    not_compared = NameMatch(
        None, "not_compared", None, None, None, None, None, None, None, 0, len(track_ids), num_faces, strict
    )
    if similarities is None or not track_ids:
        return not_compared
    found = similarities.of(track_ids, weights)
    ranked = [
        i for i in np.lexsort((np.asarray(similarities.people), -found)) if similarities.people[i] not in excluded
    ]
    if not ranked:
        return not_compared
    best, best_similarity = str(similarities.people[ranked[0]]), float(found[ranked[0]])
    second = second_similarity = margin = None
    if len(ranked) > 1:
        second, second_similarity = str(similarities.people[ranked[1]]), float(found[ranked[1]])
        margin = best_similarity - second_similarity
    extra = limits.margin if strict else 0.0
    required = extra + float(
        required_similarity(
            np.array(num_faces, np.float64),
            np.array(similarities.photos(best), np.float64),
            tight_thresh=limits.tight,
            cluster_thresh=limits.similarity,
        )
    )
    reason: NamingReason = "named"
    if best_similarity < required - ROUNDING:
        reason = "below_threshold"
    elif margin is not None and margin < limits.margin + extra - ROUNDING:
        reason = "ambiguous"
    return NameMatch(
        person_id=best if reason == "named" else None,
        reason=reason,
        best=best,
        best_similarity=best_similarity,
        second=second,
        second_similarity=second_similarity,
        margin=margin,
        required_similarity=required,
        required_margin=limits.margin + extra,
        photos=similarities.photos(best),
        tracks=len(track_ids),
        faces=num_faces,
        strict=strict,
    )


def one_holder_per_name(
    matches: Sequence[NameMatch],
    cannot_link: NDArray[np.bool_],
    corrected: Collection[int] = (),
    split_off: Collection[int] = (),
) -> tuple[list[NameMatch], dict[int, int]]:
    """Refuse a name to clusters that cannot be one person with a better match for the same name.

    Names are given by falling similarity, those of corrections first and those of split-off tracks last.

    Args:
        matches: The match of each of N clusters.
        cannot_link: (N, N) clusters that cannot be one person.
        corrected: Numbers of the clusters whose name is a correction.
        split_off: Numbers of the clusters that a correction split off from others.

    Returns:
        The matches after that, and for each refused cluster the number of the one that has the name.
    """
    order = sorted(
        (number for number, match in enumerate(matches) if match.person_id is not None),
        key=lambda number: (
            number not in corrected,
            number in split_off,
            -(matches[number].best_similarity or 0.0),
            number,
        ),
    )
    holders: dict[str | None, list[int]] = {}
    final, refused = list(matches), {}
    for number in order:
        match = matches[number]
        rivals = [other for other in holders.get(match.person_id, []) if cannot_link[number, other]]
        if rivals and number not in corrected:
            final[number] = replace(match, person_id=None, reason="seen_together")
            refused[number] = rivals[0]
        else:
            holders.setdefault(match.person_id, []).append(number)
    return final, refused


class Namer:
    """Compares groups with the facebank, if there is one."""

    def __init__(self, facebank: Facebank | None, tracks: EpisodeTracks, limits: NameLimits) -> None:
        self.limits = limits
        self._names = facebank.names if facebank else {}
        self._similarities = (
            PersonSimilarities.compare(tracks.track_ids, tracks.vectors, facebank.person_ids, facebank.vectors)
            if facebank and len(facebank.person_ids)
            else None
        )
        self._tracks = tracks

    def match(self, group: Group) -> NameMatch:
        """Who a group is, by a correction or else by the facebank."""
        own = self._tracks.with_vector(group.tracks)
        match = match_name(
            self._similarities,
            own,
            self._weights(own),
            self._tracks.num_faces(own),
            self.limits,
            strict=group.is_doubtful,
            excluded=group.excluded,
        )
        return replace(match, person_id=group.name.person_id, reason="corrected") if group.name else match

    def name_fields(self, person: ResolvedPerson) -> dict[str, Any]:
        """The fields of an `Identity` that say who it is, with the similarity of all its tracks."""
        if person.person_id is None:
            return dict.fromkeys(("person_id", "name", "name_similarity", "name_margin", "named_by"))
        corrected = [group.name.name for group in person.groups if group.name]
        similarity, margin = self._similarity(
            person.person_id,
            self._tracks.with_vector(track for track in person.track_ids if track not in person.joined),
        )
        return {
            "person_id": person.person_id,
            "name": corrected[-1] if corrected else self._names.get(person.person_id, person.person_id),
            "name_similarity": similarity,
            "name_margin": margin,
            "named_by": "correction" if corrected else "facebank",
        }

    def _similarity(self, person_id: str, track_ids: Sequence[str]) -> tuple[float | None, float | None]:
        """Similarity of tracks to a person, and its lead over the next person; None where there is none."""
        if self._similarities is None or not track_ids or person_id not in self._similarities.people:
            return None, None
        found = dict(
            zip(self._similarities.people, self._similarities.of(track_ids, self._weights(track_ids)), strict=True)
        )
        own = found.pop(person_id)
        return round(float(own), 4), round(float(own - max(found.values())), 4) if found else None

    def _weights(self, track_ids: Sequence[str]) -> list[float]:
        return [self._tracks.weight_of(track_id) for track_id in track_ids]
