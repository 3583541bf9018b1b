from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from screenalytics_assets.core.common.intervals import (
    intervals_of,
    merged,
    overlapping_pairs,
    time_with_at_least,
    total_s,
)

# Whole seconds, so that the seconds can be counted one by one.
interval = st.tuples(st.integers(0, 60), st.integers(0, 12)).map(lambda pair: (pair[0], pair[0] + pair[1]))
sets = st.lists(interval, max_size=12)


def seconds(pairs: list[tuple[int, int]]) -> set[int]:
    return {second for start, end in pairs for second in range(start, end)}


@given(sets)
def test_merged_intervals_cover_the_same_time_once(pairs: list[tuple[int, int]]) -> None:
    found = merged(intervals_of(pairs))
    assert seconds([(int(a), int(b)) for a, b in found]) == seconds(pairs)
    assert total_s(found) == len(seconds(pairs))
    assert (found[1:, 0] > found[:-1, 1]).all()


@given(sets, st.integers(1, 5))
def test_merged_intervals_are_further_apart_than_the_gap_and_cover_all_input(
    pairs: list[tuple[int, int]], gap_s: int
) -> None:
    found = merged(intervals_of(pairs), gap_s=gap_s)
    assert (found[1:, 0] - found[:-1, 1] > gap_s).all()
    assert seconds(pairs) <= seconds([(int(a), int(b)) for a, b in found])
    assert set(found.ravel().tolist()) <= {float(end) for pair in pairs for end in pair}


@given(sets)
def test_the_order_of_the_intervals_changes_nothing(pairs: list[tuple[int, int]]) -> None:
    assert np.array_equal(merged(intervals_of(pairs)), merged(intervals_of(pairs[::-1])))


@given(st.lists(sets, max_size=4), st.integers(1, 4))
def test_time_with_at_least_count_equals_a_count_second_by_second(
    people: list[list[tuple[int, int]]], count: int
) -> None:
    present = [seconds(pairs) for pairs in people]
    expected = sum(sum(second in one for one in present) >= count for second in set().union(*present))
    assert time_with_at_least(count, [merged(intervals_of(pairs)) for pairs in people]) == expected


@given(st.lists(sets, max_size=4))
def test_union_is_at_most_the_sum_and_the_sum_is_every_level_of_overlap(people: list[list[tuple[int, int]]]) -> None:
    times = [merged(intervals_of(pairs)) for pairs in people]
    levels = [time_with_at_least(count, times) for count in range(1, len(times) + 1)]
    assert sum(levels) == sum(map(total_s, times))
    assert levels == sorted(levels, reverse=True)


@given(st.lists(sets, max_size=6))
def test_overlapping_pairs_are_those_with_time_in_common(several: list[list[tuple[int, int]]]) -> None:
    lasting = [[pair for pair in pairs if pair[0] < pair[1]] for pairs in several]
    found = overlapping_pairs([merged(intervals_of(pairs)) for pairs in lasting])
    common = [(a, b) for a, b in combinations(range(len(lasting)), 2) if seconds(lasting[a]) & seconds(lasting[b])]
    assert found == common
