"""``screenalytics database``: the tables of the database of vectors."""

import os
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

database_app = typer.Typer(help="The database of the vectors.", no_args_is_help=True)


@database_app.callback()
def database() -> None:
    """The database of the vectors."""


@database_app.command()
def upgrade() -> None:
    """Bring the tables of an older version to this one; older versions of screenalytics cannot use them any more."""
    from resources.database.access import open_database

    with open_database(may_upgrade=True) as opened:
        Console().print(f"{opened.place} is of this version", soft_wrap=True, highlight=False)


@database_app.command()
def rebuild(
    data_root: Annotated[
        str | None, typer.Option(help="Folder of all data, or s3://bucket/prefix, instead of data/.")
    ] = None,
) -> None:
    """Fill the database from the published artifacts, and remove what is not published any more."""
    from resources.artifact_store import ArtifactStoreResource
    from resources.database.access import open_database
    from resources.database.index import rebuild_index
    from resources.settings import SettingsResource

    console = Console()
    if data_root is not None:
        os.environ["SCREENALYTICS_DATA_ROOT"] = data_root
    model_digest = SettingsResource().load().pack.embedder.file.sha256
    with open_database(may_upgrade=True) as opened:
        problems = rebuild_index(
            opened, ArtifactStoreResource().store(), model_digest, lambda line: console.print(escape(line))
        )
    for problem in problems:
        console.print(f"[red]error:[/red] {escape(problem)}", soft_wrap=True, highlight=False)
    if problems:
        raise typer.Exit(1)
