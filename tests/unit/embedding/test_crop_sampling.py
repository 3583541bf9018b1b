from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from screenalytics_assets.core.config.people_keys import SamplingStrategy
from screenalytics_assets.core.embedding.crop_sampling import cap_episode, quality_ranks, sample_track

STRATEGIES: tuple[SamplingStrategy, ...] = get_args(SamplingStrategy)
Track = tuple[NDArray[np.float64], NDArray[np.float32]]


@st.composite
def tracks(draw: st.DrawFn) -> Track:
    """Times and qualities of a track, some of the qualities equal."""
    gaps_s = draw(st.lists(st.sampled_from([0.04, 0.125, 0.5, 3.0]), max_size=40))
    quality = draw(st.lists(st.integers(0, 10), min_size=len(gaps_s), max_size=len(gaps_s)))
    return 100 + np.cumsum(gaps_s, dtype=np.float64), np.array([q / 10 for q in quality], np.float32)


@given(tracks(), st.integers(1, 20), st.sampled_from(STRATEGIES))
def test_a_sample_is_never_over_the_limit_ascending_and_unique(
    track: Track, limit: int, strategy: SamplingStrategy
) -> None:
    chosen = sample_track(*track, limit=limit, strategy=strategy)
    assert len(chosen) <= limit
    assert (np.diff(chosen) > 0).all()
    assert set(chosen.tolist()) <= set(range(len(track[0])))
    assert len(chosen) > 0 or len(track[0]) == 0


@given(tracks(), st.sampled_from(STRATEGIES))
def test_a_track_within_the_limit_is_taken_whole(track: Track, strategy: SamplingStrategy) -> None:
    count = len(track[0])
    assert sample_track(*track, limit=max(count, 1), strategy=strategy).tolist() == list(range(count))


@given(tracks(), st.integers(1, 20))
def test_quality_weighted_takes_the_best_faces(track: Track, limit: int) -> None:
    quality = track[1]
    chosen = sample_track(*track, limit=limit, strategy="quality_weighted")
    assert len(chosen) == min(limit, len(quality))
    left = np.delete(quality, chosen)
    assert not len(left) or quality[chosen].min() >= left.max()


@given(tracks(), st.integers(2, 20))
def test_uniform_uses_the_whole_limit_keeps_both_ends_and_spaces_evenly(track: Track, limit: int) -> None:
    count = len(track[0])
    chosen = sample_track(*track, limit=limit, strategy="uniform")
    assert len(chosen) == min(limit, count)
    if count > limit:
        assert (chosen[0], chosen[-1]) == (0, count - 1)
        assert np.ptp(np.diff(chosen)) <= 1


@given(tracks(), st.integers(1, 20))
def test_stratified_takes_the_best_face_of_each_interval_that_has_one(track: Track, limit: int) -> None:
    ts_s, quality = track
    if len(ts_s) <= limit:
        return
    chosen = sample_track(ts_s, quality, limit=limit, strategy="stratified")
    interval = np.minimum(np.floor((ts_s - ts_s[0]) / (ts_s[-1] - ts_s[0]) * limit), limit - 1)
    assert interval[chosen].tolist() == np.unique(interval).tolist()
    for number in np.unique(interval):
        own = np.flatnonzero(interval == number)
        assert quality[np.intersect1d(chosen, own)].tolist() == [quality[own].max()]


def test_the_best_face_of_a_track_is_always_in_a_stratified_sample() -> None:
    quality = np.full(100, 0.5, np.float32)
    quality[57] = 0.9
    assert 57 in sample_track(np.arange(100) / 8, quality, limit=4, strategy="stratified")


@pytest.mark.parametrize("strategy", ["quality_weighted", "stratified"])
def test_of_equally_good_faces_the_earlier_one_is_taken(strategy: SamplingStrategy) -> None:
    equal = np.full(10, 0.5, np.float32)
    assert sample_track(np.arange(10.0), equal, limit=1, strategy=strategy).tolist() == [0]


def test_the_three_strategies_choose_differently_from_one_track() -> None:
    """A second of poor faces, a second of good ones, eight of middling ones, at ten faces a second."""
    ts_s = np.arange(100) / 10
    quality = np.concatenate([np.full(10, 0.4), np.linspace(0.9, 0.81, 10), np.full(80, 0.6)]).astype(np.float32)
    chosen = {name: sample_track(ts_s, quality, limit=5, strategy=name).tolist() for name in STRATEGIES}
    assert chosen == {
        "uniform": [0, 25, 50, 74, 99],  # evenly, whatever the quality
        "quality_weighted": [10, 11, 12, 13, 14],  # the best, all from one moment
        "stratified": [10, 20, 40, 60, 80],  # the best of every two seconds
    }


