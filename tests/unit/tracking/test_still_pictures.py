from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from screenalytics_assets.core.common.schemas import DETECTIONS
from screenalytics_assets.core.detection.alignment import aligned_crop, crop_jpeg, decode_reduced_gray
from screenalytics_assets.core.tracking.still_pictures import is_picture, still_tracks
from screenalytics_assets.services.demo import GROUP_FACES
from tests.unit.builders import Seen, detections_table, track_id, tracks_table

Frame = NDArray[np.uint8]
Change = Callable[[Frame, NDArray[np.float64], float], tuple[Frame, NDArray[np.float64]]]
"""From a frame, the landmarks of the face in it and the time in seconds to the frame and landmarks at that time."""

LANDMARKS = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.58], [0.35, 0.76], [0.65, 0.76]])
"""Of a frontal face, as shares of its box."""
STEP_S = 0.5


@pytest.fixture(scope="module")
def scene() -> tuple[Frame, NDArray[np.float64]]:
    """Part of the group photograph that InsightFace ships, and the landmarks of a face in its middle."""
    package = find_spec("insightface")
    assert package is not None
    assert package.submodule_search_locations
    photo = cv2.imread(str(Path(package.submodule_search_locations[0]) / "data" / "images" / "t1.jpg"))
    assert photo is not None
    left, top, right, bottom = GROUP_FACES["person-3"]
    corner, size = np.array([left, top]), np.array([right - left, bottom - top])
    x_px, y_px = int(left) - 150, int(top) - 120
    return photo[y_px : y_px + 400, x_px : x_px + 400].astype(np.uint8), corner + LANDMARKS * size - (x_px, y_px)


def is_taken_for_a_picture(
    scene: tuple[Frame, NDArray[np.float64]],
    change: Change = lambda frame, landmarks, _: (frame, landmarks),
    *,
    scale: float = 1.0,
    length_s: float = 4.0,
    noise: float = 2.0,
    jitter: float = 0.02,
    without_crop: Sequence[int] = (),
) -> bool:
    """Whether a face that is seen twice a second is taken for a picture.

    Args:
        scene: A frame, and the landmarks of the face.
        change: What happens in time.
        scale: By which the frame is reduced.
        length_s: From the first to the last detection.
        noise: Standard deviation of the noise of the camera, in grey levels.
        jitter: Standard deviation of the landmarks, as a share of the distance of the eyes.
        without_crop: Detections whose crop was blank.
    """
    rng = np.random.default_rng(0)
    times_s = np.arange(0, length_s + STEP_S / 2, STEP_S)
    found, crops = [], {}
    for number, time_s in enumerate(times_s):
        frame, landmarks = change(*scene, float(time_s))
        small = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        seen = np.clip(small + rng.normal(0, noise, small.shape), 0, 255).astype(np.uint8)
        eyes_px = np.linalg.norm(landmarks[1] - landmarks[0]) * scale
        placed = landmarks * scale + rng.normal(0, jitter * eyes_px, landmarks.shape)
        found.append(placed / small.shape[1::-1])
        if number not in without_crop:
            jpeg = crop_jpeg(aligned_crop(seen, placed, crop_px=160), 95)
            crops[f"det-{number + 1:06d}"] = decode_reduced_gray(jpeg)
    faces = [Seen(round(24 * time_s)) for time_s in times_s]
    detections = detections_table(faces)
    column = pa.array(np.array(found, np.float32).tolist(), DETECTIONS.field("landmarks").type)
    detections = detections.set_column(DETECTIONS.get_field_index("landmarks"), DETECTIONS.field("landmarks"), column)
    still = still_tracks(tracks_table([faces]), detections, small.shape[1::-1])
    return track_id(0) in still and is_picture(still[track_id(0)], crops)


