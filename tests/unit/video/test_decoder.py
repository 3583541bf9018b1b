import gc
import hashlib
import struct
import tracemalloc
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from resources.video.decoder import probe_video, read_frames
from screenalytics_assets.core.common.errors import VideoError
from screenalytics_assets.core.common.intervals import Intervals
from screenalytics_assets.core.documents.video import VideoProbe
from tests.video_fixtures import (
    Picture,
    drop_frames,
    flip_bytes,
    number_of,
    numbered_pictures,
    truncate,
    write_sound,
    write_video,
)


@pytest.mark.parametrize("ending", ["mp4", "mkv", "mov", "ts"])
def test_a_probe_reports_the_facts_of_a_file(tmp_path: Path, ending: str) -> None:
    path = write_video(tmp_path / f"a.{ending}", numbered_pictures(48), with_audio=True)
    probe = probe_video(path)
    assert (probe.width, probe.height, probe.frame_count, probe.rotation_deg) == (160, 96, 48, 0)
    assert probe.fps == pytest.approx(24, rel=1e-3)
    assert probe.duration_s - probe.start_s == pytest.approx(2, abs=0.002)
    assert probe.container_duration_s == pytest.approx(2, abs=0.1)
    assert (probe.codec, probe.pixel_format, probe.has_audio) == ("h264", "yuv420p", True)
    assert not probe.is_variable_rate
    assert probe.size_bytes == path.stat().st_size
    assert probe.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_video_without_sound_is_reported_as_such(tmp_path: Path) -> None:
    assert not probe_video(write_video(tmp_path / "a.mp4", numbered_pictures(4))).has_audio


@pytest.mark.parametrize("ending", ["mp4", "mkv", "ts"])
def test_every_frame_comes_once_in_the_order_of_display(tmp_path: Path, ending: str) -> None:
    path = write_video(tmp_path / f"a.{ending}", numbered_pictures(36), with_audio=True)
    probe = probe_video(path)
    frames = [(f.index, f.ts_s, f.is_corrupt, number_of(f.bgr())) for f in read_frames(path, probe)]
    assert [index for index, *_ in frames] == list(range(36))
    assert [number for *_, number in frames] == list(range(36))
    # The sound of a transport stream begins with the silence that its encoder adds, and the clock of the file with it.
    assert probe.start_s == pytest.approx(1024 / 16_000 if ending == "ts" else 0, abs=0.001)
    assert [ts_s for _, ts_s, *_ in frames] == pytest.approx((probe.start_s + np.arange(36) / 24).tolist(), abs=0.001)
    assert not any(corrupt for _, _, corrupt, _ in frames)


def test_hidden_frames_are_neither_counted_nor_read(tmp_path: Path) -> None:
    """An edit list, as cutting tools leave one, hides what lies before time zero."""
    times_ms = [40 * index - 200 for index in range(36)]
    path = write_video(tmp_path / "a.mp4", numbered_pictures(36), times_ms=times_ms)
    probe = probe_video(path)
    frames = [(frame.ts_s, number_of(frame.bgr())) for frame in read_frames(path, probe)]
    assert probe.frame_count == len(frames) == 31
    assert [number for _, number in frames] == list(range(5, 36))
    assert frames[0][0] == 0
    assert probe.duration_s == pytest.approx(31 * 0.04, abs=0.002)
    assert damage_of(path, probe).size == 0


