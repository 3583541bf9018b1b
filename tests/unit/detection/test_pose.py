import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from screenalytics_assets.core.detection.alignment import ARCFACE_TEMPLATE_112
from screenalytics_assets.core.detection.pose import HEAD_MM, head_pose_deg

FRAME = (1920, 1080)
Matrix = NDArray[np.float64]


def turn(axis: int, angle_deg: float) -> Matrix:
    """Right-handed rotation about x (0), y (1) or z (2)."""
    angle = np.radians(angle_deg)
    i, j = [(1, 2), (2, 0), (0, 1)][axis]
    matrix = np.eye(3)
    matrix[i, i] = matrix[j, j] = np.cos(angle)
    matrix[i, j], matrix[j, i] = -np.sin(angle), np.sin(angle)
    return matrix


def photograph(
    yaw: float,
    pitch: float,
    roll: float,
    *,
    at: tuple[float, float] = (0.5, 0.5),
    eyes_px: float = 60.0,
    focal: float = 2.0,
) -> Matrix:
    """Landmarks of a head at a place of the picture, turned against the line of sight.

    `at` is a share of width and height, `eyes_px` the distance of the eyes if it were frontal, `focal` the focal
    length as a multiple of the picture's width.
    """
    width, height = FRAME
    focal_px = focal * width
    distance_mm = focal_px * 63.0 / eyes_px
    x, y = (at[0] - 0.5) * width / focal_px, (at[1] - 0.5) * height / focal_px
    look = turn(1, np.degrees(np.arctan2(x, 1.0))) @ turn(0, -np.degrees(np.arctan2(y, np.hypot(x, 1.0))))
    rotation = look @ turn(1, -yaw) @ turn(0, -pitch) @ turn(2, roll)
    points = HEAD_MM @ rotation.T + distance_mm * np.array([x, y, 1.0])
    return np.asarray(points[:, :2] / points[:, 2:] * focal_px + [width / 2, height / 2])


@given(
    yaw=st.floats(-60, 60),
    pitch=st.floats(-45, 45),
    roll=st.floats(-45, 45),
    at=st.tuples(st.floats(0.1, 0.9), st.floats(0.1, 0.9)),
    eyes_px=st.floats(12, 400),
    focal=st.floats(1.2, 4.0),
)
@example(yaw=60, pitch=45, roll=45, at=(0.1, 0.9), eyes_px=400, focal=1.2)
@example(yaw=-60, pitch=-45, roll=0, at=(0.9, 0.1), eyes_px=400, focal=4.0)
def test_pose_is_within_five_degrees_for_any_lens_distance_and_position(
    yaw: float, pitch: float, roll: float, at: tuple[float, float], eyes_px: float, focal: float
) -> None:
    landmarks = photograph(yaw, pitch, roll, at=at, eyes_px=eyes_px, focal=focal)
    pose = head_pose_deg(landmarks[None], FRAME)[0]
    np.testing.assert_allclose(pose[:2], [yaw, pitch], atol=5.0)
    np.testing.assert_allclose(pose[2], roll, atol=8.0)


@given(yaw=st.floats(-85, 85), pitch=st.floats(-60, 60), roll=st.floats(-80, 80))
def test_pose_is_exact_with_the_assumed_lens(yaw: float, pitch: float, roll: float) -> None:
    pose = head_pose_deg(photograph(yaw, pitch, roll, at=(0.3, 0.6), eyes_px=200)[None], FRAME)[0]
    np.testing.assert_allclose(pose, [yaw, pitch, roll], atol=0.1)


@given(yaw=st.floats(-50, 50), pitch=st.floats(-35, 35), seed=st.integers(0, 1000))
def test_small_errors_of_the_landmarks_change_the_pose_little(yaw: float, pitch: float, seed: int) -> None:
    noise = np.random.default_rng(seed).normal(0, 0.01 * 60, (5, 2))
    pose = head_pose_deg((photograph(yaw, pitch, 0) + noise)[None], FRAME)[0]
    np.testing.assert_allclose(pose[:2], [yaw, pitch], atol=12.0)


