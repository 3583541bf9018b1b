"""Damaged videos: a short clip in ten containers, damaged in many ways, each read and judged.

A try is right if the video is refused with a message, or its damage is reported in seconds, or the time in which a face
is on screen differs by at most 2 % from that of the undamaged clip.
"""

import faulthandler
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple, cast

import av
import numpy as np
from av.video.stream import VideoStream

from resources.configuration.run_settings import RunSettings, declared_thresholds, resolve_settings
from resources.models.configured import configured_detector
from resources.models.packs import ModelPack
from resources.video.decoder import probe_video, read_frames
from screenalytics_assets.core.common.errors import VideoError
from screenalytics_assets.core.common.intervals import Intervals, total_s
from screenalytics_assets.core.config.thresholds import fill_from_models, thresholds_of
from screenalytics_assets.core.detection.scan import scan
from screenalytics_assets.core.screen_time.sightings import Sightings
from screenalytics_assets.core.tracking.bytetrack import track_faces
from screenalytics_assets.services.demo import render_demo_episode
from tests.faults.mutations import MUTATIONS

CLIP_S = 4.0
SIZE_PX = (480, 270)
FPS = 24
LARGEST_DIFFERENCE = 0.02
HANG_S = 120
"""A try takes a second or two. One that takes this long hangs, perhaps in a library: the process ends with a
traceback."""
EVERYTHING = 10
"""Of the tries whose damage is reported, one in this many goes through all stages as well."""


class Encoding(NamedTuple):
    """A codec in a container."""

    ending: str
    codec: str
    options: dict[str, str]


_X264 = {"preset": "veryfast"}
ENCODINGS = {
    "mp4": Encoding("mp4", "libx264", _X264),
    "index first": Encoding("mp4", "libx264", _X264),
    "hevc": Encoding("mp4", "libx265", {"preset": "ultrafast", "x265-params": "log-level=none"}),
    "mov": Encoding("mov", "libx264", _X264),
    "ts": Encoding("ts", "libx264", _X264),
    "mkv": Encoding("mkv", "libx264", _X264),
    "vp9": Encoding("webm", "libvpx-vp9", {"deadline": "realtime", "cpu-used": "8"}),
    "av1": Encoding("webm", "libsvtav1", {"preset": "12"}),
    "avi": Encoding("avi", "mpeg4", {}),
    "mpg": Encoding("mpg", "mpeg2video", {}),
    "flv": Encoding("flv", "libx264", _X264),
}


@dataclass(frozen=True)
class Reading:
    """What was found in a video.

    Attributes:
        pictures: Time and small picture of each frame, which decide whether detection has to run.
        damaged_s: The reported damage and the time without pictures.
    """

    pictures: list[tuple[float, bytes]]
    damaged_s: float


@dataclass(frozen=True)
class Verdict:
    """The outcome of a try; ``fault`` is None if it is right."""

    encoding: str
    mutation: str
    outcome: str
    fault: str | None = None


