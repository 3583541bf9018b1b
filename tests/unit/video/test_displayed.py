"""What a player would show of a file, and when."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from resources.video.decoder import probe_video, read_frames
from screenalytics_assets.core.common.errors import VideoError
from screenalytics_assets.core.common.intervals import Intervals
from screenalytics_assets.core.video.displayed import HLG, PQ, Orientation, ToneMap, displayed_size, orientation_of
from tests.video_fixtures import number_of, numbered_pictures, write_video


def remux(source: Path, target: Path, time_of: Callable[[int, float], float | None]) -> Path:
    """The packets of a video with other times: `time_of` a number and a time in seconds, or None to leave it out."""
    with av.open(str(source)) as read, av.open(str(target), "w") as written:
        stream = written.add_stream_from_template(read.streams.video[0])
        for number, packet in enumerate(read.demux(video=0)):
            if not packet.size or packet.pts is None or packet.dts is None:
                continue
            time_s = time_of(number, float(packet.pts * packet.time_base))
            if time_s is None:
                continue
            shift = round(time_s / packet.time_base) - packet.pts
            packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, stream
            written.mux(packet)
    return target


def with_two_tracks(target: Path, first: Path, second: Path, *, second_is_default: bool) -> Path:
    with av.open(str(first)) as a, av.open(str(second)) as b, av.open(str(target), "w") as written:
        sources = [(a, written.add_stream_from_template(a.streams.video[0]))]
        sources.append((b, written.add_stream_from_template(b.streams.video[0])))
        for (_, stream), is_default in zip(sources, [not second_is_default, second_is_default], strict=True):
            stream.disposition = av.stream.Disposition.default if is_default else av.stream.Disposition(0)
        for container, stream in sources:
            for packet in container.demux(video=0):
                if packet.size:
                    packet.stream = stream
                    written.mux(packet)
    return target


INTERLACED = {"crf": "5", "x264-params": "interlaced=1:tff=1"}


@pytest.mark.parametrize("every_frame", [True, False])
def test_lost_signal_is_missing_time_between_two_pictures(tmp_path: Path, every_frame: bool) -> None:
    source = write_video(tmp_path / "a.ts", numbered_pictures(96))
    path = remux(source, tmp_path / "gap.ts", lambda number, t: t + (60 if number >= 48 else 0))
    probe = probe_video(path)
    assert np.array(probe.missing) == pytest.approx(np.array([[2, 62]]), abs=0.001)
    assert probe.missing_s == pytest.approx(60, abs=0.001)
    assert probe.fps == pytest.approx(24, rel=1e-3)
    times_s = [frame.ts_s for frame in read_frames(path, probe, every_frame=every_frame)]
    assert not [time_s for time_s in times_s if 2 - 1e-3 <= time_s < 62 - 1e-3]
    assert times_s[-1] == pytest.approx(62 + 47 / 24, abs=0.001)


@pytest.mark.parametrize("codec", ["libx264", "libx265", "mpeg2video"])
def test_recordings_that_were_joined_are_read_one_after_the_other(tmp_path: Path, codec: str) -> None:
    part = write_video(tmp_path / "a.ts", numbered_pictures(36), codec=codec)
    path = tmp_path / "joined.ts"
    path.write_bytes(part.read_bytes() * 2)
    probe = probe_video(path)
    damaged: list[Intervals] = []
    frames = [(frame.ts_s, number_of(frame.bgr())) for frame in read_frames(path, probe, on_damage=damaged.append)]
    assert damaged[0].size == 0
    assert probe.is_joined
    assert [number for _, number in frames] == list(range(36)) * 2
    assert [time_s for time_s, _ in frames] == pytest.approx((np.arange(72) / 24).tolist(), abs=0.05)


def test_a_recording_that_begins_between_key_frames_is_read_from_the_first_one(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.ts", numbered_pictures(60), gop_size=24)
    path = remux(source, tmp_path / "cut.ts", lambda number, t: None if number < 12 else t)
    probe = probe_video(path)
    frames = list(read_frames(path, probe))
    numbers = [number_of(frame.bgr()) for frame in frames]
    assert 12 < numbers[0] <= 24
    assert probe.frame_count == len(frames) == 36 + 24 - numbers[0]
    assert frames[0].ts_s == probe.start_s == pytest.approx((numbers[0] - 12) / 24, abs=0.1)
    assert probe.missing_s == pytest.approx(probe.start_s, abs=0.1)


def test_a_picture_that_starts_after_the_sound_is_late(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", numbered_pictures(48), with_audio=True)
    late = tmp_path / "late.mp4"
    with av.open(str(path)) as read, av.open(str(late), "w") as written:
        streams = [written.add_stream_from_template(stream) for stream in read.streams]
        for packet in read.demux():
            if packet.size and packet.pts is not None and packet.dts is not None:
                shift = round(2 / packet.time_base) if packet.stream_index == 0 else 0
                packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                packet.stream = streams[packet.stream_index]
                written.mux(packet)
    probe = probe_video(late)
    assert probe.start_s == pytest.approx(2, abs=0.1)
    assert probe.duration_s == pytest.approx(probe.start_s + 2, abs=0.01)
    assert probe.missing == ()
    assert next(read_frames(late, probe)).ts_s == probe.start_s


def test_sound_longer_than_the_pictures_is_no_damage_in_matroska(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", numbered_pictures(48), with_audio=True, audio_s=8.0)
    assert probe_video(path).frame_count == 48


@pytest.mark.parametrize("second_is_default", [True, False])
def test_the_track_marked_as_default_is_read(tmp_path: Path, second_is_default: bool) -> None:
    first = write_video(tmp_path / "a.mkv", numbered_pictures(24))
    second = write_video(tmp_path / "b.mkv", numbered_pictures(24, width=192))
    path = with_two_tracks(tmp_path / "two.mkv", first, second, second_is_default=second_is_default)
    probe = probe_video(path)
    assert (probe.track, probe.track_reason) == (int(second_is_default), "marked as default")
    assert probe.width == next(read_frames(path, probe)).bgr().shape[1] == (192 if second_is_default else 160)


def test_a_single_picture_beside_a_video_is_not_the_video(tmp_path: Path) -> None:
    cover = write_video(tmp_path / "a.mkv", numbered_pictures(1, width=640, height=480))
    second = write_video(tmp_path / "b.mkv", numbered_pictures(24))
    probe = probe_video(with_two_tracks(tmp_path / "two.mkv", cover, second, second_is_default=False))
    assert (probe.track, probe.width) == (1, 160)


@pytest.mark.parametrize(("aspect", "size"), [((2, 1), (320, 96)), ((1, 2), (160, 192)), ((16, 11), (233, 96))])
def test_pixels_that_are_not_square_are_shown_as_a_player_does(
    tmp_path: Path, aspect: tuple[int, int], size: tuple[int, int]
) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(*aspect)
        for picture in numbered_pictures(4):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode(None))
    probe = probe_video(path)
    assert (probe.width, probe.height) == size
    assert next(read_frames(path, probe)).bgr().shape == (size[1], size[0], 3)


def test_a_turned_picture_is_stretched_before_it_is_turned() -> None:
    assert displayed_size(160, 96, Fraction(2), 1) == (96, 320)


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_display_matrix_is_read_as_its_definition_says(turns: int, mirrored: bool) -> None:
    """FFmpeg: the pixel at (x, y) is shown at (a·x + c·y, b·x + d·y), up to a shift."""
    x_axis, y_axis = np.array([-1 if mirrored else 1, 0]), np.array([0, 1])
    clockwise = np.linalg.matrix_power(np.array([[0, -1], [1, 0]]), turns)
    matrix = np.zeros((3, 3), np.int32)
    matrix[0, :2], matrix[1, :2] = clockwise @ x_axis * 65536, clockwise @ y_axis * 65536
    orientation = orientation_of(matrix)
    assert orientation == Orientation(mirrored, turns)
    stored = np.random.default_rng(0).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    shown = orientation.upright(stored)
    for x in range(5):
        for y in range(5):
            at = (matrix[0, :2] * (x - 2) + matrix[1, :2] * (y - 2)) // 65536 + 2
            assert (shown[at[1], at[0]] == stored[y, x]).all()


def test_fields_are_put_together_and_no_frame_is_lost(tmp_path: Path) -> None:
    """A bar that moves between the two fields of each frame."""
    pictures = []
    for index in range(14):
        picture = np.full((96, 160, 3), 40, np.uint8)
        for field in range(2):
            left = 10 + 8 * index + 4 * field
            picture[field::2, left : left + 24] = 220
        pictures.append(picture)
    path = write_video(tmp_path / "a.mkv", pictures, options=INTERLACED)
    probe = probe_video(path)
    assert probe.is_interlaced
    frames = list(read_frames(path, probe, every_frame=False))
    assert [frame.index for frame in frames] == list(range(14))
    for frame, combed in zip(frames, pictures, strict=True):
        assert _combing(frame.bgr()) < 0.3 * _combing(combed)


@pytest.mark.parametrize("every_frame", [True, False])
@pytest.mark.parametrize(("first", "second"), [(INTERLACED, INTERLACED), (INTERLACED, {}), ({}, INTERLACED)])
def test_an_interlaced_recording_may_change_its_size(
    tmp_path: Path, first: dict[str, str], second: dict[str, str], every_frame: bool
) -> None:
    small = write_video(tmp_path / "a.ts", numbered_pictures(36), options=first)
    large = write_video(tmp_path / "b.ts", numbered_pictures(36, width=320, height=240), options=second)
    path = tmp_path / "joined.ts"
    path.write_bytes(small.read_bytes() + large.read_bytes())
    probe = probe_video(path)
    found = [(frame.index, number_of(frame.bgr())) for frame in read_frames(path, probe, every_frame=every_frame)]
    assert all(index % 36 == number for index, number in found)
    if probe.is_interlaced or every_frame:
        assert [index for index, _ in found] == list(range(72))


def _combing(picture: NDArray[np.uint8]) -> float:
    """Mean difference of neighbouring lines, away from the edges."""
    return float(np.abs(np.diff(picture[8:-8, :, 1].astype(int), axis=0)).mean())


@pytest.mark.parametrize(("transfer", "white"), [(PQ, 0.5807), (HLG, 0.75)])
def test_hdr_is_mapped_so_that_its_white_is_bright_and_its_grey_neutral(transfer: str, white: float) -> None:
    levels = np.linspace(0, 1, 64)
    ramp = np.repeat((levels * 65535).astype(np.uint16)[None, :, None], 3, axis=2)
    mapped = ToneMap(transfer).sdr(ramp)[0].astype(int)
    assert np.ptp(mapped, axis=1).max() <= 1
    assert (np.diff(mapped[:, 0]) >= 0).all()
    assert (mapped[0, 0], mapped[-1, 0]) == (0, 255)
    assert mapped[round(white * 63), 0] == pytest.approx(191, abs=10)


def test_an_encrypted_video_is_called_that(tmp_path: Path) -> None:
    source, path = write_video(tmp_path / "a.mp4", numbered_pictures(24)), tmp_path / "b.mp4"
    key = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": "0" * 32, "encryption_kid": "1" * 32}
    with av.open(str(source)) as read, av.open(str(path), "w", options=key) as written:
        stream = written.add_stream_from_template(read.streams.video[0])
        for packet in read.demux(video=0):
            if packet.size:
                packet.stream = stream
                written.mux(packet)
    with pytest.raises(VideoError, match="the pictures are encrypted"):
        probe_video(path)


@pytest.mark.parametrize("ending", ["mp4", "avi"])
def test_tags_that_are_not_utf_8_do_not_matter(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "TITLE OF THE VIDEO"
        stream = container.add_stream("mpeg4", rate=24)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for picture in numbered_pictures(12):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode(None))
    content = path.read_bytes()
    assert b"TITLE OF THE VIDEO" in content
    path.write_bytes(content.replace(b"TITLE OF THE VIDEO", "TÎTLE OF THE VIDÉO".encode("latin-1")))
    assert probe_video(path).frame_count == 12
