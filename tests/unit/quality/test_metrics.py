from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from screenalytics_assets.core.common import schemas
from screenalytics_assets.core.common.arrow import table_of
from screenalytics_assets.core.documents.track_metrics import CropStats, DetectTrackMetrics, SplitCounts
from screenalytics_assets.core.quality.metrics import (
    blank_warning,
    count_rebirths,
    crop_stats,
    detect_track_metrics,
)
from screenalytics_assets.core.tracking.bytetrack import LOW_CONFIDENCE, track_faces
from tests.unit.builders import EP_ID, Box, Seen, detections_table, faces_table, frames_table, shots_table, tracks_table

HERE: Box = (0.4, 0.4, 0.5, 0.6)
ELSEWHERE: Box = (0.7, 0.1, 0.8, 0.3)


def track(start_frame: int, end_frame: int, box: Box = HERE, *, shot_idx: int = 0, fps: float = 24) -> list[Seen]:
    return [Seen(frame, box, shot_idx=shot_idx, fps=fps) for frame in sorted({start_frame, end_frame})]


def untracked_table(count: int) -> pa.Table:
    return table_of(
        schemas.UNTRACKED,
        {
            "ep_id": [EP_ID] * count,
            "detection_id": [f"det-9{i:05d}" for i in range(count)],
            "frame_idx": list(range(count)),
            "ts_s": [i / 24 for i in range(count)],
            "reason": [LOW_CONFIDENCE] * count,
        },
    )


def metrics(
    tracks: Sequence[Sequence[Seen]],
    *,
    split_reasons: Mapping[int, str] | None = None,
    duration_s: float = 60,
    match_thresh: float = 0.2,
) -> DetectTrackMetrics:
    return detect_track_metrics(
        tracks_table(tracks, split_reasons=split_reasons),
        untracked_table(3),
        shots_table([(0, 719), (720, 1439)]),
        detections=sum(map(len, tracks)) + 3,
        duration_s=duration_s,
        damaged_s=0.0,
        match_thresh=match_thresh,
    )


def test_counts_are_those_of_the_tables() -> None:
    found = metrics([track(0, 48), track(100, 148, ELSEWHERE)])
    assert (found.tracks, found.shots, found.detections, found.untracked_detections) == (2, 2, 7, 3)
    assert (found.duration_s, found.mean_track_s) == (60, 2)


@pytest.mark.parametrize(("duration_s", "per_minute"), [(60, 3), (30, 6), (180, 1)])
def test_tracks_per_minute_is_over_the_duration_of_the_video(duration_s: float, per_minute: float) -> None:
    found = metrics([track(0, 48), track(100, 148), track(800, 848, shot_idx=1)], duration_s=duration_s)
    assert found.tracks_per_minute == pytest.approx(per_minute)


def test_a_track_is_short_by_seconds_not_by_frames_or_detections() -> None:
    one_second_of_two_detections = track(0, 24)
    just_under_a_second_of_many = [Seen(frame) for frame in range(100, 124)]
    seen_once = track(200, 200)
    found = metrics([one_second_of_two_detections, just_under_a_second_of_many, seen_once])
    assert found.short_track_fraction == pytest.approx(2 / 3)


@pytest.mark.parametrize("fps", [24, 25, 30, 24000 / 1001, 60])
def test_a_track_of_exactly_a_second_is_not_short_wherever_it_begins(fps: float) -> None:
    found = metrics([track(start, start + round(fps), fps=fps) for start in range(0, 5000, 7)])
    assert found.short_track_fraction == 0


def test_a_track_that_begins_where_another_ended_shortly_before_is_a_rebirth() -> None:
    assert metrics([track(0, 24), track(48, 72)]).rebirths == 1


@pytest.mark.parametrize(
    ("second", "why"),
    [
        (track(73, 96), "the gap is over two seconds"),
        (track(48, 72, ELSEWHERE), "it is in another place"),
        (track(48, 72, shot_idx=1), "it is in another shot"),
        (track(12, 36), "they are there at once"),
        (track(24, 36), "they are there at once"),
    ],
)
def test_a_track_is_no_rebirth_when(second: list[Seen], why: str) -> None:
    assert metrics([track(0, 24), second]).rebirths == 0, why


