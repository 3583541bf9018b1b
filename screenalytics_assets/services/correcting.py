"""Corrections of a published episode, and the file that keeps them."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from pydantic import ValidationError

from resources.storage.correction_files import read_corrections, write_corrections
from resources.storage.store import ArtifactStore, require_artifact
from screenalytics_assets.core.common.episode_ids import parse_ep_id
from screenalytics_assets.core.common.errors import CorrectionError
from screenalytics_assets.core.common.layout import corrections_path
from screenalytics_assets.core.documents.grouping import CorrectionOutcome, Grouping
from screenalytics_assets.core.documents.identities import Identities
from screenalytics_assets.core.people.corrections import (
    Correction,
    Corrections,
    IdentityReference,
    Ignore,
    Merge,
    Name,
    NotThisPerson,
    Split,
    TrackPlaces,
)
from screenalytics_assets.core.people.person_names import person_id_of

GROUPING = "group_clusters"
Entry = TypeVar("Entry", bound=Correction)


class CorrectionDesk:
    """The corrections of one episode. Each method adds one and writes the file before it returns."""

    def __init__(self, store: ArtifactStore, ep_id: str) -> None:
        """Read the existing corrections.

        Raises:
            ConfigurationError: The episode id is malformed.
            CorrectionError: The file is malformed; it is left as it is.
        """
        parse_ep_id(ep_id)
        self.ep_id = ep_id
        self.location = store.location(corrections_path(ep_id))
        self.corrections = read_corrections(store, ep_id)
        self._store = store

    def merge(self, identities: Sequence[str]) -> Merge:
        """Merge identities that are the same person.

        Raises:
            CorrectionError: An identity does not exist, or there are fewer than two.
        """
        distinct = list(dict.fromkeys(identities))
        if len(distinct) < 2:
            raise CorrectionError(f"merge: expected two identities or more, found {' '.join(distinct)}")
        return self._add(lambda number: Merge(number=number, identities=tuple(map(self._reference, distinct))))

    def split(self, identity: str, tracks: Sequence[str]) -> Split:
        """Split off tracks of an identity that show another person.

        Raises:
            CorrectionError: The identity or a track does not exist, or no track would be left.
        """
        own = self._tracks_of(identity)
        foreign = sorted(set(tracks) - set(own))
        if foreign:
            raise CorrectionError(f"split: {identity} does not have {', '.join(foreign)}; it has {', '.join(own)}")
        stays = [track for track in own if track not in tracks]
        if not stays:
            raise CorrectionError(f"split: these are all tracks of {identity}; no track would be left")
        places = self._places()
        return self._add(
            lambda number: Split(
                number=number,
                identity=places.reference(identity, stays),
                tracks=tuple(places.reference(track, [track]) for track in dict.fromkeys(tracks)),
            )
        )

    def name(self, identity: str, name: str, person_id: str | None = None) -> Name:
        """Name an identity.

        Raises:
            CorrectionError: The identity does not exist, or the name has neither letters nor digits.
        """
        person = person_id or person_id_of(name)
        if not person_id_of(person):
            raise CorrectionError(f"name: {name!r} has neither letters nor digits")
        return self._add(
            lambda number: Name(number=number, identity=self._reference(identity), name=name.strip(), person_id=person)
        )

    def not_this_person(self, identity: str, person_id: str) -> NotThisPerson:
        """Rule out a person for an identity.

        Raises:
            CorrectionError: The identity does not exist.
        """
        return self._add(
            lambda number: NotThisPerson(number=number, identity=self._reference(identity), person_id=person_id)
        )

    def ignore(self, identity: str) -> Ignore:
        """Ignore an identity that is no person of the show.

        Raises:
            CorrectionError: The identity does not exist.
        """
        return self._add(lambda number: Ignore(number=number, identity=self._reference(identity)))

    def undo(self, number: int) -> Correction:
        """Remove a correction; the others keep their numbers.

        Raises:
            CorrectionError: There is no correction with this number.
        """
        found = {entry.number: entry for entry in self.corrections.corrections}
        if number not in found:
            known = ", ".join(map(str, found)) or "none"
            raise CorrectionError(f"undo: {self.ep_id} has no correction {number}; its corrections are {known}")
        self._write([entry for entry in self.corrections.corrections if entry.number != number])
        return found[number]

    def outcomes(self) -> Mapping[int, CorrectionOutcome]:
        """The outcome of each correction in the last run, by number."""
        artifact = self._store.open(GROUPING, self.ep_id)
        found = artifact.document("grouping.json", Grouping).corrections if artifact else ()
        return {outcome.number: outcome for outcome in found}

    def _add(self, make: Callable[[int], Entry]) -> Entry:
        try:
            entry = make(self.corrections.next_number)
        except ValidationError as error:
            problems = "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in error.errors())
            raise CorrectionError(f"this correction cannot be written: {problems}") from error
        self._write([*self.corrections.corrections, entry])
        return entry

    def _write(self, entries: Sequence[Correction]) -> None:
        if read_corrections(self._store, self.ep_id) != self.corrections:
            raise CorrectionError(f"{self.location} was changed by another program; nothing was written, try again")
        self.corrections = Corrections(ep_id=self.ep_id, corrections=tuple(entries))
        write_corrections(self._store, self.corrections)

    def _reference(self, identity: str) -> IdentityReference:
        return self._places().reference(identity, self._tracks_of(identity))

    def _places(self) -> TrackPlaces:
        return TrackPlaces(require_artifact(self._store, "split_tracks", self.ep_id).table("tracks.parquet"))

    def _tracks_of(self, identity: str) -> tuple[str, ...]:
        artifact = require_artifact(self._store, GROUPING, self.ep_id)
        tracks_of = artifact.document("identities.json", Identities).tracks_of
        if identity not in tracks_of:
            raise CorrectionError(
                f"{self.ep_id} has no identity {identity!r}; its identities are {', '.join(tracks_of) or 'none'}"
            )
        return tracks_of[identity]
