"""What the cleanup made better or worse: the report's figures."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa

from screenalytics_assets.core.identity.remap import origins
from screenalytics_assets.core.quality.metrics import detect_track_metrics
from screenalytics_assets.core.tracking.resplit import cut_counts
from screenalytics_assets.core.tracking.track_table import track_ids_by_detection, tracks_table

COMPARED = (
    "tracks_per_minute",
    "short_track_fraction",
    "id_switch_rate",
    "singleton_fraction",
    "largest_cluster_fraction",
)
"""The metrics that are compared, less being better: up to the target of the acceptance table, more is not worse. Two
people in one cluster make its fraction larger, and a person who is seen much does so rightly."""

_ROUNDING = 1e-9

Verdict = Literal["better", "same", "worse"]
Metrics = Mapping[str, float]
Limits = Mapping[str, Mapping[str, float]]
"""For each metric ``target`` and ``warn`` of the acceptance table, where it has them."""


class State(NamedTuple):
    """An episode before or after the cleanup.

    Attributes:
        tracks: Its tracks.
        faces: Number of its embedded faces.
        identities: The identities document.
    """

    tracks: pa.Table
    faces: int
    identities: Mapping[str, Any]


class Footage(NamedTuple):
    """What both states are about.

    Attributes:
        detections: The detections of the episode.
        untracked: Those in no track.
        shots: Its shots.
        duration_s: Duration of the video.
        match_thresh: Least overlap of a re-birth.
    """

    detections: pa.Table
    untracked: pa.Table
    shots: pa.Table
    duration_s: float
    match_thresh: float


def cleanup_document(
    ep_id: str,
    before: State,
    after: State,
    footage: Footage,
    cuts: pa.Table,
    *,
    actions: Sequence[str],
    runtime_s: float,
    grouping: Mapping[str, Any],
    limits: Limits,
) -> dict[str, Any]:
    """The cleanup report.

    Args:
        ep_id: The episode.
        before: What went in.
        after: What came out.
        footage: What both are about.
        cuts: Where tracks were divided.
        actions: The phases that were switched on.
        runtime_s: Seconds that they took.
        grouping: Number of clusters compared, merged within the episode and named across episodes.
        limits: Of the metrics that are compared.
    """
    metrics_before = _metrics(before.tracks, before.identities["stats"], footage)
    metrics_after = _metrics(after.tracks, after.identities["stats"], footage)
    hidden = _hidden(before, after, footage, cuts, most_singletons=limits["singleton_fraction"].get("warn"))
    return {
        "ep_id": ep_id,
        "actions_completed": list(actions),
        "runtime_sec": round(runtime_s, 3),
        **_counts("tracks", before.tracks.num_rows, after.tracks.num_rows),
        **_counts("faces", before.faces, after.faces),
        **_counts("clusters", before.identities["stats"]["clusters"], after.identities["stats"]["clusters"]),
        "metrics_before": metrics_before,
        "metrics_after": metrics_after,
        "improvement": {
            name: _improvement(max(metrics_before[name], hidden[name]), metrics_after[name], limits[name].get("target"))
            for name in COMPARED
        },
        "splits": cut_counts(cuts),
        "grouping": {name: grouping[name] for name in ("centroids", "within_episode", "across_episodes")},
    }


def verdict(baseline: float, value: float, target: float | None) -> Verdict:
    """Whether a metric is better or worse than the baseline; up to its target, or without one, more is not worse."""
    if np.isclose(value, baseline, atol=_ROUNDING):
        return "same"
    if value < baseline:
        return "better"
    return "worse" if target is not None and value > target else "same"


def identity_changes(before: State, after: State) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Which identities were divided into which, and which were merged out of which.

    Returns:
        By the identity before the several it is in now, and by the identity now the several it was.
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


def _counts(name: str, before: int, after: int) -> dict[str, int]:
    return {f"{name}_before": before, f"{name}_after": after}


def _improvement(baseline: float, value: float, target: float | None) -> dict[str, Any]:
    return {
        "baseline": baseline,
        "change": value - baseline,
        "target": target,
        "verdict": verdict(baseline, value, target),
    }


def _metrics(tracks: pa.Table, cluster_stats: Mapping[str, float], footage: Footage) -> dict[str, float]:
    figures = detect_track_metrics(
        tracks,
        footage.untracked,
        footage.shots,
        detections=footage.detections.num_rows,
        duration_s=footage.duration_s,
        match_thresh=footage.match_thresh,
    )
    return {name: float({**figures, **cluster_stats}[name]) for name in COMPARED}


def _hidden(
    before: State, after: State, footage: Footage, cuts: pa.Table, *, most_singletons: float | None
) -> dict[str, float]:
    """The metrics before, had it been known what the cleanup found.

    A cut makes no second person, and a cluster that is divided no stranger: both were there. So tracks and clusters are
    counted divided, on this side as on the other. Switches are counted over the tracks of today, for a track that is
    joined from pieces takes no switch away. Singletons excuse themselves so only up to the level of warning: an
    episode that falls apart is worse.
    """
    tracks = _divided_tracks(before.tracks, after.tracks, footage.detections, cuts)
    metrics = _metrics(tracks, _divided(before, after), footage)
    metrics["id_switch_rate"] *= tracks.num_rows / max(1, after.tracks.num_rows)
    if most_singletons is not None:
        metrics["singleton_fraction"] = min(metrics["singleton_fraction"], most_singletons)
    return metrics


def _divided_tracks(before: pa.Table, after: pa.Table, detections: pa.Table, cuts: pa.Table) -> pa.Table:
    """The tracks before, cut where the cleanup says that it cut them, and nothing joined."""
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
    """Figures of the clusters before, divided where the cleanup divided them, and nothing merged."""
    sizes = list(Counter(cell for cell in _cells(before, after) if all(cell)).values())
    return {
        "singleton_fraction": sizes.count(1) / len(sizes) if sizes else 0.0,
        "largest_cluster_fraction": max(sizes) / sum(sizes) if sizes else 0.0,
    }


def _cells(before: State, after: State) -> list[tuple[str | None, str | None]]:
    """For each track of today the identity that most of its detections were in, and the one they are in."""
    owner_before, owner_after = (_owners(state.identities) for state in (before, after))
    return [
        (owner_before.get(earlier.most_common(1)[0][0]), owner_after.get(track_id))
        for track_id, earlier in origins(before.tracks, after.tracks).items()
    ]


def _owners(document: Mapping[str, Any]) -> dict[str, str]:
    return {track: entry["identity_id"] for entry in document["identities"] for track in entry["track_ids"]}


def comparison_rows(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Counts and metrics before and after, a row each."""
    rows = [
        {"figure": name, "before": document[f"{name}_before"], "after": document[f"{name}_after"], "is": ""}
        for name in ("tracks", "faces", "clusters")
    ]
    for name, change in document["improvement"].items():
        values = {"before": document["metrics_before"][name], "after": document["metrics_after"][name]}
        rows.append({"figure": name, **values, "is": _remark(change, values["before"])})
    return [{**row, "before": round(float(row["before"]), 4), "after": round(float(row["after"]), 4)} for row in rows]


def _remark(change: Mapping[str, Any], before: float) -> str:
    revealed = f" against {change['baseline']:.4g}, counting what was hidden"
    return str(change["verdict"]) + (revealed if change["baseline"] > before else "")
