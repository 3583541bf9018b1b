import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from screenalytics_assets.core.common.geometry import clamp_boxes, iou_matrix

Boxes = NDArray[np.float32]


@st.composite
def boxes(draw: st.DrawFn, low: float = 0, high: float = 1000) -> Boxes:
    corners = draw(
        arrays(np.float32, st.tuples(st.integers(1, 5), st.just(4)), elements=st.floats(low, high, width=32))
    )
    return np.concatenate(
        [np.minimum(corners[:, :2], corners[:, 2:]), np.maximum(corners[:, :2], corners[:, 2:])], axis=1
    )


@given(boxes(), boxes())
def test_iou_is_a_symmetric_fraction(first: Boxes, second: Boxes) -> None:
    iou = iou_matrix(first, second)
    assert iou.shape == (len(first), len(second))
    assert ((iou >= 0) & (iou <= 1 + 1e-12)).all()
    np.testing.assert_allclose(iou, iou_matrix(second, first).T)


@given(boxes())
def test_the_iou_of_a_box_with_itself_is_one_and_zero_if_it_is_empty(some: Boxes) -> None:
    has_area = (some[:, 2:].astype(np.float64) - some[:, :2] > 0).all(axis=1)
    np.testing.assert_allclose(np.diag(iou_matrix(some, some)), has_area.astype(float))


@given(boxes(0, 100), st.floats(0.5, 8), st.integers(-50, 50))
def test_iou_is_invariant_to_translation_and_scale(some: Boxes, scale: float, shift: int) -> None:
    whole = np.round(some).astype(np.float32)
    moved = (whole * np.float32(scale) + shift).astype(np.float32)
    np.testing.assert_allclose(iou_matrix(moved, moved), iou_matrix(whole, whole), atol=1e-4)


def test_iou_of_known_boxes() -> None:
    square = np.array([[0, 0, 10, 10]], np.float32)
    others = np.array([[0, 0, 10, 5], [5, 5, 15, 15], [10, 0, 20, 10], [30, 30, 40, 40]], np.float32)
    np.testing.assert_allclose(iou_matrix(square, others), [[0.5, 25 / 175, 0, 0]])


def test_an_inside_out_box_overlaps_nothing() -> None:
    inside_out = np.array([[10, 10, 0, 0]], np.float32)
    square = np.array([[0, 0, 10, 10]], np.float32)
    assert iou_matrix(inside_out, square).item() == 0


@pytest.mark.parametrize(("first", "second"), [(0, 3), (3, 0), (0, 0)])
def test_no_boxes_give_an_empty_matrix(first: int, second: int) -> None:
    assert iou_matrix(np.zeros((first, 4), np.float32), np.zeros((second, 4), np.float32)).shape == (first, second)


@given(boxes(-500, 2500))
def test_clamped_boxes_are_inside_the_frame_and_those_already_inside_are_unchanged(some: Boxes) -> None:
    clamped = clamp_boxes(some, 1280, 720)
    assert clamped.dtype == np.float32
    assert (clamped >= 0).all()
    assert (clamped[:, [0, 2]] <= 1280).all()
    assert (clamped[:, [1, 3]] <= 720).all()
    inside = (some >= 0).all(axis=1) & (some <= (1280, 720, 1280, 720)).all(axis=1)
    np.testing.assert_array_equal(clamped[inside], some[inside])