@pytest.mark.parametrize("fps", [24, 25, 30, 60])
def test_a_gap_of_exactly_two_seconds_is_a_rebirth_wherever_it_is(fps: int) -> None:
    for end in range(1, 5000, 101):
        assert metrics([track(end, end, fps=fps), track(end + 2 * fps, end + 2 * fps, fps=fps)]).rebirths == 1


def test_a_rebirth_is_where_the_track_ended_not_where_it_began() -> None:
    wandering = [Seen(0, ELSEWHERE), Seen(24, HERE)]
    assert metrics([wandering, track(30, 40, HERE)]).rebirths == 1
    assert metrics([wandering, track(30, 40, ELSEWHERE)]).rebirths == 0


def test_a_track_that_begins_at_a_split_is_a_split_and_no_rebirth() -> None:
    found = metrics([track(0, 24), track(27, 48)], split_reasons={1: "hard"})
    assert (found.splits.hard, found.rebirths, found.id_switch_rate) == (1, 0, 1 / 2)


def test_rebirths_overlap_by_at_least_match_thresh() -> None:
    shifted = (0.45, 0.4, 0.55, 0.6)  # overlap 1/3
    assert metrics([track(0, 24), track(30, 40, shifted)], match_thresh=0.3).rebirths == 1
    assert metrics([track(0, 24), track(30, 40, shifted)], match_thresh=0.4).rebirths == 0


def test_a_track_is_reborn_once_even_if_two_ended_there() -> None:
    assert metrics([track(0, 20), track(0, 24), track(30, 40)]).rebirths == 1


def test_each_rebirth_of_a_chain_counts() -> None:
    assert metrics([track(0, 10), track(20, 30), track(40, 50)]).rebirths == 2


def test_a_track_that_the_gate_split_off_is_counted_once_as_a_split() -> None:
    found = metrics([track(0, 24), track(27, 48), track(72, 96)], split_reasons={1: "hard"})
    assert (found.splits.hard, found.rebirths) == (1, 1)
    assert found.id_switch_rate == pytest.approx(2 / 3)


def test_the_order_of_the_tracks_does_not_matter_for_rebirths() -> None:
    chain = [track(0, 10), track(20, 30), track(40, 50)]
    table = tracks_table(chain)
    assert count_rebirths(table.take([2, 0, 1]), 0.2) == count_rebirths(table, 0.2) == 2


def test_id_switch_rate_is_splits_and_rebirths_over_tracks() -> None:
    tracks = [track(0, 24), track(48, 72), track(100, 148, ELSEWHERE), track(800, 900, shot_idx=1)]
    found = metrics(tracks, split_reasons={2: "hard", 3: "streak"})
    assert found.splits == SplitCounts(hard=1, streak=1, iou=0)
    assert found.rebirths == 1
    assert found.id_switch_rate == 3 / 4


def test_an_episode_without_tracks_has_figures_too() -> None:
    found = metrics([])
    assert found.tracks == found.tracks_per_minute == found.rebirths == 0
    assert found.short_track_fraction == found.id_switch_rate == found.mean_track_s == 0


@given(st.integers(20, 60), st.integers(0, 40), st.sampled_from([24.0, 30.0]))
@settings(max_examples=30)
def test_the_figures_hardly_depend_on_the_stride(length: int, gap: int, fps: float) -> None:
    seen = [Seen(frame, fps=fps) for frame in [*range(length), *range(length + gap, 2 * length + gap)]]

    def at_stride(stride: int) -> DetectTrackMetrics:
        last = 2 * length + gap
        analysed = [face for face in seen if face.frame_idx % stride == 0]
        tracking = track_faces(
            frames_table(range(0, last, stride), fps=fps),
            detections_table(analysed),
            frame_size_px=(1280, 720),
            track_thresh=0.5,
            match_thresh=0.2,
            track_buffer_s=0.6,
        )
        return detect_track_metrics(
            tracking.tracks,
            tracking.untracked,
            shots_table([(0, last)]),
            detections=len(analysed),
            duration_s=last / fps,
            damaged_s=0.0,
            match_thresh=0.2,
        )

    every, third = at_stride(1), at_stride(3)
    # A gap is measured up to two frames longer on each side at stride 3; in between either answer is right.
    if not 0.6 * fps - 5 <= gap <= 0.6 * fps + 1:
        for name in ("tracks", "tracks_per_minute", "rebirths", "id_switch_rate"):
            assert getattr(every, name) == getattr(third, name), name
        assert every.mean_track_s == pytest.approx(third.mean_track_s, abs=5 / fps)


