"""``facebank.json``: the people of a show, and what was decided about each photo."""

from typing import Literal

from screenalytics_assets.core.documents.document import Document


class FacebankStats(Document):
    """Photos and people as numbers.

    Attributes:
        photos_accepted: Photos whose vector is in the facebank.
        photos_refused: The others.
        refused: Number of refused photos by reason.
        people_without_photo: People without an accepted photo, who cannot be named.
    """

    photos_accepted: int
    photos_refused: int
    refused: dict[str, int]
    people_without_photo: tuple[str, ...]


class EnrolledPerson(Document):
    """A person of the show, and the number of accepted photos."""

    person_id: str
    name: str
    photos: int


class PhotoDecision(Document):
    """What was decided about a photo, and the figures behind it.

    Attributes:
        photo_id: Folder and name of the file.
        person_id: The person whose folder it is in.
        sha256: SHA-256 of the file; empty if it is too large to be read.
        decision: Whether its vector is in the facebank.
        reason: Why it was refused, or null.
        remark: ``unlike_own`` or null.
        faces: Number of faces, without small ones in the background.
        confidence: Detector score; this and the next measures are null if there is not exactly one face.
        face_px: Shorter side of the face.
        sharpness: Laplacian variance of the aligned crop.
        yaw: Degrees.
        pitch: Degrees.
        inside_fraction: Share of the face inside the photo.
        quality_score: 0 to 1.
        own_similarity: Mean cosine similarity to the person's other photos, or null.
        other_person_id: The most similar other person, or null.
        other_similarity: Mean cosine similarity to that person's photos, or null.
    """

    photo_id: str
    person_id: str
    sha256: str
    decision: Literal["accepted", "refused"]
    reason: str | None
    remark: str | None
    faces: int
    confidence: float | None
    face_px: float | None
    sharpness: float | None
    yaw: float | None
    pitch: float | None
    inside_fraction: float | None
    quality_score: float | None
    own_similarity: float | None
    other_person_id: str | None
    other_similarity: float | None


class PublishedFacebank(Document):
    """The people of a show as enrolled from photos.

    Attributes:
        show: The show.
        version: Changes whenever a name, a photo or a vector does.
        model_digest: SHA-256 of the embedder.
        stats: Photos and people as numbers.
        people: The people by id.
        photos: Every photo with its decision.
    """

    show: str
    version: str
    model_digest: str
    stats: FacebankStats
    people: tuple[EnrolledPerson, ...]
    photos: tuple[PhotoDecision, ...]

    @property
    def accepted(self) -> list[PhotoDecision]:
        """The photos whose vectors are the rows of ``facebank.npy``, in their order."""
        return [photo for photo in self.photos if photo.decision == "accepted"]

    @property
    def names(self) -> dict[str, str]:
        """The name of each person, by id."""
        return {person.person_id: person.name for person in self.people}
