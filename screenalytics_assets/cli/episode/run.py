"""``screenalytics run``: process an episode."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from screenalytics_assets.cli.importing import gc_paused
from screenalytics_assets.cli.options import (
    Assignments,
    DataRoot,
    Force,
    Profile,
    load_settings,
    new_console,
    use_data_root,
)

if TYPE_CHECKING:
    from screenalytics_assets.services.running.runs import RunOutcome

_STORES = "episode_vectors"
"""The asset that writes to the database in every run."""
_ANNOUNCED_BYTES = 10**9
"""From this size on, copying a video can take longer than people wait without being told: ten seconds on a disk."""


def run(
    ep_id: Annotated[str, typer.Option(help="Episode id, for example rhobh-s05e02.")],
    video: Annotated[
        Path | None, typer.Argument(help="The video; can be omitted if the episode already has one.")
    ] = None,
    profile: Profile = None,
    data_root: DataRoot = None,
    assignments: Assignments = None,
    select: Annotated[list[str] | None, typer.Option(help="Materialize only this asset; can be repeated.")] = None,
    force: Force = False,
    replace: Annotated[bool, typer.Option(help="Replace the current video of the episode with VIDEO.")] = False,
) -> None:
    """Register an episode and materialize its assets.

    Exits with 1 when a step or a blocking check fails, with 2 when the input is refused.
    """
    with gc_paused():
        from resources.configuration.acceptance_limits import load_acceptance
        from resources.video.decoder import check_video
        from resources.videos import VideoLibraryResource
        from screenalytics_assets.core.common.episode_ids import parse_ep_id
        from screenalytics_assets.services.running.runs import require_known_assets

    console = new_console()
    parse_ep_id(ep_id)
    use_data_root(data_root)
    overrides, settings = load_settings(profile, assignments, console)
    settings.pack.verify()
    require_known_assets(select or [])
    load_acceptance()
    library = VideoLibraryResource()
    if video is not None:
        check_video(video)
        if video.stat().st_size >= _ANNOUNCED_BYTES:
            console.print(f"storing a copy of {escape(str(video))} ({video.stat().st_size / 1e9:.1f} GB)")
        library.add(ep_id, video, replace=replace)
    library.locate(ep_id)
    ok = execute(console, ep_id, profile, overrides, force=force, select=select or [])
    raise typer.Exit(0 if ok else 1)


def execute(
    console: Console,
    ep_id: str,
    profile: str | None,
    overrides: dict[str, Any],
    *,
    force: bool,
    select: list[str],
) -> bool:
    """Materialize the assets and print the outcome; returns whether everything passed."""
    from resources.artifact_store import ArtifactStoreResource
    from resources.database.access import database_made_in_background
    from screenalytics_assets.cli.terminal import TerminalProgress, people_table, report_location, sheet_location
    from screenalytics_assets.services.dagster_instance.instance import open_instance
    from screenalytics_assets.services.running.runs import run_episode

    with database_made_in_background() if not select or _STORES in select else nullcontext():
        with gc_paused():  # the instance imports its storage
            instance = open_instance()
        outcome = run_episode(
            instance,
            ep_id,
            profile=profile,
            overrides=overrides,
            force=force,
            select=select,
            progress=TerminalProgress(),
        )
    print_outcome(console, outcome)
    if outcome.success and not select:
        store = ArtifactStoreResource().store()
        console.print(people_table(store, ep_id))
        console.print(f"faces: {sheet_location(store, ep_id)}")
        console.print(f"report: {report_location(store, ep_id)}")
        console.print(f"run {outcome.run_id} is in the UI: screenalytics ui")
    return outcome.success


def print_problems(console: Console, outcome: "RunOutcome") -> None:
    """Print the failed steps and blocking checks of a run."""
    for message in outcome.failures:
        console.print(f"[red]error:[/red] {escape(message)}")
    for message in outcome.failed_checks:
        console.print(f"[red]check failed:[/red] {escape(message)}")


def print_outcome(console: Console, outcome: "RunOutcome") -> None:
    """Print failures, warnings, and what was computed and reused."""
    print_problems(console, outcome)
    for message in outcome.warned_checks:
        console.print(f"[yellow]warning:[/yellow] {escape(message)}")
    if outcome.computed:
        console.print(f"computed: {', '.join(outcome.computed)}")
    if outcome.reused:
        unchanged = "everything is unchanged" if not outcome.computed and outcome.success else "unchanged"
        console.print(f"{unchanged}, not computed again: {', '.join(outcome.reused)}")
    for message in outcome.warnings:
        console.print(f"[yellow]warning:[/yellow] {escape(message)}")
