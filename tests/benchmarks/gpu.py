"""How fast a GPU detects and embeds, beside the CPU.

    python -m tests.benchmarks.gpu VIDEO [--model-dir DIR] [--frames 200]

Frames spread over the video are decoded once; the devices take turns, three times each. ``tests/gpu`` compares what
they find.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from rich.console import Console
from rich.table import Table

from resources.models.detector import load_detector
from resources.models.embedder import load_embedder
from resources.models.packs import load_pack
from resources.system.paths import config_dir
from resources.video.decoder import probe_video, read_frames
from screenalytics_assets.core.common.errors import ScreenalyticsError
from screenalytics_assets.core.config.detection_keys import DetectionSettings
from screenalytics_assets.core.config.providers import Device
from screenalytics_assets.core.detection.alignment import aligned_crop

DEVICES: tuple[Device, ...] = ("cpu", "cuda")
_ROUNDS = 3


def gpu_memory_mb() -> float | None:
    """Memory of the GPU in use by all processes, or None without ``nvidia-smi``."""
    if shutil.which("nvidia-smi") is None:
        return None
    command = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[0])


def timed(work: Callable[[], Any]) -> float:
    """Seconds that it takes."""
    started_s = time.perf_counter()
    work()
    return time.perf_counter() - started_s


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--model-dir", type=Path)
    parser.add_argument("--frames", type=int, default=200)
    arguments = parser.parse_args()
    console = Console(width=130)
    settings = DetectionSettings()
    try:
        pack = load_pack("open", arguments.model_dir, config_dir() / "pipeline" / "models.yaml", verifier_pack="open")
        detectors = [
            load_detector(
                pack,
                device=device,
                threads=0,
                input_px=settings.detector_input_px,
                closeup_input_px=settings.closeup_input_px,
                nms_iou=settings.nms_iou,
            )
            for device in DEVICES
        ]
        embedders = [load_embedder(pack, device=device, threads=0) for device in DEVICES]
        probe = probe_video(arguments.video)
        step = max(1, probe.frame_count // arguments.frames)
        frames = [frame.bgr() for frame in read_frames(arguments.video, probe) if frame.index % step == 0]
    except ScreenalyticsError as error:
        console.print(str(error), style="red", markup=False)
        return 2
    confidence_th = pack.thresholds["confidence_th"] or 0.5
    # The first inference at each size is slower: memory is allocated, algorithms are chosen.
    found, *_ = [[detector.detect(frame, confidence_th=confidence_th) for frame in frames] for detector in detectors]
    crops = np.stack(
        [
            aligned_crop(frame, points, crop_px=112)
            for frame, faces in zip(frames, found, strict=True)
            for points in faces.landmarks_px
        ]
    )
    detect_s: list[list[float]] = [[] for _ in DEVICES]
    embed_s: list[list[float]] = [[] for _ in DEVICES]
    for turn in range(_ROUNDS * len(DEVICES)):
        i = turn % len(DEVICES)
        detector, embedder = detectors[i], embedders[i]
        detect_s[i].append(timed(lambda d=detector: [d.detect(f, confidence_th=confidence_th) for f in frames]))  # type: ignore[misc]
        embed_s[i].append(timed(lambda e=embedder: e.embed(crops)))  # type: ignore[misc]
    table = Table("runs on", "frames/s", "faces/s")
    for detector, detection_s, embedding_s in zip(detectors, detect_s, embed_s, strict=True):
        table.add_row(
            detector.provider.removesuffix("ExecutionProvider"),
            f"{len(frames) / statistics.median(detection_s):.1f}",
            f"{len(crops) / statistics.median(embedding_s):.1f}",
        )
    console.print(f"{arguments.video.name}: {len(frames)} frames; {pack.name}; ONNX Runtime {onnxruntime.__version__}")
    console.print(table)
    used_mb = gpu_memory_mb()
    console.print(f"memory of the GPU: {'no nvidia-smi' if used_mb is None else f'{used_mb:.0f} MB'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
