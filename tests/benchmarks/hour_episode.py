"""An hour's episode without a video: the artifacts up to the faces, and a facebank, as the pipeline publishes them.

Shots of about 3.6 s show one to four of 40 people, each at a place of its own; about 2,000 faces are followed for an
hour. Tables, ids, tracks, appearance split and sampling are made by the pipeline's own code from random detections and
vectors; the crops are six pictures that InsightFace ships, again and again.

Vectors resemble each other as measured on the two labelled episodes tbbt-s01e01 and 02 with SCRFD-2.5G and ArcFace
MobileFaceNet: faces of one track 0.972 +- 0.017, of different people 0.009 +- 0.089 (highest 0.29). Two tracks of one
person are like two photos of an actor, 0.67 +- 0.11 (DESIGN.md 7): the episodes, in which photos come again, have
0.76 +- 0.15.
"""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import cv2
import numpy as np
import pyarrow as pa
from insightface.data import get_image
from numpy.typing import NDArray

from resources.configuration.run_settings import RunSettings
from resources.models.embed_crops import embed_crops
from resources.models.embedder import load_embedder
from resources.storage.artifacts import Artifact, StagedArtifact
from resources.storage.crop_file import CropWriter
from resources.storage.store import ArtifactStore
from screenalytics_assets.artifact import ArtifactSpec, Compute, Outputs, materialize
from screenalytics_assets.assets.specs import FACEBANK_SPEC, SPECS
from screenalytics_assets.core.common import schemas
from screenalytics_assets.core.common.arrow import table_of
from screenalytics_assets.core.common.digests import digest_of
from screenalytics_assets.core.common.layout import crops_dir
from screenalytics_assets.core.config.providers import CPU
from screenalytics_assets.core.detection.alignment import ARCFACE_PX, ARCFACE_TEMPLATE_112, crop_jpeg
from screenalytics_assets.core.detection.detection_table import BoxLocation, DetectionRows
from screenalytics_assets.core.documents.video import VideoProbe
from screenalytics_assets.core.embedding.face_selection import select_faces
from screenalytics_assets.core.embedding.quality_filter import ACCEPTED, rejection_reasons
from screenalytics_assets.core.people.enrolment import PhotoFinding, facebank_of
from screenalytics_assets.core.tracking.appearance_split import SplitLimits
from screenalytics_assets.core.tracking.bytetrack import track_faces
from screenalytics_assets.core.tracking.split_and_link import split_and_link
from screenalytics_assets.run_context import Resources, Run
from screenalytics_assets.services.demo import GROUP_FACES

SPEC_OF = {spec.name: spec for spec in SPECS}
SHOW, EP_ID = "hour", "hour-s01e01"
PEOPLE, KNOWN_PEOPLE, PHOTOS = 40, 30, 5
FPS, STRIDE, SIZE_PX = 24, 3, (1280, 720)
_SAME_TRACK, _SAME_PERSON, _SAME_PERSON_STD, _DIFFERENT_STD = 0.972, 0.67, 0.11, 0.089
_MISSED, _BLURRED = 0.04, 0.1
"""Parts of the faces that the detector misses, and that are blurred."""
_FACE_PX = (100.0, 200.0)


class Shot(NamedTuple):
    """Who is seen from one frame to the one before the next shot."""

    start_frame: int
    end_frame: int
    people: NDArray[np.int64]


class Detected(NamedTuple):
    """The tables of the detections, and for each row the true track that it belongs to and whether it is sharp."""

    shots: pa.Table
    analysed_frames: pa.Table
    detections: pa.Table
    refused: pa.Table
    track_of_row: NDArray[np.int64]


class Hour(NamedTuple):
    """What the episode shows.

    Attributes:
        shots: In their order.
        person_of_track: (T,) who each true track is.
        directions: (PEOPLE, 512) unit rows.
        detected: The tables.
        vectors: (N, 512) float32 of each detection.
    """

    shots: Sequence[Shot]
    person_of_track: NDArray[np.int64]
    directions: NDArray[np.float64]
    detected: Detected
    vectors: NDArray[np.float32]

    @property
    def duration_s(self) -> float:
        """Of the episode."""
        return (self.shots[-1].end_frame + 1) / FPS


