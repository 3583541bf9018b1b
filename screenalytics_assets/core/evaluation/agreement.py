"""How far one detector finds what another one finds, in pictures and in the people at the end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

from screenalytics_assets.core.common.geometry import iou_matrix
from screenalytics_assets.core.detection.face_boxes import FrameFaces

MIN_IOU = 0.5
MIN_SHARE = 0.98
MAX_LANDMARK_PX = 1.0
MIN_RAND = 0.98
_NOBODY = ""


@dataclass(frozen=True)
class FaceAgreement:
    """Faces of the same frames, found by a reference and by a candidate.

    Attributes:
        faces: Faces of the reference.
        candidate_faces: Faces of the candidate.
        found: Share of the reference's faces that the candidate has, with an IoU above 0.5.
        right: Share of the candidate's faces that the reference has.
        landmark_px: Median distance of the landmarks of shared faces, in pixels of the detector's input.
    """

    faces: int
    candidate_faces: int
    found: float
    right: float
    landmark_px: float


@dataclass(frozen=True)
class IdentityAgreement:
    """The people of one episode, once from each detector.

    Attributes:
        identities: How many the reference leads to.
        candidate_identities: How many the candidate leads to.
        rand: Adjusted Rand index over the reference's detections (Hubert and Arabie 1985), where a detection that the
            candidate lacks belongs to nobody.
    """

    identities: int
    candidate_identities: int
    rand: float


def compare_faces(
    reference: Sequence[FrameFaces], candidate: Sequence[FrameFaces], *, input_px_per_frame_px: float
) -> FaceAgreement:
    """Compare frame by frame."""
    found: list[bool] = []
    right: list[bool] = []
    distances_px: list[float] = []
    for expected, got in zip(reference, candidate, strict=True):
        overlaps = iou_matrix(expected.boxes_px, got.boxes_px)
        shared = overlaps.max(axis=1, initial=0) > MIN_IOU
        found += shared.tolist()
        right += (overlaps.max(axis=0, initial=0) > MIN_IOU).tolist()
        for i in np.flatnonzero(shared):
            offsets_px = expected.landmarks_px[i] - got.landmarks_px[overlaps[i].argmax()]
            distances_px += (np.linalg.norm(offsets_px, axis=1) * input_px_per_frame_px).tolist()
    return FaceAgreement(
        len(found),
        len(right),
        float(np.mean(found)) if found else 1.0,
        float(np.mean(right)) if right else 1.0,
        float(np.median(distances_px)) if distances_px else 0.0,
    )


def compare_identities(
    reference: pa.Table,
    candidate: pa.Table,
    reference_identities: Mapping[str, str],
    candidate_identities: Mapping[str, str],
) -> IdentityAgreement:
    """Compare who is who.

    Args:
        reference: Detections, in the declared schema.
        candidate: Those of the candidate.
        reference_identities: The identity of each detection that has one, by detection id.
        candidate_identities: Those of the candidate.
    """
    by_frame: dict[int, list[tuple[str, list[float]]]] = {}
    for detection in candidate.select(["frame_idx", "detection_id", "bbox"]).to_pylist():
        by_frame.setdefault(detection["frame_idx"], []).append((detection["detection_id"], detection["bbox"]))
    labels, others = [], []
    for detection in reference.select(["frame_idx", "detection_id", "bbox"]).to_pylist():
        labels.append(reference_identities.get(detection["detection_id"], _NOBODY))
        twin = _twin(detection["bbox"], by_frame.get(detection["frame_idx"], []))
        others.append(_NOBODY if twin is None else candidate_identities.get(twin, _NOBODY))
    rand = float(adjusted_rand_score(labels, others)) if labels else 1.0
    return IdentityAgreement(len(set(reference_identities.values())), len(set(candidate_identities.values())), rand)


def _twin(bbox: list[float], candidates: Sequence[tuple[str, list[float]]]) -> str | None:
    if not candidates:
        return None
    boxes: NDArray[np.float32] = np.asarray([candidate for _, candidate in candidates], np.float32)
    overlaps = iou_matrix(np.asarray([bbox], np.float32), boxes)[0]
    best = int(overlaps.argmax())
    return candidates[best][0] if overlaps[best] > MIN_IOU else None


def face_disagreements(faces: FaceAgreement) -> list[str]:
    """What keeps a candidate from taking the reference's place, in words with the figures; empty where nothing does."""
    found = [
        (faces.faces > 0, "no face in the frames that were compared"),
        (faces.found >= MIN_SHARE, f"it finds {faces.found:.3f} of the faces, at least {MIN_SHARE} are needed"),
        (faces.right >= MIN_SHARE, f"{faces.right:.3f} of its faces are faces, at least {MIN_SHARE} are needed"),
        (
            faces.landmark_px < MAX_LANDMARK_PX,
            f"its landmarks are {faces.landmark_px:.2f} px off, less than {MAX_LANDMARK_PX:g} is needed",
        ),
    ]
    return [problem for holds, problem in found if not holds]


def people_disagreements(people: IdentityAgreement) -> list[str]:
    """The same for the people at the end."""
    found = [
        (
            people.identities == people.candidate_identities,
            f"it leads to {people.candidate_identities} people instead of {people.identities}",
        ),
        (people.rand >= MIN_RAND, f"people agree by {people.rand:.3f}, at least {MIN_RAND} is needed"),
    ]
    return [problem for holds, problem in found if not holds]
