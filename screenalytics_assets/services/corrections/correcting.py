"""Corrections of a published episode, and the file that keeps them."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar, cast

from pydantic import ValidationError

from resources.storage.correction_files import read_corrections, update_corrections
from resources.storage.store import ArtifactStore, unknown_episode
from screenalytics_assets.core.common.episode_ids import parse_ep_id
from screenalytics_assets.core.common.errors import CorrectionError
from screenalytics_assets.core.common.layout import corrections_path
from screenalytics_assets.core.config.ranges import problem_words
from screenalytics_assets.core.documents.grouping import CorrectionOutcome, Grouping
from screenalytics_assets.core.people.corrections.correction_matching import repeated
from screenalytics_assets.core.people.corrections.corrections import (
    Correction,
    Corrections,
    CorrectionsFile,
    Give,
    IdentityReference,
    Ignore,
    Merge,
    Name,
    NamedPerson,
    NotThisPerson,
    Split,
    describe,
)
from screenalytics_assets.services.corrections.correctable_people import CorrectablePeople, person_called

GROUPING = "group_clusters"
Entry = TypeVar("Entry", bound=Correction)


class CorrectionDesk:
    """The corrections of one episode. Each method adds one and writes the file before it returns.

    A correction that is there already, and that no later one may have changed, is returned and not added again.

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
        if not self.corrections.corrections and (unknown := unknown_episode(store, ep_id)):
            raise CorrectionError(f"{store.location('')}: {unknown}, or run `screenalytics run VIDEO --ep-id` first")

    def merge(self, identities: Sequence[str]) -> Merge:
        """Merge identities that are the same person.

        Raises:
            CorrectionError: An identity does not exist, or there are fewer than two.
        """
        distinct = list(dict.fromkeys(identities))
        if len(distinct) < 2:
            raise CorrectionError(f"merge: expected two identities or more, found {' '.join(distinct)}")
        people = CorrectablePeople(self._store, self.ep_id)
        references, evidence = tuple(map(people.reference, distinct)), people.evidence()
        return self._add(lambda number: Merge(number=number, evidence=evidence, identities=references))

    def split(self, identity: str, tracks: Sequence[str]) -> Split:
        """Split off tracks of an identity that show another person.

        Raises:
            CorrectionError: The identity or a track does not exist, or no track would be left.
        """
        people = CorrectablePeople(self._store, self.ep_id)
        own = people.tracks_of(identity)
        foreign = sorted(set(tracks) - set(own))
        if foreign:
            raise CorrectionError(f"split: {identity} does not have {', '.join(foreign)}; it has {', '.join(own)}")
        stays = [track for track in own if track not in tracks]
        if not stays:
            raise CorrectionError(f"split: these are all tracks of {identity}; no track would be left")
        kept, evidence = people.at(identity, stays), people.evidence()
        split_off = tuple(people.at(track, [track]) for track in dict.fromkeys(tracks))
        person_id = people.identity(identity).person_id
        return self._add(
            lambda number: Split(number=number, evidence=evidence, identity=kept, tracks=split_off, person_id=person_id)
        )

    def name(self, identity: str, name: str, person_id: str | None = None, *, confirmed: bool = False) -> Name:
        """Name an identity.

        Args:
            identity: The identity.
            name: The name of the person.
            person_id: The id of the person; None makes it of the name.
            confirmed: The name is new, even if it is close to a known one. Giving the id confirms that too.

        Raises:
            CloseNameError: The name is not known, but close to a known one.
            CorrectionError: The identity does not exist, or the name has neither letters nor digits.
        """
        person = person_called(self._store, self.ep_id, self.corrections, name, person_id, confirmed=confirmed)
        people = CorrectablePeople(self._store, self.ep_id)
        reference, evidence = people.reference(identity), people.evidence()
        return self._add(
            lambda number: Name(
                number=number, evidence=evidence, identity=reference, name=person.name, person_id=person.person_id
            )
        )

    def give(self, track: str, person: str, person_id: str | None = None, *, confirmed: bool = False) -> Give:
        """Give a track, unassigned or of somebody else, to a person.

        Args:
            track: The track.
            person: An identity of the episode, or the name of a person. The id of a known person counts as the name.
            person_id: The id of the person with this name; None makes it of the name.
            confirmed: The name is new, even if it is close to a known one. Giving the id confirms that too.

        Raises:
            CloseNameError: The name is not known, but close to a known one.
            CorrectionError: The track or the identity does not exist, or the track is that person's already.
        """
        people = CorrectablePeople(self._store, self.ep_id)
        holder, receiver = people.holder(track), people.receiver(person, person_id)
        if receiver is not None and receiver == holder:
            who = f"{holder.name} ({holder.identity_id})" if holder.name else holder.identity_id
            raise CorrectionError(f"give: {track} is of {who} already")
        reference, evidence = people.at(track, [track]), people.evidence()
        if receiver is not None and not (receiver.person_id and receiver.name):
            to = people.reference(receiver.identity_id)
            return self._add(lambda number: Give(number=number, evidence=evidence, track=reference, person=to))
        if receiver is not None:
            person, person_id = receiver.name or "", receiver.person_id
        named = person_called(self._store, self.ep_id, self.corrections, person, person_id, confirmed=confirmed)
        return self._add(
            lambda number: Give(
                number=number, evidence=evidence, track=reference, person=NamedPerson(**named._asdict())
            )
        )

    def not_this_person(self, identity: str, person_id: str) -> NotThisPerson:
        """Rule out a person for an identity.

        Raises:
            CorrectionError: The identity does not exist.
        """
        people = CorrectablePeople(self._store, self.ep_id)
        reference, evidence = people.reference(identity), people.evidence()
        return self._add(
            lambda number: NotThisPerson(number=number, evidence=evidence, identity=reference, person_id=person_id)
        )

    def ignore(self, identity: str) -> Ignore:
        """Ignore an identity that is no person of the show.

        Raises:
            CorrectionError: The identity does not exist.
        """
        people = CorrectablePeople(self._store, self.ep_id)
        reference, evidence = people.reference(identity), people.evidence()
        return self._add(lambda number: Ignore(number=number, evidence=evidence, identity=reference))

    def confirm(self, number: int) -> Correction:
        """Confirm that a correction holds for what is at its places now: another video, or another face.

        Raises:
            CorrectionError: There is no correction with this number, or nothing is at its places.
        """
        entry = self._entry(self.corrections, number)
        people = CorrectablePeople(self._store, self.ep_id)
        update: dict[str, Any] = {"evidence": people.evidence()}
        match entry:
            case Merge():
                update["identities"] = tuple(map(people.present, entry.identities))
            case Split():
                update |= {
                    "identity": people.present(entry.identity),
                    "tracks": tuple(map(people.present, entry.tracks)),
                }
            case Give():
                update["track"] = people.present(entry.track)
                if isinstance(entry.person, IdentityReference):
                    update["person"] = people.present(entry.person)
            case _:
                update["identity"] = people.present(entry.identity)
        confirmed: Correction = entry.model_copy(update=update)

        def change(current: CorrectionsFile) -> CorrectionsFile:
            if self._entry(current, number) != entry:
                raise CorrectionError(
                    f"correction {number} was changed by another program: list the corrections and try again"
                )
            return current.with_changed(confirmed)

        self.corrections = update_corrections(self._store, self.ep_id, change)
        return confirmed

    def ignored_by(self, identity: str) -> int | None:
        """The correction that ignores an identity, if there is one that has not been applied yet."""
        entries = self.corrections.corrections
        return next((one.number for one in entries if isinstance(one, Ignore) and one.identity.id == identity), None)

    def shared_s(self, identities: Sequence[str]) -> float:
        """Seconds in which two or more of these identities are on screen at once, which one person cannot be."""
        people = CorrectablePeople(self._store, self.ep_id)
        return people.shared_s([people.tracks_of(identity) for identity in dict.fromkeys(identities)])

    def shared_with_s(self, track: str, person: str, person_id: str | None = None) -> float:
        """Seconds in which a track and the person whom it would be given to are on screen at once."""
        people = CorrectablePeople(self._store, self.ep_id)
        receiver = people.receiver(person, person_id)
        return people.shared_s([[track], receiver.track_ids if receiver else ()])

    def undo(self, number: int) -> Correction:
        """Remove a correction; the others keep their numbers, and its own is not given again.

        Raises:
            CorrectionError: There is no correction with this number.
        """
        removed: list[Correction] = []

        def change(current: CorrectionsFile) -> CorrectionsFile:
            removed.append(self._entry(current, number))
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
            # Called again where a bucket's answer was lost and another program has changed the file since.
            if made and made[-1] in current.corrections:
                return current

            def noted(number: int) -> Entry:
                made.append(make(number))
                return made[-1]

            if (same := repeated(make(1), current.corrections)) is not None:
                made.append(cast("Entry", same))
                return current
            return current.with_new(noted, used=used)

        try:
            self.corrections = update_corrections(self._store, self.ep_id, change)
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(map(str, p['loc']))}: {problem_words(CorrectionsFile, p)}" for p in error.errors()
            )
            raise CorrectionError(f"this correction cannot be written: {problems}") from error
        return made[-1]

    def _entry(self, corrections: CorrectionsFile, number: int) -> Correction:
        found = {entry.number: entry for entry in corrections.corrections}
        if number not in found:
            known = ", ".join(map(str, found)) or "none"
            raise CorrectionError(f"{self.ep_id} has no correction {number}; its corrections are {known}")
        return found[number]
