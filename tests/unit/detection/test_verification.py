import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from screenalytics_assets.core.detection.face_boxes import FrameFaces
from screenalytics_assets.core.detection.verification import VIEW_PX, face_in_view, view_of

FRAME = np.zeros((360, 640, 3), np.uint8)


def faces_at(boxes: np.ndarray, scores: list[float]) -> FrameFaces:
    points = np.repeat(boxes[:, None, :2], 5, axis=1)
    return FrameFaces(boxes.astype(np.float32), np.array(scores, np.float32), points.astype(np.float32))


@given(st.floats(-50, 600), st.floats(-50, 330), st.floats(1, 300), st.floats(1, 300))
def test_the_view_of_any_box_shows_it_in_the_middle_at_half_its_size(
    left: float, top: float, width: float, height: float
) -> None:
    box = np.array([left, top, left + width, top + height], np.float32)
    view = view_of(FRAME, box)
    assert view.picture_bgr.shape == (VIEW_PX, VIEW_PX, 3)
    in_view = (box.reshape(2, 2) - view.corner_px) * view.view_px_per_frame_px
    np.testing.assert_allclose(in_view.mean(axis=0), VIEW_PX / 2, atol=0.1)
    assert (in_view[1] - in_view[0]).max() == pytest.approx(VIEW_PX / 2, rel=1e-2)


def test_a_face_found_in_the_view_has_its_place_in_the_frame() -> None:
    box = np.array([100, 50, 164, 114], np.float32)
    view = view_of(FRAME, box)  # the scale is 1, the corner (68, 18)
    found = face_in_view(view, faces_at(np.array([[32, 32, 96, 96]]), [0.9]), box)
    np.testing.assert_allclose(found.boxes_px, [box], atol=1e-3)
    np.testing.assert_allclose(found.landmarks_px[0, 0], box[:2], atol=1e-3)


def test_a_better_face_beside_the_box_is_not_the_one_in_it() -> None:
    box = np.array([100, 50, 164, 114], np.float32)
    seen = faces_at(np.array([[80, 80, 128, 128], [34, 32, 94, 98], [27, 27, 101, 101]]), [0.9, 0.5, 0.3])
    assert face_in_view(view_of(FRAME, box), seen, box).scores.tolist() == [0.5]


def test_an_empty_view_shows_no_face() -> None:
    box = np.array([100, 50, 148, 98], np.float32)
    assert len(face_in_view(view_of(FRAME, box), FrameFaces.empty(), box)) == 0
