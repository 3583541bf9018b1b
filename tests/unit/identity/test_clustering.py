from collections.abc import Sequence
from itertools import permutations
from random import Random

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.cluster import AgglomerativeClustering

from screenalytics_assets.core.common.vectors import unit_rows
from screenalytics_assets.core.identity.clustering import (
    LOW_SIMILARITY,
    SINGLE_FACE,
    SMALL_CLUSTER,
    Cluster,
    TrackVectors,
    blocked_merges,
    cluster_tracks,
    similarity_to_rest,
)
from tests.unit.builders import at_cosine, people


def tracks_of(
    vectors: NDArray[np.float32], *, faces: Sequence[int] = (), cannot_link: Sequence[tuple[int, int]] = ()
) -> TrackVectors:
    """Tracks of one face each unless ``faces`` is given."""
    return TrackVectors(
        vectors,
        np.array(faces or [1] * len(vectors), np.int64),
        np.array(cannot_link, np.int64).reshape(-1, 2),
    )


def cluster(
    vectors: NDArray[np.float32],
    *,
    cluster_thresh: float = 0.5,
    tight_thresh: float = -0.99,
    min_identity_sim: float = -0.99,
    min_cluster_size: int = 1,
    faces: Sequence[int] = (),
    cannot_link: Sequence[tuple[int, int]] = (),
) -> list[Cluster]:
    """Plain average linkage unless ``tight_thresh`` is given."""
    return cluster_tracks(
        tracks_of(vectors, faces=faces, cannot_link=cannot_link),
        tight_thresh=tight_thresh,
        cluster_thresh=cluster_thresh,
        min_identity_sim=min_identity_sim,
        min_cluster_size=min_cluster_size,
    )


def rows(clusters: list[Cluster]) -> list[list[int]]:
    return [found.members.tolist() for found in clusters]


def test_tracks_of_one_person_are_one_cluster_and_of_two_people_two() -> None:
    assert rows(cluster(people([3, 1, 2]))) == [[0, 1, 2], [3], [4, 5]]


@given(st.floats(-0.9, 0.95))
def test_tracks_merge_at_exactly_the_threshold_and_not_below(similarity: float) -> None:
    vectors = at_cosine(similarity)
    assert rows(cluster(vectors, cluster_thresh=similarity)) == [[0, 1]]
    assert rows(cluster(vectors, cluster_thresh=similarity + 1e-4)) == [[0], [1]]


def test_clusters_merge_by_the_mean_similarity_between_their_tracks() -> None:
    vectors = np.zeros((3, 512), np.float32)
    vectors[0, 0] = 1
    vectors[1, :2] = 0.5, np.sqrt(0.75)
    vectors[2, [0, 2]] = 0.7, np.sqrt(0.51)
    np.testing.assert_allclose(vectors @ vectors.T, [[1, 0.5, 0.7], [0.5, 1, 0.35], [0.7, 0.35, 1]], atol=1e-6)
    # First and third merge at 0.7; the second is at (0.5 + 0.35) / 2 = 0.425 to them.
    assert rows(cluster(vectors, cluster_thresh=0.43)) == [[0, 2], [1]]
    assert rows(cluster(vectors, cluster_thresh=0.42)) == [[0, 1, 2]]


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.integers(0, 2**32 - 1))
@settings(max_examples=50)
def test_the_order_of_the_rows_changes_nothing_but_numbering(sizes: list[int], seed: int) -> None:
    vectors = people(sizes, seed=seed)
    owner = np.repeat(np.arange(len(sizes)), sizes)
    order = np.random.default_rng(seed).permutation(len(vectors))
    expected = {frozenset(np.flatnonzero(owner == person).tolist()) for person in range(len(sizes))}
    found = cluster(vectors[order])
    assert {frozenset(order[c.members].tolist()) for c in found} == expected
    scores = {frozenset(order[c.members].tolist()): c.cohesion_score for c in found}
    for plain in cluster(vectors):
        assert scores[frozenset(plain.members.tolist())] == pytest.approx(plain.cohesion_score, abs=1e-5)


