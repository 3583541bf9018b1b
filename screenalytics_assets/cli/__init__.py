"""The command line: everything that the UI does for one episode, and what comes before and after.

Commands import heavy libraries only when they run, so that `doctor` works where one of them is broken.
"""

import gc
import io
import logging
import sys
import traceback
from typing import NoReturn

import typer
from rich.markup import escape

from resources.system.error_translation import translated
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
from screenalytics_assets.cli.options import new_console
from screenalytics_assets.cli.setup.config import config_app
from screenalytics_assets.cli.setup.database import database_app
from screenalytics_assets.cli.setup.demo import demo
from screenalytics_assets.cli.setup.doctor import doctor
from screenalytics_assets.cli.setup.models import models_app
from screenalytics_assets.cli.setup.ui import ui
from screenalytics_assets.core.common.errors import SystemFailureError, UnavailableError

app = typer.Typer(
    name="screenalytics",
    help="Who is on screen, and for how long.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for command in (run, check, cleanup, progress, evaluate, crops, export, facebank, find, ui, demo, doctor, retire):
    app.command()(command)
app.add_typer(correct_app, name="correct")
app.add_typer(models_app, name="models")
app.add_typer(config_app, name="config")
app.add_typer(database_app, name="database")
app.add_typer(season_app, name="season")


_INTERRUPTED = 130
"""The exit status of shells for a program that ends by SIGINT."""
BUG_NOTE = (
    "This is a bug of screenalytics, not of your input. Please report it in the issue tracker of the repository, with "
    "the lines above and the command: see CONTRIBUTING.md."
)


def main() -> None:
    """Entry point: what a user can act on takes one line, with exit status 2 for a refusal and 1 for a failure.

    Anything else is a bug: its traceback, and where to report it.
    """
    logging.captureWarnings(True)
    logging.getLogger().addFilter(_is_error)
    if isinstance(sys.stdout, io.TextIOWrapper):  # a file name may have any bytes
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app()
    except Exception as error:  # noqa: BLE001 - what is not known is shown with its traceback
        known = translated(error)
        if known is None:
            traceback.print_exc()
            _end(BUG_NOTE, 1)
        _end(str(known), 1 if isinstance(known, UnavailableError | SystemFailureError) else 2)
    except BaseException as error:
        # Dagster turns SIGINT into an exception of its own, which is not imported here: that would take a second.
        if type(error).__name__ not in ("DagsterExecutionInterruptedError", "KeyboardInterrupt"):
            raise
        _end("interrupted: what was published stays; the same command goes on from there", _INTERRUPTED)
    finally:
        # The process ends: without this the interpreter would collect garbage once more.
        gc.freeze()


def _is_error(record: logging.LogRecord) -> bool:
    """Without this, dagster-postgres prints each attempt to reach a database, at the root of all loggers."""
    return record.levelno >= logging.ERROR


def _end(message: str, status: int) -> NoReturn:
    new_console(stderr=True).print(f"[red]error:[/red] {escape(message)}")
    sys.exit(status)
