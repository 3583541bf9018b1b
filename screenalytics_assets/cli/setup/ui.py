"""``screenalytics ui``: the Dagster UI and its daemon, on the instance that the command line uses."""

import os
from typing import Annotated

import typer

from resources.system.paths import project_dir


def ui(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the web server, 1 to 65535.")] = 3000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Serve the UI until interrupted; an instance has one UI at a time."""
    from screenalytics_assets.services.dagster_instance.instance import open_instance
    from screenalytics_assets.services.dagster_instance.one_ui import claim_ui
    from screenalytics_assets.services.dagster_instance.pool_slots import assigning_free_slots
    from screenalytics_assets.web.server import serve

    claim_ui(f"http://{host}:{port}")
    # The inbox sensor reads whole videos, and a season in a bucket is looked up object by object: for either,
    # Dagster's minute may be too short.
    for instigator in ("SENSOR", "SCHEDULE"):
        os.environ.setdefault(f"DAGSTER_{instigator}_GRPC_TIMEOUT_SECONDS", "600")
    os.chdir(project_dir())
    with open_instance() as instance, assigning_free_slots(instance):
        serve(
            instance,
            project_dir() / "workspace.yaml",
            host,
            port,
            on_ready=lambda: typer.echo(f"the UI is at http://{host}:{port}; stop it with Ctrl+C"),
        )
