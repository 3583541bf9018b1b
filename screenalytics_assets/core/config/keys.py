"""Every configuration key of the pipeline, its default and its range.

A key has one name everywhere: in the stage's YAML file, in a profile, as ``SCREENALYTICS_<KEY>`` in the
environment (a dot becomes two underscores), on the command line and in the run configuration.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator

from screenalytics_assets.core.video.shot_detection import ShotSettings


class Section(BaseModel):
    """The keys of one file below ``config/pipeline``."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False, protected_namespaces=()
    )


_SHOTS = ShotSettings()


class DetectionSettings(Section):
    """Shot cuts, face detection and the face crops that are kept (``detection.yaml``)."""

    frame_stride: int = Field(
        3, ge=1, description="Where something changes, analyse every n-th frame of a shot; its first always."
    )
    detection_fps_limit: float = Field(
        10.0, gt=0, description="Analyse at most this many frames a second, whatever frame_stride says."
    )
    still_interval_s: float = Field(
        1.0, ge=0, description="Where two looks this far apart show the same, there is none between them; 0 is off."
    )
    every_frame: bool = Field(
        False,
        description="Decode every frame; without it those that no other one is predicted from are left out.",
    )
    detector_input_px: int = Field(640, ge=160, le=4096, description="Longer side of the picture the detector sees.")
    closeup_input_px: int = Field(
        256,
        ge=0,
        le=1024,
        description="Longer side of a second, coarse pass for faces that fill the frame; 0 is off.",
    )
    close_look_scale: float = Field(1.5, ge=1, le=4, description="How many times as large a close look sees; 1 is off.")
    close_look_interval_s: float = Field(
        4.0, gt=0, description="Time between close looks; the first analysed frame of a shot always gets one."
    )
    confidence_th: float | None = Field(
        None, ge=0, le=1, description="Score from which a box is a face by itself; null takes the detector's own."
    )
    weak_confidence_fraction: float = Field(
        0.5, gt=0, le=1, description="From this part of confidence_th on a box may continue a face; 1 is off."
    )
    nms_iou: float = Field(0.4, gt=0, le=1, description="Boxes that overlap more are one face.")
    min_box_px: float = Field(12.0, ge=2, description="Boxes whose shorter side is less are refused as degenerate.")
    thumb_size: int = Field(
        160,
        ge=112,
        le=512,
        multiple_of=2,
        description="Side of the stored aligned crop; its centre 112 px are embedded.",
    )
    jpeg_quality: int = Field(95, ge=50, le=100, description="JPEG quality of the stored crops.")
    cut_threshold: float = Field(
        _SHOTS.cut_threshold, gt=0, lt=1, description="Least picture difference that can be a cut."
    )
    cut_ratio: float = Field(
        _SHOTS.cut_ratio, ge=1, description="How much larger than its neighbours a difference must be."
    )
    flash_max_s: float = Field(
        _SHOTS.flash_max_s,
        ge=0,
        le=_SHOTS.context_s,
        description="A picture that returns within this time was a flash, not a cut.",
    )
    min_shot_s: float = Field(_SHOTS.min_shot_s, ge=0, le=_SHOTS.context_s, description="Shortest shot.")


class TrackingSettings(Section):
    """Following faces inside a shot (``tracking.yaml``)."""

    track_thresh: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Score from which a detection starts a track; null takes the detector's own.",
    )
    match_thresh: float = Field(
        0.2,
        gt=0,
        lt=1,
        description="Least overlap (IoU) of a detection with the box that a track predicts. Higher is stricter.",
    )
    track_buffer_s: float = Field(0.6, ge=0, description="A track that is not seen for longer has ended.")
    gate_enabled: bool = Field(True, description="Divide tracks where the face changes, and join those of one face.")
    gate_interval_s: float = Field(
        0.5, gt=0, description="The best crop of each such stretch of a track is embedded, and all where it changes."
    )
    gate_still_s: float = Field(
        2.0, ge=0, description="Not embedded again for so long is a crop whose picture stays the same; 0 embeds it."
    )
    gate_hard_sim: float | None = Field(
        None,
        gt=-1,
        lt=1,
        description="Less similar to the track so far is another face; null takes the embedder's own.",
    )
    gate_soft_sim: float | None = Field(
        None,
        gt=-1,
        lt=1,
        description="Less similar is doubtful, more similar is the same face; null takes the embedder's own.",
    )
    gate_streak: int = Field(3, ge=2, description="So many doubtful embedded detections in a row are another face.")
    gate_iou: float = Field(
        0.1, ge=0, lt=1, description="Consecutive boxes that overlap less are one face only if their crops are alike."
    )
    rejoin_gap_s: float = Field(
        2.0, ge=0, description="Tracks of a shot that show the same face at most this far apart are one track."
    )


