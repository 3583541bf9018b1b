import math
from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from screenalytics_assets.core.common import schemas
from screenalytics_assets.core.tracking.bytetrack import LOW_CONFIDENCE, Tracking, track_faces
from tests.unit.builders import Box, Seen, detections_table, frames_table

FRAME_SIZE_PX = (1280, 720)
LEFT: Box = (0.1, 0.3, 0.2, 0.5)
RIGHT: Box = (0.7, 0.3, 0.8, 0.5)


def follow(
    seen: Sequence[Seen],
    frames: Sequence[int] | None = None,
    *,
    cuts: Sequence[int] = (),
    track_thresh: float = 0.5,
    match_thresh: float = 0.2,
    track_buffer_s: float = 0.6,
) -> Tracking:
    """Tracks of the faces; analysed are the given frames, or those with faces."""
    fps = seen[0].fps if seen else 24.0
    analysed = sorted({face.frame_idx for face in seen}) if frames is None else frames
    return track_faces(
        frames_table(analysed, fps=fps, cuts=cuts),
        detections_table(seen),
        frame_size_px=FRAME_SIZE_PX,
        track_thresh=track_thresh,
        match_thresh=match_thresh,
        track_buffer_s=track_buffer_s,
    )


def members(tracking: Tracking) -> list[list[str]]:
    return [[box["detection_id"] for box in boxes] for boxes in tracking.tracks["boxes"].to_pylist()]


def frames_of(tracking: Tracking) -> list[list[int]]:
    return [[box["frame_idx"] for box in boxes] for boxes in tracking.tracks["boxes"].to_pylist()]


def moved(box: Box, x: float = 0, y: float = 0) -> Box:
    return (box[0] + x, box[1] + y, box[2] + x, box[3] + y)


@st.composite
def scattered_faces(draw: st.DrawFn) -> list[Seen]:
    """Faces anywhere, sure and unsure, in the frames of two shots."""
    faces = []
    for _ in range(draw(st.integers(0, 25))):
        frame = draw(st.integers(0, 12)) * 3
        x, y = draw(st.floats(0, 0.8)), draw(st.floats(0, 0.8))
        confidence = draw(st.sampled_from([0.2, 0.49, 0.5, 0.51, 0.95]))
        faces.append(Seen(frame, (x, y, x + 0.15, y + 0.2), shot_idx=int(frame >= 18), confidence=confidence))
    return faces


@given(scattered_faces())
@settings(max_examples=60)
def test_each_detection_is_in_one_track_or_untracked_with_a_reason(seen: list[Seen]) -> None:
    tracking = follow(seen, range(0, 37, 3), cuts=[18])
    tracked = [detection for track in members(tracking) for detection in track]
    untracked = tracking.untracked["detection_id"].to_pylist()
    assert sorted(tracked + untracked) == [f"det-{i + 1:06d}" for i in range(len(seen))]
    assert set(tracking.untracked["reason"].to_pylist()) <= {LOW_CONFIDENCE}


@given(scattered_faces())
@settings(max_examples=60)
def test_every_detection_from_track_thresh_on_is_in_a_track(seen: list[Seen]) -> None:
    tracking = follow(seen, range(0, 37, 3), cuts=[18], track_thresh=0.5)
    untracked = set(tracking.untracked["detection_id"].to_pylist())
    sure = {f"det-{i + 1:06d}" for i, face in enumerate(seen) if face.confidence >= 0.5}
    assert not sure & untracked


@given(scattered_faces())
@settings(max_examples=60)
def test_a_track_has_one_face_a_frame_stays_in_its_shot_and_says_so(seen: list[Seen]) -> None:
    tracks = follow(seen, range(0, 37, 3), cuts=[18]).tracks
    for track in tracks.to_pylist():
        frames = [box["frame_idx"] for box in track["boxes"]]
        assert frames == sorted(set(frames))
        assert {int(frame >= 18) for frame in frames} == {track["shot_idx"]}
        assert (track["start_frame"], track["end_frame"]) == (frames[0], frames[-1])
        assert (track["start_s"], track["end_s"]) == (frames[0] / 24, frames[-1] / 24)
        assert track["num_detections"] == len(frames)
        assert track["split_reason"] is None


