"""The whole graph on rendered footage with real weights, in a real instance."""

import io
import json
import re
import shutil
from collections.abc import Iterator
from logging import WARNING
from pathlib import Path

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from resources.artifact_store import ArtifactStoreResource
from resources.models.packs import ModelPack
from resources.storage.local_store import LocalArtifactStore
from resources.system.files import sha256_of_file
from resources.videos import VideoLibraryResource
from screenalytics_assets.cli.episode.run import print_outcome
from screenalytics_assets.core.common.schemas import SHOTS
from screenalytics_assets.core.evaluation.truth import TruthDocument, parse_truth
from screenalytics_assets.core.quality.acceptance_metrics import METRICS
from screenalytics_assets.core.quality.cleanup_comparison import COMPARED
from screenalytics_assets.definitions import defs
from screenalytics_assets.reports.pictures import MAX_PICTURE_BYTES
from screenalytics_assets.services.running.runs import RunOutcome, asset_names, run_episode
from screenalytics_assets.services.scoring import score_published

EP = "demo-s01e01"
ASSETS = {
    "episode_video",
    "detections",
    "face_crops",
    "tracks",
    "faces",
    "identities",
    "screen_time",
    "track_metrics",
    "episode_report",
    "episode_vectors",
    "split_tracks",
    "reembed",
    "recluster",
    "corrections",
    "group_clusters",
    "cleanup_report",
}
FROM_IDENTITIES_ON = {
    "identities",
    "screen_time",
    "track_metrics",
    "episode_report",
    "episode_vectors",
    "recluster",
    "group_clusters",
    "cleanup_report",
}


@pytest.fixture(scope="module")
def first_run(
    instance: dg.DagsterInstance, open_pack: ModelPack, demo_episode: tuple[Path, TruthDocument]
) -> RunOutcome:
    assert open_pack.name == "open"
    VideoLibraryResource().add(EP, demo_episode[0], replace=False)
    return run_episode(instance, EP)


@pytest.fixture
def store(first_run: RunOutcome) -> LocalArtifactStore:
    assert first_run.success
    store = ArtifactStoreResource().store()
    assert isinstance(store, LocalArtifactStore)
    return store


@pytest.fixture
def _untouched(place: Path, store: LocalArtifactStore) -> Iterator[None]:
    """Puts the published artifacts back after a test that damages them."""
    assert store.root.is_dir()
    # Not the database: the files of its server come and go.
    copy, database = place / "copy", place / "data" / "database"
    shutil.copytree(
        place / "data", copy, ignore=lambda folder, _: ["database"] if Path(folder) == database.parent else []
    )
    yield
    if database.exists():
        database.rename(copy / "database")
    shutil.rmtree(place / "data")
    copy.rename(place / "data")


def checksums(root: Path) -> dict[str, str]:
    """Every file but the manifests and the cleanup report, which hold running times, and the database's."""
    timed = ("manifest.json", "cleanup_report.json")
    places = [place for place in root.iterdir() if place.name != "database"]
    files = [path for place in places for path in place.rglob("*") if not path.name.endswith(timed) and path.is_file()]
    return {path.relative_to(root).as_posix(): sha256_of_file(path) for path in files}


def test_definitions_are_loadable() -> None:
    dg.Definitions.validate_loadable(defs)


def test_every_asset_is_computed_on_the_first_run_and_every_check_passes(first_run: RunOutcome) -> None:
    assert first_run.failures == []
    assert first_run.failed_checks == []
    # The footage of a few seconds has a cut every other moment, and the machine may be busy.
    excused = {"tracks_per_minute", "runtime_per_duration_cpu"}
    assert {message.split()[0].rstrip(":") for message in first_run.warned_checks} <= excused
    assert first_run.success
    assert set(first_run.computed) == ASSETS == set(asset_names())


def test_the_files_of_the_contract_are_there(store: LocalArtifactStore) -> None:
    for path in (
        f"videos/{EP}/episode.mp4",
        f"manifests/{EP}/detections.parquet",
        f"manifests/{EP}/detections.jsonl",
        f"manifests/{EP}/tracks.parquet",
        f"manifests/{EP}/tracks.jsonl",
        f"manifests/{EP}/faces.parquet",
        f"manifests/{EP}/faces.jsonl",
        f"manifests/{EP}/identities.json",
        f"manifests/{EP}/identity_boxes.parquet",
        f"manifests/{EP}/track_metrics.json",
        f"manifests/{EP}/gate.parquet",
        f"embeds/{EP}/gate.npy",
        f"embeds/{EP}/faces.npy",
        f"embeds/{EP}/tracks.npy",
        f"embeds/{EP}/track_ids.json",
        f"frames/{EP}/crops_debug.jsonl",
        f"reports/{EP}/index.html",
    ):
        assert (store.root / path).is_file(), path


