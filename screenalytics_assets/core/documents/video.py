"""``video.json``: facts about a video file, read before it is decoded."""

from screenalytics_assets.core.documents.document import Document


class VideoProbe(Document):
    """Facts about a video file.

    Attributes:
        width: Displayed width in pixels, after rotation.
        height: Displayed height in pixels.
        fps: Average frames per second, from the timestamps.
        duration_s: From the first timestamp to the last, plus one average frame.
        frame_count: Displayed frames in the file.
        is_variable_rate: Whether the time of some frame is more than half a frame from index / fps.
        rotation_deg: Clockwise rotation of the stored picture for display: 0, 90, 180 or 270.
        codec: FFmpeg's name, for example h264.
        pixel_format: FFmpeg's name, for example yuv420p.
        container: FFmpeg's names for the format, for example mov,mp4,m4a,3gp,3g2,mj2.
        container_duration_s: As declared by the container, null if it declares none.
        has_audio: Whether there is a sound track.
        size_bytes: Size of the file.
        sha256: SHA-256 of the file, in hexadecimal.
    """

    width: int
    height: int
    fps: float
    duration_s: float
    frame_count: int
    is_variable_rate: bool
    rotation_deg: int
    codec: str
    pixel_format: str
    container: str
    container_duration_s: float | None
    has_audio: bool
    size_bytes: int
    sha256: str
