"""Two people who pass each other, from the motion tracker to the appearance split and the linking."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from screenalytics_assets.core.tracking.appearance_split import SplitLimits
from screenalytics_assets.core.tracking.bytetrack import track_faces
from screenalytics_assets.core.tracking.split_and_link import split_and_link
from tests.unit.builders import Box, Seen, detections_table, frames_table, people

FRAMES = range(0, 96, 3)
WIDTH, HEIGHT = 0.1, 0.2
LEFT, RIGHT, FAR = 0.3, 0.7, 0.95


def box(centre: float) -> Box:
    return (centre - WIDTH / 2, 0.3, centre + WIDTH / 2, 0.3 + HEIGHT)


def walk(start: float, end: float) -> list[float]:
    """Where someone who walks at a steady pace is in each frame."""
    return np.linspace(start, end, len(FRAMES)).tolist()


def tracked(places: Sequence[Sequence[float | None]], *, alike: bool = False) -> list[set[int]]:
    """The people in each track, given where each is in every frame; None where nobody sees them."""
    seen = [
        (person, Seen(frame, box(centre)))
        for i, frame in enumerate(FRAMES)
        for person, where in enumerate(places)
        if (centre := where[i]) is not None
    ]
    detections = detections_table([face for _, face in seen])
    faces = people([len(places)], spread=0) if alike else people([1] * len(places))
    found = track_faces(
        frames_table(FRAMES),
        detections,
        frame_size_px=(1280, 720),
        track_thresh=0.6,
        match_thresh=0.2,
        track_buffer_s=0.6,
    )

    def embed(detection_ids: Sequence[str]) -> NDArray[np.float32]:
        return faces[[seen[number(detection_id)][0] for detection_id in detection_ids]]

    split = split_and_link(
        found.tracks,
        detections,
        np.ones(len(seen), np.bool_),
        embed,
        SplitLimits(hard_sim=0.2, soft_sim=0.45, streak=3, min_iou=0.1),
        interval_s=0.5,
        max_gap_s=2.0,
        model_digest="digest",
    )
    return [{seen[number(face["detection_id"])][0] for face in boxes} for boxes in split.tracks["boxes"].to_pylist()]


def number(detection_id: str) -> int:
    return int(detection_id.removeprefix("det-")) - 1


def hidden(walker: Sequence[float], by: Sequence[float]) -> list[float | None]:
    """The places of someone who cannot be seen behind another."""
    return [None if abs(own - other) < WIDTH else own for own, other in zip(walker, by, strict=True)]


@given(st.floats(0.1, 0.4), st.floats(0.6, 0.9), st.booleans())
@settings(max_examples=30)
def test_two_people_who_cross_are_one_track_each(left: float, right: float, is_hidden: bool) -> None:
    front, back = walk(left, right), walk(right, left)
    assert tracked([front, hidden(back, front) if is_hidden else back]) == [{0}, {1}]


@given(st.integers(6, 26))
def test_a_track_that_goes_over_to_the_head_beside_it_is_cut(change: int) -> None:
    beside = LEFT + 0.6 * WIDTH
    first = [LEFT if i < change else None for i in range(len(FRAMES))]
    second = [beside if i >= change else None for i in range(len(FRAMES))]
    assert tracked([first, second]) == [{0}, {1}]


@pytest.mark.parametrize(("place", "tracks"), [(RIGHT, [{0}, {1}]), (LEFT + WIDTH, [{0, 1}])])
def test_a_lookalike_is_linked_only_where_the_face_can_have_got_to(place: float, tracks: list[set[int]]) -> None:
    first = [LEFT if i < 12 else None for i in range(len(FRAMES))]
    second = [place if i >= 13 else None for i in range(len(FRAMES))]
    assert tracked([first, second], alike=True) == tracks


def test_a_lookalike_who_is_seen_whenever_the_other_is_not_is_a_track_of_their_own() -> None:
    first = [LEFT if i % 4 < 2 else None for i in range(len(FRAMES))]
    second = [FAR if i % 4 >= 2 else None for i in range(len(FRAMES))]
    assert tracked([first, second], alike=True) == [{0}, {1}]
