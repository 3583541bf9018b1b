"""The command line: everything that the UI does for one episode, and what comes before and after.

Commands import heavy libraries only when they run, so that `doctor` works where one of them is broken.
"""

import errno
import gc
import logging
import sys
from typing import NoReturn

import typer
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
from screenalytics_assets.cli.options import new_console
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
for command in (run, check, cleanup, progress, evaluate, crops, export, facebank, find, ui, demo, doctor, retire):
    app.command()(command)
app.add_typer(correct_app, name="correct")
app.add_typer(models_app, name="models")
app.add_typer(config_app, name="config")
app.add_typer(database_app, name="database")
app.add_typer(season_app, name="season")


_CANNOT_WRITE = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT})


def main() -> None:
    """Entry point: errors that a user can act on take one line, with exit status 2."""
    logging.captureWarnings(True)
    try:
        app()
    except ScreenalyticsError as error:
        _refuse(str(error))
    except OSError as error:
        if error.errno not in _CANNOT_WRITE:
            raise
        _refuse(f"{error.filename or 'writing'}: {error.strerror}: check the permissions and the free space")
    finally:
        # The process ends: without this the interpreter would collect garbage once more.
        gc.freeze()


def _refuse(message: str) -> NoReturn:
    new_console(stderr=True).print(f"[red]error:[/red] {escape(message)}")
    sys.exit(2)
