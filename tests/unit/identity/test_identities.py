import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from screenalytics_assets.core.config.people_keys import ClusteringSettings
from screenalytics_assets.core.config.thresholds import Thresholds
from screenalytics_assets.core.documents.identities import ClusterStats, Identities
from screenalytics_assets.core.identity.clustering import LOW_SIMILARITY, SINGLE_FACE, SMALL_CLUSTER
from screenalytics_assets.core.identity.episode_tracks import EpisodeTracks
from screenalytics_assets.core.identity.identities import (
    NO_ACCEPTED_FACE,
    PICTURE,
    cannot_link_constraints,
    identify,
    same_face_warning,
)
from tests.unit.builders import EP_ID, Seen, at_cosine, faces_table, people, track_id, tracks_table

THRESHOLDS = Thresholds(
    confidence_th=0.2,
    track_thresh=0.35,
    min_confidence=0.35,
    cluster_thresh=0.5,
    tight_thresh=0.5,
    min_identity_sim=0.4,
    min_cohesion=0.55,
    gate_hard_sim=0.2,
    gate_soft_sim=0.4,
    name_similarity=0.45,
    name_margin=0.1,
    recluster_thresh=0.5,
    recluster_tight_thresh=0.5,
    min_photo_sim=0.38,
)


def document_of(
    vectors: NDArray[np.float32],
    *,
    tracks_without_face: Sequence[int] = (),
    pictures: Sequence[int] = (),
    thresholds: Thresholds = THRESHOLDS,
    min_cluster_size: int = 1,
    treat_as_singletons: bool = True,
    mark_low_cohesion: bool = True,
    face_quality: Sequence[Sequence[float]] | None = None,
    seen_together: bool = False,
    **constraints: object,
) -> Identities:
    """Identities of an episode in which every track but some has a vector, and by default two faces.

    The tracks follow one another, or all of them are side by side in the same four frames.
    """
    count = len(vectors) + len(tracks_without_face)
    with_face = [track for track in range(count) if track not in tracks_without_face]
    quality = face_quality or [[0.8, 0.8]] * len(vectors)
    faces = [(track, value) for track, values in zip(with_face, quality, strict=True) for value in values]
    return identify(
        EP_ID,
        EpisodeTracks(
            tracks_table(side_by_side(count) if seen_together else [[Seen(24 * i)] for i in range(count)]),
            faces_table([track for track, _ in faces], [value for _, value in faces]),
            [track_id(track) for track in with_face],
            vectors,
            frozenset(track_id(track) for track in pictures),
        ),
        ClusteringSettings.model_validate(
            {
                "min_cluster_size": min_cluster_size,
                "outlier_handling": {
                    "treat_as_singletons": treat_as_singletons,
                    "mark_low_cohesion": mark_low_cohesion,
                },
                **constraints,
            }
        ),
        thresholds,
    )


def side_by_side(count: int) -> list[list[Seen]]:
    """Tracks of four frames, each overlapping its neighbours by an IoU of 1/3."""
    return [[Seen(3 * k, bbox=(0.1 * i, 0.1, 0.1 * i + 0.2, 0.3)) for k in range(4)] for i in range(count)]


def members(document: Identities) -> list[list[str]]:
    return [list(identity.track_ids) for identity in document.identities]


def unassigned(document: Identities) -> list[tuple[str, str]]:
    return [(track.track_id, track.reason) for track in document.unassigned]


def one_that_does_not_fit() -> NDArray[np.float32]:
    """Four equal tracks, and the last one at cosine 0.45 to them."""
    vectors = np.zeros((5, 512), np.float32)
    vectors[:, 0] = 1
    vectors[4, :2] = 0.45, np.sqrt(1 - 0.45**2)
    return vectors


OUTLIER_RULES = THRESHOLDS._replace(cluster_thresh=0.4, tight_thresh=0.4, min_identity_sim=0.5)


def test_identities_are_numbered_in_the_order_in_which_their_people_appear() -> None:
    document = document_of(people([2, 1])[[2, 0, 1]])
    assert document.ep_id == EP_ID
    assert [identity.identity_id for identity in document.identities] == ["ident_001", "ident_002"]
    assert members(document) == [["track-00001"], ["track-00002", "track-00003"]]


def test_a_track_without_a_face_is_unassigned_with_the_reason() -> None:
    document = document_of(people([2]), tracks_without_face=[0, 2])
    assert members(document) == [["track-00002", "track-00004"]]
    assert unassigned(document) == [("track-00001", NO_ACCEPTED_FACE), ("track-00003", NO_ACCEPTED_FACE)]


def test_a_picture_of_a_face_is_unassigned_for_that_reason() -> None:
    document = document_of(people([1]), tracks_without_face=[0, 2], pictures=[2])
    assert unassigned(document) == [("track-00001", NO_ACCEPTED_FACE), ("track-00003", PICTURE)]
    assert members(document) == [["track-00002"]]


