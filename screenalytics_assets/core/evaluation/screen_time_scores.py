"""Screen time of the identities against that of the people."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment


class ScreenTimeScores(NamedTuple):
    """How the identities agree with the people, in seconds; one entry per person.

    Attributes:
        identity: (P,) int64, the identity that stands for the person, or -1.
        predicted_s: (P,) seconds in which that identity is on screen, 0 without one.
        error: (P,) |predicted - true| / true seconds; nan for a person who is never there.
        precision: (P,) share of the identity's face-seconds that show the person, 0 without an identity.
        recall: (P,) share of the person's face-seconds on analysed frames that the identity shows.
    """

    identity: NDArray[np.int64]
    predicted_s: NDArray[np.float64]
    error: NDArray[np.float64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]


class Clock(NamedTuple):
    """The time that each analysed frame stands for: until the next one, or the end of the video.

    A person seen on two analysed frames in a row is taken to be there in between. A person who appears or disappears
    between two is noticed late at both ends by the same amount, so that the error cancels on average.

    Attributes:
        frames: (F,) ascending numbers of the analysed frames.
        num_frames: Frames of the video.
        fps: Frames a second.
    """

    frames: NDArray[np.integer]
    num_frames: int
    fps: float

    def face_seconds(
        self, ids: NDArray[np.integer], frame_idx: NDArray[np.integer], num_ids: int
    ) -> NDArray[np.float64]:
        """The seconds of the faces of each id; two faces on one frame count twice.

        Args:
            ids: (N,) numbers from 0.
            frame_idx: (N,) analysed frames.
            num_ids: Length of the result.
        """
        span = np.diff(self.frames, append=self.num_frames)[np.searchsorted(self.frames, frame_idx)]
        return np.bincount(ids, weights=span, minlength=num_ids) / self.fps

    def seconds_on_screen(
        self, ids: NDArray[np.integer], frame_idx: NDArray[np.integer], num_ids: int
    ) -> NDArray[np.float64]:
        """The seconds in which each id is there, each frame counted once; arguments as for `face_seconds`."""
        once = np.unique(np.stack([ids, frame_idx]), axis=1)
        return self.face_seconds(once[0], once[1], num_ids)


def score_screen_time(
    shared_s: NDArray[np.float64],
    identity_s: NDArray[np.float64],
    person_s: NDArray[np.float64],
    on_screen_s: NDArray[np.float64],
    true_s: NDArray[np.float64],
) -> ScreenTimeScores:
    """Screen-time error and character precision and recall (CP and CR of VPCD, Brown et al. 2021).

    Each person gets one identity and each identity one person so that the sum of their shared face-seconds is largest
    (Hungarian method); a person who shares none has no identity. VPCD counts tracks; here, face-seconds are counted,
    including missed and false ones.

    Args:
        shared_s: (I, P) face-seconds of the identity that show the person.
        identity_s: (I,) face-seconds of the identity, without detections on a face that is not required.
        person_s: (P,) face-seconds in which the person is required, on the analysed frames.
        on_screen_s: (I, P) seconds in which the identity is there, without those in which the person is not required.
        true_s: (P,) seconds of the whole video in which the person is required.
    """
    identity = np.full(len(true_s), -1, np.int64)
    identities, people = linear_sum_assignment(shared_s, maximize=True)
    overlapping = shared_s[identities, people] > 0
    identities, people = identities[overlapping], people[overlapping]
    identity[people] = identities

    predicted_s, precision, recall = np.zeros((3, len(true_s)))
    predicted_s[people] = on_screen_s[identities, people]
    precision[people] = shared_s[identities, people] / identity_s[identities]
    recall[people] = shared_s[identities, people] / person_s[people]
    error = np.full(len(true_s), np.nan)
    np.divide(np.abs(predicted_s - true_s), true_s, out=error, where=true_s > 0)
    return ScreenTimeScores(identity, predicted_s, error, precision, recall)
