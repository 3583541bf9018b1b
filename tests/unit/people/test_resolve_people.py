"""Clusters of an episode made into people."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from screenalytics_assets.core.config.people_keys import ClusteringSettings
from screenalytics_assets.core.documents.identities import Identities, UnassignedTrack
from screenalytics_assets.core.identity.episode_tracks import EpisodeTracks
from screenalytics_assets.core.identity.identities import identify
from screenalytics_assets.core.people.corrections.corrections import (
    Correction,
    Corrections,
    Ignore,
    Merge,
    Name,
    NotThisPerson,
    Split,
    TrackPlaces,
)
from screenalytics_assets.core.people.naming import Facebank
from screenalytics_assets.core.people.resolve_people import ResolvedPeople, resolve_people
from screenalytics_assets.core.quality.integrity import partition_breaches
from tests.unit.builders import EP_ID, Box, Seen, faces_table, people, track_id, tracks_table
from tests.unit.document_builders import identities_with, identity_with
from tests.unit.identity.test_identities import THRESHOLDS

LEFT: Box = (0.1, 0.2, 0.3, 0.6)
RIGHT: Box = (0.6, 0.2, 0.8, 0.6)
FACES = 4


def moved(box: Box, right: float) -> Box:
    left, top, end, bottom = box
    return left + right, top, end + right, bottom


class Episode:
    """Tracks side by side or one after the other, clustered too tightly or too loosely, and a facebank.

    Args:
        who: The person of each track, as a number; each is a direction of its own.
        when: Second in which each track begins; they last one second. Every second one is on the right and moves.
        vectors: In place of those of the persons.
    """

    def __init__(self, who: Sequence[int], when: Sequence[float], vectors: NDArray[np.float32] | None = None) -> None:
        centres = people([1] * (max(who) + 2), spread=0.0)
        self.centres = centres
        self.vectors = people([who.count(p) for p in range(max(who) + 1)])[np.argsort(np.argsort(who, kind="stable"))]
        if vectors is not None:
            self.vectors = vectors
        self.table = tracks_table(
            [
                [Seen(round(24 * start) + 3 * k, bbox=moved(RIGHT, 0.02 * k) if i % 2 else LEFT) for k in range(8)]
                for i, start in enumerate(when)
            ]
        )
        count = len(who)
        self.faces = faces_table([i // FACES for i in range(count * FACES)], [0.8] * count * FACES)
        self.names = [track_id(i) for i in range(count)]
        self.tracks = EpisodeTracks(self.table, self.faces, self.names, self.vectors)

    def clusters(self, *, thresh: float = 0.5, outliers_alone: bool = True) -> Identities:
        return identify(
            EP_ID,
            self.tracks,
            ClusteringSettings.model_validate({"outlier_handling": {"treat_as_singletons": outliers_alone}}),
            THRESHOLDS._replace(cluster_thresh=thresh, tight_thresh=thresh),
        )

    def facebank(self, *enrolled: int, photos: int = 2) -> Facebank:
        people = [person for person in enrolled for _ in range(photos)]
        names = {f"p{person}": f"Person {person}" for person in enrolled}
        return Facebank([f"p{person}" for person in people], self.centres[people], names, "version")

    def resolve(
        self,
        *corrections: Correction,
        clusters: Identities | None = None,
        facebank: Facebank | None = None,
        automatic: bool = True,
    ) -> ResolvedPeople:
        resolved = resolve_people(
            clusters or self.clusters(),
            self.tracks,
            facebank,
            Corrections(ep_id=EP_ID, corrections=corrections),
            ClusteringSettings(),
            THRESHOLDS,
            automatic=automatic,
        )
        unassigned = [track.track_id for track in resolved.identities.unassigned]
        assert not partition_breaches("identities", self.names, resolved.identities.identity_of, unassigned)
        return resolved

    def shown(self, name: str, *tracks: int) -> Any:
        return TrackPlaces(self.table).reference(name, [self.names[i] for i in tracks])


def named(resolved: ResolvedPeople) -> list[tuple[str | None, list[int]]]:
    """Name and track numbers of each identity."""
    return [
        (identity.name, [int(track.removeprefix("track-")) - 1 for track in identity.track_ids])
        for identity in resolved.identities.identities
    ]


def decisions(resolved: ResolvedPeople, decision: str) -> list[Any]:
    return [entry for entry in resolved.grouping.decisions if entry.decision == decision]


def with_first(clusters: Identities, **changes: object) -> Identities:
    """The clusters with the first one changed."""
    first, *others = clusters.identities
    return clusters.model_copy(update={"identities": (first.model_copy(update=changes), *others)})


TWO = Episode([0, 1, 0, 1, 0, 1], [0, 0, 2, 2, 4, 4])


def test_people_of_the_facebank_are_named_and_others_stay_unknown() -> None:
    resolved = TWO.resolve(facebank=TWO.facebank(0))
    assert named(resolved) == [("Person 0", [0, 2, 4]), (None, [1, 3, 5])]
    first, second = resolved.identities.identities
    assert (first.person_id, first.named_by, first.name_margin) == ("p0", "facebank", None)
    assert first.name_similarity is not None
    assert first.name_similarity > 0.9
    assert (second.person_id, second.name_similarity) == (None, None)
    (unknown,) = decisions(resolved, "below_threshold")
    assert (unknown.clusters, unknown.identity_id, unknown.best) == (("ident_002",), "ident_002", "p0")
    assert resolved.grouping.across_episodes == 1
    assert resolved.identities.stats.named == 1


def test_clusters_of_one_person_become_one_identity_that_keeps_the_id_of_the_first() -> None:
    resolved = TWO.resolve(clusters=TWO.clusters(thresh=0.999), facebank=TWO.facebank(0, 1))
    assert named(resolved) == [("Person 0", [0, 2, 4]), ("Person 1", [1, 3, 5])]
    assert [identity.identity_id for identity in resolved.identities.identities] == ["ident_001", "ident_002"]
    assert resolved.grouping.centroids == 6


def test_similar_clusters_are_merged_without_a_facebank_and_the_evidence_is_recorded() -> None:
    resolved = TWO.resolve(clusters=TWO.clusters(thresh=0.999))
    assert named(resolved) == [(None, [0, 2, 4]), (None, [1, 3, 5])]
    merges = decisions(resolved, "merged")
    assert resolved.grouping.within_episode == len(merges) == 4
    assert all(merge.similarity >= merge.required_similarity for merge in merges)
    assert all(merge.rival_similarity < 0.1 for merge in merges)
    assert resolved.grouping.facebank is None


def test_two_people_who_look_alike_are_not_merged_where_the_facebank_distinguishes_them() -> None:
    vectors = np.zeros((2, 512), np.float32)
    vectors[0, 0] = 1
    vectors[1, :2] = 0.5, np.sqrt(0.75)
    alike = Episode([0, 1], [0, 2], vectors)
    clusters = alike.clusters(thresh=0.9)
    assert named(alike.resolve(clusters=clusters)) == [(None, [0, 1])]
    resolved = alike.resolve(clusters=clusters, facebank=alike.facebank(0, 1))
    assert named(resolved) == [("Person 0", [0]), ("Person 1", [1])]
    not_the_first = NotThisPerson(number=1, identity=alike.shown("ident_002", 1), person_id="p0")
    resolved = alike.resolve(not_the_first, clusters=clusters, facebank=alike.facebank(0))
    assert named(resolved) == [("Person 0", [0]), (None, [1])]


def test_switched_off_the_clusters_pass_through() -> None:
    clusters = TWO.clusters(thresh=0.999)
    resolved = TWO.resolve(clusters=clusters, facebank=TWO.facebank(0, 1), automatic=False)
    no_name = dict.fromkeys(("person_id", "name", "name_similarity", "name_margin", "named_by"))
    passed = [identity.to_dict() for identity in resolved.identities.identities]
    assert passed == [{**identity.to_dict(), **no_name} for identity in clusters.identities]
    assert resolved.identities.unassigned == clusters.unassigned
    assert resolved.identities.stats.to_dict() == {**clusters.stats.to_dict(), "named": 0}


def test_of_two_clusters_seen_together_that_look_like_one_person_only_one_has_the_name() -> None:
    twins = Episode([0, 0, 0, 0], [0, 0, 2, 2])
    resolved = twins.resolve(facebank=twins.facebank(0))
    assert sorted(name or "" for name, _ in named(resolved)) == ["", "Person 0"]
    (refused,) = decisions(resolved, "seen_together")
    holder = next(identity for identity in resolved.identities.identities if identity.name)
    assert refused.seen_together_with == holder.identity_id
    assert refused.best_similarity <= holder.name_similarity


def test_a_track_that_was_left_unassigned_is_named_if_it_is_clear_enough() -> None:
    clear = Episode([0, 1, 1], [0, 2, 4])
    clusters = clear.clusters()
    first, *others = clusters.identities
    left_out = tuple(UnassignedTrack(track_id=track, reason="small_cluster") for track in first.track_ids)
    clusters = clusters.model_copy(update={"identities": tuple(others), "unassigned": left_out})
    resolved = clear.resolve(clusters=clusters, facebank=clear.facebank(0, 1))
    assert named(resolved) == [("Person 0", [0]), ("Person 1", [1, 2])]
    resolved = clear.resolve(clusters=clusters, facebank=clear.facebank(1))
    assert named(resolved) == [("Person 1", [1, 2])]
    assert resolved.identities.unassigned == clusters.unassigned


def test_an_outlier_needs_more_similarity_than_a_cluster_and_is_no_outlier_with_a_name() -> None:
    vectors = people([1, 2], spread=0.0)
    vectors[0] = 0
    vectors[0, [0, 300]] = 0.52, np.sqrt(1 - 0.52**2)
    alone = Episode([0, 1, 1], [0, 2, 4], vectors)
    clusters = alone.clusters()
    assert named(alone.resolve(clusters=clusters, facebank=alone.facebank(0)))[0] == ("Person 0", [0])
    clusters = with_first(clusters, outlier=True, reason="low_identity_similarity")
    resolved = alone.resolve(clusters=clusters, facebank=alone.facebank(0))
    assert named(resolved)[0] == (None, [0])
    assert resolved.identities.identities[0].reason == "low_identity_similarity"
    vectors[0, [0, 300]] = 0.8, 0.6
    closer = Episode([0, 1, 1], [0, 2, 4], vectors)
    first = closer.resolve(clusters=clusters, facebank=closer.facebank(0)).identities.identities[0]
    assert (first.name, first.outlier) == ("Person 0", False)
    assert "reason" not in first.to_dict()


def test_a_corrected_name_wins_over_the_facebank() -> None:
    resolved = TWO.resolve(
        Name(number=1, identity=TWO.shown("ident_001", 0, 2, 4), name="Jane Doe", person_id="jane-doe"),
        facebank=TWO.facebank(0, 1),
    )
    assert named(resolved) == [("Jane Doe", [0, 2, 4]), ("Person 1", [1, 3, 5])]
    first = resolved.identities.identities[0]
    assert (first.person_id, first.named_by, first.name_similarity) == ("jane-doe", "correction", None)
    (entry,) = decisions(resolved, "corrected")
    assert (entry.correction, entry.best) == (1, "p0")


def test_a_name_that_a_correction_excludes_is_not_given_again() -> None:
    resolved = TWO.resolve(
        NotThisPerson(number=1, identity=TWO.shown("ident_001", 0, 2, 4), person_id="p0"),
        facebank=TWO.facebank(0, 1),
        clusters=TWO.clusters(thresh=0.999),
    )
    assert sorted(named(resolved), key=lambda entry: entry[1]) == [(None, [0, 2, 4]), ("Person 1", [1, 3, 5])]


def test_split_tracks_are_not_merged_again_by_similarity() -> None:
    split = Split(number=1, identity=TWO.shown("ident_001", 0, 2), tracks=(TWO.shown(TWO.names[4], 4),))
    assert named(TWO.resolve(split)) == [(None, [0, 2]), (None, [1, 3, 5]), (None, [4])]
    by_name = TWO.resolve(split, facebank=TWO.facebank(0))
    assert sorted(name or "" for name, _ in named(by_name)) == ["", "", "Person 0"]
    assert len(decisions(by_name, "seen_together")) == 1


@pytest.mark.parametrize("alike", [[2], [2, 4], [4]])
@pytest.mark.parametrize("person_id", ["p0", None])
def test_split_off_tracks_do_not_inherit_the_name_where_they_are_clustered_with_tracks_that_are_not_mentioned(
    alike: list[int], person_id: str | None
) -> None:
    vectors = people([6], spread=0.9, seed=3)
    vectors[alike] = people([1, 1], spread=0.0)[0]  # the mixed cluster is more like the person than the rest is
    episode = Episode([0] * 6, [0, 2, 4, 6, 8, 10], vectors)
    rest, mixed = episode.names[:2], episode.names[2:]
    resolved = episode.resolve(
        Split(
            number=1, identity=episode.shown("ident", 0, 1), tracks=(episode.shown("track", 2),), person_id=person_id
        ),
        clusters=identities_with(identity_with("ident_001", rest), identity_with("ident_002", mixed)),
        facebank=episode.facebank(0),
    )
    (outcome,) = resolved.grouping.corrections
    if person_id:
        assert named(resolved) == [("Person 0", [0, 1, 3, 4, 5]), (None, [2])]
        assert outcome.status == "partly"
        assert "track-00003: in ident_002 now, with tracks that it does not mention" in outcome.remarks[0]
    else:  # there is no name that the tracks could inherit: those of the rest come first
        assert named(resolved) == [("Person 0", [0, 1]), (None, [2, 3, 4, 5])]
        assert outcome.status == "applied"


def test_tracks_that_a_split_does_not_mention_keep_the_name_that_they_were_given() -> None:
    episode = Episode([0] * 6, [0, 2, 4, 6, 8, 10])
    resolved = episode.resolve(
        Name(number=1, identity=episode.shown("ident", 0, 1, 2, 3, 4, 5), name="Amy", person_id="amy"),
        Split(number=2, identity=episode.shown("ident", 0, 1), tracks=(episode.shown("t", 2),), person_id="amy"),
        clusters=identities_with(
            identity_with("ident_001", episode.names[:2]), identity_with("ident_002", episode.names[2:])
        ),
    )
    assert named(resolved) == [("Amy", [0, 1, 3, 4, 5]), (None, [2])]
    assert [outcome.status for outcome in resolved.grouping.corrections] == ["applied", "partly"]


def test_split_off_tracks_do_not_take_the_name_from_the_rest_after_they_were_merged_with_others() -> None:
    vectors = people([6], spread=0.0)
    vectors[:2, 300] = 0.7  # the rest is less like the person than the others, which are all alike
    episode = Episode([0] * 6, [0, 2, 4, 6, 8, 10], vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    parts = episode.names[:2], episode.names[2:5], episode.names[5:]
    resolved = episode.resolve(
        Split(number=1, identity=episode.shown("ident", 0, 1), tracks=(episode.shown("t", 5),)),
        clusters=identities_with(*(identity_with(f"ident_{i}", part) for i, part in enumerate(parts))),
        facebank=episode.facebank(0),
    )
    assert named(resolved) == [("Person 0", [0, 1]), (None, [2, 3, 4, 5])]


def test_a_split_leaves_a_cluster_alone_that_has_a_name_of_its_own() -> None:
    episode = Episode([0] * 6, [0, 2, 4, 6, 8, 10])
    resolved = episode.resolve(
        Name(number=1, identity=episode.shown("ident", 2, 3, 4, 5), name="Bob", person_id="bob"),
        Split(number=2, identity=episode.shown("ident", 0, 1), tracks=(episode.shown("t", 2),), person_id="amy"),
        clusters=identities_with(
            identity_with("ident_001", episode.names[:2]), identity_with("ident_002", episode.names[2:])
        ),
    )
    assert named(resolved) == [(None, [0, 1]), ("Bob", [2, 3, 4, 5])]
    assert [outcome.status for outcome in resolved.grouping.corrections] == ["applied", "applied"]


def test_merged_identities_are_one_person_even_if_seen_together_and_the_pairs_are_listed_as_exempt() -> None:
    merge = Merge(number=1, identities=(TWO.shown("ident_001", 0, 2, 4), TWO.shown("ident_002", 1, 3, 5)))
    resolved = TWO.resolve(merge)
    assert named(resolved) == [(None, [0, 1, 2, 3, 4, 5])]
    assert resolved.grouping.exempt == (
        ("track-00001", "track-00002"),
        ("track-00003", "track-00004"),
        ("track-00005", "track-00006"),
    )
    assert resolved.grouping.corrections[0].status == "applied"
    assert TWO.resolve().grouping.exempt == ()


def test_ignored_tracks_are_unassigned_with_that_reason() -> None:
    resolved = TWO.resolve(Ignore(number=1, identity=TWO.shown("ident_002", 1, 3, 5)))
    assert named(resolved) == [(None, [0, 2, 4])]
    assert resolved.identities.unassigned == tuple(
        UnassignedTrack(track_id=TWO.names[i], reason="ignored") for i in (1, 3, 5)
    )


def test_the_same_person_named_twice_is_one_identity() -> None:
    three = Episode([0, 1, 2], [0, 2, 4])
    resolved = three.resolve(
        Name(number=1, identity=three.shown("ident_001", 0), name="Jane", person_id="jane"),
        Name(number=2, identity=three.shown("ident_003", 2), name="Jane", person_id="jane"),
    )
    assert named(resolved) == [("Jane", [0, 2]), (None, [1])]


def test_one_name_for_two_who_are_seen_together_is_given_and_reported_as_a_conflict_of_both_corrections() -> None:
    jane = [
        Name(number=1, identity=TWO.shown("ident_001", 0, 2, 4), name="Jane", person_id="jane"),
        Name(number=2, identity=TWO.shown("ident_002", 1, 3, 5), name="Jane", person_id="jane"),
    ]
    resolved = TWO.resolve(*jane)
    assert named(resolved) == [("Jane", [0, 1, 2, 3, 4, 5])]
    assert len(resolved.grouping.exempt) == 3
    outcomes = resolved.grouping.corrections
    assert [outcome.status for outcome in outcomes] == ["conflict", "conflict"]
    assert outcomes[1].remarks == (
        "ident_002 and ident_001 are both Jane, though they are seen together or were split",
    )
    bob = replace_name(jane[1], "Bob")
    assert [outcome.status for outcome in TWO.resolve(jane[0], bob).grouping.corrections] == ["applied"] * 2


def replace_name(correction: Name, name: str) -> Name:
    return correction.model_copy(update={"name": name, "person_id": name.lower()})


def test_a_low_cohesion_cluster_is_doubtful() -> None:
    clusters = with_first(TWO.clusters(), low_cohesion=True)
    (first, _) = decisions(TWO.resolve(clusters=clusters, facebank=TWO.facebank(0, 1)), "named")
    assert first.strict


@pytest.mark.parametrize("enrolled", [(), (0,), (0, 1)])
def test_an_empty_episode_has_no_people(enrolled: Sequence[int]) -> None:
    empty = Episode([0], [0])
    resolved = resolve_people(
        empty.clusters().model_copy(update={"identities": (), "unassigned": ()}),
        EpisodeTracks(empty.table.slice(0, 0), empty.faces.slice(0, 0), [], np.empty((0, 512), np.float32)),
        TWO.facebank(*enrolled) if enrolled else None,
        Corrections(ep_id=EP_ID),
        ClusteringSettings(),
        THRESHOLDS,
    )
    assert resolved.identities.identities == ()
    assert resolved.grouping.centroids == 0


def test_split_off_tracks_do_not_get_the_name_though_they_are_more_like_the_person() -> None:
    vectors = people([6], spread=0.9, seed=3)
    vectors[5] = people([1, 1], spread=0.0)[0]
    episode = Episode([0] * 6, [0, 2, 4, 6, 8, 10], vectors)
    clusters = identities_with(identity_with("ident_004", episode.names))
    identity, track = episode.shown("ident_004", 0, 1, 2, 3, 4), episode.shown("track-00006", 5)
    for person_id in ("p0", None):
        split = Split(number=1, identity=identity, tracks=(track,), person_id=person_id)
        resolved = episode.resolve(split, clusters=clusters, facebank=episode.facebank(0))
        assert named(resolved) == [("Person 0", [0, 1, 2, 3, 4]), (None, [5])]


@pytest.mark.parametrize("apart", [False, True])
def test_a_corrected_name_stays_with_the_named_tracks_that_stay(apart: bool) -> None:
    episode = Episode([0] * 4, [0, 2, 4, 6])
    groups = [[0, 1, 2], [3]] if apart else [[0, 1, 2, 3]]
    clusters = identities_with(
        *(identity_with(f"ident_{i}", [episode.names[t] for t in group]) for i, group in enumerate(groups))
    )
    resolved = episode.resolve(
        Name(number=1, identity=episode.shown("ident_0", 0, 1, 2, 3), name="Amy", person_id="amy"),
        Split(number=2, identity=episode.shown("ident_0", 0, 1, 2), tracks=(episode.shown("track-00004", 3),)),
        clusters=clusters,
    )
    assert named(resolved) == [("Amy", [0, 1, 2]), (None, [3])]
    assert [outcome.status for outcome in resolved.grouping.corrections] == ["applied", "applied"]


def test_neither_half_has_the_name_if_all_named_tracks_are_split_off() -> None:
    episode = Episode([0] * 4, [0, 2, 4, 6])
    resolved = episode.resolve(
        Name(number=1, identity=episode.shown("ident_0", 2, 3), name="Amy", person_id="amy"),
        Split(
            number=2,
            identity=episode.shown("ident_0", 0, 1),
            tracks=(episode.shown("track-00003", 2), episode.shown("track-00004", 3)),
        ),
        clusters=identities_with(identity_with("ident_0", episode.names)),
    )
    assert named(resolved) == [(None, [0, 1]), (None, [2, 3])]
    assert resolved.grouping.corrections[1].status == "conflict"
