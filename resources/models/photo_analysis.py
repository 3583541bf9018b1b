"""Finds the face in a photo of a known person, judges it, and embeds it, with the models of a run."""

import io
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from resources.configuration.run_settings import RunSettings
from resources.models.configured import configured_detector, configured_embedder
from resources.storage.photo_library import Photo
from screenalytics_assets.core.common.digests import sha256_of
from screenalytics_assets.core.common.schemas import EMBEDDING_DIMENSION
from screenalytics_assets.core.detection.alignment import embedding_crop
from screenalytics_assets.core.detection.face_boxes import FrameFaces
from screenalytics_assets.core.people.enrolment import (
    TOO_MANY_BYTES,
    TOO_MANY_PIXELS,
    PhotoFinding,
    analyse_photo,
    compare_photos,
    refuse_duplicates,
)
from screenalytics_assets.core.people.person_names import Person

MAX_PHOTO_MEGAPIXELS = 100
"""Decoded, such a photo takes 300 MB. Cameras rarely have more, and a face needs a fraction of that."""
MAX_PHOTO_SIDE_PX = 20_000
"""The border around a photo of a face that fills it grows with the longer side; here it takes 3 GB at most."""


class TooManyPixelsError(Exception):
    """A photo is larger than `MAX_PHOTO_MEGAPIXELS` or `MAX_PHOTO_SIDE_PX`."""


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
        finding = PhotoFinding(photo_id, person_id, sha256_of(content))
        try:
            photo_bgr = decode_photo(content)
        except TooManyPixelsError:
            return replace(finding, reason=TOO_MANY_PIXELS)
        return analyse_photo(
            finding,
            photo_bgr,
            self._detect,
            settings.facebank,
            settings.faces,
            crop_px=settings.detection.thumb_size,
        )

    def enrol(
        self, photos: Sequence[Photo], people: Mapping[str, Person], *, min_photo_sim: float
    ) -> tuple[list[PhotoFinding], dict[str, NDArray[np.float32]]]:
        """Analyse and compare photos of known people.

        Args:
            photos: All photos of a show.
            people: The person of each folder.
            min_photo_sim: Least cosine similarity of two photos of one person.

        Returns:
            The findings in the order of the photos, and the (512,) vectors of those that are accepted, by photo id.
        """
        analysed = refuse_duplicates([self._analyse(photo, people[photo.folder].person_id) for photo in photos])
        good = [finding for finding in analysed if finding.is_accepted]
        vectors = self.embed(good)
        compared = {f.photo_id: f for f in compare_photos(good, vectors, min_photo_sim=min_photo_sim)}
        findings = [compared.get(finding.photo_id, finding) for finding in analysed]
        rows = zip(good, vectors, strict=True)
        return findings, {f.photo_id: vector for f, vector in rows if compared[f.photo_id].is_accepted}

    def _analyse(self, photo: Photo, person_id: str) -> PhotoFinding:
        if photo.content is None:
            return PhotoFinding(photo.photo_id, person_id, "", reason=TOO_MANY_BYTES)
        return self.analyse(photo.photo_id, person_id, photo.content)

    def embed(self, findings: Sequence[PhotoFinding]) -> NDArray[np.float32]:
        """The vectors of the faces that were found, (N, 512) float32."""
        crops = [embedding_crop(finding.crop) for finding in findings if finding.crop is not None]
        if not crops:
            return np.empty((0, EMBEDDING_DIMENSION), np.float32)
        return self._embedder.embed(np.stack(crops))

    def _detect(self, photo_bgr: NDArray[np.uint8]) -> FrameFaces:
        return self._detector.detect(photo_bgr, confidence_th=self._run.thresholds.min_confidence)


def decode_photo(content: bytes) -> NDArray[np.uint8] | None:
    """An image file as (H, W, 3) BGR, rotated as its EXIF data say; None if it is not an image.

    Raises:
        TooManyPixelsError: Its header gives a size beyond the limits; nothing was decoded.
    """
    size_px = _size_in_header(content)
    if size_px is None:
        return None
    width, height = size_px
    if width * height > MAX_PHOTO_MEGAPIXELS * 1_000_000 or max(size_px) > MAX_PHOTO_SIDE_PX:
        raise TooManyPixelsError
    try:
        picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        return None
    return None if picture is None else np.asarray(picture, np.uint8)


def _size_in_header(content: bytes) -> tuple[int, int] | None:
    """Width and height in pixels; None if it is not an image."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of 89 megapixels, of damaged tags: the size decides
            with Image.open(io.BytesIO(content)) as image:
                return image.size
    except Image.DecompressionBombError:  # at twice as many
        raise TooManyPixelsError from None
    # What Pillow's readers of PNG, JPEG, WebP, TIFF and a dozen others raise for damaged headers.
    except (OSError, SyntaxError, ValueError, RuntimeError):
        return None
