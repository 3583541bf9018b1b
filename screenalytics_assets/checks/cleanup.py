"""What must hold after the cleanup: its artifacts are as whole as the originals, and no metric is worse."""

from collections.abc import Mapping, Sequence

from resources.storage.store import ArtifactStore
from screenalytics_assets.artifact import require_artifact
from screenalytics_assets.checks.episode_check import Worse, comparison_check, integrity_check
from screenalytics_assets.checks.integrity import face_breaches, identity_breaches, track_breaches
from screenalytics_assets.core.common import schemas
from screenalytics_assets.core.quality import integrity as core
from screenalytics_assets.core.quality.cleanup_comparison import COMPARED


def _split_tracks(store: ArtifactStore, ep_id: str) -> Sequence[str]:
    """Each detection is in one track or untracked, as before; no detection became tracked or untracked."""
    before = require_artifact(store, "tracks", ep_id).table("untracked.parquet", ["detection_id"])
    after = require_artifact(store, "split_tracks", ep_id).table("untracked.parquet", ["detection_id"])
    cuts = require_artifact(store, "split_tracks", ep_id).table("cuts.parquet")
    return [
        *track_breaches(store, ep_id, "split_tracks"),
        *core.schema_breaches("cuts", cuts, schemas.CUTS),
        *core.partition_breaches("untracked", before["detection_id"].to_pylist(), after["detection_id"].to_pylist()),
    ]


def _reembed(store: ArtifactStore, ep_id: str) -> Sequence[str]:
    """Row i is vector i, vectors have length 1, faces belong to the cleaned tracks, crop files exist."""
    return face_breaches(store, ep_id, "reembed", tracks_of="split_tracks")


def _recluster(store: ArtifactStore, ep_id: str) -> Sequence[str]:
    """Each cleaned track is in one identity or unassigned with a reason; who is seen together is not one person."""
    artifact = require_artifact(store, "recluster", ep_id)
    return identity_breaches(
        store, ep_id, artifact, artifact.json("clusters.json"), tracks_of="split_tracks", faces_of="reembed"
    )


CLEANUP_INTEGRITY_CHECKS = [
    integrity_check("split_tracks", _split_tracks),
    integrity_check("reembed", _reembed),
    integrity_check("recluster", _recluster),
]


def _worse(metric: str) -> Worse:
    def found(store: ArtifactStore, ep_id: str) -> tuple[str | None, Mapping[str, float]]:
        document = require_artifact(store, "cleanup_report", ep_id).json("cleanup_report.json")
        change = document["improvement"][metric]
        figures = {"before": change["baseline"], "after": document["metrics_after"][metric]}
        if change["target"] is not None:
            figures["target"] = change["target"]
        if change["verdict"] != "worse":
            return None, figures
        return (
            f"{metric} rose from {figures['before']:.3f} to {figures['after']:.3f}, target {change['target']:g}: look "
            f"at `screenalytics cleanup {ep_id} --dry-run` and switch off by --actions what makes it worse",
            figures,
        )

    return found


CLEANUP_COMPARISON_CHECKS = [
    comparison_check(
        "cleanup_report", f"cleanup_{metric}", f"{metric} after the cleanup is no worse than before.", _worse(metric)
    )
    for metric in COMPARED
]
