"""Which seconds of a video show damaged pictures, or none.

A picture is affected if it is damaged itself, if it is lost, or if it is coded as a difference from an affected one.
Which pictures it refers to is known to the decoder only, so all pictures up to the next key frame count.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from screenalytics_assets.core.common.errors import VideoError
from screenalytics_assets.core.common.intervals import Intervals, intervals_of, merged, total_s

MAX_DAMAGED_SHARE = 0.5
"""Above this share of the video, more seconds are guessed than seen, and a screen time would say nothing."""
GAP_FRAMES = 1.75
"""A step between two pictures that is longer than this many frames is a gap. Where one frame is missing it is 2;
pulldown of film to video alternates between 1 and 1.5."""
MAX_GAP_S = 1.0
"""A longer gap is a signal that was away, not damage. Players repeat the last picture for about as long."""
MIN_REGULAR_SHARE = 0.9
"""A rate is constant, so that a gap means loss, if this share of the steps is about one frame long. Recordings of a
screen and phones that save power have far fewer."""
MIN_RHYTHM_GAPS, MIN_RHYTHM_SHARE, RHYTHM_TOLERANCE = 6, 0.75, 0.25
"""Gaps are a habit of the encoder, which leaves out repeated pictures, if there are at least six and three in four of
the distances between them are within a quarter of the median. Of gaps at random, one distance in six is that close:
in 20,000 drawings, six gaps looked like a habit in 1.8 %, eight in less than 0.1 %."""
_MOST_PLACES = 3
_STEP_TOLERANCE = 0.25
"""Of a frame: what rounding of timestamps to milliseconds does to a step at 60 frames a second and more."""


class PacketTable(NamedTuple):
    """The packets of a video in the order of decoding; each holds one picture, which may refer to hidden ones.

    Attributes:
        ts_s: (N,) float64, when the picture is displayed, NaN where the file does not say.
        is_key: (N,) bool, the picture refers to no other one, nor do those after it to one before it.
        is_bad: (N,) bool, the packet or its picture is known to be damaged, or the picture is lost.
        is_shown: (N,) bool, false for what an edit list hides; all by default.
    """

    ts_s: NDArray[np.float64]
    is_key: NDArray[np.bool_]
    is_bad: NDArray[np.bool_]
    is_shown: NDArray[np.bool_] | None = None


def damaged_intervals(packets: PacketTable, *, gaps_are_loss: bool, lost_end_s: float = 0.0) -> Intervals:
    """The time in which the picture is affected by damage, or missing.

    Args:
        packets: All packets that were read.
        gaps_are_loss: Whether packets can be lost without a trace, as in a stream. The index of an MP4 lists them all,
            so that a gap in it is intended. Gaps in a rhythm never count: the encoder left out pictures.
        lost_end_s: How many seconds are missing after the last picture.

    Returns:
        Merged intervals on the clock of ``packets.ts_s``.
    """
    known = np.flatnonzero(np.isfinite(packets.ts_s))
    if not len(known):
        return intervals_of([])
    ts_s, is_key, is_bad = packets.ts_s[known], packets.is_key[known], packets.is_bad[known].copy()
    # A packet without a time still spoils those after it.
    untimed = np.searchsorted(known, np.flatnonzero(packets.is_bad))
    is_bad[untimed[untimed < len(known)]] = True
    is_shown = np.ones(len(known), np.bool_) if packets.is_shown is None else packets.is_shown[known]
    order = np.argsort(ts_s, kind="stable")
    order = order[is_shown[order]]
    if not len(order):
        return intervals_of([])
    shown_s = ts_s[order]
    frame_s = float(np.median(np.diff(shown_s))) if len(shown_s) > 1 else 0.0
    gaps = _gaps(shown_s, frame_s) if gaps_are_loss else intervals_of([])
    for end_s in gaps[:, 1]:
        after = int(np.argmax(is_shown & (ts_s >= end_s)))
        # What was lost may have been what the next pictures refer to.
        is_bad[after] |= not is_key[after]
    affected = _affected(ts_s, is_key, is_bad)[order]
    ends_s = np.append(shown_s[1:], shown_s[-1] + frame_s)
    spans = np.column_stack([shown_s, np.minimum(ends_s, shown_s + max(MAX_GAP_S, GAP_FRAMES * frame_s))])[affected]
    short = gaps[gaps[:, 1] - gaps[:, 0] <= MAX_GAP_S]
    tail = intervals_of([(ends_s[-1], ends_s[-1] + lost_end_s)] if lost_end_s > 0 else [])
    return merged(np.concatenate([spans, short, tail]), gap_s=frame_s / 2)


def outside(intervals: Intervals, others: Intervals) -> Intervals:
    """The parts of the intervals that are in none of the others."""
    points = np.unique(np.concatenate([intervals.ravel(), others.ravel()]))
    middles = (points[1:] + points[:-1]) / 2

    def covered_by(spans: Intervals) -> NDArray[np.bool_]:
        inside: NDArray[np.bool_] = ((spans[:, :1] <= middles) & (middles < spans[:, 1:])).any(axis=0)
        return inside

    kept = covered_by(intervals) & ~covered_by(others)
    return merged(np.column_stack([points[:-1], points[1:]])[kept])


def check_enough_left(damaged: Intervals, duration_s: float) -> None:
    """Refuse a video of which more than `MAX_DAMAGED_SHARE` is damaged.

    Args:
        damaged: Merged intervals; a lost end lies behind the end of the video.
        duration_s: End of the last picture that is left.

    Raises:
        VideoError: It is; the message says how many seconds.
    """
    lost_s = total_s(damaged)
    duration_s = max(duration_s, float(damaged[:, 1].max(initial=0)))
    if lost_s > MAX_DAMAGED_SHARE * duration_s:
        raise VideoError(
            f"{lost_s:.1f} of {duration_s:.1f} s are damaged or missing, more than {MAX_DAMAGED_SHARE:.0%}: "
            "copy or download the file again"
        )


def damage_warning(damaged: Intervals) -> str | None:
    """A sentence with the damaged seconds and the first places, or None."""
    if not len(damaged):
        return None
    return (
        f"{total_s(damaged):.2f} s of the video are damaged or missing ({_places(damaged)}): what is found there is "
        "uncertain. Copy or download the file again if a better one exists"
    )


def missing_warning(missing: Intervals) -> str | None:
    """A sentence with the seconds without a picture and the first places, or None."""
    if not len(missing):
        return None
    return f"the video has no picture for {total_s(missing):.2f} s ({_places(missing)}): nobody is counted there"


def _places(intervals: Intervals) -> str:
    places = ", ".join(f"{start_s:.1f} to {end_s:.1f} s" for start_s, end_s in intervals[:_MOST_PLACES])
    return places + (f" and {len(intervals) - _MOST_PLACES} more" if len(intervals) > _MOST_PLACES else "")


def _affected(ts_s: NDArray[np.float64], is_key: NDArray[np.bool_], is_bad: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Of packets in the order of decoding, those whose picture is bad or refers to one that may be."""
    group = np.cumsum(is_key)
    positions = np.arange(len(ts_s))
    first_bad = np.full(int(group.max(initial=0)) + 1, len(ts_s))
    np.minimum.at(first_bad, group[is_bad], positions[is_bad])
    affected: NDArray[np.bool_] = positions >= first_bad[group]
    if is_key.any():
        # Nothing can be decoded before the first key frame.
        affected |= group == 0
        key_s = np.append(-np.inf, ts_s[is_key])
        spoilt = np.append(first_bad < len(ts_s), False)
        spoilt[0] |= bool((group == 0).any())
        leads = (ts_s < key_s[group]) & (group > 0)
        # Pictures displayed before a key frame but decoded after it may refer to the group before.
        affected |= leads & spoilt[group - 1]
    return affected


def _have_rhythm(places: NDArray[np.intp]) -> bool:
    if len(places) < MIN_RHYTHM_GAPS:
        return False
    distances = np.diff(places)
    usual = float(np.median(distances))
    near = np.abs(distances - usual) <= RHYTHM_TOLERANCE * usual
    return bool(near.mean() >= MIN_RHYTHM_SHARE)


def _gaps(shown_s: NDArray[np.float64], frame_s: float) -> Intervals:
    steps_s = np.diff(shown_s)
    if np.count_nonzero(np.abs(steps_s - frame_s) <= _STEP_TOLERANCE * frame_s) < MIN_REGULAR_SHARE * len(steps_s):
        return intervals_of([])
    late = np.flatnonzero(steps_s > GAP_FRAMES * frame_s)
    if _have_rhythm(late):
        return intervals_of([])
    return np.column_stack([shown_s[late] + frame_s, shown_s[late + 1]])
