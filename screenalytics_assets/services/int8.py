"""A detector in 8 bits, kept only where it finds what the detector in 32 bits finds."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from resources.models.detector import FaceDetector, load_detector
from resources.models.int8_detector import detector_inputs, quantise_detector, write_int8_pack
from resources.models.model_packs import ModelPack, load_pack, pack_dir
from resources.storage.store import LocalArtifactStore
from resources.storage.video_decoder import probe_video, read_frames
from screenalytics_assets.artifact import require_artifact
from screenalytics_assets.core.common.errors import ConfigurationError, ModelPackError
from screenalytics_assets.core.config.detection_keys import DetectionSettings
from screenalytics_assets.core.evaluation.agreement import (
    FaceAgreement,
    IdentityAgreement,
    compare_faces,
    compare_identities,
    face_disagreements,
    people_disagreements,
)

CALIBRATION_FRAMES = 48
COMPARED_FRAMES = 160
_EP_ID = "int8-s01e01"
_ASSETS = ("episode_video", "detections", "face_crops", "tracks", "faces", "identities")
Picture = NDArray[np.uint8]


class Verdict(NamedTuple):
    """A held-out video.

    Attributes:
        video: The video.
        faces: How far the faces of its frames agree.
        speedup: Time of the detector in 32 bits over that of the one in 8.
        people: How far the people of whole runs agree; None where the faces do not and no run was made.
        problems: Why the detector in 8 bits is refused; none where it is not.
    """

    video: Path
    faces: FaceAgreement
    speedup: float
    people: IdentityAgreement | None
    problems: tuple[str, ...]


def make_int8_pack(
    pack: ModelPack,
    calibrate: Sequence[Path],
    check: Sequence[Path],
    folder: Path,
    registry: Path,
    tell: Callable[[Verdict], None],
) -> None:
    """Quantise a pack's detector on some videos, compare it on others, and keep it where it agrees on each of them.

    Args:
        pack: The pack.
        calibrate: Videos whose frames say how large the values get.
        check: Other videos, on which it is compared.
        folder: Where the new pack goes; must not exist yet.
        registry: Path of ``models.yaml``.
        tell: Takes the figures of each video of ``check``.

    Raises:
        ConfigurationError: The folder exists, or a video serves for both.
        ModelPackError: The detector disagrees, or cannot be quantised; nothing is left in ``folder``.
    """
    if folder.exists():
        raise ConfigurationError(f"{folder} exists already; name a folder that does not, or remove it")
    both = {path.resolve() for path in calibrate} & {path.resolve() for path in check}
    if both:
        raise ConfigurationError(
            f"{min(both)} is to calibrate and to check; a detector must be checked on frames that it was not made for"
        )
    settings = DetectionSettings()
    frames = chain.from_iterable(sampled(video, CALIBRATION_FRAMES // len(calibrate) + 1) for video in calibrate)
    content = quantise_detector(pack, detector_inputs(pack, frames, settings))
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / folder.name
        write_int8_pack(pack, content, made)
        candidate = load_pack("", made, registry)
        problems = []
        for video in check:
            verdict = judge(pack, candidate, video, settings)
            tell(verdict)
            problems += [f"{video.name}: {problem}" for problem in verdict.problems]
        if problems:
            raise ModelPackError(f"the detector in 8 bits was not kept: {'; '.join(problems)}")
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = folder.with_name(f".{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(made, partial)
        partial.rename(folder)


def sampled(video: Path, count: int) -> Iterator[Picture]:
    """About so many frames, spread over the video."""
    probe = probe_video(video)
    step = max(1, probe.frame_count // count)
    for frame in read_frames(video, probe):
        if frame.index % step == step // 2:
            yield frame.bgr()


def judge(pack: ModelPack, candidate: ModelPack, video: Path, settings: DetectionSettings) -> Verdict:
    """Compare two detectors on a video: frames, and then the people of a whole run."""
    frames = list(sampled(video, COMPARED_FRAMES))
    confidence_th = pack.detector.entry.confidence_th or 0.5
    first, second = (_detector(each, settings) for each in (pack, candidate))
    seconds = np.zeros((len(frames), 2))
    found = []
    for i, frame in enumerate(frames):
        started_s = time.thread_time()
        expected = first.detect(frame, confidence_th=confidence_th)
        middle_s = time.thread_time()
        got = second.detect(frame, confidence_th=confidence_th)
        seconds[i] = middle_s - started_s, time.thread_time() - middle_s
        found.append((expected, got))
    reference, others = zip(*found, strict=True)
    scale = settings.detector_input_px / max(frames[0].shape[:2])
    before_s, after_s = np.median(seconds, axis=0)
    faces = compare_faces(reference, others, input_px_per_frame_px=scale)
    problems = face_disagreements(faces)
    people = None if problems else compare_identities(*_people(pack, candidate, video))
    if people is not None:
        problems = people_disagreements(people)
    return Verdict(video, faces, float(before_s / after_s), people, tuple(problems))


def _detector(pack: ModelPack, settings: DetectionSettings) -> FaceDetector:
    return load_detector(
        pack,
        device="cpu",
        threads=1,
        input_px=settings.detector_input_px,
        closeup_input_px=settings.closeup_input_px,
        nms_iou=settings.nms_iou,
    )


def _people(
    pack: ModelPack, candidate: ModelPack, video: Path
) -> tuple[pa.Table, pa.Table, Mapping[str, str], Mapping[str, str]]:
    published = []
    for each in (pack, candidate):
        with tempfile.TemporaryDirectory() as scratch:
            published.append(_run(video, each, Path(scratch)))
    (detections, identities), (others, other_identities) = published
    return detections, others, identities, other_identities


def _run(video: Path, pack: ModelPack, folder: Path) -> tuple[pa.Table, dict[str, str]]:
    """Detections of a run of its own on the CPU, and the identity of each that has one."""
    kept = ("SCREENALYTICS_CACHE_DIR", "SCREENALYTICS_CONFIG_DIR")
    environment = {
        name: value for name, value in os.environ.items() if name in kept or not name.startswith("SCREENALYTICS_")
    }
    environment |= {"SCREENALYTICS_DATA_ROOT": str(folder / "data"), "DAGSTER_HOME": str(folder / "home")}
    command = [sys.executable, "-c", "from screenalytics_assets.cli import main; main()"]
    command += ["run", str(video), "--ep-id", _EP_ID, "--set", "device=cpu", "--set", _choice(pack)]
    command += [option for name in _ASSETS for option in ("--select", name)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-2000:]
        raise ModelPackError(f"a run on {video} with the models of {pack.name} failed: {said}")
    store = LocalArtifactStore(folder / "data")
    tracks = require_artifact(store, "tracks", _EP_ID).table("tracks.parquet").to_pylist()
    document = require_artifact(store, "identities", _EP_ID).json("identities.json")
    of_track = {
        track_id: identity["identity_id"] for identity in document["identities"] for track_id in identity["track_ids"]
    }
    identities = {
        box["detection_id"]: of_track[track["track_id"]]
        for track in tracks
        if track["track_id"] in of_track
        for box in track["boxes"]
    }
    return require_artifact(store, "detections", _EP_ID).table("detections.parquet"), identities


def _choice(pack: ModelPack) -> str:
    folder = pack.detector.file.path.parent
    return f"model_pack={pack.name}" if folder == pack_dir(pack.name) else f"model_dir={folder.resolve()}"
