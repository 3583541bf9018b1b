"""``screenalytics find``: the episodes and times in which the face of a photo appears."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from screenalytics_assets.cli.options import AsJson, Assignments, Profile, load_settings, new_console, uncut


def find(
    photo: Annotated[Path, typer.Argument(help="A photo of one face.")],
    show: Annotated[str | None, typer.Option(help="Only episodes of this show.")] = None,
    as_json: AsJson = False,
    profile: Profile = None,
    assignments: Assignments = None,
) -> None:
    """Find the episodes and times in which the face of a photo appears."""
    from resources.artifact_store import ArtifactStoreResource
    from screenalytics_assets.core.common.episode_ids import parse_show
    from screenalytics_assets.services.finding import Found, find_photo

    console = new_console()
    if show is not None:
        parse_show(show)
    _, run = load_settings(profile, assignments, new_console(stderr=True))
    found: Found = find_photo(photo, run, ArtifactStoreResource().store(), show=show)
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=2, ensure_ascii=False))
        return
    if found.photo.reason:
        reason = found.photo.reason.replace("_", " ")
        console.print(f"[yellow]the photo is poor ({reason}); a facebank would refuse it[/yellow]")
    table = Table(title=f"{photo.name}: in {len(found.appearances)} of {len(found.searched)} episodes")
    for name in ("episode", "person", "seconds", "similarity", "on screen at"):
        table.add_column(name, justify="right" if name in ("seconds", "similarity") else "left")
    for appearance in found.appearances:
        seen = ", ".join(f"{start_s:.1f}–{end_s:.1f}" for start_s, end_s in appearance.intervals_s)
        who = escape(", ".join(appearance.people)) or "unnamed"
        table.add_row(appearance.ep_id, who, f"{appearance.seconds:.1f}", f"{appearance.similarity:.2f}", seen)
    console.print(uncut(table))
    if found.not_searched:
        console.print(f"[yellow]not searched (vectors of another model): {', '.join(found.not_searched)}[/yellow]")
    if found.pictures:
        console.print(f"pictures: {found.pictures}")
