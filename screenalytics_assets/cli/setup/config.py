"""``screenalytics config``: what a run would be configured with, and the files that say what there is to set."""

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

config_app = typer.Typer(help="The configuration that a run would have.", no_args_is_help=True)


@config_app.callback()
def _config() -> None:
    """The configuration that a run would have."""


@config_app.command("show")
def show(
    profile: Annotated[str | None, typer.Option(help="Name of a profile.")] = None,
    assignments: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a key.")] = None,
) -> None:
    """Every key with its value and where it comes from."""
    from resources.configuration.run_settings import parse_assignment
    from resources.settings import SettingsResource
    from screenalytics_assets.core.config.keys import flatten

    console = Console()
    overrides = dict(parse_assignment(text) for text in assignments or [])
    resource = SettingsResource(profile=profile, overrides=overrides)
    resolved = resource.load(lambda notice: console.print(escape(notice), style="yellow")).resolved
    table = Table("key", "value", "from")
    for values in resolved.settings.model_dump(mode="json").values():
        for key, value in flatten(values).items():
            table.add_row(key, escape(str(value)), escape(resolved.provenance[key]))
    console.print(table)
    console.print(f"hash {resolved.settings.digest()}", highlight=False)


@config_app.command("acceptance")
def acceptance() -> None:
    """The limits of the acceptance checks as the page docs/ACCEPTANCE_MATRIX.md."""
    from resources.configuration.acceptance_limits import load_acceptance
    from screenalytics_assets.core.quality.acceptance_matrix import matrix_text

    typer.echo(matrix_text(load_acceptance()), nl=False)
