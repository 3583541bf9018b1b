"""``screenalytics facebank``: enrol the people of a show from photos."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from screenalytics_assets.cli.options import (
    Assignments,
    DataRoot,
    Profile,
    load_settings,
    new_console,
    uncut,
    use_data_root,
)

if TYPE_CHECKING:
    from screenalytics_assets.core.documents.facebank import PublishedFacebank


def facebank(
    show: Annotated[str, typer.Argument(help="The show, the first part of its episodes' ids, for example rhobh.")],
    photos: Annotated[
        Path | None, typer.Option(help="Folder of the photos, one folder per person, instead of facebank/SHOW.")
    ] = None,
    profile: Profile = None,
    data_root: DataRoot = None,
    assignments: Assignments = None,
    force: Annotated[bool, typer.Option(help="Process every photo again, even if nothing changed.")] = False,
) -> None:
    """Enrol the people of a show from photos, and show which photos were refused and why."""
    from resources.artifact_store import ArtifactStoreResource
    from resources.photos import PhotoLibraryResource
    from resources.storage.store import require_artifact
    from resources.system.paths import resolved_folder
    from screenalytics_assets.cli.episode.run import print_problems
    from screenalytics_assets.core.common.episode_ids import parse_show
    from screenalytics_assets.core.documents.facebank import PublishedFacebank
    from screenalytics_assets.services.dagster_instance.instance import open_instance
    from screenalytics_assets.services.running.runs import run_facebank

    console = new_console()
    parse_show(show)
    use_data_root(data_root)
    overrides, settings = load_settings(profile, assignments, console)
    settings.pack.verify()
    folder = resolved_folder(photos, "--photos") if photos else None
    PhotoLibraryResource(show_folder=str(folder) if folder else None).photos(show)
    outcome = run_facebank(open_instance(), show, photos=folder, profile=profile, overrides=overrides, force=force)
    print_problems(console, outcome)
    if not outcome.success:
        raise typer.Exit(1)
    artifact = require_artifact(ArtifactStoreResource().store(), "facebank", show)
    facebank = artifact.document("facebank.json", PublishedFacebank)
    console.print(photo_table(facebank))
    for person_id in facebank.stats.people_without_photo:
        console.print(f"[yellow]{escape(person_id)} has no usable photo and cannot be named[/yellow]")
    unchanged = " (unchanged, not computed again)" if outcome.reused else ""
    console.print(f"run {outcome.run_id} is in the UI: screenalytics ui{unchanged}")


def photo_table(facebank: "PublishedFacebank") -> Table:
    """Every photo with its decision."""
    from screenalytics_assets.reports.photos import photo_rows

    rows = photo_rows(facebank)
    accepted = sum(row["decision"] == "accepted" for row in rows)
    table = Table(title=f"{facebank.show}: {accepted} of {len(rows)} photos accepted")
    for name in rows[0]:
        table.add_column(name, justify="right" if name in ("face_px", "sharpness", "quality", "own") else "left")
    for row in rows:
        table.add_row(*(escape(value) for value in row.values()), style="" if row["decision"] == "accepted" else "red")
    return uncut(table)
