"""``screenalytics season``: the state of a season's episodes, their runs, and the season's report."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from screenalytics_assets.cli.options import AsJson, Force, new_console, uncut

if TYPE_CHECKING:
    from screenalytics_assets.automation.seasons.season_config import What

season_app = typer.Typer(help="Run the episodes of a season and show their state.", no_args_is_help=True)

_Name = Annotated[str, typer.Argument(metavar="SEASON", help="For example rhobh-s05.")]
_What = Annotated[list[str] | None, typer.Option("--what", help="missing, stale, failed or all; can be repeated.")]
_STYLES = {
    "ok": "green",
    "passed": "green",
    "stale": "yellow",
    "warned": "yellow",
    "running": "cyan",
    "missing": "dim",
    "not run": "dim",
    "failed": "red",
}


@season_app.command("run")
def run(name: _Name, what: _What = None, as_json: AsJson = False) -> None:
    """Queue one run for each of the season's episodes; the daemon of `screenalytics ui` executes them."""
    import json

    from screenalytics_assets.automation.seasons.season_config import season_named
    from screenalytics_assets.services.running.season_launch import launch_season, runs_url

    console = new_console()
    launch = launch_season(season_named(name), parse_what(what))
    if as_json:
        document = {"launch_id": launch.launch_id if launch.requests else None, "ep_ids": launch.ep_ids}
        typer.echo(json.dumps({**document, "message": launch.message}, indent=2))
        return
    console.print(escape(launch.message))
    if launch.requests:
        console.print(f"episodes: {', '.join(launch.ep_ids)}")
        console.print(
            "they run as long as `screenalytics ui` is running; see "
            f"{runs_url(launch.launch_id)} or `screenalytics season status {name}`",
        )


@season_app.command("status")
def status(name: _Name, what: _What = None, as_json: AsJson = False) -> None:
    """Show what is published of each episode, and the results of its checks."""
    import json

    from screenalytics_assets.automation.seasons.season_config import season_named
    from screenalytics_assets.automation.seasons.season_runs import read_season
    from screenalytics_assets.definitions import defs
    from screenalytics_assets.services.dagster_instance.instance import open_instance

    season = season_named(name)
    chosen = parse_what(what) or ("all",)
    states = read_season(open_instance(), defs.resolve_asset_graph(), season)
    shown = [state for state in states if any(map(state.matches, chosen))]
    if as_json:
        rows = [
            {
                "ep_id": state.ep_id,
                "state": state.state,
                "run": state.run,
                "assets": dict(state.assets),
                "checks": dict(state.checks),
            }
            for state in shown
        ]
        typer.echo(json.dumps({"season": season.name, "episodes": rows}, indent=2))
        return
    console = new_console()
    table = Table(title=f"{season.name}: {len(shown)} of {len(states)} episodes")
    for column in ("episode", "state"):
        table.add_column(column)
    for asset in shown[0].assets if shown else ():
        table.add_column(asset.replace("_", " "))
    table.add_column("checks", min_width=12)
    for state in shown:
        cells = [_styled(value) for value in (state.state, *state.assets.values())]
        table.add_row(state.ep_id, *cells, _checks_cell(state.checks.items()))
    console.print(uncut(table))
    if not states:
        console.print(
            f"no episode of {season.name} is registered: drop SHOW-sSSeEE.mp4 into the inbox, or "
            f"screenalytics run VIDEO --ep-id {season.name}e01",
        )


@season_app.command("report")
def report(
    name: _Name,
    force: Force = False,
) -> None:
    """Add up the screen time of the season's episodes, and make a page that links their reports.

    Reads published artifacts only and takes seconds; run it again when episodes have changed. Exits with 1 on failure.
    """
    from resources.artifact_store import ArtifactStoreResource
    from screenalytics_assets.cli.episode.run import print_outcome
    from screenalytics_assets.cli.terminal import report_location
    from screenalytics_assets.core.common.episode_ids import parse_season
    from screenalytics_assets.services.dagster_instance.instance import open_instance
    from screenalytics_assets.services.running.runs import run_season

    console = new_console()
    outcome = run_season(open_instance(), parse_season(name), force=force)
    print_outcome(console, outcome)
    if outcome.success:
        place = report_location(ArtifactStoreResource().store(), name)
        console.print(f"report: {place}")
    raise typer.Exit(0 if outcome.success else 1)


def parse_what(values: list[str] | None) -> "tuple[What, ...] | None":
    """The values of ``--what``, or None where it was not given.

    Raises:
        ConfigurationError: A value that is not allowed.
    """
    from screenalytics_assets.automation.seasons.season_config import KINDS
    from screenalytics_assets.core.common.errors import ConfigurationError

    unknown = sorted(set(values or ()) - set(KINDS))
    if unknown:
        raise ConfigurationError(f"--what {', '.join(unknown)}: expected {', '.join(KINDS)}")
    return tuple(kind for kind in KINDS if kind in values) if values else None


def _styled(value: str) -> str:
    return f"[{_STYLES.get(value, 'default')}]{value}[/]"


def _checks_cell(checks: Iterable[tuple[str, str]]) -> str:
    """Counts of each result, and the names of the checks that warned or failed."""
    results = list(checks)
    counted = [
        f"[{_STYLES[kind]}]{count} {kind}[/]"
        for kind in ("passed", "warned", "failed", "not run")
        if (count := sum(result == kind for _, result in results))
    ]
    named = [f"[{_STYLES[result]}]{name}[/]" for name, result in results if result in ("warned", "failed")]
    return ", ".join(counted) + (f": {', '.join(named)}" if named else "")
