"""What must hold of the people of an episode, and which corrections a person should look at again."""

from collections.abc import Mapping, Sequence

from resources.storage.store import ArtifactStore
from screenalytics_assets.artifact import require_artifact
from screenalytics_assets.checks.episode_check import comparison_check, integrity_check
from screenalytics_assets.core.common import schemas
from screenalytics_assets.core.config.people_keys import ClusteringSettings
from screenalytics_assets.core.identity.identities import cannot_link_constraints
from screenalytics_assets.core.quality import integrity as core


def _group_clusters(store: ArtifactStore, ep_id: str) -> Sequence[str]:
    """Each track is in one identity or unassigned with a reason; one identity a person; who is seen together is two."""
    artifact = require_artifact(store, "group_clusters", ep_id)
    document, grouping = artifact.json("identities.json"), artifact.json("grouping.json")
    tracks = require_artifact(store, "split_tracks", ep_id).table("tracks.parquet", ["track_id", "boxes"])
    faces = require_artifact(store, "reembed", ep_id).table("faces.parquet", ["face_id"])
    boxes = artifact.table("people_boxes.parquet")
    identities = document["identities"]
    ids = [identity["identity_id"] for identity in identities]
    settings = ClusteringSettings.model_validate(document["config"])
    exempt = [(first, second) for first, second in grouping["exempt"]]
    return [
        *core.partition_breaches("group_clusters", tracks["track_id"].to_pylist(), *core.identity_track_ids(document)),
        *core.reason_breaches(document),
        *core.unique_breaches("group_clusters", ids),
        *core.unique_breaches("people", [i["person_id"] for i in identities if i["person_id"] is not None]),
        *core.together_breaches(document, cannot_link_constraints(tracks, settings, exempt)),
        *core.schema_breaches("people_boxes", boxes, schemas.IDENTITY_BOXES),
        *core.partition_breaches("people_boxes", ids, set(boxes["identity_id"].to_pylist())),
        *core.reference_breaches(
            "group_clusters", [i["representative_face_id"] for i in identities], faces["face_id"].to_pylist()
        ),
    ]


def _corrections(store: ArtifactStore, ep_id: str) -> tuple[str | None, Mapping[str, float]]:
    outcomes = require_artifact(store, "group_clusters", ep_id).json("grouping.json")["corrections"]
    doubtful = [outcome for outcome in outcomes if outcome["status"] != "applied"]
    told = [f"{entry['number']} ({entry['correction']}): {', '.join(entry['remarks'])}" for entry in doubtful]
    return "; ".join(told) or None, {"corrections": len(outcomes), "in_doubt": len(doubtful)}


GROUPING_CHECKS = [
    integrity_check("group_clusters", _group_clusters),
    comparison_check(
        "group_clusters",
        "corrections_hold",
        "Every correction was carried out as it was meant; those that were not are told.",
        _corrections,
    ),
]
