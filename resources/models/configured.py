"""The models of a run, loaded as its settings say. ONNX Runtime and InsightFace are imported only when needed."""

from typing import TYPE_CHECKING

from resources.configuration.run_settings import RunSettings
from resources.system.cpu import default_threads

if TYPE_CHECKING:
    from resources.models.detector_nets import FaceDetector
    from resources.models.embedder import FaceEmbedder


def model_threads(run: RunSettings) -> int:
    """CPU threads of the model runtime."""
    return run.resolved.settings.models.cpu_threads or default_threads()


def configured_detector(run: RunSettings, *, overlapping: int = 1) -> "FaceDetector":
    """The detector of the run's pack.

    Args:
        run: The settings and the pack.
        overlapping: How many threads call it at the same time.

    Raises:
        ModelPackError: The file is missing, altered, or not a detector.
        DeviceError: CUDA was asked for and is not available.
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
        cuda_memory_gb=models.cuda_memory_gb,
    )


def configured_embedder(run: RunSettings) -> "FaceEmbedder":
    """The embedder of the run's pack.

    Raises:
        ModelPackError: The file is missing, altered, or not an embedder.
        DeviceError: CUDA was asked for and is not available.
    """
    from resources.models.embedder import load_embedder

    models = run.resolved.settings.models
    return load_embedder(
        run.pack, device=models.device, threads=models.cpu_threads, cuda_memory_gb=models.cuda_memory_gb
    )
