"""``screenalytics config``: the configuration that a run would use, and the page of the acceptance limits."""

import typer
from rich.markup import escape
from rich.table import Table

from screenalytics_assets.cli.options import Assignments, Profile, load_settings, new_console

config_app = typer.Typer(help="Show the configuration that a run would use.", no_args_is_help=True)


@config_app.command("show")
def show(profile: Profile = None, assignments: Assignments = None) -> None:
    """Show every key with its value and source."""
    from screenalytics_assets.core.config.keys import flatten

    console = new_console()
    _, run = load_settings(profile, assignments, console)
    resolved = run.resolved
    table = Table("key", "value", "from")
    for values in resolved.settings.model_dump(mode="json").values():
        for key, value in flatten(values).items():
            table.add_row(key, escape(str(value)), escape(resolved.provenance[key]))
    console.print(table)
    console.print(f"hash {resolved.settings.digest()}")


@config_app.command("acceptance")
def acceptance() -> None:
    """Print the limits of the acceptance checks as docs/ACCEPTANCE_MATRIX.md."""
    from resources.configuration.acceptance_limits import load_acceptance
    from screenalytics_assets.core.quality.acceptance_matrix import matrix_text

    typer.echo(matrix_text(load_acceptance()), nl=False)
