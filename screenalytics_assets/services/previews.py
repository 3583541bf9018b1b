"""A dry run of the cleanup of an episode."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from resources.artifact_store import PreviewStoreResource
from resources.progress import ProgressResource
from resources.storage.store import ArtifactStore, require_artifact
from screenalytics_assets.assets.cleanup.cleanup_report import state_of
from screenalytics_assets.core.quality.cleanup_comparison import State
from screenalytics_assets.definitions import CLEANUP_ASSETS, build_resources
from screenalytics_assets.failures import retries_disabled
from screenalytics_assets.partitions import EPISODES_NAME
from screenalytics_assets.services.running.runs import RunOutcome, outcome_of, run_config_of


def preview_cleanup(
    ep_id: str, folder: Path, *, profile: str | None, overrides: Mapping[str, Any], progress: ProgressResource
) -> tuple[RunOutcome, ArtifactStore]:
    """Run the cleanup of an episode into a folder, in an ephemeral Dagster instance.

    Args:
        ep_id: A published episode.
        folder: Receives what would be published.
        profile: As for a run.
        overrides: As for a run.
        progress: Reports the progress of long steps.

    Returns:
        The outcome, and a store that shows the episode as if the cleanup had been published.
    """
    artifacts = PreviewStoreResource(folder=str(folder))
    with retries_disabled(), dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(EPISODES_NAME, [ep_id])
        result = dg.materialize(
            CLEANUP_ASSETS,
            instance=instance,
            partition_key=ep_id,
            resources=build_resources(progress, artifacts),
            run_config=run_config_of(profile, overrides, force=False),
            raise_on_error=False,
        )
        return outcome_of(result), artifacts.store()


def states(store: ArtifactStore, ep_id: str) -> tuple[State, State]:
    """An episode before and after its cleanup."""
    before, after = (
        [require_artifact(store, name, ep_id) for name in names]
        for names in (("tracks", "faces", "identities"), ("split_tracks", "reembed", "group_clusters"))
    )
    return state_of(*before), state_of(*after)
