"""Every configuration key, from the override to the published files: two values, and how the output differs.

Each row runs the asset that reads the key, on what the assets before it published, and examines what it publishes.
That a key can be set in every layer, and that wrong values are refused, is in ``tests/unit/config/test_keys.py``.
"""

import operator
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import dagster as dg
import numpy as np
import onnxruntime
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from resources.models.detector import load_detector
from resources.models.embedder import load_embedder
from resources.models.packs import ModelPack
from resources.storage.local_store import LocalArtifactStore
from resources.videos import VideoLibraryResource
from screenalytics_assets.core.common.arrow import boxes_of, column_of
from screenalytics_assets.core.config.keys import section_of_key
from screenalytics_assets.core.config.providers import CPU, CUDA
from tests.cuda_stand_in import stand_in_for_cuda
from tests.ml.conftest import EP_ID, TALK_SIZE_PX, TALK_WINDOWS
from tests.ml.measures import (
    Measure,
    clusters,
    crop_bytes,
    crop_files,
    crop_side_px,
    intervals,
    jsonl_twins,
    mean_confidence,
    mean_quality,
    most_faces_of_a_track,
    rejected,
    rows_of,
    seconds_on_screen,
    shots,
    splits,
    stat,
    unassigned,
)
from tests.ml.stage_runs import copy_of, published, republish_table, run_asset, with_columns
from tests.ml.test_every_facebank_key import KEYS as FACEBANK_KEYS
from tests.video_fixtures import write_video

Prepare = Callable[[LocalArtifactStore], None]


@dataclass(frozen=True)
class Row:
    """How a key shows.

    Attributes:
        asset: The asset that reads the key.
        first: One value.
        second: Another one.
        measure: What to look at of the published files.
        relation: What holds between what the second value gives and what the first one gives.
        base: Other keys, the same for both values.
        prepare: Changes what the assets before have published, so that the key has something to decide.
    """

    asset: str
    first: Any
    second: Any
    measure: Measure
    relation: Callable[[Any, Any], bool]
    base: Mapping[str, Any] = field(default_factory=dict)
    prepare: Prepare = lambda _store: None


less, more, differs = operator.lt, operator.gt, operator.ne


# What there is to decide


def two_people_change_places(store: LocalArtifactStore) -> None:
    """From the middle of the first shot on, the crops of the two people on the left belong to each other's boxes."""

    def change(detections: pa.Table) -> pa.Table:
        boxes, frames = boxes_of(detections["bbox"]).copy(), column_of(detections, "frame_idx")
        for frame in np.unique(frames[(frames > 46) & (column_of(detections, "shot_idx") == 0)]):
            rows = np.flatnonzero(frames == frame)
            left, right = rows[np.argsort(boxes[rows, 0])[:2]]
            boxes[[left, right]] = boxes[[right, left]]
        return with_columns(detections, bbox=boxes)

    republish_table(store, "detections", EP_ID, "detections", change)


def nobody_is_seen_for_a_second(store: LocalArtifactStore) -> None:
    """The first shot has no detection from 1 s to 2 s."""

    def change(detections: pa.Table) -> pa.Table:
        ts_s = column_of(detections, "ts_s")
        return detections.filter(pa.array((ts_s < 1) | (ts_s > 2)))

    republish_table(store, "detections", EP_ID, "detections", change)


def nobody_is_tracked_for_a_second(store: LocalArtifactStore) -> None:
    nobody_is_seen_for_a_second(store)
    run_asset("tracks", store, EP_ID)


def nobody_is_on_screen_for_a_second(store: LocalArtifactStore) -> None:
    nobody_is_tracked_for_a_second(store)
    for asset in ("faces", "identities", "split_tracks", "reembed", "recluster", "corrections", "group_clusters"):
        run_asset(asset, store, EP_ID)


def boxes_overlap(store: LocalArtifactStore) -> None:
    """Every box of a track reaches over most of the picture's width."""

    def change(tracks: pa.Table) -> pa.Table:
        boxes = tracks["boxes"].to_pylist()
        for box in (box for track in boxes for box in track):
            box["bbox"] = [box["bbox"][0] / 4, 0.0, 1.0, 1.0]
        return with_columns(tracks, boxes=boxes)

    republish_table(store, "tracks", EP_ID, "tracks", change)


