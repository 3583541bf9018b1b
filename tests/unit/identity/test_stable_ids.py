from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from screenalytics_assets.core.common.schemas import IDENTITY_BOXES
from screenalytics_assets.core.identity.stable_ids import EarlierIdentities, combined, identity_boxes, stable_ids
from tests.unit.builders import EP_ID, FPS, Box, Seen, track_id, tracks_table

LEFT: Box = (0.1, 0.1, 0.3, 0.3)
RIGHT: Box = (0.6, 0.1, 0.8, 0.3)


def walk(start_s: float, end_s: float, box: Box = LEFT, *, stride: int = 3, speed: float = 0.0) -> list[Seen]:
    """A face that moves to the right by ``speed`` frame widths a second."""
    frames = range(round(start_s * FPS), round(end_s * FPS), stride)
    return [
        Seen(frame, bbox=(box[0] + shift, box[1], box[2] + shift, box[3]))
        for frame in frames
        for shift in [speed * (frame / FPS - start_s)]
    ]


def published(
    groups: Sequence[Sequence[int]], tracks: pa.Table, *, earlier: EarlierIdentities | None = None
) -> EarlierIdentities:
    ids, last_number = stable_ids(named(groups), tracks, earlier)
    return EarlierIdentities(identity_boxes(EP_ID, dict(zip(ids, named(groups), strict=True)), tracks), last_number)


def ids_of(groups: Sequence[Sequence[int]], tracks: pa.Table, earlier: EarlierIdentities | None = None) -> list[str]:
    return stable_ids(named(groups), tracks, earlier)[0]


def named(groups: Sequence[Sequence[int]]) -> list[list[str]]:
    return [[track_id(row) for row in group] for group in groups]


def two_people() -> pa.Table:
    """One person on the left at 0-2 s and 4-6 s, another on the right at 1-3 s."""
    return tracks_table([walk(0, 2), walk(1, 3, RIGHT), walk(4, 6)])


def test_the_first_identities_of_an_episode_are_numbered_in_the_order_given() -> None:
    assert stable_ids(named([[0, 2], [1]]), two_people(), None) == (["ident_001", "ident_002"], 2)


def test_the_same_identities_have_the_same_ids_whatever_their_order() -> None:
    tracks = two_people()
    earlier = published([[0, 2], [1]], tracks)
    assert ids_of([[0, 2], [1]], tracks, earlier) == ["ident_001", "ident_002"]
    assert ids_of([[1], [0, 2]], tracks, earlier) == ["ident_002", "ident_001"]


def test_another_stride_and_other_track_ids_do_not_change_the_ids_of_moving_people() -> None:
    earlier = published([[0], [1]], tracks_table([walk(0, 5, speed=0.1), walk(1, 4, RIGHT, speed=-0.1)]))
    again = tracks_table([walk(0, 2.4, speed=0.1, stride=5), walk(1, 4, RIGHT, speed=-0.1, stride=5)])
    assert ids_of([[1], [0]], again, earlier) == ["ident_002", "ident_001"]


def test_a_track_too_short_for_a_second_sample_is_known_again_with_another_stride() -> None:
    earlier = published([[0], [1]], tracks_table([walk(0, 0.4, stride=3), walk(1, 1.3, stride=3)]))
    again = tracks_table([walk(0.05, 0.4, stride=5), walk(1.05, 1.3, stride=2)])
    assert ids_of([[1], [0]], again, earlier) == ["ident_002", "ident_001"]


def test_a_new_identity_gets_a_number_that_was_never_used() -> None:
    tracks = tracks_table([walk(0, 2), walk(1, 3, RIGHT), walk(4, 6), walk(8, 9)])
    earlier = published([[0, 2], [1]], tracks)
    assert stable_ids(named([[3], [0, 2], [1]]), tracks, earlier) == (["ident_003", "ident_001", "ident_002"], 3)


def test_the_id_of_an_identity_that_vanished_is_never_used_again() -> None:
    tracks = tracks_table([walk(0, 2), walk(1, 3, RIGHT), walk(4, 6)])
    first = published([[0], [1], [2]], tracks)
    second = published([[0], [1]], tracks, earlier=first)
    assert second.last_number == 3
    other = tracks_table([walk(0, 2), walk(1, 3, RIGHT), walk(8, 9)])
    assert ids_of([[0], [1], [2]], other, second) == ["ident_001", "ident_002", "ident_004"]


def test_identities_that_become_one_take_the_id_of_the_larger_part() -> None:
    tracks = tracks_table([walk(0, 1), walk(2, 6), walk(7, 8)])
    earlier = published([[0], [1], [2]], tracks)
    assert ids_of([[0, 1], [2]], tracks, earlier) == ["ident_002", "ident_003"]


