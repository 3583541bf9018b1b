"""``screenalytics retire``: delete an episode and keep a record of it."""

from typing import Annotated

import typer

from screenalytics_assets.cli.options import new_console


def retire(
    ep_id: Annotated[str, typer.Argument(metavar="EP", help="Episode id, for example rhobh-s05e02.")],
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking.")] = False,
) -> None:
    """Delete an episode: its video, artifacts, vectors, corrections, runs and partition.

    Refused while the episode is running. A record without faces stays in retired/ below the data root.
    """
    from resources.artifact_store import ArtifactStoreResource
    from screenalytics_assets.automation.retention.episode_stores import episode_stores
    from screenalytics_assets.automation.retention.retirement import retire as retire_episode
    from screenalytics_assets.core.common.episode_ids import parse_ep_id
    from screenalytics_assets.core.common.layout import tombstone_path
    from screenalytics_assets.services.dagster_instance.instance import open_instance

    console = new_console()
    parse_ep_id(ep_id)
    artifacts = ArtifactStoreResource().store()
    with open_instance() as instance:
        stores = episode_stores(instance, artifacts)
        if not yes:
            held = ", ".join(f"{len(store.find(ep_id))} {store.name}" for store in stores)
            typer.confirm(f"delete {ep_id} for good ({held})?", abort=True)
        retirement = retire_episode(instance, ep_id, stores, artifacts=artifacts)
    removed = ", ".join(f"{count} {name}" for name, count in retirement.removed.items())
    console.print(f"{ep_id} is retired; deleted: {removed}")
    console.print(f"record: {artifacts.location(tombstone_path(ep_id))}")
