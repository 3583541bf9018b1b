import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from screenalytics_assets.core.common.vectors import unit_rows
from screenalytics_assets.core.identity.constrained_linkage import ROUNDING, linked_groups, required_similarity


@pytest.mark.parametrize(
    ("faces", "others", "limit"), [(1, 1, 0.5), (1, 4, 0.45), (4, 1, 0.45), (2, 2, 0.45), (10, 10, 0.41)]
)
def test_the_limit_falls_with_the_square_root_of_the_comparisons(faces: int, others: int, limit: float) -> None:
    found = required_similarity(
        np.array([faces], float), np.array([others], float), tight_thresh=0.5, cluster_thresh=0.4
    )
    assert found[0] == pytest.approx(limit)


@given(st.integers(1, 1000), st.integers(1, 1000), st.floats(-1, 1), st.floats(-1, 1))
def test_the_required_similarity_is_between_the_two_thresholds(
    faces: int, others: int, tight_thresh: float, cluster_thresh: float
) -> None:
    found = required_similarity(
        np.array([faces], float), np.array([others], float), tight_thresh=tight_thresh, cluster_thresh=cluster_thresh
    )[0]
    assert cluster_thresh <= found <= max(tight_thresh, cluster_thresh) + 1e-12


@pytest.mark.parametrize("tight_thresh", [0.4, 0.3])
def test_where_tight_thresh_is_not_above_cluster_thresh_the_number_of_faces_does_not_matter(
    tight_thresh: float,
) -> None:
    limits = {"tight_thresh": tight_thresh, "cluster_thresh": 0.4}
    many = np.array([1.0, 4.0, 100.0])
    for faces, others, shape in ((many[0], many, (3,)), (many, many, (3,)), (many[:, None], many, (3, 3))):
        found = required_similarity(faces, others, **limits)
        assert found.shape == shape
        assert found.dtype == np.float64
        assert (found == 0.4).all()


def by_definition(
    similarity: NDArray[np.float64], faces: NDArray[np.int64], tight: float, bridge: float, closest: list[float]
) -> set[frozenset[int]]:
    """The definition, all pairs compared for each merge; appends how close each decision was to a tie."""
    groups = [[row] for row in range(len(similarity))]
    for last in (tight, bridge):
        while len(groups) > 1:
            margins = {}
            for b in range(len(groups)):
                for a in range(b):
                    count = faces[groups[a]].sum() * faces[groups[b]].sum()
                    limit = last + (tight - last) / np.sqrt(count)
                    margins[float(similarity[np.ix_(groups[a], groups[b])].mean() - limit)] = a, b
            best, *rest = sorted(margins, reverse=True)
            closest += [abs(best + ROUNDING)] if np.isfinite(best) else []
            if best < -ROUNDING:
                break
            closest += [best - other for other in rest[:1]]
            a, b = margins[best]
            groups[a] += groups.pop(b)
    return {frozenset(group) for group in groups}


@st.composite
def cases(draw: st.DrawFn) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    count = draw(st.integers(2, 14))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    vectors = unit_rows((rng.normal(size=(count, draw(st.integers(2, 12)))) + draw(st.floats(0, 1))).astype(np.float32))
    similarity = (vectors @ vectors.T).astype(np.float64)
    forbidden = np.triu(rng.random(similarity.shape) < draw(st.sampled_from([0, 0.1, 0.4])), 1)
    similarity[forbidden | forbidden.T] = -np.inf
    return similarity, rng.integers(1, draw(st.sampled_from([2, 17])), count)


@given(cases(), st.floats(-0.5, 0.8), st.floats(0, 1))
@settings(max_examples=300)
def test_groups_are_those_of_the_definition(
    case: tuple[NDArray[np.float64], NDArray[np.int64]], cluster_thresh: float, more: float
) -> None:
    similarity, faces = case
    closest: list[float] = []
    expected = by_definition(similarity, faces, cluster_thresh + more, cluster_thresh, closest)
    assume(min(closest, default=1) > 1e-9)
    found = linked_groups(similarity.copy(), faces, tight_thresh=cluster_thresh + more, cluster_thresh=cluster_thresh)
    assert {frozenset(np.flatnonzero(found == group).tolist()) for group in found} == expected
    assert all(found[group] == group for group in found)


def test_the_first_pass_ends_before_the_second_begins() -> None:
    """Two of three rows are at 0.6; the third has many faces and exceeds its limit of the second pass by more."""
    similarity = np.array([[1, 0.6, 0.58], [0.6, 1, 0.1], [0.58, 0.1, 1]])
    faces = np.array([1, 1, 10_000])
    found = linked_groups(similarity, faces, tight_thresh=0.59, cluster_thresh=0.35)
    assert found.tolist() == [0, 0, 2]


def test_a_growing_cluster_merges_rows_whose_nearer_partners_stay_below_their_limit() -> None:
    """1 and 2 merge, then 0 joins, which is nearer to 3, then 4, which is nearer to 5. Limits: 0.3 to 0.6."""
    similarity = np.zeros((6, 6))
    for (a, b), value in {(1, 2): 0.5, (0, 1): 0.5, (0, 2): 0.5, (0, 3): 0.505, (4, 5): 0.58}.items():
        similarity[a, b] = similarity[b, a] = value
    similarity[4, :3] = similarity[:3, 4] = 0.44
    found = linked_groups(similarity, np.array([1, 2, 2, 2, 1, 1]), tight_thresh=0.6, cluster_thresh=0.3)
    assert found.tolist() == [0, 0, 0, 3, 0, 5]
