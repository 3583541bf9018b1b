"""Tracks that clustering left alone, joined to the person whom they most probably show.

Their faces are small, blurred or turned away, so that no similarity is high enough for the clustering. Competition
decides instead: whoever is on screen at the same time cannot be meant, and often only one of the others fits.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from screenalytics_assets.core.common.geometry import paired_iou
from screenalytics_assets.core.identity.cannot_link import TrackPair
from screenalytics_assets.core.identity.link_probability import (
    NEARBY_S,
    SimilarityStatistics,
    likelihood_ratios,
    link_probabilities,
    thread_ratios,
    unseen_share,
)
from screenalytics_assets.core.identity.track_evidence import TrackEvidence

SUGGESTED = 0.5
"""A person who is more probable than everybody else together is worth a look."""
STRONG_EVIDENCE, SOME_EVIDENCE = 20.0, 3.0
"""Likelihood ratios from which on a track may join somebody, and from which on somebody is suggested: its own face or
place has to speak for the person, however few others there are. Evidence of 3 to 20 is positive, over 20 strong (Kass
and Raftery, Bayes Factors, 1995)."""
LEAST_RELIABILITY = 0.5
"""Nobody joins a person all of whose tracks are less reliable: poor faces of different people resemble each other,
since the embedder sees the blur and the pose. 0.5 is that of a sharp face turned by 72 degrees, or of a frontal one
with a Laplacian variance of 20."""
NEGLIGIBLE = 0.01
"""Smaller probabilities are not published."""


class ComparedTrack(NamedTuple):
    """A track of which it is asked whom it shows.

    Attributes:
        track_id: The track; it has a row in the evidence.
        own: Position of its person; None if it is unassigned.
        not_these: Positions of the people whom it does not show, as corrections say.
    """

    track_id: str
    own: int | None
    not_these: frozenset[int] = frozenset()


class Link(NamedTuple):
    """The person whom a lone track most probably shows.

    Attributes:
        track_id: The track.
        person: Position of the person.
        probability: How probable that is.
        similarity: Mean cosine similarity to the person's tracks.
        expected_similarity: What that of the same person would be.
        is_joined: Whether the track is the person's now; otherwise it is a suggestion.
    """

    track_id: str
    person: int
    probability: float
    similarity: float
    expected_similarity: float
    is_joined: bool


def join_lone_tracks(
    people: Sequence[Sequence[str]],
    lone: Sequence[ComparedTrack],
    evidence: TrackEvidence,
    cannot_link: Iterable[TrackPair],
    statistics: SimilarityStatistics,
    *,
    join_probability: float,
) -> list[Link]:
    """Join lone tracks to people, the most probable link first; each changes what the next ones are compared with.

    Args:
        people: The tracks of each person.
        lone: The tracks that may join one of them.
        evidence: Of all these tracks.
        cannot_link: Pairs of tracks that are not one person.
        statistics: Of the embedder.
        join_probability: From this probability on a track is joined.

    Returns:
        The joined tracks in the order in which they were joined, then the suggestions.
    """
    state = _Comparison(people, lone, evidence, cannot_link, statistics)
    alone_in = {track.own: track.track_id for track in lone if track.own is not None}
    own = {track.track_id: track.own for track in lone}
    joined = []
    while join_probability < 1 and (link := state.best()) and link.probability >= join_probability:
        state.close_track(link.track_id)
        if link.person in alone_in:  # it is alone no more
            state.close_track(alone_in[link.person])
        gone = own[link.track_id]
        if gone is not None:
            state.close_person(gone)
        state.add(link.person, link.track_id)
        joined.append(link._replace(is_joined=True))
    return joined + state.suggestions()


def people_probabilities(
    people: Sequence[Sequence[str]],
    tracks: Sequence[ComparedTrack],
    evidence: TrackEvidence,
    cannot_link: Iterable[TrackPair],
    statistics: SimilarityStatistics,
) -> dict[str, dict[int, float]]:
    """The probability that each track shows each person, compared with the person's other tracks.

    Where a track is the only one of its person, what is left to 1 is the probability of that person.

    Args:
        people: The tracks of each person, those that joined as well.
        tracks: The tracks that are asked about, each with the position of its person.
        evidence: Of all these tracks.
        cannot_link: Pairs of tracks that are not one person.
        statistics: Of the embedder.

    Returns:
        For each track the people of a probability over `NEGLIGIBLE`, by position.
    """
    probabilities = _Comparison(people, tracks, evidence, cannot_link, statistics).probabilities()
    found = {}
    for track, row in zip(tracks, probabilities, strict=True):
        of_people = {int(person): float(row[person]) for person in np.flatnonzero(row > NEGLIGIBLE)}
        if track.own is not None and not row[track.own]:
            of_people[track.own] = float(1 - row.sum())
        found[track.track_id] = of_people
    return found


class _Comparison:
    """Figures of each of L tracks and P people, as (L, P) arrays. No track is compared with itself."""

    def __init__(
        self,
        people: Sequence[Sequence[str]],
        tracks: Sequence[ComparedTrack],
        evidence: TrackEvidence,
        cannot_link: Iterable[TrackPair],
        statistics: SimilarityStatistics,
    ) -> None:
        self._tracks, self._evidence, self._statistics = tracks, evidence, statistics
        self._rows = np.array([evidence.row_of[track.track_id] for track in tracks], np.int64)
        self._vectors, self._end_boxes = evidence.vectors[self._rows], evidence.end_boxes[self._rows]
        self._row_of = {track.track_id: row for row, track in enumerate(tracks)}
        self._others: dict[str, set[str]] = {}
        for first, second in cannot_link:
            self._others.setdefault(first, set()).add(second)
            self._others.setdefault(second, set()).add(first)
        self._unseen = unseen_share([len(own_tracks) for own_tracks in people])
        shape = len(tracks), len(people)
        self._sums, self._counts, self._reliability = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        self._reliabilities, self._ratios = np.zeros(shape), np.zeros(shape)
        self._threads = np.ones(shape)
        self._is_nearby, self._is_closed = np.zeros(shape, bool), np.zeros(shape, bool)
        for row, track in enumerate(tracks):
            self._is_closed[row, list(track.not_these)] = True
        for person, own_tracks in enumerate(people):
            for track_id in own_tracks:
                self.add(person, track_id)

    def add(self, person: int, track_id: str) -> None:
        """Compare all tracks with one more track of a person."""
        for other in self._others.get(track_id, ()):
            if other in self._row_of:
                self._is_closed[self._row_of[other], person] = True
        added = self._evidence.row_of.get(track_id)
        if added is None:
            return
        evidence, is_other = self._evidence, self._rows != added
        self._sums[:, person] += np.where(is_other, self._vectors @ evidence.vectors[added], 0.0)
        self._counts[:, person] += is_other
        self._reliabilities[:, person] += is_other * evidence.reliability[added]
        starts_s, ends_s = evidence.spans_s[self._rows].T
        start_s, end_s = evidence.spans_s[added]
        is_near = (start_s <= ends_s + NEARBY_S) & (end_s >= starts_s - NEARBY_S)
        for column, values in (
            (self._reliability[:, person], evidence.reliability[added]),
            (self._threads[:, person], np.where(is_near, self._threads_to(added), 1.0)),
        ):
            np.maximum(column, values, out=column, where=is_other)
        self._is_nearby[:, person] |= is_other & is_near
        similarity, expected = self._similarities(person)
        ratios = likelihood_ratios(similarity, expected, self._statistics)
        self._ratios[:, person] = ratios * self._threads[:, person]

    def close_track(self, track_id: str) -> None:
        """From now on the track can show nobody."""
        self._is_closed[self._row_of[track_id]] = True

    def close_person(self, person: int) -> None:
        """From now on no track can show the person."""
        self._is_closed[:, person] = True

    def probabilities(self) -> NDArray[np.float64]:
        """(L, P) the probability that each track shows each person."""
        is_possible = ~self._is_closed & (self._reliability >= LEAST_RELIABILITY)
        return link_probabilities(self._ratios, self._is_nearby, is_possible, unseen=self._unseen)

    def best(self) -> Link | None:
        """The most probable link of all that rests on strong evidence, the first of equals; None without any."""
        probabilities = self._with_evidence(STRONG_EVIDENCE)
        if not probabilities.size:
            return None
        row, person = np.unravel_index(int(probabilities.argmax()), probabilities.shape)
        return self._link(int(row), int(person), float(probabilities[row, person]))

    def suggestions(self) -> list[Link]:
        """The links that rest on some evidence and are more probable than not, in the order of the tracks."""
        probabilities = self._with_evidence(SOME_EVIDENCE)
        return [
            self._link(row, person, float(probabilities[row, person]))
            for row, person in np.argwhere(probabilities > SUGGESTED).tolist()
        ]

    def _with_evidence(self, least_ratio: float) -> NDArray[np.float64]:
        return np.where(self._ratios >= least_ratio, self.probabilities(), 0.0)

    def _similarities(self, person: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(L,) mean similarity of each track to a person, and what that would be if it showed the person."""
        counts = np.maximum(self._counts[:, person], 1)
        reliability = self._evidence.reliability[self._rows] * self._reliabilities[:, person] / counts
        return self._sums[:, person] / counts, self._statistics.same_mean * reliability

    def _link(self, row: int, person: int, probability: float) -> Link:
        similarity, expected = self._similarities(person)
        return Link(
            self._tracks[row].track_id,
            person,
            probability,
            float(similarity[row]),
            float(expected[row]),
            is_joined=False,
        )

    def _threads_to(self, other: int) -> NDArray[np.float64]:
        """(L,) `thread_ratios` of each track and another: the last box of the earlier, the first of the later."""
        apart = self._evidence.shots[self._rows] - self._evidence.shots[other]
        is_later = (apart > 0)[:, None]
        own = np.where(is_later, self._end_boxes[:, 0], self._end_boxes[:, 1])
        others = np.where(is_later, self._evidence.end_boxes[other, 1], self._evidence.end_boxes[other, 0])
        return thread_ratios(paired_iou(own, others), apart)
