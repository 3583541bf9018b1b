"""The cleanup on rendered footage with real weights, in a real instance."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from resources.storage.artifacts import Artifact
from resources.storage.local_store import LocalArtifactStore
from resources.system.files import sha256_of_file
from resources.system.paths import config_dir
from screenalytics_assets.core.common.schemas import FACES
from screenalytics_assets.core.evaluation.truth import TruthDocument, parse_truth
from screenalytics_assets.core.quality.cleanup_comparison import COMPARED
from screenalytics_assets.definitions import defs
from screenalytics_assets.services.running.run_progress import latest_progress
from screenalytics_assets.services.running.runs import run_episode
from screenalytics_assets.services.scoring import score_published

EP = "demo-s01e01"
PHASES = ["split_tracks", "reembed", "recluster", "group_clusters", "cleanup_report"]
MAIN = ["tracks", "faces", "identities", "track_metrics"]


@pytest.fixture(scope="module")
def fresh(place: Path, instance: dg.DagsterInstance, published_demo: Path) -> Path:
    """The data root after everything was computed once."""
    assert instance
    shutil.copytree(published_demo, place / "data", dirs_exist_ok=True)
    return place / "data"


@pytest.fixture
def store(fresh: Path, place: Path) -> Iterator[LocalArtifactStore]:
    """The published artifacts, put back after each test."""
    copy = place / "copy"
    shutil.copytree(fresh, copy)
    yield LocalArtifactStore(fresh)
    shutil.rmtree(fresh)
    copy.rename(fresh)


def published(store: LocalArtifactStore, asset: str) -> Artifact:
    artifact = store.open(asset, EP)
    assert artifact is not None
    return artifact


def same_content(first: Path, second: Path) -> bool:
    """The same rows of a table, or the same bytes."""
    if first.suffix == ".parquet":
        return bool(pq.read_table(first).equals(pq.read_table(second)))
    return sha256_of_file(first) == sha256_of_file(second)


def cleaned(instance: dg.DagsterInstance, **overrides: Any) -> list[str]:
    """Run the phases; the assets that were computed."""
    outcome = run_episode(instance, EP, overrides=overrides, select=PHASES)
    assert outcome.success, outcome
    return outcome.computed


def test_the_cleanup_publishes_beside_the_originals_under_their_names(store: LocalArtifactStore) -> None:
    for name in (
        "tracks.parquet",
        "tracks.jsonl",
        "untracked.parquet",
        "gate.parquet",
        "gate.npy",
        "faces.parquet",
        "faces.jsonl",
        "faces.npy",
        "crops_debug.jsonl",
        "clusters.json",
        "identity_boxes.parquet",
        "tracks.npy",
        "track_ids.json",
    ):
        assert (store.root / "cleaned" / EP / name).is_file(), name
    assert (store.root / f"manifests/{EP}/cleanup_report.json").is_file()
    crops = published(store, "reembed").table("faces.parquet", ["crop_path"])["crop_path"].to_pylist()
    assert all(path.startswith(f"cleaned/{EP}/crops/") and (store.root / path).is_file() for path in crops)


def test_a_good_episode_is_not_changed(store: LocalArtifactStore) -> None:
    report = published(store, "cleanup_report").json("cleanup_report.json")
    assert report["actions_completed"][:3] == PHASES[:3]
    assert report["splits"]["total"] == 0
    assert report["metrics_before"] == report["metrics_after"]
    metrics = published(store, "track_metrics").json("track_metrics.json")
    measured = {**metrics["detect_track_metrics"], **metrics["cluster_metrics"]}
    assert report["metrics_before"] == {name: measured[name] for name in COMPARED}
    assert sha256_of_file(store.root / f"cleaned/{EP}/tracks.parquet") == sha256_of_file(
        store.root / f"manifests/{EP}/tracks.parquet"
    )
    groups = [
        {tuple(entry["track_ids"]): entry["identity_id"] for entry in document["identities"]}
        for document in (
            published(store, "identities").json("identities.json"),
            published(store, "recluster").json("clusters.json"),
        )
    ]
    assert groups[0] == groups[1]


def test_switched_off_every_phase_passes_its_input_through(
    instance: dg.DagsterInstance, store: LocalArtifactStore
) -> None:
    assert "reembed" in cleaned(instance, actions=[])
    for copy, original in (
        ("tracks.parquet", f"manifests/{EP}/tracks.parquet"),
        ("tracks.jsonl", f"manifests/{EP}/tracks.jsonl"),
        ("gate.npy", f"embeds/{EP}/gate.npy"),
        ("faces.parquet", f"manifests/{EP}/faces.parquet"),
        ("faces.npy", f"embeds/{EP}/faces.npy"),
        ("crops_debug.parquet", f"frames/{EP}/crops_debug.parquet"),
        ("clusters.json", f"manifests/{EP}/identities.json"),
        ("tracks.npy", f"embeds/{EP}/tracks.npy"),
        ("identity_boxes.parquet", f"manifests/{EP}/identity_boxes.parquet"),
    ):
        assert same_content(store.root / "cleaned" / EP / copy, store.root / original), copy
    assert published(store, "reembed").manifest.metrics["newly_embedded"] == 0
    assert published(store, "cleanup_report").json("cleanup_report.json")["actions_completed"] == []


def test_switching_a_phase_off_concerns_it_and_what_follows(instance: dg.DagsterInstance) -> None:
    run_episode(instance, EP, select=PHASES)
    assert cleaned(instance) == []
    assert "split_tracks" not in cleaned(instance, actions=["split_tracks", "reembed"])


def test_no_vector_is_made_twice(instance: dg.DagsterInstance, store: LocalArtifactStore) -> None:
    run_episode(instance, EP, overrides={"gate_enabled": False, "max_crops_per_track": 3}, select=MAIN)
    cleaned(instance, gate_enabled=False)
    made = published(store, "reembed").manifest.metrics
    faces = published(store, "reembed").table("faces.parquet")
    before = set(published(store, "faces").table("faces.parquet")["detection_id"].to_pylist())
    again = [i for i in faces["detection_id"].to_pylist() if i in before]
    assert made["vectors_reused"] == len(again) > 0
    assert made["newly_embedded"] == faces.num_rows - len(again) > 0


def test_a_clustering_that_was_too_tight_is_repaired_and_ids_are_kept(
    instance: dg.DagsterInstance, store: LocalArtifactStore, demo_episode: tuple[Path, TruthDocument]
) -> None:
    truth = parse_truth(demo_episode[1])
    good = score_published(store, EP, truth)
    bad = {"cluster_thresh": 0.97}
    run_episode(instance, EP, overrides=bad, select=MAIN)
    cleaned(instance, **bad)
    before, after = score_published(store, EP, truth, before_cleanup=True), score_published(store, EP, truth)
    assert before.bcubed_f1 < good.bcubed_f1 == after.bcubed_f1
    documents = [
        published(store, "identities").json("identities.json"),
        published(store, "recluster").json("clusters.json"),
    ]
    owner = {track: e["identity_id"] for e in documents[0]["identities"] for track in e["track_ids"]}
    assert len(documents[1]["identities"]) < len(documents[0]["identities"])
    for entry in documents[1]["identities"]:
        assert entry["identity_id"] in {owner[track] for track in entry["track_ids"]}


@pytest.mark.usefixtures("store")
def test_a_cleanup_that_is_worse_by_the_limits_of_the_season_is_warned_of_and_blocks_nothing(
    instance: dg.DagsterInstance, configured: Callable[..., Path]
) -> None:
    # Without the last phase, which merges what is related.
    worse = {"recluster_thresh": 0.98, "actions": PHASES[:3]}
    outcome = run_episode(instance, EP, overrides=worse, select=PHASES)
    assert outcome.success
    (warning,) = [name for name in outcome.warned_checks if name.startswith("cleanup_")]
    assert warning.startswith("cleanup_singleton_fraction: singleton_fraction rose from")
    loose = yaml.safe_load((config_dir() / "acceptance.yaml").read_text(encoding="utf-8"))
    loose["metrics"]["singleton_fraction"] = {"target": 1.0}
    configured(acceptance=loose)
    outcome = run_episode(instance, EP, overrides=worse, select=PHASES)
    assert outcome.computed == ["cleanup_report"]
    assert not [name for name in outcome.warned_checks if name.startswith("cleanup_")]


def test_vectors_of_another_model_are_refused_by_name(instance: dg.DagsterInstance, store: LocalArtifactStore) -> None:
    run_episode(instance, EP, overrides={"gate_enabled": False}, select=MAIN)
    faces = published(store, "faces")
    foreign = faces.table("faces.parquet")
    place = FACES.get_field_index("model_digest")
    foreign = foreign.set_column(place, FACES.field(place), pa.array(["0" * 64] * foreign.num_rows))
    path = faces.path("faces.parquet")
    pq.write_table(foreign, path, compression="zstd")
    manifest = store.root / f"manifests/{EP}/faces.manifest.json"
    document = json.loads(manifest.read_text())
    for file in document["files"]:
        if file["path"].endswith("/faces.parquet"):
            file["sha256"], file["bytes"] = sha256_of_file(path), path.stat().st_size
    document["content_digest"] = "another"
    manifest.write_text(json.dumps(document))
    outcome = run_episode(instance, EP, overrides={"gate_enabled": False}, select=["split_tracks"])
    assert not outcome.success
    assert f"the faces of {EP} were embedded by another model than open" in outcome.failures[0]


def test_a_face_of_no_track_blocks_what_follows(instance: dg.DagsterInstance, store: LocalArtifactStore) -> None:
    reembed = published(store, "reembed")
    faces = reembed.table("faces.parquet")
    place = FACES.get_field_index("track_id")
    lost = faces.set_column(place, FACES.field(place), pa.array(["track-99999"] * faces.num_rows))
    path = reembed.path("faces.parquet")
    pq.write_table(lost, path, compression="zstd")
    manifest = store.root / f"manifests/{EP}/reembed.manifest.json"
    document = json.loads(manifest.read_text())
    for file in document["files"]:
        if file["path"].endswith("/faces.parquet"):
            file["sha256"], file["bytes"] = sha256_of_file(path), path.stat().st_size
    manifest.write_text(json.dumps(document))
    outcome = run_episode(instance, EP, select=["reembed", "recluster"])
    assert not outcome.success
    assert any("reembed_integrity" in check and "track-99999" in check for check in outcome.failed_checks)
    assert "recluster" not in [*outcome.computed, *outcome.reused]


def test_the_latest_run_reports_its_progress(instance: dg.DagsterInstance, fresh: Path) -> None:
    assert fresh.is_dir()
    outcome = run_episode(instance, EP, select=PHASES)
    found = latest_progress(instance, EP)
    assert found is not None
    assert (found.run_id, found.status, found.fraction) == (outcome.run_id, "SUCCESS", 1.0)
    assert (found.phase, found.phase_index, found.phase_total) == ("cleanup_report", 5, 5)
    assert found.total_elapsed_seconds > 0
    failed = run_episode(instance, EP, overrides={"device": "cuda"}, select=["faces", "split_tracks"], force=True)
    found = latest_progress(instance, EP)
    assert found is not None
    assert (found.run_id, found.status, found.phase, found.phase_index) == (failed.run_id, "FAILURE", "faces", 1)
    assert found.fraction == 0
    assert latest_progress(instance, "demo-s09e09") is None


def test_only_embedding_takes_a_slot_of_the_gpu_pool() -> None:
    assert [name for name in PHASES if defs.resolve_assets_def(name).op.pool == "gpu"] == ["reembed"]
