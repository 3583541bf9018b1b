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


@given(st.floats(-50, 600), st.floats(-50, 330), st.floats(2, 150), st.floats(2, 150))
def test_the_view_of_any_box_shows_it_in_the_middle_at_half_its_size(
    left: float, top: float, width: float, height: float
) -> None:
    box = np.array([left, top, left + width, top + height], np.float32)
    view = view_of(FRAME, box)
    assert view.picture_bgr.shape == (VIEW_PX, VIEW_PX, 3)
    in_view = (box.reshape(2, 2) - view.corner_px) * view.view_px_per_frame_px
    one_px = view.view_px_per_frame_px  # the view begins and ends at whole pixels of the frame
    np.testing.assert_allclose(in_view.mean(axis=0), VIEW_PX / 2, atol=0.51 * one_px)
    assert (in_view[1] - in_view[0]).max() == pytest.approx(VIEW_PX / 2, abs=0.51 * one_px)


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


@pytest.mark.parametrize("box_px", [16, 64, 129, 200, 321])
@pytest.mark.parametrize("shift_px", [0.0, 0.5])
def test_a_mark_keeps_its_place_whatever_the_size_of_the_box(box_px: int, shift_px: float) -> None:
    """A bright spot at the centre of a box, read in the view and mapped back to the frame."""
    centre = np.array([320.0, 180.0]) + shift_px
    rows, columns = np.mgrid[:360, :640] + 0.5  # the centre of the pixel at (0, 0) is at (0.5, 0.5)
    distance = np.hypot(columns - centre[0], rows - centre[1])
    frame = np.repeat((255 * np.exp(-((distance * 20 / box_px) ** 2)))[..., None], 3, axis=2).astype(np.uint8)
    view = view_of(frame, np.array([*(centre - box_px / 2), *(centre + box_px / 2)], np.float32))
    light = view.picture_bgr[..., 0].astype(np.float64)
    rows, columns = np.mgrid[:VIEW_PX, :VIEW_PX] + 0.5
    seen = np.array([(columns * light).sum(), (rows * light).sum()]) / light.sum()
    np.testing.assert_allclose(seen / view.view_px_per_frame_px + view.corner_px, centre, atol=0.1)


def test_a_box_far_outside_or_larger_than_the_frame_has_a_view_too() -> None:
    for box in ([-4e6, -4e6, 4e6, 4e6], [5000, 5000, 5100, 5100], [-300, 10, -200, 60]):
        assert view_of(FRAME, np.array(box, np.float32)).picture_bgr.shape == (VIEW_PX, VIEW_PX, 3)
