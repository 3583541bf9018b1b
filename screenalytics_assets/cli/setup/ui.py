"""``screenalytics ui``: the Dagster UI and its daemon, on the instance that the command line uses."""

import os
import sys
from typing import Annotated

import typer

from resources.system.paths import project_dir


def ui(
    port: Annotated[int, typer.Option(help="Port of the web server.")] = 3000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Serve the UI until interrupted."""
    from screenalytics_assets.services.instance import open_instance

    with open_instance():  # gives back what runs hold that died with the machine
        pass
    # The inbox sensor reads whole videos, and a season in a bucket is looked up object by object: for either,
    # Dagster's minute may be too short.
    for instigator in ("SENSOR", "SCHEDULE"):
        os.environ.setdefault(f"DAGSTER_{instigator}_GRPC_TIMEOUT_SECONDS", "600")
    os.chdir(project_dir())
    command = [sys.executable, "-m", "dagster", "dev", "-w", "workspace.yaml", "-h", host, "-p", str(port)]
    os.execv(sys.executable, command)  # noqa: S606 - this process becomes the server
