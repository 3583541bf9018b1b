"""Checks of the cleanup: its artifacts are as consistent as the originals, and no metric is worse than before."""

from collections.abc import Callable, Mapping, Sequence

from screenalytics_assets.checks.episode_check import (
    Published,
    corrections_remark,
    integrity_check,
    warning_check,
)
from screenalytics_assets.checks.integrity import face_breaches, identity_breaches, track_breaches, vector_breaches
from screenalytics_assets.core.common import schemas
from screenalytics_assets.core.documents.cleanup_report import CleanupReport
from screenalytics_assets.core.quality import integrity as core
from screenalytics_assets.core.quality.cleanup_comparison import COMPARED, OF_IDENTITIES


def _split_tracks(published: Published) -> Sequence[str]:
    """Each detection is in one track or untracked, as before; no detection became tracked or untracked."""
    before = published["tracks"].table("untracked.parquet", ["detection_id"])
    after = published["split_tracks"].table("untracked.parquet", ["detection_id"])
    return [
        *track_breaches(published, "split_tracks"),
        *core.schema_breaches("cuts", published["split_tracks"].table("cuts.parquet"), schemas.CUTS),
        *core.partition_breaches("untracked", before["detection_id"].to_pylist(), after["detection_id"].to_pylist()),
    ]


def _reembed(published: Published) -> Sequence[str]:
    """Row i is vector i, vectors have length 1, faces belong to the cleaned tracks, crop files exist."""
    return face_breaches(published, "reembed", tracks_of="split_tracks")


def _recluster(published: Published) -> Sequence[str]:
    """Each cleaned track is in one identity or unassigned with a reason; tracks seen together are never one person."""
    return [
        *identity_breaches(published, "recluster", "clusters.json", tracks_of="split_tracks", faces_of="reembed"),
        *vector_breaches(published["recluster"]),
    ]


CLEANUP_INTEGRITY_CHECKS = [
    integrity_check("split_tracks", _split_tracks),
    integrity_check("reembed", _reembed),
    integrity_check("recluster", _recluster),
]


def _worse(metric: str) -> Callable[[Published], tuple[str | None, Mapping[str, float]]]:
    def warning(published: Published) -> tuple[str | None, Mapping[str, float]]:
        report = published["cleanup_report"].document("cleanup_report.json", CleanupReport)
        change = report.improvement[metric]
        figures = {"before": change.baseline, "after": report.metrics_after[metric]}
        if change.target is not None:
            figures["target"] = change.target
        if change.verdict != "worse":
            return None, figures
        found = f"{metric} rose from {figures['before']:.3f} to {figures['after']:.3f}, target {change.target:g}"
        advice = (
            f"run `screenalytics cleanup {published.ep_id} --dry-run`, and use --actions without the phase that does it"
        )
        if metric in OF_IDENTITIES and (remark := corrections_remark(published)):
            advice = f"{remark}. If they explain it, nothing is to be done; otherwise {advice}"
        return f"{found}: {advice}", figures

    return warning


CLEANUP_COMPARISON_CHECKS = [
    warning_check(
        "cleanup_report", f"cleanup_{metric}", f"{metric} after the cleanup is no worse than before.", _worse(metric)
    )
    for metric in COMPARED
]
