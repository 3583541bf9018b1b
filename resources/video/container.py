"""Video files as containers, packets and decoded frames, with errors that name the file."""

import errno
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar, cast

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from resources.system.error_translation import translated
from screenalytics_assets.core.common.errors import SystemFailureError, UnavailableError, VideoError

_FORMATS = "mov,matroska,webm,avi,mpegts,mpeg,flv,asf,mxf,ogg,ivf,nut,dv,rm"
"""Containers that are a single file. Playlists (hls, dash, concat) and picture sequences open other files."""
StreamT = TypeVar("StreamT", bound=Stream)
_OPEN_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": _FORMATS}
DECODING_ERRORS = (av.FFmpegError,)
"""What decoders raise for a packet that they refuse: mostly InvalidDataError, but libvpx and others have more."""
_MAX_FAILURES = 100
"""How many packets in a row may fail before the rest of a file counts as lost; each failure skips some of it."""
_NO_DURATION = ("mpegts", "mpeg")
"""Containers that declare no duration; FFmpeg takes the one that it reports from the timestamps."""
_COUNTED_FROM_ZERO = ("matroska", "avi", "flv")
"""Containers whose duration counts from time zero, not from the first packet."""
_DURATION_OF_EACH_STREAM = ("mov", "avi")
"""Containers that declare a duration for each stream. Of others, FFmpeg gives each the duration of the file."""


_NEVER_OF_A_DEMUXER = frozenset({errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE, errno.ESTALE, errno.ETIMEDOUT})
"""Errors that FFmpeg only passes on from the system. It has EIO, EAGAIN and ENOMEM for damaged files too."""


@contextmanager
def file_named_in_errors(path: Path) -> Iterator[None]:
    """Prefix every error with the name of the file, and translate those of FFmpeg to VideoError.

    A resource that is used up, a network drive that is away, and a missing permission are not the video's fault.
    """
    try:
        yield
    except VideoError as error:
        raise VideoError(f"{path}: {error}") from error
    except (av.FFmpegError, OSError) as error:
        if not isinstance(error, av.FFmpegError) or error.errno in _NEVER_OF_A_DEMUXER:
            known = translated(OSError(error.errno, error.strerror, str(path)))
            if isinstance(error, PermissionError) or isinstance(known, UnavailableError | SystemFailureError):
                raise known or error from error
        raise VideoError(f"{path}: cannot be read: {error}") from error


def check_file(path: Path) -> None:
    """Refuse anything but a file with content.

    Raises:
        VideoError: It does not exist, is not a regular file, or is empty.
    """
    if not path.exists():
        raise VideoError("no such file")
    if path.is_dir():
        raise VideoError("this is a folder; expected a video file")
    if not path.is_file():
        raise VideoError("this is not a regular file; expected a video file")
    if path.stat().st_size == 0:
        raise VideoError("the file is empty; copy or download it again")


@contextmanager
def open_container(path: Path) -> Iterator[InputContainer]:
    """The container.

    Raises:
        VideoError: It is not a video file of a known format.
    """
    try:
        # Tags are not used, and old files have them in other encodings than UTF-8.
        container = av.open(str(path.absolute()), options=_OPEN_OPTIONS, metadata_errors="replace")
    except (av.InvalidDataError, av.EOFError) as error:
        raise VideoError(_why_unreadable(path)) from error
    except av.ArgumentError as error:
        raise VideoError(
            f"this is a playlist or another format that is not read; expected one of {_FORMATS}"
        ) from error
    with container:
        yield container


@contextmanager
def open_video(path: Path, track: int) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The container and its stream with this index, to be decoded."""
    with open_container(path) as container:
        stream = cast("VideoStream", container.streams[track])
        if stream.codec_context is None:
            raise VideoError("the codec of the picture is not known: the file is damaged, or needs another program")
        # Slice threading, the default, reports few or none of the damaged frames.
        stream.thread_type = "AUTO"
        yield container, stream


def _why_unreadable(path: Path) -> str:
    with path.open("rb") as file:
        is_mp4 = file.read(8)[4:] == b"ftyp"
    if is_mp4:
        return "this MP4 has no index (moov): it was cut off while it was written. Copy or download it again"
    return f"this is not a video file: its format is not known. Expected one of {_FORMATS}"


def packets_of(container: InputContainer, *streams: StreamT) -> "Iterator[Packet[StreamT]]":
    """All packets up to the end, or to where the file is too damaged to continue."""
    failures, at_end = 0, False
    packets = _demuxed(container, streams)
    while failures < _MAX_FAILURES:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except (av.InvalidDataError, IndexError):
            # PyAV raises IndexError for a packet of a stream that FFmpeg found later than the others, or that damage
            # made up, and at the end if there was one.
            if at_end:
                return
            failures += 1
            packets = _demuxed(container, streams)
        else:
            failures = 0
            at_end = at_end or not packet.size
            yield packet


def _demuxed(container: InputContainer, streams: tuple[StreamT, ...]) -> "Iterator[Packet[StreamT]]":
    return cast("Iterator[Packet[StreamT]]", container.demux(*streams))


def declared_end_s(container: InputContainer, stream: VideoStream, *, of_pictures: bool = False) -> float | None:
    """When the video ends according to its container, in seconds on the clock of its packets; None if it does not say.

    Args:
        container: As opened.
        stream: The pictures.
        of_pictures: Only what is said about the pictures themselves, and not about all streams together.
    """
    name = container.format.name
    if name in _NO_DURATION:
        return None
    # Matroska has no field for the duration of a track, so programs write a tag.
    tag = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    if tag:
        return 3600.0 * int(tag[1]) + 60.0 * int(tag[2]) + float(tag[3])
    if of_pictures and len(container.streams) > 1 and not any(part in name for part in _DURATION_OF_EACH_STREAM):
        return None
    from_zero = any(part in name for part in _COUNTED_FROM_ZERO)
    if stream.duration is not None and stream.time_base is not None:
        start = 0 if from_zero else stream.start_time or 0
        return float((start + stream.duration) * stream.time_base)
    if container.duration is None or (of_pictures and len(container.streams) > 1):
        return None
    return ((0 if from_zero else container.start_time or 0) + container.duration) / av.time_base


def is_displayed(packet: "Packet[StreamT]") -> bool:
    """Whether a packet has a frame that is displayed."""
    return bool(packet.size) and not packet.is_discard


def decoder_of(stream: VideoStream) -> VideoCodecContext:
    """The decoder of a stream that notices most damage.

    VP9 has no checksum. Of 34 single flipped bits that changed the picture, FFmpeg's own decoder showed 32 without a
    word; libvpx noticed all of them, because the data of the picture ended too early. Both give the same pictures.
    """
    own = stream.codec_context
    if own.name != "vp9":
        return own
    try:
        decoder = av.CodecContext.create("libvpx-vp9", "r")
    except av.codec.codec.UnknownCodecError:  # a build of FFmpeg without libvpx
        return own
    decoder.extradata = own.extradata
    decoder.thread_type = "AUTO"
    return decoder


def decoded_frames(
    packets: "Iterable[Packet[VideoStream]]",
    decoder: VideoCodecContext,
    on_refused: "Callable[[], object]",
) -> Iterator[av.VideoFrame]:
    """All frames that can be decoded; a packet that the decoder refuses costs only its own frames.

    With several threads, the refusal comes a few packets after the one that is refused.
    """
    for packet in packets:
        try:
            frames = decoder.decode(packet)
        except DECODING_ERRORS:
            on_refused()
            continue
        yield from frames
