"""Corrections of a published episode, and the file that keeps them."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TypeVar

from pydantic import ValidationError

from resources.storage.correction_files import read_corrections, update_corrections
from resources.storage.store import ArtifactStore, require_artifact
from screenalytics_assets.core.common.episode_ids import parse_ep_id
from screenalytics_assets.core.common.errors import CorrectionError
from screenalytics_assets.core.common.layout import corrections_path
from screenalytics_assets.core.documents.grouping import CorrectionOutcome, Grouping
from screenalytics_assets.core.documents.identities import Identities
from screenalytics_assets.core.people.corrections import (
    Correction,
    Corrections,
    CorrectionsFile,
    IdentityReference,
    Ignore,
    Merge,
    Name,
    NotThisPerson,
    Split,
    TrackPlaces,
    describe,
)
from screenalytics_assets.core.people.person_names import person_id_of

GROUPING = "group_clusters"
_EPISODES_SHOWN = 10
Entry = TypeVar("Entry", bound=Correction)


class CorrectionDesk:
    """The corrections of one episode. Each method adds one and writes the file before it returns.

    Several programs may correct an episode at once: each adds to what the file holds at that moment.
    """

    def __init__(self, store: ArtifactStore, ep_id: str) -> None:
        """Read the existing corrections.

        Raises:
            ConfigurationError: The episode id is malformed.
            CorrectionError: There is no such episode, or the file is malformed; it is left as it is.
        """
        parse_ep_id(ep_id)
        self.ep_id = ep_id
        self.location = store.location(corrections_path(ep_id))
        self.corrections = read_corrections(store, ep_id)
        self._store = store
        if not self.corrections.corrections and store.manifest("episode_video", ep_id) is None:
            known = ", ".join(store.keys("episode_video")[:_EPISODES_SHOWN]) or "none"
            raise CorrectionError(
                f"{store.location('')}: there is no episode {ep_id}; published episodes are {known}. Check the id and "
                "the data root, or run `screenalytics run VIDEO --ep-id` with this id first"
            )

    def merge(self, identities: Sequence[str]) -> Merge:
        """Merge identities that are the same person.

        Raises:
            CorrectionError: An identity does not exist, or there are fewer than two.
        """
        distinct = list(dict.fromkeys(identities))
        if len(distinct) < 2:
            raise CorrectionError(f"merge: expected two identities or more, found {' '.join(distinct)}")
        references = tuple(map(self._reference, distinct))
        return self._add(lambda number: Merge(number=number, identities=references))

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
        kept = places.reference(identity, stays)
        split_off = tuple(places.reference(track, [track]) for track in dict.fromkeys(tracks))
        return self._add(lambda number: Split(number=number, identity=kept, tracks=split_off))

    def name(self, identity: str, name: str, person_id: str | None = None) -> Name:
        """Name an identity.

        Raises:
            CorrectionError: The identity does not exist, or the name has neither letters nor digits.
        """
        person = person_id or person_id_of(name)
        if not person_id_of(person):
            raise CorrectionError(f"name: {name!r} has neither letters nor digits")
        reference = self._reference(identity)
        return self._add(lambda number: Name(number=number, identity=reference, name=name.strip(), person_id=person))

    def not_this_person(self, identity: str, person_id: str) -> NotThisPerson:
        """Rule out a person for an identity.

        Raises:
            CorrectionError: The identity does not exist.
        """
        reference = self._reference(identity)
        return self._add(lambda number: NotThisPerson(number=number, identity=reference, person_id=person_id))

    def ignore(self, identity: str) -> Ignore:
        """Ignore an identity that is no person of the show.

        Raises:
            CorrectionError: The identity does not exist.
        """
        reference = self._reference(identity)
        return self._add(lambda number: Ignore(number=number, identity=reference))

    def undo(self, number: int) -> Correction:
        """Remove a correction; the others keep their numbers, and its own is not given again.

        Raises:
            CorrectionError: There is no correction with this number.
        """
        removed: list[Correction] = []

        def change(current: CorrectionsFile) -> CorrectionsFile:
            found = {entry.number: entry for entry in current.corrections}
            if number not in found:
                known = ", ".join(map(str, found)) or "none"
                raise CorrectionError(f"undo: {self.ep_id} has no correction {number}; its corrections are {known}")
            removed.append(found[number])
            return current.without(number)

        self.corrections = update_corrections(self._store, self.ep_id, change)
        return removed[-1]

    def applying(self) -> AbstractContextManager[None]:
        """Wait for others on this machine who apply corrections of this episode.

        Two runs at once could publish in any order; one after the other, the last one has every correction.
        """
        return self._store.turn(f"corrections/{self.ep_id}.run", f"applying corrections of {self.ep_id}")

    def outcomes(self) -> Mapping[int, CorrectionOutcome]:
        """The outcome of each correction in the last run, by number; a correction that was not in it has none."""
        grouping, applied = self._last_run()
        if grouping is None or applied is None:
            return {}
        entries = {entry.number: entry for entry in applied.corrections}
        current = {entry.number: entry for entry in self.corrections.corrections}
        return {
            outcome.number: outcome
            for outcome in grouping.corrections
            # A number that was used twice, by an earlier version or by hand, is another correction.
            if (entry := current.get(outcome.number)) is not None
            and entry == entries.get(outcome.number, entry)
            and describe(entry) == outcome.correction
        }

    def _last_run(self) -> tuple[Grouping | None, Corrections | None]:
        """What the last run published: the outcomes, and the corrections that it read."""
        grouping, applied = self._store.open(GROUPING, self.ep_id), self._store.open("corrections", self.ep_id)
        return (
            grouping.document("grouping.json", Grouping) if grouping else None,
            applied.document("corrections.json", Corrections) if applied else None,
        )

    def _add(self, make: Callable[[int], Entry]) -> Entry:
        grouping, applied = self._last_run()
        published = [*(grouping.corrections if grouping else ()), *(applied.corrections if applied else ())]
        used = max((entry.number for entry in published), default=0)
        made: list[Entry] = []

        def change(current: CorrectionsFile) -> CorrectionsFile:
            def noted(number: int) -> Entry:
                made.append(make(number))
                return made[-1]

            return current.with_new(noted, used=used)

        try:
            self.corrections = update_corrections(self._store, self.ep_id, change)
        except ValidationError as error:
            problems = "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in error.errors())
            raise CorrectionError(f"this correction cannot be written: {problems}") from error
        return made[-1]

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
