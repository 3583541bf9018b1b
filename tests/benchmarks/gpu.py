"""What a card gains: detection and embedding one by one, in batches and in 16 bits, and whether it finds the same.

    python -m tests.benchmarks.gpu VIDEO [--model-dir DIR] [--frames 200] [--threads 8] [--device cpu]

Frames spread over the video are decoded once. Each way is measured three times, taking turns, and its faces and vectors
are compared with those of the CPU. ``--device cpu`` tries the command where there is no card; its figures say nothing
about one.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score

from resources.models.cuda_session import BoundSession
from resources.models.detector import FaceDetector, load_detector
from resources.models.embedder import FaceEmbedder, load_embedder
from resources.models.model_packs import ModelPack, load_pack
from resources.models.onnx_session import create_session
from resources.storage.video_decoder import probe_video, read_frames
from resources.system.paths import config_dir
from screenalytics_assets.core.common.errors import ScreenalyticsError
from screenalytics_assets.core.common.geometry import iou_matrix
from screenalytics_assets.core.config.detection_keys import DetectionSettings
from screenalytics_assets.core.config.providers import Cuda, Device
from screenalytics_assets.core.detection.alignment import aligned_crop
from screenalytics_assets.core.detection.face_boxes import FrameFaces

_ROUNDS = 3
_MOST_CLUSTERED = 3000
Pictures = Sequence[NDArray[np.uint8]]


class Way(NamedTuple):
    """A way to run the models."""

    name: str
    device: Device
    threads: int
    cuda: Cuda


class Agreement(NamedTuple):
    """How far faces are those of the reference: shares with an IoU above 0.5 both ways, and medians in pixels."""

    kept: float
    right: float
    box_px: float
    landmark_px: float


def ways(device: Device, threads: int) -> list[Way]:
    """The reference, and what a card can do."""
    return [
        Way("CPU", "cpu", 1, Cuda()),
        Way("one by one", device, 1, Cuda()),
        Way(f"batches, {threads} threads", device, threads, Cuda()),
        Way("one by one, 16 bits", device, 1, Cuda(fp16=True)),
        Way(f"batches, {threads} threads, 16 bits", device, threads, Cuda(fp16=True)),
    ]


def detector_of(pack: ModelPack, way: Way) -> FaceDetector:
    """The pack's detector with the default settings."""
    settings = DetectionSettings()
    return load_detector(
        pack,
        device=way.device,
        threads=0,
        input_px=settings.detector_input_px,
        closeup_input_px=settings.closeup_input_px,
        nms_iou=settings.nms_iou,
        overlapping=way.threads,
        cuda=way.cuda,
    )


def look_at_all(detector: FaceDetector, frames: Pictures, confidence_th: float, threads: int) -> list[FrameFaces]:
    """The faces of each frame, found by so many threads."""
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda frame: detector.detect(frame, confidence_th=confidence_th), frames))


def agreement(reference: Sequence[FrameFaces], found: Sequence[FrameFaces]) -> Agreement:
    """Compare the faces of each frame."""
    kept: list[bool] = []
    right: list[bool] = []
    box_px: list[float] = []
    landmark_px: list[float] = []
    for expected, got in zip(reference, found, strict=True):
        overlaps = iou_matrix(expected.boxes_px, got.boxes_px)
        kept += (overlaps.max(axis=1, initial=0) > 0.5).tolist()
        right += (overlaps.max(axis=0, initial=0) > 0.5).tolist()
        for i in np.flatnonzero(overlaps.max(axis=1, initial=0) > 0.5):
            j = overlaps[i].argmax()
            box_px.append(float(np.abs(expected.boxes_px[i] - got.boxes_px[j]).max()))
            landmark_px += np.linalg.norm(expected.landmarks_px[i] - got.landmarks_px[j], axis=1).tolist()
    return Agreement(_mean(kept), _mean(right), _median(box_px), _median(landmark_px))


def _mean(values: Sequence[bool]) -> float:
    return statistics.fmean(values) if values else 1.0


def _median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else 0.0


def crops_of(frames: Pictures, faces: Sequence[FrameFaces]) -> NDArray[np.uint8]:
    """The aligned crops of all faces, (N, 112, 112, 3)."""
    crops = [
        aligned_crop(frame, points, crop_px=112)
        for frame, found in zip(frames, faces, strict=True)
        for points in found.landmarks_px
    ]
    return np.stack(crops) if crops else np.empty((0, 112, 112, 3), np.uint8)


def identities(vectors: NDArray[np.float32], cluster_thresh: float) -> NDArray[np.int64]:
    """Who is who among single faces: average linkage at the embedder's threshold."""
    clustering = AgglomerativeClustering(
        n_clusters=None, metric="cosine", linkage="average", distance_threshold=1 - cluster_thresh
    )
    labels: NDArray[np.int64] = clustering.fit_predict(vectors[:_MOST_CLUSTERED])
    return labels


