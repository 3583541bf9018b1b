"""``track_metrics.json``: the figures by which an episode is judged."""

from screenalytics_assets.core.documents.document import Document
from screenalytics_assets.core.documents.identities import ClusterStats


class SplitCounts(Document):
    """Tracks that begin at a split, by the reason of the split.

    Attributes:
        hard: Two consecutive crops are very unlike the face so far, but similar to each other.
        streak: Several consecutive crops are unlike the face so far, but similar to each other.
        iou: The box jumps, and the crops on both sides are dissimilar.
    """

    hard: int
    streak: int
    iou: int


class DetectTrackMetrics(Document):
    """Detection and tracking.

    Attributes:
        duration_s: Duration of the video.
        damaged_s: Seconds in which the video is damaged or missing.
        shots: Number of shots.
        detections: Number of detections.
        untracked_detections: Detections in no track.
        tracks: Number of tracks.
        tracks_per_minute: Tracks per minute of video.
        short_track_fraction: Share of tracks under 1 s.
        mean_track_s: Mean duration of a track.
        splits: Tracks that begin at a split.
        rebirths: Tracks that begin after a gap where another one ended.
        id_switch_rate: (splits + rebirths) / tracks.
    """

    duration_s: float
    damaged_s: float
    shots: int
    detections: int
    untracked_detections: int
    tracks: int
    tracks_per_minute: float
    short_track_fraction: float
    mean_track_s: float
    splits: SplitCounts
    rebirths: int
    id_switch_rate: float


class CropStats(Document):
    """Crops and the faces that were accepted from them.

    Attributes:
        total_crops: Crops that were written.
        blank_crops: Crops that show nothing and were not written.
        blank_fraction: Their share of all crops.
        faces: Number of accepted faces.
        quality_mean: Mean ``quality_score`` of the accepted faces.
        rejection_rate: Share of tracked detections that the quality filter rejected.
        rejected: Number of candidates without a vector, by reason.
        blank_crops_written: Accepted faces whose stored crop shows nothing; must be 0.
        max_faces_per_track: Faces of the track with the most.
        max_crops_per_track: The configured limit for that.
        vector_dimension: Numbers in a vector.
        vector_norm_error: Largest distance of a vector's length from 1.
    """

    total_crops: int
    blank_crops: int
    blank_fraction: float
    faces: int
    quality_mean: float
    rejection_rate: float
    rejected: dict[str, int]
    blank_crops_written: int
    max_faces_per_track: int
    max_crops_per_track: int
    vector_dimension: int
    vector_norm_error: float


class TrackMetrics(Document):
    """The figures of an episode by what they measure.

    Attributes:
        ep_id: The episode.
        detect_track_metrics: Detection and tracking.
        crop_stats: Crops and accepted faces.
        cluster_metrics: Identities before the cleanup.
    """

    ep_id: str
    detect_track_metrics: DetectTrackMetrics
    crop_stats: CropStats
    cluster_metrics: ClusterStats
