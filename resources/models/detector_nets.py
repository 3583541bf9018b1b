"""The nets that find faces in a frame."""

import math
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np
from insightface.model_zoo.scrfd import SCRFD
from numpy.typing import NDArray

from screenalytics_assets.core.detection.centerface import decode_centerface, suppress_overlaps
from screenalytics_assets.core.detection.face_boxes import FrameFaces
from screenalytics_assets.core.detection.frame_analysis import Detector
from screenalytics_assets.core.detection.yunet import decode_yunet

INPUT_MULTIPLE_PX = 32
"""The largest stride of the nets: the sides of their input are multiples of it."""
CLOSE_UP_SHARE = 0.4
"""Share of the frame's shorter side. A higher face is a close-up: from this size on, SCRFD misses faces."""


class FaceDetector(Detector, Protocol):
    """Finds the faces of a frame; safe to call from several threads."""

    @property
    def digest(self) -> str:
        """SHA-256 of the weights."""

    @property
    def provider(self) -> str:
        """The ONNX Runtime provider that runs it, for example ``CPUExecutionProvider``."""


def input_size(frame_width_px: int, frame_height_px: int, long_side_px: int) -> tuple[int, int]:
    """Width and height of the net's input: the frame's aspect ratio, each side rounded up to a multiple of 32.

    1280×720 at 640 is fed as 640×384: the same faces as 640×640 for 0.6 of the work.
    """
    scale = long_side_px / max(frame_width_px, frame_height_px)
    width, height = (
        INPUT_MULTIPLE_PX * math.ceil(round(side * scale) / INPUT_MULTIPLE_PX) or INPUT_MULTIPLE_PX
        for side in (frame_width_px, frame_height_px)
    )
    return width, height


def fitted_input(frame_bgr: NDArray[np.uint8], long_side_px: int) -> tuple[NDArray[np.uint8], float]:
    """The frame in the size of the net's input, black at the right or below, and the scale from one to the other."""
    frame_height, frame_width = frame_bgr.shape[:2]
    width, height = input_size(frame_width, frame_height, long_side_px)
    scale = min(width / frame_width, height / frame_height)
    resized = cv2.resize(frame_bgr, (max(1, round(frame_width * scale)), max(1, round(frame_height * scale))))
    canvas = np.zeros((height, width, 3), np.uint8)
    canvas[: resized.shape[0], : resized.shape[1]] = resized
    return canvas, scale


class InputSizes(NamedTuple):
    """Longer sides of the net's input in pixels: the first pass over a frame, then the close-up pass, if there is one.

    Attributes:
        standard: Of most frames.
        high_resolution: Of frames that get a high-resolution pass.
    """

    standard: tuple[int, ...]
    high_resolution: tuple[int, ...]

    def of_frame(self, high_resolution: bool) -> tuple[int, ...]:
        """The sizes of a frame."""
        return self.high_resolution if high_resolution else self.standard


class _OnnxDetector:
    """A net with one input, of any size."""

    def __init__(self, digest: str, session: Any, inputs: InputSizes, nms_iou: float) -> None:  # noqa: ANN401
        self.digest = digest
        self.provider = str(session.get_providers()[0])
        self._session = session
        self._inputs = inputs
        self._nms_iou = nms_iou
        self._input_name = session.get_inputs()[0].name


class CenterFaceDetector(_OnnxDetector):
    """CenterFace: RGB from 0 to 255 in, four maps out.

    It finds faces that fill the frame, but their landmarks are inaccurate. On photographs enlarged until a face was as
    high as the frame, the cosine between the vectors of this face and of the small one was 0.91, with a second pass at
    256 px 0.95 (at 1.2 times the height 0.79 and 0.90). So frames in which the first pass finds a close-up get the
    close-up pass too.
    """

    def detect(
        self, frame_bgr: NDArray[np.uint8], *, confidence_th: float, high_resolution: bool = False
    ) -> FrameFaces:
        """The faces with a score of at least ``confidence_th``, best first, in pixels of the frame."""
        first, *coarser = self._inputs.of_frame(high_resolution)
        passes = [self._candidates(frame_bgr, first, confidence_th)]
        heights_px = passes[0].boxes_px[:, 3] - passes[0].boxes_px[:, 1]
        if heights_px.max(initial=0.0) >= CLOSE_UP_SHARE * min(frame_bgr.shape[:2]):
            passes += [self._candidates(frame_bgr, long_side_px, confidence_th) for long_side_px in coarser]
        return suppress_overlaps(FrameFaces.joined(passes), self._nms_iou)

    def _candidates(self, frame_bgr: NDArray[np.uint8], long_side_px: int, confidence_th: float) -> FrameFaces:
        canvas, scale = fitted_input(frame_bgr, long_side_px)
        maps = self._session.run(None, {self._input_name: cv2.dnn.blobFromImage(canvas, swapRB=True)})
        return decode_centerface(*maps, confidence_th=confidence_th, input_px_per_frame_px=scale)


class YuNetDetector(_OnnxDetector):
    """YuNet: BGR from 0 to 255 in, twelve maps out.

    Every frame gets the close-up pass, for faces that fill it; that takes a sixth of the time of the first pass.
    """

    def detect(
        self, frame_bgr: NDArray[np.uint8], *, confidence_th: float, high_resolution: bool = False
    ) -> FrameFaces:
        """The faces with a score of at least ``confidence_th``, best first, in pixels of the frame."""
        sizes_px = self._inputs.of_frame(high_resolution)
        passes = [self._candidates(frame_bgr, long_side_px, confidence_th) for long_side_px in sizes_px]
        return suppress_overlaps(FrameFaces.joined(passes), self._nms_iou)

    def _candidates(self, frame_bgr: NDArray[np.uint8], long_side_px: int, confidence_th: float) -> FrameFaces:
        canvas, scale = fitted_input(frame_bgr, long_side_px)
        maps = self._session.run(None, {self._input_name: cv2.dnn.blobFromImage(canvas)})
        return decode_yunet(maps, canvas.shape[1], confidence_th=confidence_th, input_px_per_frame_px=scale)


class ScrfdDetector:
    """SCRFD through InsightFace.

    At 640 px it misses faces that fill more than 40 % of the frame; the close-up pass finds them.
    """

    def __init__(self, digest: str, net: SCRFD, inputs: InputSizes) -> None:
        self.digest = digest
        self.provider = str(net.session.get_providers()[0])
        self._net = net
        self._inputs = inputs

    def detect(
        self, frame_bgr: NDArray[np.uint8], *, confidence_th: float, high_resolution: bool = False
    ) -> FrameFaces:
        """The faces with a score of at least ``confidence_th``, best first, in pixels of the frame."""
        height, width = frame_bgr.shape[:2]
        sizes = [input_size(width, height, long_side_px) for long_side_px in self._inputs.of_frame(high_resolution)]
        boxes, landmarks = self._net.detect(frame_bgr, input_size=sizes, det_thresh=confidence_th)
        return FrameFaces(boxes[:, :4].astype(np.float32), boxes[:, 4].astype(np.float32), landmarks.astype(np.float32))