class Clips:
    """The clip in each encoding, and what is found in it.

    Args:
        folder: For the files.
        pack: The detector.
    """

    def __init__(self, folder: Path, pack: ModelPack) -> None:
        self._folder = folder
        resolved = fill_from_models(resolve_settings(None, {}), declared_thresholds(pack), pack.name)
        self._run = RunSettings(resolved, pack, thresholds_of(resolved.settings))
        self._detector = configured_detector(self._run)
        rendered = folder / "rendered.mp4"
        render_demo_episode(rendered, seed=1, duration_s=CLIP_S)
        with av.open(str(rendered)) as source:
            self._frames = [f.reformat(*SIZE_PX, format="yuv420p") for f in source.decode(video=0)]
        self._intact: dict[str, tuple[bytes, Reading]] = {}
        self._intact_s: dict[str, float] = {}

    def judge(self, seed: int) -> Verdict:
        """Damage one of the clips as the seed says, and judge what is made of it."""
        rng = np.random.default_rng(seed)
        name, mutation = str(rng.choice(list(ENCODINGS))), str(rng.choice(list(MUTATIONS)))
        content, intact = self._clip(name)
        path = self._folder / f"damaged.{ENCODINGS[name].ending}"
        path.write_bytes(MUTATIONS[mutation](bytearray(content), rng))
        faulthandler.dump_traceback_later(HANG_S, exit=True)
        try:
            outcome, fault = self._outcome(path, name, intact, whole=seed % EVERYTHING == 0)
        except VideoError as error:
            outcome, fault = "refused", None if str(path) in str(error) else f"the file is not named: {error}"
        except Exception as error:  # noqa: BLE001  what a user would see as a traceback
            outcome, fault = "crashed", f"{type(error).__name__}: {error}"
        finally:
            faulthandler.cancel_dump_traceback_later()
        return Verdict(name, mutation, outcome, fault)

    def damage_of_the_intact(self) -> dict[str, float]:
        """Seconds of damage that are reported for undamaged clips; should be empty."""
        found = {name: self._clip(name)[1].damaged_s for name in ENCODINGS}
        return {name: damaged_s for name, damaged_s in found.items() if damaged_s}

    def _outcome(self, path: Path, name: str, intact: Reading, *, whole: bool) -> tuple[str, str | None]:
        found = _read(path)
        if found.damaged_s > 0 and not whole:
            return "reported", None
        if found == intact:
            return "harmless", None
        seen_s, before_s = self._seen_s(path), self._seen_in_intact_s(name)
        if found.damaged_s > 0:
            return "reported", None
        if abs(seen_s - before_s) <= LARGEST_DIFFERENCE * before_s:
            return "within 2 %", None
        return "wrong", f"{seen_s:.2f} s with a face instead of {before_s:.2f} s, and no damage reported"

    def _clip(self, name: str) -> tuple[bytes, Reading]:
        if name not in self._intact:
            path = self._encode(name)
            self._intact[name] = path.read_bytes(), _read(path)
        return self._intact[name]

    def _seen_in_intact_s(self, name: str) -> float:
        if name not in self._intact_s:
            self._intact_s[name] = self._seen_s(self._path(name))
        return self._intact_s[name]

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.{ENCODINGS[name].ending}"

    def _encode(self, name: str) -> Path:
        encoding, path = ENCODINGS[name], self._path(name)
        options = {"movflags": "faststart"} if name == "index first" else {}
        with av.open(str(path), "w", options=options) as target:
            stream = cast("VideoStream", target.add_stream(encoding.codec, rate=FPS, options=encoding.options))
            stream.width, stream.height, stream.pix_fmt = *SIZE_PX, "yuv420p"
            stream.codec_context.gop_size = FPS
            for index, frame in enumerate(self._frames):
                frame.pts, frame.time_base, frame.pict_type = index, Fraction(1, FPS), av.video.frame.PictureType.NONE
                target.mux(stream.encode(frame))
            target.mux(stream.encode(None))
        return path

    def _seen_s(self, path: Path) -> float:
        """Seconds with a tracked face, through the stages from detection to screen time."""
        settings, thresholds, probe = self._run.resolved.settings, self._run.thresholds, probe_video(path)
        found = scan(
            "faults-s01e01",
            read_frames(path, probe, every_frame=settings.detection.every_frame),
            self._detector,
            settings.detection,
            confidence_th=thresholds.confidence_th,
            fps=probe.fps,
            keep_crop=lambda _id, _jpeg: None,
            on_frame=lambda _frames: None,
        )
        tracks = track_faces(
            found.analysed_frames,
            found.detections,
            frame_size_px=(probe.width, probe.height),
            track_thresh=thresholds.track_thresh,
            match_thresh=settings.tracking.match_thresh,
            track_buffer_s=settings.tracking.track_buffer_s,
        ).tracks
        sightings = Sightings(tracks, found.analysed_frames, found.shots)
        seen = sightings.intervals(tracks["track_id"].to_pylist(), gap_s=settings.screen_time.gap_tolerance_s)
        return total_s(seen)


def _read(path: Path) -> Reading:
    probe, damaged = probe_video(path), list[Intervals]()
    frames = read_frames(path, probe, every_frame=False, on_damage=damaged.append)
    pictures = [(frame.ts_s, frame.small_bgr(64, 36).tobytes()) for frame in frames]
    return Reading(pictures, sum(map(total_s, damaged)) + probe.missing_s)


def verdicts(clips: Clips, first_seed: int, tries: int) -> Iterator[tuple[int, Verdict]]:
    """The seeds in order, and what became of each."""
    for seed in range(first_seed, first_seed + tries):
        yield seed, clips.judge(seed)
