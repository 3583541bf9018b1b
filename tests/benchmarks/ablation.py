"""What each trick of the pipeline gains: labelled episodes scored with all of them, and with each one left out.

    python -m tests.benchmarks.ablation VIDEO [VIDEO ...] [--model-dir DIR] [--only NAME ...] [--output TABLE.md]

Each video lies beside its ``.truth.json``. The stages are called one after the other in this process, on the same
functions as the assets; what is decoded, detected or embedded once is kept for the variants that share it.
"""

import argparse
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from rich.console import Console

from resources.configuration.run_settings import RunSettings, declared_thresholds, resolve_settings
from resources.models.detector import load_detector
from resources.models.detector_nets import FaceDetector
from resources.models.embedder import FaceEmbedder, load_embedder
from resources.models.packs import ModelPack, load_pack
from resources.system.paths import config_dir
from resources.video.decoder import probe_video, read_frames
from screenalytics_assets.core.common import schemas
from screenalytics_assets.core.config.detection_keys import DetectionSettings
from screenalytics_assets.core.config.thresholds import fill_from_models, thresholds_of
from screenalytics_assets.core.detection.alignment import decode_jpeg, decode_reduced_gray, embedding_crop
from screenalytics_assets.core.detection.face_boxes import FrameFaces
from screenalytics_assets.core.detection.scan import ScanResult, scan
from screenalytics_assets.core.embedding.face_selection import select_faces
from screenalytics_assets.core.embedding.quality_filter import ACCEPTED, rejection_reasons
from screenalytics_assets.core.evaluation.episode_scores import EpisodeScores, score_episode
from screenalytics_assets.core.identity.episode_tracks import EpisodeTracks
from screenalytics_assets.core.identity.identities import identify
from screenalytics_assets.core.identity.track_templates import pool_tracks
from screenalytics_assets.core.screen_time.episode import link_similarities, screen_time
from screenalytics_assets.core.screen_time.sightings import Sightings
from screenalytics_assets.core.tracking.appearance_split import SplitLimits
from screenalytics_assets.core.tracking.bytetrack import track_faces
from screenalytics_assets.core.tracking.near_duplicates import PATCH_PX, face_patch
from screenalytics_assets.core.tracking.split_and_link import SplitTracks, no_split_embeddings, split_and_link
from screenalytics_assets.services.scoring import read_truth

_CORE = "screenalytics_assets.core"


@dataclass(frozen=True)
class Variant:
    """The pipeline with something changed: configuration keys, or functions and constants by their full name."""

    name: str
    overrides: Mapping[str, Any] = field(default_factory=dict)
    replaced: Mapping[str, Any] = field(default_factory=dict)


def _not_extended(tracker_ids: NDArray[np.int64], *_args: object) -> NDArray[np.int64]:
    return tracker_ids


def _own_group_each(times_s: Sequence[object], *_args: object, **_limits: object) -> NDArray[np.int64]:
    return np.arange(len(times_s))


_POOL = pool_tracks


def _same_quality(faces: pa.Table, vectors: NDArray[np.float32]) -> tuple[list[str], NDArray[np.float32]]:
    column = faces.schema.get_field_index("quality_score")
    return _POOL(faces.set_column(column, "quality_score", pa.array(np.ones(len(faces), np.float32))), vectors)


VARIANTS = (
    Variant("all of them"),
    Variant("no backward extension", replaced={f"{_CORE}.tracking.bytetrack._extended_backwards": _not_extended}),
    Variant("no appearance split", {"gate_enabled": False}),
    Variant("split without hard limit", {"gate_hard_sim": -0.999}),
    Variant("split without either limit", {"gate_hard_sim": -0.999, "gate_streak": 1_000_000}),
    Variant("split without streak", {"gate_streak": 1_000_000}),
    Variant("split without jumps", {"gate_iou": 0.0}),
    Variant("no linking of tracklets", replaced={f"{_CORE}.tracking.tracklet_linking.link_tracklets": _own_group_each}),
    Variant("no trimming", replaced={f"{_CORE}.identity.track_templates.TRIMMED_FRACTION": 0.0}),
    Variant("no quality weights", replaced={f"{__name__}.pool_tracks": _same_quality}),
    Variant("plain average linkage", {"tight_thresh": -0.999}),
    Variant("no cannot-link", {"cannot_link_enabled": False}),
    Variant("no close-up pass", {"closeup_input_px": 0}),
    Variant("no close looks", {"close_look_scale": 1.0}),
    Variant("no weak boxes", {"weak_confidence_fraction": 1.0}),
    Variant("no bridged gaps", {"gap_tolerance_s": 0.0}),
)


