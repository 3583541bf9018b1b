"""The metrics that an episode is judged by: where each is published, which direction is good, what to do about it.

Their limits stand in ``config/acceptance.yaml``; nothing here has one.
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from screenalytics_assets.core.config.keys import flatten

Good = Literal["low", "high", "inside"]
"""Whether small values are good, large ones, or those between two limits."""

RUNTIME_CPU = "runtime_per_duration_cpu"
RUNTIME_GPU = "runtime_per_duration_gpu"
TROUBLESHOOTING = "docs/ops/troubleshooting_faces_pipeline.md"


class Metric(NamedTuple):
    """A figure with a direction.

    Attributes:
        name: As in ``acceptance.yaml``; also the name of its check.
        stage: The stage that it judges.
        path: Where the figure is in ``track_metrics.json``, keys joined by dots.
        good: Which values are good.
        meaning: What the figure is, with its unit.
        advice: What to do when it is out of range.
        anchor: Heading of ``TROUBLESHOOTING`` that says more.
        of: Path of the number of things that the figure is about; where it is 0, there is nothing to judge.
        strict: A value that equals the target misses it.
    """

    name: str
    stage: str
    path: str
    good: Good
    meaning: str
    advice: str
    anchor: str
    of: str | None = None
    strict: bool = False

    @property
    def docs(self) -> str:
        """The section that says more, as a path in the checkout."""
        return f"{TROUBLESHOOTING}#{self.anchor}"


_TRACKS = "detect_track_metrics.tracks"
_FACES = "crop_stats.faces"

_LISTED = (
    Metric(
        "tracks_per_minute",
        "tracks",
        "detect_track_metrics.tracks_per_minute",
        "low",
        "tracks per minute of video",
        "tracks break: lower frame_stride, raise track_buffer_s or rejoin_gap_s; or the episode really is crowded",
        "many-tracks",
    ),
    Metric(
        "short_track_fraction",
        "tracks",
        "detect_track_metrics.short_track_fraction",
        "low",
        "share of tracks that last under 1 s",
        "tracks break or false faces start them: lower frame_stride, raise track_buffer_s or track_thresh",
        "many-short-tracks",
        of=_TRACKS,
        strict=True,
    ),
    Metric(
        "id_switch_rate",
        "tracks",
        "detect_track_metrics.id_switch_rate",
        "low",
        "(splits by the gate + re-births after a gap) / tracks",
        "tracks change faces: lower frame_stride, raise match_thresh; missed cuts do it too, see cut_threshold",
        "identity-switches",
        of=_TRACKS,
        strict=True,
    ),
    Metric(
        RUNTIME_CPU,
        "tracks",
        RUNTIME_CPU,
        "low",
        "seconds of detection and tracking per second of video, on a CPU",
        "profile fast_cpu, a larger frame_stride or a smaller detector_input_px; fewer runs at once",
        "slow-runs",
    ),
    Metric(
        RUNTIME_GPU,
        "tracks",
        RUNTIME_GPU,
        "low",
        "seconds of detection and tracking per second of video, on a GPU",
        "look whether the GPU is shared or waits for decoding: a larger frame_stride, fewer runs at once",
        "slow-runs",
    ),
    Metric(
        "max_faces_per_track",
        "faces",
        "crop_stats.max_faces_per_track",
        "low",
        "embedded faces of the track that has most",
        "more faces than max_crops_per_track allows is a fault of the sampler: run faces with --force, report it",
        "too-many-faces-of-a-track",
        of=_FACES,
    ),
    Metric(
        "quality_mean",
        "faces",
        "crop_stats.quality_mean",
        "high",
        "mean quality_score of the embedded faces, 0 to 1",
        "faces are small, dark or blurred: look at the contact sheet; raise min_quality_score or detector_input_px",
        "poor-faces",
        of=_FACES,
    ),
    Metric(
        "rejection_rate",
        "faces",
        "crop_stats.rejection_rate",
        "low",
        "share of tracked detections that the quality gate turned down",
        "see `rejected` for the reasons; loosen the key of the commonest one, or accept that the footage is poor",
        "many-rejections",
        of=_TRACKS,
        strict=True,
    ),
    Metric(
        "blank_fraction",
        "faces",
        "crop_stats.blank_fraction",
        "low",
        "share of crops that showed nothing and were not written",
        "the detector fires on flat surfaces or dark frames: raise confidence_th; check that the video decodes",
        "blank-crops",
        of="detect_track_metrics.detections",
    ),
    Metric(
        "blank_crops_written",
        "faces",
        "crop_stats.blank_crops_written",
        "low",
        "embedded faces whose stored crop shows nothing",
        "blank crops must never be stored: run detections with --force; if they stay, report it",
        "blank-crops",
        of=_FACES,
    ),
    Metric(
        "vector_norm_error",
        "faces",
        "crop_stats.vector_norm_error",
        "low",
        "largest distance of a vector's length from 1",
        "vectors are damaged or not normalised: verify the model pack, then run faces with --force",
        "vectors-out-of-order",
        of=_FACES,
    ),
    Metric(
        "vector_dimension",
        "faces",
        "crop_stats.vector_dimension",
        "inside",
        "numbers in a vector",
        "the embedder is not the declared one: verify the model pack, then run faces with --force",
        "vectors-out-of-order",
        of=_FACES,
    ),
    Metric(
        "clusters",
        "identities",
        "cluster_metrics.clusters",
        "inside",
        "identities of the episode",
        "too few: people are merged, raise cluster_thresh; too many: people are split, lower it",
        "number-of-identities",
        of=_FACES,
    ),
    Metric(
        "singleton_fraction",
        "identities",
        "cluster_metrics.singleton_fraction",
        "low",
        "share of identities with a single track",
        "people are split or extras abound: lower cluster_thresh, look at quality_mean first",
        "many-singletons",
        of=_FACES,
        strict=True,
    ),
    Metric(
        "largest_cluster_fraction",
        "identities",
        "cluster_metrics.largest_cluster_fraction",
        "low",
        "share of the tracks that the largest identity has",
        "several people may be merged: look at its faces, raise cluster_thresh; or one person leads the episode",
        "one-large-identity",
        of=_FACES,
        strict=True,
    ),
)

METRICS: Mapping[str, Metric] = {metric.name: metric for metric in _LISTED}


def figures_of(
    document: Mapping[str, Any], *, runtimes_s: Mapping[str, float | None], on_gpu: bool
) -> dict[str, float | None]:
    """Every published number of an episode by its path.

    Args:
        document: The content of ``track_metrics.json``.
        runtimes_s: How long detection and tracking took. It stands in their manifests, not in the document, which
            would otherwise differ from one run to the next.
        on_gpu: Where detection ran.
    """
    figures = {
        path: value
        for path, value in flatten(document).items()
        if value is None or (isinstance(value, int | float) and not isinstance(value, bool))
    }
    duration_s = figures.get("detect_track_metrics.duration_s")
    taken = [seconds for seconds in runtimes_s.values() if seconds is not None]
    if duration_s and len(taken) == len(runtimes_s):
        figures[RUNTIME_GPU if on_gpu else RUNTIME_CPU] = sum(taken) / duration_s
    return figures


def absence_of(metric: Metric, figures: Mapping[str, float | None]) -> str | None:
    """Why a metric cannot be judged in an episode, or None where it can."""
    if metric.of is not None and not figures.get(metric.of):
        return f"not applicable: the episode has no {metric.of.rpartition('.')[2]}"
    if figures.get(metric.path) is not None:
        return None
    if metric.name in (RUNTIME_CPU, RUNTIME_GPU):
        other = RUNTIME_GPU if metric.name == RUNTIME_CPU else RUNTIME_CPU
        if figures.get(other) is not None:
            return f"not applicable: detection ran on a {'GPU' if other == RUNTIME_GPU else 'CPU'}"
        return "not applicable: detection and tracking were published without their running time"
    return f"not applicable: the published track_metrics has no {metric.path}; run track_metrics again"
