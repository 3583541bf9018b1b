"""From tracks that are similar to a face to the times at which the person appears."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from screenalytics_assets.core.common.intervals import intervals_of, merged, total_s
from screenalytics_assets.core.documents.screen_time import ScreenTime


class Appearance(NamedTuple):
    """An episode in which a face appears.

    Attributes:
        ep_id: The episode.
        intervals_s: Start and end of each stretch, merged and ascending: of the people whom the photo shows, those of
            their screen time; of other tracks, those of the track.
        tracks: The tracks that are similar to the face: track_id, identity_id, person_id, name, start_s, end_s,
            detection_id, similarity, person_tracks; by time.
    """

    ep_id: str
    intervals_s: list[tuple[float, float]]
    tracks: Sequence[Mapping[str, Any]]

    @property
    def seconds(self) -> float:
        """Seconds in which the face appears."""
        return total_s(intervals_of(self.intervals_s))

    @property
    def similarity(self) -> float:
        """Similarity of the most similar track."""
        return max(float(track["similarity"]) for track in self.tracks)

    @property
    def people(self) -> list[str]:
        """The people of those tracks, the most similar first: their names, or their identities without one."""
        found = (track["name"] or track["identity_id"] for track in self._ranked())
        return list(dict.fromkeys(str(person) for person in found if person))

    @property
    def best_faces(self) -> list[str]:
        """The best face of each track, the most similar first."""
        return [str(track["detection_id"]) for track in self._ranked()]

    def _ranked(self) -> list[Mapping[str, Any]]:
        return sorted(self.tracks, key=lambda track: -float(track["similarity"]))

    def to_dict(self) -> dict[str, Any]:
        """The appearance as JSON."""
        return {
            "ep_id": self.ep_id,
            "seconds": round(self.seconds, 3),
            "similarity": round(self.similarity, 4),
            "people": self.people,
            "intervals": [[round(start_s, 3), round(end_s, 3)] for start_s, end_s in self.intervals_s],
            "tracks": [{**track, "similarity": round(float(track["similarity"]), 4)} for track in self.tracks],
        }


def appearances(matches: pa.Table, screen_times: Mapping[str, ScreenTime]) -> list[Appearance]:
    """The tracks by episode, in the order of the episodes' ids.

    The photo shows a person if at least half of the person's tracks that have a vector, and so were compared, are
    similar to it; the others are the same person from the side or in the dark. Then the times are the person's screen
    time, the one figure that every page shows.

    Args:
        matches: ``ep_id``, ``track_id``, ``identity_id``, ``person_id``, ``name``, ``start_s``, ``end_s``,
            ``detection_id``, ``similarity`` and ``person_tracks``, the number of the person's tracks that have a
            vector; by episode and time.
        screen_times: The screen time of these episodes; one that is missing is replaced by the times of the tracks.
    """
    by_episode: dict[str, list[dict[str, Any]]] = {}
    for row in matches.to_pylist():
        by_episode.setdefault(row.pop("ep_id"), []).append(row)
    return [
        Appearance(ep_id, _intervals_s(tracks, screen_times.get(ep_id)), tracks)
        for ep_id, tracks in sorted(by_episode.items())
    ]


def _intervals_s(tracks: Sequence[Mapping[str, Any]], screen_time: ScreenTime | None) -> list[tuple[float, float]]:
    people = screen_time.people if screen_time else ()
    person_of = {identity_id: person.person_id for person in people for identity_id in person.identity_ids}
    who = [person_of.get(track["identity_id"]) for track in tracks]
    compared = {key: int(track["person_tracks"]) for key, track in zip(who, tracks, strict=True) if key is not None}
    shown = {
        person.person_id: person
        for person in people
        if person.person_id in compared and compared[person.person_id] <= 2 * who.count(person.person_id)
    }
    found = [interval for person in shown.values() for interval in person.intervals]
    found += [(track["start_s"], track["end_s"]) for track, key in zip(tracks, who, strict=True) if key not in shown]
    return [(float(start_s), float(end_s)) for start_s, end_s in merged(intervals_of(found))]
