"""The application that ``screenalytics ui`` serves."""

import os
from typing import Any

from starlette.types import ASGIApp

from resources.alerts.sinks import ui_url
from screenalytics_assets.dagster_private import dagster_app
from screenalytics_assets.partitions import parse_key
from screenalytics_assets.web.guard import Guard, allowed_hosts


def create_app(workspace: Any, host: str) -> ASGIApp:  # noqa: ANN401 - the type is private
    """Dagster's UI and GraphQL, behind the guard.

    Args:
        workspace: From `dagster_private.open_workspace`.
        host: The address that the server listens on.
    """
    return Guard(dagster_app(workspace, parse_key), allowed_hosts(host, ui_url(os.environ)))
