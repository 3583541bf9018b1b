"""Sampling and quality filter with real weights."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from resources.storage.local_store import LocalArtifactStore
from screenalytics_assets.core.common.arrow import column_of
from screenalytics_assets.core.common.schemas import EMBEDDING_DIMENSION, EMBEDDING_NORM_TOLERANCE
from screenalytics_assets.core.config.people_keys import FacesSettings
from screenalytics_assets.core.detection import frame_analysis
from tests.ml.conftest import EP_ID
from tests.ml.stage_runs import copy_of, published, run_asset


def crops_per_track(store: LocalArtifactStore) -> Counter[str]:
    return Counter(published(store, "faces", EP_ID).table("faces.parquet")["track_id"].to_pylist())


def test_faces_volume_control(store: LocalArtifactStore, tmp_path: Path) -> None:
    """Looked at densely, all tracks of the footage have more than 16 good faces, the default (DESIGN 5)."""
    ungated = copy_of(store, tmp_path / "data")
    run_asset("detections", ungated, EP_ID, still_interval_s=0.0)
    run_asset("tracks", ungated, EP_ID, gate_enabled=False)
    run_asset("faces", ungated, EP_ID)
    counts = crops_per_track(ungated)
    assert len(counts) >= 10
    assert set(counts.values()) == {FacesSettings().max_crops_per_track}
    run_asset("faces", ungated, EP_ID, max_crops_per_track=8)
    assert set(crops_per_track(ungated).values()) == {8}


def test_faces_are_those_that_the_gate_embedded_and_nothing_is_embedded_again(store: LocalArtifactStore) -> None:
    gate = set(published(store, "tracks", EP_ID).table("gate.parquet")["detection_id"].to_pylist())
    faces = published(store, "faces", EP_ID)
    assert set(faces.table("faces.parquet")["detection_id"].to_pylist()) <= gate
    assert faces.manifest.metrics["newly_embedded"] == 0
    counts = crops_per_track(store)
    assert len(counts) == 10
    assert min(counts.values()) >= 3


def test_volume_control_of_the_episode(talk: LocalArtifactStore, tmp_path: Path) -> None:
    """A limit of 25 leaves each of the 10 tracks at least the floor of 2, and says what was dropped."""
    store = copy_of(talk, tmp_path / "data")
    sampled = crops_per_track(store).total()
    run_asset("faces", store, EP_ID, max_crops_per_episode=25)
    counts = crops_per_track(store)
    assert (len(counts), counts.total()) == (10, 25)
    assert min(counts.values()) >= 2
    (warning,) = published(store, "faces", EP_ID).manifest.metrics["warnings"]
    assert warning.startswith(f"[VOLUME] {sampled - 25} of {sampled} sampled faces")
    assert f"max_crops_per_episode={sampled}" in warning


def test_quality_gating(talk: LocalArtifactStore, tmp_path: Path) -> None:
    """The roadmap's scale is 0 to 10; that of DESIGN 5 is 0 to 1, and holds."""
    store = copy_of(talk, tmp_path / "data")
    run_asset("faces", store, EP_ID, min_quality_score=0.95)
    before, after = (published(place, "faces", EP_ID).table("faces.parquet") for place in (talk, store))
    assert column_of(before, "quality_score").min() < 0.95
    assert after.num_rows > 0
    assert column_of(after, "quality_score").min() >= 0.95
    debug = published(store, "faces", EP_ID).table("crops_debug.parquet").to_pylist()
    rejected = [row for row in debug if row["status"] != "refused"]  # not by the detector before
    assert {row["reason"] for row in rejected} == {"low_quality"}
    assert max(row["quality_score"] for row in rejected) < 0.95


def test_blank_crops_are_counted_warned_of_and_never_written(
    talk: LocalArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No detector can be relied on to take empty picture for a face, so every crop is declared blank."""
    monkeypatch.setattr(frame_analysis, "is_blank", lambda _crop: True)
    store = copy_of(talk, tmp_path / "data")
    run_asset("detections", store, EP_ID, frame_stride=96)
    crops = published(store, "face_crops", EP_ID)
    assert crops.manifest.rows("face_crops.parquet") == 0
    found = published(store, "detections", EP_ID).manifest.rows("detections.parquet")
    assert crops.manifest.metrics["blank_crops"] == found > 0
    (warning,) = crops.manifest.metrics["warnings"]
    assert warning.startswith(f"[BLANK] {found} of {found} crops (100%) show nothing and were not written")


def test_each_face_has_a_unit_vector(store: LocalArtifactStore) -> None:
    faces = published(store, "faces", EP_ID)
    vectors = faces.array("faces.npy")
    assert vectors.shape == (faces.manifest.rows("faces.parquet"), EMBEDDING_DIMENSION)
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < EMBEDDING_NORM_TOLERANCE
