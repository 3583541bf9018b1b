"""Whether the people of an episode have the right names, in seconds."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from screenalytics_assets.core.common.arrow import column_of
from screenalytics_assets.core.documents.identities import Identities
from screenalytics_assets.core.documents.screen_time import ScreenTime
from screenalytics_assets.core.evaluation.screen_time_scores import Clock
from screenalytics_assets.core.evaluation.sightings import single_identity_of_track, single_track_of_detection
from screenalytics_assets.core.evaluation.truth import Truth
from screenalytics_assets.core.evaluation.truth_matching import IGNORED, MIN_VISIBLE, match_to_truth


@dataclass(frozen=True)
class NamedPerson:
    """The names that one person of the truth was given, in seconds of required faces on analysed frames.

    Attributes:
        person: The name in the truth; a name is right if its ``person_id`` is equal.
        seconds: Seconds in which the person is required.
        found_s: Seconds in which a detection is on the face.
        right_s: Seconds in which the detection has the person's name.
        wrong_s: Seconds in which it has another name.
        wrong_names: Seconds of each wrong name.
        present_s: Seconds in which the person is required, on all frames.
        shown_s: Seconds of these that ``screen_time.json`` gives to the name.
        extra_s: Seconds that it gives to the name while the person is not in the picture.
    """

    person: str
    seconds: float
    found_s: float
    right_s: float
    wrong_s: float
    wrong_names: Mapping[str, float] = field(default_factory=dict)
    present_s: float = 0.0
    shown_s: float = 0.0
    extra_s: float = 0.0

    @property
    def unnamed_s(self) -> float:
        """Seconds in which the face was found and has no name."""
        return self.found_s - self.right_s - self.wrong_s

    def to_dict(self) -> dict[str, Any]:
        """The figures, and their shares of the seconds."""
        return {
            **asdict(self),
            "unnamed_s": self.unnamed_s,
            "right_share": self.right_s / self.seconds if self.seconds else None,
            "right_share_of_found": self.right_s / self.found_s if self.found_s else None,
            "wrong_share": self.wrong_s / self.seconds if self.seconds else None,
            "shown_share": self.shown_s / self.present_s if self.present_s else None,
        }


@dataclass(frozen=True)
class NameScores:
    """The people of one or more episodes, and the seconds in which a false detection has a name."""

    people: tuple[NamedPerson, ...]
    false_s: float

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {"people": [person.to_dict() for person in self.people], "false_s": self.false_s}


def score_names(
    truth: Truth,
    analysed_frames: pa.Table,
    detections: pa.Table,
    tracks: pa.Table,
    identities: Identities,
    screen_time: ScreenTime,
) -> NameScores | None:
    """Compare ``person_id`` of the identities with the persons of the truth.

    Args:
        truth: The truth.
        analysed_frames: frame_idx of each frame that the detector saw.
        detections: detection_id, frame_idx, bbox.
        tracks: track_id and boxes with detection_id.
        identities: The identities.
        screen_time: The published screen time.

    Returns:
        The scores, or None if the people were never resolved.
    """
    if not any("person_id" in identity.model_fields_set for identity in identities.identities):
        return None
    frames = np.unique(column_of(analysed_frames, "frame_idx"))
    seen = detections.filter(pc.is_in(detections["frame_idx"], pa.array(frames))).sort_by("detection_id")
    matching = match_to_truth(truth, frames, seen)
    clock = Clock(frames, truth.frames, truth.fps)
    track_of, identity_of = single_track_of_detection(tracks), single_identity_of_track(identities)
    name_of = {identity.identity_id: identity.person_id for identity in identities.identities}
    names = [name_of.get(identity_of.get(track_of.get(d, ""), "")) for d in seen["detection_id"].to_pylist()]
    seconds = clock.face_seconds(np.arange(len(names)), column_of(seen, "frame_idx"), len(names))
    required_frame = np.searchsorted(truth.frame_offsets, matching.required, "right") - 1
    required_s = clock.face_seconds(truth.person_idx[matching.required], required_frame, len(truth.people))
    found_s, right_s, wrong_s = np.zeros((3, len(truth.people)))
    wrong_names: list[dict[str, float]] = [{} for _ in truth.people]
    false_s = 0.0
    for name, face, span in zip(names, matching.face_of_detection.tolist(), seconds.tolist(), strict=True):
        if face < 0:
            false_s += span if name is not None and face != IGNORED else 0.0
            continue
        person = int(truth.person_idx[face])
        found_s[person] += span
        if name == truth.people[person]:
            right_s[person] += span
        elif name is not None:
            wrong_s[person] += span
            wrong_names[person][name] = wrong_names[person].get(name, 0.0) + span
    return NameScores(
        tuple(
            NamedPerson(
                person,
                float(required_s[i]),
                float(found_s[i]),
                float(right_s[i]),
                float(wrong_s[i]),
                wrong_names[i],
                *_published(truth, i, screen_time),
            )
            for i, person in enumerate(truth.people)
            if required_s[i]
        ),
        false_s,
    )


def _published(truth: Truth, person: int, screen_time: ScreenTime) -> tuple[float, float, float]:
    """Seconds in which a person is required, how many of them the name has, and how many it has without the person."""
    own = np.flatnonzero(truth.person_idx == person)
    frame = np.searchsorted(truth.frame_offsets, own, "right") - 1
    required, present, named = np.zeros((3, truth.frames), bool)
    required[frame[truth.visible[own] >= MIN_VISIBLE]] = True
    present[frame] = True
    middle_s = (np.arange(truth.frames) + 0.5) / truth.fps
    for row in screen_time.people:
        if row.person_id == truth.people[person]:
            for start_s, end_s in row.intervals:
                named |= (start_s <= middle_s) & (middle_s < end_s)
    counts = (required.sum(), (required & named).sum(), (named & ~present).sum())
    required_s, shown_s, extra_s = (float(count / truth.fps) for count in counts)
    return required_s, shown_s, extra_s


def all_names(episodes: Iterable[NameScores]) -> NameScores:
    """The scores of several episodes added up for each person."""
    total: dict[str, NamedPerson] = {}
    false_s = 0.0
    for episode in episodes:
        false_s += episode.false_s
        for person in episode.people:
            before = total.get(person.person, NamedPerson(person.person, 0.0, 0.0, 0.0, 0.0))
            wrong = dict(before.wrong_names)
            for name, span in person.wrong_names.items():
                wrong[name] = wrong.get(name, 0.0) + span
            total[person.person] = NamedPerson(
                person.person,
                before.seconds + person.seconds,
                before.found_s + person.found_s,
                before.right_s + person.right_s,
                before.wrong_s + person.wrong_s,
                wrong,
                before.present_s + person.present_s,
                before.shown_s + person.shown_s,
                before.extra_s + person.extra_s,
            )
    return NameScores(tuple(total[name] for name in sorted(total)), false_s)
