"""Finds the face in a photo of a known person, judges it, and embeds it, with the models of a run."""

import hashlib
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from resources.configuration.run_settings import RunSettings
from resources.models.configured import configured_detector, configured_embedder
from screenalytics_assets.core.common.schemas import EMBEDDING_DIMENSION
from screenalytics_assets.core.detection.alignment import embedding_crop
from screenalytics_assets.core.detection.face_boxes import FrameFaces
from screenalytics_assets.core.people.enrolment import PhotoFinding, analyse_photo


class PhotoAnalyser:
    """The detector and the embedder of a run, applied to photos."""

    def __init__(self, run: RunSettings) -> None:
        self._run = run
        self._detector = configured_detector(run)
        self._embedder = configured_embedder(run)

    @property
    def model_digest(self) -> str:
        """SHA-256 of the embedder's weights."""
        return self._embedder.digest

    def analyse(self, photo_id: str, person_id: str, content: bytes) -> PhotoFinding:
        """Find, measure and judge the face in a photo."""
        settings = self._run.resolved.settings
        return analyse_photo(
            PhotoFinding(photo_id, person_id, hashlib.sha256(content).hexdigest()),
            decode_photo(content),
            self._detect,
            settings.facebank,
            settings.faces,
            crop_px=settings.detection.thumb_size,
        )

    def embed(self, findings: Sequence[PhotoFinding]) -> NDArray[np.float32]:
        """The vectors of the faces that were found, (N, 512) float32."""
        crops = [embedding_crop(finding.crop) for finding in findings if finding.crop is not None]
        if not crops:
            return np.empty((0, EMBEDDING_DIMENSION), np.float32)
        return self._embedder.embed(np.stack(crops))

    def _detect(self, photo_bgr: NDArray[np.uint8]) -> FrameFaces:
        return self._detector.detect(photo_bgr, confidence_th=self._run.thresholds.min_confidence)


def decode_photo(content: bytes) -> NDArray[np.uint8] | None:
    """An image file as (H, W, 3) BGR, rotated as its EXIF data say; None if it is not an image."""
    if not content:
        return None
    try:
        picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:  # too many pixels
        return None
    return None if picture is None else np.asarray(picture, np.uint8)
