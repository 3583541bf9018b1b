"""Small videos that tests render for themselves."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

_MS = Fraction(1, 1000)
_SAMPLE_RATE = 16_000


def numbered_pictures(count: int, *, width: int = 160, height: int = 96) -> list[Picture]:
    """BGR pictures whose background tells their number (see `number_of`), with a red top left quarter."""
    pictures = []
    for index in range(count):
        picture = np.full((height, width, 3), 20 + index % 36 * 6, np.uint8)
        picture[: height // 2, : width // 2] = (0, 0, 255)
        pictures.append(picture)
    return pictures


def number_of(picture: Picture) -> int:
    """Which of the first 36 numbered pictures this is; the bottom right quarter tells it."""
    height, width = picture.shape[:2]
    return round((float(picture[height * 5 // 8 :, width * 5 // 8 :, 1].mean()) - 20) / 6)


def write_video(
    path: Path,
    pictures: Sequence[Picture],
    *,
    fps: int = 24,
    times_ms: Sequence[int] | None = None,
    counterclockwise_deg: int = 0,
    with_audio: bool = False,
    audio_s: float | None = None,
    index_first: bool = False,
    gop_size: int = 12,
    codec: str = "libx264",
    options: Mapping[str, str] | None = None,
) -> Path:
    """Encode pictures into the container that the file's ending names.

    Args:
        path: ends in .mp4, .mkv, .ts, ...
        pictures: (H, W, 3) uint8 BGR, all of one size, H and W even.
        fps: constant rate; ignored where `times_ms` is given.
        times_ms: when each picture is shown, for a variable rate.
        counterclockwise_deg: by how much a player turns the stored picture (display matrix).
        with_audio: add a silent sound track.
        audio_s: its length; as long as the pictures by default.
        index_first: put the index of an MP4 in front (faststart).
        gop_size: most frames between keyframes.
        codec: H.264 by default.
        options: of the codec, beside a high quality.
    """
    height, width = pictures[0].shape[:2]
    quality = {"preset": "veryfast", "crf": "10", "x265-params": "log-level=none", **(options or {})}
    with av.open(str(path), "w", options={"movflags": "faststart"} if index_first else {}) as container:
        stream = cast("VideoStream", container.add_stream(codec, rate=fps, options=quality))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.gop_size = gop_size
        if times_ms is not None:
            stream.codec_context.time_base = _MS
        if counterclockwise_deg:
            stream.set_display_rotation(counterclockwise_deg)
        audio = container.add_stream("aac", rate=_SAMPLE_RATE) if with_audio else None
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            if times_ms is not None:
                frame.pts, frame.time_base = times_ms[index], _MS
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if audio is not None:
            _write_silence(container, audio, len(pictures) / fps if audio_s is None else audio_s)
    return path


def write_sound(path: Path, *, seconds: float = 1.0) -> Path:
    """A file with a sound track only."""
    with av.open(str(path), "w") as container:
        _write_silence(container, container.add_stream("aac", rate=_SAMPLE_RATE), seconds)
    return path


def truncate(path: Path, fraction: float) -> Path:
    """Keep only the first part of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * fraction)])
    return path


def drop_frames(path: Path, first: int, last: int) -> Path:
    """Take out the packets from number `first` up to, not including, `last`; the others keep their times."""
    whole = path.with_stem(path.stem + "-whole")
    path.rename(whole)
    with av.open(str(whole)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for index, packet in enumerate(source.demux(video=0)):
            if packet.size and not first <= index < last:
                packet.stream = stream
                target.mux(packet)
    return path


def flip_bytes(path: Path, *, first: float, last: float, every: int, seed: int = 0) -> Path:
    """Overwrite one byte in `every`, at random places between two fractions of the file."""
    content = np.frombuffer(path.read_bytes(), np.uint8).copy()
    rng = np.random.default_rng(seed)
    lo, hi = int(first * len(content)), int(last * len(content))
    places = rng.integers(lo, hi, (hi - lo) // every)
    content[places] ^= rng.integers(1, 256, len(places), dtype=np.uint8)
    path.write_bytes(content.tobytes())
    return path


def _write_silence(
    container: av.container.OutputContainer, stream: av.audio.stream.AudioStream, seconds: float
) -> None:
    for index in range(int(seconds * _SAMPLE_RATE / 1024)):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = _SAMPLE_RATE, index * 1024
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
