"""``video.json``: facts about a video file, read before it is decoded."""

from screenalytics_assets.core.documents.document import Document


class VideoProbe(Document):
    """Facts about a video file.

    Attributes:
        width: of the displayed picture, after rotation, in pixels.
        height: the same.
        fps: average frames per second, from the timestamps.
        duration_s: from the first timestamp to the last, plus one average frame.
        frame_count: displayed frames in the file.
        is_variable_rate: the time of some frame is more than half a frame from index / fps.
        rotation_deg: clockwise rotation of the stored picture for display: 0, 90, 180 or 270.
        codec: FFmpeg's name, for example h264.
        pixel_format: FFmpeg's name, for example yuv420p.
        container: FFmpeg's names for the format, for example mov,mp4,m4a,3gp,3g2,mj2.
        container_duration_s: as declared by the container, None if it declares none.
        has_audio: whether there is a sound track.
        size_bytes: of the file.
        sha256: of the file, in hexadecimal.
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
