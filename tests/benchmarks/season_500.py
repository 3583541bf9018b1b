"""How usable a season of many episodes is: times of ticks, tables and pages, on artifacts of a few bytes.

Run: ``python -m tests.benchmarks.season_500 [--episodes 500] [--folder DIR]``; the pages want Debian's chromium.
"""

import argparse
import os
import shutil
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.table import Table

from resources.artifact_store import ArtifactStoreResource
from resources.videos import VideoLibraryResource
from screenalytics_assets.automation.inbox.inbox import open_inbox
from screenalytics_assets.automation.inbox.new_episodes import build_new_episode_sensor
from screenalytics_assets.automation.seasons.season_config import Season
from screenalytics_assets.automation.seasons.season_runs import build_season_schedule, read_season
from screenalytics_assets.definitions import defs
from screenalytics_assets.services.dagster_instance.instance import open_instance
from screenalytics_assets.services.running.runs import JOB
from tests.e2e.conftest import CHROMIUM_OPTIONS, serve
from tests.synthetic_episodes import GRAPH, publish_episode, register, report_checks

SEASON = Season(show="demo", season=1)
MISSING = 20
"""So many of the episodes have no identities, so that the schedule has something to launch."""


class Times:
    """What took how long."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, float, str]] = []

    @contextmanager
    def of(self, what: str, remark: str = "") -> Iterator[None]:
        """Measure what happens inside."""
        start_s = time.perf_counter()
        yield
        self.rows.append((what, time.perf_counter() - start_s, remark))

    def table(self, title: str) -> Table:
        """The times as a table."""
        table = Table(title=title)
        for column in ("", "seconds", "remark"):
            table.add_column(column, no_wrap=True)
        for what, seconds, remark in self.rows:
            table.add_row(what, f"{seconds:.2f}", remark)
        return table


def main() -> None:
    """Fill a folder with episodes, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=500)
    parser.add_argument("--folder", type=Path, help="keep what is made here, and use it again")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.folder or Path(temporary)).resolve()
        os.environ["SCREENALYTICS_DATA_ROOT"] = str(folder / "data")
        os.environ["DAGSTER_HOME"] = str(folder / "home")
        times = Times()
        with open_instance() as instance:
            ep_ids = [f"demo-s01e{number:03d}" for number in range(arguments.episodes)]
            if not instance.get_dynamic_partitions("episodes"):
                _fill(instance, ep_ids)
            _measure_ticks(instance, times)
            _measure_command(times)
            if shutil.which("chromium"):
                _measure_pages(folder, times, ep_ids[0])
        Console(width=140).print(times.table(f"{arguments.episodes} episodes"))


def _fill(instance: dg.DagsterInstance, ep_ids: list[str]) -> None:
    store = ArtifactStoreResource().store()
    open_inbox().files()
    register(instance, *ep_ids)
    for number, ep_id in enumerate(ep_ids):
        publish_episode(store, ep_id)
        report_checks(instance, ep_id)
        Path(store.location(f"inbox/{ep_id}.mp4")).hardlink_to(VideoLibraryResource().find(ep_id))
        if number < MISSING:
            (Path(store.location("")) / f"manifests/{ep_id}/identities.manifest.json").unlink()


def _measure_ticks(instance: dg.DagsterInstance, times: Times) -> None:
    resources = {"videos": VideoLibraryResource(), "artifacts": ArtifactStoreResource()}
    sensor = build_new_episode_sensor(JOB)
    cursor: str | None = None

    def tick() -> None:
        nonlocal cursor
        with dg.build_sensor_context(instance=instance, cursor=cursor, resources=resources) as context:
            cursor = sensor.evaluate_tick(context).cursor

    with times.of("sensor tick, every file seen for the first time"):
        tick()
    os.environ["SCREENALYTICS_CONFIG_DIR"] = str(_config_without_settle_time())
    with times.of("sensor tick after the cursor was lost, every file known"):
        tick()
    with times.of("sensor tick, nothing new", f"cursor {len(cursor or '') / 1024:.0f} KB"):
        tick()
    with times.of("state of the season, in the process"):
        states = read_season(instance, GRAPH, SEASON)
    assert sum(state.state == "missing" for state in states) == MISSING
    schedule = build_season_schedule(SEASON, "0 2 * * *", JOB)
    moment = datetime.now(UTC)

    def evaluate() -> int:
        with dg.build_schedule_context(
            instance=instance,
            scheduled_execution_time=moment,
            repository_def=defs.get_repository_def(),
            resources=resources,
        ) as context:
            return len(schedule.evaluate_tick(context).run_requests or ())

    with times.of("schedule tick that launches", f"{MISSING} episodes"):
        assert evaluate() == MISSING


def _config_without_settle_time() -> Path:
    folder = Path(os.environ["DAGSTER_HOME"]).parent / "config"
    if not folder.exists():
        shutil.copytree(Path(__file__).parents[2] / "config", folder)
    (folder / "inbox.yaml").write_text("settle_s: 0\n", encoding="utf-8")
    return folder


def _measure_command(times: Times) -> None:
    script = str(Path(sysconfig.get_path("scripts")) / "screenalytics")
    for arguments in (["season", "status", "demo-s01"], ["season", "status", "demo-s01", "--json"]):
        with times.of(f"screenalytics {' '.join(arguments)}"):
            subprocess.run([script, *arguments], check=True, stdout=subprocess.DEVNULL)


def _measure_pages(folder: Path, times: Times, ep_id: str) -> None:
    with serve(folder / "ui.log") as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM_OPTIONS)
        page = browser.new_page(base_url=url)

        def visible(text: str) -> Callable[[], None]:
            return lambda: page.get_by_text(text).first.wait_for(timeout=60_000)

        pages = {
            "/asset-groups": visible("detect"),
            "/assets/identities?view=partitions": visible(ep_id),
            f"/assets/identities?view=partitions&partition={ep_id}": visible("Latest"),
            "/assets/identities?view=checks": visible("identities_integrity"),
        }
        for again in ("first", "second"):
            for path, shown in pages.items():
                with times.of(f"page {path}", f"{again} time"):
                    page.goto(path)
                    shown()
        browser.close()


if __name__ == "__main__":
    main()
