"""``screenalytics database``: the tables of the database of vectors."""

import typer
from rich.console import Console

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