def a_face_does_not_move(store: LocalArtifactStore) -> None:
    """All detections of the first track have the landmarks and the crop of its first one."""
    track = published(store, "tracks", EP_ID).table("tracks.parquet").slice(0, 1)["boxes"].to_pylist()[0]
    ids = [box["detection_id"] for box in track]

    def with_the_first(name: str) -> Callable[[pa.Table], pa.Table]:
        def change(rows: pa.Table) -> pa.Table:
            values = dict(zip(rows["detection_id"].to_pylist(), rows[name].to_pylist(), strict=True))
            return with_columns(rows, **{name: list((values | dict.fromkeys(ids, values[ids[0]])).values())})

        return change

    republish_table(store, "detections", EP_ID, "detections", with_the_first("landmarks"))
    republish_table(store, "face_crops", EP_ID, "face_crops", with_the_first("jpeg"))


def one_face_a_track(store: LocalArtifactStore) -> None:
    run_asset("faces", store, EP_ID, max_crops_per_track=1)


def faces_reach_out_of_the_frame(store: LocalArtifactStore) -> None:
    def change(detections: pa.Table) -> pa.Table:
        return with_columns(detections, inside_fraction=np.linspace(0.8, 1, detections.num_rows))

    republish_table(store, "detections", EP_ID, "detections", change)


def reselect_faces(store: LocalArtifactStore) -> None:
    for asset in ("split_tracks", "reembed"):
        run_asset(asset, store, EP_ID)


def cleaned_tracks(store: LocalArtifactStore) -> None:
    run_asset("split_tracks", store, EP_ID)


def one_face_a_cleaned_track(store: LocalArtifactStore) -> None:
    run_asset("split_tracks", store, EP_ID)
    run_asset("reembed", store, EP_ID, max_crops_per_track=1)


def everybody_apart(store: LocalArtifactStore) -> None:
    run_asset("identities", store, EP_ID, cluster_thresh=0.9999)
    reselect_faces(store)


FEW_FRAMES = {"frame_stride": 12}
SMALL_INPUT = {"detector_input_px": 160, "closeup_input_px": 0}
STAY_APART = {"rejoin_gap_s": 0.0}
ONE_PERSON = {"cluster_thresh": -0.99, "tight_thresh": -0.99, "min_identity_sim": -0.99}
NO_SPLIT = {"gate_hard_sim": -0.99, "gate_soft_sim": 0.45, "gate_streak": 1000, "rejoin_gap_s": 0.0}

