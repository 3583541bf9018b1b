"""The detections of an episode with their tracks and identities, next to the faces of the truth."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from screenalytics_assets.core.common.arrow import boxes_of, column_of
from screenalytics_assets.core.common.geometry import clamp_boxes
from screenalytics_assets.core.common.intervals import Intervals, intervals_of, merged, time_with_at_least, total_s
from screenalytics_assets.core.common.schemas import CLOCK_TOLERANCE_S
from screenalytics_assets.core.evaluation.mot_scores import Boxes, MotScores, score_mot
from screenalytics_assets.core.evaluation.screen_time_scores import Clock, ScreenTimeScores, score_screen_time
from screenalytics_assets.core.evaluation.truth import Truth
from screenalytics_assets.core.evaluation.truth_matching import IGNORED, MIN_VISIBLE, Matching

NO_ID = -1


@dataclass(frozen=True)
class MatchedDetections:
    """Detections and required faces on the analysed frames.

    Detections on faces that are not required are left out. The others are in the order of frames and boxes, and tracks
    and identities are numbered in that order, so that the names of ids have no influence.

    Attributes:
        truth: The truth.
        frames: (F,) the analysed frames, ascending.
        required: (R,) rows of the truth's faces that have to be found.
        face: (D,) the row of the truth's faces that a detection shows, or negative if it is false.
        found: The detections; the ids are numbers of tracks, `NO_ID` without one.
        identity: (D,) numbers of identities, `NO_ID` without one.
        identity_ids: The name of each identity.
    """

    truth: Truth
    frames: NDArray[np.int32]
    required: NDArray[np.int64]
    face: NDArray[np.int64]
    found: Boxes
    identity: NDArray[np.int64]
    identity_ids: tuple[str, ...]

    @classmethod
    def of(
        cls,
        truth: Truth,
        frames: NDArray[np.int32],
        detections: pa.Table,
        matching: Matching,
        track_of: Mapping[str, str],
        identity_of: Mapping[str, str],
    ) -> "MatchedDetections":
        """From the arguments and the result of `match_to_truth`.

        Args:
            truth: The truth.
            frames: The analysed frames, ascending.
            detections: detection_id, frame_idx, bbox; only of these frames.
            matching: Which of them shows whom.
            track_of: The track of each detection that is in one.
            identity_of: The identity of each track that is in one.
        """
        size_px = np.array([truth.width, truth.height, truth.width, truth.height], np.float32)
        boxes_px = boxes_of(detections["bbox"]) * size_px
        frame_idx = column_of(detections, "frame_idx")
        order = np.lexsort([*boxes_px.T, frame_idx])
        order = order[matching.face_of_detection[order] != IGNORED]
        detection_ids = detections["detection_id"].to_pylist()
        tracks = [track_of.get(detection_ids[row]) for row in order]
        track, _ = _numbers(tracks)
        identity, identity_ids = _numbers([None if name is None else identity_of.get(name) for name in tracks])
        return cls(
            truth=truth,
            frames=frames,
            required=matching.required,
            face=matching.face_of_detection[order],
            found=Boxes(frame_idx[order], track, boxes_px[order]),
            identity=identity,
            identity_ids=identity_ids,
        )

    def score_tracks(self) -> MotScores:
        """Tracks against people within a shot; detections in no track are left out, and their faces count as missed."""
        shot = np.searchsorted(self.truth.cuts, self._frame_of_face(self.required), "right")
        person = self.truth.person_idx[self.required]
        return self._score(shot * len(self.truth.people) + person, self.found.ids)

    def score_identities(self) -> MotScores:
        """Identities against people; detections in no identity are left out, and their faces count as missed."""
        return self._score(self.truth.person_idx[self.required], self.identity)

    def score_screen_time(
        self, true_s: NDArray[np.float64], published: Mapping[str, Intervals] | None
    ) -> ScreenTimeScores:
        """Screen time of the identities against that of the people.

        Args:
            true_s: (P,) seconds in which each person has to be found, over the whole video.
            published: When each identity is on screen; None takes the frames on which it is found.
        """
        num_ids, num_people = len(self.identity_ids), len(self.truth.people)
        clock = Clock(self.frames, self.truth.frames, self.truth.fps)
        assigned = self.identity != NO_ID
        shows = assigned & (self.face >= 0)
        pair = self.identity[shows] * num_people + self.truth.person_idx[self.face[shows]]
        person = self.truth.person_idx[self.required]
        shared_s = clock.face_seconds(pair, self.found.frame_idx[shows], num_ids * num_people)
        return score_screen_time(
            shared_s.reshape(num_ids, num_people),
            clock.face_seconds(self.identity[assigned], self.found.frame_idx[assigned], num_ids),
            clock.face_seconds(person, self._frame_of_face(self.required), num_people),
            self._found_s(clock, assigned) if published is None else self._published_s(published),
            true_s,
        )

    def _found_s(self, clock: Clock, assigned: NDArray[np.bool_]) -> NDArray[np.float64]:
        seconds = clock.seconds_on_screen(
            self.identity[assigned], self.found.frame_idx[assigned], len(self.identity_ids)
        )
        return np.repeat(seconds[:, None], len(self.truth.people), axis=1)

    def _published_s(self, published: Mapping[str, Intervals]) -> NDArray[np.float64]:
        """Seconds of each identity without those in which too little of the person's face is visible to require it."""
        not_required = np.flatnonzero(self.truth.visible < MIN_VISIBLE)
        begin_s = self._frame_of_face(not_required) / self.truth.fps
        spans = np.column_stack([begin_s, begin_s + 1 / self.truth.fps])
        found = np.zeros((len(self.identity_ids), len(self.truth.people)))
        for person in range(len(self.truth.people)):
            ignored = merged(spans[self.truth.person_idx[not_required] == person], gap_s=CLOCK_TOLERANCE_S)
            for row, identity_id in enumerate(self.identity_ids):
                times = published.get(identity_id, intervals_of([]))
                found[row, person] = total_s(times) - time_with_at_least(2, [times, ignored])
        return found

    def _score(self, truth_ids: NDArray[np.int64], found_ids: NDArray[np.integer]) -> MotScores:
        faces_px = clamp_boxes(
            self.truth.boxes_px[self.required].astype(np.float32), self.truth.width, self.truth.height
        )
        assigned = found_ids != NO_ID
        return score_mot(
            self.frames,
            Boxes(self._frame_of_face(self.required), truth_ids, faces_px),
            Boxes(self.found.frame_idx[assigned], found_ids[assigned], self.found.boxes_px[assigned]),
        )

    def _frame_of_face(self, faces: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.searchsorted(self.truth.frame_offsets, faces, "right") - 1


def _numbers(names: list[str | None]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Numbers for names, in the order of first appearance."""
    number = {name: i for i, name in enumerate(dict.fromkeys(name for name in names if name is not None))}
    return np.array([NO_ID if name is None else number[name] for name in names], np.int64), tuple(number)
