"""Which crops of a published episode were accepted and rejected."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resources.storage.artifacts import Artifact
from resources.storage.crop_file import read_crops
from resources.storage.store import ArtifactStore, require_artifact
from resources.system.files import write_whole
from screenalytics_assets.core.common.episode_ids import parse_ep_id
from screenalytics_assets.core.common.errors import ArtifactError
from screenalytics_assets.core.common.layout import crop_sheet_path
from screenalytics_assets.core.config.people_keys import FacesSettings
from screenalytics_assets.core.embedding.quality_filter import Criterion, criteria_of
from screenalytics_assets.core.quality.crop_review import Candidate, CropReview, Spread, review_crops
from screenalytics_assets.reports.pictures.crop_sheet import CropCell, SheetSection, check_sheet_path, draw_sheet

EXAMPLES = 16
"""Crops of each kind on the contact sheet, two rows."""


@dataclass(frozen=True)
class EpisodeCrops:
    """The crops of an episode and the review of them.

    Attributes:
        ep_id: The episode.
        review: Reasons, distributions and examples.
        criteria: The limits that the published faces were filtered by.
        face_crops: The published crops.
    """

    ep_id: str
    review: CropReview
    criteria: Sequence[Criterion]
    face_crops: Artifact

    def sheet(self, suffix: str) -> bytes:
        """The contact sheet as a picture in the format of the suffix."""
        sections = [
            SheetSection("embedded, lowest quality", [_by_quality(crop) for crop in self.review.worst]),
            SheetSection("embedded, closest to a limit", [_by_limit(crop) for crop in self.review.accepted_borderline]),
            SheetSection("rejected, closest to a limit", [_by_limit(crop) for crop in self.review.rejected_borderline]),
        ]
        shown = {cell.detection_id for section in sections for cell in section.cells}
        crops = dict(read_crops(self.face_crops.path("face_crops.parquet"), shown))
        return draw_sheet(sections, crops, suffix)

    def to_dict(self) -> dict[str, Any]:
        """The review as JSON."""
        review = self.review
        return {
            "ep_id": self.ep_id,
            "accepted": review.accepted,
            "rejected": sum(review.reasons.values()),
            "reasons": dict(review.reasons),
            "limits": {criterion.key: criterion.limit for criterion in self.criteria},
            "measures": {
                name: {"accepted": _plain(accepted), "rejected": _plain(rejected)}
                for name, (accepted, rejected) in review.spreads.items()
            },
            "worst_accepted": [crop._asdict() for crop in review.worst],
            "borderline": {
                "accepted": [crop._asdict() for crop in review.accepted_borderline],
                "rejected": [crop._asdict() for crop in review.rejected_borderline],
            },
        }


def write_sheet(reviewed: EpisodeCrops, store: ArtifactStore, out: Path | None) -> str:
    """Write the contact sheet to ``out``, or below the reports of the episode, and return its location."""
    if out is None:
        place = crop_sheet_path(reviewed.ep_id)
        return store.write(place, reviewed.sheet(Path(place).suffix))
    check_sheet_path(out)
    write_whole(out, reviewed.sheet(out.suffix))
    return str(out)


def review_published(store: ArtifactStore, ep_id: str) -> EpisodeCrops:
    """Review the published faces of an episode by the limits that they were filtered by.

    Raises:
        ConfigurationError: The episode id is malformed.
        ArtifactError: The faces are not published, or the detections have changed since.
    """
    parse_ep_id(ep_id)
    faces, detections, face_crops = (
        require_artifact(store, name, ep_id) for name in ("faces", "detections", "face_crops")
    )
    for source in (detections, face_crops):
        if faces.manifest.inputs[source.manifest.asset] != source.manifest.content_digest:
            raise ArtifactError(
                f"{ep_id}: {source.manifest.asset} have changed since faces were made from them; "
                f"run: screenalytics run --ep-id {ep_id}"
            )
    criteria = _criteria(faces.manifest.config)
    review = review_crops(
        faces.table("faces.parquet"),
        detections.table("detections.parquet"),
        faces.table("crops_debug.parquet"),
        criteria,
        examples=EXAMPLES,
    )
    return EpisodeCrops(ep_id, review, criteria, face_crops)


def _criteria(config: Mapping[str, Any]) -> list[Criterion]:
    keys = FacesSettings.model_fields
    settings = FacesSettings.model_validate({key: value for key, value in config.items() if key in keys})
    return criteria_of(settings, min_confidence=config["min_confidence"])


def _plain(spread: Spread) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in spread._asdict().items()
    }


def _by_quality(crop: Candidate) -> CropCell:
    return CropCell(crop.detection_id, (_place(crop), f"quality {crop.quality_score:.2f}"))


def _by_limit(crop: Candidate) -> CropCell:
    name = crop.measure.removesuffix("_score").removesuffix("_fraction")
    return CropCell(crop.detection_id, (_place(crop), f"{name} {crop.value:.3g} / {crop.limit:g}"))


def _place(crop: Candidate) -> str:
    return f"{crop.track_id.removeprefix('track-')} f{crop.frame_idx}"
