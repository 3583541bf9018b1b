"""Whether a coded picture of H.264 or HEVC is whole, as far as its bytes tell.

Both codecs divide a picture into NAL units. FFmpeg decodes some that were overwritten, of HEVC most, without a word.
"""

import re
from collections.abc import Mapping

_LENGTH_SIZE_AT: Mapping[str, int] = {"h264": 4, "hevc": 21}
"""Byte of the decoder configuration whose last two bits are the size of a length field minus one (ISO 14496-15, 5.3.3.1
and 8.3.3.1)."""
_FORBIDDEN = re.compile(rb"\0\0[\0-\2]")
"""An encoder writes a 3 after two zeros where one of these would follow (H.264 7.4.1.1, HEVC 7.4.2.3). Zeros at the end
of a NAL unit are padding that some programs leave there."""


def length_field_bytes(codec: str, configuration: bytes | None) -> int | None:
    """The size of the length field in front of each NAL unit; None if packets have none, as in a transport stream.

    Args:
        codec: FFmpeg's name of the codec.
        configuration: of the decoder, as stored in the container.
    """
    place = _LENGTH_SIZE_AT.get(codec)
    # Version 1 is the only one; start codes begin with a zero.
    if place is None or configuration is None or len(configuration) <= place or configuration[0] != 1:
        return None
    return (configuration[place] & 3) + 1


def is_whole(packet: bytes, length_bytes: int) -> bool:
    """Whether the NAL units fill the packet and hold nothing that no encoder writes.

    Args:
        packet: NAL units, each behind its length.
        length_bytes: the size of a length.
    """
    place = 0
    while place < len(packet):
        start = place + length_bytes
        place = start + int.from_bytes(packet[place:start], "big")
        if place == start or place > len(packet) or _FORBIDDEN.search(packet[start:place].rstrip(b"\0")):
            return False
    return True