ROWS: dict[str, Row] = {
    # Detections: a clip of two seconds with a flash, two cuts and a picture of three frames between them.
    "frame_stride": Row(
        "detections", 2, 12, rows_of("detections", "analysed_frames"), less, {"detection_fps_limit": 60.0}
    ),
    "detection_fps_limit": Row(
        "detections", 12.0, 2.0, rows_of("detections", "analysed_frames"), less, {"frame_stride": 1}
    ),
    "every_frame": Row(
        "detections",
        True,
        False,
        rows_of("detections", "analysed_frames"),
        less,
        {"frame_stride": 1, "detection_fps_limit": 60.0, "still_interval_s": 0.0},
    ),
    "still_interval_s": Row("detections", 0.0, 0.5, rows_of("detections", "analysed_frames"), less),
    "detector_input_px": Row(
        "detections",
        640,
        160,
        mean_confidence,
        less,
        # The score is the verifier's where there is one, whatever the detector sees.
        FEW_FRAMES | {"closeup_input_px": 0, "close_look_scale": 1.0, "verifier_pack": None},
    ),
    "closeup_input_px": Row("detections", 0, 256, mean_confidence, more, FEW_FRAMES | {"detector_input_px": 160}),
    "close_look_scale": Row("detections", 1.0, 3.0, mean_confidence, more, FEW_FRAMES | SMALL_INPUT),
    "close_look_interval_s": Row(
        "detections", 4.0, 0.1, mean_confidence, more, {"frame_stride": 4, "close_look_scale": 3.0} | SMALL_INPUT
    ),
    "weak_confidence_fraction": Row(
        "detections", 1.0, 0.25, rows_of("detections", "detections"), more, {"frame_stride": 4, "confidence_th": 0.9}
    ),
    "confidence_th": Row(
        "detections",
        0.2,
        0.9,
        rows_of("detections", "detections"),
        less,
        # Around doubtful boxes there are more looks.
        FEW_FRAMES | {"weak_confidence_fraction": 1.0},
    ),
    "nms_iou": Row("detections", 0.4, 0.9, rows_of("detections", "detections"), more, FEW_FRAMES),
    "min_box_px": Row("detections", 12.0, 130.0, rows_of("detections", "refused"), more, FEW_FRAMES),
    "thumb_size": Row("detections", 112, 200, crop_side_px, more, FEW_FRAMES),
    "jpeg_quality": Row("detections", 50, 100, crop_bytes, more, FEW_FRAMES),
    "cut_threshold": Row("detections", 0.4, 0.95, shots, less, FEW_FRAMES),
    "cut_ratio": Row("detections", 2.0, 1e6, shots, less, FEW_FRAMES),
    "flash_max_s": Row("detections", 0.126, 0.0, shots, more, FEW_FRAMES),
    "min_shot_s": Row("detections", 0.08, 0.2, shots, less, FEW_FRAMES),
    # Tracks of the conversation.
    "track_thresh": Row("tracks", 0.35, 0.95, rows_of("tracks", "untracked"), more),
    "match_thresh": Row("tracks", 0.2, 0.98, rows_of("tracks", "tracks"), more, {"gate_enabled": False}),
    "track_buffer_s": Row(
        "tracks", 0.3, 2.0, rows_of("tracks", "tracks"), less, {"gate_enabled": False}, nobody_is_seen_for_a_second
    ),
    "gate_enabled": Row("tracks", True, False, rows_of("tracks", "gate"), less),
    "gate_interval_s": Row("tracks", 0.5, 2.0, rows_of("tracks", "gate"), less, {"gate_still_s": 0}),
    "gate_still_s": Row("tracks", 0.0, 2.0, rows_of("tracks", "gate"), less),
    "gate_hard_sim": Row(
        "tracks", 0.2, -0.99, splits("hard"), less, STAY_APART | {"gate_streak": 1000}, two_people_change_places
    ),
    "gate_soft_sim": Row(
        "tracks", 0.45, -0.98, splits("streak"), less, STAY_APART | {"gate_hard_sim": -0.99}, two_people_change_places
    ),
    "gate_streak": Row(
        "tracks", 3, 1000, splits("streak"), less, STAY_APART | {"gate_hard_sim": -0.99}, two_people_change_places
    ),
    "gate_iou": Row("tracks", 0.0, 0.99, splits("iou"), more, NO_SPLIT, two_people_change_places),
    "rejoin_gap_s": Row(
        "tracks", 0.0, 2.0, rows_of("tracks", "tracks"), less, {"track_buffer_s": 0.3}, nobody_is_seen_for_a_second
    ),
    # Faces.
    "min_quality_score": Row("faces", 0.35, 0.9, rejected("low_quality"), more),
    "min_confidence": Row("faces", 0.35, 0.9, rejected("low_confidence"), more),
    "min_face_size": Row("faces", 32.0, 100.0, rejected("too_small"), more),
    "min_sharpness": Row("faces", 10.0, 500.0, rejected("blurry"), more),
    "min_inside_fraction": Row("faces", 0.8, 0.9, rejected("cut_off"), more, prepare=faces_reach_out_of_the_frame),
    "max_yaw_angle": Row("faces", 60.0, 5.0, rejected("pose_yaw"), more),
    "max_pitch_angle": Row("faces", 45.0, 5.0, rejected("pose_pitch"), more),
    "sampling_strategy": Row("faces", "uniform", "quality_weighted", mean_quality, more, {"max_crops_per_track": 2}),
    "max_crops_per_track": Row("faces", 16, 2, most_faces_of_a_track, less),
    "max_crops_per_episode": Row("faces", 10_000, 20, rows_of("faces", "faces"), less),
    "save_crops": Row("faces", True, False, crop_files, less),
    # Identities.
    "cluster_thresh": Row("identities", 0.38, 0.9999, stat("clusters"), more),
    "tight_thresh": Row("identities", 0.38, 0.99, stat("clusters"), more, prepare=one_face_a_track),
    "min_identity_sim": Row("identities", 0.28, 0.9999, stat("outlier_count"), more),
    "min_cohesion": Row("identities", 0.45, 0.9999, stat("low_cohesion_count"), more),
    "min_cluster_size": Row("identities", 1, 3, stat("outlier_count"), more),
    "cannot_link_enabled": Row("identities", True, False, stat("clusters"), less, ONE_PERSON),
    "cannot_link_min_frames": Row("identities", 3, 1000, stat("cannot_link_pairs"), less),
    "cannot_link_max_iou": Row("identities", 0.3, 1.0, stat("cannot_link_pairs"), more, prepare=boxes_overlap),
    "count_pictures": Row("identities", False, True, unassigned, less, prepare=a_face_does_not_move),
    "outlier_handling.treat_as_singletons": Row("identities", True, False, unassigned, more, {"min_cluster_size": 3}),
    "outlier_handling.mark_low_cohesion": Row(
        "identities", True, False, stat("low_cohesion_count"), less, {"min_cohesion": 0.9999}
    ),
    "gap_tolerance_s": Row("screen_time", 0.5, 2.0, intervals, less, prepare=nobody_is_on_screen_for_a_second),
    "edge_padding_s": Row(
        "screen_time", 0.0, 0.2, seconds_on_screen, more, {"gap_tolerance_s": 0.5}, nobody_is_on_screen_for_a_second
    ),
    # Cleanup.
    "actions": Row("recluster", ["recluster"], [], clusters, more, prepare=everybody_apart),
    "reembed_min_quality_score": Row(
        "reembed", 0.0, 1.0, rows_of("reembed", "faces"), less, {"reembed_min_faces": 2}, cleaned_tracks
    ),
    "reembed_max_yaw_angle": Row(
        "reembed", 90.0, 0.5, rows_of("reembed", "faces"), less, {"reembed_min_faces": 2}, cleaned_tracks
    ),
    "reembed_min_faces": Row(
        "reembed", 2, 6, rows_of("reembed", "faces"), more, {"reembed_min_quality_score": 1.0}, cleaned_tracks
    ),
    "recluster_thresh": Row("recluster", 0.38, 0.9999, clusters, more, prepare=reselect_faces),
    "recluster_tight_thresh": Row("recluster", 0.38, 0.99, clusters, more, prepare=one_face_a_cleaned_track),
    "write_jsonl": Row("identities", True, False, jsonl_twins, less),
}