def test_each_face_has_its_vector_and_its_crop_file(store: LocalArtifactStore) -> None:
    faces = pq.read_table(store.root / f"manifests/{EP}/faces.parquet")
    vectors = np.load(store.root / f"embeds/{EP}/faces.npy")
    assert vectors.shape == (faces.num_rows, 512)
    assert faces.num_rows > 0
    assert all((store.root / path).is_file() for path in faces["crop_path"].to_pylist())


def test_the_vectors_of_the_appearance_gate_are_those_of_the_faces(store: LocalArtifactStore) -> None:
    gate = pq.read_table(store.root / f"manifests/{EP}/gate.parquet")
    gate_vectors = np.load(store.root / f"embeds/{EP}/gate.npy")
    faces = pq.read_table(store.root / f"manifests/{EP}/faces.parquet")
    vectors = np.load(store.root / f"embeds/{EP}/faces.npy")
    row_of = {detection_id: row for row, detection_id in enumerate(gate["detection_id"].to_pylist())}
    shared = [(i, row_of[d]) for i, d in enumerate(faces["detection_id"].to_pylist()) if d in row_of]
    published = store.open("faces", EP)
    assert published is not None
    assert published.manifest.metrics["newly_embedded"] == faces.num_rows - len(shared)
    assert len(shared) > gate.num_rows / 2
    rows, gate_rows = zip(*shared, strict=True)
    np.testing.assert_array_equal(vectors[list(rows)], gate_vectors[list(gate_rows)])
    assert set(gate["model_digest"].to_pylist()) == set(faces["model_digest"].to_pylist())


@pytest.mark.usefixtures("_untouched")
def test_without_the_gate_nothing_is_embedded_for_tracks_and_all_of_it_for_faces(
    instance: dg.DagsterInstance, store: LocalArtifactStore
) -> None:
    outcome = run_episode(instance, EP, overrides={"gate_enabled": False})
    assert outcome.success
    tracks, faces = store.open("tracks", EP), store.open("faces", EP)
    assert tracks is not None
    assert faces is not None
    assert tracks.manifest.rows("gate.parquet") == tracks.manifest.rows("gate.npy") == 0
    assert set(tracks.table("tracks.parquet")["split_reason"].to_pylist()) == {None}
    assert faces.manifest.metrics["newly_embedded"] == faces.manifest.rows("faces.parquet") > 0


@pytest.mark.usefixtures("_untouched")
def test_what_makes_a_crop_meaningful_concerns_the_tracks_and_how_many_are_sampled_does_not(
    instance: dg.DagsterInstance,
) -> None:
    fewer = run_episode(instance, EP, overrides={"max_crops_per_track": 4})
    assert "tracks" in fewer.reused
    assert "faces" in fewer.computed
    larger = run_episode(instance, EP, overrides={"min_face_size": 60})
    assert "tracks" in larger.computed


@pytest.mark.usefixtures("_untouched")
@pytest.mark.parametrize("again", [False, True], ids=["computed", "reused"])
def test_a_limit_that_drops_faces_is_reported_in_the_terminal_the_log_and_the_metadata(
    instance: dg.DagsterInstance, again: bool
) -> None:
    limit = {"max_crops_per_episode": 5}
    if again:
        assert run_episode(instance, EP, overrides=limit, select=["faces"]).success
    outcome = run_episode(instance, EP, overrides=limit, select=["faces"])
    terminal = io.StringIO()
    print_outcome(Console(file=terminal), outcome)
    assert "warning: faces: [VOLUME]" in terminal.getvalue()
    warnings = _metadata(instance, "faces")["warnings"].value
    assert isinstance(warnings, list)
    (warning,) = warnings
    assert re.search(r"max_crops_per_episode is 5\. .*set max_crops_per_episode=\d+", str(warning))
    logged = [entry.user_message for entry in instance.all_logs(outcome.run_id) if entry.level == WARNING]
    assert f"faces of {EP}: {warning}" in logged


def test_the_people_of_the_rendered_footage_are_found(
    store: LocalArtifactStore, demo_episode: tuple[Path, TruthDocument]
) -> None:
    scores = score_published(store, EP, parse_truth(demo_episode[1]))
    assert scores.detection_recall >= 0.95
    assert scores.detection_precision >= 0.95
    assert scores.track_purity == 1.0
    assert scores.bcubed_f1 >= 0.9
    assert abs(scores.clusters - scores.people) <= 1


