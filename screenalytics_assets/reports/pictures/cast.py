"""The identities of an episode as tables, contact sheets and timelines show them.

How long somebody is on screen is in ``screen_time.json`` and nowhere else: what is made before it shows no seconds.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from screenalytics_assets.core.documents.identities import Identities, Identity
from screenalytics_assets.reports.people import ReportPerson
from screenalytics_assets.reports.pictures.contact_sheets import SheetRow, TimelineRow, contact_sheet, timeline

_CROPS_SHOWN = 8


class CastMember(NamedTuple):
    """An identity with the figures and faces to show.

    Attributes:
        identity_id: For example ``ident_001``.
        tracks: Number of its tracks.
        faces: Number of its embedded faces.
        first_s: When it first appears.
        cohesion_score: Mean cosine similarity between its tracks.
        remark: ``outlier``, ``low cohesion``, both or empty.
        intervals_s: Start and end of each track.
        best_faces: Detection ids of its best faces, one from each track before a second one of any, best first.
        name: The person's name, if known.
    """

    identity_id: str
    tracks: int
    faces: int
    first_s: float
    cohesion_score: float
    remark: str
    intervals_s: list[tuple[float, float]]
    best_faces: list[str]
    name: str | None = None

    @property
    def label(self) -> str:
        """The name with the id, or the id alone."""
        return f"{self.name} ({self.identity_id})" if self.name else self.identity_id

    def row(self) -> dict[str, Any]:
        """The identity as a row of a table."""
        return {
            "identity": self.identity_id,
            "tracks": self.tracks,
            "faces": self.faces,
            "first_seen_s": round(self.first_s, 2),
            "cohesion": f"{self.cohesion_score:.2f}" if self.tracks > 1 else "",
            "remark": self.remark,
        }


def cast_of(identities: Identities, tracks: pa.Table, faces: pa.Table) -> list[CastMember]:
    """The identities of an episode, by falling number of faces."""
    spans = {
        track["track_id"]: (track["start_s"], track["end_s"])
        for track in tracks.select(["track_id", "start_s", "end_s"]).to_pylist()
    }
    ranked: dict[str, list[tuple[int, float, str]]] = {}
    for face in faces.select(["track_id", "quality_rank", "quality_score", "detection_id"]).to_pylist():
        ranked.setdefault(face["track_id"], []).append(
            (face["quality_rank"], -face["quality_score"], face["detection_id"])
        )
    members = [_member(identity, spans, ranked) for identity in identities.identities]
    return sorted(members, key=lambda member: (-member.faces, member.identity_id))


def _member(
    identity: Identity,
    spans: Mapping[str, tuple[float, float]],
    ranked: Mapping[str, Sequence[tuple[int, float, str]]],
) -> CastMember:
    intervals = sorted(spans[track_id] for track_id in identity.track_ids)
    best = sorted(face for track_id in identity.track_ids for face in ranked.get(track_id, ()))
    flags = [*(["outlier"] if identity.outlier else []), *(["low cohesion"] if identity.low_cohesion else [])]
    return CastMember(
        identity_id=identity.identity_id,
        tracks=len(identity.track_ids),
        faces=identity.num_faces,
        first_s=intervals[0][0],
        cohesion_score=identity.cohesion_score,
        remark=", ".join(flags),
        intervals_s=intervals,
        best_faces=[detection_id for _, _, detection_id in best[:_CROPS_SHOWN]],
        name=identity.name,
    )


def cast_sheet(cast: Sequence[CastMember], crops: Mapping[str, bytes]) -> bytes:
    """The best crops of each identity, one row per identity, as a JPEG."""
    return contact_sheet(
        [
            SheetRow(
                member.label,
                f"tracks: {member.tracks}",
                [crops[face] for face in member.best_faces],
            )
            for member in cast
        ]
    )


def people_sheet(people: Sequence[ReportPerson], read_crops: Callable[[Collection[str]], Mapping[str, bytes]]) -> bytes:
    """The best crops and the screen time of each person, one row per person, as a JPEG."""
    crops = read_crops({face.detection_id for person in people for face in person.best})
    return contact_sheet(
        [
            SheetRow(
                person.label,
                f"{person.time.visual_s:.1f} s, tracks: {person.time.tracks}",
                [crops[face.detection_id] for face in person.best],
            )
            for person in people
        ]
    )


def cast_timeline(cast: Sequence[CastMember], shots: pa.Table) -> bytes:
    """When each identity is on screen, as an SVG."""
    starts_s = shots["start_s"].to_pylist()
    duration_s = shots["end_s"].to_pylist()[-1] if shots.num_rows else 1.0
    rows = [TimelineRow(member.label, member.intervals_s) for member in cast]
    return timeline(rows, cuts_s=starts_s[1:], duration_s=duration_s)
