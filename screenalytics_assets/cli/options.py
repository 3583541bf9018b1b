"""The options that several commands share, and the configuration that they give."""

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from screenalytics_assets.cli.importing import gc_paused

if TYPE_CHECKING:
    from resources.configuration.run_settings import RunSettings

PublishedEpisode = Annotated[str, typer.Argument(help="A published episode.")]
DataRoot = Annotated[str | None, typer.Option(help="Folder of all data, or s3://bucket/prefix, instead of data/.")]
Profile = Annotated[str | None, typer.Option(help="fast_cpu, balanced or high_accuracy.")]
Assignments = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a configuration key.")
]
Force = Annotated[bool, typer.Option(help="Compute everything again, even if nothing changed.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def new_console(*, stderr: bool = False) -> Console:
    """A console that wraps no line, so that paths and commands can be copied and piped."""
    return Console(stderr=stderr, soft_wrap=True, highlight=False)


def use_data_root(data_root: str | None) -> None:
    """Make ``--data-root`` the data root of this process and its children."""
    if data_root is not None:
        os.environ["SCREENALYTICS_DATA_ROOT"] = data_root


def load_settings(
    profile: str | None, assignments: list[str] | None, notices: Console, **more: str | None
) -> "tuple[dict[str, Any], RunSettings]":
    """The overrides of ``--set`` and of the options in ``more``, and the configuration that they give.

    A notice is printed if the weights may not be used commercially.

    Raises:
        ConfigurationError: An assignment, a key or a value is not valid.
    """
    with gc_paused():
        from resources.configuration.run_settings import parse_assignment
        from resources.settings import SettingsResource

    overrides: dict[str, Any] = dict(parse_assignment(text) for text in assignments or [])
    overrides |= {key: value for key, value in more.items() if value is not None}
    settings = SettingsResource(profile=profile, overrides=overrides)
    return overrides, settings.load(lambda notice: notices.print(escape(notice), style="yellow"))


def uncut(table: Table) -> Table:
    """The table with cells that are folded where rich would cut them, and without padding, so that few have to be."""
    table.padding = 0
    for column in table.columns:
        column.overflow, column.no_wrap = "fold", False
    return table