def draw_hour(tracks: int, seed: int) -> Hour:
    """Draw an episode with so many tracks, 1.8 s of it for each."""
    rng = np.random.default_rng(seed)
    shots = _draw_shots(tracks, rng)
    person_of_track = np.concatenate([shot.people for shot in shots])
    detected = _detect(shots, rng)
    # Random directions of d dimensions have cosines of 0 +- 1 / sqrt(d).
    space = np.linalg.qr(rng.normal(size=(schemas.EMBEDDING_DIMENSION, round(_DIFFERENT_STD**-2))))[0].T
    directions = _unit(rng.normal(size=(PEOPLE, len(space))) @ space)
    seen = _like(directions[person_of_track], rng)
    vectors = _blend(seen[detected.track_of_row], np.full(len(detected.track_of_row), _SAME_TRACK), rng)
    return Hour(shots, person_of_track, directions, detected, vectors.astype(np.float32))


def publish_hour(hour: Hour, store: ArtifactStore, run: RunSettings) -> None:
    """Publish everything up to the faces, by the stages of the pipeline and their own code but for the models."""
    _publish(store, run, SPEC_OF["episode_video"], lambda _, out: _video(hour, out["episode_video"]))
    _publish(store, run, SPEC_OF["detections"], lambda _, out: _detections(hour, out, run))
    _publish(store, run, SPEC_OF["tracks"], lambda of, out: _tracks(hour, of.inputs, out["tracks"], run))
    keys = run.resolved.settings.faces.model_dump()
    _publish(store, run, SPEC_OF["faces"], lambda of, out: _faces(hour, of.inputs, out["faces"], run), config=keys)


def publish_facebank(hour: Hour, store: ArtifactStore, run: RunSettings, *, people: int = KNOWN_PEOPLE) -> None:
    """Enrol the people who are seen most, with photos that resemble their tracks as these each other."""
    rng = np.random.default_rng(people)
    model_digest = run.pack.embedder.file.sha256
    owners = np.repeat(np.arange(people), PHOTOS)
    vectors = _like(hour.directions[owners], rng).astype(np.float32)
    findings = [_finding(int(person), photo % PHOTOS) for photo, person in enumerate(owners)]
    names = {person_id(number): person_name(number) for number in range(people)}
    version = digest_of([names, hashlib.sha256(vectors.tobytes()).hexdigest()])
    pictures = _pictures()

    def compute(_run: Run, outputs: Outputs) -> None:
        output = outputs["facebank"]
        output.write_document("facebank.json", facebank_of(SHOW, version, model_digest, names, findings))
        output.write_array("facebank.npy", vectors)
        with CropWriter(output.path("facebank_crops.parquet")) as crops:
            for number, finding in enumerate(findings):
                crops.add(finding.photo_id, pictures[number % len(pictures)])
        output.count_rows("facebank_crops.parquet", crops.count)
        output.metrics["version"] = version

    _publish(store, run, FACEBANK_SPEC, compute, key=SHOW)


def person_id(number: int) -> str:
    """Id of a person in the facebank."""
    return f"person-{number:02d}"


def person_name(number: int) -> str:
    """What a person is called."""
    return f"Person {number:02d}"


def _finding(person: int, photo: int) -> PhotoFinding:
    photo_id = f"{person_id(person)}/{photo}.jpg"
    measures: dict[str, float | None] = {"confidence": 0.9, "face_px": 150.0, "sharpness": 200.0, "quality_score": 0.9}
    return PhotoFinding(
        photo_id, person_id(person), hashlib.sha256(photo_id.encode()).hexdigest(), faces=1, measures=measures
    )


def _publish(
    store: ArtifactStore,
    run: RunSettings,
    spec: ArtifactSpec,
    compute: Compute,
    *,
    key: str = EP_ID,
    config: Mapping[str, Any] | None = None,
) -> None:
    spec = replace(spec, config=lambda _run: config or {}, compute=compute)
    resources = cast("Resources", SimpleNamespace())
    list(materialize(Run(spec, key, store, resources, logging.getLogger(__name__)), run.resolved, force=True))


def _draw_shots(tracks: int, rng: np.random.Generator) -> list[Shot]:
    weights = 1 / (np.arange(PEOPLE) + 4)
    shots: list[Shot] = []
    left, start = tracks, 0
    while left:
        count = min(left, int(rng.choice([1, 2, 3, 4], p=[0.35, 0.35, 0.25, 0.05])))
        people = rng.choice(PEOPLE, count, replace=False, p=weights / weights.sum())
        frames = int(np.clip(rng.gamma(2.5, 1.5), 1.0, 15.0) * FPS)
        shots.append(Shot(start, start + frames - 1, people))
        start, left = start + frames, left - count
    return shots


