"""The console script as a person runs it."""

import os
import socket
import subprocess
import sysconfig
from pathlib import Path

from resources.system.files import sha256_of_file
from tests.object_store import TIMED

SCRIPT = Path(sysconfig.get_path("scripts")) / "screenalytics"


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Outcome:
    """How a command ended."""

    def __init__(self, returncode: int, said: str) -> None:
        self.returncode = returncode
        self.said = " ".join(said.split())


class Cli:
    """The real console script, with a data root and a Dagster home of its own."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.home = folder / "home"

    def environment(self) -> dict[str, str]:
        """What the command sees: nothing of the caller's settings but where models are cached."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("SCREENALYTICS_") or name == "SCREENALYTICS_CACHE_DIR"
        }
        own = {
            "SCREENALYTICS_DATA_ROOT": str(self.data),
            "DAGSTER_HOME": str(self.home),
            "COLUMNS": "200",
            "NO_COLOR": "1",
        }
        return inherited | own

    def run(self, *arguments: str, **environment: str) -> Outcome:
        result = subprocess.run(
            [SCRIPT, *arguments], env=self.environment() | environment, capture_output=True, text=True, check=False
        )
        return Outcome(result.returncode, result.stdout + result.stderr)

    def start(
        self, *arguments: str | Path, output: int = subprocess.DEVNULL, wrapper: tuple[str, ...] = ()
    ) -> "subprocess.Popen[str]":
        """Start a command in a session of its own; with a pipe as ``output``, all that it says is one text."""
        return subprocess.Popen(
            [*wrapper, SCRIPT, *arguments],
            env=self.environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def artifacts(self) -> dict[str, str]:
        """Checksums of every file but those that hold running times, and the database's."""
        return {
            place: sha256_of_file(self.data / place)
            for place in self.left_behind()
            if not place.endswith(TIMED) and not place.startswith("database/")
        }

    def left_behind(self) -> list[str]:
        """Files of the data root; the Dagster instance may hold the record of a failed run."""
        return sorted(path.relative_to(self.data).as_posix() for path in self.data.rglob("*") if path.is_file())
