"""Face detectors."""

import math
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np
from insightface.model_zoo.scrfd import SCRFD
from numpy.typing import NDArray

from resources.models.onnx_session import create_session
from resources.models.packs import DetectorSpec, ModelPack
from resources.system.cpu import threads_of_a_call
from screenalytics_assets.core.common.errors import ModelPackError
from screenalytics_assets.core.config.providers import Device
from screenalytics_assets.core.detection.centerface import decode_centerface, suppress_overlaps
from screenalytics_assets.core.detection.face_boxes import FrameFaces
from screenalytics_assets.core.detection.frame_analysis import Detector

INPUT_MULTIPLE_PX = 32
"""The largest stride of both nets: the sides of their input are multiples of it."""
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


class CenterFaceDetector:
    """CenterFace: RGB from 0 to 255 in, four maps out.

    It finds faces that fill the frame, but their landmarks are inaccurate. On photographs enlarged until a face was as
    high as the frame, the cosine between the vectors of this face and of the small one was 0.91, with a second pass at
    256 px 0.95 (at 1.2 times the height 0.79 and 0.90). So frames in which the first pass finds a close-up get the
    close-up pass too.
    """

    def __init__(self, digest: str, session: Any, inputs: InputSizes, nms_iou: float) -> None:  # noqa: ANN401
        self.digest = digest
        self.provider = str(session.get_providers()[0])
        self._session = session
        self._inputs = inputs
        self._nms_iou = nms_iou
        self._input_name = session.get_inputs()[0].name

    def detect(
        self, frame_bgr: NDArray[np.uint8], *, confidence_th: float, high_resolution: bool = False
    ) -> FrameFaces:
        """The faces with a score of at least ``confidence_th``, best first, in pixels of the frame."""
        first, *coarser = self._inputs.of_frame(high_resolution)
        passes = [self._candidates(frame_bgr, first, confidence_th)]
        heights_px = passes[0].boxes_px[:, 3] - passes[0].boxes_px[:, 1]
        if heights_px.max(initial=0.0) >= CLOSE_UP_SHARE * min(frame_bgr.shape[:2]):
            passes += [self._candidates(frame_bgr, long_side_px, confidence_th) for long_side_px in coarser]
        merged = FrameFaces(
            np.concatenate([faces.boxes_px for faces in passes]),
            np.concatenate([faces.scores for faces in passes]),
            np.concatenate([faces.landmarks_px for faces in passes]),
        )
        return suppress_overlaps(merged, self._nms_iou)

    def _candidates(self, frame_bgr: NDArray[np.uint8], long_side_px: int, confidence_th: float) -> FrameFaces:
        frame_height, frame_width = frame_bgr.shape[:2]
        width, height = input_size(frame_width, frame_height, long_side_px)
        scale = min(width / frame_width, height / frame_height)
        resized = cv2.resize(frame_bgr, (max(1, round(frame_width * scale)), max(1, round(frame_height * scale))))
        canvas = np.zeros((height, width, 3), np.uint8)
        canvas[: resized.shape[0], : resized.shape[1]] = resized
        maps = self._session.run(None, {self._input_name: cv2.dnn.blobFromImage(canvas, swapRB=True)})
        return decode_centerface(*maps, confidence_th=confidence_th, input_px_per_frame_px=scale)


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


def load_detector(
    pack: ModelPack,
    *,
    device: Device,
    threads: int,
    input_px: int,
    closeup_input_px: int,
    nms_iou: float,
    close_look_scale: float = 1.0,
    overlapping: int = 1,
    cuda_memory_gb: float = 0.0,
) -> FaceDetector:
    """Load the detector of a pack after verifying its file.

    Args:
        pack: The pack.
        device: Where it runs.
        threads: CPU threads; 0 takes what the quota allows.
        input_px: Longer side of the net's input.
        closeup_input_px: Longer side in the second, coarse pass for faces that fill the frame; 0 switches it off.
        nms_iou: Boxes with a higher IoU are one face.
        close_look_scale: Factor on ``input_px`` in high-resolution passes.
        overlapping: How many threads call ``detect`` at the same time; they share the CPU threads.
        cuda_memory_gb: On CUDA, the most GPU memory that the model takes; 0 is no limit.

    Raises:
        ModelPackError: The file is missing, altered, or no such detector.
        DeviceError: CUDA was asked for and is not available.
    """
    spec = pack.detector
    is_centerface = spec.entry.kind == "centerface"
    closeup = (closeup_input_px,) if closeup_input_px else ()
    sizes = InputSizes((input_px, *closeup), (round(close_look_scale * input_px), *closeup))
    model_bytes = spec.file.read_verified()
    try:
        session = create_session(
            model_bytes,
            device=device,
            threads=threads_of_a_call(threads, overlapping),
            free_axes=(0, 2, 3) if is_centerface else (),  # the public file is fixed at 32×32 pixels
            cuda_memory_gb=cuda_memory_gb,
        )
    except ModelPackError as error:
        raise ModelPackError(f"{spec.file.path}: {error}") from error
    _check_form(spec, session)
    if is_centerface:
        return CenterFaceDetector(spec.file.sha256, session, sizes, nms_iou)
    # With a session InsightFace does not open the file again, which would then be unverified.
    net = SCRFD(session=session)
    net.nms_thresh = nms_iou
    return ScrfdDetector(spec.file.sha256, net, sizes)


def _check_form(spec: DetectorSpec, session: Any) -> None:  # noqa: ANN401
    inputs, outputs = session.get_inputs(), session.get_outputs()
    shape = inputs[0].shape
    channels_first = len(inputs) == 1 and len(shape) == 4 and shape[1] == 3
    if spec.entry.kind == "centerface":
        fits, expected = len(outputs) == 4, "CenterFace: one picture (N, 3, H, W) in, 4 maps out"
    else:
        # 9 or 15 outputs: score, box and landmarks at each of 3 or 5 steps.
        fits = len(outputs) in (9, 15) and not (isinstance(shape[2], int) or isinstance(shape[3], int))
        expected = "SCRFD with landmarks: one picture (N, 3, H, W) of any size in, 9 or 15 outputs"
    if not (channels_first and fits):
        raise ModelPackError(
            f"{spec.file.path} does not have the form of a detector: {len(inputs)} input(s), the "
            f"first {shape}, and {len(outputs)} output(s); expected {expected}"
        )
