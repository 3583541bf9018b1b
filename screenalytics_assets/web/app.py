"""The application that ``screenalytics ui`` serves."""

from collections.abc import Collection
from typing import Any

from starlette.types import ASGIApp

from screenalytics_assets.dagster_private import dagster_app
from screenalytics_assets.partitions import parse_key
from screenalytics_assets.web.guard import Guard


def create_app(workspace: Any, hosts: Collection[str]) -> ASGIApp:  # noqa: ANN401 - the type is private
    """Dagster's UI and GraphQL, behind the guard.

    Args:
        workspace: From `dagster_private.open_workspace`.
        hosts: The names by which the server is reached, from `guard.allowed_hosts`.
    """
    return Guard(dagster_app(workspace, parse_key), hosts)