@st.composite
def any_vectors(draw: st.DrawFn) -> NDArray[np.float32]:
    count = draw(st.integers(0, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return unit_rows((rng.normal(size=(count, 512)) + draw(st.floats(0, 3))).astype(np.float32))


@given(any_vectors(), st.floats(-0.5, 0.95), st.floats(-0.5, 0.95), st.integers(1, 4))
def test_every_track_is_in_exactly_one_cluster_and_outliers_are_single_with_a_reason(
    vectors: NDArray[np.float32], cluster_thresh: float, min_identity_sim: float, min_cluster_size: int
) -> None:
    found = cluster(
        vectors,
        cluster_thresh=cluster_thresh,
        min_identity_sim=min_identity_sim,
        min_cluster_size=min_cluster_size,
    )
    assert sorted(row for members in rows(found) for row in members) == list(range(len(vectors)))
    assert [members[0] for members in rows(found)] == sorted(members[0] for members in rows(found))
    for one in found:
        if one.reason:
            assert len(one.members) == 1
            assert one.reason in (LOW_SIMILARITY, SMALL_CLUSTER, SINGLE_FACE)
        else:
            assert len(one.members) >= min_cluster_size


@given(any_vectors(), st.floats(-0.5, 0.9), st.floats(0, 0.5))
def test_a_higher_threshold_never_gives_fewer_clusters(
    vectors: NDArray[np.float32], cluster_thresh: float, more: float
) -> None:
    loose, strict = (cluster(vectors, cluster_thresh=min(t, 0.99)) for t in (cluster_thresh, cluster_thresh + more))
    assert len(loose) <= len(strict)


def one_dissimilar() -> NDArray[np.float32]:
    """Five equal tracks and one, the fourth, at cosine 0.4 to each of them."""
    vectors = np.zeros((6, 512), np.float32)
    vectors[:, 0] = 1
    vectors[3, :2] = 0.4, np.sqrt(1 - 0.16)
    return vectors


def test_a_track_that_does_not_fit_its_cluster_is_an_outlier_with_a_reason() -> None:
    found = cluster(one_dissimilar(), cluster_thresh=0.35, min_identity_sim=0.45)
    assert rows(found) == [[0, 1, 2, 4, 5], [3]]
    assert [one.reason for one in found] == [None, LOW_SIMILARITY]
    assert found[0].cohesion_score == pytest.approx(1)


def test_a_track_that_just_fits_its_cluster_stays() -> None:
    found = cluster(one_dissimilar(), cluster_thresh=0.35, min_identity_sim=0.39)
    assert rows(found) == [[0, 1, 2, 3, 4, 5]]
    assert found[0].min_identity_sim == pytest.approx(0.4, abs=1e-6)


def test_tracks_of_a_cluster_that_is_too_small_are_outliers() -> None:
    found = cluster(people([3, 2, 1]), min_cluster_size=3)
    assert rows(found) == [[0, 1, 2], [3], [4], [5]]
    assert [one.reason for one in found] == [None, SMALL_CLUSTER, SMALL_CLUSTER, SMALL_CLUSTER]


@pytest.mark.parametrize(("faces", "reason"), [(1, SINGLE_FACE), (2, None)])
def test_a_person_with_one_track_is_an_outlier_only_with_a_single_face(faces: int, reason: str | None) -> None:
    found = cluster(people([1, 3]), min_identity_sim=0.43, faces=[faces, 1, 1, 1])
    assert [one.reason for one in found] == [reason, None]


def test_cohesion_is_the_mean_similarity_between_the_tracks() -> None:
    found = cluster(at_cosine(0.6))
    assert found[0].cohesion_score == pytest.approx(0.6, abs=1e-6)
    single = cluster(at_cosine(0.6)[:1])
    assert (single[0].cohesion_score, single[0].min_identity_sim) == (1, 1)


def test_a_tight_cluster_has_a_higher_cohesion_than_a_loose_one() -> None:
    tight, loose = (cluster(people([6], spread=spread))[0].cohesion_score for spread in (0.2, 0.8))
    assert tight > 0.9 > 0.75 > loose


def test_the_rest_of_a_pair_is_the_other_one() -> None:
    np.testing.assert_allclose(similarity_to_rest(at_cosine(0.3)), [0.3, 0.3], atol=1e-6)
    assert similarity_to_rest(at_cosine(0.3)[:1]).tolist() == [1]


def test_equal_vectors_are_one_cluster_even_at_the_strictest_threshold() -> None:
    assert rows(cluster(np.repeat(people([1]), 4, axis=0), cluster_thresh=0.999, min_identity_sim=0.999)) == [
        [0, 1, 2, 3]
    ]


@pytest.mark.parametrize(("count", "expected"), [(0, []), (1, [[0]])])
def test_no_track_and_a_single_track(count: int, expected: list[list[int]]) -> None:
    assert rows(cluster(people([1])[:count])) == expected


# Cannot-link pairs


def test_a_cannot_link_pair_is_never_merged() -> None:
    assert rows(cluster(people([2]), cannot_link=[(0, 1)])) == [[0], [1]]


def test_clusters_inherit_the_cannot_link_pairs_of_their_tracks() -> None:
    vectors = people([4], spread=0.5)
    found = rows(cluster(vectors, cluster_thresh=-0.9, cannot_link=[(0, 1), (2, 3)]))
    assert len(found) == 2
    assert all(len(members) == 2 for members in found)
    assert {0, 1} not in [set(members) for members in found]


def test_a_cannot_link_pair_does_not_change_other_tracks() -> None:
    assert rows(cluster(people([3, 2]), cannot_link=[(0, 3), (1, 4)])) == [[0, 1, 2], [3, 4]]


@st.composite
def constrained(draw: st.DrawFn) -> tuple[NDArray[np.float32], list[tuple[int, int]]]:
    vectors = draw(any_vectors())
    pairs = [(a, b) for b in range(len(vectors)) for a in range(b)]
    return vectors, draw(st.lists(st.sampled_from(pairs), max_size=10)) if pairs else []


@given(constrained(), st.floats(-0.5, 0.9), st.floats(-0.5, 0.9))
def test_no_cluster_ever_holds_a_cannot_link_pair(
    case: tuple[NDArray[np.float32], list[tuple[int, int]]], cluster_thresh: float, tight_thresh: float
) -> None:
    vectors, pairs = case
    found = cluster(vectors, cluster_thresh=cluster_thresh, tight_thresh=tight_thresh, cannot_link=pairs)
    assert sorted(row for members in rows(found) for row in members) == list(range(len(vectors)))
    for a, b in pairs:
        assert not any({a, b} <= set(members) for members in rows(found))


@given(constrained(), st.floats(-0.2, 0.9), st.floats(0, 0.3), st.randoms(use_true_random=False), st.data())
def test_the_order_of_the_rows_changes_nothing_for_random_vectors(
    case: tuple[NDArray[np.float32], list[tuple[int, int]]],
    cluster_thresh: float,
    tighter: float,
    random: Random,
    data: st.DataObject,
) -> None:
    vectors, pairs = case
    order = list(range(len(vectors)))
    random.shuffle(order)
    place = {row: new for new, row in enumerate(order)}
    faces = data.draw(st.lists(st.integers(1, 16), min_size=len(vectors), max_size=len(vectors)))
    plain = cluster(
        vectors,
        cluster_thresh=cluster_thresh,
        tight_thresh=cluster_thresh + tighter,
        min_identity_sim=0.1,
        faces=faces,
        cannot_link=pairs,
    )
    shuffled = cluster(
        vectors[order],
        cluster_thresh=cluster_thresh,
        tight_thresh=cluster_thresh + tighter,
        min_identity_sim=0.1,
        faces=[faces[row] for row in order],
        cannot_link=[(place[b], place[a]) for a, b in reversed(pairs)],
    )

    def content(found: list[Cluster], names: Sequence[int]) -> set[tuple[object, ...]]:
        return {
            (frozenset(names[row] for row in one.members), one.cohesion_score, one.min_identity_sim, one.reason)
            for one in found
        }

    assert content(shuffled, order) == content(plain, range(len(vectors)))


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_order_of_the_rows_does_not_decide_between_equally_good_merges(order: tuple[int, ...]) -> None:
    """The middle one of three is at cosine 0.5 to both others, and can be with one of them only."""
    vectors = np.zeros((3, 512), np.float32)
    vectors[[0, 1, 2], [0, 0, 1]] = 1, 0.5, 1
    vectors[1, 1:3] = 0.5, np.sqrt(0.5)
    found = {
        frozenset(order[row] for row in members) for members in rows(cluster(vectors[list(order)], cluster_thresh=0.4))
    }
    assert found == {frozenset(members) for members in rows(cluster(vectors, cluster_thresh=0.4))}
    assert len(found) == 2


@pytest.mark.parametrize(("similarity", "blocked"), [(0.6, 1), (0.4, 0)])
def test_a_merge_counts_as_blocked_if_only_the_cannot_link_prevented_it(similarity: float, blocked: int) -> None:
    vectors = at_cosine(similarity)
    for pairs, expected in (([(0, 1)], blocked), ([], 0)):
        found = cluster(vectors, cannot_link=pairs)
        tracks = tracks_of(vectors, cannot_link=pairs)
        assert blocked_merges(tracks, found, tight_thresh=0.5, cluster_thresh=0.5) == expected


def test_an_episode_without_tracks_has_no_blocked_merges() -> None:
    assert blocked_merges(tracks_of(people([1])[:0]), [], tight_thresh=0.5, cluster_thresh=0.5) == 0


# First and second pass


@given(any_vectors(), st.floats(-0.3, 0.9), st.floats(-0.3, 0.9))
def test_without_constraints_and_second_pass_it_is_the_average_linkage_of_scikit_learn(
    vectors: NDArray[np.float32], cluster_thresh: float, tight_thresh: float
) -> None:
    assume(len(vectors) > 1)
    reference = AgglomerativeClustering(
        n_clusters=None,
        metric="precomputed",
        linkage="average",
        distance_threshold=1 - cluster_thresh,
        compute_distances=True,
    ).fit(1 - vectors.astype(np.float64) @ vectors.T)
    assume(np.abs(reference.distances_ - (1 - cluster_thresh)).min() > 1e-5)
    expected = {frozenset(np.flatnonzero(reference.labels_ == label)) for label in reference.labels_}
    found = cluster(vectors, cluster_thresh=cluster_thresh, tight_thresh=min(tight_thresh, cluster_thresh))
    assert {frozenset(members) for members in rows(found)} == expected


@pytest.mark.parametrize(
    ("faces", "similarity", "merged"),
    [
        ((1, 1), 0.51, True),
        ((1, 1), 0.49, False),
        ((1, 100), 0.42, True),
        ((1, 100), 0.405, False),
        ((2, 2), 0.455, True),
        ((2, 2), 0.445, False),
        ((10, 10), 0.42, True),
        ((10, 10), 0.405, False),
    ],
)
def test_few_faces_must_be_more_similar_than_many(faces: tuple[int, int], similarity: float, merged: bool) -> None:
    found = cluster(at_cosine(similarity), cluster_thresh=0.4, tight_thresh=0.5, faces=faces)
    # The limit is 0.4 + 0.1 / sqrt(product of the faces): 0.5, 0.45 and 0.41.
    assert (len(found) == 1) == merged


def test_the_faces_of_a_cluster_add_up_in_the_second_pass() -> None:
    """Two pairs of equal tracks, the pairs at cosine 0.44: they need 0.425, and two single tracks would need 0.45."""
    vectors = at_cosine(0.44)[[0, 0, 1, 1]]
    pairs = cluster(vectors, faces=[2, 2, 2, 2], cluster_thresh=0.4, tight_thresh=0.5)
    singles = cluster(vectors[[0, 2]], faces=[2, 2], cluster_thresh=0.4, tight_thresh=0.5)
    assert (rows(pairs), rows(singles)) == ([[0, 1, 2, 3]], [[0], [1]])


@given(any_vectors(), st.floats(-0.3, 0.6), st.floats(0, 0.3), st.data())
def test_in_the_end_no_two_clusters_are_similar_enough_to_merge(
    vectors: NDArray[np.float32], cluster_thresh: float, more: float, data: st.DataObject
) -> None:
    faces = data.draw(st.lists(st.integers(1, 16), min_size=len(vectors), max_size=len(vectors)))
    found = cluster(vectors, faces=faces, cluster_thresh=cluster_thresh, tight_thresh=cluster_thresh + more)
    for i, one in enumerate(found):
        for other in found[:i]:
            mean = float((vectors[one.members] @ vectors[other.members].T).mean())
            comparisons = np.prod([sum(faces[row] for row in c.members) for c in (one, other)])
            assert mean < cluster_thresh + more / np.sqrt(comparisons) + 1e-5


def test_two_thousand_tracks_are_grouped_right() -> None:
    sizes = [50] * 40
    found = cluster(people(sizes, spread=0.8), tight_thresh=0.55, cluster_thresh=0.3)
    assert [len(members) for members in rows(found)] == sizes