@pytest.mark.parametrize("every_frame", [True, False])
@pytest.mark.parametrize(("hidden_ms", "gop_size"), [(1000, 12), (1000, 250), (6500, 12), (6500, 250)])
def test_what_an_edit_list_hides_in_front_is_no_damage(
    tmp_path: Path, hidden_ms: int, gop_size: int, every_frame: bool
) -> None:
    times_ms = [index * 1000 // 24 - hidden_ms for index in range(240)]
    path = write_video(tmp_path / "a.mp4", numbered_pictures(240), times_ms=times_ms, gop_size=gop_size)
    probe = probe_video(path)
    assert probe.duration_s == pytest.approx(10 - hidden_ms / 1000, abs=0.002)
    assert damage_of(path, probe, every_frame=every_frame).size == 0


@pytest.mark.parametrize("every_frame", [True, False])
def test_a_part_that_was_cut_out_without_encoding_has_no_damage(tmp_path: Path, every_frame: bool) -> None:
    """Copied from the key frame at 2.0 s on, with an edit list that shows it from 2.5 s on."""
    source = write_video(tmp_path / "a.mp4", numbered_pictures(240), gop_size=48)
    path = tmp_path / "cut.mp4"
    with av.open(str(source)) as read, av.open(str(path), "w") as written:
        stream = written.add_stream_from_template(read.streams.video[0])
        for packet in read.demux(video=0):
            if packet.size and packet.pts is not None and packet.dts is not None and packet.pts * packet.time_base >= 2:
                shift = round(2.5 / packet.time_base)
                packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, stream
                written.mux(packet)
    probe = probe_video(path)
    assert probe.frame_count == 180
    assert probe.duration_s == pytest.approx(7.5, abs=0.002)
    assert damage_of(path, probe, every_frame=every_frame).size == 0


@pytest.mark.parametrize("every_frame", [True, False])
@pytest.mark.parametrize("shown_s", [9, 4])
def test_what_an_edit_list_hides_at_the_end_is_no_damage(tmp_path: Path, shown_s: int, every_frame: bool) -> None:
    path = write_video(tmp_path / "a.mp4", numbered_pictures(240))
    content = bytearray(path.read_bytes())
    # The durations in milliseconds of the edit, the track and the film, as in ISO 14496-12.
    for box, place in ((b"elst", 12), (b"tkhd", 24), (b"mvhd", 20)):
        start = content.index(box) + place
        content[start : start + 4] = (1000 * shown_s).to_bytes(4, "big")
    path.write_bytes(content)
    probe = probe_video(path)
    assert probe.frame_count == 24 * shown_s
    assert probe.duration_s == pytest.approx(shown_s, abs=0.002)
    assert damage_of(path, probe, every_frame=every_frame).size == 0


def test_the_lost_end_of_a_video_with_an_edit_list_is_damage(tmp_path: Path) -> None:
    times_ms = [40 * index - 1000 for index in range(250)]
    path = write_video(tmp_path / "a.mp4", numbered_pictures(250), times_ms=times_ms, index_first=True)
    intact = probe_video(path)
    truncate(path, 0.97)
    probe = probe_video(path)
    assert probe.duration_s < intact.duration_s - 0.1
    assert damage_of(path, probe)[-1].tolist() == pytest.approx([probe.duration_s, intact.duration_s], abs=0.05)


def test_a_variable_rate_keeps_its_timestamps(tmp_path: Path) -> None:
    times_ms = [0, 40, 80, 480, 500, 520, 1500, 1600, 1700, 3000]
    path = write_video(tmp_path / "a.mkv", numbered_pictures(10), times_ms=times_ms)
    probe = probe_video(path)
    assert probe.is_variable_rate
    assert probe.duration_s == pytest.approx(3.0 + 1 / 24, abs=0.002), "the file says how long the last one is shown"
    assert [f.ts_s for f in read_frames(path, probe)] == pytest.approx([t / 1000 for t in times_ms], abs=0.002)


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
@pytest.mark.parametrize("counterclockwise_deg", [0, 90, 180, -90])
def test_a_rotated_video_is_read_upright(tmp_path: Path, ending: str, counterclockwise_deg: int) -> None:
    upright = numbered_pictures(6)
    stored = [np.ascontiguousarray(np.rot90(picture, -counterclockwise_deg // 90)) for picture in upright]
    path = write_video(tmp_path / f"a.{ending}", stored, counterclockwise_deg=counterclockwise_deg)
    probe = probe_video(path)
    assert (probe.width, probe.height, probe.rotation_deg) == (160, 96, -counterclockwise_deg % 360)
    for frame, expected in zip(read_frames(path, probe), upright, strict=True):
        for picture in (frame.bgr(), frame.small_bgr(160, 96)):
            assert picture.shape == expected.shape
            assert np.abs(picture.astype(int) - expected).mean() < 6


def test_pictures_are_contiguous_bgr_bytes_of_the_requested_size(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", numbered_pictures(3, width=178, height=98))
    frame = next(read_frames(path, probe_video(path)))
    full, small = frame.bgr(), frame.small_bgr(64, 36)
    assert (full.shape, small.shape) == ((98, 178, 3), (36, 64, 3))
    assert full.dtype == small.dtype == np.uint8
    assert full.flags.c_contiguous
    assert small.flags.c_contiguous
    assert full[10, 10].argmax() == small[4, 6].argmax() == 2


def test_a_small_picture_averages_so_that_fine_stripes_do_not_flicker(tmp_path: Path) -> None:
    stripes = np.zeros((360, 640, 3), np.uint8)
    stripes[:, ::2] = 255
    path = write_video(tmp_path / "a.mp4", [stripes, np.roll(stripes, 1, axis=1)])
    for frame in read_frames(path, probe_video(path)):
        assert np.abs(frame.small_bgr(64, 36).astype(int) - 127).max() < 25


def missing(path: Path) -> Path:
    return path


def folder(path: Path) -> Path:
    path.mkdir()
    return path


def empty(path: Path) -> Path:
    path.touch()
    return path


def mp4_box(kind: bytes, *content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + sum(map(len, content)), kind) + b"".join(content)


def no_streams(path: Path) -> Path:
    """An MP4 file with an index that lists no track."""
    index = mp4_box(b"mvhd", bytes(12) + struct.pack(">II", 1000, 0) + bytes(80))
    path.write_bytes(mp4_box(b"ftyp", b"isom", bytes(4), b"isom") + mp4_box(b"moov", index) + mp4_box(b"mdat"))
    return path


def cover_only(path: Path) -> Path:
    """A file whose one picture is marked as a cover."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=24)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuvj420p"
        stream.disposition = Disposition.attached_pic
        for picture in numbered_pictures(1):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "bgr24")))
        container.mux(stream.encode())
    return path


def unknown_codec(path: Path) -> Path:
    """A video that names a codec which does not exist."""
    path = write_video(path, numbered_pictures(24))
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzz9"))
    return path


def text(path: Path) -> Path:
    path.write_text("not a video\n" * 100)
    return path


def playlist(path: Path) -> Path:
    write_video(path.with_name("part.ts"), numbered_pictures(24))
    path = path.with_suffix(".m3u8")
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\npart.ts\n#EXT-X-ENDLIST\n")
    return path


def list_of_files(path: Path) -> Path:
    write_video(path.with_name("part.ts"), numbered_pictures(24))
    path.write_text("ffconcat version 1.0\nfile part.ts\n")
    return path


def half_an_mp4(path: Path) -> Path:
    return truncate(write_video(path, numbered_pictures(100)), 0.5)


def half_an_mp4_with_its_index_in_front(path: Path) -> Path:
    return truncate(write_video(path, numbered_pictures(100), index_first=True), 0.5)


def half_an_mkv(path: Path) -> Path:
    return truncate(write_video(path.with_suffix(".mkv"), numbered_pictures(100)), 0.5)


def postage_stamp(path: Path) -> Path:
    return write_video(path, numbered_pictures(5, width=16, height=16))


def one_picture(path: Path) -> Path:
    return write_video(path, numbered_pictures(1))


def noise_in_a_container(path: Path) -> Path:
    path = write_video(path.with_suffix(".mkv"), numbered_pictures(40))
    return flip_bytes(path, first=0.2, last=0.9, every=1)


BAD: list[tuple[Callable[[Path], Path], str]] = [
    (missing, "no such file"),
    (folder, "this is a folder"),
    (empty, "the file is empty"),
    (text, "not a video file"),
    (playlist, "playlist"),
    (list_of_files, "playlist"),
    (write_sound, "no picture in this file, only audio; expected a video"),
    (no_streams, "this file has no streams; expected a video"),
    (cover_only, "no picture in this file, only a cover or preview picture;"),
    (unknown_codec, "does not know the codec of the pictures"),
    (half_an_mp4, r"MP4 has no index \(moov\)"),
    (half_an_mp4_with_its_index_in_front, r"end at \d\.\d s but the file declares 4\.2 s: it is truncated"),
    (half_an_mkv, r"end at \d\.\d s but the file declares 4\.2 s: it is truncated"),
    (postage_stamp, "16×16 px; its shorter side must have at least 64 px"),
    (one_picture, "at least two frames"),
]


@pytest.mark.parametrize(("make", "message"), BAD, ids=[make.__name__ for make, _ in BAD])
def test_a_bad_file_is_refused_by_name_and_reason(tmp_path: Path, make: Callable[[Path], Path], message: str) -> None:
    path = make(tmp_path / "bad.mp4")
    with pytest.raises(VideoError, match=message) as caught:
        probe_video(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_file_whose_pictures_cannot_be_decoded_is_refused(tmp_path: Path) -> None:
    path = noise_in_a_container(tmp_path / "bad.mkv")
    with pytest.raises(VideoError, match=r"bad\.mkv: "):
        list(read_frames(path, probe_video(path)))


def test_a_file_truncated_after_the_probe_is_an_error_at_its_end(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", numbered_pictures(100))
    probe = probe_video(path)
    truncate(path, 0.5)
    seen: list[int] = []
    with pytest.raises(VideoError, match=r"a\.mkv: the pictures end at"):
        seen.extend(frame.index for frame in read_frames(path, probe))
    assert len(seen) > 10


@pytest.mark.parametrize("every_frame", [True, False])
def test_slight_damage_is_marked_and_does_not_stop_the_reading(tmp_path: Path, every_frame: bool) -> None:
    rng = np.random.default_rng(1)
    textured = [rng.integers(0, 256, (96, 160, 3), dtype=np.uint8) for _ in range(100)]
    path = write_video(tmp_path / "a.mkv", textured, gop_size=1)
    probe = probe_video(path)
    flip_bytes(path, first=0.5, last=0.51, every=40)
    frames = [frame.is_corrupt for frame in read_frames(path, probe, every_frame=every_frame)]
    assert sum(frames) + probe.frame_count - len(frames) in range(1, 5)


@pytest.mark.parametrize("every_frame", [True, False])
def test_a_video_that_is_mostly_damaged_is_refused_with_its_seconds(tmp_path: Path, every_frame: bool) -> None:
    rng = np.random.default_rng(1)
    textured = [rng.integers(0, 256, (96, 160, 3), dtype=np.uint8) for _ in range(100)]
    path = write_video(tmp_path / "a.mkv", textured, gop_size=1)
    probe = probe_video(path)
    flip_bytes(path, first=0.2, last=0.9, every=2000)
    with pytest.raises(VideoError, match=r"\d\.\d of 4\.2 s are damaged or missing, more than 50%"):
        list(read_frames(path, probe, every_frame=every_frame))


def damage_of(path: Path, probe: VideoProbe, *, every_frame: bool = True) -> Intervals:
    found: list[Intervals] = []
    list(read_frames(path, probe, every_frame=every_frame, on_damage=found.append))
    return found[0]


@pytest.mark.parametrize("every_frame", [True, False])
def test_missing_frames_are_damage(tmp_path: Path, every_frame: bool) -> None:
    path = write_video(tmp_path / "a.mkv", numbered_pictures(100), gop_size=1)
    probe = probe_video(path)
    drop_frames(path, 40, 45)
    assert damage_of(path, probe, every_frame=every_frame) == pytest.approx(np.array([[40 / 24, 45 / 24]]), abs=0.002)


@pytest.mark.parametrize("every_frame", [True, False])
def test_what_refers_to_a_missing_frame_is_damaged_until_the_next_key_frame(tmp_path: Path, every_frame: bool) -> None:
    path = write_video(tmp_path / "a.mkv", numbered_pictures(34), gop_size=12)
    probe = probe_video(path)
    drop_frames(path, 13, 14)
    # Frame 13 is decoded before the pictures that are shown from frame 12 on, and they refer to it.
    assert damage_of(path, probe, every_frame=every_frame) == pytest.approx(np.array([[0.5, 0.958]]), abs=0.002)


@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv", "ts", "flv"])
def test_an_undamaged_video_reports_no_damage(tmp_path: Path, ending: str) -> None:
    path = write_video(tmp_path / f"a.{ending}", numbered_pictures(60), with_audio=ending != "flv")
    probe = probe_video(path)
    assert damage_of(path, probe).size == 0
    assert damage_of(path, probe, every_frame=False).size == 0


def test_a_transport_stream_that_ends_within_a_packet_is_damaged(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.ts", numbered_pictures(96))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 188 // 2 * 188 + 100])
    probe = probe_video(path)
    assert damage_of(path, probe)[-1, 1] == pytest.approx(probe.duration_s, abs=0.01)


def test_frames_that_go_back_in_time_are_dropped_and_counted(tmp_path: Path) -> None:
    """H.264 with B frames whose times of display were overwritten with those of decoding."""
    source, path = write_video(tmp_path / "a.mkv", numbered_pictures(60)), tmp_path / "b.mkv"
    with av.open(str(source)) as read, av.open(str(path), "w") as written:
        stream = written.add_stream_from_template(read.streams.video[0])
        for number, packet in enumerate(packet for packet in read.demux(video=0) if packet.size):
            packet.pts = packet.dts = round(number / 24 / packet.time_base)
            packet.stream = stream
            written.mux(packet)
    times_s: list[float] = []
    with pytest.raises(VideoError, match=r"of 2\.\d s are damaged or missing"):
        times_s.extend(frame.ts_s for frame in read_frames(path, probe_video(path)))
    assert len(times_s) > 20
    assert (np.diff(times_s) > 0).all()


SHARP_B_FRAMES = {"bf": "2", "b": "4000000"}


@pytest.mark.parametrize("every_frame", [True, False])
@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_pictures_in_avi_are_shown_in_their_order_at_the_times_of_decoding(
    tmp_path: Path, codec: str, every_frame: bool
) -> None:
    """AVI stores no times of display, and both codecs have B frames here."""
    path = write_video(tmp_path / "a.avi", numbered_pictures(36), codec=codec, options=SHARP_B_FRAMES)
    probe = probe_video(path)
    assert (probe.start_s, probe.frame_count) == (0, 36)
    frames = [(frame.ts_s, number_of(frame.bgr())) for frame in read_frames(path, probe, every_frame=every_frame)]
    assert [number for _, number in frames] == list(range(36))
    assert [ts_s for ts_s, _ in frames] == pytest.approx((np.arange(36) / 24).tolist(), abs=0.001)
    assert damage_of(path, probe, every_frame=every_frame).size == 0


def packed_bitstream(path: Path, pictures: Sequence[Picture]) -> Path:
    """As DivX writes it: a chunk has a P and a B frame, and the chunk after its B frames is empty but for a header."""
    start = b"\0\0\1\xb6"
    options = {**SHARP_B_FRAMES, "sc_threshold": "1000000000"}
    source = write_video(path.with_stem("plain"), pictures, codec="mpeg4", options=options)
    with av.open(str(source)) as read, av.open(str(path), "w") as written:
        stream = written.add_stream_from_template(read.streams.video[0])
        frames = [bytes(packet) for packet in read.demux(video=0) if packet.size]
        is_b = [frame[frame.index(start) + 4] >> 6 == 2 for frame in frames] + [False]
        chunks: list[bytes] = []
        for number, frame in enumerate(frames):
            if not is_b[number] and is_b[number + 1]:
                chunks.append(frame + frames[number + 1])
            elif not is_b[number] or is_b[number - 1]:
                chunks.append(frame)
            if is_b[number] and not is_b[number + 1]:
                chunks.append(start + bytes([0x4F, 0x7F]))
        chunks[0] = chunks[0].replace(start, b"\0\0\1\xb2DivX503b1393p" + start, 1)
        for number, chunk in enumerate(chunks):
            packet = av.Packet(chunk)
            packet.stream, packet.time_base = stream, Fraction(1, 24)
            packet.pts = packet.dts = number
            packet.is_keyframe = number == 0 or chunk[chunk.index(start) + 4] >> 6 == 0
            written.mux(packet)
        assert len(chunks) == len(pictures)
    return path


@pytest.mark.parametrize("every_frame", [True, False])
def test_two_pictures_in_one_chunk_of_avi_are_both_shown(tmp_path: Path, every_frame: bool) -> None:
    path = packed_bitstream(tmp_path / "a.avi", numbered_pictures(36))
    probe = probe_video(path)
    frames = [(frame.ts_s, number_of(frame.bgr())) for frame in read_frames(path, probe, every_frame=every_frame)]
    assert [number for _, number in frames] == list(range(36))
    assert [ts_s for ts_s, _ in frames] == pytest.approx((np.arange(36) / 24).tolist(), abs=0.001)
    assert damage_of(path, probe, every_frame=every_frame).size == 0


@pytest.mark.parametrize("every_frame", [True, False])
def test_a_picture_that_is_damaged_in_avi_moves_no_other(tmp_path: Path, every_frame: bool) -> None:
    path = write_video(tmp_path / "a.avi", numbered_pictures(36), codec="mpeg4", options=SHARP_B_FRAMES)
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    spoilt = bytes(packets[16])
    next_key = next(number for number in range(17, 36) if packets[number].is_keyframe)
    path.write_bytes(path.read_bytes().replace(spoilt, b"\xff" * len(spoilt)))
    probe = probe_video(path)
    frames = [(frame.ts_s, number_of(frame.bgr())) for frame in read_frames(path, probe, every_frame=every_frame)]
    intact = [(ts_s, number) for ts_s, number in frames if not 12 / 24 - 0.001 < ts_s < 24 / 24 - 0.001]
    assert [number for _, number in intact] == pytest.approx([24 * ts_s for ts_s, _ in intact], abs=0.01)
    assert len(intact) == 24
    ((start_s, end_s),) = damage_of(path, probe, every_frame=every_frame)
    assert start_s == pytest.approx(16 / 24, abs=2 / 24)
    assert end_s == pytest.approx(next_key / 24, abs=2 / 24)


EVERY_20TH_LEFT_OUT = [round(index * 1000 / 24) for index in range(240) if index % 20 != 13]


@pytest.mark.parametrize("every_frame", [True, False])
@pytest.mark.parametrize("ending", ["mkv", "ts", "flv", "mp4"])
def test_pictures_that_the_encoder_left_out_are_no_damage(tmp_path: Path, ending: str, every_frame: bool) -> None:
    pictures = numbered_pictures(len(EVERY_20TH_LEFT_OUT))
    path = write_video(tmp_path / f"a.{ending}", pictures, times_ms=EVERY_20TH_LEFT_OUT, gop_size=250)
    probe = probe_video(path)
    assert probe.is_variable_rate
    assert damage_of(path, probe, every_frame=every_frame).size == 0


def test_gaps_alone_are_damage_but_no_reason_to_refuse_a_video(tmp_path: Path) -> None:
    times_ms = [round(index * 1000 / 24) for index in range(240) if index not in (30, 31, 90, 170)]
    pictures, options = numbered_pictures(len(times_ms)), {"bf": "0", "x264-params": "scenecut=0"}
    path = write_video(tmp_path / "a.mkv", pictures, times_ms=times_ms, gop_size=250, options=options)
    probe = probe_video(path)
    damage = damage_of(path, probe)
    assert damage[0, 0] == pytest.approx(30 / 24, abs=0.003)
    assert damage[-1, 1] == pytest.approx(10, abs=0.003)
    assert (damage[:, 1] - damage[:, 0]).sum() > 5


@pytest.mark.parametrize("with_audio", [True, False])
@pytest.mark.parametrize("ending", ["mkv", "mp4"])
def test_a_first_picture_that_is_late_is_no_truncation(tmp_path: Path, ending: str, with_audio: bool) -> None:
    times_ms = [3000 + round(index * 1000 / 24) for index in range(48)]
    path = write_video(
        tmp_path / f"a.{ending}", numbered_pictures(48), times_ms=times_ms, with_audio=with_audio, audio_s=5.0
    )
    probe = probe_video(path)
    assert probe.start_s == pytest.approx(3 if with_audio else 0, abs=0.07)
    assert probe.duration_s == pytest.approx(probe.start_s + 2, abs=0.002)
    assert damage_of(path, probe).size == 0


def test_sound_longer_than_the_pictures_is_not_a_truncation(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", numbered_pictures(48), with_audio=True, audio_s=8.0)
    assert probe_video(path).duration_s == pytest.approx(2.0)


def test_cover_art_is_not_a_video(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.mp4")
    with av.open(str(tmp_path / "cover.mp4"), "w") as target, av.open(str(path)) as source:
        sound = target.add_stream_from_template(source.streams.audio[0])
        cover = target.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 160, 96, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        target.mux(cover.encode(av.VideoFrame.from_ndarray(numbered_pictures(1)[0], format="bgr24")))
        target.mux(cover.encode(None))
        for packet in source.demux(audio=0):
            if packet.size:
                packet.stream = sound
                target.mux(packet)
    with pytest.raises(VideoError, match="no picture in this file, only audio"):
        probe_video(tmp_path / "cover.mp4")


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files in /proc, which is not here")
def test_the_file_is_closed_when_reading_stops_early(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", numbered_pictures(60))
    probe = probe_video(path)
    before = open_files()
    frames = read_frames(path, probe)
    next(frames)
    assert open_files() > before
    frames.close()
    assert open_files() == before


def test_frames_are_not_kept(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", numbered_pictures(60, width=640, height=360))
    probe = probe_video(path)
    one_picture_bytes = 640 * 360 * 3
    gc.collect()
    tracemalloc.start()
    for frame in read_frames(path, probe):
        frame.bgr()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6 * one_picture_bytes


@pytest.mark.parametrize("times_ms", [None, [40 * i + 7 * (i % 3) for i in range(36)]])
def test_non_reference_frames_can_be_skipped_and_the_others_keep_index_time_and_picture(
    tmp_path: Path, times_ms: list[int] | None
) -> None:
    path = write_video(tmp_path / "video.mp4", numbered_pictures(36), times_ms=times_ms)
    probe = probe_video(path)
    whole = {frame.index: (frame.ts_s, number_of(frame.bgr())) for frame in read_frames(path, probe)}
    fewer = {frame.index: (frame.ts_s, number_of(frame.bgr())) for frame in read_frames(path, probe, every_frame=False)}
    assert 0 in fewer
    assert len(fewer) < len(whole) == 36
    assert fewer.items() <= whole.items()


def test_frames_are_skipped_only_if_the_remaining_ones_are_close_together(tmp_path: Path) -> None:
    path = write_video(tmp_path / "slow.mp4", numbered_pictures(36), fps=8)
    found = [frame.index for frame in read_frames(path, probe_video(path), every_frame=False)]
    left_out = set(range(36)) - set(found)
    assert left_out, "the first gap is only seen when it is there"
    assert max(left_out) < 12
    assert found[-24:] == list(range(12, 36))
