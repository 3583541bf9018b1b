"""People with the tracks that joined them, and what corrections say about that."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from screenalytics_assets.core.config.people_keys import ClusteringSettings
from screenalytics_assets.core.documents.identities import Identities
from screenalytics_assets.core.identity.link_probability import SimilarityStatistics
from screenalytics_assets.core.identity.track_evidence import TrackEvidence
from screenalytics_assets.core.people.corrections.corrections import (
    Correction,
    Corrections,
    Give,
    Ignore,
    Name,
    NamedPerson,
    NotThisPerson,
)
from screenalytics_assets.core.people.lone_tracks import Joining
from screenalytics_assets.core.people.resolve_people import ResolvedPeople, resolve_people
from tests.unit.builders import EP_ID
from tests.unit.identity.test_identities import THRESHOLDS
from tests.unit.people.test_resolve_people import Episode

STATISTICS = SimilarityStatistics(0.67, 0.11, 0.01, 0.09)
POOR = 4
"""The track of poor faces."""


class PoorEpisode(Episode):
    """Anna in the tracks 0 and 2, Ben in 1 and 3, and later a track that resembles Anna a little and has no vector."""

    def __init__(self) -> None:
        super().__init__([0, 1, 0, 1, 2], [0, 0, 2, 2, 4])
        anna, other = self.vectors[0].astype(np.float64), self.vectors[POOR].astype(np.float64)
        poor = 0.4 * anna + np.sqrt(1 - 0.4**2) * other
        self.evidence = TrackEvidence(
            {name: row for row, name in enumerate(self.names)},
            np.vstack([self.vectors[:POOR].astype(np.float64), poor]),
            np.array([0.9] * POOR + [0.4]),
            np.array([[0, 1], [0, 1], [2, 3], [2, 3], [4, 5]], np.float64),
            np.zeros(5, np.int64),
            np.full(5, 8),
            np.zeros((5, 2, 4), np.float32),
        )
        self.tracks = replace(self.tracks, track_ids=self.names[:POOR], vectors=self.vectors[:POOR])

    def resolve_joining(
        self,
        *corrections: Correction,
        clusters: Identities | None = None,
        evidence: TrackEvidence | None = None,
        join_probability: float = 0.9,
    ) -> ResolvedPeople:
        return resolve_people(
            clusters or self.clusters(),
            self.tracks,
            None,
            Corrections(ep_id=EP_ID, corrections=corrections),
            ClusteringSettings(),
            THRESHOLDS,
            joining=Joining(evidence or self.evidence, STATISTICS, join_probability),
        )

    def tracks_of_anna(self, resolved: ResolvedPeople) -> list[int]:
        identity = resolved.identities.identity_of[self.names[0]]
        return [self.names.index(track) for track in identity.track_ids]


EPISODE = PoorEpisode()


def test_a_track_without_an_accepted_face_joins_the_person_it_shows_with_its_probability() -> None:
    resolved = EPISODE.resolve_joining()
    (join,) = resolved.grouping.joins
    anna = resolved.identities.identity_of[EPISODE.names[0]]
    assert EPISODE.tracks_of_anna(resolved) == [0, 2, POOR]
    assert (join.decision, join.track_id, join.identity_id) == ("joined", EPISODE.names[POOR], anna.identity_id)
    assert anna.joined_tracks == {join.track_id: join.probability}
    assert resolved.identities.unassigned == ()


def test_a_joined_track_does_not_change_the_cohesion_of_the_person() -> None:
    before = EPISODE.resolve().identities.identity_of[EPISODE.names[0]]
    after = EPISODE.resolve_joining().identities.identity_of[EPISODE.names[0]]
    assert (after.cohesion_score, after.min_identity_sim) == (before.cohesion_score, before.min_identity_sim)


def test_a_picture_joins_nobody() -> None:
    clusters = EPISODE.clusters()
    pictures = tuple(track.model_copy(update={"reason": "picture"}) for track in clusters.unassigned)
    resolved = EPISODE.resolve_joining(clusters=clusters.model_copy(update={"unassigned": pictures}))
    assert EPISODE.tracks_of_anna(resolved) == [0, 2]


def test_an_identity_of_one_track_joins_unless_a_correction_names_or_ignores_it() -> None:
    episode = PoorEpisode()
    vectors = episode.evidence.vectors.astype(np.float32)
    episode.tracks = replace(episode.tracks, track_ids=episode.names, vectors=vectors)
    alone = episode.shown("ident_003", POOR)
    named = Name(number=1, identity=alone, person_id="zoe", name="Zoe")
    ignored = Ignore(number=1, identity=alone)
    assert episode.tracks_of_anna(episode.resolve_joining()) == [0, 2, POOR]
    assert episode.tracks_of_anna(episode.resolve_joining(named)) == [0, 2]
    assert episode.tracks_of_anna(episode.resolve_joining(ignored)) == [0, 2]


def test_a_track_of_a_single_box_joins_nobody() -> None:
    counts = np.array([8, 8, 8, 8, 1])
    assert EPISODE.tracks_of_anna(EPISODE.resolve_joining(evidence=EPISODE.evidence._replace(box_counts=counts))) == [
        0,
        2,
    ]


def test_a_track_that_may_show_either_of_two_is_in_doubt() -> None:
    vectors = EPISODE.evidence.vectors.copy()
    vectors[POOR] = 0.3 * vectors[0] + 0.3 * vectors[1] + np.sqrt(1 - 0.18) * EPISODE.vectors[POOR]
    resolved = EPISODE.resolve_joining(evidence=EPISODE.evidence._replace(vectors=vectors))
    (doubt,) = resolved.grouping.doubts
    assert doubt.track_id == EPISODE.names[POOR]
    assert sorted(doubt.identity_ids) == sorted(resolved.identities.tracks_of)
    assert sum(doubt.identity_ids.values()) == pytest.approx(1.0, abs=0.02)


def test_tracks_that_certainly_show_their_person_are_not_in_doubt() -> None:
    assert EPISODE.resolve_joining().grouping.doubts == ()


def test_without_statistics_of_the_embedder_no_track_joins() -> None:
    resolved = EPISODE.resolve()
    assert (resolved.grouping.joins, resolved.grouping.doubts) == ((), ())
    assert EPISODE.tracks_of_anna(resolved) == [0, 2]


def test_a_person_whom_a_correction_excludes_is_neither_joined_nor_in_doubt() -> None:
    name = Name(number=1, identity=EPISODE.shown("ident_001", 0, 2), person_id="anna", name="Anna")
    excluded = NotThisPerson(number=2, identity=EPISODE.shown("ident_003", POOR), person_id="anna")
    assert EPISODE.tracks_of_anna(EPISODE.resolve_joining(name)) == [0, 2, POOR]
    resolved = EPISODE.resolve_joining(name, excluded)
    anna = resolved.identities.identity_of[EPISODE.names[0]]
    assert EPISODE.tracks_of_anna(resolved) == [0, 2]
    assert not [doubt for doubt in resolved.grouping.doubts if anna.identity_id in doubt.identity_ids]


def test_a_track_that_shares_a_single_frame_with_a_person_does_not_join_the_person() -> None:
    episode = PoorEpisode()
    rows = episode.table.to_pylist()
    rows[POOR]["boxes"][0]["frame_idx"] = rows[2]["boxes"][0]["frame_idx"]
    rows[POOR]["boxes"][0]["bbox"] = [0.85, 0.1, 0.95, 0.3]
    episode.tracks = replace(episode.tracks, table=pa.Table.from_pylist(rows, schema=episode.table.schema))
    assert episode.tracks_of_anna(episode.resolve_joining()) == [0, 2]


def test_a_track_that_is_given_to_somebody_does_not_take_along_the_track_that_it_was_with() -> None:
    person = NamedPerson(person_id="zoe", name="Zoe")
    give = Give(number=1, track=EPISODE.shown(EPISODE.names[2], 2), person=person)
    zoe = EPISODE.resolve_joining(give).identities.identity_of[EPISODE.names[2]]
    assert zoe.name == "Zoe"
    assert EPISODE.names[0] not in zoe.track_ids
