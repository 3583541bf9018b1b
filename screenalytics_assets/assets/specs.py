"""Every artifact of the pipeline, by phase."""

from screenalytics_assets.assets.cleanup import (
    cleanup_report,
    corrections,
    group_clusters,
    recluster,
    reembed,
    split_tracks,
)
from screenalytics_assets.assets.detect import detections, episode_video, faces, tracks
from screenalytics_assets.assets.people import episode_vectors, identities
from screenalytics_assets.assets.results import episode_report, screen_time, track_metrics
from screenalytics_assets.assets.season import season_screen_time
from screenalytics_assets.assets.show import facebank

SPECS = [
    module.SPEC
    for module in (
        episode_video,
        detections,
        tracks,
        faces,
        identities,
        screen_time,
        track_metrics,
        episode_report,
        episode_vectors,
    )
]
CLEANUP_SPECS = [
    module.SPEC for module in (split_tracks, reembed, recluster, corrections, group_clusters, cleanup_report)
]
EPISODE_SPECS = [*SPECS, *CLEANUP_SPECS]
FACEBANK_SPEC = facebank.SPEC
SEASON_SPEC = season_screen_time.SPEC