def _detect(shots: Sequence[Shot], rng: np.random.Generator) -> Detected:
    rows = DetectionRows(EP_ID)
    frames: list[tuple[int, int]] = []
    track_of_row: list[int] = []
    first_track = 0
    for number, shot in enumerate(shots):
        count = len(shot.people)
        place = (np.arange(count) + 0.5) / count * SIZE_PX[0], rng.uniform(0.35, 0.6, count) * SIZE_PX[1]
        sizes_px = rng.uniform(*_FACE_PX, count)
        drift_px = rng.uniform(-0.4, 0.4, (count, 2))
        for frame in range(shot.start_frame, shot.end_frame + 1, STRIDE):
            frames.append((frame, number))
            for slot in range(count):
                # Who is seen at all is seen when the shot begins.
                if frame > shot.start_frame and rng.random() < _MISSED:
                    continue
                centre = np.array([place[0][slot], place[1][slot]]) + drift_px[slot] * (frame - shot.start_frame)
                centre += rng.normal(0, 1.0, 2)
                _accept(rows, frame, number, centre, sizes_px[slot], rng)
                track_of_row.append(first_track + slot)
        first_track += count
    idx, shot_idx = np.array(frames, np.int32).T
    return Detected(
        _shots_table(shots),
        table_of(
            schemas.ANALYSED_FRAMES,
            {"ep_id": [EP_ID] * len(idx), "frame_idx": idx, "ts_s": idx / FPS, "shot_idx": shot_idx},
        ),
        rows.detections(),
        rows.refused(),
        np.array(track_of_row),
    )


def _accept(
    rows: DetectionRows,
    frame: int,
    shot: int,
    centre_px: NDArray[np.float64],
    size_px: float,
    rng: np.random.Generator,
) -> None:
    half = np.array([size_px / 2, size_px * 0.65])
    box = np.concatenate([centre_px - half, centre_px + half]).astype(np.float32)
    box = np.clip(box, 0, np.array(SIZE_PX * 2, np.float32)).astype(np.float32)
    landmarks = centre_px + (ARCFACE_TEMPLATE_112 - ARCFACE_PX / 2) * (size_px / 90)
    blurred = frame % 24 and rng.random() < _BLURRED
    sharpness = rng.uniform(2, 8) if blurred else rng.uniform(120, 400)
    place = BoxLocation(frame, frame / FPS, shot, box, SIZE_PX)
    rows.accept(place, landmarks.astype(np.float32), float(rng.uniform(0.7, 0.95)), float(sharpness))


def _shots_table(shots: Sequence[Shot]) -> pa.Table:
    starts, ends = (np.array([getattr(shot, name) for shot in shots]) for name in ("start_frame", "end_frame"))
    return table_of(
        schemas.SHOTS,
        {
            "ep_id": [EP_ID] * len(shots),
            "shot_idx": np.arange(len(shots), dtype=np.int32),
            "start_frame": starts.astype(np.int32),
            "end_frame": ends.astype(np.int32),
            "start_s": starts / FPS,
            "end_s": (ends + 1) / FPS,
        },
    )


def _video(hour: Hour, output: StagedArtifact) -> None:
    probe = VideoProbe(
        width=SIZE_PX[0],
        height=SIZE_PX[1],
        fps=float(FPS),
        start_s=0.0,
        duration_s=hour.duration_s,
        missing_s=0.0,
        missing=(),
        frame_count=hour.shots[-1].end_frame + 1,
        is_variable_rate=False,
        is_joined=False,
        track=0,
        track_reason="the only one",
        pixel_aspect="1:1",
        rotation_deg=0,
        is_mirrored=False,
        is_interlaced=False,
        transfer="sdr",
        codec="h264",
        pixel_format="yuv420p",
        container="mov,mp4,m4a,3gp,3g2,mj2",
        container_duration_s=hour.duration_s,
        has_audio=True,
        size_bytes=1_000_000_000,
        sha256="0" * 64,
    )
    output.write_document("video.json", probe)


def _detections(hour: Hour, outputs: Mapping[str, StagedArtifact], run: RunSettings) -> None:
    pictures = _pictures(run.resolved.settings.detection.jpeg_quality)
    with CropWriter(outputs["face_crops"].path("face_crops.parquet")) as crops:
        for row, detection_id in enumerate(hour.detected.detections["detection_id"].to_pylist()):
            person = hour.person_of_track[hour.detected.track_of_row[row]]
            crops.add(detection_id, pictures[person % len(pictures)])
    outputs["face_crops"].count_rows("face_crops.parquet", crops.count)
    for stem in ("shots", "analysed_frames", "detections", "refused"):
        outputs["detections"].write_table(stem, getattr(hour.detected, stem))
    frames = hour.shots[-1].end_frame + 1
    figures = {"decoded_frames": frames, "frame_stride": STRIDE, "provider": CPU}
    outputs["detections"].metrics |= figures
    outputs["face_crops"].metrics["blank_crops"] = 0


