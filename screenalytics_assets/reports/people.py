"""The people of an episode as its report shows them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from screenalytics_assets.core.common.arrow import column_of

MANY = 40
"""From this person on, by falling screen time, the report shows fewer crops: pages of crowds stay small."""
CROPS, CROPS_OF_MANY = 8, 3
FRAMES = 10
"""Pictures of the animation of a person."""


@dataclass(frozen=True)
class Face:
    """An embedded face.

    Attributes:
        detection_id: Of its crop.
        track_id: The track that it is in.
        ts_s: When it is seen.
        quality: 0 to 1.
        rank: Place by quality within its track, 1 is the best.
    """

    detection_id: str
    track_id: str
    ts_s: float
    quality: float
    rank: int


@dataclass(frozen=True)
class Person:
    """A person of the screen-time document, with what there is to show.

    Attributes:
        time: The entry of the screen-time document.
        identities: The entries of the identities document that are this person.
        best: Best faces, at most one a track before a second one.
        frames: Faces for the animation, in the order of time.
        faces: All faces in the order of time.
    """

    time: Mapping[str, Any]
    identities: Sequence[Mapping[str, Any]]
    best: Sequence[Face]
    frames: Sequence[Face]
    faces: Sequence[Face]

    @property
    def key(self) -> str:
        """Its id: of the person, or of the identity where nobody knows who it is."""
        return str(self.time["person_id"])

    @property
    def label(self) -> str:
        """What the report calls it."""
        return str(self.time["name"] or self.key)

    @property
    def is_named(self) -> bool:
        """Whether it is known who it is."""
        return self.time["name"] is not None

    @property
    def intervals_s(self) -> list[tuple[float, float]]:
        """When it is on screen."""
        return [(start_s, end_s) for start_s, end_s in self.time["intervals"]]

    @property
    def remarks(self) -> list[str]:
        """What should make one look twice."""
        flags = {flag.replace("_", " ") for flag in ("outlier", "low_cohesion") for i in self.identities if i[flag]}
        weak_s = self.time["weak_link_s"]
        return sorted(flags) + ([f"{weak_s:.1f} s rest on weak likeness"] if weak_s else [])

    def face_in(self, start_s: float, end_s: float) -> Face | None:
        """The best face within an interval, or else the one nearest to it."""
        if not self.faces:
            return None
        inside = [face for face in self.faces if start_s <= face.ts_s <= end_s]
        if inside:
            return max(inside, key=lambda face: face.quality)
        return min(self.faces, key=lambda face: min(abs(face.ts_s - start_s), abs(face.ts_s - end_s)))


def people_of(screen_time: Mapping[str, Any], identities: Mapping[str, Any], faces: pa.Table) -> list[Person]:
    """The people of an episode, the one who is longest on screen first.

    Args:
        screen_time: The screen-time document.
        identities: The identities document that it is about.
        faces: The embedded faces.
    """
    by_id = {identity["identity_id"]: identity for identity in identities["identities"]}
    of_track: dict[str, list[Face]] = {}
    for face in _faces(faces):
        of_track.setdefault(face.track_id, []).append(face)
    return [
        _person(time, [by_id[name] for name in time["identity_ids"]], of_track, CROPS if i < MANY else CROPS_OF_MANY)
        for i, time in enumerate(screen_time["people"])
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
    time: Mapping[str, Any],
    identities: Sequence[Mapping[str, Any]],
    of_track: Mapping[str, Sequence[Face]],
    crops: int,
) -> Person:
    own = [face for i in identities for track_id in i["track_ids"] for face in of_track.get(track_id, ())]
    own.sort(key=lambda face: (face.ts_s, face.detection_id))
    best = sorted(own, key=lambda face: (face.rank, -face.quality, face.detection_id))[:crops]
    good = sorted(own, key=lambda face: -face.quality)[: max(FRAMES, len(own) // 2)]
    good.sort(key=lambda face: (face.ts_s, face.detection_id))
    count = min(FRAMES, len(good)) if crops == CROPS else 0
    frames = [good[(2 * i + 1) * len(good) // (2 * count)] for i in range(count)]
    return Person(time, identities, best, frames, own)