def card_memory_mb() -> float | None:
    """Memory of the card in use by all processes, or None where ``nvidia-smi`` is not there."""
    if shutil.which("nvidia-smi") is None:
        return None
    command = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[0])


def binding_gain(pack: ModelPack, device: Device) -> tuple[float, float]:
    """Seconds of a run of the detector's net with I/O binding and without, medians of runs that take turns."""
    content = pack.detector.file.read_verified()
    session = create_session(content, device=device, threads=0, free_axes=(0, 2, 3))
    bound, name = BoundSession(session), session.get_inputs()[0].name
    blob = np.random.default_rng(0).uniform(-1, 1, (1, 3, 384, 640)).astype(np.float32)
    bound_s, plain_s = [], []
    for _ in range(33):
        bound_s.append(timed(lambda: bound.run(None, {name: blob})))
        plain_s.append(timed(lambda: session.run(None, {name: blob})))
    return statistics.median(bound_s[3:]), statistics.median(plain_s[3:])


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
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    arguments = parser.parse_args()
    console = Console(width=130)
    try:
        pack = load_pack("open", arguments.model_dir, config_dir() / "pipeline" / "models.yaml")
        chosen = ways(arguments.device, arguments.threads)
        detectors = [detector_of(pack, way) for way in chosen]
        embedders = [load_embedder(pack, device=way.device, threads=0, cuda=way.cuda) for way in chosen]
        probe = probe_video(arguments.video)
        step = max(1, probe.frame_count // arguments.frames)
        frames = [frame.bgr() for frame in read_frames(arguments.video, probe) if frame.index % step == 0]
    except ScreenalyticsError as error:
        console.print(str(error), style="red", markup=False)
        return 2
    confidence_th = pack.thresholds["confidence_th"] or 0.5
    console.print(
        f"{arguments.video.name}: {len(frames)} frames of {frames[0].shape[1]}x{frames[0].shape[0]}; {pack.name}; "
        f"ONNX Runtime {onnxruntime.__version__}"
    )
    bound_s, plain_s = binding_gain(pack, arguments.device)
    console.print(f"one picture of 640x384: {1000 * bound_s:.2f} ms with I/O binding, {1000 * plain_s:.2f} ms without")
    report(console, chosen, detectors, embedders, frames, confidence_th, pack.thresholds["cluster_thresh"] or 0.4)
    return 0


def report(
    console: Console,
    chosen: Sequence[Way],
    detectors: Sequence[FaceDetector],
    embedders: Sequence[FaceEmbedder],
    frames: Pictures,
    confidence_th: float,
    cluster_thresh: float,
) -> None:
    """Measure each way and print the table."""
    # The first look at each size is slower: memory is taken, algorithms are chosen.
    found = [
        look_at_all(detector, frames, confidence_th, way.threads)
        for detector, way in zip(detectors, chosen, strict=True)
    ]
    crops = crops_of(frames, found[0])
    vectors = [embedder.embed(crops) for embedder in embedders]
    detect_s: list[list[float]] = [[] for _ in chosen]
    embed_s: list[list[float]] = [[] for _ in chosen]
    for _ in range(_ROUNDS):
        for i, way in enumerate(chosen):
            detector, embedder, threads = detectors[i], embedders[i], way.threads
            detect_s[i].append(timed(lambda d=detector, t=threads: look_at_all(d, frames, confidence_th, t)))  # type: ignore[misc]
            embed_s[i].append(timed(lambda e=embedder: e.embed(crops)))  # type: ignore[misc]
    table = Table(
        "", "runs on", "frames/s", "faces/s", "kept", "right", "box px", "landmark px", "cosine", "identities"
    )
    reference = identities(vectors[0], cluster_thresh) if len(crops) > 1 else np.zeros(len(crops), np.int64)
    for i, way in enumerate(chosen):
        same = agreement(found[0], found[i])
        cosine = float((vectors[0] * vectors[i]).sum(axis=1).min(initial=1))
        rand = adjusted_rand_score(reference, identities(vectors[i], cluster_thresh)) if len(crops) > 1 else 1.0
        table.add_row(
            way.name,
            detectors[i].provider.removesuffix("ExecutionProvider"),
            f"{len(frames) / statistics.median(detect_s[i]):.1f}",
            f"{len(crops) / statistics.median(embed_s[i]):.1f}",
            f"{same.kept:.4f}",
            f"{same.right:.4f}",
            f"{same.box_px:.3f}",
            f"{same.landmark_px:.3f}",
            f"{cosine:.5f}",
            f"{rand:.4f}",
        )
    console.print(table)
    console.print("kept, right: shares of the CPU's faces found, and of the faces that the CPU finds too")
    console.print("box, landmark: medians of the difference; cosine: the least; identities: adjusted Rand index")
    used_mb = card_memory_mb()
    used = "no nvidia-smi" if used_mb is None else f"{used_mb:.0f} MB, with all models of the table loaded"
    console.print(f"memory of the card: {used}")


if __name__ == "__main__":
    sys.exit(main())
