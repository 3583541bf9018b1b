"""Reads what the report of an episode is made from."""

from resources.configuration.run_settings import declared_thresholds
from resources.models.packs import ModelPack
from resources.storage.crop_file import read_crops
from screenalytics_assets.core.documents.cleanup_report import CleanupReport
from screenalytics_assets.core.documents.grouping import Grouping
from screenalytics_assets.core.documents.identities import Identities, TrackIds
from screenalytics_assets.core.documents.screen_time import ScreenTime
from screenalytics_assets.core.documents.track_metrics import TrackMetrics
from screenalytics_assets.core.documents.video import VideoProbe
from screenalytics_assets.core.people.corrections.corrections import Corrections
from screenalytics_assets.reports.episode_data import EpisodeData
from screenalytics_assets.reports.provenance import Configs, UsedModel
from screenalytics_assets.run_context import Run


def read_episode_data(run: Run) -> EpisodeData:
    """The published tables and documents of the episode, and the configuration that is shown."""
    inputs = run.inputs
    crop_file = inputs["face_crops"].path("face_crops.parquet")
    return EpisodeData(
        ep_id=run.key,
        video=inputs["episode_video"].document("video.json", VideoProbe),
        shots=inputs["detections"].table("shots.parquet"),
        tracks=inputs["split_tracks"].table("tracks.parquet"),
        faces=inputs["reembed"].table("faces.parquet"),
        rejected=inputs["reembed"].table("crops_debug.parquet"),
        track_ids=inputs["recluster"].document("track_ids.json", TrackIds).track_ids,
        track_vectors=inputs["recluster"].array("tracks.npy"),
        identities=inputs["group_clusters"].document("identities.json", Identities),
        grouping=inputs["group_clusters"].document("grouping.json", Grouping),
        corrections=inputs["corrections"].document("corrections.json", Corrections),
        screen_time=inputs["screen_time"].document("screen_time.json", ScreenTime),
        metrics=inputs["track_metrics"].document("track_metrics.json", TrackMetrics),
        cleanup=inputs["cleanup_report"].document("cleanup_report.json", CleanupReport),
        read_crops=lambda detection_ids: dict(read_crops(crop_file, detection_ids)),
        configs=read_configs(run),
        declared=declared_thresholds(run.pack),
        models=configured_models(run.pack),
    )


def read_configs(run: Run) -> Configs:
    """The configuration of the stages, as their manifests have it."""
    return {stage: manifest.config for stage, manifest in run.manifests.items()}


def configured_models(pack: ModelPack) -> list[UsedModel]:
    """The models of a pack."""
    return [
        UsedModel(
            role,
            part.entry.name,
            part.entry.licence,
            "yes" if part.entry.commercial_use else "not known",
            part.file.sha256,
        )
        for role, part in pack.parts.items()
    ]
