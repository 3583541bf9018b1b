"""One season, one backfill: launched by its schedule or by hand."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import dagster as dg
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph

from resources.artifact_store import ArtifactStoreResource
from resources.settings import SettingsResource
from resources.videos import VideoLibraryResource
from screenalytics_assets.automation.seasons.backfills import (
    backfill_id_of,
    episodes_of,
    launch_backfill,
    unfinished_backfills,
)
from screenalytics_assets.automation.seasons.season_config import Season, What, read_seasons
from screenalytics_assets.automation.seasons.season_state import EpisodeState, SeasonReader
from screenalytics_assets.partitions import EPISODES_NAME


class Launch(NamedTuple):
    """What became of the wish to run a season; ``ep_ids`` is empty where nothing was launched."""

    backfill_id: str
    ep_ids: Sequence[str]
    message: str


def read_season(
    instance: dg.DagsterInstance,
    asset_graph: BaseAssetGraph[Any],
    season: Season,
    *,
    videos: VideoLibraryResource | None = None,
    artifacts: ArtifactStoreResource | None = None,
) -> list[EpisodeState]:
    """The state of the registered episodes of a season, as its configuration would have them."""
    settings = SettingsResource(profile=season.profile, overrides=dict(season.overrides)).load()
    reader = SeasonReader(
        instance,
        asset_graph,
        (artifacts or ArtifactStoreResource()).store(),
        videos or VideoLibraryResource(),
        settings,
    )
    return reader.read(episodes_of(instance.get_dynamic_partitions(EPISODES_NAME), season.name))


def launch_season(
    instance: dg.DagsterInstance,
    asset_graph: BaseAssetGraph[Any],
    season: Season,
    *,
    moment: str,
    what: Sequence[What] | None = None,
    schedule_name: str | None = None,
    resources: Mapping[str, Any] | None = None,
) -> Launch:
    """Ask for one run of each episode of a season that needs one.

    Args:
        instance: Where the backfill is asked for.
        asset_graph: The graph of the episodes.
        season: Its profile and overrides are the run configuration of each run.
        moment: Makes the id of the backfill; the same moment again launches nothing.
        what: Which episodes, instead of what the season says.
        schedule_name: The schedule that asks.
        resources: ``videos`` and ``artifacts``, where they are not those of the environment.
    """
    backfill_id = backfill_id_of(season.name, moment)
    if instance.get_backfill(backfill_id):
        return Launch(backfill_id, (), f"backfill {backfill_id} was launched already")
    chosen = what or season.run
    states = read_season(instance, asset_graph, season, **(resources or {}))
    busy = unfinished_backfills(instance, [state.ep_id for state in states])
    if busy:
        return Launch(backfill_id, (), f"backfill {', '.join(busy)} of {season.name} is still under way")
    ep_ids = [state.ep_id for state in states if not state.is_running and any(map(state.matches, chosen))]
    if not ep_ids:
        return Launch(backfill_id, (), f"{season.name}: none of {len(states)} episodes is {' or '.join(chosen)}")
    launch_backfill(
        instance,
        asset_graph,
        backfill_id=backfill_id,
        season=season.name,
        ep_ids=ep_ids,
        run_config=season.run_config(),
        title=f"{season.name}: {' and '.join(chosen)}",
        schedule_name=schedule_name,
    )
    return Launch(backfill_id, ep_ids, f"launched backfill {backfill_id} of {len(ep_ids)} episodes of {season.name}")


def build_season_schedule(season: Season, cron: str, job_name: str) -> dg.ScheduleDefinition:
    """The schedule that backfills a season.

    Dagster lets a schedule ask for single runs only; this one asks for a backfill beside that and skips the tick,
    with the id of the backfill as the reason. Evaluated again, the same tick finds that backfill and does nothing.
    """

    @dg.schedule(
        name=season.schedule_name,
        job_name=job_name,
        cron_schedule=cron,
        execution_timezone=season.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"One backfill of the episodes of {season.name} that are {' or '.join(season.run)}.",
    )
    def schedule(
        context: dg.ScheduleEvaluationContext, videos: VideoLibraryResource, artifacts: ArtifactStoreResource
    ) -> dg.SkipReason:
        launch = launch_season(
            context.instance,
            context.repository_def.asset_graph,
            season,
            moment=f"{context.scheduled_execution_time:%Y%m%dT%H%M}",
            schedule_name=season.schedule_name,
            resources={"videos": videos, "artifacts": artifacts},
        )
        return dg.SkipReason(launch.message)

    return schedule


def season_schedules(job_name: str) -> list[dg.ScheduleDefinition]:
    """A schedule for each season of ``config/seasons.yaml`` that has a cron expression."""
    return [build_season_schedule(season, season.cron, job_name) for season in read_seasons().values() if season.cron]