# The runs


@pytest.fixture(scope="module")
def clip(
    open_pack: ModelPack, group_photo: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory
) -> LocalArtifactStore:
    """A view for 10 frames, a flash of 3, the view for 8, another view for 10, a third one for 3, the first for 10."""
    assert open_pack.name == "open"
    rng = np.random.default_rng(0)

    def filmed(window: tuple[int, int, int], frames: int) -> list[NDArray[np.uint8]]:
        x_px, y_px, width_px = window
        scale = TALK_SIZE_PX[0] / width_px
        camera = np.array([[scale, 0, -scale * x_px], [0, scale, -scale * y_px]])
        seen = cv2.warpAffine(group_photo, camera, TALK_SIZE_PX, flags=cv2.INTER_AREA)
        grain = rng.normal(0, 1.5, (frames, *TALK_SIZE_PX[::-1], 1))
        return list(np.clip(seen + grain, 0, 255).astype(np.uint8))

    first, second = TALK_WINDOWS
    flash = list(np.full((3, *TALK_SIZE_PX[::-1], 3), 250, np.uint8))
    pictures = [*filmed(first, 10), *flash, *filmed(first, 8), *filmed(second, 10)]
    pictures += [*filmed((700, 20, 500), 3), *filmed(first, 10)]
    folder = tmp_path_factory.mktemp("clip")
    store = LocalArtifactStore(folder / "data")
    video = write_video(folder / "clip.mp4", pictures)
    VideoLibraryResource(root=str(store.root)).add(EP_ID, video, replace=False)
    run_asset("episode_video", store, EP_ID)
    return store


@pytest.fixture(scope="module", autouse=True)
def _sessions(open_pack: ModelPack) -> Iterator[None]:
    """Model sessions are shared while something holds them; without this each row would load them again."""
    held = (
        load_detector(open_pack, device="auto", threads=0, input_px=640, closeup_input_px=0, nms_iou=0.4),
        load_embedder(open_pack, device="auto", threads=0),
    )
    yield
    del held


@pytest.fixture(autouse=True)
def _no_settings_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in section_of_key():
        monkeypatch.delenv(f"SCREENALYTICS_{key.upper().replace('.', '__')}", raising=False)
    monkeypatch.delenv("SCREENALYTICS_PROFILE", raising=False)


