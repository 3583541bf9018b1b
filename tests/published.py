"""Episodes that published only their figures, which is all that the acceptance checks read."""

from typing import Any

from resources.artifact_store import ArtifactStoreResource
from resources.storage.artifacts import StagedArtifact
from resources.storage.store import ArtifactStore
from screenalytics_assets.core.documents.track_metrics import TrackMetrics

_HEALTHY: dict[str, dict[str, Any]] = {
    "detect_track_metrics": {
        "duration_s": 60.0,
        "damaged_s": 0.0,
        "shots": 10,
        "detections": 900,
        "untracked_detections": 5,
        "tracks": 25,
        "tracks_per_minute": 25.0,
        "short_track_fraction": 0.0,
        "mean_track_s": 4.0,
        "splits": {"hard": 0, "streak": 0, "iou": 0},
        "rebirths": 0,
        "id_switch_rate": 0.0,
    },
    "crop_stats": {
        "total_crops": 900,
        "blank_crops": 0,
        "blank_fraction": 0.0,
        "faces": 400,
        "quality_mean": 0.8,
        "rejection_rate": 0.1,
        "rejected": {"blurry": 9},
        "blank_crops_written": 0,
        "max_faces_per_track": 16,
        "max_crops_per_track": 16,
        "vector_dimension": 512,
        "vector_norm_error": 1e-7,
    },
    "cluster_metrics": {
        "clusters": 8,
        "tracks": 25,
        "singleton_count": 2,
        "singleton_fraction": 0.25,
        "largest_cluster_size": 7,
        "largest_cluster_fraction": 0.28,
        "outlier_count": 0,
        "low_cohesion_count": 0,
        "cannot_link_pairs": 0,
        "blocked_merges": 0,
    },
}
NO_FACES: dict[str, Any] = {
    "detections": 0,
    "untracked_detections": 0,
    "tracks": 0,
    "tracks_per_minute": 0.0,
    "total_crops": 0,
    "faces": 0,
    "quality_mean": 0.0,
    "rejection_rate": 0.0,
    "max_faces_per_track": 0,
    "clusters": 0,
    "singleton_fraction": 0.0,
    "largest_cluster_fraction": 0.0,
}


def metrics_with(ep_id: str = "show-s01e01", **figures: Any) -> TrackMetrics:
    """The metrics of a healthy episode with some figures replaced, by name."""
    groups = {
        group: {name: figures.get(name, value) for name, value in values.items()} for group, values in _HEALTHY.items()
    }
    return TrackMetrics.model_validate({"ep_id": ep_id, **groups})


def publish_figures(ep_id: str, *, provider: str = "CPUExecutionProvider", **figures: Any) -> None:
    """Publish the figures of a healthy episode with some of them replaced, by name."""
    store = ArtifactStoreResource().store()
    with store.staging("track_metrics", ep_id) as staged:
        staged.write_document("track_metrics.json", metrics_with(ep_id, **figures))
        _publish(store, staged, {})
    for asset, metrics in (("detections", {"runtime_s": 20.0, "provider": provider}), ("tracks", {"runtime_s": 10.0})):
        with store.staging(asset, ep_id) as staged:
            _publish(store, staged, metrics)


def _publish(store: ArtifactStore, staged: StagedArtifact, metrics: dict[str, Any]) -> None:
    store.publish(staged, fingerprint="f", code_version="1", config={}, inputs={}, metrics=metrics)
