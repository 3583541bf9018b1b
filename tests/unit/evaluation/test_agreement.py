import numpy as np
import pyarrow as pa
import pytest

from screenalytics_assets.core.detection.face_boxes import FrameFaces
from screenalytics_assets.core.evaluation.agreement import (
    FaceAgreement,
    IdentityAgreement,
    compare_faces,
    compare_identities,
    face_disagreements,
    people_disagreements,
)


def faces_at(*corners_px: float, landmark_shift_px: float = 0.0) -> FrameFaces:
    """Faces of 100 px, their upper left corners on a diagonal."""
    corners = np.asarray(corners_px, np.float32)
    boxes = np.stack([corners, corners, corners + 100, corners + 100], axis=1)
    landmarks = np.repeat(corners, 10).reshape(-1, 5, 2) + 50
    landmarks[:, :, 0] += landmark_shift_px
    return FrameFaces(boxes, np.ones(len(corners), np.float32), landmarks.astype(np.float32))


def test_the_same_faces_agree_wholly() -> None:
    frames = [faces_at(0, 300), FrameFaces.empty(), faces_at(10)]
    assert compare_faces(frames, frames, input_px_per_frame_px=0.5) == FaceAgreement(3, 3, 1.0, 1.0, 0.0)


def test_a_face_that_is_missing_and_one_too_many_count_on_their_own_side() -> None:
    reference, candidate = [faces_at(0, 300), faces_at(0)], [faces_at(0), faces_at(0, 500, 700)]
    agreement = compare_faces(reference, candidate, input_px_per_frame_px=1.0)
    assert agreement.found == pytest.approx(2 / 3)
    assert agreement.right == pytest.approx(2 / 4)


def test_a_box_that_hardly_overlaps_is_another_face() -> None:
    agreement = compare_faces([faces_at(0)], [faces_at(30)], input_px_per_frame_px=1.0)
    assert (agreement.found, agreement.right) == (0.0, 0.0)


def test_landmarks_are_measured_at_the_size_that_the_net_sees() -> None:
    agreement = compare_faces([faces_at(0, 300)], [faces_at(0, 300, landmark_shift_px=3)], input_px_per_frame_px=0.5)
    assert agreement.landmark_px == pytest.approx(1.5)


def detections(*rows: tuple[str, int, float]) -> pa.Table:
    """Detection id, frame and left edge of boxes that are 0.1 wide."""
    return pa.Table.from_pylist(
        [{"detection_id": name, "frame_idx": frame, "bbox": [left, 0.1, left + 0.1, 0.3]} for name, frame, left in rows]
    )


REFERENCE = detections(("a", 0, 0.1), ("b", 0, 0.6), ("c", 3, 0.1), ("d", 3, 0.6))
PEOPLE = {"a": "ident_001", "c": "ident_001", "b": "ident_002", "d": "ident_002"}


def test_the_same_people_under_other_names_agree_wholly() -> None:
    candidate = detections(("p", 3, 0.61), ("q", 3, 0.1), ("r", 0, 0.6), ("s", 0, 0.11))
    names = {"s": "ident_007", "q": "ident_007", "r": "ident_001", "p": "ident_001"}
    assert compare_identities(REFERENCE, candidate, PEOPLE, names) == IdentityAgreement(2, 2, 1.0)


def test_people_who_are_confused_disagree() -> None:
    names = {"a": "ident_001", "d": "ident_001", "b": "ident_002", "c": "ident_002"}
    assert compare_identities(REFERENCE, REFERENCE, PEOPLE, names).rand < 0.1


def test_a_detection_that_is_missing_or_has_no_identity_belongs_to_nobody() -> None:
    fewer = detections(("a", 0, 0.1), ("b", 0, 0.6), ("c", 3, 0.1))
    missing = compare_identities(REFERENCE, fewer, PEOPLE, PEOPLE)
    unnamed = compare_identities(REFERENCE, REFERENCE, PEOPLE, {name: PEOPLE[name] for name in "abc"})
    assert missing.rand == unnamed.rand < 1


def test_nothing_found_by_either_is_agreement_on_people_and_no_proof_on_faces() -> None:
    empty = compare_faces([FrameFaces.empty()], [FrameFaces.empty()], input_px_per_frame_px=1.0)
    nobody = compare_identities(REFERENCE.slice(0, 0), REFERENCE.slice(0, 0), {}, {})
    assert nobody == IdentityAgreement(0, 0, 1.0)
    assert face_disagreements(empty) == ["no face in the frames that were compared"]
    assert people_disagreements(nobody) == []


@pytest.mark.parametrize(
    ("faces", "word"),
    [
        (FaceAgreement(100, 97, 0.97, 1.0, 0.2), "0.970 of the faces"),
        (FaceAgreement(100, 103, 1.0, 0.97, 0.2), "0.970 of its faces"),
        (FaceAgreement(100, 100, 1.0, 1.0, 1.0), "1.00 px"),
    ],
)
def test_each_limit_of_the_faces_refuses_with_its_figure(faces: FaceAgreement, word: str) -> None:
    (problem,) = face_disagreements(faces)
    assert word in problem


@pytest.mark.parametrize(
    ("people", "word"),
    [(IdentityAgreement(8, 9, 1.0), "9 people instead of 8"), (IdentityAgreement(8, 8, 0.97), "0.970, at least")],
)
def test_each_limit_of_the_people_refuses_with_its_figure(people: IdentityAgreement, word: str) -> None:
    (problem,) = people_disagreements(people)
    assert word in problem


def test_what_agrees_well_enough_is_not_refused() -> None:
    assert face_disagreements(FaceAgreement(100, 100, 0.98, 0.98, 0.99)) == []
    assert people_disagreements(IdentityAgreement(8, 8, 0.98)) == []
