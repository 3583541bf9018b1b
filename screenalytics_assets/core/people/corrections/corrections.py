"""Corrections: the format of ``corrections/{ep_id}.yaml``, and how its entries find their tracks.

Tracks and identities get other ids, and begin and end elsewhere, after a run with another stride, threshold or model. A
correction therefore holds a few faces of the identity or track that it refers to, each a time and a box; ids are only
for people to read.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Annotated, Literal, Self
from unicodedata import normalize

import numpy as np
import pyarrow as pa
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from screenalytics_assets.core.common.errors import CorrectionError
from screenalytics_assets.core.common.geometry import paired_iou
from screenalytics_assets.core.config.ranges import MAX_COUNT
from screenalytics_assets.core.identity.stable_ids import SAME_FACE_IOU
from screenalytics_assets.core.people.packed_vectors import PackedVector
from screenalytics_assets.core.tracking.track_table import boxes_by_track

ANCHORS_PER_TRACK = 3
MANY_ANCHORS = 24
"""An identity of so many tracks has one face of each, one of fewer tracks up to `ANCHORS_PER_TRACK` of each."""
SLACK_S = 0.2
"""A track may begin or end this much later or earlier in another run: two analysed frames at ten per second."""

_Share = Annotated[float, Field(ge=0, le=1)]
_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
PersonId = Annotated[
    str, Field(pattern=r"^[^\W_]+(?:[-_][^\W_]+)*$", max_length=80), AfterValidator(lambda x: normalize("NFC", x))
]


def _printable(name: str) -> str:
    if not name.isprintable() or not name.strip():
        raise ValueError(f"the name {name!r} has characters that cannot be printed, or none that can be seen")
    return name


PersonName = Annotated[str, Field(min_length=1, max_length=80), AfterValidator(_printable)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Anchor(_Entry):
    """A face: the time, and its box in the frame (x1, y1, x2, y2, 0 to 1)."""

    ts_s: float = Field(ge=0, le=MAX_COUNT)
    bbox: tuple[_Share, _Share, _Share, _Share]

    @model_validator(mode="after")
    def _has_an_area(self) -> Self:
        x1, y1, x2, y2 = self.bbox
        if x1 >= x2 or y1 >= y2:
            raise ValueError(f"the box {list(self.bbox)} is empty; expected x1 < x2 and y1 < y2")
        return self


class IdentityReference(_Entry):
    """An identity or a track as it was when the correction was made; ``vector`` is what its face looks like."""

    id: str = Field(min_length=1)
    tracks: int = Field(1, ge=1, le=MAX_COUNT)
    faces: tuple[Anchor, ...] = Field(min_length=1)
    vector: PackedVector | None = None


class NamedPerson(_Entry):
    """A person by name."""

    name: PersonName
    person_id: PersonId


class Evidence(_Entry):
    """What a correction was made on: SHA-256 of the video, and of the model of the vectors, if there were any."""

    video: _Sha256
    model: _Sha256 | None = None


class _Correction(_Entry):
    number: int = Field(ge=1, le=MAX_COUNT)
    evidence: Evidence | None = None


class Merge(_Correction):
    """These identities are one person."""

    action: Literal["merge"] = "merge"
    identities: tuple[IdentityReference, ...] = Field(min_length=2)


class Split(_Correction):
    """These tracks of an identity are another person, and not ``person_id``, whose name the identity had."""

    action: Literal["split"] = "split"
    identity: IdentityReference
    tracks: tuple[IdentityReference, ...] = Field(min_length=1)
    person_id: PersonId | None = None


class Name(_Correction):
    """This identity is the person with this name."""

    action: Literal["name"] = "name"
    identity: IdentityReference
    name: PersonName
    person_id: PersonId


class Give(_Correction):
    """This track, unassigned or of somebody else, shows this person: one with a name, or an identity without one."""

    action: Literal["give"] = "give"
    track: IdentityReference
    person: NamedPerson | IdentityReference


class NotThisPerson(_Correction):
    """This identity is not that person."""

    action: Literal["not-this-person"] = "not-this-person"
    identity: IdentityReference
    person_id: PersonId


class Ignore(_Correction):
    """This identity is left out: it is no face, or a face that does not count."""

    action: Literal["ignore"] = "ignore"
    identity: IdentityReference


Correction = Annotated[Merge | Split | Name | Give | NotThisPerson | Ignore, Field(discriminator="action")]


class Corrections(_Entry):
    """The corrections of an episode.

    Attributes:
        ep_id: The episode.
        corrections: The entries of ``corrections/{ep_id}.yaml``, in the order in which they were made; a later one
            overrides an earlier one.
    """

    ep_id: str
    corrections: tuple[Correction, ...] = ()

    @model_validator(mode="after")
    def _numbers_rise(self) -> Self:
        numbers = [correction.number for correction in self.corrections]
        if numbers != sorted(set(numbers)):
            raise ValueError(f"the numbers of the corrections are {numbers}; expected each once, rising")
        return self


class CorrectionsFile(Corrections):
    """``corrections/{ep_id}.yaml``.

    Attributes:
        last_number: The highest number that a correction of the episode ever had, so that none is given twice; 0 in
            files of earlier versions.
    """

    last_number: int = Field(0, ge=0)

    def with_new(self, make: Callable[[int], Correction], *, used: int = 0) -> Self:
        """With one more correction.

        Args:
            make: From its number to the correction.
            used: The highest number that is known from elsewhere.
        """
        number = max(used, self.last_number, *(entry.number for entry in self.corrections)) + 1
        return self.model_copy(update={"corrections": (*self.corrections, make(number)), "last_number": number})

    def with_changed(self, correction: Correction) -> Self:
        """With this correction in place of the one with its number."""
        entries = tuple(correction if entry.number == correction.number else entry for entry in self.corrections)
        return self.model_copy(update={"corrections": entries})

    def without(self, number: int) -> Self:
        """Without the correction of this number; the others keep theirs."""
        last = max(self.last_number, 0, *(entry.number for entry in self.corrections))
        kept = tuple(entry for entry in self.corrections if entry.number != number)
        return self.model_copy(update={"corrections": kept, "last_number": last})


def references_of(correction: Correction) -> tuple[IdentityReference, ...]:
    """The identities and tracks that a correction is about."""
    match correction:
        case Merge():
            return correction.identities
        case Split():
            return (correction.identity, *correction.tracks)
        case Give():
            receiver = correction.person
            return (correction.track, *((receiver,) if isinstance(receiver, IdentityReference) else ()))
        case _:
            return (correction.identity,)


def describe(correction: Correction) -> str:
    """A correction on one line, as one would type it."""
    match correction:
        case Merge():
            return f"merge {' '.join(one.id for one in correction.identities)}"
        case Split():
            tracks = " ".join(f"--track {one.id}" for one in correction.tracks)
            return f"split {correction.identity.id} {tracks}"
        case Name():
            return f'name {correction.identity.id} "{correction.name}"'
        case Give():
            person = correction.person
            receiver = f'"{person.name}"' if isinstance(person, NamedPerson) else person.id
            return f"give {correction.track.id} {receiver}"
        case NotThisPerson():
            return f"not-this-person {correction.identity.id} {correction.person_id}"
        case Ignore():
            return f"ignore {correction.identity.id}"


class TrackPlaces:
    """Where each track is in the frame at which time."""

    def __init__(self, tracks: pa.Table) -> None:
        """Take the rows of the tracks table."""
        self._tracks = boxes_by_track(tracks)
        self._ids = list(self._tracks)
        self._starts_s = np.array([track.ts_s[0] for track in self._tracks.values()])
        self._ends_s = np.array([track.ts_s[-1] for track in self._tracks.values()])

    @property
    def track_ids(self) -> Collection[str]:
        """All tracks."""
        return self._tracks.keys()

    def track_at(self, anchor: Anchor) -> str | None:
        """The track of a face: the most overlapping one at that time, or else shortly before or after."""
        for slack_s in (0.0, SLACK_S):
            is_there = (self._starts_s - slack_s <= anchor.ts_s) & (anchor.ts_s <= self._ends_s + slack_s)
            there = [self._ids[row] for row in np.flatnonzero(is_there)]
            if not there:
                continue
            boxes = np.concatenate([self._tracks[track_id].at(np.array([anchor.ts_s])) for track_id in there])
            overlaps = paired_iou(boxes, np.repeat(np.array([anchor.bbox], np.float32), len(there), axis=0))
            if overlaps.max() >= SAME_FACE_IOU:
                return there[int(overlaps.argmax())]
        return None

    def tracks_of(self, reference: IdentityReference) -> set[str]:
        """The tracks at the places of an identity."""
        return {track for anchor in reference.faces if (track := self.track_at(anchor)) is not None}

    def reference(self, name: str, track_ids: Sequence[str]) -> IdentityReference:
        """What a correction stores of an identity or a track: the faces by which it is found again.

        Args:
            name: Its id.
            track_ids: Its tracks.

        Raises:
            CorrectionError: The episode has no such track: its tracks were computed again after its identities.
        """
        if unknown := sorted(set(track_ids) - set(self._tracks)):
            raise CorrectionError(
                f"{name} has {', '.join(unknown)}, which the tracks of the episode do not: they were computed again "
                "since. Run the episode to its end with `screenalytics run`, then correct it"
            )
        each = min(ANCHORS_PER_TRACK, max(1, MANY_ANCHORS // len(track_ids)))
        anchors = [anchor for track_id in sorted(track_ids) for anchor in self._anchors(track_id, each)]
        return IdentityReference(id=name, tracks=len(track_ids), faces=tuple(anchors))

    def _anchors(self, track_id: str, count: int) -> list[Anchor]:
        track = self._tracks[track_id]
        length = len(track.ts_s)
        # The middles of equal stretches: the ends of a track change most easily.
        chosen = sorted({(2 * i + 1) * length // (2 * count) for i in range(count)})
        return [
            Anchor(
                ts_s=round(float(track.ts_s[row]), 3),
                bbox=tuple(round(float(side), 4) for side in track.boxes[row]),
            )
            for row in chosen
        ]
