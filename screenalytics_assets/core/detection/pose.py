"""Head pose from five landmarks."""

import cv2
import numpy as np
from numpy.typing import NDArray

from screenalytics_assets.core.detection.alignment import ARCFACE_TEMPLATE_112

_INTERPUPILLARY_MM = 63.0
"""Mean pupil distance of adults (Dodgson, Proc. SPIE 5291, 2004)."""
_EYE_DEPTH_MM, _MOUTH_DEPTH_MM = 23.0, 25.0
"""Behind the tip of the nose. From the generic head of S. Mallick, "Head Pose Estimation using OpenCV and Dlib"
(LearnOpenCV, 2016), at 90 mm between the outer corners of the eyes: those lie 27 mm and the mouth's corners
25 mm behind; the pupils lie about 4 mm before the corners of the eyes."""
_FOCAL_PER_LONG_SIDE = 2.0
"""Focal length / longer side of the picture: a 50 mm lens on a 24.9 mm wide Super 35 sensor, a typical choice for
drama. With lenses of half to twice that length the angles change by less than 5°."""
_MIN_SPREAD_PX = 0.5
"""Root mean square distance of the landmarks from their centre; below it, they coincide."""
_MIN_SPREAD_PER_FOCAL = 0.01
"""SQPnP rejects points that span too small an angle. A smaller face is enlarged about its centre, as if the head
were closer on the line of sight: at four metres, the perspective within a face is already under 1 %."""


def _head_mm() -> NDArray[np.float64]:
    """The five landmarks of an upright, frontal head, (5, 3) mm from the tip of the nose.

    x to the right and y down in the picture, z away from the camera. Frontal means the mean face of the ArcFace
    template, made symmetric: a face that matches the template has yaw, pitch and roll 0.
    """
    template = ARCFACE_TEMPLATE_112
    mm = _INTERPUPILLARY_MM / float(template[1, 0] - template[0, 0])
    eye_y, nose_y, mouth_y = template[:2, 1].mean(), template[2, 1], template[3:, 1].mean()
    mouth_x = mm * (template[4, 0] - template[3, 0]) / 2
    eye_x = _INTERPUPILLARY_MM / 2
    return np.array(
        [
            [-eye_x, mm * (eye_y - nose_y), _EYE_DEPTH_MM],
            [eye_x, mm * (eye_y - nose_y), _EYE_DEPTH_MM],
            [0.0, 0.0, 0.0],
            [-mouth_x, mm * (mouth_y - nose_y), _MOUTH_DEPTH_MM],
            [mouth_x, mm * (mouth_y - nose_y), _MOUTH_DEPTH_MM],
        ]
    )


HEAD_MM: NDArray[np.float64] = _head_mm()
"""(5, 3) mm; see `_head_mm`."""


def head_pose_deg(landmarks_px: NDArray[np.floating], frame_size: tuple[int, int]) -> NDArray[np.float64]:
    """Yaw, pitch and roll of heads relative to the camera.

    Angles are relative to the line from the camera to the head, not to the axis of the camera: someone at the edge
    of the picture who looks into the camera has yaw 0. Perspective-n-point by SQPnP (Terzakis and Lourakis, ECCV
    2020), which finds the global optimum without a starting point. OpenCV's EPnP is off by up to 50° on five points,
    and its iterative solver is no better and slower.

    Pitch depends on the position of the nose between eyes and mouth, and so on the expression: a wide smile lifts
    the mouth corners and appears as up to 25° of looking down. Yaw and roll are not affected.

    Args:
        landmarks_px: (N, 5, 2) x y in pixels: left eye, right eye, nose, left and right mouth corner, left and
            right as seen in the picture.
        frame_size: width and height of the frame in pixels.

    Returns:
        (N, 3) float64 degrees. Yaw is positive for a turn to the viewer's right (the person's left), pitch for
        looking up, roll for a clockwise tilt in the picture. NaN where the
        landmarks are not finite or coincide.
    """
    width, height = frame_size
    focal_px = _FOCAL_PER_LONG_SIDE * max(width, height)
    camera = np.array([[focal_px, 0.0, width / 2], [0.0, focal_px, height / 2], [0.0, 0.0, 1.0]])
    is_finite = np.isfinite(landmarks_px).all(axis=(1, 2), keepdims=True)
    points_px = np.where(is_finite, np.asarray(landmarks_px, np.float64), 0.0)
    centres_px = points_px.mean(axis=1, keepdims=True)
    offsets_px = points_px - centres_px
    spreads_px = np.sqrt(np.square(offsets_px).sum(axis=2).mean(axis=1))
    poses_deg = np.full((len(points_px), 3), np.nan)
    for row in np.flatnonzero(spreads_px >= _MIN_SPREAD_PX):
        enlarge = max(1.0, _MIN_SPREAD_PER_FOCAL * focal_px / float(spreads_px[row]))
        poses_deg[row] = _solve_deg(centres_px[row] + enlarge * offsets_px[row], camera)
    return poses_deg


def _solve_deg(points_px: NDArray[np.float64], camera: NDArray[np.float64]) -> tuple[float, float, float]:
    solved, rotation_vector, position_mm = cv2.solvePnP(HEAD_MM, points_px, camera, None, flags=cv2.SOLVEPNP_SQPNP)
    if not solved:
        return np.nan, np.nan, np.nan
    rotation = np.asarray(cv2.Rodrigues(rotation_vector)[0], np.float64)
    position = np.asarray(position_mm, np.float64).ravel()
    return _angles_deg(_towards(position).T @ rotation)


def _towards(position: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rotation of a level camera pointed at a position, (3, 3)."""
    forward = position / np.linalg.norm(position)
    right = np.array([forward[2], 0.0, -forward[0]]) / np.hypot(forward[0], forward[2])
    return np.stack([right, np.cross(forward, right), forward], axis=1)


def _angles_deg(rotation: NDArray[np.float64]) -> tuple[float, float, float]:
    """Yaw, pitch and roll of Ry(-yaw)·Rx(-pitch)·Rz(roll): roll is applied first, then pitch, then yaw."""
    yaw = np.arctan2(-rotation[0, 2], rotation[2, 2])
    pitch = np.arcsin(np.clip(rotation[1, 2], -1.0, 1.0))
    roll = np.arctan2(rotation[1, 0], rotation[1, 1])
    return float(np.degrees(yaw)), float(np.degrees(pitch)), float(np.degrees(roll))
