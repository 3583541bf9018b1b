"""Everywhere that something of an episode is kept. Who keeps more of it adds a store here."""

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

    The inbox first, so that nothing is taken in again meanwhile; the files last, for whoever looks things up in them.
    """
    return [inbox_store(open_inbox()), run_history_store(instance), vectors_store(), files_store(artifacts)]