def test_an_outlier_becomes_an_identity_of_its_own_that_says_why() -> None:
    document = document_of(one_that_does_not_fit(), thresholds=OUTLIER_RULES)
    assert members(document) == [["track-00001", "track-00002", "track-00003", "track-00004"], ["track-00005"]]
    assert document.identities[1].outlier
    assert document.identities[1].reason == LOW_SIMILARITY
    assert not document.identities[0].outlier
    assert "reason" not in document.identities[0].to_dict()
    assert document.stats.outlier_count == 1


def test_an_outlier_is_left_unassigned_with_the_reason_when_singletons_are_not_wanted() -> None:
    document = document_of(one_that_does_not_fit(), thresholds=OUTLIER_RULES, treat_as_singletons=False)
    assert members(document) == [["track-00001", "track-00002", "track-00003", "track-00004"]]
    assert unassigned(document) == [("track-00005", LOW_SIMILARITY)]


@pytest.mark.parametrize("quality", [0.4, 0.9])
def test_an_identity_of_a_single_face_is_an_outlier_that_says_why_and_stays(quality: float) -> None:
    faces = [[0.8, 0.8], [0.8, 0.8], [quality]]
    (_, alone) = document_of(people([2, 1]), face_quality=faces).identities
    assert (alone.track_ids, alone.outlier, alone.reason) == (("track-00003",), True, SINGLE_FACE)
    without_outliers = document_of(people([2, 1]), face_quality=faces, treat_as_singletons=False)
    assert unassigned(without_outliers) == [("track-00003", SINGLE_FACE)]


@pytest.mark.parametrize("faces", [[[0.8], [0.8], [0.5, 0.5]], [[0.8, 0.8], [0.8], [0.5, 0.5]]])
def test_faces_that_confirm_each_other_within_or_across_tracks_are_no_outlier(faces: list[list[float]]) -> None:
    document = document_of(people([2, 1]), face_quality=faces)
    assert [identity.outlier for identity in document.identities] == [False, False]


def test_outliers_are_counted_whatever_becomes_of_them() -> None:
    counts = [
        document_of(one_that_does_not_fit(), thresholds=OUTLIER_RULES, treat_as_singletons=wanted).stats.outlier_count
        for wanted in (True, False)
    ]
    assert counts == [1, 1]


def test_tracks_of_too_small_clusters_are_outliers() -> None:
    document = document_of(people([3, 1]), min_cluster_size=2, treat_as_singletons=False)
    assert unassigned(document) == [("track-00004", SMALL_CLUSTER)]


def test_an_identity_below_min_cohesion_is_flagged_unless_switched_off() -> None:
    loose = at_cosine(0.54)
    assert [identity.low_cohesion for identity in document_of(loose).identities] == [True]
    assert document_of(loose).stats.low_cohesion_count == 1
    assert not document_of(loose, mark_low_cohesion=False).identities[0].low_cohesion
    assert not document_of(at_cosine(0.56)).identities[0].low_cohesion


def test_a_single_track_is_never_of_low_cohesion() -> None:
    identity = document_of(people([1])).identities[0]
    assert (identity.cohesion_score, identity.min_identity_sim, identity.low_cohesion) == (1, 1, False)


def test_scores_are_those_of_the_cluster() -> None:
    identity = document_of(at_cosine(0.6)).identities[0]
    assert (identity.cohesion_score, identity.min_identity_sim) == (0.6, 0.6)


def test_the_representative_is_the_best_face_of_all_tracks_and_the_earliest_of_equals() -> None:
    document = document_of(people([2, 1]), face_quality=[[0.5, 0.7], [0.9, 0.9, 0.1], [0.2]])
    first, second = document.identities
    assert (first.representative_face_id, first.num_faces) == ("face-00003", 5)
    assert (second.representative_face_id, second.num_faces) == ("face-00006", 1)


@pytest.mark.parametrize(
    ("constraints", "identities"),
    [
        ({}, 2),
        ({"cannot_link_enabled": False}, 1),
        ({"cannot_link_min_frames": 5}, 1),
        ({"cannot_link_max_iou": 0.4}, 3),
    ],
)
def test_faces_that_are_seen_together_are_two_people_unless_configured_otherwise(
    constraints: dict[str, Any], identities: int
) -> None:
    """Of three similar faces in a row the outer two do not touch, and each touches the middle one."""
    document = document_of(people([3], spread=0.8), seen_together=True, **constraints)
    assert len(document.identities) == identities
    assert document.stats.blocked_merges == identities * (identities - 1) // 2
    assert document.stats.cannot_link_pairs == {1: 0, 2: 1, 3: 3}[identities]


