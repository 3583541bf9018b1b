import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from screenalytics_assets.core.cluster import (
    LOW_SIMILARITY,
    SMALL_CLUSTER,
    Cluster,
    cluster_tracks,
    similarity_to_rest,
)
from screenalytics_assets.core.pooling import unit_rows
from tests.unit.builders import at_cosine, people


def cluster(
    vectors: NDArray[np.float32],
    *,
    cluster_thresh: float = 0.5,
    min_identity_sim: float = -0.99,
    min_cluster_size: int = 1,
) -> list[Cluster]:
    return cluster_tracks(
        vectors, cluster_thresh=cluster_thresh, min_identity_sim=min_identity_sim, min_cluster_size=min_cluster_size
    )


def rows(clusters: list[Cluster]) -> list[list[int]]:
    return [found.members.tolist() for found in clusters]


def test_tracks_of_one_person_are_together_and_of_two_people_apart() -> None:
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
            assert one.reason in (LOW_SIMILARITY, SMALL_CLUSTER)
        else:
            assert len(one.members) >= min_cluster_size


@given(any_vectors(), st.floats(-0.5, 0.9), st.floats(0, 0.5))
def test_a_higher_threshold_never_gives_fewer_clusters(
    vectors: NDArray[np.float32], cluster_thresh: float, more: float
) -> None:
    loose, strict = (cluster(vectors, cluster_thresh=min(t, 0.99)) for t in (cluster_thresh, cluster_thresh + more))
    assert len(loose) <= len(strict)


def lone_wolf() -> NDArray[np.float32]:
    """Five tracks that are alike and one, the fourth, at cosine 0.4 to each of them."""
    vectors = np.zeros((6, 512), np.float32)
    vectors[:, 0] = 1
    vectors[3, :2] = 0.4, np.sqrt(1 - 0.16)
    return vectors


def test_a_track_that_does_not_fit_its_cluster_is_singled_out_with_the_reason() -> None:
    found = cluster(lone_wolf(), cluster_thresh=0.35, min_identity_sim=0.45)
    assert rows(found) == [[0, 1, 2, 4, 5], [3]]
    assert [one.reason for one in found] == [None, LOW_SIMILARITY]
    assert found[0].cohesion_score == pytest.approx(1)


def test_a_track_that_fits_just_so_stays() -> None:
    found = cluster(lone_wolf(), cluster_thresh=0.35, min_identity_sim=0.39)
    assert rows(found) == [[0, 1, 2, 3, 4, 5]]
    assert found[0].min_identity_sim == pytest.approx(0.4, abs=1e-6)


def test_tracks_of_a_cluster_that_is_too_small_stand_alone() -> None:
    found = cluster(people([3, 2, 1]), min_cluster_size=3)
    assert rows(found) == [[0, 1, 2], [3], [4], [5]]
    assert [one.reason for one in found] == [None, SMALL_CLUSTER, SMALL_CLUSTER, SMALL_CLUSTER]


def test_a_person_seen_once_is_no_outlier() -> None:
    assert [one.reason for one in cluster(people([1, 3]), min_identity_sim=0.43)] == [None, None]


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