@pytest.mark.parametrize("key", ROWS)
def test_a_key_changes_what_is_published(key: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    row = ROWS[key]
    store = copy_of(request.getfixturevalue("clip" if row.asset == "detections" else "talk"), tmp_path / "data")
    row.prepare(store)
    measured = []
    for value in (row.first, row.second):
        run_asset(row.asset, store, EP_ID, **{**row.base, key: value})
        measured.append(row.measure(store))
    first, second = measured
    assert row.relation(second, first), f"{key}: {row.first} gives {first}, {row.second} gives {second}"


# The keys that say which weights run where


def test_model_pack_names_the_weights(
    talk: LocalArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = copy_of(talk, tmp_path / "data")
    monkeypatch.setenv("SCREENALYTICS_CACHE_DIR", str(tmp_path / "empty"))
    with pytest.raises(dg.Failure, match=r"screenalytics models pull buffalo_l"):
        run_asset("faces", store, EP_ID, model_pack="buffalo_l")


def test_verifier_pack_names_the_verifier_and_null_is_none(clip: LocalArtifactStore, tmp_path: Path) -> None:
    scores = {}
    for verifier_pack in ("open", None):
        store = copy_of(clip, tmp_path / str(verifier_pack))
        run_asset("detections", store, EP_ID, verifier_pack=verifier_pack)
        scores[verifier_pack] = published(store, "detections", EP_ID).table("detections.parquet")["confidence"]
    assert len(scores["open"]) > 0
    assert scores["open"] != scores[None]


def test_a_pack_without_a_verifier_cannot_be_the_verifier_pack(clip: LocalArtifactStore, tmp_path: Path) -> None:
    with pytest.raises(dg.Failure, match=r"'buffalo_l' has no verifier; packs that have one: open"):
        run_asset("detections", copy_of(clip, tmp_path / "data"), EP_ID, verifier_pack="buffalo_l")


def test_model_dir_brings_its_own_weights_and_thresholds(
    talk: LocalArtifactStore, open_pack: ModelPack, tmp_path: Path
) -> None:
    folder = tmp_path / "weights"
    folder.mkdir()
    for spec in (open_pack.detector, open_pack.embedder):
        shutil.copy(spec.file.path, folder)
    (folder / "pack.yaml").write_text("embedder: {min_cohesion: 0.9999}\n", encoding="utf-8")
    store = copy_of(talk, tmp_path / "data")
    run_asset("identities", store, EP_ID, model_dir=str(folder))
    assert stat("low_cohesion_count")(talk) == 0
    assert stat("low_cohesion_count")(store) == 4


def test_device_cuda_is_an_error_where_there_is_none_and_auto_takes_the_cpu(
    talk: LocalArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CPU])
    store = copy_of(talk, tmp_path / "data")
    run_asset("faces", store, EP_ID, device="auto", max_crops_per_track=1)
    assert published(store, "faces", EP_ID).manifest.metrics["provider"] == CPU
    with pytest.raises(dg.Failure, match="CUDA"):
        run_asset("faces", store, EP_ID, device="cuda", max_crops_per_track=2)


def test_cpu_threads_is_how_many_the_runtime_gets(
    talk: LocalArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = []

    class Session(onnxruntime.InferenceSession):  # type: ignore[misc]
        def __init__(self, model: bytes, options: onnxruntime.SessionOptions, **rest: Any) -> None:
            threads.append(options.intra_op_num_threads)
            super().__init__(model, options, **rest)

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    store = copy_of(talk, tmp_path / "data")
    for count in (1, 3):
        run_asset("faces", store, EP_ID, cpu_threads=count, max_crops_per_track=count)
    assert threads == [1, 3]


def test_cuda_memory_gb_is_the_memory_limit_of_a_session_on_cuda(
    talk: LocalArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = stand_in_for_cuda(monkeypatch)
    store = copy_of(talk, tmp_path / "data")
    run_asset("faces", store, EP_ID, device="cuda", max_crops_per_track=1)
    run_asset("faces", store, EP_ID, device="cuda", max_crops_per_track=2, cuda_memory_gb=2)
    plain, chosen = asked
    assert (plain.options.get("gpu_mem_limit"), chosen.options["gpu_mem_limit"]) == (None, str(2 * 1024**3))
    assert published(store, "faces", EP_ID).manifest.metrics["provider"] == CUDA


SHOWN_BY_THEMSELVES = {
    "model_pack": test_model_pack_names_the_weights,
    "verifier_pack": test_verifier_pack_names_the_verifier_and_null_is_none,
    "model_dir": test_model_dir_brings_its_own_weights_and_thresholds,
    "device": test_device_cuda_is_an_error_where_there_is_none_and_auto_takes_the_cpu,
    "cpu_threads": test_cpu_threads_is_how_many_the_runtime_gets,
    "cuda_memory_gb": test_cuda_memory_gb_is_the_memory_limit_of_a_session_on_cuda,
}


def test_every_key_is_in_exactly_one_of_the_tables() -> None:
    assert sorted([*ROWS, *SHOWN_BY_THEMSELVES, *FACEBANK_KEYS]) == sorted(section_of_key())


def test_a_row_leaves_all_but_its_key_the_same() -> None:
    for key, row in ROWS.items():
        assert key not in row.base
        assert row.first != row.second
