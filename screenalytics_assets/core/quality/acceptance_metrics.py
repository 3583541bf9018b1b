"""The acceptance metrics: where each is published, which direction is good, and what to do when it is out of range.

Their limits are in ``config/acceptance.yaml``.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from screenalytics_assets.core.config.keys import flatten
from screenalytics_assets.core.documents.track_metrics import TrackMetrics

Good = Literal["low", "high", "inside"]
"""Whether low values are good, high ones, or those between two limits."""

RUNTIME_CPU = "runtime_per_duration_cpu"
RUNTIME_GPU = "runtime_per_duration_gpu"
TROUBLESHOOTING = "docs/ops/troubleshooting_faces_pipeline.md"


class Metric(NamedTuple):
    """A figure that can be judged.

    Attributes:
        name: As in ``acceptance.yaml``; also the name of its check.
        stage: The stage that it judges.
        path: Path of the figure in ``track_metrics.json``, keys joined by dots.
        good: Which values are good.
        meaning: What the figure is, with its unit.
        advice: What to do when it is out of range.
        anchor: Anchor of its section in ``TROUBLESHOOTING``.
        of: Path of the count that the figure is based on; if it is 0, there is nothing to judge.
        strict: A value equal to the target misses it.
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
        """Its section of the documentation, as a path in the checkout."""
        return f"{TROUBLESHOOTING}#{self.anchor}"


_TRACKS = "detect_track_metrics.tracks"
_FACES = "crop_stats.faces"

_LISTED = (
    Metric(
        "damaged_s",
        "detections",
        "detect_track_metrics.damaged_s",
        "low",
        "seconds of the video that are damaged or missing, with all that refers to them",
        "people may be missing or mistaken there: copy or download the video again, then run with --replace",
        "damaged-video",
    ),
    Metric(
        "tracks_per_minute",
        "tracks",
        "detect_track_metrics.tracks_per_minute",
        "low",
        "tracks per minute of video",
        "tracks are fragmented: lower frame_stride, raise track_buffer_s or rejoin_gap_s; or the episode is crowded",
        "many-tracks",
    ),
    Metric(
        "short_track_fraction",
        "tracks",
        "detect_track_metrics.short_track_fraction",
        "low",
        "share of tracks that last under 1 s",
        "tracks are fragmented or start at false faces: lower frame_stride, raise track_buffer_s or track_thresh",
        "many-short-tracks",
        of=_TRACKS,
        strict=True,
    ),
    Metric(
        "id_switch_rate",
        "tracks",
        "detect_track_metrics.id_switch_rate",
        "low",
        "(appearance splits + re-births after a gap) / tracks",
        "tracks switch between faces: lower frame_stride, raise match_thresh; or cuts are missed, see cut_threshold",
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
        "use profile fast_cpu, a larger frame_stride or a smaller detector_input_px; run fewer episodes at once",
        "slow-runs",
    ),
    Metric(
        RUNTIME_GPU,
        "tracks",
        RUNTIME_GPU,
        "low",
        "seconds of detection and tracking per second of video, on a GPU",
        "check whether the GPU is shared or waits for decoding; use a larger frame_stride, run fewer episodes at once",
        "slow-runs",
    ),
    Metric(
        "max_faces_per_track",
        "faces",
        "crop_stats.max_faces_per_track",
        "low",
        "accepted faces of the track with the most",
        "the crop sampling exceeded max_crops_per_track, which is a bug: run faces with --force and report it",
        "too-many-faces-of-a-track",
        of=_FACES,
    ),
    Metric(
        "quality_mean",
        "faces",
        "crop_stats.quality_mean",
        "high",
        "mean quality_score of the accepted faces, 0 to 1",
        "faces are small, dark or blurred: check the contact sheet; raise min_quality_score or detector_input_px",
        "poor-faces",
        of=_FACES,
    ),
    Metric(
        "rejection_rate",
        "faces",
        "crop_stats.rejection_rate",
        "low",
        "share of tracked detections that the quality filter rejected",
        "see `rejected` for the reasons; relax the limit of the most frequent one, or accept that the footage is poor",
        "many-rejections",
        of=_TRACKS,
        strict=True,
    ),
    Metric(
        "blank_fraction",
        "faces",
        "crop_stats.blank_fraction",
        "low",
        "share of crops that show nothing and were not written",
        "the detector finds faces in flat or dark areas: raise confidence_th; check that the video decodes correctly",
        "blank-crops",
        of="detect_track_metrics.detections",
    ),
    Metric(
        "blank_crops_written",
        "faces",
        "crop_stats.blank_crops_written",
        "low",
        "accepted faces whose stored crop shows nothing",
        "blank crops must never be stored: run detections with --force; if they remain, report it",
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
        "too few: people are merged, raise cluster_thresh; too many: people are split, lower cluster_thresh",
        "number-of-identities",
        of=_FACES,
    ),
    Metric(
        "singleton_fraction",
        "identities",
        "cluster_metrics.singleton_fraction",
        "low",
        "share of identities with a single track",
        "people are split, or there are many extras: check quality_mean first, then lower cluster_thresh",
        "many-singletons",
        of=_FACES,
        strict=True,
    ),
    Metric(
        "largest_cluster_fraction",
        "identities",
        "cluster_metrics.largest_cluster_fraction",
        "low",
        "share of the tracks in the largest identity",
        "several people may be merged: check its faces, raise cluster_thresh; or one person dominates the episode",
        "one-large-identity",
        of=_FACES,
        strict=True,
    ),
)

METRICS: Mapping[str, Metric] = {metric.name: metric for metric in _LISTED}


def figures_of(
    metrics: TrackMetrics, *, runtimes_s: Mapping[str, float | None], on_gpu: bool
) -> dict[str, float | None]:
    """Every published number of an episode by its path.

    Args:
        metrics: The published metrics.
        runtimes_s: How long detection and tracking took, from their manifests. The document does not have it because
            it would differ from run to run.
        on_gpu: Whether detection ran on a GPU.
    """
    figures = {
        path: value
        for path, value in flatten(metrics.to_dict()).items()
        if value is None or (isinstance(value, int | float) and not isinstance(value, bool))
    }
    duration_s = metrics.detect_track_metrics.duration_s
    taken = [seconds for seconds in runtimes_s.values() if seconds is not None]
    if duration_s and len(taken) == len(runtimes_s):
        figures[RUNTIME_GPU if on_gpu else RUNTIME_CPU] = sum(taken) / duration_s
    return figures


def absence_of(metric: Metric, figures: Mapping[str, float | None]) -> str | None:
    """Why a metric cannot be judged in an episode, or None if it can."""
    if metric.of is not None and not figures.get(metric.of):
        return f"not applicable: the episode has no {metric.of.rpartition('.')[2]}"
    if figures.get(metric.path) is not None:
        return None
    # Only a running time can be missing.
    other = RUNTIME_GPU if metric.name == RUNTIME_CPU else RUNTIME_CPU
    if figures.get(other) is not None:
        return f"not applicable: detection ran on a {'GPU' if other == RUNTIME_GPU else 'CPU'}"
    return "not applicable: detection and tracking were published without their running time"
