"""``screenalytics cleanup``: preview the changes of the cleanup, then publish them."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from screenalytics_assets.cli.options import (
    Assignments,
    DataRoot,
    Profile,
    PublishedEpisode,
    load_settings,
    new_console,
    use_data_root,
)

if TYPE_CHECKING:
    from resources.storage.store import ArtifactStore


def cleanup(
    ep_id: PublishedEpisode,
    actions: Annotated[
        str | None,
        typer.Option(help="Phases to run, for example split_tracks,reembed,recluster,group_clusters."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change without publishing it.")] = False,
    assignments: Assignments = None,
    profile: Profile = None,
    data_root: DataRoot = None,
) -> None:
    """Show what the cleanup changes in an episode, then publish the result beside the originals.

    Exits with 1 when a step or a blocking check fails, with 2 when the input is refused.
    """
    from resources.artifact_store import ArtifactStoreResource
    from resources.storage.store import require_artifact
    from screenalytics_assets.assets.cleanup.cleanup_report import SPEC
    from screenalytics_assets.cli.episode.run import print_problems
    from screenalytics_assets.cli.terminal import TerminalProgress
    from screenalytics_assets.core.common.episode_ids import parse_ep_id
    from screenalytics_assets.definitions import CLEANUP_ASSETS
    from screenalytics_assets.services.dagster_instance.instance import open_instance
    from screenalytics_assets.services.previews import preview_cleanup
    from screenalytics_assets.services.running.runs import run_episode

    console = new_console()
    parse_ep_id(ep_id)
    use_data_root(data_root)
    overrides, settings = load_settings(profile, assignments, console, actions=actions)
    settings.pack.verify()
    phases = [asset.key.to_user_string() for asset in CLEANUP_ASSETS]
    for name in SPEC.reads:
        if name not in phases:
            require_artifact(ArtifactStoreResource().store(), name, ep_id)
    progress = TerminalProgress()
    with tempfile.TemporaryDirectory(prefix="screenalytics-") as folder:
        outcome, store = preview_cleanup(ep_id, Path(folder), profile=profile, overrides=overrides, progress=progress)
        if outcome.success:
            _show(console, store, ep_id)
    if outcome.success and not dry_run:
        outcome = run_episode(
            open_instance(), ep_id, profile=profile, overrides=overrides, select=phases, progress=progress
        )
        if outcome.success:
            console.print(f"published below cleaned/{ep_id}; run {outcome.run_id}")
    print_problems(console, outcome)
    raise typer.Exit(0 if outcome.success else 1)


def _show(console: Console, store: "ArtifactStore", ep_id: str) -> None:
    from resources.storage.store import require_artifact
    from screenalytics_assets.core.documents.cleanup_report import CleanupReport
    from screenalytics_assets.core.quality.cleanup_comparison import comparison_rows, identity_changes
    from screenalytics_assets.services.previews import states

    report = require_artifact(store, "cleanup_report", ep_id).document("cleanup_report.json", CleanupReport)
    actions = ", ".join(report.actions_completed) or "all phases off"
    table = Table("", "before", "after", "", title=f"{ep_id}: {actions}")
    for row in comparison_rows(report):
        table.add_row(row.figure, f"{row.before:g}", f"{row.after:g}", row.verdict)
    console.print(table)
    for cut in require_artifact(store, "split_tracks", ep_id).table("cuts.parquet").to_pylist():
        console.print(
            f"{cut['track_id']} split at {cut['ts_s']:.2f} s ({cut['reason']}), continues as {cut['new_track_id']}"
        )
    divided, merged = identity_changes(*states(store, ep_id))
    for name, parts in divided.items():
        console.print(f"{name} split into {', '.join(parts)}")
    for name, parts in merged.items():
        console.print(f"{name} merged from {', '.join(parts)}")
    reembedded = require_artifact(store, "reembed", ep_id).manifest.metrics
    console.print(
        f"faces: {reembedded['newly_embedded']} newly embedded, {reembedded['vectors_reused']} vectors reused"
    )
