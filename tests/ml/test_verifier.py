from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from resources.models.detector import load_detector
from resources.models.detector_nets import FaceDetector
from resources.models.packs import ModelPack
from screenalytics_assets.core.common.geometry import iou_matrix

Picture = NDArray[np.uint8]
FACE_PX = (464, 267, 572, 412)
"""A face of the group photo."""


def detector_of(pack: ModelPack) -> FaceDetector:
    return load_detector(pack, device="cpu", threads=2, input_px=640, closeup_input_px=256, nms_iou=0.4)


@pytest.fixture
def detector(open_pack: ModelPack) -> FaceDetector:
    return detector_of(open_pack)


def with_a_plain_patch(picture: Picture) -> Picture:
    """The photo with one face replaced by its mean colour: there are still hair, neck and shoulders around it."""
    left, top, right, bottom = FACE_PX
    changed = picture.copy()
    changed[top:bottom, left:right] = changed[top:bottom, left:right].mean((0, 1))
    return changed


def test_a_box_without_a_face_is_refused_and_the_others_are_found(detector: FaceDetector, group_photo: Picture) -> None:
    found = detector.detect(with_a_plain_patch(group_photo), confidence_th=0.4)
    assert len(found) == 5
    box = np.array([FACE_PX], np.float32)
    assert iou_matrix(box, found.boxes_px).max() < 0.2
    assert iou_matrix(box, found.refused_px).max() > 0.3


def test_the_score_of_a_face_is_the_verifier_s_and_its_threshold_holds(
    detector: FaceDetector, group_photo: Picture
) -> None:
    scores = detector.detect(group_photo, confidence_th=0.2).scores
    least = float(np.sort(scores)[3])
    found = detector.detect(group_photo, confidence_th=least)
    assert len(found) == int((scores >= least).sum())
    assert len(found) + len(found.refused_px) >= len(scores)


def test_a_face_gets_the_verifier_s_score_box_and_landmarks_or_only_its_score(
    open_pack: ModelPack, group_photo: Picture
) -> None:
    entry = open_pack.detector.entry.model_copy(update={"keep_boxes": True})
    keeping = replace(open_pack, detector=replace(open_pack.detector, entry=entry))
    alone, verified, kept = (
        detector_of(pack).detect(group_photo, confidence_th=0.2)
        for pack in (replace(open_pack, verifier=None), open_pack, keeping)
    )
    assert len(verified) == len(kept) > 0
    assert not np.isin(verified.scores, alone.scores).any()
    assert not np.isin(verified.boxes_px, alone.boxes_px).any()
    assert np.isin(kept.scores, verified.scores).all()
    assert np.isin(kept.boxes_px, alone.boxes_px).all()
    assert np.isin(kept.landmarks_px, alone.landmarks_px).all()


def test_how_the_verifier_is_used_is_in_the_fingerprint(open_pack: ModelPack) -> None:
    for change in ({"keep_boxes": True}, {"proposal_th": 0.6}):
        entry = open_pack.detector.entry.model_copy(update=change)
        changed = replace(open_pack, detector=replace(open_pack.detector, entry=entry))
        assert changed.detection_config != open_pack.detection_config
    assert replace(open_pack, verifier=None).detection_config != open_pack.detection_config


def test_a_face_at_the_edge_of_the_frame_is_verified_too(detector: FaceDetector, group_photo: Picture) -> None:
    left, top, _, bottom = FACE_PX
    at_the_edge = np.ascontiguousarray(group_photo[top + 15 : bottom + 100, left + 10 : left + 500])
    found = detector.detect(at_the_edge, confidence_th=0.4)
    assert (found.boxes_px[:, :2] < 20).all(axis=1).any()
