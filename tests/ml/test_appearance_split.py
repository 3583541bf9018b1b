"""The appearance split on vectors of real crops: the people of a photograph as if each was tracked through a shot."""

from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from resources.models.detector import load_detector
from resources.models.embedder import FaceEmbedder, load_embedder
from resources.models.packs import ModelPack
from screenalytics_assets.core.detection.alignment import aligned_crop, embedding_crop
from screenalytics_assets.core.tracking.appearance_split import Observations, SplitLimits, split_track
from screenalytics_assets.core.tracking.near_duplicates import face_patch, representatives
from screenalytics_assets.core.tracking.split_and_link import split_and_link
from tests.unit.builders import Seen, detections_table, tracks_table

PEOPLE = 6
VIEWS = 10
Crops = NDArray[np.uint8]


@pytest.fixture(scope="module")
def limits(open_pack: ModelPack) -> SplitLimits:
    entry = open_pack.embedder.entry
    assert entry.gate_hard_sim is not None
    assert entry.gate_soft_sim is not None
    return SplitLimits(entry.gate_hard_sim, entry.gate_soft_sim, streak=3, min_iou=0.1)


@pytest.fixture(scope="module")
def crops(group_photo: Crops, open_pack: ModelPack) -> Crops:
    """(60, 112, 112, 3): each person in growing darkness, with grain, and slightly out of focus now and then."""
    detector = load_detector(open_pack, device="cpu", threads=2, input_px=640, closeup_input_px=0, nms_iou=0.4)
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
    return np.stack(crops)


@pytest.fixture(scope="module")
def views(crops: Crops, open_pack: ModelPack) -> NDArray[np.float32]:
    """(6, 10, 512): the vectors of the crops."""
    embedder: FaceEmbedder = load_embedder(open_pack, device="cpu", threads=2)
    return embedder.embed(crops).reshape(PEOPLE, VIEWS, -1)


@pytest.fixture(scope="module")
def patches(crops: Crops) -> NDArray[np.uint8]:
    """(6, 10, 20, 20): the patches by which crops are compared."""
    gray = [cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY) for crop in crops]
    reduced = [cv2.resize(crop, None, fx=1 / 4, fy=1 / 4, interpolation=cv2.INTER_AREA) for crop in gray]
    return np.stack([face_patch(np.asarray(crop, np.uint8)) for crop in reduced]).reshape(PEOPLE, VIEWS, 20, 20)


def track(vectors: Sequence[NDArray[np.float32]]) -> Observations:
    rows = np.concatenate(vectors)
    boxes = np.tile(np.array([100, 100, 200, 220], np.float32), (len(rows), 1))
    return Observations(boxes, np.arange(len(rows)), rows, np.ones(len(rows), np.float32))


def test_a_person_in_fading_light_is_one_tracklet(views: NDArray[np.float32], limits: SplitLimits) -> None:
    for person in range(PEOPLE):
        assert len(split_track(track([views[person]]), limits)) == 1
        assert len(split_track(track([views[person, ::-1]]), limits)) == 1


def test_any_two_people_in_one_track_are_split_at_the_first_detection_of_the_second(
    views: NDArray[np.float32], limits: SplitLimits
) -> None:
    for first in range(PEOPLE):
        for second in range(PEOPLE):
            if first != second:
                tracklets = split_track(track([views[first], views[second]]), limits)
                assert [len(tracklet.positions) for tracklet in tracklets] == [VIEWS, VIEWS], (first, second)


def test_a_crop_of_one_person_never_represents_another(patches: NDArray[np.uint8]) -> None:
    for first in range(PEOPLE):
        for second in range(PEOPLE):
            shown = np.concatenate([patches[first], patches[second]])
            ts_s, quality, none = np.arange(len(shown)) / 8, np.ones(len(shown), np.float32), np.empty(0, np.int64)
            found = representatives(ts_s, quality, shown, none, max_duplicate_s=9.0)
            if first != second:
                assert not set(found[:VIEWS]) & set(found[VIEWS:]), (first, second)
                # Twenty crops; a representative stands for a quarter of the track at most.
                assert len(set(found)) == 4


def test_near_duplicates_do_not_move_the_split_between_two_people(
    views: NDArray[np.float32], patches: NDArray[np.uint8], limits: SplitLimits
) -> None:
    for first in range(PEOPLE):
        for second in range(PEOPLE):
            # Eight views of each in the light, each seen three times.
            seen = [Seen(3 * i) for i in range(48)]
            which = np.repeat(np.arange(8), 3)
            vectors = np.concatenate([views[first][which], views[second][which]])
            asked: list[str] = []

            def embed(
                ids: Sequence[str], vectors: NDArray[np.float32] = vectors, asked: list[str] = asked
            ) -> NDArray[np.float32]:
                asked += ids
                return vectors[[int(i.removeprefix("det-")) - 1 for i in ids]]

            split = split_and_link(
                tracks_table([seen]),
                detections_table(seen),
                np.ones(48, np.bool_),
                embed,
                limits,
                interval_s=0.5,
                max_gap_s=2.0,
                model_digest="digest",
                patches=np.concatenate([patches[first][which], patches[second][which]]),
                max_duplicate_s=2.0,
            )
            lengths = split.tracks["num_detections"].to_pylist()
            assert lengths == ([48] if first == second else [24, 24]), (first, second)
            assert first != second or len(asked) <= 5
