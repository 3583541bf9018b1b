"""The people of an episode as the report shows them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from screenalytics_assets.core.common.arrow import column_of
from screenalytics_assets.core.documents.identities import TRACK_REASONS, Identities, Identity
from screenalytics_assets.core.documents.screen_time import PersonTime, ScreenTime

MANY = 40
"""After this many people, by falling screen time, the report shows fewer crops per person to keep the page small."""
CROPS, CROPS_OF_MANY = 8, 3
FRAMES = 10
"""Frames of a person's animation."""


@dataclass(frozen=True)
class Face:
    """An embedded face.

    Attributes:
        detection_id: The detection.
        track_id: Its track.
        ts_s: Its time in seconds.
        quality: 0 to 1.
        rank: Rank by quality within its track; 1 is the best.
    """

    detection_id: str
    track_id: str
    ts_s: float
    quality: float
    rank: int


@dataclass(frozen=True)
class ReportPerson:
    """A person of an episode with the faces to show.

    Attributes:
        time: The person's screen time.
        identities: The identities of this person.
        best: The best faces, one from each track before a second one of any.
        frames: Faces for the animation, in order of time.
        faces: All faces, in order of time.
    """

    time: PersonTime
    identities: Sequence[Identity]
    best: Sequence[Face]
    frames: Sequence[Face]
    faces: Sequence[Face]

    @property
    def key(self) -> str:
        """The id of the person, or of the identity of an unnamed person."""
        return self.time.person_id

    @property
    def label(self) -> str:
        """The name, or the id of an unnamed person."""
        return self.time.label

    @property
    def is_named(self) -> bool:
        """Whether the person has a name."""
        return self.time.name is not None

    @property
    def intervals_s(self) -> list[tuple[float, float]]:
        """When the person is on screen."""
        return list(self.time.intervals)

    @property
    def remarks(self) -> list[str]:
        """Reasons to check the person."""
        remarks = ["low cohesion"] if any(identity.low_cohesion for identity in self.identities) else []
        reasons = dict.fromkeys(identity.reason or "" for identity in self.identities if identity.outlier)
        remarks += [f"outlier: {TRACK_REASONS[reason]}" if reason in TRACK_REASONS else "outlier" for reason in reasons]
        joined = sum(len(identity.joined_tracks or ()) for identity in self.identities)
        remarks += [f"{joined} track{'s' * (joined != 1)} joined because nobody else fits"] if joined else []
        weak_s = self.time.weak_link_s
        return remarks + ([f"{weak_s:.1f} s rest on weakly linked tracks"] if weak_s else [])

    def face_in(self, start_s: float, end_s: float) -> Face | None:
        """The best face within an interval, or the nearest one if there is none."""
        if not self.faces:
            return None
        inside = [face for face in self.faces if start_s <= face.ts_s <= end_s]
        if inside:
            return max(inside, key=lambda face: face.quality)
        return min(self.faces, key=lambda face: min(abs(face.ts_s - start_s), abs(face.ts_s - end_s)))


def people_of(screen_time: ScreenTime, identities: Identities, faces: pa.Table) -> list[ReportPerson]:
    """The people of an episode, by falling screen time.

    Args:
        screen_time: The screen time of the episode.
        identities: The identities that it was computed from.
        faces: The embedded faces.
    """
    by_id = {identity.identity_id: identity for identity in identities.identities}
    of_track: dict[str, list[Face]] = {}
    for face in _faces(faces):
        of_track.setdefault(face.track_id, []).append(face)
    return [
        _person(time, [by_id[name] for name in time.identity_ids], of_track, CROPS if i < MANY else CROPS_OF_MANY)
        for i, time in enumerate(screen_time.people)
    ]


def _faces(faces: pa.Table) -> list[Face]:
    return [
        Face(detection_id, track_id, ts_s, round(quality, 3), rank)
        for detection_id, track_id, ts_s, quality, rank in zip(
            faces["detection_id"].to_pylist(),
            faces["track_id"].to_pylist(),
            faces["ts_s"].to_pylist(),
            column_of(faces, "quality_score").tolist(),
            faces["quality_rank"].to_pylist(),
            strict=True,
        )
    ]


def _person(
    time: PersonTime,
    identities: Sequence[Identity],
    of_track: Mapping[str, Sequence[Face]],
    crops: int,
) -> ReportPerson:
    own = [face for i in identities for track_id in i.track_ids for face in of_track.get(track_id, ())]
    own.sort(key=lambda face: (face.ts_s, face.detection_id))
    best = sorted(own, key=lambda face: (face.rank, -face.quality, face.detection_id))[:crops]
    good = sorted(own, key=lambda face: -face.quality)[: max(FRAMES, len(own) // 2)]
    good.sort(key=lambda face: (face.ts_s, face.detection_id))
    count = min(FRAMES, len(good)) if crops == CROPS else 0
    frames = [good[(2 * i + 1) * len(good) // (2 * count)] for i in range(count)]
    return ReportPerson(time, identities, best, frames, own)
