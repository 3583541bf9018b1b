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
from screenalytics_assets.automation.declarative import build_automation_sensor, with_conditions
from screenalytics_assets.automation.new_episodes import build_new_episode_sensor
from screenalytics_assets.automation.season_runs import season_schedules
from screenalytics_assets.checks.integrity import INTEGRITY_CHECKS

ASSETS = [episode_video, detections, tracks, faces, identities, screen_time, track_metrics, episode_report]
EPISODE_JOB = dg.define_asset_job(
    "episode_job",
    selection=dg.AssetSelection.assets(*ASSETS),
    description="Everything about one episode, from its video to its report.",
)


def build_definitions(progress: ProgressResource) -> dg.Definitions:
    """Everything there is; ``progress`` tells about long steps."""
    return dg.Definitions(
        assets=with_conditions(ASSETS),
        asset_checks=INTEGRITY_CHECKS,
        jobs=[EPISODE_JOB],
        schedules=season_schedules(EPISODE_JOB.name),
        sensors=[build_new_episode_sensor(EPISODE_JOB.name), build_automation_sensor(ASSETS)],
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
