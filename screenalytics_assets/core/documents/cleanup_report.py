"""``cleanup_report.json``: what the cleanup changed."""

from typing import Literal

from screenalytics_assets.core.documents.document import Document

MetricChange = Literal["better", "same", "worse"]


class Improvement(Document):
    """A metric after the cleanup against the baseline.

    Attributes:
        baseline: The metric before, corrected for what the cleanup revealed.
        change: The metric after minus the baseline.
        target: Target of the acceptance table, null without one; up to there, more is not worse.
        verdict: What that means.
    """

    baseline: float
    change: float
    target: int | float | None
    verdict: MetricChange


class CutCounts(Document):
    """Tracks that were divided, by the reason of the cut, and in total.

    Attributes:
        hard: Two consecutive crops are very unlike the face so far, but similar to each other.
        streak: Several consecutive crops are unlike the face so far, but similar to each other.
        iou: The box jumps, and the crops on both sides are dissimilar.
        total: All of them.
    """

    hard: int
    streak: int
    iou: int
    total: int


class GroupingCounts(Document):
    """What resolving the people did.

    Attributes:
        centroids: Clusters that were compared.
        within_episode: Clusters merged within the episode.
        across_episodes: Clusters named by the facebank.
    """

    centroids: int
    within_episode: int
    across_episodes: int


class CleanupReport(Document):
    """An episode before and after the cleanup.

    Attributes:
        ep_id: The episode.
        actions_completed: Phases that were on.
        tracks_before: Number of tracks.
        tracks_after: Number of tracks.
        faces_before: Number of accepted faces.
        faces_after: Number of accepted faces.
        clusters_before: Number of identities.
        clusters_after: Number of identities.
        metrics_before: The compared metrics by name, as in ``track_metrics.json``.
        metrics_after: The same after the cleanup.
        improvement: Each of these metrics against its baseline: the ``baseline``, the ``change``, the ``target``, and
            the ``verdict`` ``better``, ``same`` or ``worse``.
        splits: Tracks that were divided.
        grouping: What resolving the people did.
    """

    ep_id: str
    actions_completed: tuple[str, ...]
    tracks_before: int
    tracks_after: int
    faces_before: int
    faces_after: int
    clusters_before: int
    clusters_after: int
    metrics_before: dict[str, float]
    metrics_after: dict[str, float]
    improvement: dict[str, Improvement]
    splits: CutCounts
    grouping: GroupingCounts
