"""ClusterFeatures of one episode that are one person."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from screenalytics_assets.core.documents.grouping import NameLimits
from screenalytics_assets.core.people.cluster_merging import ClusterFeatures, merge_clusters

LIMITS = NameLimits(similarity=0.42, tight=0.47, margin=0.10)


def with_cosines(cosines: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit rows with these cosines between them."""
    return np.asarray(np.linalg.cholesky(cosines + 1e-9 * np.eye(len(cosines))), np.float64)


def clusters(
    cosines: Sequence[Sequence[float]],
    *,
    cannot_link: Sequence[tuple[int, int]] = (),
    doubtful: Sequence[int] = (),
    faces: int = 16,
) -> ClusterFeatures:
    count = len(cosines)
    matrix = np.zeros((count, count), bool)
    for a, b in cannot_link:
        matrix[a, b] = matrix[b, a] = True
    return ClusterFeatures(
        with_cosines(np.array(cosines, np.float64)),
        np.ones(count, np.int64),
        np.full(count, faces, np.int64),
        np.isin(np.arange(count), doubtful),
        matrix,
    )


def merged(known: ClusterFeatures) -> list[tuple[int, int]]:
    return [(merge.kept, merge.absorbed) for merge in merge_clusters(known, LIMITS)]


def test_two_similar_clusters_are_merged_and_the_figures_are_recorded() -> None:
    (merge,) = merge_clusters(clusters([[1, 0.5], [0.5, 1]]), LIMITS)
    assert (merge.kept, merge.absorbed) == (0, 1)
    assert merge.similarity == pytest.approx(0.5, abs=1e-6)
    assert merge.required_similarity == pytest.approx(0.42 + 0.05 / 16)
    assert (merge.rival_similarity, merge.cohesion) == (None, None)


def test_two_clusters_that_do_not_stay_two() -> None:
    assert merged(clusters([[1, 0.41], [0.41, 1]])) == []


def test_two_clusters_that_are_seen_together_stay_two_however_alike() -> None:
    assert merged(clusters([[1, 0.9], [0.9, 1]], cannot_link=[(0, 1)])) == []


def test_a_cluster_that_cannot_be_linked_to_one_part_of_a_person_is_not_merged_with_the_other() -> None:
    alike = [[1, 0.9, 0.6], [0.9, 1, 0.6], [0.6, 0.6, 1]]
    assert merged(clusters(alike, cannot_link=[(1, 2)])) == [(0, 1)]


def test_few_faces_must_be_more_similar_than_many() -> None:
    assert merged(clusters([[1, 0.45], [0.45, 1]], faces=16)) == [(0, 1)]
    assert merged(clusters([[1, 0.45], [0.45, 1]], faces=1)) == []


def test_a_doubtful_cluster_needs_one_margin_more() -> None:
    assert merged(clusters([[1, 0.5], [0.5, 1]], doubtful=[0])) == []
    assert merged(clusters([[1, 0.55], [0.55, 1]], doubtful=[0])) == [(0, 1)]


def test_a_cluster_similar_to_two_people_who_cannot_be_linked_is_merged_with_neither() -> None:
    alike = [[1, 0.1, 0.55], [0.1, 1, 0.5], [0.55, 0.5, 1]]
    assert merged(clusters(alike, cannot_link=[(0, 1)])) == []
    assert merged(clusters(alike)) == [(0, 2)]
    clearer = [[1, 0.1, 0.65], [0.1, 1, 0.5], [0.65, 0.5, 1]]
    (merge,) = merge_clusters(clusters(clearer, cannot_link=[(0, 1)]), LIMITS)
    assert (merge.kept, merge.absorbed) == (0, 2)
    assert merge.rival_similarity == pytest.approx(0.5, abs=1e-6)


def test_similarity_to_a_merged_cluster_is_the_mean_over_its_tracks() -> None:
    alike = [[1, 0.9, 0.6], [0.9, 1, 0.2], [0.6, 0.2, 1]]
    assert merged(clusters(alike)) == [(0, 1)]


def test_cohesion_is_the_mean_similarity_within_the_looser_of_the_two() -> None:
    alike = [[1, 0.9, 0.6], [0.9, 1, 0.6], [0.6, 0.6, 1]]
    first, second = merge_clusters(clusters(alike), LIMITS)
    assert first.cohesion is None
    assert second.cohesion == pytest.approx(0.9, abs=1e-6)


def test_an_episode_without_clusters_has_none_to_merge() -> None:
    empty = ClusterFeatures(
        np.empty((0, 512)), np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, bool), np.empty((0, 0), bool)
    )
    assert merge_clusters(empty, LIMITS) == []


def test_the_merges_do_not_depend_on_the_order_of_the_clusters() -> None:
    rng = np.random.default_rng(3)
    centres = rng.normal(size=(4, 64))
    rows = np.repeat(centres, 5, axis=0) + 0.7 * rng.normal(size=(20, 64))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    order = rng.permutation(20)

    def people(rows: NDArray[np.float64]) -> list[set[int]]:
        ones = np.ones(20, np.int64)
        merges = merge_clusters(
            ClusterFeatures(rows, ones, 16 * ones, np.zeros(20, bool), np.zeros((20, 20), bool)), LIMITS
        )
        groups = {i: {i} for i in range(20)}
        for merge in merges:
            groups[merge.kept] |= groups.pop(merge.absorbed)
        return sorted(groups.values(), key=min)

    expected = [{5 * person + i for i in range(5)} for person in range(4)]
    assert people(rows) == expected
    assert sorted(({int(order[i]) for i in group} for group in people(rows[order])), key=min) == expected