class FacesSettings(Section):
    """Which crops are good enough, and how many of them are embedded (``faces_embed_sampling.yaml``)."""

    min_quality_score: float = Field(0.35, ge=0, le=1, description="Least quality_score of an embedded face.")
    min_confidence: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Least detector score of an embedded face; null takes the detector's track_thresh.",
    )
    min_face_size: float = Field(32.0, ge=1, description="Least shorter side of the face box, in pixels.")
    min_inside_fraction: float = Field(
        0.8,
        ge=0,
        le=1,
        description="Least part of the aligned 112 px crop that is inside the frame; eyes and mouth begin at a fifth.",
    )
    min_sharpness: float = Field(
        10.0, ge=0, description="Least Laplacian variance inside the face, on the aligned crop."
    )
    max_yaw_angle: float = Field(60.0, gt=0, le=90, description="Largest turn to the side, in degrees.")
    max_pitch_angle: float = Field(45.0, gt=0, le=90, description="Largest nod, in degrees.")
    sampling_strategy: Literal["uniform", "quality_weighted", "stratified"] = Field(
        "stratified",
        description="How a track's crops, if any those that the gate embedded, are chosen: evenly, the best ones, or "
        "the best of each stretch.",
    )
    max_crops_per_track: int = Field(16, ge=1, description="At most this many faces stand for a track.")
    max_crops_per_episode: int = Field(10_000, ge=1, description="At most this many faces of an episode are embedded.")
    save_crops: bool = Field(True, description="Write each embedded face as a JPEG file of its own.")


class OutlierHandling(Section):
    """What becomes of a track that does not fit the identity it was clustered into."""

    treat_as_singletons: bool = Field(
        True,
        description="An outlier becomes an identity of its own; otherwise it stays unassigned, with the reason.",
    )
    mark_low_cohesion: bool = Field(True, description="Flag identities whose tracks resemble each other little.")


class ClusteringSettings(Section):
    """Which tracks are one person (``clustering.yaml``)."""

    cluster_thresh: float | None = Field(
        None,
        gt=-1,
        lt=1,
        description="Mean cosine similarity at which clusters of many faces merge; null takes the embedder's own.",
    )
    tight_thresh: float | None = Field(
        None,
        gt=-1,
        lt=1,
        description="The same for two clusters of a single face each; null takes the embedder's own.",
    )
    min_identity_sim: float | None = Field(
        None,
        gt=-1,
        lt=1,
        description="Least mean similarity of a track to the rest of its identity; null takes the embedder's own.",
    )
    min_cohesion: float | None = Field(
        None,
        gt=-1,
        lt=1,
        description="Identities whose tracks are on average less similar are flagged; null takes the embedder's own.",
    )
    min_cluster_size: int = Field(1, ge=1, description="Identities with fewer tracks are outliers.")
    cannot_link_enabled: bool = Field(True, description="Tracks that are seen together are never one person.")
    cannot_link_min_frames: int = Field(
        3, ge=1, description="Seen together are tracks that share at least this many analysed frames."
    )
    cannot_link_max_iou: float = Field(
        0.3, gt=0, le=1, description="Frames in which their boxes overlap this much or more (IoU) do not count."
    )
    outlier_handling: OutlierHandling = OutlierHandling()


CleanupAction = Literal["split_tracks", "reembed", "recluster", "group_clusters"]
CLEANUP_ACTIONS: tuple[CleanupAction, ...] = get_args(CleanupAction)
"""The phases of the cleanup, in their order."""


