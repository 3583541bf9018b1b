"""What must hold of the people of an episode, and which corrections a person should look at again."""

import warnings
from collections.abc import Sequence

import dagster as dg

from resources.artifact_store import ArtifactStoreResource, LocalArtifactStore
from screenalytics_assets.checks.episode_check import integrity_check
from screenalytics_assets.core import integrity as core
from screenalytics_assets.core import schemas
from screenalytics_assets.core.identities import apart
from screenalytics_assets.core.settings import ClusteringSettings
from screenalytics_assets.partitions import EPISODES
from screenalytics_assets.stage import require_artifact, user_errors


def _group_clusters(store: LocalArtifactStore, ep_id: str) -> Sequence[str]:
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
        *core.together_breaches(document, apart(tracks, settings, exempt)),
        *core.schema_breaches("people_boxes", boxes, schemas.IDENTITY_BOXES),
        *core.partition_breaches("people_boxes", ids, set(boxes["identity_id"].to_pylist())),
        *core.reference_breaches(
            "group_clusters", [i["representative_face_id"] for i in identities], faces["face_id"].to_pylist()
        ),
    ]


def _corrections_check() -> dg.AssetChecksDefinition:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)

        @dg.asset_check(
            asset="group_clusters",
            name="corrections_hold",
            description="Every correction was carried out as it was meant; those that were not are told.",
            partitions_def=EPISODES,
        )
        def check(context: dg.AssetCheckExecutionContext, artifacts: ArtifactStoreResource) -> dg.AssetCheckResult:
            with user_errors():
                artifact = require_artifact(artifacts.store(), "group_clusters", context.partition_key)
            outcomes = artifact.json("grouping.json")["corrections"]
            doubtful = [outcome for outcome in outcomes if outcome["status"] != "applied"]
            return dg.AssetCheckResult(
                passed=not doubtful,
                severity=dg.AssetCheckSeverity.WARN,
                description="; ".join(
                    f"{entry['number']} ({entry['correction']}): {', '.join(entry['remarks'])}" for entry in doubtful
                )
                or None,
                metadata={"corrections": len(outcomes), "in_doubt": len(doubtful)},
            )

    return check


GROUPING_CHECKS = [integrity_check("group_clusters", _group_clusters), _corrections_check()]
