"""Wires assets, checks, jobs, schedules and sensors together; no logic."""

from typing import Any

import dagster as dg

from resources.artifact_store import ArtifactStoreResource
from resources.fixed import fixed
from resources.photos import PhotoLibraryResource
from resources.progress import ProgressResource
from resources.settings import SettingsResource
from resources.vectors import VectorDatabaseResource
from resources.videos import VideoLibraryResource
from screenalytics_assets.artifact import build_asset
from screenalytics_assets.assets.specs import CLEANUP_SPECS, FACEBANK_SPEC, SEASON_SPEC, SPECS
from screenalytics_assets.automation.alerts.sensor import alert_sensor, report_refused_file
from screenalytics_assets.automation.inbox.new_episodes import build_new_episode_sensor
from screenalytics_assets.automation.seasons.declarative import build_automation_sensor, with_conditions
from screenalytics_assets.automation.seasons.season_runs import season_schedules
from screenalytics_assets.checks.acceptance import ACCEPTANCE_CHECKS
from screenalytics_assets.checks.cleanup import CLEANUP_COMPARISON_CHECKS, CLEANUP_INTEGRITY_CHECKS
from screenalytics_assets.checks.grouping import GROUPING_CHECKS
from screenalytics_assets.checks.integrity import INTEGRITY_CHECKS

ASSETS = [build_asset(spec) for spec in SPECS]
CLEANUP_ASSETS = [build_asset(spec) for spec in CLEANUP_SPECS]
EPISODE_ASSETS = [*ASSETS, *CLEANUP_ASSETS]
FACEBANK = build_asset(FACEBANK_SPEC)
SEASON_SCREEN_TIME = build_asset(SEASON_SPEC)


def build_resources(
    progress: ProgressResource,
    artifacts: ArtifactStoreResource | None = None,
    photos: PhotoLibraryResource | None = None,
) -> dict[str, Any]:
    """The Dagster resources, by the keys that declarations name; of a run, only the settings can be configured."""
    return {
        "settings": SettingsResource(),
        "artifacts": fixed(artifacts or ArtifactStoreResource()),
        "vectors": fixed(VectorDatabaseResource()),
        "videos": fixed(VideoLibraryResource()),
        "photos": fixed(photos or PhotoLibraryResource()),
        "progress": progress,
    }


EPISODE_JOB = dg.define_asset_job(
    "episode_job",
    selection=dg.AssetSelection.assets(*EPISODE_ASSETS),
    description="Everything about one episode, from its video to its report.",
)
FACEBANK_JOB = dg.define_asset_job(
    "facebank_job",
    selection=dg.AssetSelection.assets(FACEBANK),
    description="Enrol the known people of a show from photos.",
)
SEASON_JOB = dg.define_asset_job(
    "season_job",
    selection=dg.AssetSelection.assets(SEASON_SCREEN_TIME),
    description="The screen time of a season, from what its episodes have published.",
)
ACCEPTANCE_JOB = dg.define_asset_job(
    "acceptance_job",
    selection=dg.AssetSelection.checks(*ACCEPTANCE_CHECKS),
    description="The acceptance checks alone, of the episode in the tag dagster/partition.",
)


def build_definitions(progress: ProgressResource, photos: PhotoLibraryResource | None = None) -> dg.Definitions:
    """All definitions; ``progress`` shows the progress of long steps, ``photos`` are others than those of the show."""
    return dg.Definitions(
        assets=[*with_conditions(EPISODE_ASSETS), FACEBANK, SEASON_SCREEN_TIME],
        asset_checks=[
            *INTEGRITY_CHECKS,
            *ACCEPTANCE_CHECKS,
            *CLEANUP_INTEGRITY_CHECKS,
            *CLEANUP_COMPARISON_CHECKS,
            *GROUPING_CHECKS,
        ],
        jobs=[EPISODE_JOB, FACEBANK_JOB, SEASON_JOB, ACCEPTANCE_JOB],
        schedules=season_schedules(EPISODE_JOB.name),
        sensors=[
            build_new_episode_sensor(EPISODE_JOB.name, report_refused_file),
            build_automation_sensor(EPISODE_ASSETS),
            alert_sensor,
        ],
        resources=build_resources(progress, photos=photos),
        # An episode is one chain: a process for each step would load the models and libraries each time.
        executor=dg.in_process_executor,
    )


defs = build_definitions(ProgressResource())