def test_of_an_identity_that_falls_apart_the_larger_part_keeps_the_id() -> None:
    tracks = tracks_table([walk(0, 1), walk(2, 6)])
    earlier = published([[0, 1]], tracks)
    assert ids_of([[0], [1]], tracks, earlier) == ["ident_002", "ident_001"]


def test_another_person_at_the_same_time_or_in_the_same_place_does_not_take_an_id() -> None:
    earlier = published([[0]], tracks_table([walk(0, 2)]))
    tracks = tracks_table([walk(0, 2, RIGHT), walk(3, 5)])
    assert ids_of([[0], [1]], tracks, earlier) == ["ident_002", "ident_003"]


def test_a_box_is_kept_for_each_half_second_in_the_order_of_time() -> None:
    tracks = tracks_table([walk(0, 2), walk(1, 1.4, RIGHT), walk(4, 6)])
    boxes = identity_boxes(EP_ID, dict(zip(["ident_001", "ident_002"], named([[2, 0], [1]]), strict=True)), tracks)
    assert boxes.schema.equals(IDENTITY_BOXES)
    assert boxes["identity_id"].to_pylist() == ["ident_001"] * 8 + ["ident_002"]
    assert boxes["ts_s"].to_pylist()[:8] == [0.25, 0.75, 1.25, 1.75, 4.25, 4.75, 5.25, 5.75]
    np.testing.assert_allclose(boxes["bbox"].to_pylist()[-1], RIGHT, atol=1e-6)


def test_an_episode_without_identities_keeps_none_and_knows_the_last_number() -> None:
    empty = published([], tracks_table([walk(0, 2)]), earlier=published([[0]], tracks_table([walk(0, 2)])))
    assert (empty.boxes.num_rows, empty.last_number) == (0, 1)
    assert ids_of([[0]], tracks_table([walk(0, 2)]), empty) == ["ident_002"]
    assert ids_of([], tracks_table([]), empty) == []


@st.composite
def histories(draw: st.DrawFn) -> tuple[pa.Table, list[list[list[int]]]]:
    """Tracks, some of the same time and nearly the same place, and how they were grouped one time after another."""
    starts = draw(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=7))
    tracks = [walk(s, s + 1.5, (0.1 * x, 0.1, 0.1 * x + 0.3, 0.4)) for s, x in starts]
    runs = []
    for _ in range(draw(st.integers(1, 3))):
        owner = draw(st.lists(st.integers(0, 3), min_size=len(tracks), max_size=len(tracks)))
        runs.append([[row for row, own in enumerate(owner) if own == group] for group in sorted(set(owner))])
    return tracks_table(tracks), runs


@given(histories())
def test_computing_the_same_again_changes_neither_an_id_nor_a_byte_after_any_history(
    history: tuple[pa.Table, list[list[list[int]]]],
) -> None:
    tracks, runs = history
    earlier: EarlierIdentities | None = None
    for groups in runs:
        ids, _ = stable_ids(named(groups), tracks, earlier)
        assert len(set(ids)) == len(groups)
        earlier = published(groups, tracks, earlier=earlier)
    again = published(runs[-1], tracks, earlier=earlier)
    assert earlier is not None
    assert again.last_number == earlier.last_number
    assert again.boxes.equals(earlier.boxes)


@pytest.mark.parametrize("stride", [1, 2, 4, 7])
def test_ids_survive_a_change_of_the_stride_in_a_crowd(stride: int) -> None:
    crowd = [
        (0.2 * column, 0.3 * row, 0.2 * column + 0.15, 0.3 * row + 0.25) for column in range(4) for row in range(3)
    ]
    earlier = published(
        [[i] for i in range(12)], tracks_table([walk(0.2 * i, 3 + 0.3 * i, box) for i, box in enumerate(crowd)])
    )
    again = tracks_table([walk(0.2 * i, 3 + 0.3 * i, box, stride=stride) for i, box in enumerate(crowd)])
    assert ids_of([[i] for i in range(12)], again, earlier) == [f"ident_{i + 1:03d}" for i in range(12)]


def test_of_two_publications_the_first_counts_and_the_other_adds_the_ids_that_only_it_has() -> None:
    tracks = two_people()
    first = published([[0]], tracks)
    own = EarlierIdentities(
        pa.concat_tables(
            [
                identity_boxes(EP_ID, {"ident_001": [track_id(1)]}, tracks),
                identity_boxes(EP_ID, {"ident_005": [track_id(1)]}, tracks),
            ]
        ),
        5,
    )
    joined = combined(first, own)
    assert joined.last_number == 5
    assert set(joined.boxes["identity_id"].to_pylist()) == {"ident_001", "ident_005"}
    assert ids_of([[1]], tracks, joined) == ["ident_005"]
    assert ids_of([[0], [1]], tracks, joined) == ["ident_001", "ident_005"]