def test_a_face_that_is_in_the_picture_twice_is_one_person() -> None:
    document = document_of(people([3]), seen_together=True)
    assert members(document) == [["track-00001", "track-00002", "track-00003"]]
    assert document.same_face == (("track-00001", "track-00003"),)
    assert document.stats.cannot_link_pairs == 0
    assert json.loads(json.dumps(document.to_dict()))["same_face"] == [["track-00001", "track-00003"]]
    assert same_face_warning(document, tracks_table(side_by_side(3))) == (
        "pairs of tracks that show one face twice at the same time: 1, first at 0.0 s (a mirror, or a copy of the "
        "picture). Each pair is one person; if they are two, correct that with `split`"
    )


def test_without_such_a_face_the_document_and_the_run_do_not_mention_it() -> None:
    document = document_of(people([1, 1]), seen_together=True)
    assert "same_face" not in document.to_dict()
    assert same_face_warning(document, tracks_table(side_by_side(2))) is None


def test_an_exempt_pair_is_no_constraint() -> None:
    tracks = tracks_table(side_by_side(3))
    assert cannot_link_constraints(tracks, ClusteringSettings()) == [("track-00001", "track-00003")]
    assert cannot_link_constraints(tracks, ClusteringSettings(), [("track-00003", "track-00001")]) == []


def test_people_who_do_not_look_alike_are_two_without_a_blocked_merge() -> None:
    stats = document_of(people([1, 1, 1]), seen_together=True).stats
    assert (stats.cannot_link_pairs, stats.blocked_merges) == (1, 0)


def test_a_track_without_a_vector_has_no_part_in_the_constraints() -> None:
    stats = document_of(people([2]), seen_together=True, tracks_without_face=[0]).stats
    assert (stats.clusters, stats.cannot_link_pairs) == (1, 0)


def test_tracks_of_few_faces_need_the_tight_threshold() -> None:
    rules = THRESHOLDS._replace(cluster_thresh=0.4, tight_thresh=0.6)
    few, many = (document_of(at_cosine(0.5), thresholds=rules, face_quality=[[0.8] * n] * 2) for n in (1, 16))
    assert [len(document.identities) for document in (few, many)] == [2, 1]


def test_stats_are_of_the_identities_and_name_all_tracks() -> None:
    stats = document_of(people([4, 1, 1, 2]), tracks_without_face=[3]).stats
    assert stats == ClusterStats(
        clusters=4,
        tracks=9,
        singleton_count=2,
        singleton_fraction=0.5,
        largest_cluster_size=4,
        largest_cluster_fraction=0.5,
        outlier_count=0,
        low_cohesion_count=0,
        cannot_link_pairs=0,
        blocked_merges=0,
    )


def test_an_episode_without_people_has_figures_too() -> None:
    document = document_of(np.zeros((0, 512), np.float32), tracks_without_face=[0, 1])
    assert document.identities == ()
    assert [track.track_id for track in document.unassigned] == ["track-00001", "track-00002"]
    assert document.stats.singleton_fraction == document.stats.largest_cluster_fraction == 0
    assert document.stats.largest_cluster_size == 0


def test_the_document_holds_the_configuration_and_is_plain_json() -> None:
    document = document_of(people([2, 1]), min_cluster_size=2)
    text = json.dumps(document.to_dict(), allow_nan=False)
    assert Identities.model_validate_json(text, strict=True) == document
    assert document.settings.min_cluster_size == 2
    assert document.config["outlier_handling"] == {"treat_as_singletons": True, "mark_low_cohesion": True}


@given(
    st.lists(st.integers(1, 4), max_size=4),
    st.integers(0, 3),
    st.integers(1, 3),
    st.booleans(),
    st.sampled_from([0.2, 1.2]),
)
@settings(max_examples=50)
def test_every_track_is_in_exactly_one_identity_or_unassigned(
    sizes: list[int], faceless_first: int, min_cluster_size: int, treat_as_singletons: bool, spread: float
) -> None:
    vectors = people(sizes, spread=spread) if sizes else np.zeros((0, 512), np.float32)
    faceless = range(faceless_first)
    document = document_of(
        vectors,
        tracks_without_face=faceless,
        min_cluster_size=min_cluster_size,
        treat_as_singletons=treat_as_singletons,
    )
    assigned = [track for tracks in members(document) for track in tracks]
    others = [track for track, _ in unassigned(document)]
    assert sorted(assigned + others) == [track_id(i) for i in range(len(vectors) + faceless_first)]
    assert document.stats.tracks == len(vectors) + faceless_first
    assert all(reason for _, reason in unassigned(document))
    assert all(identity.reason for identity in document.identities if identity.outlier)


@pytest.mark.parametrize("spread", [0.2, 0.6])
def test_the_same_input_gives_the_same_document(spread: float) -> None:
    vectors = people([3, 2, 1], spread=spread)
    assert document_of(vectors) == document_of(vectors)
