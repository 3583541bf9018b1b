"""All places where data of an episode is kept; a new place is added here."""

import dagster as dg

from resources.storage.store import ArtifactStore
from screenalytics_assets.automation.inbox.inbox import open_inbox
from screenalytics_assets.automation.retention.retirement import (
    EpisodeStore,
    files_store,
    inbox_store,
    run_history_store,
    vectors_store,
)


def episode_stores(instance: dg.DagsterInstance, artifacts: ArtifactStore) -> list[EpisodeStore]:
    """What is purged when an episode is retired, in this order.

    The inbox comes first, so that its sensor does not register the episode again; the files come last, because other
    stores may read them.
    """
    return [inbox_store(open_inbox()), run_history_store(instance), vectors_store(), files_store(artifacts)]
