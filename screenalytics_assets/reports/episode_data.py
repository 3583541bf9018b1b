"""What the report of an episode is made from."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from screenalytics_assets.core.documents.cleanup_report import CleanupReport
from screenalytics_assets.core.documents.grouping import Grouping
from screenalytics_assets.core.documents.identities import Identities
from screenalytics_assets.core.documents.screen_time import ScreenTime
from screenalytics_assets.core.documents.track_metrics import TrackMetrics
from screenalytics_assets.core.documents.video import VideoProbe
from screenalytics_assets.core.people.corrections.corrections import Corrections
from screenalytics_assets.reports.provenance import Configs, UsedModel


@dataclass(frozen=True)
class EpisodeData:
    """The published tables and documents of an episode after the cleanup.

    Attributes:
        ep_id: The episode.
        video: Facts about the video.
        shots: The shots.
        tracks: The tracks.
        faces: The embedded faces.
        rejected: The rejected crops.
        track_ids: The tracks that have a vector.
        track_vectors: (len(track_ids), 512), rows of length 1.
        identities: The people.
        grouping: The decisions about them.
        corrections: The corrections.
        screen_time: The screen time.
        metrics: The metrics.
        cleanup: What the cleanup changed.
        read_crops: Gives the JPEG crops of detections, as far as there are any.
        configs: The configuration that is shown.
        declared: Thresholds that the configured models declare.
        models: The configured models.
    """

    ep_id: str
    video: VideoProbe
    shots: pa.Table
    tracks: pa.Table
    faces: pa.Table
    rejected: pa.Table
    track_ids: Sequence[str]
    track_vectors: NDArray[np.float32]
    identities: Identities
    grouping: Grouping
    corrections: Corrections
    screen_time: ScreenTime
    metrics: TrackMetrics
    cleanup: CleanupReport
    read_crops: Callable[[Collection[str]], Mapping[str, bytes]]
    configs: Configs
    declared: Mapping[str, float | None]
    models: Sequence[UsedModel]