def moved(shift_px: Callable[[float], tuple[float, float]], zoom: Callable[[float], float] = lambda _: 1.0) -> Change:
    """The frame moves, and the face with it."""

    def change(frame: Frame, landmarks: NDArray[np.float64], time_s: float) -> tuple[Frame, NDArray[np.float64]]:
        middle, factor = landmarks.mean(axis=0), zoom(time_s)
        matrix = np.column_stack([np.eye(2) * factor, middle * (1 - factor) + shift_px(time_s)])
        seen = cv2.warpAffine(frame, matrix, frame.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
        return seen.astype(np.uint8), landmarks @ matrix[:, :2].T + matrix[:, 2]

    return change


def speaks(frame: Frame, landmarks: NDArray[np.float64], time_s: float) -> tuple[Frame, NDArray[np.float64]]:
    """The head is at rest; the mouth opens and closes, and so do the eyes."""
    seen = frame.copy()
    size = float(np.linalg.norm(landmarks[1] - landmarks[0]))
    phase = round(time_s / STEP_S) % 3
    mouth = landmarks[3:].mean(axis=0) + np.array([0, 0.1 * size])
    if phase:
        axes = (int(0.35 * size), int(0.15 * phase * size))
        cv2.ellipse(seen, mouth.astype(int).tolist(), axes, 0, 0, 360, (40, 30, 60), -1, cv2.LINE_AA)
    return seen, landmarks


def test_a_photo_that_the_camera_does_not_move_over_is_a_picture(scene: tuple[Frame, NDArray[np.float64]]) -> None:
    assert is_taken_for_a_picture(scene)


@pytest.mark.parametrize("scale", [0.5, 0.3])
def test_a_small_photo_whose_landmarks_are_placed_badly_is_a_picture(
    scene: tuple[Frame, NDArray[np.float64]], scale: float
) -> None:
    assert is_taken_for_a_picture(scene, scale=scale, jitter=0.06)


def test_a_photo_remains_a_picture_while_the_light_changes(scene: tuple[Frame, NDArray[np.float64]]) -> None:
    assert is_taken_for_a_picture(
        scene, lambda frame, landmarks, time_s: ((frame * (1 - 0.15 * time_s)).astype(np.uint8), landmarks)
    )


def test_a_photo_remains_a_picture_if_somebody_passes_before_it(scene: tuple[Frame, NDArray[np.float64]]) -> None:
    def passed(frame: Frame, landmarks: NDArray[np.float64], time_s: float) -> tuple[Frame, NDArray[np.float64]]:
        return (np.full_like(frame, 90) if time_s == 3 else frame), landmarks

    assert is_taken_for_a_picture(scene, passed, length_s=10.0)


def test_a_person_who_speaks_without_moving_the_head_is_no_picture(scene: tuple[Frame, NDArray[np.float64]]) -> None:
    assert not is_taken_for_a_picture(scene, speaks)
    assert not is_taken_for_a_picture(scene, speaks, scale=0.3)


def test_a_head_that_sways_by_a_few_hundredths_of_its_size_is_no_picture(
    scene: tuple[Frame, NDArray[np.float64]],
) -> None:
    def sway(time_s: float) -> tuple[float, float]:
        return 6 * np.sin(2 * time_s), 3 * np.cos(1.3 * time_s)

    assert not is_taken_for_a_picture(scene, moved(sway))


def test_a_photo_over_which_the_camera_moves_remains_a_person(scene: tuple[Frame, NDArray[np.float64]]) -> None:
    assert not is_taken_for_a_picture(scene, moved(lambda time_s: (8 * time_s, 0)))
    assert not is_taken_for_a_picture(scene, moved(lambda _: (0, 0), lambda time_s: 1 + 0.08 * time_s))


@pytest.mark.parametrize(("length_s", "expected"), [(2.0, False), (2.5, True)])
def test_a_short_track_may_be_a_calm_person(
    scene: tuple[Frame, NDArray[np.float64]], length_s: float, expected: bool
) -> None:
    assert is_taken_for_a_picture(scene, length_s=length_s) is expected


def test_two_crops_are_too_few_to_say_that_nothing_moves(scene: tuple[Frame, NDArray[np.float64]]) -> None:
    assert is_taken_for_a_picture(scene, length_s=2.5, without_crop=[0, 1, 2])
    assert not is_taken_for_a_picture(scene, length_s=2.5, without_crop=[0, 1, 2, 3])


def test_crops_that_show_nothing_are_no_picture(scene: tuple[Frame, NDArray[np.float64]]) -> None:
    assert not is_taken_for_a_picture((np.full_like(scene[0], 90), scene[1]), noise=0.0)


def test_without_tracks_there_are_no_pictures() -> None:
    assert still_tracks(tracks_table([]), detections_table([]), (640, 360)) == {}