class CleanupSettings(Section):
    """Which phases of the cleanup change something, and what they do otherwise than before (``cleanup.yaml``)."""

    actions: list[CleanupAction] = Field(
        list(CLEANUP_ACTIONS),
        description="Phases that are switched on, in any order; the others pass on what they get.",
    )
    reembed_min_quality_score: float = Field(
        0.6, ge=0, le=1, description="Least quality_score of a face in reembed, where its track has better ones."
    )
    reembed_max_yaw_angle: float = Field(
        45.0, gt=0, le=90, description="Largest turn to the side in reembed, in degrees, where the track has others."
    )
    reembed_min_faces: int = Field(
        4, ge=1, description="A track keeps so many of its best faces, also those below the two limits of reembed."
    )
    recluster_thresh: float | None = Field(
        None, gt=-1, lt=1, description="The cluster_thresh of recluster; null takes the embedder's own."
    )
    recluster_tight_thresh: float | None = Field(
        None, gt=-1, lt=1, description="The tight_thresh of recluster; null takes the embedder's own."
    )
    name_similarity: float | None = Field(
        None,
        gt=-1,
        lt=1,
        description="Mean similarity of an identity to a person's photos, or to another identity, from which on they "
        "are one person in group_clusters; null takes the embedder's own.",
    )
    name_margin: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="Least lead over the second best; doubtful identities must have it on top of name_similarity too. "
        "Null takes the embedder's own.",
    )

    @field_validator("actions", mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("actions")
    @classmethod
    def _in_order(cls, value: list[CleanupAction]) -> list[CleanupAction]:
        return [action for action in CLEANUP_ACTIONS if action in value]


class ScreenTimeSettings(Section):
    """From sightings to time on screen (``screen_time.yaml``)."""

    gap_tolerance_s: float = Field(
        1.0, ge=0, description="Within a shot, a person who is not seen for at most this long is there all the same."
    )
    edge_padding_s: float = Field(
        0.0, ge=0, description="Each interval is longer by this at both ends, as far as its shot reaches."
    )


class FacebankSettings(Section):
    """Which photos of known people are good enough, and what resembles them (``facebank.yaml``)."""

    photo_min_face_size: float = Field(
        40.0, ge=1, description="Least shorter side of the face box in a photo, in pixels."
    )
    photo_min_sharpness: float = Field(
        20.0, ge=0, description="Least Laplacian variance of the aligned 112 px crop of a photo."
    )
    photo_min_inside_fraction: float = Field(
        0.5, ge=0, le=1, description="Least part of the aligned 112 px crop that is inside the photo."
    )
    photo_max_second_face: float = Field(
        0.5,
        ge=0,
        le=1,
        description="A photo shows several people if its second largest face has more than this part of the largest "
        "one's size.",
    )
    min_photo_sim: float | None = Field(
        None,
        gt=-1,
        lt=1,
        description="Least similarity of a photo to a track or photo of one person; null takes the embedder's own.",
    )


class ModelSettings(Section):
    """Which weights run where (``models.yaml``)."""

    model_pack: str = Field("open", min_length=1, description="Name of a pack in models.yaml.")
    model_dir: str | None = Field(None, description="A folder with a detector and an embedder; overrides model_pack.")
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="cuda fails where there is none; auto takes it where there is."
    )
    cpu_threads: int = Field(0, ge=0, description="Threads of the model runtime; 0 takes the CPU quota.")
    cuda_fp16: bool = Field(False, description="On CUDA, compute in 16 bits instead of 32.")
    cuda_memory_gb: float = Field(
        0.0, ge=0, description="On CUDA, most memory of the card for each model, in GB; 0 is no limit."
    )


class OutputSettings(Section):
    """What is written beside the tables that the graph reads (``output.yaml``)."""

    write_jsonl: bool = Field(True, description="Write the JSONL twin of each table, for people and other programs.")


class Settings(Section):
    """The whole configuration of a run."""

    detection: DetectionSettings = DetectionSettings()
    tracking: TrackingSettings = TrackingSettings()
    faces: FacesSettings = FacesSettings()
    clustering: ClusteringSettings = ClusteringSettings()
    cleanup: CleanupSettings = CleanupSettings()
    facebank: FacebankSettings = FacebankSettings()
    screen_time: ScreenTimeSettings = ScreenTimeSettings()
    models: ModelSettings = ModelSettings()
    output: OutputSettings = OutputSettings()

    def digest(self) -> str:
        """SHA-256 of the values, in hexadecimal."""
        return digest_of(self.model_dump(mode="json"))


STAGE_FILES: Mapping[str, str] = {
    "detection": "detection.yaml",
    "tracking": "tracking.yaml",
    "faces": "faces_embed_sampling.yaml",
    "clustering": "clustering.yaml",
    "cleanup": "cleanup.yaml",
    "facebank": "facebank.yaml",
    "screen_time": "screen_time.yaml",
    "models": "models.yaml",
    "output": "output.yaml",
}


def digest_of(value: object) -> str:
    """SHA-256 of a JSON value in canonical form, in hexadecimal."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _leaves(model: type[BaseModel], prefix: str = "") -> Iterable[str]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _leaves(field.annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def section_of_key() -> dict[str, str]:
    """Each key, for example ``outlier_handling.mark_low_cohesion``, and the section it belongs to."""
    sections = {name: field.annotation for name, field in Settings.model_fields.items()}
    return {
        key: name
        for name, model in sections.items()
        if isinstance(model, type) and issubclass(model, BaseModel)
        for key in _leaves(model)
    }


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """``{"a": {"b": 1}}`` as ``{"a.b": 1}``."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
