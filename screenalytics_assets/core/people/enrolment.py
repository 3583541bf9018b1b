"""Photos of known people: the face in each, whether it is good enough, and which people it is similar to."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from screenalytics_assets.core.config.people_keys import FacebankSettings, FacesSettings
from screenalytics_assets.core.detection.alignment import aligned_crop, embedding_crop
from screenalytics_assets.core.detection.detection_table import BoxLocation, DetectionRows
from screenalytics_assets.core.detection.face_boxes import FrameFaces
from screenalytics_assets.core.detection.quality import is_blank, laplacian_variance
from screenalytics_assets.core.documents.facebank import EnrolledPerson, FacebankStats, PhotoDecision, PublishedFacebank
from screenalytics_assets.core.embedding.quality_filter import rejection_reasons

Detect = Callable[[NDArray[np.uint8]], FrameFaces]
"""From a picture (H, W, 3) BGR to its faces."""

UNREADABLE, NO_FACE, SEVERAL_FACES, DUPLICATE = "unreadable", "no_face", "several_faces", "duplicate"
TOO_MANY_PIXELS, TOO_MANY_BYTES = "too_many_pixels", "too_many_bytes"
RESEMBLES_OTHER = "resembles_other"
UNLIKE_OWN = "unlike_own"
"""Remark on an accepted photo that is not similar enough to any of the person's other photos."""

_BORDER = 0.5
"""Width of the border around a photo that a face fills, as a fraction of its longer side. With it the face has the size
of faces in video, where detectors place landmarks well; a face as high as the picture is placed badly or missed."""
_FILLS = 0.3
"""A face fills a photo if its shorter side is more than this fraction of the photo's longer side."""
_MEASURES = ("confidence", "face_px", "sharpness", "yaw", "pitch", "inside_fraction", "quality_score")


@dataclass(frozen=True)
class PhotoFinding:
    """A photo, the decision about it, and the reasons.

    Attributes:
        photo_id: Folder and name of the file.
        person_id: The person whose folder it is in.
        sha256: Of the file; empty if the file is too large to be read.
        reason: Why it was refused; empty when it was accepted.
        faces: Number of faces in it, not counting small ones in the background.
        measures: Confidence, size, sharpness, pose and quality of the face, as for faces in episodes.
        crop: The aligned crop of the face (S, S, 3) BGR, where there is one.
        own_similarity: Mean cosine similarity to the person's other photos; None without any.
        other_person_id: The other person that it is most similar to.
        other_similarity: Mean cosine similarity to the photos of that person.
        remark: ``unlike_own`` or nothing.
    """

    photo_id: str
    person_id: str
    sha256: str
    reason: str = ""
    faces: int = 0
    measures: dict[str, float | None] | None = None
    crop: NDArray[np.uint8] | None = None
    own_similarity: float | None = None
    other_person_id: str | None = None
    other_similarity: float | None = None
    remark: str = ""

    @property
    def is_accepted(self) -> bool:
        """Whether its vector goes into the facebank."""
        return not self.reason

    @property
    def decision(self) -> PhotoDecision:
        """The finding as it is published."""
        return PhotoDecision(
            photo_id=self.photo_id,
            person_id=self.person_id,
            sha256=self.sha256,
            decision="accepted" if self.is_accepted else "refused",
            reason=self.reason or None,
            remark=self.remark or None,
            faces=self.faces,
            **{name: (self.measures or {}).get(name) for name in _MEASURES},
            own_similarity=_rounded(self.own_similarity),
            other_person_id=self.other_person_id,
            other_similarity=_rounded(self.other_similarity),
        )


def faces_of_photo(photo_bgr: NDArray[np.uint8], detect: Detect) -> FrameFaces:
    """The faces of a photo; if a face fills it, or none is found, they are detected again with a border around it.

    Args:
        photo_bgr: (H, W, 3) uint8.
        detect: The run's detector.

    Returns:
        Boxes and landmarks in pixels of the photo; they may reach outside.
    """
    longer_px = max(photo_bgr.shape[:2])
    faces = detect(photo_bgr)
    if len(faces) and _sizes_px(faces).max() <= _FILLS * longer_px:
        return faces
    border_px = round(_BORDER * longer_px)
    bordered = cv2.copyMakeBorder(
        photo_bgr, border_px, border_px, border_px, border_px, cv2.BORDER_CONSTANT, value=(0, 0, 0)
    )
    found = detect(np.asarray(bordered, np.uint8))
    if not len(found):
        return faces
    return FrameFaces(found.boxes_px - border_px, found.scores, found.landmarks_px - border_px)


def analyse_photo(
    finding: PhotoFinding,
    photo_bgr: NDArray[np.uint8] | None,
    detect: Detect,
    settings: FacebankSettings,
    faces_settings: FacesSettings,
    *,
    crop_px: int,
) -> PhotoFinding:
    """Find and measure the face of a photo, and decide whether it is good enough.

    Args:
        finding: The photo, before it was analysed.
        photo_bgr: (H, W, 3) uint8, or None if the file is not a picture.
        detect: The run's detector.
        settings: Limits for photos.
        faces_settings: Limits for faces in episodes, which hold for photos too.
        crop_px: Side of the aligned crop.
    """
    if photo_bgr is None:
        return replace(finding, reason=UNREADABLE)
    faces = faces_of_photo(photo_bgr, detect)
    if not len(faces):
        return replace(finding, reason=NO_FACE)
    sizes_px = _sizes_px(faces)
    largest = int(sizes_px.argmax())
    count = int((sizes_px > settings.photo_max_second_face * sizes_px[largest]).sum())
    if count > 1:
        return replace(finding, reason=SEVERAL_FACES, faces=count)
    return _measure(replace(finding, faces=1), photo_bgr, faces, largest, settings, faces_settings, crop_px)


