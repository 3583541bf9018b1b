"""The keys from the crops of a track to named people: sampling, clustering, cleanup, facebank."""

from typing import Literal, get_args

from pydantic import Field, field_validator

from screenalytics_assets.core.config.ranges import MAX_COUNT, MAX_SIDE_PX, Cosine, Margin, Score
from screenalytics_assets.core.config.section import Section

SamplingStrategy = Literal["uniform", "quality_weighted", "stratified"]

_MAX_SHARPNESS = 1_040_400
"""1020²: the Laplacian of 8-bit pixels lies between -4·255 and 4·255."""


class FacesSettings(Section):
    """Quality filter of the crops, and how many of them are embedded (``faces_embed_sampling.yaml``)."""

    min_quality_score: float = Field(0.35, ge=0, le=1, description="Minimum quality_score of an embedded face.")
    min_confidence: Score | None = Field(
        None,
        description="Minimum score of an embedded face; null takes the track_thresh of the models.",
    )
    min_face_size: float = Field(
        32.0, ge=1, le=MAX_SIDE_PX, description="Minimum shorter side of the face box, in pixels."
    )
    min_inside_fraction: float = Field(
        0.8,
        ge=0,
        le=1,
        description="Minimum part of the aligned 112 px crop inside the frame; its outer fifth has no eyes or mouth.",
    )
    min_sharpness: float = Field(
        10.0, ge=0, le=_MAX_SHARPNESS, description="Minimum Laplacian variance inside the face, on the aligned crop."
    )
    max_yaw_angle: float = Field(60.0, gt=0, le=90, description="Maximum yaw to either side, in degrees.")
    max_pitch_angle: float = Field(45.0, gt=0, le=90, description="Maximum pitch up or down, in degrees.")
    sampling_strategy: SamplingStrategy = Field(
        "stratified",
        description="How the crops of a track are chosen, if possible among those embedded for the appearance split: "
        "at even steps, the best ones, or the best one in each stretch.",
    )
    max_crops_per_track: int = Field(16, ge=1, le=MAX_COUNT, description="Maximum number of embedded faces in a track.")
    max_crops_per_episode: int = Field(
        10_000, ge=1, le=MAX_COUNT, description="Maximum number of embedded faces in an episode."
    )
    save_crops: bool = Field(True, description="Write each embedded face as a JPEG file.")


class OutlierHandling(Section):
    """What happens to a track that does not fit the identity it was clustered into."""

    treat_as_singletons: bool = Field(
        True,
        description="An outlier becomes a singleton identity; otherwise it stays unassigned, with a reason.",
    )
    mark_low_cohesion: bool = Field(
        True, description="Flag identities whose tracks are not very similar to each other."
    )


class ClusteringSettings(Section):
    """Which tracks are one person (``clustering.yaml``)."""

    cluster_thresh: Cosine | None = Field(
        None,
        description="Mean cosine similarity at which clusters of many faces merge; null takes the embedder's own.",
    )
    tight_thresh: Cosine | None = Field(
        None,
        description="The same for two clusters of one face each; null takes the embedder's own.",
    )
    min_identity_sim: Cosine | None = Field(
        None,
        description="Minimum mean similarity of a track to the rest of its identity; null takes the embedder's own.",
    )
    min_cohesion: Cosine | None = Field(
        None,
        description="Identities whose tracks are on average less similar are flagged; null takes the embedder's own.",
    )
    min_cluster_size: int = Field(1, ge=1, le=MAX_COUNT, description="Identities with fewer tracks are outliers.")
    cannot_link_enabled: bool = Field(
        True, description="Tracks seen at the same time are never one person (cannot-link)."
    )
    cannot_link_min_frames: int = Field(
        3, ge=1, le=MAX_COUNT, description="Minimum number of shared analysed frames for a cannot-link."
    )
    cannot_link_max_iou: float = Field(
        0.3, gt=0, le=1, description="Frames in which the two boxes overlap this much or more (IoU) do not count."
    )
    count_pictures: bool = Field(
        False,
        description="Photos, posters, drawings and frozen frames count as people; otherwise they stay unassigned.",
    )
    outlier_handling: OutlierHandling = OutlierHandling()


CleanupAction = Literal["split_tracks", "reembed", "recluster", "group_clusters"]
CLEANUP_ACTIONS: tuple[CleanupAction, ...] = get_args(CleanupAction)
"""The phases of the cleanup, in their order."""


class CleanupSettings(Section):
    """Which phases of the cleanup are on, and their own thresholds (``cleanup.yaml``)."""

    actions: list[CleanupAction] = Field(
        list(CLEANUP_ACTIONS),
        description="Phases that are switched on, in any order; the others pass on their input unchanged.",
    )
    reembed_min_quality_score: float = Field(
        0.6, ge=0, le=1, description="Minimum quality_score of a face in reembed, if its track has enough better ones."
    )
    reembed_max_yaw_angle: float = Field(
        45.0,
        gt=0,
        le=90,
        description="Maximum yaw to either side in reembed, in degrees, if its track has enough other faces.",
    )
    reembed_min_faces: int = Field(
        4,
        ge=1,
        le=MAX_COUNT,
        description="A track keeps at least this many of its best faces, even outside the two limits of reembed.",
    )
    recluster_thresh: Cosine | None = Field(
        None, description="The cluster_thresh of recluster; null takes the embedder's own."
    )
    recluster_tight_thresh: Cosine | None = Field(
        None, description="The tight_thresh of recluster; null takes the embedder's own."
    )
    name_similarity: Cosine | None = Field(
        None,
        description="Minimum mean similarity of an identity to the photos of a person, or to another identity, to be "
        "the same person in group_clusters; null takes the embedder's own.",
    )
    name_margin: Margin | None = Field(
        None,
        description="Minimum lead over the second most similar person. Outliers and identities of low cohesion must "
        "also exceed name_similarity by this; null takes the embedder's own.",
    )
    join_probability: float = Field(
        0.9,
        gt=0.5,
        le=1,
        description="Minimum probability with which group_clusters joins a track that is alone, or has no accepted "
        "face, to a person; 1 joins none.",
    )

    @field_validator("actions", mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("actions")
    @classmethod
    def _in_order(cls, value: list[CleanupAction]) -> list[CleanupAction]:
        return [action for action in CLEANUP_ACTIONS if action in value]


class FacebankSettings(Section):
    """Quality filter of the photos of known people, and their minimum similarity (``facebank.yaml``)."""

    photo_min_face_size: float = Field(
        40.0, ge=1, le=MAX_SIDE_PX, description="Minimum shorter side of the face box in a photo, in pixels."
    )
    photo_min_sharpness: float = Field(
        20.0, ge=0, le=_MAX_SHARPNESS, description="Minimum Laplacian variance of the aligned 112 px crop of a photo."
    )
    photo_min_inside_fraction: float = Field(
        0.5, ge=0, le=1, description="Minimum fraction of the aligned 112 px crop inside the photo."
    )
    photo_max_second_face: float = Field(
        0.5,
        ge=0,
        le=1,
        description="A photo shows several people if its second largest face is larger than this fraction of the "
        "largest.",
    )
    min_photo_sim: Cosine | None = Field(
        None,
        description="Minimum similarity of a photo to a track or photo of one person; null takes the embedder's own.",
    )
