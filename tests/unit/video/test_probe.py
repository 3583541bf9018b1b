import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from screenalytics_assets.core.common.errors import VideoError
from screenalytics_assets.core.video.probe import check_complete, check_picture_size, summarise_timestamps


@given(
    fps=st.sampled_from([12.0, 24000 / 1001, 24.0, 25.0, 30.0, 60.0, 120.0]),
    count=st.integers(2, 500),
    start_s=st.floats(-1, 1000),
    in_ms=st.booleans(),
)
def test_a_constant_rate_is_recognised_even_if_the_container_rounds_to_milliseconds(
    fps: float, count: int, start_s: float, in_ms: bool
) -> None:
    pts_s = start_s + np.arange(count) / fps
    found = summarise_timestamps(pts_s.round(3) if in_ms else pts_s)
    assert found.start_s == pytest.approx(start_s, abs=0.0006)
    assert found.end_s - found.start_s == pytest.approx(count / fps, abs=0.0011 * count / (count - 1))
    assert found.fps == pytest.approx(fps, rel=0.0011 * fps / (count - 1) + 1e-9) or count < 4
    assert not found.is_variable_rate
    assert not len(found.gaps)


def test_a_rate_that_changes_is_variable() -> None:
    pts_s = np.concatenate([np.arange(48) / 24, 2 + np.arange(60) / 60])
    found = summarise_timestamps(pts_s)
    assert found.is_variable_rate
    assert found.fps == pytest.approx(107 / pts_s[-1])
    assert found.end_s == pytest.approx(pts_s[-1] + 1 / found.fps)


def test_one_long_gap_makes_a_rate_variable() -> None:
    pts_s = np.arange(48) / 24
    pts_s[40:] += 3.0
    assert summarise_timestamps(pts_s).is_variable_rate


def test_one_or_two_missing_frames_make_a_rate_variable_but_telecine_does_not() -> None:
    skipping_s = np.delete(np.arange(96), [32, 33]) / 24
    telecine_s = np.cumsum(np.tile([1 / 30, 1 / 20], 48))
    assert summarise_timestamps(skipping_s).is_variable_rate
    assert not summarise_timestamps(telecine_s).is_variable_rate


@given(st.permutations(list(range(12))))
def test_the_order_in_which_packets_are_stored_does_not_matter(order: list[int]) -> None:
    pts_s = np.array([0.0, 0.1, 0.3, 0.35, 0.5, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5])
    *figures, gaps = summarise_timestamps(pts_s[order])
    *expected, expected_gaps = summarise_timestamps(pts_s)
    assert figures == expected
    np.testing.assert_array_equal(gaps, expected_gaps)


@pytest.mark.parametrize(
    ("pts_s", "message"),
    [
        ([], "at least two frames, this one has 0"),
        ([0.0], "at least two frames, this one has 1"),
        ([0.0, float("nan"), 0.1], "1 of 3 frames have no timestamp"),
        ([0.0, 0.1, 0.1, 0.0], "2 of 4 frames have the timestamp of another frame"),
    ],
)
def test_unusable_timestamps_are_refused(pts_s: list[float], message: str) -> None:
    with pytest.raises(VideoError, match=message):
        summarise_timestamps(np.array(pts_s, dtype=np.float64))


@pytest.mark.parametrize(
    ("end_s", "declared_end_s", "complete"),
    [(59.1, 60.0, True), (58.9, 60.0, False), (3565.0, 3600.0, True), (3563.0, 3600.0, False), (61, 60, True)],
)
def test_a_second_or_one_percent_may_be_missing_at_the_end(end_s: float, declared_end_s: float, complete: bool) -> None:
    if complete:
        check_complete(end_s, declared_end_s)
    else:
        with pytest.raises(VideoError, match=f"end at {end_s:.1f} s but the file declares {declared_end_s:.1f} s"):
            check_complete(end_s, declared_end_s)


@pytest.mark.parametrize("size", [(64, 64), (1280, 720), (720, 1280), (8192, 4320), (4320, 8192)])
def test_usual_picture_sizes_are_accepted(size: tuple[int, int]) -> None:
    check_picture_size(*size)


@pytest.mark.parametrize("size", [(16, 16), (1280, 63), (63, 1280), (8193, 100), (4321, 4321), (100, 8193)])
def test_pictures_too_small_or_too_large_are_refused_with_their_size(size: tuple[int, int]) -> None:
    with pytest.raises(VideoError, match=f"{size[0]}×{size[1]} px"):
        check_picture_size(*size)
