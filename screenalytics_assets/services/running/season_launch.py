"""Running a season by hand: the same runs that its schedule requests, queued from the command line."""

from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import quote

from resources.system.locks import locked
from resources.system.paths import dagster_home
from screenalytics_assets.automation.seasons.season_config import Season, What
from screenalytics_assets.automation.seasons.season_runs import LAUNCH_TAG, Launch, plan_launch
from screenalytics_assets.definitions import defs
from screenalytics_assets.services.dagster_instance.instance import open_instance
from screenalytics_assets.services.running.queue_runs import queue_runs
from screenalytics_assets.services.running.runs import JOB


def launch_season(season: Season, what: Sequence[What] | None = None) -> Launch:
    """Queue one run for each episode of a season that needs one and is not being worked on.

    A second call waits until the runs of the first are in the queue, where it finds them.

    Args:
        season: The season.
        what: Which episodes, instead of those that the season's configuration names.
    """
    with locked(dagster_home() / ".season_launch.lock", "launching a season"), open_instance() as instance:
        moment = f"{datetime.now(UTC):%Y%m%dT%H%M%S}_by_hand"
        launch = plan_launch(instance, defs.resolve_asset_graph(), season, moment=moment, what=what)
        if launch.requests:
            queue_runs(JOB, launch.requests)
        return launch


def runs_url(launch_id: str) -> str:
    """The page of the UI that lists the runs of a launch."""
    return f"http://127.0.0.1:3000/runs?q%5B0%5D={quote(f'tag:{LAUNCH_TAG}={launch_id}', safe='')}"
