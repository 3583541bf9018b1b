from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from screenalytics_assets.core.common.geometry import iou_matrix
from screenalytics_assets.core.identity.cannot_link import TrackPair, cannot_link_pairs
from tests.unit.builders import Box, Seen, track_id, tracks_table

LEFT: Box = (0.1, 0.1, 0.3, 0.3)
RIGHT: Box = (0.6, 0.1, 0.8, 0.3)
BESIDE_LEFT: Box = (0.2, 0.1, 0.4, 0.3)  # IoU 1/3 with LEFT


def pairs(
    tracks: Sequence[Sequence[Seen]],
    *,
    min_frames: int = 3,
    max_iou: float = 0.3,
    exempt: Sequence[TrackPair] = (),
) -> list[TrackPair]:
    return cannot_link_pairs(tracks_table(tracks), min_frames=min_frames, max_iou=max_iou, exempt=exempt)


def track(frames: Sequence[int], box: Box = LEFT) -> list[Seen]:
    return [Seen(frame, bbox=box) for frame in frames]


def test_faces_side_by_side_are_two_people() -> None:
    assert pairs([track([0, 3, 6]), track([0, 3, 6], RIGHT)]) == [("track-00001", "track-00002")]


@pytest.mark.parametrize(("common", "found"), [(2, 0), (3, 1)])
def test_a_pair_needs_at_least_min_frames_common_frames(common: int, found: int) -> None:
    second = track([30 - 3 * common + 3 * k for k in range(10)], RIGHT)
    assert len(pairs([track(range(0, 30, 3)), second])) == found


def test_frames_with_only_one_of_the_faces_do_not_count() -> None:
    assert pairs([track([0, 6, 12, 18]), track([3, 9, 15, 21], RIGHT)]) == []


def test_two_boxes_on_one_face_are_not_two_people() -> None:
    overlapping = [track(range(9)), track(range(9), BESIDE_LEFT)]
    assert pairs(overlapping) == []
    assert len(pairs(overlapping, max_iou=0.34)) == 1


def test_an_overlap_of_exactly_the_limit_does_not_count() -> None:
    half = [track(range(9), (0.0, 0.0, 0.5, 0.5)), track(range(9), (0.0, 0.0, 0.25, 0.5))]
    assert pairs(half, max_iou=0.5) == []
    assert len(pairs(half, max_iou=0.51)) == 1


def test_only_the_frames_without_overlap_count() -> None:
    approaching = track([0, 3], RIGHT) + track([6, 9, 12])
    assert pairs([track([0, 3, 6, 9, 12]), approaching]) == []
    assert len(pairs([track([0, 3, 6, 9, 12]), approaching], min_frames=2)) == 1


@pytest.mark.parametrize("exempt", [("track-00001", "track-00002"), ("track-00002", "track-00001")])
def test_only_the_given_pair_is_exempt(exempt: TrackPair) -> None:
    three = [track(range(3)), track(range(3), RIGHT), track(range(3), (0.1, 0.6, 0.3, 0.8))]
    assert pairs(three, exempt=[exempt]) == [("track-00001", "track-00003"), ("track-00002", "track-00003")]


@pytest.mark.parametrize("count", [0, 1])
def test_no_track_and_a_single_track_have_no_pairs(count: int) -> None:
    assert pairs([track([0, 3, 6])] * count) == []


@st.composite
def crowds(draw: st.DrawFn) -> list[list[Seen]]:
    corner = st.floats(0, 0.5)
    tracks = []
    for _ in range(draw(st.integers(0, 6))):
        frames = draw(st.lists(st.integers(0, 12), min_size=1, max_size=12, unique=True))
        corners = [(draw(corner), draw(corner)) for _ in frames]
        tracks.append(
            [Seen(f, bbox=(x, y, x + 0.3, y + 0.3)) for f, (x, y) in zip(sorted(frames), corners, strict=True)]
        )
    return tracks


@given(crowds(), st.integers(1, 4), st.floats(0.05, 0.9))
def test_pairs_are_those_of_counting_frame_by_frame(tracks: list[list[Seen]], min_frames: int, max_iou: float) -> None:
    expected = []
    for b, second in enumerate(tracks):
        for a, first in enumerate(tracks[:b]):
            ious = [
                iou_matrix(np.array([one.bbox], np.float32), np.array([other.bbox], np.float32))[0, 0]
                for one in first
                for other in second
                if one.frame_idx == other.frame_idx
            ]
            if sum(iou < max_iou for iou in ious) >= min_frames:
                expected.append((track_id(a), track_id(b)))
    assert pairs(tracks, min_frames=min_frames, max_iou=max_iou) == sorted(expected)


@given(crowds(), st.integers(0, 99))
def test_the_order_of_the_tracks_changes_nothing(tracks: list[list[Seen]], seed: int) -> None:
    table = tracks_table(tracks)
    order = np.random.default_rng(seed).permutation(len(tracks))
    shuffled = cannot_link_pairs(table.take(order), min_frames=2, max_iou=0.4)
    assert shuffled == cannot_link_pairs(table, min_frames=2, max_iou=0.4)
