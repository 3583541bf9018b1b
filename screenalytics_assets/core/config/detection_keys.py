"""The keys of shot and face detection and of tracking."""

from pydantic import Field

from screenalytics_assets.core.config.ranges import DAY_S, MAX_COUNT, MAX_SIDE_PX, Cosine, Score
from screenalytics_assets.core.config.section import Section

SHOT_CONTEXT_S = 0.2
"""How far the distances around a cut reach on each side, with at least three on each: animation holds each picture for
up to three frames. It is also the look-ahead of the shot detector."""


class DetectionSettings(Section):
    """Shot cuts, face detection and the face crops that are kept (``detection.yaml``)."""

    frame_stride: int = Field(
        3,
        ge=1,
        le=1000,  # 40 s at 25 fps, longer than a shot: only its first frame is analysed
        description="Where something changes, analyse every n-th frame of a shot. The first frame is always analysed.",
    )
    detection_fps_limit: float = Field(
        10.0,
        ge=0.001,
        le=1000,
        description="Upper limit of analysed frames a second; it overrides a smaller frame_stride.",
    )
    still_interval_s: float = Field(
        1.0,
        ge=0,
        le=DAY_S,
        description="Longest time between analysed frames where nothing changes; 0 is off (frame_stride everywhere).",
    )
    every_frame: bool = Field(
        False,
        description="Decode every frame. If false, the decoder skips frames that no other frame refers to.",
    )
    detector_input_px: int = Field(
        640, ge=160, le=4096, description="Longer side of the picture given to the detector, in pixels."
    )
    closeup_input_px: int = Field(
        256,
        ge=0,
        le=1024,
        description="Longer side of the picture of a second, coarse pass for faces that fill the frame; 0 is off.",
    )
    close_look_scale: float = Field(
        1.5, ge=1, le=4, description="Enlargement of the detector's picture in a high-resolution pass; 1 is off."
    )
    close_look_interval_s: float = Field(
        4.0,
        ge=0.001,
        le=DAY_S,
        description="Time between high-resolution passes; the first analysed frame of a shot and all frames of wide "
        "shots get one in any case.",
    )
    confidence_th: Score | None = Field(
        None,
        description="Minimum score of a strong box, which is a face by itself; null takes that of the models.",
    )
    weak_confidence_fraction: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Minimum score of a weak box, confirmed by strong ones, as a fraction of confidence_th; 1 is off.",
    )
    nms_iou: float = Field(
        0.4, gt=0, le=1, description="Non-maximum suppression: boxes with a larger overlap (IoU) are one face."
    )
    min_box_px: float = Field(
        12.0,
        ge=2,
        le=MAX_SIDE_PX,
        description="Boxes with a shorter side below this, in pixels, are refused as degenerate.",
    )
    thumb_size: int = Field(
        160,
        ge=112,
        le=512,
        multiple_of=2,
        description="Side of the stored aligned crop, in pixels; its central 112 px are embedded.",
    )
    jpeg_quality: int = Field(95, ge=50, le=100, description="JPEG quality of the stored crops.")
    # See `structure_distance`. Unrelated pictures have about 64·36 / (π·4²) ≈ 45 independent patches, so their
    # correlation scatters by 1/√45 = 0.15 around 0, and the best of about ten independent shifts is near 0.25:
    # distance 0.75 ± 0.1. The default is three and a half standard deviations below that, so that two views of one
    # room still differ enough.
    cut_threshold: float = Field(0.4, gt=0, lt=1, description="Minimum distance between two pictures across a cut.")
    # In steady motion all distances are equal (1), and after the abrupt start of a pan those on one side are.
    cut_ratio: float = Field(
        2.0, ge=1, le=1_000_000, description="Minimum ratio of the distance across a cut to the distances around it."
    )
    # Photo flashes light one to three frames; this is 3 frames at 24 fps.
    flash_max_s: float = Field(
        0.126,
        ge=0,
        le=SHOT_CONTEXT_S,
        description="If the picture returns within this time, it was a flash and not a cut.",
    )
    # Changes closer than this are one transition (a frame blended by a rate conversion, a torn frame), and the largest
    # is the cut. At 24 fps a shot has at least two frames: a missed cut mixes two people in one track, a false one
    # splits a track that is linked again later.
    min_shot_s: float = Field(0.08, ge=0, le=SHOT_CONTEXT_S, description="Shortest shot.")


class TrackingSettings(Section):
    """Tracking of faces within a shot (``tracking.yaml``)."""

    track_thresh: Score | None = Field(
        None,
        description="Minimum score of a detection that starts a track; null takes that of the models.",
    )
    match_thresh: float = Field(
        0.2,
        gt=0,
        lt=1,
        description="Minimum overlap (IoU) of a detection with the predicted box of a track. Higher is stricter.",
    )
    track_buffer_s: float = Field(
        0.6, ge=0, le=DAY_S, description="A track without a detection for longer than this ends."
    )
    gate_enabled: bool = Field(
        True, description="Split tracks where the face changes, and link tracks of the same face."
    )
    gate_interval_s: float = Field(
        0.5,
        ge=0.001,
        le=DAY_S,
        description="The best crop in each interval of a track is embedded, and all crops where the face may change.",
    )
    gate_still_s: float = Field(
        2.0,
        ge=0,
        le=DAY_S,
        description="A near-duplicate of an embedded crop is not embedded for this long; 0 embeds every one.",
    )
    gate_hard_sim: Cosine | None = Field(
        None,
        description="A detection less similar to its track is another face; null takes the embedder's own.",
    )
    gate_soft_sim: Cosine | None = Field(
        None,
        description="Less similar is ambiguous, more similar the same face; null takes the embedder's own.",
    )
    gate_streak: int = Field(
        3, ge=2, le=MAX_COUNT, description="This many ambiguous embedded detections in a row are another face."
    )
    gate_iou: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="Consecutive boxes with less overlap (IoU) are one face only if their crops are similar.",
    )
    rejoin_gap_s: float = Field(
        2.0,
        ge=0,
        le=DAY_S,
        description="Longest gap between two tracks of the same face in a shot that are linked to one.",
    )