def test_nothing_is_left_in_the_staging_folder(store: LocalArtifactStore) -> None:
    assert not (store.root / ".staging").exists()


def test_a_second_run_computes_nothing_and_changes_no_file(
    instance: dg.DagsterInstance, store: LocalArtifactStore
) -> None:
    before = checksums(store.root)
    outcome = run_episode(instance, EP)
    assert outcome.success
    assert outcome.computed == []
    assert set(outcome.reused) == ASSETS
    assert checksums(store.root) == before


@pytest.mark.usefixtures("_untouched")
def test_another_cluster_threshold_computes_identities_and_what_follows_only(instance: dg.DagsterInstance) -> None:
    outcome = run_episode(instance, EP, overrides={"cluster_thresh": 0.9})
    assert outcome.success
    assert "identities" in outcome.computed
    assert set(outcome.computed) <= FROM_IDENTITIES_ON
    assert set(outcome.reused) >= ASSETS - FROM_IDENTITIES_ON


@pytest.mark.usefixtures("_untouched")
def test_people_keep_their_ids_when_the_identities_are_computed_otherwise_and_back_again(
    instance: dg.DagsterInstance, store: LocalArtifactStore
) -> None:
    before = _identity_of_tracks(store)
    apart_limits = {"cluster_thresh": 0.99, "tight_thresh": 0.99}
    assert run_episode(instance, EP, overrides=apart_limits, select=["identities"]).success
    apart = _identity_of_tracks(store)
    assert len(set(apart.values())) > len(set(before.values()))
    assert {before[track] for track in before if apart[track] == before[track]} == set(before.values())
    assert all(before[track] == own for track, own in apart.items() if own in before.values())
    assert run_episode(instance, EP, select=["identities"]).success
    assert _identity_of_tracks(store) == before


def test_computing_again_by_force_gives_the_same_bytes(instance: dg.DagsterInstance, store: LocalArtifactStore) -> None:
    before = checksums(store.root)
    outcome = run_episode(instance, EP, force=True)
    assert set(outcome.computed) == ASSETS
    assert checksums(store.root) == before


@pytest.mark.usefixtures("_untouched")
def test_a_flipped_byte_in_an_artifact_is_noticed_and_mended(
    instance: dg.DagsterInstance, store: LocalArtifactStore
) -> None:
    vectors = store.root / f"embeds/{EP}/faces.npy"
    content = bytearray(vectors.read_bytes())
    content[-1] ^= 1
    vectors.write_bytes(bytes(content))
    outcome = run_episode(instance, EP)
    assert outcome.success
    assert "faces" in outcome.computed
    assert "tracks" in outcome.reused


def test_a_missing_input_is_named_with_the_command_that_makes_it(
    instance: dg.DagsterInstance, demo_episode: tuple[Path, TruthDocument], store: LocalArtifactStore
) -> None:
    assert store.root.is_dir()
    VideoLibraryResource().add("demo-s01e09", demo_episode[0], replace=False)
    for asset, missing in {"tracks": "episode_video", "faces": "detections"}.items():
        outcome = run_episode(instance, "demo-s01e09", select=[asset])
        assert not outcome.success
        (message,) = outcome.failures
        assert f"demo-s01e09 has no {missing}: there is no episode demo-s01e09; published episodes are " in message
        assert f"materialize {missing} first" in message
        assert f"screenalytics run --ep-id demo-s01e09 --select {missing}" in message


@pytest.mark.parametrize("asset", ["detections", "face_crops"])
def test_one_of_two_assets_of_a_computation_can_be_selected(
    asset: str, instance: dg.DagsterInstance, first_run: RunOutcome
) -> None:
    assert first_run.success
    outcome = run_episode(instance, EP, select=[asset])
    assert outcome.success
    assert set(outcome.computed + outcome.reused) == {"detections", "face_crops"}


@pytest.mark.usefixtures("_untouched")
def test_a_track_across_a_cut_blocks_everything_after_it(
    instance: dg.DagsterInstance, store: LocalArtifactStore
) -> None:
    _republish_with_one_shot_shifted(store)
    outcome = run_episode(instance, EP)
    assert not outcome.success
    assert any("tracks_integrity" in check and "across a cut" in check for check in outcome.failed_checks)
    assert "faces" not in [*outcome.computed, *outcome.reused]