def test_the_signs_are_as_seen_by_a_viewer() -> None:
    frontal = ARCFACE_TEMPLATE_112 + np.array([900, 480])
    nose = np.arange(5)[:, None] == 2
    right, up = frontal + nose * [10, 0], frontal - nose * [0, 8]
    clockwise = photograph(0, 0, 0).copy()
    clockwise[[1, 4]] += [0, 10]
    poses = head_pose_deg(np.stack([frontal, right, up, clockwise]), FRAME)
    np.testing.assert_allclose(poses[0], 0, atol=2.0)
    assert poses[1, 0] > 20
    assert poses[2, 1] > 10
    assert poses[3, 2] > 5


def test_a_face_at_the_edge_that_looks_into_the_camera_has_no_yaw() -> None:
    pose = head_pose_deg(photograph(0, 0, 0, at=(0.05, 0.5), focal=1.2)[None], FRAME)[0]
    assert abs(pose[0]) < 5


def test_a_profile_is_distinguished_from_a_half_turned_face() -> None:
    poses = head_pose_deg(np.stack([photograph(yaw, 5, 0) for yaw in (-88, -45, 45, 88)]), FRAME)
    np.testing.assert_allclose(poses[:, 0], [-88, -45, 45, 88], atol=1.0)


@given(yaw=st.floats(-60, 60), pitch=st.floats(-45, 45), roll=st.floats(-45, 45))
def test_a_mirrored_face_is_turned_the_other_way(yaw: float, pitch: float, roll: float) -> None:
    landmarks = photograph(yaw, pitch, roll, at=(0.4, 0.6))
    mirrored = (landmarks * [-1, 1] + [FRAME[0], 0])[[1, 0, 2, 4, 3]]
    poses = head_pose_deg(np.stack([landmarks, mirrored]), FRAME)
    np.testing.assert_allclose(poses[1], poses[0] * [-1, 1, -1], atol=0.01)


def test_an_unsolvable_pose_is_nan_and_does_not_affect_the_others() -> None:
    good = photograph(20, 10, 0)
    broken = good.copy()
    broken[3, 1] = np.nan
    poses = head_pose_deg(np.stack([good, broken, np.full((5, 2), 40.0), np.full((5, 2), np.inf), good]), FRAME)
    assert np.isnan(poses[1:4]).all()
    np.testing.assert_allclose(poses[[0, 4]], [[20, 10, 0]] * 2, atol=0.1)


@given(st.lists(st.tuples(st.floats(-1e4, 1e4, width=32), st.floats(-1e4, 1e4, width=32)), min_size=5, max_size=5))
@example([(100.0, 100.0), (200.0, 200.0), (300.0, 300.0), (400.0, 400.0), (500.0, 500.0)])
@example([(100.0, 100.0), (200.0, 100.0), (150.0, 100.0), (110.0, 100.0), (190.0, 100.0)])
@example([(100.0, 100.0), (100.0, 100.0), (100.0, 100.0), (100.0, 100.0), (500.0, 100.0)])
def test_landmarks_unlike_a_face_never_raise(points: list[tuple[float, float]]) -> None:
    pose = head_pose_deg(np.array([points]), FRAME)[0]
    assert np.isnan(pose).all() or (np.abs(pose) <= 180).all()


def test_no_faces_have_no_poses() -> None:
    assert head_pose_deg(np.empty((0, 5, 2), np.float32), FRAME).shape == (0, 3)


@pytest.mark.parametrize("size", [FRAME, (1080, 1920)])
def test_landmarks_of_single_precision_in_any_frame_are_accepted(size: tuple[int, int]) -> None:
    landmarks = (photograph(0, 0, 0) - [960, 540] + [size[0] / 2, size[1] / 2]).astype(np.float32)
    np.testing.assert_allclose(head_pose_deg(landmarks[None], size)[0], 0, atol=0.1)