@dataclass(frozen=True)
class Pictures:
    """What the pass over an episode leaves, and how long the detector worked for it."""

    found: ScanResult
    crops: Mapping[str, bytes]
    frame_size_px: tuple[int, int]
    duration_s: float
    detector_s: float


@dataclass
class RememberingDetector:
    """A detector that runs once on a picture for all variants, and counts its time for each of them."""

    detector: FaceDetector
    settings: DetectionSettings
    seen: dict[tuple[object, ...], tuple[float, FrameFaces, float]]
    seconds: float = 0.0

    def detect(
        self, frame_bgr: NDArray[np.uint8], *, confidence_th: float, high_resolution: bool = False
    ) -> FrameFaces:
        """The faces that score at least ``confidence_th``."""
        picture = hashlib.blake2b(frame_bgr.tobytes(), digest_size=16).digest()
        scale = self.settings.close_look_scale if high_resolution else 1.0
        key = picture, scale, self.settings.detector_input_px, self.settings.closeup_input_px, self.settings.nms_iou
        known = self.seen.get(key)
        if known is None or known[0] > confidence_th:
            started = time.perf_counter()
            faces = self.detector.detect(frame_bgr, confidence_th=confidence_th, high_resolution=high_resolution)
            known = self.seen[key] = confidence_th, faces, time.perf_counter() - started
        _, faces, seconds = known
        self.seconds += seconds
        good = faces.scores >= confidence_th
        return faces.chosen(good)


class Bench:
    """Runs variants on episodes, and keeps what several of them share."""

    def __init__(self, pack: ModelPack) -> None:
        self._pack = pack
        self._embedder: FaceEmbedder = load_embedder(pack, device="auto", threads=0)
        self._seen: dict[tuple[object, ...], tuple[float, FrameFaces, float]] = {}
        self._pictures: dict[tuple[Path, str], Pictures] = {}
        self._vectors: dict[bytes, NDArray[np.float32]] = {}

    def score(self, video: Path, variant: Variant) -> tuple[EpisodeScores, float]:
        """The scores of an episode, and the seconds that its detector worked."""
        resolved = fill_from_models(
            resolve_settings(None, variant.overrides), declared_thresholds(self._pack), self._pack.name
        )
        run = RunSettings(resolved, self._pack, thresholds_of(resolved.settings))
        with ExitStack() as stack:
            for target, replacement in variant.replaced.items():
                stack.enter_context(patch(target, replacement))
            pictures = self._scan(video, run)
            return self._score(video, run, pictures), pictures.detector_s

    def _scan(self, video: Path, run: RunSettings) -> Pictures:
        settings = run.resolved.settings.detection
        key = video, settings.model_dump_json()
        if key not in self._pictures:
            probe = probe_video(video)
            crops: dict[str, bytes] = {}
            detector = self._detector(settings)
            found = scan(
                video.stem,
                read_frames(video, probe, every_frame=settings.every_frame),
                detector,
                settings,
                confidence_th=run.thresholds.confidence_th,
                fps=probe.fps,
                keep_crop=crops.__setitem__,
                on_frame=lambda _: None,
            )
            size_px = probe.width, probe.height
            self._pictures[key] = Pictures(found, crops, size_px, probe.duration_s, detector.seconds)
        return self._pictures[key]

    def _detector(self, settings: DetectionSettings) -> RememberingDetector:
        detector = load_detector(
            self._pack,
            device="auto",
            threads=0,
            input_px=settings.detector_input_px,
            closeup_input_px=settings.closeup_input_px,
            nms_iou=settings.nms_iou,
            close_look_scale=settings.close_look_scale,
        )
        return RememberingDetector(detector, settings, self._seen)

    def _score(self, video: Path, run: RunSettings, pictures: Pictures) -> EpisodeScores:
        settings, thresholds = run.resolved.settings, run.thresholds
        found, tracking = pictures.found, settings.tracking
        followed = track_faces(
            found.analysed_frames,
            found.detections,
            frame_size_px=pictures.frame_size_px,
            track_thresh=thresholds.track_thresh,
            match_thresh=tracking.match_thresh,
            track_buffer_s=tracking.track_buffer_s,
        )
        embed = self._embed(pictures.crops)
        split = SplitTracks(followed.tracks, *no_split_embeddings())
        if tracking.gate_enabled:
            ids = found.detections["detection_id"].to_pylist()
            has_crop = np.array([i in pictures.crops for i in ids])
            reasons = rejection_reasons(
                found.detections, has_crop, settings.faces, min_confidence=thresholds.min_confidence
            )
            split = split_and_link(
                followed.tracks,
                found.detections,
                np.asarray(reasons == ACCEPTED),
                embed,
                SplitLimits(
                    thresholds.gate_hard_sim, thresholds.gate_soft_sim, tracking.gate_streak, tracking.gate_iou
                ),
                interval_s=tracking.gate_interval_s,
                max_gap_s=tracking.rejoin_gap_s,
                model_digest=self._embedder.digest,
                patches=_face_patches(ids, pictures.crops),
                max_duplicate_s=tracking.gate_still_s,
            )
        chosen = select_faces(
            split.tracks,
            found.detections,
            pa.chunked_array([list(pictures.crops)], pa.string()),
            settings.faces,
            min_confidence=thresholds.min_confidence,
            model_digest=self._embedder.digest,
            embedded=split.embedded["detection_id"].to_pylist(),
        )
        track_ids, vectors = pool_tracks(chosen.faces, embed(chosen.faces["detection_id"].to_pylist()))
        tracks = EpisodeTracks(split.tracks, chosen.faces, track_ids, vectors)
        found_people = identify(video.stem, tracks, settings.clustering, thresholds)
        seconds = screen_time(
            video.stem,
            found_people,
            Sightings(split.tracks, found.analysed_frames, found.shots),
            link_similarities(found_people, track_ids, vectors),
            settings.screen_time,
            duration_s=pictures.duration_s,
            weak_link_sim=thresholds.min_cohesion,
        )
        truth = read_truth(video.with_suffix(".truth.json"))
        return score_episode(
            truth, found.analysed_frames, found.shots, found.detections, split.tracks, found_people, seconds
        )

    def _embed(self, crops: Mapping[str, bytes]) -> Callable[[Sequence[str]], NDArray[np.float32]]:
        def embed(detection_ids: Sequence[str]) -> NDArray[np.float32]:
            new = [crops[i] for i in dict.fromkeys(detection_ids) if crops[i] not in self._vectors]
            for start in range(0, len(new), 64):
                batch = new[start : start + 64]
                faces = np.stack([embedding_crop(decode_jpeg(jpeg)) for jpeg in batch])
                self._vectors.update(zip(batch, self._embedder.embed(faces), strict=True))
            known = [self._vectors[crops[i]] for i in detection_ids]
            return np.array(known, np.float32).reshape(-1, schemas.EMBEDDING_DIMENSION)

        return embed


