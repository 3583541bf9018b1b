"""What should be checked first in an episode: questions with faces and the command that corrects a mistake."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import combinations
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from screenalytics_assets.core.config.people_keys import ClusteringSettings
from screenalytics_assets.core.documents.grouping import Grouping, NamingDecision
from screenalytics_assets.core.identity.cannot_link import TrackPair
from screenalytics_assets.core.identity.episode_tracks import EpisodeTracks
from screenalytics_assets.core.identity.identities import cannot_link_constraints
from screenalytics_assets.core.people.corrections.corrections import TrackPlaces
from screenalytics_assets.core.people.person_names import PLACEHOLDER
from screenalytics_assets.core.people.resolve_people import IGNORED
from screenalytics_assets.core.people.review_candidates import (
    MergeLimits,
    earlier_decisions,
    merge_candidates,
    split_candidates,
)
from screenalytics_assets.reports.episode_data import EpisodeData

SHOWN = 5
"""Number of questions of each kind."""
LOOSE_SHOWN = 10
"""Number of tracks of one kind; the longest matter most."""
_FACES = 2


class Question(NamedTuple):
    """A pair to check.

    Attributes:
        is_likely: Whether the similarity is beyond the limit, so that it is likely a mistake.
        word: The likely answer.
        text: What is compared.
        similarity: Similarity of the pair.
        required: The limit.
        command: The command that writes the correction.
        faces: Detection id and description of the crops to compare.
    """

    is_likely: bool
    word: str
    text: str
    similarity: float
    required: float
    command: str
    faces: Sequence[tuple[str, str]]


class CheckedTrack(NamedTuple):
    """A track of which it is not certain whom it shows.

    Attributes:
        track_id: The track.
        reason: Why it is unassigned; empty if it joined a person.
        start_s: When it begins.
        end_s: When it ends.
        guess: Whom it shows more probably than not, with the probability; empty if nobody.
        command: The command that gives it to a person, or splits it off.
        faces: Detection id and description of its best crops.
    """

    track_id: str
    reason: str
    start_s: float
    end_s: float
    guess: str
    command: str
    faces: Sequence[tuple[str, str]]


class _Guess(NamedTuple):
    """``person`` is the id of the person, or of an identity without one: unlike a name, it needs no quotes."""

    identity_id: str
    person: str
    label: str
    probability: float


def _divided(grouping: Grouping, tracks_of: Mapping[str, Sequence[str]]) -> list[TrackPair]:
    """A pair of tracks for every two identities that corrections made of one cluster; they are two people."""
    parts: dict[str, list[str]] = {}
    for decision in grouping.decisions:
        if isinstance(decision, NamingDecision) and decision.identity_id:
            for cluster in decision.clusters:
                parts.setdefault(cluster, []).append(decision.identity_id)
    return [
        (tracks_of[first][0], tracks_of[second][0])
        for identities in parts.values()
        for first, second in combinations(dict.fromkeys(identities), 2)
    ]


class Review:
    """The pairs and tracks to check in an episode.

    Args:
        data: The episode.
        clustering: The cannot-link rules.
        limits: The similarity limits of the embedder.
    """

    def __init__(self, data: EpisodeData, clustering: ClusteringSettings, limits: MergeLimits) -> None:
        self._limits = limits
        self._identities = data.identities.identities
        exempt = [*(data.identities.same_face or ()), *data.grouping.exempt]
        self._cannot_link = cannot_link_constraints(data.tracks, clustering, exempt)
        self._cannot_link += _divided(data.grouping, data.identities.tracks_of)
        self._decisions = earlier_decisions(data.corrections, TrackPlaces(data.tracks), self._identities)
        self._best = _best_faces(data.faces)
        self._data = data
        self.tracks = EpisodeTracks(data.tracks, data.faces, data.track_ids, data.track_vectors)

    @cached_property
    def _questions(self) -> tuple[list[Question], list[Question]]:
        names = {identity.identity_id: identity.label for identity in self._identities}
        tracks_of = {identity.identity_id: identity.track_ids for identity in self._identities}
        command = f"screenalytics correct {self._data.ep_id}"
        merges = merge_candidates(
            self._identities,
            self.tracks,
            self._limits,
            cannot_link=self._cannot_link,
            decisions=self._decisions,
        )
        splits = split_candidates(self._identities, self.tracks, self._limits, decisions=self._decisions)
        return (
            [
                Question(
                    candidate.is_likely,
                    "Probably the same person:" if candidate.is_likely else "Probably two people:",
                    f"{names[candidate.identities[0]]} and {names[candidate.identities[1]]}",
                    candidate.similarity,
                    candidate.required,
                    f"{command} merge {' '.join(candidate.identities)}",
                    [face for name in candidate.identities for face in self._faces(tracks_of[name], names[name])],
                )
                for candidate in merges[:SHOWN]
            ],
            [
                Question(
                    candidate.is_likely,
                    "Probably two people:" if candidate.is_likely else "Probably one person:",
                    f"{len(candidate.track_ids)} of the tracks of {names[candidate.identity_id]}, "
                    f"compared with the other {len(candidate.rest)}",
                    candidate.similarity,
                    candidate.required,
                    f"{command} split {candidate.identity_id} {' '.join(f'--track {t}' for t in candidate.track_ids)}",
                    [
                        *self._faces(candidate.track_ids, "the tracks to split off"),
                        *self._faces(candidate.rest, f"the other tracks of {names[candidate.identity_id]}"),
                    ],
                )
                for candidate in splits[:SHOWN]
            ],
        )

    def merges(self) -> list[Question]:
        """Identities that may be the same person, most likely first."""
        return self._questions[0]

    def splits(self) -> list[Question]:
        """Tracks that may show another person than the rest of their identity, most likely first."""
        return self._questions[1]

    @cached_property
    def unassigned(self) -> list[CheckedTrack]:
        """The longest unassigned tracks, but for those that a correction ignores."""
        reasons = {track.track_id: track.reason for track in self._data.identities.unassigned}
        wanted = [track_id for track_id, reason in reasons.items() if reason != IGNORED]
        guesses = self._guesses("suggested")
        found = []
        for row in self._longest(wanted):
            guess = guesses.get(row["track_id"])
            receiver = guess.person if guess else f'"{PLACEHOLDER}"'
            command = f"give {row['track_id']} {receiver}"
            found.append(self._checked(row, reason=reasons[row["track_id"]], guess=guess, command=command))
        return found

    @cached_property
    def joined(self) -> list[CheckedTrack]:
        """The longest tracks that joined a person because nobody else fits."""
        guesses = self._guesses("joined")
        return [
            self._checked(
                row,
                reason="",
                guess=guesses[row["track_id"]],
                command=f"split {guesses[row['track_id']].identity_id} --track {row['track_id']}",
            )
            for row in self._longest(list(guesses))
        ]

    def _guesses(self, decision: str) -> dict[str, "_Guess"]:
        by_id = {identity.identity_id: identity for identity in self._identities}
        joins = [join for join in self._data.grouping.joins if join.decision == decision]
        found = {}
        for join in joins:
            identity = by_id[join.identity_id]
            found[join.track_id] = _Guess(join.identity_id, identity.person_key, identity.label, join.probability)
        return found

    def _longest(self, track_ids: Sequence[str]) -> list[dict[str, Any]]:
        tracks = self._data.tracks.select(["track_id", "start_s", "end_s"])
        rows = tracks.filter(pc.is_in(tracks["track_id"], value_set=pa.array(track_ids, pa.string()))).to_pylist()
        return sorted(rows, key=lambda row: (row["start_s"] - row["end_s"], row["track_id"]))[:LOOSE_SHOWN]

    def _checked(self, row: Mapping[str, Any], *, reason: str, guess: "_Guess | None", command: str) -> CheckedTrack:
        track_id = row["track_id"]
        return CheckedTrack(
            **row,
            reason=reason,
            guess=f"{guess.label} {guess.probability:.0%}" if guess else "",
            command=f"screenalytics correct {self._data.ep_id} {command}",
            faces=self._faces([track_id], track_id) or _best_rejected(self._data.rejected, track_id),
        )

    def faces_shown(self) -> set[str]:
        """Detections whose crops the questions show."""
        shown = [one.faces for one in (*self.merges(), *self.splits())] + [
            track.faces for track in (*self.joined, *self.unassigned)
        ]
        return {detection_id for faces in shown for detection_id, _ in faces}

    def _faces(self, track_ids: Sequence[str], alt: str) -> list[tuple[str, str]]:
        best = sorted(face for track_id in track_ids for face in self._best.get(track_id, ()))
        return [(detection_id, alt) for _, _, detection_id in best[:_FACES]]


def _best_faces(faces: pa.Table) -> dict[str, list[tuple[int, float, str]]]:
    found: dict[str, list[tuple[int, float, str]]] = {}
    for face in faces.select(["track_id", "detection_id", "quality_rank", "quality_score"]).to_pylist():
        found.setdefault(face["track_id"], []).append(
            (face["quality_rank"], -face["quality_score"], face["detection_id"])
        )
    return found


def _best_rejected(rejected: pa.Table, track_id: str) -> list[tuple[str, str]]:
    """The best crops of a track without an accepted face: detection id and description."""
    own = rejected.filter(pc.equal(rejected["track_id"], track_id))
    ranked = own.filter(own["detection_id"].is_valid()).sort_by(
        [("quality_score", "descending"), ("ts_s", "ascending")]
    )
    return [(detection_id, track_id) for detection_id in ranked["detection_id"].to_pylist()[:_FACES]]
