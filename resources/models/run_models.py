"""The models of a run, as its settings say; ONNX Runtime and InsightFace are imported by whoever needs one."""

from typing import TYPE_CHECKING

from resources.configuration.run_settings import RunSettings
from screenalytics_assets.core.config.providers import Cuda

if TYPE_CHECKING:
    from resources.models.detector import FaceDetector
    from resources.models.embedder import FaceEmbedder


def calls_at_once(run: RunSettings) -> int:
    """How many looks the pass takes at the same time."""
    from resources.models import onnx_session

    models = run.resolved.settings.models
    return onnx_session.calls_at_once(models.device, models.cpu_threads)


def detector_of(run: RunSettings, *, overlapping: int = 1) -> "FaceDetector":
    """The detector of the run's pack.

    Args:
        run: The settings and the pack.
        overlapping: How many threads call it at the same time.

    Raises:
        ModelPackError: The file is missing, altered, or no such detector.
        DeviceError: CUDA was asked for and is not there.
    """
    from resources.models.detector import load_detector

    detection, models = run.resolved.settings.detection, run.resolved.settings.models
    return load_detector(
        run.pack,
        device=models.device,
        threads=models.cpu_threads,
        input_px=detection.detector_input_px,
        closeup_input_px=detection.closeup_input_px,
        nms_iou=detection.nms_iou,
        close_look_scale=detection.close_look_scale,
        overlapping=overlapping,
        cuda=Cuda(models.cuda_fp16, models.cuda_memory_gb),
    )


def embedder_of(run: RunSettings) -> "FaceEmbedder":
    """The embedder of the run's pack.

    Raises:
        ModelPackError: The file is missing, altered, or no such embedder.
        DeviceError: CUDA was asked for and is not there.
    """
    from resources.models.embedder import load_embedder

    models = run.resolved.settings.models
    return load_embedder(
        run.pack, device=models.device, threads=models.cpu_threads, cuda=Cuda(models.cuda_fp16, models.cuda_memory_gb)
    )