def _face_patches(ids: Sequence[str], crops: Mapping[str, bytes]) -> NDArray[np.uint8]:
    patches = np.zeros((len(ids), PATCH_PX, PATCH_PX), np.uint8)
    for patch_of_id, detection_id in zip(patches, ids, strict=True):
        if detection_id in crops:
            patch_of_id[:] = face_patch(decode_reduced_gray(crops[detection_id]))
    return patches


COLUMNS: Mapping[str, Callable[[EpisodeScores], str]] = {
    "recall": lambda scores: f"{scores.detection_recall:.3f}",
    "precision": lambda scores: f"{scores.detection_precision:.3f}",
    "purity": lambda scores: f"{scores.track_purity:.3f}",
    "IDF1 tracks": lambda scores: f"{scores.track_idf1:.3f}",
    "IDF1 identities": lambda scores: f"{scores.identity_idf1:.3f}",
    "B³F": lambda scores: f"{scores.bcubed_f1:.3f}",
    "clusters/people": lambda scores: f"{scores.clusters}/{scores.people}",
    "screen-time error": lambda scores: f"{scores.screen_time_error_max:.3f}",
}


def row(name: str, results: Sequence[tuple[EpisodeScores, float]]) -> list[str]:
    """The name, one cell a figure with the episodes one after the other, and the seconds of the detector."""
    cells = [" ".join(figure(scores) for scores, _ in results) for figure in COLUMNS.values()]
    return [name, *cells, f"{sum(seconds for _, seconds in results):.0f}"]


def main() -> None:
    """Score the variants and print the rows of a Markdown table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.ablation", description=__doc__)
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--model-dir", type=Path)
    parser.add_argument("--only", nargs="*", help="names of variants")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    bench = Bench(load_pack("open", options.model_dir, config_dir() / "pipeline" / "models.yaml", verifier_pack="open"))
    header = ["variant", *COLUMNS, "detector s"]
    lines = [header, ["---"] * len(header)]
    console = Console()
    for variant in VARIANTS:
        if not options.only or variant.name in options.only:
            lines.append(row(variant.name, [bench.score(video, variant) for video in options.videos]))
            console.print(" | ".join(lines[-1]), soft_wrap=True, highlight=False)
    if options.output:
        options.output.write_text("".join(f"| {' | '.join(line)} |\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    main()
