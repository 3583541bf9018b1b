"""``screenalytics database``: the tables of the vector database."""

import typer
from rich.markup import escape

from screenalytics_assets.cli.options import DataRoot, new_console, use_data_root

database_app = typer.Typer(help="Manage the vector database.", no_args_is_help=True)


@database_app.command()
def upgrade() -> None:
    """Upgrade the tables to this version; older versions of screenalytics can no longer use them."""
    from resources.database.access import open_database

    with open_database(may_upgrade=True) as opened:
        new_console().print(f"{opened.place} is up to date")


@database_app.command()
def rebuild(data_root: DataRoot = None) -> None:
    """Fill the database from the published artifacts, and remove what is no longer published."""
    from resources.artifact_store import ArtifactStoreResource
    from resources.database.access import open_database
    from resources.database.index import published_keys, rebuild_index
    from resources.settings import SettingsResource

    console = new_console()
    use_data_root(data_root)
    store = ArtifactStoreResource().store()
    published_keys(store)  # before a database is made below a data root that is misspelt
    model_digest = SettingsResource().load().pack.embedder.file.sha256
    with open_database(may_upgrade=True) as opened:
        problems = rebuild_index(opened, store, model_digest, lambda line: console.print(escape(line)))
    for problem in problems:
        console.print(f"[red]error:[/red] {escape(problem)}")
    if problems:
        raise typer.Exit(1)
