"""How long each person is on screen, and when."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from screenalytics_assets.core.common.intervals import (
    Intervals,
    intervals_of,
    overlapping_pairs,
    time_with_at_least,
    total_s,
)
from screenalytics_assets.core.config.keys import ScreenTimeSettings
from screenalytics_assets.core.documents.damage import Damage
from screenalytics_assets.core.documents.grouping import TrackDoubt
from screenalytics_assets.core.documents.identities import Identities, Identity
from screenalytics_assets.core.documents.screen_time import PersonTime, ScreenTime, ScreenTimeTotals, SharedTime
from screenalytics_assets.core.identity.identities import PICTURE
from screenalytics_assets.core.screen_time.sightings import Sightings
from screenalytics_assets.core.screen_time.uncertainty import Bridging, Doubt, seconds_range


class _Person(NamedTuple):
    key: str
    name: str | None
    identities: list[Identity]
    track_ids: list[str]

    def doubts(self, doubts: Sequence[TrackDoubt]) -> list[Doubt]:
        """The tracks that may or may not show the person."""
        ids, counted = {identity.identity_id for identity in self.identities}, set(self.track_ids)
        own = [(doubt.track_id, sum(doubt.identity_ids.get(one, 0.0) for one in ids)) for doubt in doubts]
        return [Doubt(track, probability) for track, probability in own if probability or track in counted]

    @property
    def joined(self) -> set[str]:
        return {track for identity in self.identities for track in identity.joined_tracks or ()}

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
    doubts: Sequence[TrackDoubt] = (),
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
            of an outlier, and those that joined because nobody else fits. Tracks that a person confirmed are not
            doubtful.
        damage: The damaged seconds of the video, which are sure only where a person confirmed the tracks.
        missing_s: Seconds in which the video has no picture.
        doubts: Tracks that are not certain to show their person, and whom they may show.
    """
    damaged = intervals_of(damage.intervals if damage else ())
    people = _people(identities)
    bridging = Bridging(settings.gap_tolerance_s, settings.edge_padding_s)
    bridge = bridging._asdict()
    times = {p.key: _to_ms(sightings.intervals(p.track_ids, **bridge), duration_s) for p in people}
    rows = []
    for person in people:
        doubtful = {t for identity in person.identities if identity.outlier for t in identity.track_ids}
        doubtful |= {t for t in person.track_ids if link_similarity.get(t, 1.0) < weak_link_sim}
        doubtful |= person.joined
        seen, linked, confirmed = (
            _to_ms(sightings.intervals(tracks, **options), duration_s)
            for tracks, options in (
                (person.track_ids, {}),
                ([t for t in person.track_ids if t not in doubtful - person.confirmed], bridge),
                (sorted(person.confirmed), bridge),
            )
        )
        range_s = seconds_range(
            sightings,
            person.track_ids,
            person.doubts(doubts),
            bridging,
            damaged=damaged,
            confirmed=confirmed,
            duration_s=duration_s,
        )
        parts = linked, confirmed, damaged
        rows.append(_person_time(person, times[person.key], total_s(seen), *parts, range_s, duration_s))
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
    """Mean cosine similarity of each track to the other tracks of its person.

    A person's only track is left out, and so are tracks that joined because nobody else fits.

    Args:
        identities: The identities.
        track_ids: The tracks that have a vector.
        vectors: (T, 512) float32, unit rows.
    """
    row_of = {track_id: row for row, track_id in enumerate(track_ids)}
    found: dict[str, float] = {}
    for person in _people(identities):
        known = [track_id for track_id in person.track_ids if track_id in row_of and track_id not in person.joined]
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
    range_s: tuple[float, float],
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
        least_s=round(range_s[0], 3),
        most_s=round(range_s[1], 3),
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
