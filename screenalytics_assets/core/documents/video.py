"""``video.json``: facts about a video file, read before it is decoded."""

from screenalytics_assets.core.documents.document import Document


class VideoProbe(Document):
    """Facts about a video file.

    Attributes:
        width: Displayed width in square pixels, after rotation.
        height: Displayed height in square pixels.
        fps: Average frames per second, from the timestamps, without the time in which pictures are missing.
        start_s: When the first picture is shown, in seconds from the start of the file, which is the first sound or
            picture. All times of the episode are on this clock.
        duration_s: From the start of the file to the end of the last picture.
        missing_s: Time between the first packet and the last in which there is no picture. It is never screen time.
        missing: Start and end of each such interval.
        frame_count: Displayed frames in the file, from the first that can be decoded.
        is_variable_rate: Whether the time of some frame is more than half a frame from index / fps.
        is_joined: Whether the file contains several recordings, so that its timestamps restart.
        track: Number of the video stream in the file, from 0.
        track_reason: Why this one.
        pixel_aspect: Width of a stored pixel divided by its height, as 16:11; 1:1 is square.
        rotation_deg: Clockwise rotation of the stored picture for display: 0, 90, 180 or 270.
        is_mirrored: Whether the stored picture is mirrored left to right for display, before the rotation.
        is_interlaced: Whether the first picture consists of two fields. Interlaced pictures are deinterlaced.
        transfer: pq or hlg if the video is HDR, which is tone-mapped; otherwise sdr.
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
    start_s: float
    duration_s: float
    missing_s: float
    missing: tuple[tuple[float, float], ...]
    frame_count: int
    is_variable_rate: bool
    is_joined: bool
    track: int
    track_reason: str
    pixel_aspect: str
    rotation_deg: int
    is_mirrored: bool
    is_interlaced: bool
    transfer: str
    codec: str
    pixel_format: str
    container: str
    container_duration_s: float | None
    has_audio: bool
    size_bytes: int
    sha256: str
