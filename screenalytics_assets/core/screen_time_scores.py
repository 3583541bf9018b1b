"""Whether each person is on screen for as long as the identities say."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment


class ScreenTimeScores(NamedTuple):
    """How the identities agree with the people, in seconds; one entry a person.

    Attributes:
        identity: (P,) int64, the identity that stands for the person, or -1.
        predicted_s: (P,) seconds of that identity, 0 without one.
        error: (P,) |predicted - true| / true seconds; nan for somebody who is never there.
        precision: (P,) share of the identity's seconds that show the person, 0 without an identity.
        recall: (P,) share of the person's seconds on analysed frames that the identity shows.
    """

    identity: NDArray[np.int64]
    predicted_s: NDArray[np.float64]
    error: NDArray[np.float64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]


def seconds_of_frames(frames: NDArray[np.integer], num_frames: int, fps: float) -> NDArray[np.float64]:
    """The seconds that each analysed frame stands for: until the next one, or the end of the video.

    Whoever is seen on two analysed frames in a row is there in between. Somebody who comes or goes between
    two is counted too late at both ends, by as much, and the error cancels on average.

    Args:
        frames: (F,) ascending frame numbers.
        num_frames: Frames of the video.
        fps: Frames a second.
    """
    return np.diff(frames, append=num_frames) / fps


def seconds_of_ids(
    ids: NDArray[np.integer], frame: NDArray[np.integer], frame_s: NDArray[np.float64], num_ids: int
) -> NDArray[np.float64]:
    """The seconds in which each id is there, a frame counted once however often the id is in it.

    Args:
        ids: (N,) numbers from 0.
        frame: (N,) indices into `frame_s`.
        frame_s: (F,) seconds that each frame stands for.
        num_ids: Length of the result.
    """
    once = np.unique(np.stack([ids, frame]), axis=1)
    return np.bincount(once[0], weights=frame_s[once[1]], minlength=num_ids)


def score_screen_time(
    shared_s: NDArray[np.float64],
    identity_s: NDArray[np.float64],
    person_s: NDArray[np.float64],
    true_s: NDArray[np.float64],
) -> ScreenTimeScores:
    """Screen-time error and character precision and recall (CP and CR of VPCD, Brown et al. 2021).

    Each person gets one identity and each identity one person so that the sum of the seconds that they share
    is largest (Hungarian method); a person who shares none with any has no identity. Where VPCD counts tracks,
    these are seconds, with what was missed and what is false among them.

    Args:
        shared_s: (I, P) seconds in which the identity has a detection on the person's face.
        identity_s: (I,) seconds in which the identity has any detection; those on a face that is not required
            do not count.
        person_s: (P,) seconds that the analysed frames stand for in which the person's face is required.
        true_s: (P,) seconds of the whole video in which it is.
    """
    identity = np.full(len(true_s), -1, np.int64)
    identities, people = linear_sum_assignment(shared_s, maximize=True)
    together = shared_s[identities, people] > 0
    identities, people = identities[together], people[together]
    identity[people] = identities

    predicted_s, precision, recall = np.zeros((3, len(true_s)))
    predicted_s[people] = identity_s[identities]
    precision[people] = shared_s[identities, people] / identity_s[identities]
    recall[people] = shared_s[identities, people] / person_s[people]
    error = np.full(len(true_s), np.nan)
    np.divide(np.abs(predicted_s - true_s), true_s, out=error, where=true_s > 0)
    return ScreenTimeScores(identity, predicted_s, error, precision, recall)
