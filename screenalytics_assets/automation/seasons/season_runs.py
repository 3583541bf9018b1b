"""One run for each episode of a season that needs one: requested by the season's schedule, or by hand."""

from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import NamedTuple

import dagster as dg

from resources.artifact_store import ArtifactStoreResource
from resources.settings import SettingsResource
from resources.videos import VideoLibraryResource
from screenalytics_assets.automation.seasons.episodes import episodes_of
from screenalytics_assets.automation.seasons.season_config import FILE, Season, What, usable_seasons
from screenalytics_assets.automation.seasons.season_state import EpisodeState, SeasonReader
from screenalytics_assets.automation.unfinished_runs import unfinished_runs
from screenalytics_assets.dagster_private import AssetGraph
from screenalytics_assets.failures import errors_of_tick
from screenalytics_assets.partitions import EPISODES_NAME

SEASON_TAG = "screenalytics/season"
LAUNCH_TAG = "screenalytics/season_launch"
"""The same for all runs of one tick or one ``season run``, for example ``rhobh_s05_20261121T0200``."""


class Launch(NamedTuple):
    """What a season needs at a moment.

    Attributes:
        launch_id: Value of `LAUNCH_TAG`.
        requests: One run for each episode that needs one; each has a `partition_key`.
        message: What is launched, or why nothing is.
    """

    launch_id: str
    requests: Sequence[dg.RunRequest]
    message: str

    @property
    def ep_ids(self) -> list[str]:
        """The episodes to be run."""
        return [str(request.partition_key) for request in self.requests]


def read_season(
    instance: dg.DagsterInstance,
    asset_graph: AssetGraph,
    season: Season,
    *,
    videos: VideoLibraryResource | None = None,
    artifacts: ArtifactStoreResource | None = None,
) -> list[EpisodeState]:
    """The state of the registered episodes of a season, judged by the configuration of the season."""
    reader = SeasonReader(
        instance,
        asset_graph,
        artifacts or ArtifactStoreResource(),
        videos or VideoLibraryResource(),
        SettingsResource(profile=season.profile, overrides=dict(season.overrides)),
    )
    return reader.read(episodes_of(instance.get_dynamic_partitions(EPISODES_NAME), season.name))


def plan_launch(
    instance: dg.DagsterInstance,
    asset_graph: AssetGraph,
    season: Season,
    *,
    moment: str,
    what: Sequence[What] | None = None,
    videos: VideoLibraryResource | None = None,
    artifacts: ArtifactStoreResource | None = None,
) -> Launch:
    """Decide which episodes of a season to run; nothing is launched here.

    Args:
        instance: Knows the episodes and their runs.
        asset_graph: The graph of the episodes.
        season: Its profile and overrides are the run configuration of each run.
        moment: Distinguishes this launch from others of the season. The scheduler launches the run of an episode once
            per moment.
        what: Which episodes, instead of those that the season's configuration names.
        videos: The videos, if they are not those of the environment.
        artifacts: The artifacts, if they are not those of the environment.
    """
    launch_id = f"{season.name}_{moment}".replace("-", "_")
    chosen = what or season.run
    states = read_season(instance, asset_graph, season, videos=videos, artifacts=artifacts)
    wanted = [state.ep_id for state in states if any(map(state.matches, chosen))]
    if not wanted:
        return Launch(launch_id, (), f"{season.name}: none of {len(states)} episodes is {' or '.join(chosen)}")
    unfinished = unfinished_runs(instance, wanted)
    tags = {SEASON_TAG: season.name, LAUNCH_TAG: launch_id}
    requests = [
        dg.RunRequest(run_key=f"{launch_id} {ep_id}", partition_key=ep_id, run_config=season.run_config(), tags=tags)
        for ep_id in wanted
        if ep_id not in unfinished
    ]
    return Launch(launch_id, requests, _message(season, launch_id, len(requests), unfinished))


def _message(season: Season, launch_id: str, launched: int, unfinished: Mapping[str, Sequence[str]]) -> str:
    busy = ", ".join(f"{ep_id} ({', '.join(runs)})" for ep_id, runs in sorted(unfinished.items()))
    if not launched:
        return f"{season.name}: nothing launched, still under way: {busy}"
    message = f"launched {launch_id}: runs of {launched} episodes of {season.name}"
    return f"{message}; still under way: {busy}" if busy else message


def build_season_schedule(season: Season, cron: str, job_name: str) -> dg.ScheduleDefinition:
    """The schedule that runs the episodes of a season.

    A tick takes everything but its time from the file as it is then. A tick that is evaluated twice launches nothing
    twice: Dagster launches each run key of a schedule once. The key has the moment in UTC, which is another one when
    the clock is put back and the hour repeats.
    """

    @dg.schedule(
        name=season.schedule_name,
        job_name=job_name,
        cron_schedule=cron,
        execution_timezone=season.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"One run for each episode of {season.name} that is {' or '.join(season.run)}.",
    )
    @errors_of_tick()
    def schedule(
        context: dg.ScheduleEvaluationContext, videos: VideoLibraryResource, artifacts: ArtifactStoreResource
    ) -> Sequence[dg.RunRequest] | dg.SkipReason:
        seasons, problem = usable_seasons()
        if problem:
            context.log.error(problem)
        current = seasons.get(season.name)
        if current is None or (current.cron, current.timezone) != (cron, season.timezone):
            return dg.SkipReason(problem or f"{season.name}: {FILE} has another time for it now, or none")
        launch = plan_launch(
            context.instance,
            context.repository_def.asset_graph,
            current,
            moment=f"{context.scheduled_execution_time.astimezone(UTC):%Y%m%dT%H%M}",
            videos=videos,
            artifacts=artifacts,
        )
        context.log.info(launch.message)
        return launch.requests or dg.SkipReason(launch.message)

    return schedule


def season_schedules(job_name: str) -> list[dg.ScheduleDefinition]:
    """A schedule for each season of ``config/seasons.yaml`` that has a cron expression.

    A mistake in the file leaves out the seasons that it concerns; ticks and commands report it.
    """
    seasons, _ = usable_seasons()
    return [build_season_schedule(season, season.cron, job_name) for season in seasons.values() if season.cron]