def test_the_result_of_a_check_belongs_to_its_episode(instance: dg.DagsterInstance, first_run: RunOutcome) -> None:
    records = instance.get_records_for_run(first_run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION).records
    evaluations = [record.event_log_entry.dagster_event.event_specific_data for record in records]  # type: ignore[union-attr]
    assert {evaluation.check_name for evaluation in evaluations} == {  # type: ignore[union-attr]
        "detections_integrity",
        "face_crops_integrity",
        "tracks_integrity",
        "faces_integrity",
        "identities_integrity",
        "split_tracks_integrity",
        "reembed_integrity",
        "recluster_integrity",
        "group_clusters_integrity",
        "corrections_hold",
        *(f"cleanup_{metric}" for metric in COMPARED),
        *METRICS,
    }
    assert {evaluation.partition for evaluation in evaluations} == {EP}  # type: ignore[union-attr]


def test_the_metadata_has_figures_to_plot_and_pictures_that_fit(
    instance: dg.DagsterInstance, first_run: RunOutcome
) -> None:
    assert first_run.success
    identities = _metadata(instance, "identities")
    assert isinstance(identities["clusters"].value, int)
    assert isinstance(identities["singleton_fraction"].value, float)
    assert isinstance(identities["people"], dg.TableMetadataValue)
    for name in ("contact_sheet", "timeline"):
        markdown = identities[name]
        assert isinstance(markdown, dg.MarkdownMetadataValue)
        assert "data:image/" in str(markdown.value)
        assert len(str(markdown.value)) < MAX_PICTURE_BYTES * 4 / 3 + 200
    metrics = _metadata(instance, "track_metrics")
    for name in ("tracks_per_minute", "short_track_fraction", "id_switch_rate", "singleton_fraction"):
        assert isinstance(metrics[name].value, int | float), name
    assert "screenalytics/config_hash" in metrics


def test_detection_and_embedding_take_a_slot_of_the_gpu_pool() -> None:
    pools = {name: defs.resolve_assets_def(name).op.pool for name in ASSETS}
    assert {name for name, pool in pools.items() if pool == "gpu"} == {
        "detections",
        "face_crops",
        "faces",
        "tracks",
        "reembed",
    }


@pytest.mark.usefixtures("_untouched")
def test_no_slot_of_the_gpu_pool_stays_taken_after_a_failure(instance: dg.DagsterInstance) -> None:
    outcome = run_episode(instance, EP, overrides={"device": "cuda"}, force=True)
    assert not outcome.success
    assert "CUDA" in outcome.failures[0]
    slots = instance.event_log_storage.get_concurrency_info("gpu")
    assert slots.active_slot_count == 0


def test_cuda_asked_for_and_absent_leaves_the_published_artifacts_alone(
    instance: dg.DagsterInstance, store: LocalArtifactStore
) -> None:
    before = checksums(store.root)
    outcome = run_episode(instance, EP, overrides={"device": "cuda"}, force=True, select=["detections", "face_crops"])
    assert not outcome.success
    assert checksums(store.root) == before
    assert not (store.root / ".staging").exists()


def _identity_of_tracks(store: LocalArtifactStore) -> dict[str, str]:
    document = json.loads((store.root / f"manifests/{EP}/identities.json").read_text())
    return {track: identity["identity_id"] for identity in document["identities"] for track in identity["track_ids"]}


def _metadata(instance: dg.DagsterInstance, asset: str) -> dict[str, dg.MetadataValue]:
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[EP]), limit=1
    ).records
    materialization = records[0].asset_materialization
    assert materialization is not None
    return dict(materialization.metadata)


def _republish_with_one_shot_shifted(store: LocalArtifactStore) -> None:
    """Say that the first shot ends in the middle of a track, as a faulty stage might."""
    artifact = store.open("detections", EP)
    assert artifact is not None
    shots = artifact.table("shots.parquet").to_pylist()
    tracks = pq.read_table(store.root / f"manifests/{EP}/tracks.parquet").to_pylist()
    longest = max(tracks, key=lambda track: track["end_frame"] - track["start_frame"])
    shot = shots[longest["shot_idx"]]
    middle = (longest["start_frame"] + longest["end_frame"]) // 2
    shot["end_frame"] = middle
    if longest["shot_idx"] + 1 < len(shots):
        shots[longest["shot_idx"] + 1]["start_frame"] = middle + 1
    path = artifact.path("shots.parquet")
    pq.write_table(pa.Table.from_pylist(shots, schema=SHOTS), path)
    manifest_path = store.root / f"manifests/{EP}/detections.manifest.json"
    manifest = json.loads(manifest_path.read_text())
    for file in manifest["files"]:
        if file["path"].endswith("shots.parquet"):
            file["sha256"], file["bytes"] = sha256_of_file(path), path.stat().st_size
    manifest_path.write_text(json.dumps(manifest))
