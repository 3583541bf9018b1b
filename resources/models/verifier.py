"""A second net looks at each box of a detector: is there a face in it?"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from resources.models.detector_nets import FaceDetector
from resources.models.registry import DetectorEntry
from screenalytics_assets.core.detection.centerface import decode_centerface, suppress_overlaps
from screenalytics_assets.core.detection.face_boxes import FrameFaces
from screenalytics_assets.core.detection.verification import face_in_view, view_of

MAX_VIEWS_AT_ONCE = 16
"""Views in one call of the net. More at once are no faster on a CPU, and a crowd would take much memory."""


class CenterFaceVerifier:
    """CenterFace on the enlarged view of a box.

    It is wrong about other boxes than the detector. In the whole frame, 0.71 of its own boxes in a street scene are
    faces; of YuNet's boxes that it confirms in a view, 0.99.
    """

    def __init__(self, session: Any) -> None:  # noqa: ANN401
        self._session = session
        self._input_name = session.get_inputs()[0].name

    def faces_in(
        self, frame_bgr: NDArray[np.uint8], boxes_px: NDArray[np.float32], *, confidence_th: float
    ) -> list[FrameFaces]:
        """For each box the face in it in pixels of the frame, one row; no row if there is none with such a score.

        Args:
            frame_bgr: (H, W, 3) uint8.
            boxes_px: (N, 4) x1 y1 x2 y2, finite.
            confidence_th: Minimum score.
        """
        found: list[FrameFaces] = []
        for first in range(0, len(boxes_px), MAX_VIEWS_AT_ONCE):
            boxes = boxes_px[first : first + MAX_VIEWS_AT_ONCE]
            views = [view_of(frame_bgr, box) for box in boxes]
            pictures = cv2.dnn.blobFromImages([view.picture_bgr for view in views], swapRB=True)
            maps = self._session.run(None, {self._input_name: pictures})
            for i, (view, box) in enumerate(zip(views, boxes, strict=True)):
                own = (values[i : i + 1] for values in maps)
                seen = decode_centerface(*own, confidence_th=confidence_th, input_px_per_frame_px=1)
                found.append(face_in_view(view, seen, box))
        return found


class VerifiedDetector:
    """A detector whose boxes count only as far as a verifier finds a face in them: the scores are the verifier's."""

    def __init__(
        self, detector: FaceDetector, entry: DetectorEntry, verifier: CenterFaceVerifier, nms_iou: float
    ) -> None:
        self.digest = detector.digest
        self.provider = detector.provider
        self._detector = detector
        self._entry = entry
        self._verifier = verifier
        self._nms_iou = nms_iou

    def detect(
        self, frame_bgr: NDArray[np.uint8], *, confidence_th: float, high_resolution: bool = False
    ) -> FrameFaces:
        """The faces that the verifier gives a score of at least ``confidence_th``, best first, and the other boxes."""
        proposed = self._detector.detect(
            frame_bgr, confidence_th=self._entry.proposal_th, high_resolution=high_resolution
        )
        proposed = proposed.chosen(np.isfinite(proposed.boxes_px).all(axis=1))
        seen = self._verifier.faces_in(frame_bgr, proposed.boxes_px, confidence_th=confidence_th)
        is_face = np.array([len(face) > 0 for face in seen], np.bool_)
        verified = FrameFaces.joined([FrameFaces.empty(), *seen])
        if self._entry.keep_boxes:
            kept = proposed.chosen(is_face)
            verified = FrameFaces(kept.boxes_px, verified.scores, kept.landmarks_px)
        faces = suppress_overlaps(verified, self._nms_iou)
        return FrameFaces(faces.boxes_px, faces.scores, faces.landmarks_px, proposed.boxes_px[~is_face])
