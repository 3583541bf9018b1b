"""Where the cleanup ends: the one place that says which asset its identities come from."""

from collections.abc import Mapping
from typing import Any

from resources.storage.artifacts import Artifact

LAST_PHASE = "group_clusters"
"""The phase whose identities are those of the cleaned episode."""

_NO_GROUPING = {"centroids": 0, "within_episode": 0, "across_episodes": 0}


def final_identities(artifact: Artifact) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """The identities document of the last phase, and what grouping did."""
    if artifact.manifest.asset == "group_clusters":
        return artifact.json("identities.json"), artifact.json("grouping.json")
    return artifact.json("clusters.json"), _NO_GROUPING