def test_uniform_counts_faces_and_stratified_counts_time() -> None:
    """Most faces of this track are from its first second."""
    ts_s = np.concatenate([np.linspace(0, 1, 40), [5.0, 9.0]])
    equal = np.full(42, 0.5, np.float32)
    late = {name: int((sample_track(ts_s, equal, limit=4, strategy=name) >= 40).sum()) for name in STRATEGIES}
    assert late == {"uniform": 1, "quality_weighted": 0, "stratified": 2}


def test_faces_of_one_time_are_one_interval() -> None:
    assert sample_track(np.full(5, 2.0), np.linspace(0, 1, 5, dtype=np.float32), limit=2, strategy="stratified") == [4]


@st.composite
def episodes(draw: st.DrawFn) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    sizes = draw(st.lists(st.integers(1, 6), max_size=8))
    owners = np.repeat(np.arange(len(sizes), dtype=np.int64), sizes)
    quality = draw(st.lists(st.integers(0, 10), min_size=len(owners), max_size=len(owners)))
    return owners, np.array([q / 10 for q in quality], np.float32)


@given(episodes(), st.integers(1, 40))
def test_the_episode_limit_is_used_up_and_never_exceeded(
    episode: tuple[NDArray[np.int64], NDArray[np.float32]], limit: int
) -> None:
    kept = cap_episode(*episode, limit=limit)
    assert kept.sum() == min(limit, len(kept))


@given(episodes(), st.integers(1, 40))
def test_every_track_keeps_the_same_number_of_its_best_faces(
    episode: tuple[NDArray[np.int64], NDArray[np.float32]], limit: int
) -> None:
    owners, quality = episode
    kept = cap_episode(owners, quality, limit=limit)
    sizes, counts = np.bincount(owners), np.bincount(owners, weights=kept)
    assert (counts >= np.minimum(sizes, limit // max(1, len(sizes)))).all()
    for track in range(len(sizes)):
        own, lost = quality[(owners == track) & kept], quality[(owners == track) & ~kept]
        assert not len(own) or not len(lost) or own.min() >= lost.max()


@given(episodes(), st.integers(1, 40))
def test_beyond_that_number_the_best_faces_of_the_episode_are_kept(
    episode: tuple[NDArray[np.int64], NDArray[np.float32]], limit: int
) -> None:
    owners, quality = episode
    kept = cap_episode(owners, quality, limit=limit)
    per_track = max(1, limit // max(1, len(np.unique(owners))))
    is_extra = quality_ranks(owners, quality) > per_track
    if (is_extra & kept).any() and not kept.all():
        assert quality[is_extra & kept].min() >= quality[~kept].max()


def test_a_long_track_of_good_faces_does_not_push_out_a_poor_short_one() -> None:
    owners = np.array([0] * 10 + [1] * 3)
    quality = np.array([0.9] * 10 + [0.3, 0.2, 0.1], np.float32)
    assert np.bincount(owners[cap_episode(owners, quality, limit=4)]).tolist() == [2, 2]
    assert np.bincount(owners[cap_episode(owners, quality, limit=7)]).tolist() == [4, 3]


def test_with_fewer_faces_than_tracks_the_best_ones_are_kept() -> None:
    owners = np.array([0, 0, 1, 2])
    kept = cap_episode(owners, np.array([0.9, 0.8, 0.2, 0.5], np.float32), limit=2)
    assert kept.tolist() == [True, False, False, True]


@given(episodes())
def test_ranks_within_a_track_start_at_one_for_the_best_quality(
    episode: tuple[NDArray[np.int64], NDArray[np.float32]],
) -> None:
    owners, quality = episode
    ranks = quality_ranks(owners, quality)
    for track in np.unique(owners):
        own = np.flatnonzero(owners == track)
        assert sorted(ranks[own]) == list(range(1, len(own) + 1))
        by_rank = own[np.argsort(ranks[own])]
        assert (np.diff(quality[by_rank]) <= 0).all()


def test_of_equal_quality_the_earlier_face_has_the_better_rank() -> None:
    assert quality_ranks(np.array([1, 0, 1, 1]), np.array([0.5, 0.1, 0.5, 0.7], np.float32)).tolist() == [2, 1, 3, 1]