@given(scattered_faces(), st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_the_order_of_the_rows_changes_nothing(seen: list[Seen], random: Random) -> None:
    frames = frames_table(range(0, 37, 3), cuts=[18])
    detections = detections_table(seen)
    order = list(range(len(seen)))
    random.shuffle(order)
    results = [
        track_faces(
            frames.take(list(reversed(range(frames.num_rows)))) if shuffled else frames,
            detections.take(pa.array(order, pa.int64())) if shuffled else detections,
            frame_size_px=FRAME_SIZE_PX,
            track_thresh=0.5,
            match_thresh=0.2,
            track_buffer_s=0.6,
        )
        for shuffled in (False, True)
    ]
    assert results[0].tracks.equals(results[1].tracks)
    assert results[0].untracked.equals(results[1].untracked)


def test_a_face_seen_once_is_a_track() -> None:
    tracking = follow([Seen(30)], range(0, 60, 3))
    assert members(tracking) == [["det-000001"]]
    assert tracking.tracks["start_s"].to_pylist() == tracking.tracks["end_s"].to_pylist() == [1.25]


def test_a_track_begins_with_the_first_sight_of_the_face() -> None:
    assert frames_of(follow([Seen(frame) for frame in range(0, 24, 3)])) == [list(range(0, 24, 3))]


def test_tracks_are_numbered_in_the_order_in_which_they_begin() -> None:
    seen = [Seen(frame, RIGHT) for frame in (6, 9, 12)] + [Seen(frame, LEFT) for frame in (0, 3, 6)]
    tracks = follow(seen).tracks
    assert tracks["track_id"].to_pylist() == ["track-00001", "track-00002"]
    assert tracks["start_frame"].to_pylist() == [0, 6]


def test_mean_confidence_is_over_the_detections_of_the_track() -> None:
    tracks = follow([Seen(0, confidence=0.9), Seen(3, confidence=0.6), Seen(6, confidence=0.3)]).tracks
    assert tracks["mean_confidence"].to_pylist() == pytest.approx([0.6])


def test_a_track_ends_at_a_cut_even_if_the_next_face_is_in_the_same_place() -> None:
    seen = [Seen(frame, shot_idx=int(frame >= 12)) for frame in range(0, 24, 3)]
    assert frames_of(follow(seen, cuts=[12])) == [[0, 3, 6, 9], [12, 15, 18, 21]]
    assert frames_of(follow([replace(face, shot_idx=0) for face in seen])) == [list(range(0, 24, 3))]


def test_track_ids_do_not_repeat_over_shots_and_a_shot_may_be_empty() -> None:
    seen = [Seen(0), Seen(3), Seen(24, shot_idx=2), Seen(27, LEFT, shot_idx=2)]
    tracks = follow(seen, range(0, 30, 3), cuts=[12, 24]).tracks
    assert tracks["track_id"].to_pylist() == ["track-00001", "track-00002", "track-00003"]
    assert tracks["shot_idx"].to_pylist() == [0, 2, 2]


@pytest.mark.parametrize(("fps", "stride"), [(24, 1), (24, 3), (25, 1), (25, 5), (30, 2), (50, 6), (60, 1)])
def test_the_buffer_is_in_seconds_whatever_the_stride(fps: int, stride: int) -> None:
    def with_gap(gap_s: float) -> int:
        hidden = range(10 * stride + 1, round(10 * stride + gap_s * fps))
        frames = range(0, 10 * stride + 2 * fps, stride)
        return len(members(follow([Seen(f, fps=fps) for f in frames if f not in hidden], frames)))

    assert with_gap(0.35) == 1
    assert with_gap(0.8) == 2


@pytest.mark.parametrize(("fps", "stride"), [(25, 1), (25, 3), (25, 5), (30, 1), (30, 2), (30, 3), (30, 6), (60, 4)])
@pytest.mark.parametrize("start", [0, 300, 90_000])
def test_a_face_hidden_for_exactly_the_buffer_is_still_the_same_track(fps: int, stride: int, start: int) -> None:
    gap = round(0.6 * fps)
    seen_at = [start, start + stride, start + stride + gap, start + 2 * stride + gap]
    seen = [Seen(frame, fps=fps) for frame in seen_at]
    assert frames_of(follow(seen, range(start, seen_at[-1] + 1, stride))) == [seen_at]


def test_the_buffer_is_not_rounded_to_frames() -> None:
    seen = [Seen(frame, fps=1000) for frame in (0, 100, 200, 845)]
    frames = [*range(0, 300, 100), *range(300, 845, 5), 845]
    assert len(members(follow(seen, frames, track_buffer_s=0.65))) == 1
    assert len(members(follow(seen, frames, track_buffer_s=0.64))) == 2


@pytest.mark.parametrize("track_buffer_s", [0, 0.1, 0.6])
@pytest.mark.parametrize("stride", [1, 3, 8, 24, 48])
def test_a_face_found_in_every_analysed_frame_is_one_track_however_few_frames_are_analysed(
    track_buffer_s: float, stride: int
) -> None:
    seen = [Seen(frame) for frame in range(0, 30 * stride, stride)]
    assert len(members(follow(seen, track_buffer_s=track_buffer_s))) == 1


def test_without_a_buffer_a_track_ends_at_the_first_frame_in_which_it_is_not_found() -> None:
    seen = [Seen(frame) for frame in (0, 3, 9, 12)]
    assert frames_of(follow(seen, range(0, 15, 3), track_buffer_s=0)) == [[0, 3], [9, 12]]


@st.composite
def smooth_motion(draw: st.DrawFn) -> list[Seen]:
    """Three faces that sway, each in its own third of the height, for two seconds at 24 or 30 fps."""
    fps = draw(st.sampled_from([24.0, 30.0]))
    faces = []
    for lane in range(draw(st.integers(1, 3))):
        centre, swing = draw(st.floats(0.3, 0.6)), draw(st.floats(0, 0.2))
        period_s, phase = draw(st.floats(2, 6)), draw(st.floats(0, 2 * math.pi))
        first, last = sorted(draw(st.tuples(st.integers(0, 47), st.integers(0, 47))))
        for frame in range(first, last + 1):
            x = centre + swing * math.sin(2 * math.pi * frame / fps / period_s + phase)
            faces.append(Seen(frame, (x, 0.05 + lane / 3, x + 0.15, 0.3 + lane / 3), fps=fps))
    return faces


@given(smooth_motion())
@settings(max_examples=60)
def test_the_same_footage_gives_the_same_tracks_at_stride_1_and_3(seen: list[Seen]) -> None:
    def tracks_at(stride: int) -> set[frozenset[tuple[int, float]]]:
        looked_at = [face for face in seen if face.frame_idx % stride == 0]
        tracking = follow(looked_at, range(0, 48, stride))
        tracks = [
            frozenset((box["frame_idx"], box["bbox"][1]) for box in boxes if box["frame_idx"] % 3 == 0)
            for boxes in tracking.tracks["boxes"].to_pylist()
        ]
        return {track for track in tracks if track}

    assert tracks_at(1) == tracks_at(3)


@pytest.mark.parametrize(("match_thresh", "tracks"), [(0.2, 1), (0.45, 1), (0.55, 2), (0.8, 2)])
def test_match_thresh_is_the_least_overlap_so_that_higher_is_stricter(match_thresh: float, tracks: int) -> None:
    third = (LEFT[2] - LEFT[0]) / 3  # a box moved by a third of its width overlaps by 1/2
    seen = [Seen(0, LEFT), Seen(3, moved(LEFT, third))]
    assert len(members(follow(seen, match_thresh=match_thresh))) == tracks


@given(smooth_motion(), st.floats(0.05, 0.9), st.floats(0.05, 0.9))
@settings(max_examples=30)
def test_a_stricter_match_thresh_never_gives_fewer_tracks(seen: list[Seen], first: float, second: float) -> None:
    loose, strict = sorted((first, second))
    counts = [len(members(follow(seen, range(48), match_thresh=thresh))) for thresh in (loose, strict)]
    assert counts[0] <= counts[1]


def test_a_low_confidence_detection_continues_a_track() -> None:
    seen = [Seen(0), Seen(3, confidence=0.2), Seen(6, confidence=0.2), Seen(9)]
    tracking = follow(seen)
    assert frames_of(tracking) == [[0, 3, 6, 9]]
    assert tracking.untracked.num_rows == 0


def test_low_confidence_detections_never_start_a_track_and_are_listed_as_untracked() -> None:
    seen = [Seen(frame, confidence=0.49) for frame in range(0, 30, 3)]
    tracking = follow(seen, track_thresh=0.5)
    assert tracking.tracks.num_rows == 0
    assert tracking.untracked["frame_idx"].to_pylist() == list(range(0, 30, 3))
    assert set(tracking.untracked["reason"].to_pylist()) == {LOW_CONFIDENCE}


def test_a_detection_of_exactly_track_thresh_starts_a_track() -> None:
    assert len(members(follow([Seen(0, confidence=0.35)], track_thresh=0.35))) == 1


def test_a_sure_detection_takes_the_track_before_an_unsure_one_in_the_same_place() -> None:
    seen = [Seen(0), Seen(3, confidence=0.2), Seen(3, moved((0.4, 0.4, 0.5, 0.6), 0.02), confidence=0.9)]
    tracking = follow(seen)
    assert members(tracking) == [["det-000001", "det-000003"]]
    assert tracking.untracked["detection_id"].to_pylist() == ["det-000002"]


def test_two_faces_that_pass_each_other_keep_their_tracks() -> None:
    crossing = []
    for frame in range(0, 72, 2):
        x = frame / 72 * 0.6
        crossing += [Seen(frame, moved(LEFT, x)), Seen(frame, moved(RIGHT, -x, 0.06))]
    tracks = follow(crossing).tracks.to_pylist()
    assert [track["num_detections"] for track in tracks] == [36, 36]
    for track in tracks:
        assert len({round(box["bbox"][1], 3) for box in track["boxes"]}) == 1


def test_two_faces_side_by_side_are_two_tracks() -> None:
    seen = [Seen(frame, box) for frame in range(0, 24, 3) for box in (LEFT, moved(LEFT, 0.11))]
    assert [len(track) for track in members(follow(seen))] == [8, 8]


@pytest.mark.parametrize("frames", [[], range(0, 30, 3)])
def test_no_detections_give_empty_tables_in_the_declared_schemas(frames: Sequence[int]) -> None:
    tracking = follow([], frames)
    assert tracking.tracks.num_rows == tracking.untracked.num_rows == 0
    assert tracking.tracks.schema.equals(schemas.TRACKS)
    assert tracking.untracked.schema.equals(schemas.UNTRACKED)


def test_the_tables_are_in_the_declared_schemas() -> None:
    tracking = follow([Seen(0), Seen(3), Seen(3, RIGHT, confidence=0.1)])
    assert tracking.tracks.schema.equals(schemas.TRACKS)
    assert tracking.untracked.schema.equals(schemas.UNTRACKED)
