"""The gate on vectors of real crops: the people of a photograph as if each was followed through a shot."""

from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from resources.detector import load_detector
from resources.embedder import FaceEmbedder, load_embedder
from resources.model_packs import ModelPack
from screenalytics_assets.core.align import aligned_crop, embedding_crop
from screenalytics_assets.core.appearance_gate import GateLimits, Observations, find_pieces

PEOPLE = 6
VIEWS = 10
Crops = NDArray[np.uint8]


@pytest.fixture(scope="module")
def limits(open_pack: ModelPack) -> GateLimits:
    entry = open_pack.embedder.entry
    assert entry.gate_hard_sim is not None
    assert entry.gate_soft_sim is not None
    return GateLimits(entry.gate_hard_sim, entry.gate_soft_sim, streak=3, iou=0.1)


@pytest.fixture(scope="module")
def views(group_photo: Crops, open_pack: ModelPack) -> NDArray[np.float32]:
    """(6, 10, 512): each person in growing darkness, with grain, and slightly out of focus now and then."""
    detector = load_detector(open_pack, device="cpu", threads=2, input_px=640, closeup_input_px=0, nms_iou=0.4)
    embedder: FaceEmbedder = load_embedder(open_pack, device="cpu", threads=2)
    found = detector.detect(group_photo, confidence_th=0.5)
    assert len(found.boxes_px) == PEOPLE
    rng = np.random.default_rng(0)
    crops = []
    for landmarks_px in found.landmarks_px:
        crop = embedding_crop(aligned_crop(group_photo, landmarks_px, crop_px=160))
        for view, light in enumerate(np.linspace(1.0, 0.25, VIEWS)):
            picture = crop.astype(np.float32) * light + rng.normal(0, 6, crop.shape)
            if view % 4 == 3:
                picture = cv2.GaussianBlur(picture, (0, 0), 1.5)
            crops.append(np.clip(picture, 0, 255).astype(np.uint8))
    return embedder.embed(np.stack(crops)).reshape(PEOPLE, VIEWS, -1)


def track(vectors: Sequence[NDArray[np.float32]]) -> Observations:
    rows = np.concatenate(vectors)
    boxes = np.tile(np.array([100, 100, 200, 220], np.float32), (len(rows), 1))
    return Observations(boxes, np.arange(len(rows)), rows, np.ones(len(rows), np.float32))


def test_a_person_under_ever_worse_light_is_one_piece(views: NDArray[np.float32], limits: GateLimits) -> None:
    for person in range(PEOPLE):
        assert len(find_pieces(track([views[person]]), limits)) == 1
        assert len(find_pieces(track([views[person, ::-1]]), limits)) == 1


def test_any_two_people_in_one_track_are_divided_at_the_very_detection(
    views: NDArray[np.float32], limits: GateLimits
) -> None:
    for first in range(PEOPLE):
        for second in range(PEOPLE):
            if first != second:
                pieces = find_pieces(track([views[first], views[second]]), limits)
                assert [len(piece.positions) for piece in pieces] == [VIEWS, VIEWS], (first, second)