def _measure(
    finding: PhotoFinding,
    photo_bgr: NDArray[np.uint8],
    faces: FrameFaces,
    row: int,
    settings: FacebankSettings,
    faces_settings: FacesSettings,
    crop_px: int,
) -> PhotoFinding:
    height, width = photo_bgr.shape[:2]
    try:
        crop = aligned_crop(photo_bgr, faces.landmarks_px[row], crop_px=crop_px)
    except ValueError:
        return replace(finding, reason=NO_FACE)  # landmarks that coincide
    face = embedding_crop(crop)
    measured = DetectionRows(finding.photo_id)
    location = BoxLocation(0, 0.0, 0, faces.boxes_px[row], (width, height))
    measured.accept(location, faces.landmarks_px[row], float(faces.scores[row]), laplacian_variance(face))
    table = measured.detections()
    limits = faces_settings.model_copy(
        update={
            "min_face_size": settings.photo_min_face_size,
            "min_sharpness": settings.photo_min_sharpness,
            "min_inside_fraction": settings.photo_min_inside_fraction,
        }
    )
    # The detector has applied its limit of the score already.
    reason = str(rejection_reasons(table, np.array([not is_blank(face)]), limits, min_confidence=0.0)[0])
    measures = {name: _rounded(value) for name, value in table.select(_MEASURES).to_pylist()[0].items()}
    return replace(finding, reason=reason, measures=measures, crop=crop)


def refuse_duplicates(findings: Sequence[PhotoFinding]) -> list[PhotoFinding]:
    """Refuse a photo that is the same file as an earlier one of the same person: it would count twice."""
    seen: set[tuple[str, str]] = set()
    result = []
    for finding in findings:
        key = (finding.person_id, finding.sha256)
        result.append(replace(finding, reason=DUPLICATE) if finding.is_accepted and key in seen else finding)
        if finding.is_accepted:
            seen.add(key)
    return result


def compare_photos(
    findings: Sequence[PhotoFinding], vectors: NDArray[np.float32], *, min_photo_sim: float
) -> list[PhotoFinding]:
    """Compare each photo with the person's other photos and with those of all other people.

    A photo is refused if it is as similar to another person as photos of one person are, and more similar than to its
    own person: it would give the wrong name. A photo that is not similar to anyone, not even to its own person, is
    accepted with a remark.

    Args:
        findings: Accepted photos.
        vectors: (N, 512) float32, unit norm, one a photo.
        min_photo_sim: Least similarity of two photos of the same person.
    """
    people = sorted({finding.person_id for finding in findings})
    owner = np.array([people.index(finding.person_id) for finding in findings], np.int64)
    similarities = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    belongs = owner[:, None] == np.arange(len(people))
    sums, counts = similarities @ belongs, belongs.sum(axis=0)
    result = []
    for row, finding in enumerate(findings):
        own_count = counts[owner[row]] - 1
        own = (sums[row, owner[row]] - similarities[row, row]) / own_count if own_count else None
        means = np.where(np.arange(len(people)) == owner[row], -np.inf, sums[row] / counts)
        best = int(means.argmax())
        judged = _judged(finding, own, (people[best], means[best]) if len(people) > 1 else None, min_photo_sim)
        # The most similar photo counts, so that one odd photo does not make the others odd.
        nearest = np.delete(similarities[row], row)[np.delete(owner, row) == owner[row]]
        is_odd = judged.is_accepted and own_count and nearest.max() < min_photo_sim
        result.append(replace(judged, remark=UNLIKE_OWN) if is_odd else judged)
    return result


def _judged(
    finding: PhotoFinding, own: float | None, other: tuple[str, float] | None, min_photo_sim: float
) -> PhotoFinding:
    figures = replace(
        finding,
        own_similarity=None if own is None else float(own),
        other_person_id=other[0] if other else None,
        other_similarity=float(other[1]) if other else None,
    )
    if other and other[1] >= min_photo_sim and (own is None or other[1] > own):
        return replace(figures, reason=RESEMBLES_OTHER)
    return figures


def facebank_of(
    show: str, version: str, model_digest: str, names: Mapping[str, str], findings: Sequence[PhotoFinding]
) -> PublishedFacebank:
    """The published document: every person, and every photo with its decision."""
    accepted = Counter(finding.person_id for finding in findings if finding.is_accepted)
    return PublishedFacebank(
        show=show,
        version=version,
        model_digest=model_digest,
        stats=FacebankStats(
            photos_accepted=accepted.total(),
            photos_refused=len(findings) - accepted.total(),
            refused=dict(Counter(finding.reason for finding in findings if finding.reason)),
            people_without_photo=tuple(sorted(set(names) - set(accepted))),
        ),
        people=tuple(
            EnrolledPerson(person_id=person_id, name=name, photos=accepted[person_id])
            for person_id, name in sorted(names.items())
        ),
        photos=tuple(finding.decision for finding in findings),
    )


def _sizes_px(faces: FrameFaces) -> NDArray[np.float32]:
    sides = faces.boxes_px[:, 2:] - faces.boxes_px[:, :2]
    smallest: NDArray[np.float32] = sides.min(axis=1)
    return smallest


def _rounded(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else round(float(value), 4)
