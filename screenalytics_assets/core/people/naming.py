"""Who a cluster is: its similarity to each person of the facebank, and when that is enough for a name."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from screenalytics_assets.core.identity.constrained_linkage import ROUNDING, required_similarity

Reason = Literal["named", "below_threshold", "ambiguous", "not_compared", "seen_together", "corrected"]
"""Why a cluster has its name or none: ``below_threshold`` is who is not in the facebank, as far as can be told;
``ambiguous`` resembles two people almost equally; ``seen_together`` had a better claimant in the same picture;
``not_compared`` had no facebank, or naming is off."""


class NameLimits(NamedTuple):
    """When a similarity is a name. All belong to the embedder.

    Attributes:
        similarity: Least aggregate similarity of many faces to many photos.
        tight: The same for one face and one photo.
        margin: Least lead over the second best person; what a doubtful cluster must have more of everything.
    """

    similarity: float
    tight: float
    margin: float


@dataclass(frozen=True)
class Verdict:
    """Whether a cluster has a name, with all the figures that decided it.

    Attributes:
        person_id: The person, or None.
        reason: Why.
        best: The most similar person.
        best_similarity: Mean over that person's photos and the cluster's tracks.
        second: The second most similar person, None where there is only one.
        second_similarity: Likewise.
        margin: Best minus second; None without a second.
        required_similarity: What ``best_similarity`` had to reach.
        required_margin: What ``margin`` had to reach.
        photos: Number of photos of the most similar person.
        tracks: Number of tracks of the cluster that have a vector.
        faces: Number of faces behind them.
        strict: Whether more was asked for because the cluster itself is doubtful.
    """

    person_id: str | None
    reason: Reason
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
        """The verdict as JSON can hold it, similarities with four decimals."""
        return {key: round(value, 4) if isinstance(value, float) else value for key, value in asdict(self).items()}


class PersonSimilarities:
    """How similar each track is to each person: the mean over the person's photos.

    The mean, and not the best photo: two photos of 8 actors gave pairs of strangers up to 0.44 where a photo was badly
    aligned, the mean of two of them at most 0.33; the best of many photos finds such accidents, a mean evens them out.
    What a mean cannot even out is that two people resemble each other: between the 8 actors it strayed by 0.07 to 0.08
    whether one pair of photos was compared or four (0.09 for a single pair). Therefore `NameLimits.similarity` stands
    five times 0.08 above strangers, and more photos bring the limit no lower.
    """

    def __init__(self, similarities: pa.Table) -> None:
        """Take the similarities as the facebank gives them.

        Args:
            similarities: track_id, person_id, photo_id, similarity; a row for each track and photo.
        """
        tracks = similarities["track_id"].to_numpy().astype(str) if len(similarities) else np.empty(0, str)
        people = similarities["person_id"].to_numpy().astype(str) if len(similarities) else np.empty(0, str)
        photos = similarities["photo_id"].to_numpy().astype(str) if len(similarities) else np.empty(0, str)
        values = similarities["similarity"].to_numpy().astype(np.float64)
        track_ids, row = np.unique(tracks, return_inverse=True)
        self.people, column = np.unique(people, return_inverse=True)
        sums = np.zeros((len(track_ids), len(self.people)))
        counts = np.zeros_like(sums)
        np.add.at(sums, (row, column), values)
        np.add.at(counts, (row, column), 1)
        # A person without a row for a track was not compared with it, and cannot be it.
        self._means = np.where(counts > 0, sums / np.maximum(counts, 1), -1.0)
        self._row_of = {track_id: i for i, track_id in enumerate(track_ids.tolist())}
        self._photos = {
            str(person): len(np.unique(photos[column == number])) for number, person in enumerate(self.people)
        }

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


def judge(
    similarities: PersonSimilarities | None,
    track_ids: Sequence[str],
    weights: Mapping[str, float],
    faces: Mapping[str, int],
    limits: NameLimits,
    *,
    strict: bool,
    excluded: Collection[str] = (),
) -> Verdict:
    """Decide whether a cluster is one of the people of the facebank.

    The best person must reach what `required_similarity` asks of as many faces and photos, and lead the second best by
    the margin. A doubtful cluster (an outlier, one of low cohesion, a track that was left unassigned) may hold two
    people or none: it must reach both limits with one margin more.

    Args:
        similarities: Of all tracks; None without a facebank.
        track_ids: Tracks of the cluster that have a vector.
        weights: Weight of each track.
        faces: Number of faces of each track.
        limits: The embedder's limits.
        strict: Whether the cluster is doubtful.
        excluded: People that it is not, by a correction.
    """
    num_faces = sum(faces[track_id] for track_id in track_ids)
    if similarities is None or not track_ids:
        return _not_compared(len(track_ids), num_faces, strict=strict)
    found = similarities.of(track_ids, [weights[track_id] for track_id in track_ids])
    ranked = [i for i in np.lexsort((similarities.people, -found)) if similarities.people[i] not in excluded]
    if not ranked:
        return _not_compared(len(track_ids), num_faces, strict=strict)
    best = str(similarities.people[ranked[0]])
    second = str(similarities.people[ranked[1]]) if len(ranked) > 1 else None
    second_similarity = float(found[ranked[1]]) if len(ranked) > 1 else None
    best_similarity = float(found[ranked[0]])
    margin = None if second_similarity is None else best_similarity - second_similarity
    extra = limits.margin if strict else 0.0
    required = extra + float(
        required_similarity(
            np.array(num_faces, np.float64),
            np.array(similarities.photos(best), np.float64),
            tight_thresh=limits.tight,
            cluster_thresh=limits.similarity,
        )
    )
    reason: Reason = "named"
    if best_similarity < required - ROUNDING:
        reason = "below_threshold"
    elif margin is not None and margin < limits.margin + extra - ROUNDING:
        reason = "ambiguous"
    return Verdict(
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


def _not_compared(tracks: int, faces: int, *, strict: bool) -> Verdict:
    return Verdict(None, "not_compared", None, None, None, None, None, None, None, 0, tracks, faces, strict)


def one_person_each(
    claims: Mapping[int, Verdict], apart: NDArray[np.bool_], fixed: Collection[int] = ()
) -> tuple[dict[int, Verdict], dict[int, int]]:
    """Refuse a name to clusters that are seen together with a better claimant of the same name.

    Claims are served by falling similarity, those that a person decided first. A cluster that is seen together with
    one that has the name already stays without a name.

    Args:
        claims: The verdict of each cluster, by its number.
        apart: (N, N) clusters that are two people.
        fixed: Clusters whose name is a correction.

    Returns:
        The verdicts as they stand then, and for each refused cluster the one that has the name.
    """
    order = sorted(
        (number for number, verdict in claims.items() if verdict.person_id is not None),
        key=lambda number: (number not in fixed, -(claims[number].best_similarity or 0.0), number),
    )
    holders: dict[str, list[int]] = {}
    final, refused = dict(claims), {}
    for number in order:
        verdict = claims[number]
        rivals = [other for other in holders.get(str(verdict.person_id), []) if apart[number, other]]
        if rivals and number not in fixed:
            final[number] = Verdict(**{**asdict(verdict), "person_id": None, "reason": "seen_together"})
            refused[number] = rivals[0]
        else:
            holders.setdefault(str(verdict.person_id), []).append(number)
    return final, refused
