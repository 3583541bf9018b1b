from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.video.decoder import probe_video, read_frames
from screenalytics_assets.core.common.intervals import Intervals
from screenalytics_assets.core.video.nal_units import is_whole, length_field_bytes
from tests.video_fixtures import write_video


def packet_of(*units: bytes) -> bytes:
    return b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)


def escaped(payload: bytes) -> bytes:
    """As an encoder writes it: a 3 after two zeros where a byte below 4 follows."""
    out = bytearray()
    for byte in payload:
        if byte <= 3 and out.endswith(b"\0\0"):
            out.append(3)
        out.append(byte)
    return bytes(out)


@given(st.lists(st.lists(st.sampled_from([0, 0, 0, 1, 2, 3, 255]), min_size=1).map(bytes), min_size=1))
def test_what_an_encoder_writes_is_whole(payloads: list[bytes]) -> None:
    assert is_whole(packet_of(*(escaped(payload) for payload in payloads)), 4)


def test_zeros_at_the_end_of_a_unit_are_padding() -> None:
    assert is_whole(packet_of(b"\x26\x01\x80" + bytes(20), b"\x02\x01\x80"), 4)


@pytest.mark.parametrize("overwritten", [bytes(3), bytes(100), b"\0\0\1", b"\0\0\2"])
def test_bytes_that_no_encoder_writes_are_damage(overwritten: bytes) -> None:
    assert not is_whole(packet_of(b"\x26\x01" + overwritten + b"\x80"), 4)


@pytest.mark.parametrize("packet", [bytes(4), b"\0\0\0\5abcd", b"\0\0\0\2ab\0\0", b"\0\0\0\0\0\0\0\1a"])
def test_units_that_do_not_fill_the_packet_are_damage(packet: bytes) -> None:
    assert not is_whole(packet, 4)


@pytest.mark.parametrize(
    ("codec", "configuration", "expected"),
    [
        ("h264", bytes([1, 100, 0, 31, 0xFF, 0xE1]), 4),
        ("h264", bytes([1, 100, 0, 31, 0xFD, 0xE1]), 2),
        ("hevc", bytes([1] + [0] * 20 + [0xF3]), 4),
        ("h264", bytes([0, 0, 0, 1, 0x67]), None),
        ("h264", bytes([1, 100]), None),
        ("hevc", None, None),
        ("vp9", bytes([1] * 30), None),
    ],
)
def test_the_size_of_a_length_is_read_from_the_configuration(
    codec: str, configuration: bytes | None, expected: int | None
) -> None:
    assert length_field_bytes(codec, configuration) == expected


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_zeros_within_a_picture_damage_all_up_to_the_next_key_frame(tmp_path: Path, ending: str, codec: str) -> None:
    rng = np.random.default_rng(1)
    textured = [rng.integers(0, 256, (96, 160, 3), dtype=np.uint8) for _ in range(36)]
    path = write_video(tmp_path / f"a.{ending}", textured, codec=codec)
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    keys = [index for index, packet in enumerate(packets) if packet.is_keyframe]
    spoilt = keys[1] + 1
    shown_s = [float((packet.pts or 0) * packet.time_base) for packet in packets]
    original, place = bytes(packets[spoilt]), packets[spoilt].size // 2
    content = path.read_bytes()
    damaged = original[:place] + bytes(200) + original[place + 200 :]
    path.write_bytes(content.replace(original, damaged))
    found: list[Intervals] = []
    list(read_frames(path, probe_video(path), on_damage=found.append))
    assert found[0] == pytest.approx(np.array([[min(shown_s[spoilt : keys[2]]), shown_s[keys[2]]]]), abs=0.002)
