import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from screenalytics_assets.core.common.geometry import iou_matrix
from screenalytics_assets.core.detection.centerface import OUTPUT_STRIDE_PX, decode_centerface, suppress_overlaps
from screenalytics_assets.core.detection.face_boxes import FrameFaces

Maps = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
FACE_LANDMARKS = np.array([[0.3, 0.35], [0.7, 0.33], [0.5, 0.6], [0.35, 0.8], [0.65, 0.82]])


def maps_with_face(row: int, column: int, score: float, box: NDArray[np.float64]) -> Maps:
    """The maps (96×160 cells) in which one cell says that a face with this box, in input pixels, is there."""
    heatmap, log_size, offset, landmarks = (np.zeros((1, channels, 96, 160), np.float32) for channels in (1, 2, 2, 10))
    width_height = (box[2:] - box[:2]) / OUTPUT_STRIDE_PX
    centre = (box[:2] + box[2:]) / 2 / OUTPUT_STRIDE_PX
    heatmap[0, 0, row, column] = score
    log_size[0, :, row, column] = np.log(width_height[::-1])
    offset[0, :, row, column] = centre[::-1] - (row + 0.5, column + 0.5)
    landmarks[0, :, row, column] = FACE_LANDMARKS[:, ::-1].ravel()
    return heatmap, log_size, offset, landmarks


@given(
    row=st.integers(0, 95),
    column=st.integers(0, 159),
    shift=st.tuples(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5)),
    size_px=st.tuples(st.floats(4, 600), st.floats(4, 600)),
    scale=st.floats(0.1, 4),
)
def test_a_face_encoded_in_a_cell_is_decoded_to_frame_pixels(
    row: int, column: int, shift: tuple[float, float], size_px: tuple[float, float], scale: float
) -> None:
    centre = (np.array([column, row]) + 0.5 + shift) * OUTPUT_STRIDE_PX
    box = np.concatenate([centre - np.array(size_px) / 2, centre + np.array(size_px) / 2])
    faces = decode_centerface(*maps_with_face(row, column, 0.8, box), confidence_th=0.2, input_px_per_frame_px=scale)
    np.testing.assert_allclose(faces.boxes_px, [box / scale], rtol=1e-4, atol=0.02 / scale)
    expected = (box[:2] + FACE_LANDMARKS * size_px) / scale
    np.testing.assert_allclose(faces.landmarks_px, [expected], rtol=1e-4, atol=0.02 / scale)
    assert faces.scores == pytest.approx([0.8])


def test_a_face_at_the_border_is_not_moved_and_reaches_outside() -> None:
    box = np.array([-40.0, 20.0, 40.0, 120.0])
    faces = decode_centerface(*maps_with_face(17, 0, 0.9, box), confidence_th=0.2, input_px_per_frame_px=1)
    np.testing.assert_allclose(faces.boxes_px, [box], atol=1e-3)
    np.testing.assert_allclose(faces.landmarks_px[0, 0], [-40 + 0.3 * 80, 20 + 0.35 * 100], atol=1e-3)


@pytest.mark.parametrize(("confidence_th", "found"), [(0.5, 1), (0.51, 0)])
def test_a_score_at_the_threshold_is_a_face_and_one_below_is_not(confidence_th: float, found: int) -> None:
    maps = maps_with_face(10, 10, 0.5, np.array([20.0, 20.0, 60.0, 60.0]))
    faces = decode_centerface(*maps, confidence_th=confidence_th, input_px_per_frame_px=1)
    assert len(faces) == found


def test_no_face_gives_empty_arrays_of_the_right_shapes() -> None:
    maps = maps_with_face(10, 10, 0.1, np.array([20.0, 20.0, 60.0, 60.0]))
    faces = suppress_overlaps(decode_centerface(*maps, confidence_th=0.2, input_px_per_frame_px=1), 0.4)
    empty = FrameFaces.empty()
    for found, expected in zip(
        (faces.boxes_px, faces.scores, faces.landmarks_px),
        (empty.boxes_px, empty.scores, empty.landmarks_px),
        strict=True,
    ):
        assert found.shape == expected.shape
        assert found.dtype == expected.dtype


def faces_at(boxes: list[list[float]], scores: list[float]) -> FrameFaces:
    landmarks = np.array(boxes, np.float32).reshape(-1, 1, 4)[:, :, :2].repeat(5, axis=1)
    return FrameFaces(np.array(boxes, np.float32).reshape(-1, 4), np.array(scores, np.float32), landmarks)


def test_the_better_of_two_boxes_on_one_face_is_kept_with_its_landmarks() -> None:
    faces = faces_at([[0, 0, 10, 10], [1, 0, 11, 10], [50, 0, 60, 10]], [0.5, 0.9, 0.7])
    kept = suppress_overlaps(faces, 0.4)
    np.testing.assert_array_equal(kept.boxes_px, [[1, 0, 11, 10], [50, 0, 60, 10]])
    np.testing.assert_array_equal(kept.landmarks_px[:, 0], [[1, 0], [50, 0]])
    np.testing.assert_array_equal(kept.scores, np.array([0.9, 0.7], np.float32))


def test_empty_boxes_are_kept_without_an_arithmetic_warning() -> None:
    assert len(suppress_overlaps(faces_at([[5, 5, 5, 5], [5, 5, 5, 5]], [0.9, 0.8]), 0.4)) >= 1


BOX = st.tuples(st.floats(0, 100), st.floats(0, 100), st.floats(1, 80), st.floats(1, 80))


@given(st.lists(st.tuples(BOX, st.floats(0, 1)), min_size=1, max_size=25), st.floats(0.1, 0.9))
def test_kept_boxes_do_not_overlap_and_every_dropped_one_overlaps_a_better_one(
    candidates: list[tuple[tuple[float, float, float, float], float]], nms_iou: float
) -> None:
    boxes = [[x, y, x + width, y + height] for (x, y, width, height), _ in candidates]
    faces = faces_at(boxes, [score for _, score in candidates])
    kept = suppress_overlaps(faces, nms_iou)
    assert list(kept.scores) == sorted(kept.scores, reverse=True)
    among_kept = iou_matrix(kept.boxes_px, kept.boxes_px)
    np.fill_diagonal(among_kept, 0)
    assert among_kept.max(initial=0) <= nms_iou + 1e-3
    to_kept = iou_matrix(faces.boxes_px, kept.boxes_px)
    better = kept.scores[None, :] >= faces.scores[:, None]
    assert np.where(better, to_kept, 0).max(axis=1).min() >= nms_iou - 1e-3
