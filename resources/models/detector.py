"""Loads the detector of a pack, and the verifier that looks at its boxes."""

from collections.abc import Callable
from functools import partial
from typing import Any

from insightface.model_zoo.scrfd import SCRFD

from resources.models.detector_nets import CenterFaceDetector, FaceDetector, InputSizes, ScrfdDetector, YuNetDetector
from resources.models.onnx_session import create_session
from resources.models.packs import DetectorSpec, ModelFile, ModelPack
from resources.models.registry import DetectorKind
from resources.models.verifier import CenterFaceVerifier, VerifiedDetector
from resources.system.cpu import threads_of_a_call
from screenalytics_assets.core.common.errors import ModelPackError
from screenalytics_assets.core.config.providers import Device


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
    """Load the detector of a pack, and its verifier if it has one, after verifying their files.

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
    closeup = (closeup_input_px,) if closeup_input_px else ()
    sizes = InputSizes((input_px, *closeup), (round(close_look_scale * input_px), *closeup))
    session_of = partial(
        _session_of, device=device, threads=threads_of_a_call(threads, overlapping), cuda_memory_gb=cuda_memory_gb
    )
    detector = _load_net(pack.detector, session_of, sizes, nms_iou)
    verifier = pack.verifier
    if verifier is None:
        return detector
    session = session_of(verifier.file, verifier.entry.kind)
    return VerifiedDetector(detector, pack.detector.entry, CenterFaceVerifier(session), nms_iou)


def _load_net(
    spec: DetectorSpec, session_of: Callable[[ModelFile, DetectorKind], Any], sizes: InputSizes, nms_iou: float
) -> FaceDetector:
    session = session_of(spec.file, spec.entry.kind)
    match spec.entry.kind:
        case "centerface":
            return CenterFaceDetector(spec.file.sha256, session, sizes, nms_iou)
        case "yunet":
            return YuNetDetector(spec.file.sha256, session, sizes, nms_iou)
        case "scrfd":
            # With a session InsightFace does not open the file again, which would then be unverified.
            net = SCRFD(session=session)
            net.nms_thresh = nms_iou
            return ScrfdDetector(spec.file.sha256, net, sizes)


def _session_of(file: ModelFile, kind: DetectorKind, *, device: Device, threads: int, cuda_memory_gb: float) -> Any:  # noqa: ANN401
    model_bytes = file.read_verified()
    # The public files of CenterFace and YuNet have one size of the input, 32×32 and 640×640 pixels.
    free_axes = () if kind == "scrfd" else (0, 2, 3)
    try:
        session = create_session(
            model_bytes, device=device, threads=threads, free_axes=free_axes, cuda_memory_gb=cuda_memory_gb
        )
    except ModelPackError as error:
        raise ModelPackError(f"{file.path}: {error}") from error
    _check_form(file, kind, session)
    return session


def _check_form(file: ModelFile, kind: DetectorKind, session: Any) -> None:  # noqa: ANN401
    inputs, outputs = session.get_inputs(), session.get_outputs()
    shape = inputs[0].shape
    channels_first = len(inputs) == 1 and len(shape) == 4 and shape[1] == 3
    match kind:
        case "centerface":
            fits, expected = len(outputs) == 4, "CenterFace: one picture (N, 3, H, W) in, 4 maps out"
        case "yunet":
            fits, expected = len(outputs) == 12, "YuNet: one picture (N, 3, H, W) in, 12 maps out"
        case "scrfd":
            # 9 or 15 outputs: score, box and landmarks at each of 3 or 5 steps.
            fits = len(outputs) in (9, 15) and not (isinstance(shape[2], int) or isinstance(shape[3], int))
            expected = "SCRFD with landmarks: one picture (N, 3, H, W) of any size in, 9 or 15 outputs"
    if not (channels_first and fits):
        raise ModelPackError(
            f"{file.path} does not have the form of a detector: {len(inputs)} input(s), the "
            f"first {shape}, and {len(outputs)} output(s); expected {expected}"
        )