def rejected(*reasons: str) -> pa.Table:
    return pa.table({"reason": pa.array(reasons, pa.string())})


def stats_of(
    reasons: Sequence[str] = (),
    track_of_face: Sequence[int] = (),
    quality: Sequence[float] = (),
    vectors: NDArray[np.float32] | None = None,
    **counts: int,
) -> CropStats:
    """The figures of accepted faces in these tracks and of candidates rejected for these reasons."""
    defaults = {"crops": 12, "blank": 0, "blank_written": 0, "candidates": 12, "max_crops_per_track": 16}
    return crop_stats(
        faces_table(track_of_face, quality),
        np.eye(len(track_of_face), 512, dtype=np.float32) if vectors is None else vectors,
        rejected(*reasons),
        **{**defaults, **counts},
    )


def test_blank_fraction_is_the_share_of_all_crops() -> None:
    stats = stats_of(["blank", "blurry"], crops=9, blank=1)
    assert (stats.total_crops, stats.blank_crops, stats.blank_fraction) == (9, 1, 0.1)


def test_rejection_rate_is_the_share_of_tracked_detections_that_the_quality_filter_rejected() -> None:
    stats = stats_of(["degenerate_box", "degenerate_box", "blurry", "too_small", "pose_yaw", "volume_cap"])
    assert stats.rejection_rate == 3 / 12
    assert stats.rejected == {"blurry": 1, "degenerate_box": 2, "pose_yaw": 1, "too_small": 1, "volume_cap": 1}


def test_quality_mean_is_over_the_accepted_faces() -> None:
    stats = stats_of(track_of_face=[0, 0, 1], quality=[0.5, 0.7, 0.9])
    assert stats.faces == 3
    assert stats.quality_mean == pytest.approx(0.7)


def test_an_episode_without_faces_has_crop_figures_too() -> None:
    stats = stats_of(crops=0, candidates=0)
    assert stats.to_dict() == {
        "total_crops": 0,
        "blank_crops": 0,
        "blank_fraction": 0,
        "faces": 0,
        "quality_mean": 0,
        "rejection_rate": 0,
        "rejected": {},
        "blank_crops_written": 0,
        "max_faces_per_track": 0,
        "max_crops_per_track": 16,
        "vector_dimension": 512,
        "vector_norm_error": 0,
    }


def test_confidence_does_not_change_a_rebirth() -> None:
    unsure = [replace(face, confidence=0.1) for face in track(48, 72)]
    assert metrics([track(0, 24), unsure]).rebirths == 1


def test_face_figures_are_of_the_fullest_track_and_the_worst_vector() -> None:
    vectors = np.eye(4, 512, dtype=np.float32)
    vectors[2] *= 1.25
    stats = stats_of(track_of_face=[0, 0, 0, 1], quality=[0.5] * 4, vectors=vectors, blank_written=1)
    assert (stats.blank_crops_written, stats.max_faces_per_track, stats.max_crops_per_track) == (1, 3, 16)
    assert (stats.vector_dimension, stats.vector_norm_error) == (512, 0.25)


@pytest.mark.parametrize(("crops", "blank"), [(0, 0), (10, 0), (90, 10), (900, 100)])
def test_up_to_a_tenth_of_blank_crops_is_not_warned_of(crops: int, blank: int) -> None:
    assert blank_warning(crops=crops, blank=blank, most=0.1, confidence_th=0.2) is None


def test_without_a_limit_no_blank_crop_is_warned_of() -> None:
    assert blank_warning(crops=0, blank=9, most=None, confidence_th=0.2) is None


def test_more_than_a_tenth_of_blank_crops_is_warned_of_with_the_key_to_change() -> None:
    warning = blank_warning(crops=89, blank=11, most=0.1, confidence_th=0.2)
    assert warning is not None
    assert warning.startswith("[BLANK] 11 of 100 crops (11%) show nothing and were not written, more than 10%")
    assert warning.endswith("set confidence_th above 0.2")
