"""The photos of a facebank as a table and as a contact sheet."""

from collections.abc import Mapping

from screenalytics_assets.core.documents.facebank import PhotoDecision, PublishedFacebank
from screenalytics_assets.reports.pictures.contact_sheets import SheetRow, contact_sheet


def photo_rows(facebank: PublishedFacebank) -> list[dict[str, str]]:
    """Every photo with the decision about it, its reason and the measured values."""
    return [_photo_row(photo) for photo in facebank.photos]


def _photo_row(photo: PhotoDecision) -> dict[str, str]:
    def figure(value: float | None, form: str) -> str:
        return "" if value is None else format(value, form)

    other = figure(photo.other_similarity, ".2f")
    return {
        "photo": photo.photo_id,
        "decision": photo.decision,
        "reason": (photo.reason or photo.remark or "").replace("_", " "),
        "face_px": figure(photo.face_px, ".0f"),
        "sharpness": figure(photo.sharpness, ".0f"),
        "quality": figure(photo.quality_score, ".2f"),
        "own": figure(photo.own_similarity, ".2f"),
        "nearest other": f"{other} {photo.other_person_id}" if other else "",
    }


def photo_sheet(facebank: PublishedFacebank, crops: Mapping[str, bytes]) -> bytes:
    """The accepted faces of each person, one row per person, as a JPEG."""
    rows = []
    for person in facebank.people:
        own = [photo for photo in facebank.photos if photo.person_id == person.person_id]
        shown = [crops[photo.photo_id] for photo in own if photo.decision == "accepted"]
        rows.append(SheetRow(person.person_id, f"{len(shown)} of {len(own)} photos", shown))
    return contact_sheet(rows)