def _tracks(hour: Hour, inputs: Mapping[str, Artifact], output: StagedArtifact, run: RunSettings) -> None:
    tracking, detections = run.resolved.settings.tracking, inputs["detections"].table("detections.parquet")
    followed = track_faces(
        inputs["detections"].table("analysed_frames.parquet"),
        detections,
        frame_size_px=SIZE_PX,
        track_thresh=run.thresholds.track_thresh,
        match_thresh=tracking.match_thresh,
        track_buffer_s=tracking.track_buffer_s,
    )
    faces, limit = run.resolved.settings.faces, run.thresholds.min_confidence
    reasons = rejection_reasons(detections, np.ones(detections.num_rows, bool), faces, min_confidence=limit)
    found = split_and_link(
        followed.tracks,
        detections,
        np.asarray(reasons == ACCEPTED),
        lambda ids: hour.vectors[[row_of(detection_id) for detection_id in ids]],
        SplitLimits(
            hard_sim=run.thresholds.gate_hard_sim,
            soft_sim=run.thresholds.gate_soft_sim,
            streak=tracking.gate_streak,
            min_iou=tracking.gate_iou,
        ),
        interval_s=tracking.gate_interval_s,
        max_gap_s=tracking.rejoin_gap_s,
        model_digest=run.pack.embedder.file.sha256,
    )
    output.write_table("tracks", found.tracks)
    output.write_table("untracked", followed.untracked)
    output.write_table("gate", found.embedded)
    output.write_array("gate.npy", found.vectors)


def row_of(detection_id: str) -> int:
    """Which drawn detection an id belongs to."""
    return int(detection_id.removeprefix("det-")) - 1


def _faces(hour: Hour, inputs: Mapping[str, Artifact], output: StagedArtifact, run: RunSettings) -> None:
    settings = run.resolved.settings.faces
    embedder = load_embedder(run.pack, device="cpu", threads=1)
    crops = inputs["face_crops"]
    selection = select_faces(
        inputs["tracks"].table("tracks.parquet"),
        inputs["detections"].table("detections.parquet"),
        crops.table("face_crops.parquet", ["detection_id"])["detection_id"],
        settings,
        min_confidence=run.thresholds.min_confidence,
        model_digest=embedder.digest,
    )
    ids = selection.faces["detection_id"].to_pylist()
    known = {detection_id: hour.vectors[row_of(detection_id)] for detection_id in ids}
    output.bundle(crops_dir(EP_ID))
    crop_file = crops.path("face_crops.parquet")
    vectors = embed_crops(selection.faces, crop_file, lambda: embedder, output, known=known, on_face=lambda: None)
    output.write_table("faces", selection.faces)
    output.write_array("faces.npy", vectors)
    refused = inputs["detections"].table("refused.parquet")
    output.write_table("crops_debug", pa.concat_tables([refused, selection.rejected]))
    output.metrics["newly_embedded"] = len(ids)


def _pictures(quality: int = 95) -> list[bytes]:
    """A crop of each face of InsightFace's group photograph."""
    photo, found = get_image("t1"), []
    for x1, y1, x2, y2 in GROUP_FACES.values():
        side = max(x2 - x1, y2 - y1)
        left, top = round((x1 + x2 - side) / 2), round((y1 + y2 - side) / 2)
        cut = photo[max(0, top) : round(top + side), max(0, left) : round(left + side)]
        found.append(crop_jpeg(np.asarray(cv2.resize(cut, (160, 160)), np.uint8), quality))
    return found


def _like(directions: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """One view of each person: two of them have a cosine of sqrt(a · b), of which this is the mean and scatter."""
    share = rng.normal(_SAME_PERSON, _SAME_PERSON_STD * np.sqrt(2), len(directions))
    return _blend(directions, np.clip(share, 0.4, 0.95), rng)


def _blend(towards: NDArray[np.float64], share: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Unit rows of which two with the same direction have a mean cosine of ``share``."""
    other = _unit(rng.normal(size=towards.shape))
    return _unit(np.sqrt(share)[:, None] * towards + np.sqrt(1 - share)[:, None] * other)


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))
