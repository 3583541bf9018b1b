import numpy as np

from screenalytics_assets.core.detection.yunet import STRIDES_PX, decode_yunet

INPUT_PX = (64, 32)


def maps() -> list[np.ndarray]:
    """Twelve maps for a picture of 64×32 px with no face in it."""
    cells = [(INPUT_PX[0] // stride) * (INPUT_PX[1] // stride) for stride in STRIDES_PX]
    return [np.zeros((1, count, values), np.float32) for values in (1, 1, 4, 10) for count in cells]


def test_a_cell_gives_a_box_around_its_corner_in_pixels_of_the_frame() -> None:
    outputs = maps()
    cell = 1 * (INPUT_PX[0] // 8) + 3  # row 1, column 3 at stride 8
    outputs[0][0, cell], outputs[3][0, cell] = 0.81, 0.64
    outputs[6][0, cell] = (0.5, 0.25, np.log(2), np.log(3))
    outputs[9][0, cell, :2] = (0.5, -1.0)
    faces = decode_yunet(outputs, INPUT_PX[0], confidence_th=0.5, input_px_per_frame_px=0.5)
    np.testing.assert_allclose(faces.scores, [0.72], rtol=1e-6)  # √(0.81·0.64)
    # The centre is (3.5, 1.25) cells of 8 px of the input, 16 px of the frame; the box is 2×3 cells.
    np.testing.assert_allclose(faces.boxes_px, [[40, -4, 72, 44]], atol=1e-4)
    np.testing.assert_allclose(faces.landmarks_px[0, 0], [56, 0], atol=1e-4)


def test_each_stride_has_cells_of_its_own_size() -> None:
    outputs = maps()
    for level in range(3):
        outputs[level][0, 0], outputs[3 + level][0, 0] = 1.0, 1.0
    faces = decode_yunet(outputs, INPUT_PX[0], confidence_th=0.5, input_px_per_frame_px=1.0)
    np.testing.assert_allclose(faces.boxes_px[:, 2] - faces.boxes_px[:, 0], [8, 16, 32])


def test_a_score_below_the_threshold_is_no_face() -> None:
    outputs = maps()
    outputs[0][0, 0], outputs[3][0, 0] = 1.0, 0.24
    assert len(decode_yunet(outputs, INPUT_PX[0], confidence_th=0.5, input_px_per_frame_px=1.0)) == 0
