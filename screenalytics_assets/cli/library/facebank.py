"""``screenalytics facebank``: enrol the people of a show from photos."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from screenalytics_assets.core.documents.facebank import PublishedFacebank


def facebank(
    show: Annotated[str, typer.Argument(help="The show, the first part of its episodes' ids, for example rhobh.")],
    photos: Annotated[
        Path | None, typer.Option(help="Folder of the photos, one folder per person, instead of facebank/SHOW.")
    ] = None,
    profile: Annotated[str | None, typer.Option(help="fast_cpu, balanced or high_accuracy.")] = None,
    data_root: Annotated[
        str | None, typer.Option(help="Folder of all data, or s3://bucket/prefix, instead of data/.")
    ] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a configuration key.")
    ] = None,
    force: Annotated[bool, typer.Option(help="Process every photo again, even if nothing changed.")] = False,
) -> None:
    """Enrol the people of a show from photos, and show which photos were refused and why."""
    from resources.artifact_store import ArtifactStoreResource
    from resources.configuration.run_settings import parse_assignment
    from resources.photos import PhotoLibraryResource
    from resources.settings import SettingsResource
    from resources.storage.store import require_artifact
    from screenalytics_assets.core.common.episode_ids import parse_show
    from screenalytics_assets.core.documents.facebank import PublishedFacebank
    from screenalytics_assets.services.instance import open_instance
    from screenalytics_assets.services.runs import run_facebank

    console = Console()
    parse_show(show)
    if data_root is not None:
        os.environ["SCREENALYTICS_DATA_ROOT"] = data_root
    overrides = dict(parse_assignment(text) for text in assignments or [])
    settings = SettingsResource(profile=profile, overrides=overrides)
    settings.load(lambda notice: console.print(escape(notice), style="yellow")).pack.verify()
    folder = photos.resolve() if photos else None
    PhotoLibraryResource(show_folder=str(folder) if folder else None).photos(show)
    outcome = run_facebank(open_instance(), show, photos=folder, profile=profile, overrides=overrides, force=force)
    for message in outcome.failures:
        console.print(f"[red]error:[/red] {escape(message)}", soft_wrap=True, highlight=False)
    if not outcome.success:
        raise typer.Exit(1)
    artifact = require_artifact(ArtifactStoreResource().store(), "facebank", show)
    facebank = artifact.document("facebank.json", PublishedFacebank)
    console.print(photo_table(facebank))
    for person_id in facebank.stats.people_without_photo:
        console.print(f"[yellow]{escape(person_id)} has no usable photo and cannot be named[/yellow]")
    unchanged = " (unchanged, not computed again)" if outcome.reused else ""
    console.print(f"run {outcome.run_id} is in the UI: screenalytics ui{unchanged}", highlight=False)


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
    return table
