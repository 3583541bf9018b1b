"""What the cleanup improved or made worse."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from screenalytics_assets.core.documents.cleanup_report import (
    CleanupReport,
    CutCounts,
    GroupingCounts,
    Improvement,
    MetricChange,
)
from screenalytics_assets.core.documents.identities import Identities
from screenalytics_assets.core.identity.remap import origins
from screenalytics_assets.core.quality.metrics import detect_track_metrics
from screenalytics_assets.core.tracking.resplit import cut_counts
from screenalytics_assets.core.tracking.track_table import track_ids_by_detection, tracks_table

OF_IDENTITIES = ("singleton_fraction", "largest_cluster_fraction")
"""Compared metrics that corrections change too; the others are of tracks."""
COMPARED = ("tracks_per_minute", "short_track_fraction", "id_switch_rate", *OF_IDENTITIES)
"""The metrics that are compared. Less is better, but up to the target of the acceptance table more is not worse: a
large cluster may be two people merged, or one person who is on screen a lot."""

_ROUNDING = 1e-9

MetricTargets = Mapping[str, Mapping[str, float]]
"""``target`` and ``warn`` of each metric in the acceptance table, if it has them."""


class State(NamedTuple):
    """An episode before or after the cleanup.

    Attributes:
        tracks: Its tracks.
        faces: Number of its accepted faces.
        identities: Its identities.
    """

    tracks: pa.Table
    faces: int
    identities: Identities


class Footage(NamedTuple):
    """The video that both states describe.

    Attributes:
        detections: The detections of the episode.
        untracked: Those in no track.
        shots: Its shots.
        duration_s: Duration of the video.
        match_thresh: Least IoU of a re-birth.
    """

    detections: pa.Table
    untracked: pa.Table
    shots: pa.Table
    duration_s: float
    match_thresh: float


def cleanup_report(
    ep_id: str,
    before: State,
    after: State,
    footage: Footage,
    cuts: pa.Table,
    *,
    actions: Sequence[str],
    grouping: GroupingCounts,
    limits: MetricTargets,
) -> CleanupReport:
    """The cleanup report.

    Args:
        ep_id: The episode.
        before: The episode before the cleanup.
        after: The episode after the cleanup.
        footage: The video that both describe.
        cuts: Where tracks were divided.
        actions: The phases that were on.
        grouping: What resolving the people did.
        limits: Limits of the compared metrics.
    """
    stats_before, stats_after = before.identities.stats, after.identities.stats
    metrics_before = _metrics(before.tracks, stats_before.to_dict(), footage)
    metrics_after = _metrics(after.tracks, stats_after.to_dict(), footage)
    hidden = _hidden(before, after, footage, cuts, most_singletons=limits["singleton_fraction"].get("warn"))
    return CleanupReport(
        ep_id=ep_id,
        actions_completed=tuple(actions),
        tracks_before=before.tracks.num_rows,
        tracks_after=after.tracks.num_rows,
        faces_before=before.faces,
        faces_after=after.faces,
        clusters_before=stats_before.clusters,
        clusters_after=stats_after.clusters,
        metrics_before=metrics_before,
        metrics_after=metrics_after,
        improvement={
            name: _improvement(max(metrics_before[name], hidden[name]), metrics_after[name], limits[name].get("target"))
            for name in COMPARED
        },
        splits=CutCounts(**cut_counts(cuts)),
        grouping=grouping,
    )


def change_of(baseline: float, value: float, target: float | None) -> MetricChange:
    """Whether a metric is better or worse than the baseline; up to its target, or without one, more is not worse."""
    if np.isclose(value, baseline, atol=_ROUNDING):
        return "same"
    if value < baseline:
        return "better"
    return "worse" if target is not None and value > target else "same"


def identity_changes(before: State, after: State) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Which identities were divided, and which were merged.

    Returns:
        The identities that each divided identity became, and the identities that each merged identity came from.
    """
    divided: dict[str, set[str]] = {}
    merged: dict[str, set[str]] = {}
    for earlier, now in _cells(before, after):
        if earlier and now:
            divided.setdefault(earlier, set()).add(now)
            merged.setdefault(now, set()).add(earlier)
    several = (
        {name: sorted(others) for name, others in found.items() if len(others) > 1} for found in (divided, merged)
    )
    return next(several), next(several)


def _improvement(baseline: float, value: float, target: float | None) -> Improvement:
    verdict = change_of(baseline, value, target)
    return Improvement(baseline=baseline, change=value - baseline, target=target, verdict=verdict)


