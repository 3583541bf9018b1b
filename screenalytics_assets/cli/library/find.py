"""``screenalytics find``: the episodes and times in which the face of a photo appears."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table


def find(
    photo: Annotated[Path, typer.Argument(help="A photo of one face.")],
    show: Annotated[str | None, typer.Option(help="Only episodes of this show.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
    profile: Annotated[str | None, typer.Option(help="fast_cpu, balanced or high_accuracy.")] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a configuration key.")
    ] = None,
) -> None:
    """Find the episodes and times in which the face of a photo appears."""
    from resources.artifact_store import ArtifactStoreResource
    from resources.configuration.run_settings import parse_assignment
    from resources.settings import SettingsResource
    from screenalytics_assets.core.common.episode_ids import parse_show
    from screenalytics_assets.services.finding import Found, find_photo

    console, notices = Console(), Console(stderr=True)
    if show is not None:
        parse_show(show)
    overrides = dict(parse_assignment(text) for text in assignments or [])
    run = SettingsResource(profile=profile, overrides=overrides).load(
        lambda notice: notices.print(escape(notice), style="yellow")
    )
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
    console.print(table)
    if found.not_searched:
        console.print(
            f"[yellow]not searched, from another model: {', '.join(found.not_searched)}[/yellow]", soft_wrap=True
        )
    if found.pictures:
        console.print(f"pictures: {found.pictures}", soft_wrap=True, highlight=False)
