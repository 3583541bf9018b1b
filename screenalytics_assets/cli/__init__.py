"""The command line: everything that the UI does for one episode, and what comes before and after.

The commands import what they work with when they run, so that `doctor` can speak where a library is broken.
"""

import gc
import logging
import sys

import typer
from rich.console import Console
from rich.markup import escape

from screenalytics_assets.cli.episode.check import check
from screenalytics_assets.cli.episode.cleanup import cleanup
from screenalytics_assets.cli.episode.correct import correct_app
from screenalytics_assets.cli.episode.crops import crops
from screenalytics_assets.cli.episode.evaluate import evaluate
from screenalytics_assets.cli.episode.export import export
from screenalytics_assets.cli.episode.progress import progress
from screenalytics_assets.cli.episode.retire import retire
from screenalytics_assets.cli.episode.run import run
from screenalytics_assets.cli.library.facebank import facebank
from screenalytics_assets.cli.library.find import find
from screenalytics_assets.cli.library.season import season_app
from screenalytics_assets.cli.setup.config import config_app
from screenalytics_assets.cli.setup.database import database_app
from screenalytics_assets.cli.setup.demo import demo
from screenalytics_assets.cli.setup.doctor import doctor
from screenalytics_assets.cli.setup.models import models_app
from screenalytics_assets.cli.setup.ui import ui
from screenalytics_assets.core.common.errors import ScreenalyticsError

app = typer.Typer(
    name="screenalytics",
    help="Who is on screen, and for how long.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(run)
app.command()(check)
app.command()(cleanup)
app.command()(progress)
app.command()(evaluate)
app.command()(crops)
app.command()(export)
app.command()(facebank)
app.command()(find)
app.command()(ui)
app.command()(demo)
app.command()(doctor)
app.command()(retire)
app.add_typer(correct_app, name="correct")
app.add_typer(models_app, name="models")
app.add_typer(config_app, name="config")
app.add_typer(database_app, name="database")
app.add_typer(season_app, name="season")


def main() -> None:
    """Entry point: errors that a user can act on are told in one line, with exit status 2."""
    logging.captureWarnings(True)
    try:
        app()
    except ScreenalyticsError as error:
        Console(stderr=True).print(f"[red]error:[/red] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(2)
    finally:
        # All of it ends with the process: the interpreter would look through it for garbage once more.
        gc.freeze()