def _metrics(tracks: pa.Table, cluster_stats: Mapping[str, float], footage: Footage) -> dict[str, float]:
    figures = detect_track_metrics(
        tracks,
        footage.untracked,
        footage.shots,
        detections=footage.detections.num_rows,
        duration_s=footage.duration_s,
        damaged_s=0.0,  # not compared: it is the same before and after
        match_thresh=footage.match_thresh,
    )
    return {name: float({**figures.to_dict(), **cluster_stats}[name]) for name in COMPARED}


def _hidden(
    before: State, after: State, footage: Footage, cuts: pa.Table, *, most_singletons: float | None
) -> dict[str, float]:
    """The metrics before the cleanup, corrected for what the cleanup revealed.

    Dividing a track does not add a second person to the episode, and dividing a cluster does not add a stranger: both
    were there before. So the tracks and clusters before are counted as divided too. Switches are counted over the
    tracks after, because linking tracklets removes no switch. Singletons are excused only up to the warning level: an
    episode whose clusters fall apart is worse.
    """
    tracks = _divided_tracks(before.tracks, after.tracks, footage.detections, cuts)
    metrics = _metrics(tracks, _divided(before, after), footage)
    metrics["id_switch_rate"] *= tracks.num_rows / max(1, after.tracks.num_rows)
    if most_singletons is not None:
        metrics["singleton_fraction"] = min(metrics["singleton_fraction"], most_singletons)
    return metrics


def _divided_tracks(before: pa.Table, after: pa.Table, detections: pa.Table, cuts: pa.Table) -> pa.Table:
    """The tracks before the cleanup, cut where the cleanup cut them, with nothing linked."""
    old, new = track_ids_by_detection(before), track_ids_by_detection(after)
    ordered = detections.sort_by([("frame_idx", "ascending"), ("detection_id", "ascending")])
    ids = ordered["detection_id"].to_pylist()
    cut_off = {(cut["track_id"], cut["new_track_id"]) for cut in cuts.to_pylist()}
    numbers: dict[tuple[str, str], int] = {}
    labels = np.full(len(ids), -1, np.int64)
    for row, detection_id in enumerate(ids):
        if detection_id in old:
            piece = (old[detection_id], new[detection_id])
            labels[row] = numbers.setdefault(piece if piece in cut_off else (piece[0], ""), len(numbers))
    reasons: dict[int, str | None] = {}
    why = dict(zip(before["track_id"].to_pylist(), before["split_reason"].to_pylist(), strict=True))
    for (track_id, _), number in numbers.items():
        reasons[number] = why.pop(track_id, None)
    for cut in cuts.to_pylist():
        reasons[numbers[cut["track_id"], cut["new_track_id"]]] = cut["reason"]
    return tracks_table(ordered, labels, reasons)


def _divided(before: State, after: State) -> dict[str, float]:
    """Figures of the clusters before the cleanup, divided where the cleanup divided them, with nothing merged."""
    sizes = list(Counter(cell for cell in _cells(before, after) if all(cell)).values())
    return {
        "singleton_fraction": sizes.count(1) / len(sizes) if sizes else 0.0,
        "largest_cluster_fraction": max(sizes) / sum(sizes) if sizes else 0.0,
    }


def _cells(before: State, after: State) -> list[tuple[str | None, str | None]]:
    """For each track after the cleanup: the identity that most of its detections were in, and its identity now."""
    identity_before, identity_after = before.identities.identity_of, after.identities.identity_of
    cells: list[tuple[str | None, str | None]] = []
    for track_id, earlier in origins(before.tracks, after.tracks).items():
        old, new = identity_before.get(earlier.most_common(1)[0][0]), identity_after.get(track_id)
        cells.append((old.identity_id if old else None, new.identity_id if new else None))
    return cells


class ComparisonRow(NamedTuple):
    """A figure before and after the cleanup, and what the change means."""

    figure: str
    before: float
    after: float
    verdict: str


def comparison_rows(report: CleanupReport) -> list[ComparisonRow]:
    """Counts and metrics before and after the cleanup, one row each."""
    counts = (
        ("tracks", report.tracks_before, report.tracks_after),
        ("faces", report.faces_before, report.faces_after),
        ("clusters", report.clusters_before, report.clusters_after),
    )
    rows = [ComparisonRow(name, float(before), float(after), "") for name, before, after in counts]
    for name, change in report.improvement.items():
        before, after = report.metrics_before[name], report.metrics_after[name]
        rows.append(ComparisonRow(name, round(before, 4), round(after, 4), _remark(change, before)))
    return rows


def _remark(change: Improvement, before: float) -> str:
    revealed = f", compared with {change.baseline:.4g} after counting what the cleanup revealed"
    return change.verdict + (revealed if change.baseline > before else "")
