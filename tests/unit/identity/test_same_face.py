import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from screenalytics_assets.core.identity.cannot_link import TrackPair, cannot_link_pairs
from screenalytics_assets.core.identity.episode_tracks import EpisodeTracks
from screenalytics_assets.core.identity.same_face import same_face_pairs
from tests.unit.builders import Box, Seen, at_cosine, faces_table, track_id, tracks_table

PAIR = ("track-00001", "track-00002")
WALK = [(0.1 + 0.02 * k, 0.3 + 0.01 * (k % 3)) for k in range(8)]
"""Top left corners of a face that moves by more than its width."""


def boxes(corners: list[tuple[float, float]], *, scale: float = 1.0, mirrored: bool = False) -> list[Box]:
    """Boxes of a tenth of the picture, in a copy of it that begins in its middle."""
    width = 0.1
    own = [(x, y, x + width, y + width) for x, y in corners]
    if mirrored:
        own = [(0.5 - right, y, 0.5 - left, bottom) for left, y, right, bottom in own]
    return [(0.5 + a * scale, b * scale, 0.5 + c * scale, d * scale) for a, b, c, d in own]


def found(second: list[Box], *, cosine: float = 0.95, first: list[Box] | None = None) -> list[TrackPair]:
    first = first or [(x, y, x + 0.1, y + 0.1) for x, y in WALK]
    table = tracks_table([[Seen(3 * k, bbox=box) for k, box in enumerate(track)] for track in (first, second)])
    tracks = EpisodeTracks(table, faces_table([0, 1], [0.8, 0.8]), [track_id(0), track_id(1)], at_cosine(cosine))
    return same_face_pairs(tracks, cannot_link_pairs(table, min_frames=3, max_iou=0.3))


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("scale", [0.5, 1.0])
def test_a_copy_or_mirror_image_of_a_face_is_found_at_any_size(scale: float, mirrored: bool) -> None:
    assert found(boxes(WALK, scale=scale, mirrored=mirrored)) == [PAIR]


@given(st.integers(0, 2**32 - 1))
def test_boxes_that_tremble_by_a_few_percent_make_no_difference(seed: int) -> None:
    tremble = np.random.default_rng(seed).uniform(-0.005, 0.005, (8, 2))
    assert found(boxes([(x + dx, y + dy) for (x, y), (dx, dy) in zip(WALK, tremble, strict=True)])) == [PAIR]


def test_two_who_look_alike_and_move_on_their_own_are_two() -> None:
    assert found(boxes(WALK[::-1], mirrored=False)[:4] + boxes(WALK)[4:]) == []
    assert found(boxes([WALK[0]] * 8)) == []


def test_two_who_move_as_one_and_do_not_look_alike_are_two() -> None:
    assert found(boxes(WALK), cosine=0.64) == []
    assert found(boxes(WALK), cosine=0.66) == [PAIR]


def test_a_track_without_a_vector_is_no_copy() -> None:
    first = [(x, y, x + 0.1, y + 0.1) for x, y in WALK]
    table = tracks_table([[Seen(3 * k, bbox=box) for k, box in enumerate(track)] for track in (first, boxes(WALK))])
    tracks = EpisodeTracks(table, faces_table([0], [0.8]), [track_id(0)], at_cosine(1.0)[:1])
    assert same_face_pairs(tracks, [PAIR]) == []
