"""``screenalytics progress``: progress of the latest run of an episode."""

import json
from typing import Annotated

import typer

from screenalytics_assets.cli.options import AsJson, new_console


def progress(
    ep_id: Annotated[str, typer.Argument(help="An episode.")],
    as_json: AsJson = False,
) -> None:
    """Show the phase, progress and elapsed time of the latest run of an episode, on whatever machine."""
    from screenalytics_assets.core.common.episode_ids import parse_ep_id
    from screenalytics_assets.core.common.errors import ConfigurationError
    from screenalytics_assets.services.dagster_instance.instance import open_instance
    from screenalytics_assets.services.running.run_progress import latest_progress

    parse_ep_id(ep_id)
    found = latest_progress(open_instance(), ep_id)
    if found is None:
        raise ConfigurationError(f"{ep_id} was never run: start it with `screenalytics run VIDEO --ep-id {ep_id}`")
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=2))
        return
    new_console().print(
        f"{found.ep_id}: {found.status.lower()}, {found.phase or 'not started'} "
        f"({found.phase_index} of {found.phase_total}), {found.fraction:.0%} in {found.total_elapsed_seconds:.0f} s",
    )
