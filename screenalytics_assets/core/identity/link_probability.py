"""How probable it is that a track shows a person: from similarities, the quality of its faces, and who else it may be.

A single limit for similarities cannot serve a portrait and a small, blurred profile alike: the similarity of two faces
of one person falls with the quality of either, that of two people hardly changes. So the expected similarity is scaled
by the reliability of both, and the likelihoods of everybody whom the track could show compete.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from screenalytics_assets.core.detection.quality import blur_part

NEARBY_S = 60.0
"""A scene: people seen within this time are the likely ones."""

_NEARBY_SHARE = 0.98
"""Prior probability that a person seen elsewhere in good faces is seen so within `NEARBY_S`, too.

In the twelve hand-labelled episodes of TVPersonID (Tapaswi et al., FG 2015) 1,356 tracks have no two faces of 40 px
within 60 degrees: 0.985 of them show somebody who has such faces within 60 s, 0.014 somebody who has them elsewhere."""

LEAST_UNSEEN = 0.05
"""Least prior probability that a track shows none of the other people: those labels leave out extras, false faces."""

_LOOK_ALIKES, _LIKENESS = 0.05, 0.5
"""Share of pairs of two people who look alike, as relatives do (assumed), and how similar they are compared with one
person: on real footage two brothers reached 0.336 and two of a group photo 0.355, one person's photos 0.67."""

_BLURRED, _BLUR_RANGE = 0.15, 0.75
"""Reliability of a completely blurred face, and what sharpness adds.

Measured with the open embedder on 125 photos of 19 people (LFW, and the tests of DeepFace) that were scaled to 20 to 80
px, blurred and compressed: at a Laplacian variance of 7, 15, 30, 60 and 110 the similarity to the person's other photos
falls to 0.26, 0.40, 0.53, 0.69 and 0.88 of that of the originals."""

_THREAD_GROWTH = {2: 5.0, 4: 3.7}
"""Growth of the logarithm of `thread_ratios` with the overlap of the boxes, by the number of shots between two tracks.

Dialogues alternate between two cameras that do not move. In the twelve episodes named above, tracks within 60
s whose last and first boxes have an IoU of 0.5 to 0.6, 0.6 to 0.7, 0.7 to 0.8 and more show one person in 0.90, 0.93,
0.96 and 0.99 of 1,435 pairs two shots apart, and in 0.79, 0.86, 0.92 and 0.86 of 871 pairs four shots apart; of all
pairs so far apart they do in 0.37 and 0.32. An odd number of shots apart says little (0.22 to 0.41, one shot apart)."""


class SimilarityStatistics(NamedTuple):
    """Cosine similarities of pairs of good faces, which belong to an embedder.

    Attributes:
        same_mean: Mean of two faces of one person.
        same_sd: Its standard deviation.
        different_mean: Mean of the faces of two people.
        different_sd: Its standard deviation.
    """

    same_mean: float
    same_sd: float
    different_mean: float
    different_sd: float


def reliability(sharpness: ArrayLike, yaw_deg: ArrayLike) -> NDArray[np.float64]:
    """The similarity that a face has to good faces of the same person, as a fraction of that of two perfect faces.

    The part of the pose is the square root of the cosine of the yaw. Of the photos named at `_BLURRED`, those turned by
    30 to 45 degrees have 0.87 of the similarity of frontal ones; this gives 0.89.

    Args:
        sharpness: (N,) `laplacian_variance` of the aligned crops.
        yaw_deg: (N,) degrees to either side; NaN, if it is not known, counts as frontal.

    Returns:
        (N,) from 0 to 1.
    """
    turned = np.clip(np.nan_to_num(np.abs(np.asarray(yaw_deg, np.float64)), nan=0.0), 0.0, 90.0)
    return (_BLURRED + _BLUR_RANGE * blur_part(sharpness)) * np.sqrt(np.cos(np.radians(turned)))


def likelihood_ratios(
    similarity: NDArray[np.float64], expected: NDArray[np.float64], statistics: SimilarityStatistics
) -> NDArray[np.float64]:
    """How many times more probable each similarity is for one person than for two.

    Args:
        similarity: Cosine similarities, of any shape. One below the mean of two people counts as that mean.
        expected: What they would be if both were one person, of the same shape. A higher similarity counts as this one,
            since it speaks for one person no less.
        statistics: Of the embedder.
    """
    similarity = np.maximum(similarity, statistics.different_mean)
    same = _normal(np.minimum(similarity, expected), expected, statistics.same_sd)
    strangers = _normal(similarity, statistics.different_mean, statistics.different_sd)
    look_alikes = _normal(similarity, _LIKENESS * expected, statistics.different_sd)
    different = (1 - _LOOK_ALIKES) * strangers + _LOOK_ALIKES * look_alikes
    return same / np.maximum(different, np.finfo(np.float64).tiny)


def thread_ratios(iou: NDArray[np.float64], shots_apart: NDArray[np.int64]) -> NDArray[np.float64]:
    """How many times more probable it is for one person than for two to be at the same place two or four shots later.

    Args:
        iou: (N,) overlap of the last box of the earlier track and the first box of the later one.
        shots_apart: (N,) number of shots from the one to the other, in either direction.

    Returns:
        (N,) at least 1; 1 for any other number of shots.
    """
    growth = np.zeros(len(iou))
    for apart, rate in _THREAD_GROWTH.items():
        growth[np.abs(shots_apart) == apart] = rate
    return np.exp(growth * iou)


def unseen_share(tracks_of_people: Sequence[int]) -> float:
    """The prior probability that a track shows somebody of whom there is no other track: the share of single tracks.

    It is the estimate of Good and Turing (Good, Biometrika 40, 1953): in a long episode almost everybody has several
    tracks, in a short clip many have one.

    Args:
        tracks_of_people: Number of tracks of each person.
    """
    single = sum(count == 1 for count in tracks_of_people)
    return min(max(single / max(sum(tracks_of_people), 1), LEAST_UNSEEN), 1 - LEAST_UNSEEN)


def link_probabilities(
    ratios: NDArray[np.float64], is_nearby: NDArray[np.bool_], is_possible: NDArray[np.bool_], *, unseen: float
) -> NDArray[np.float64]:
    """The probability that each track shows each person; the rest to 1 is nobody of them.

    Args:
        ratios: (L, P) `likelihood_ratios` of L tracks and P people.
        is_nearby: (L, P) whether the person is seen within `NEARBY_S` of the track.
        is_possible: (L, P) whether the track can show the person.
        unseen: Prior probability that it shows nobody of them.

    Returns:
        (L, P) from 0 to 1, 0 where it is not possible.
    """
    weights = np.zeros(ratios.shape)
    shares = (is_nearby & is_possible, _NEARBY_SHARE), (~is_nearby & is_possible, 1 - _NEARBY_SHARE)
    for group, prior in shares:
        share = (1 - unseen) * prior / np.maximum(group.sum(1, keepdims=True), 1)
        weights += np.where(group, share * ratios, 0.0)
    return np.asarray(weights / (weights.sum(1, keepdims=True) + unseen), np.float64)


def _normal(value: NDArray[np.float64], mean: NDArray[np.float64] | float, sd: float) -> NDArray[np.float64]:
    density = np.exp(-0.5 * ((value - mean) / sd) ** 2) / (sd * np.sqrt(2 * np.pi))
    return np.asarray(density, np.float64)
