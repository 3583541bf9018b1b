"""Wiring: what there is. Nothing is decided here."""

import dagster as dg

from resources.artifact_store import ArtifactStoreResource
from resources.progress import ProgressResource
from resources.settings import SettingsResource
from resources.video_library import VideoLibraryResource
from screenalytics_assets.assets.detections import detections
from screenalytics_assets.assets.episode_report import episode_report
from screenalytics_assets.assets.episode_video import episode_video
from screenalytics_assets.assets.faces import faces
from screenalytics_assets.assets.identities import identities
from screenalytics_assets.assets.screen_time import screen_time
from screenalytics_assets.assets.track_metrics import track_metrics
from screenalytics_assets.assets.tracks import tracks
from screenalytics_assets.automation.alerts import alert_sensor
from screenalytics_assets.checks.acceptance import ACCEPTANCE_CHECKS
from screenalytics_assets.checks.integrity import INTEGRITY_CHECKS

ASSETS = [episode_video, detections, tracks, faces, identities, screen_time, track_metrics, episode_report]


def build_definitions(progress: ProgressResource) -> dg.Definitions:
    """Everything there is; ``progress`` tells about long steps."""
    return dg.Definitions(
        assets=ASSETS,
        asset_checks=[*INTEGRITY_CHECKS, *ACCEPTANCE_CHECKS],
        jobs=[
            dg.define_asset_job(
                "episode_job",
                selection=dg.AssetSelection.assets(*ASSETS),
                description="Everything about one episode, from its video to its report.",
            ),
            dg.define_asset_job(
                "acceptance_job",
                selection=dg.AssetSelection.checks(*ACCEPTANCE_CHECKS),
                description="The acceptance checks alone, of the episode in the tag dagster/partition.",
            ),
        ],
        sensors=[alert_sensor],
        resources={
            "settings": SettingsResource(),
            "artifacts": ArtifactStoreResource(),
            "videos": VideoLibraryResource(),
            "progress": progress,
        },
        # An episode is one chain: a process for each step would load the models and libraries anew each time.
        executor=dg.in_process_executor,
    )


defs = build_definitions(ProgressResource())
