"""How long each person is on screen, and when."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from screenalytics_assets.core.common.arrow import boxes_of, column_of
from screenalytics_assets.core.common.intervals import (
    Intervals,
    intervals_of,
    merged,
    overlapping_pairs,
    time_with_at_least,
    total_s,
)
from screenalytics_assets.core.common.schemas import CLOCK_TOLERANCE_S
from screenalytics_assets.core.config.keys import ScreenTimeSettings
from screenalytics_assets.core.documents.damage import Damage
from screenalytics_assets.core.documents.identities import Identities, Identity
from screenalytics_assets.core.documents.screen_time import PersonTime, ScreenTime, ScreenTimeTotals, SharedTime
from screenalytics_assets.core.identity.identities import PICTURE

HIDDEN_COVERAGE = 0.4
"""A face is hidden if another one covers at least this share of it: one minus the share that must be visible for a face
to count as on screen in the evaluation (`truth_matching.MIN_VISIBLE`)."""


class Sightings:
    """When the faces of each track are in the picture.

    An analysed frame stands for the time around it: from half way to the previous analysed frame to half way to the
    next, and to the ends of its shot at either side. A person who appears or disappears between two analysed frames is
    counted too long or too short by at most half a step, and the error is zero on average. No time reaches across a cut
    or past the end of the video.

    Args:
        tracks: Rows of the tracks table.
        analysed_frames: The frames that the detector analysed.
        shots: The shots of the episode.
    """

    def __init__(self, tracks: pa.Table, analysed_frames: pa.Table, shots: pa.Table) -> None:
        order = np.argsort(column_of(analysed_frames, "frame_idx"), kind="stable")
        self._shot = column_of(analysed_frames, "shot_idx")[order]
        self._shot_spans = np.column_stack([column_of(shots, "start_s"), column_of(shots, "end_s")])
        self._spans = _spans(column_of(analysed_frames, "ts_s")[order], self._shot, self._shot_spans)
        boxes = tracks["boxes"].combine_chunks()
        entries = boxes.flatten()
        frames = np.searchsorted(column_of(analysed_frames, "frame_idx")[order], entries.field("frame_idx").to_numpy())
        by_frame = np.argsort(frames, kind="stable")
        self._row_of = {track_id: row for row, track_id in enumerate(tracks["track_id"].to_pylist())}
        self._track = np.repeat(np.arange(tracks.num_rows), boxes.value_lengths().to_numpy())[by_frame]
        self._boxes = boxes_of(entries.field("bbox"))[by_frame].astype(np.float64)
        self._frames = frames[by_frame]

    def intervals(self, track_ids: Sequence[str], *, gap_s: float = 0.0, padding_s: float = 0.0) -> Intervals:
        """The time in which at least one of the tracks has a face.

        Args:
            track_ids: The tracks.
            gap_s: Within a shot, gaps up to this long are bridged, except for frames in which another face covers the
                position interpolated between the boxes before and after the gap.
            padding_s: Each interval is extended by this at both ends, within its shot.

        Returns:
            Merged intervals.
        """
        own = np.isin(self._track, [self._row_of[track_id] for track_id in track_ids])
        frames, first_rows = np.unique(self._frames[own], return_index=True)
        if gap_s and len(frames):
            bridged = self._bridged(frames, self._boxes[own][first_rows], ~own, gap_s)
            frames = np.union1d(frames, np.asarray(bridged, np.int64))
        shots, firsts = np.unique(self._shot[frames], return_index=True)
        padding = np.array([-padding_s, padding_s])
        found = [np.empty((0, 2))]
        for shot, rows in zip(shots, np.split(frames, firsts[1:]) if len(frames) else [], strict=True):
            inside = merged(self._spans[rows], gap_s=CLOCK_TOLERANCE_S) + padding
            found.append(np.clip(inside, *self._shot_spans[shot]))
        return merged(np.concatenate(found), gap_s=CLOCK_TOLERANCE_S)

    def _bridged(
        self, frames: NDArray[np.integer], boxes: NDArray[np.float64], others: NDArray[np.bool_], gap_s: float
    ) -> list[int]:
        unseen_s = self._spans[frames[1:], 0] - self._spans[frames[:-1], 1]
        same_shot = self._shot[frames[1:]] == self._shot[frames[:-1]]
        gaps = np.flatnonzero(same_shot & (np.diff(frames) > 1) & (unseen_s <= gap_s + CLOCK_TOLERANCE_S))
        other_frames, other_boxes = self._frames[others], self._boxes[others]
        found = []
        for gap in gaps:
            before, after = frames[gap], frames[gap + 1]
            for frame in range(before + 1, after):
                share = (frame - before) / (after - before)
                place = boxes[gap] + share * (boxes[gap + 1] - boxes[gap])
                rows = slice(*np.searchsorted(other_frames, [frame, frame + 1]))
                if not _is_hidden(place, other_boxes[rows]):
                    found.append(frame)
        return found


def _is_hidden(place: NDArray[np.float64], others: NDArray[np.float64]) -> bool:
    sides = np.clip(np.minimum(place[2:], others[:, 2:]) - np.maximum(place[:2], others[:, :2]), 0, None)
    return bool((sides.prod(1) >= HIDDEN_COVERAGE * (place[2:] - place[:2]).prod()).any())


def _spans(ts_s: NDArray[np.float64], shot: NDArray[np.integer], shot_spans: Intervals) -> Intervals:
    middles = (ts_s[1:] + ts_s[:-1]) / 2
    starts, ends = np.concatenate([[0.0], middles]), np.concatenate([middles, [0.0]])
    changes = shot[1:] != shot[:-1]
    first, last = np.concatenate([[True], changes]), np.concatenate([changes, [True]])
    return np.column_stack([np.where(first, shot_spans[shot, 0], starts), np.where(last, shot_spans[shot, 1], ends)])


class _Person(NamedTuple):
    key: str
    name: str | None
    identities: list[Identity]
    track_ids: list[str]

    @property
    def confirmed(self) -> set[str]:
        return {track for identity in self.identities for track in identity.confirmed_track_ids or ()}


def screen_time(
    ep_id: str,
    identities: Identities,
    sightings: Sightings,
    link_similarity: Mapping[str, float],
    settings: ScreenTimeSettings,
    *,
    duration_s: float,
    weak_link_sim: float,
    damage: Damage | None = None,
    missing_s: float = 0.0,
) -> ScreenTime:
    """The screen time of an episode: people by falling time, the totals, pairs of people on screen together.

    Args:
        ep_id: The episode.
        identities: The identities; those with the same ``person_id`` are one person.
        sightings: When the faces of its tracks are in the picture.
        link_similarity: Similarity of each track to the rest of its person, from `link_similarities`.
        settings: Bridging and padding.
        duration_s: Duration of the video.
        weak_link_sim: Tracks below this similarity are weakly linked: it is doubtful whom they show. So are the tracks
            of an outlier. Tracks that a person confirmed are not doubtful.
        damage: The damaged seconds of the video, which are sure only where a person confirmed the tracks.
        missing_s: Seconds in which the video has no picture.
    """
    damaged = intervals_of(damage.intervals if damage else ())
    people = _people(identities)
    bridge = {"gap_s": settings.gap_tolerance_s, "padding_s": settings.edge_padding_s}
    times = {p.key: _to_ms(sightings.intervals(p.track_ids, **bridge), duration_s) for p in people}
    rows = []
    for person in people:
        doubtful = {t for identity in person.identities if identity.outlier for t in identity.track_ids}
        doubtful |= {t for t in person.track_ids if link_similarity.get(t, 1.0) < weak_link_sim}
        seen, linked, confirmed = (
            _to_ms(sightings.intervals(tracks, **options), duration_s)
            for tracks, options in (
                (person.track_ids, {}),
                ([t for t in person.track_ids if t not in doubtful - person.confirmed], bridge),
                (sorted(person.confirmed), bridge),
            )
        )
        rows.append(_person_time(person, times[person.key], total_s(seen), linked, confirmed, damaged, duration_s))
    rows.sort(key=lambda row: (-row.visual_s, row.person_id))
    pictures = [track.track_id for track in identities.unassigned if track.reason == PICTURE]
    unassigned = [track.track_id for track in identities.unassigned if track.reason != PICTURE]
    all_times = list(times.values())
    return ScreenTime(
        ep_id=ep_id,
        config=settings.model_dump(mode="json"),
        duration_s=duration_s,
        people=tuple(rows),
        totals=ScreenTimeTotals(
            union_s=round(time_with_at_least(1, all_times), 3),
            sum_s=round(sum(map(total_s, all_times)), 3),
            overlap_s=round(time_with_at_least(2, all_times), 3),
            unassigned_s=round(total_s(_to_ms(sightings.intervals(unassigned), duration_s)), 3),
            **({"picture_s": round(total_s(_to_ms(sightings.intervals(pictures), duration_s)), 3)} if pictures else {}),
        ),
        together=tuple(_together([row.person_id for row in rows], times)),
        **({"damage": damage} if damage and damage.intervals else {}),
        **({"missing_s": round(missing_s, 3)} if missing_s else {}),
    )


def link_similarities(
    identities: Identities, track_ids: Sequence[str], vectors: NDArray[np.float32]
) -> dict[str, float]:
    """Mean cosine similarity of each track to the other tracks of its person; a person's only track is left out.

    Args:
        identities: The identities.
        track_ids: The tracks that have a vector.
        vectors: (T, 512) float32, unit rows.
    """
    row_of = {track_id: row for row, track_id in enumerate(track_ids)}
    found: dict[str, float] = {}
    for person in _people(identities):
        known = [track_id for track_id in person.track_ids if track_id in row_of]
        if len(known) < 2:
            continue
        own = vectors[[row_of[track_id] for track_id in known]].astype(np.float64)
        to_all = own @ own.sum(0)
        similarity = (to_all - np.einsum("ij,ij->i", own, own)) / (len(known) - 1)
        found |= dict(zip(known, similarity.tolist(), strict=True))
    return found


def picture_warning(screen_time: ScreenTime, identities: Identities) -> str | None:
    """A sentence with the pictures of faces that are not counted, or None.

    Args:
        screen_time: The screen time of an episode.
        identities: Its identities.
    """
    pictures = sum(track.reason == PICTURE for track in identities.unassigned)
    if not pictures:
        return None
    return (
        f"tracks that show a picture of a face (a photo, a poster, a drawing, a frozen frame): {pictures}, together "
        f"{screen_time.totals.picture_s:.1f} s. They do not count as people and are among the unassigned tracks; "
        "`count_pictures` counts them"
    )


def _people(identities: Identities) -> list[_Person]:
    grouped: dict[str, list[Identity]] = {}
    for identity in identities.identities:
        grouped.setdefault(identity.person_key, []).append(identity)
    return [
        _Person(key, members[0].name, members, [t for member in members for t in member.track_ids])
        for key, members in grouped.items()
    ]


def _person_time(
    person: _Person,
    time: Intervals,
    seen_s: float,
    linked: Intervals,
    confirmed: Intervals,
    damaged: Intervals,
    duration_s: float,
) -> PersonTime:
    visual_s, linked_s = total_s(time), total_s(linked)
    # What is confirmed is linked too, so that the damaged seconds of both are those that are linked but not confirmed.
    unsure_s = time_with_at_least(2, [linked, damaged]) - time_with_at_least(2, [confirmed, damaged])
    sure_s = linked_s - unsure_s
    return PersonTime(
        person_id=person.key,
        identity_ids=tuple(identity.identity_id for identity in person.identities),
        name=person.name,
        visual_s=round(visual_s, 3),
        share=round(visual_s / duration_s, 4),
        first_s=float(time[0, 0]),
        last_s=float(time[-1, 1]),
        longest_s=round(float((time[:, 1] - time[:, 0]).max()), 3),
        intervals=time.tolist(),
        tracks=len(person.track_ids),
        faces=sum(identity.num_faces for identity in person.identities),
        confidence=round(sure_s / visual_s, 4) if visual_s else 0.0,
        weak_link_s=round(visual_s - linked_s, 3),
        bridged_s=round(visual_s - seen_s, 3),
        **({"damaged_s": round(time_with_at_least(2, [time, damaged]), 3)} if len(damaged) else {}),
        **({"confirmed_s": round(total_s(confirmed), 3)} if len(confirmed) else {}),
    )


def _to_ms(time: Intervals, duration_s: float) -> Intervals:
    """Ends in whole milliseconds, so that every figure can be recomputed from the published intervals."""
    last_ms = np.floor(round(1000 * duration_s, 6))  # 1.001 s are 1000.9999999999999 ms
    return np.minimum(time.round(3), last_ms / 1000)


def _together(people: Sequence[str], times: Mapping[str, Intervals]) -> list[SharedTime]:
    own = [times[person] for person in people]
    pairs = [
        SharedTime(people=(people[i], people[j]), seconds=round(time_with_at_least(2, [own[i], own[j]]), 3))
        for i, j in overlapping_pairs(own)
    ]
    return sorted((pair for pair in pairs if pair.seconds), key=lambda pair: -pair.seconds)
