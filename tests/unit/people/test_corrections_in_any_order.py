"""Whatever corrections are made, removed and applied, in any order: no track is lost or shared, no name passes on."""

import itertools
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from resources.storage.correction_files import read_corrections
from resources.storage.local_store import LocalArtifactStore
from screenalytics_assets.core.documents.identities import Identities, Identity
from screenalytics_assets.core.people.corrections.corrections import (
    Correction,
    CorrectionsFile,
    Give,
    Ignore,
    Merge,
    Name,
    NamedPerson,
    Split,
    TrackPlaces,
    references_of,
)
from screenalytics_assets.services.corrections.correcting import CorrectionDesk
from tests.unit.people.corrected_episode import (
    EP,
    TABLE,
    TRACKS,
    apply_corrections,
    grouping,
    people_of,
    publish_episode,
)

NAMES = ("Ann", "Boris", "Christine")
PLACES = TrackPlaces(TABLE)
chance = st.integers(0, 10**6)


class Corrected(RuleBasedStateMachine):
    """An episode, the numbers that its corrections were given, and whether the last run knows all of them."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="corrected."))
        self.store = LocalArtifactStore(self.root)
        publish_episode(self.store, faceless=TRACKS[-1:])
        self.given: list[int] = []
        self.applied = True

    def teardown(self) -> None:
        shutil.rmtree(self.root)

    @initialize()
    def a_name_for_three_tracks(self) -> None:
        """So that there is something to split."""
        self._made(self._desk().merge(["ident_001", "ident_003", "ident_005"]).number)
        self._made(self._desk().name("ident_001", NAMES[0]).number)
        self.apply()

    @rule(one=chance, other=chance)
    def merge(self, one: int, other: int) -> None:
        if (first := self._one(one)) and (second := self._one(other)) and first != second:
            self._made(self._desk().merge([first.identity_id, second.identity_id]).number)

    @rule(one=chance, count=st.integers(1, 3))
    def split(self, one: int, count: int) -> None:
        if several := [person for person in self._people().identities if len(person.track_ids) > 1]:
            identity = several[one % len(several)]
            count = min(count, len(identity.track_ids) - 1)
            self._made(self._desk().split(identity.identity_id, identity.track_ids[-count:]).number)
            self.apply()

    @rule(one=chance, name=st.sampled_from(NAMES))
    def name(self, one: int, name: str) -> None:
        if identity := self._one(one):
            self._made(self._desk().name(identity.identity_id, name).number)

    @rule(one=chance, name=st.sampled_from(NAMES))
    def rule_out(self, one: int, name: str) -> None:
        if identity := self._one(one):
            self._made(self._desk().not_this_person(identity.identity_id, name.lower()).number)

    @rule(track=st.sampled_from(TRACKS), one=chance, name=st.sampled_from([*NAMES, None]))
    def give(self, track: str, one: int, name: str | None) -> None:
        """To a name or to an identity, but not where it is already."""
        identity, held_by = self._one(one), self._people().identity_of.get(track)
        person = name or (identity.identity_id if identity else None)
        if person and (held_by is None or person not in (held_by.identity_id, held_by.name)):
            self._made(self._desk().give(track, person).number)
            self.apply()

    @rule(one=chance)
    def ignore(self, one: int) -> None:
        if identity := self._one(one):
            self._made(self._desk().ignore(identity.identity_id).number)

    @precondition(lambda self: self._entries())
    @rule(which=chance)
    def undo(self, which: int) -> None:
        self._desk().undo(self._number(which))
        self.applied = False

    @precondition(lambda self: self._entries())
    @rule(which=chance)
    def confirm(self, which: int) -> None:
        self._desk().confirm(self._number(which))
        self.applied = False

    @rule()
    def apply(self) -> None:
        outcomes = apply_corrections(self.store)
        assert set(outcomes) == {entry.number for entry in self._entries()}
        once = (people_of(self.store), grouping(self.store))
        apply_corrections(self.store)
        assert (people_of(self.store), grouping(self.store)) == once
        self.applied = True

    @invariant()
    def each_track_is_of_one_person_or_left_out_with_a_reason(self) -> None:
        found = self._people()
        tracks = [track for one in found.identities for track in one.track_ids]
        assert sorted([*tracks, *(track.track_id for track in found.unassigned)]) == TRACKS
        reasons = {track.track_id: track.reason for track in found.unassigned}
        assert set(reasons.values()) <= {"ignored", "no_accepted_face"}
        assert {track for track, reason in reasons.items() if reason == "no_accepted_face"} <= set(TRACKS[-1:])
        assert "ignored" not in reasons.values() or not self.applied or self._has(Ignore)
        assert tracks or self._has(Ignore)

    @invariant()
    def only_what_a_correction_said_is_confirmed(self) -> None:
        confirmed = {
            track: one for one in self._people().identities for track in one.confirmed_track_ids or () if self.applied
        }
        assert all(track in one.track_ids for track, one in confirmed.items())
        sayings = [one for one in self._entries() if isinstance(one, Name | Give | Merge)]
        said = {track for one in sayings for reference in references_of(one) for track in PLACES.tracks_of(reference)}
        assert set(confirmed) <= said

    @invariant()
    def the_last_correction_is_what_its_tracks_are(self) -> None:
        last = self._entries()[-1:]
        if not last or not self.applied or grouping(self.store).corrections[-1].status == "not_found":
            return
        holder = self._people().identity_of
        match last[0]:
            case Give(track=track, person=person):
                given = {holder[one] for one in PLACES.tracks_of(track)}
                assert len(given) == 1
                (receiver,) = given
                assert PLACES.tracks_of(track) <= set(receiver.confirmed_track_ids or ())
                if isinstance(person, NamedPerson):
                    assert (receiver.person_id, receiver.name) == (person.person_id, person.name)
                else:
                    assert PLACES.tracks_of(person).intersection(receiver.track_ids)
            case Name(identity=identity, person_id=person_id):
                for one in PLACES.tracks_of(identity):
                    assert one not in holder or one in (holder[one].confirmed_track_ids or ())
                    assert one not in holder or holder[one].person_id == person_id

    @invariant()
    def each_person_has_one_identity_and_a_name_that_a_correction_gave(self) -> None:
        named = [one.person_id for one in self._people().identities if one.person_id]
        assert len(set(named)) == len(named)
        if self.applied:
            persons = [one.person if isinstance(one, Give) else one for one in self._entries()]
            assert set(named) <= {one.person_id for one in persons if isinstance(one, Name | NamedPerson)}

    @invariant()
    def split_off_tracks_have_no_name_that_was_not_given_to_them(self) -> None:
        if not self.applied:
            return
        person_of = {track: one.person_id for one in self._people().identities for track in one.track_ids}
        entries = self._entries()
        for number, split in enumerate(entries):
            # A merge or another kind after it may undo it, and so may a name that is given to the tracks afterwards.
            if not isinstance(split, Split) or any(not isinstance(one, Name | Split) for one in entries[number:]):
                continue
            moved = {track for reference in split.tracks for track in PLACES.tracks_of(reference)}
            named = [(i, PLACES.tracks_of(one.identity)) for i, one in enumerate(entries) if isinstance(one, Name)]
            for track in moved:
                own = [tracks for i, tracks in named if track in tracks and (i > number or tracks <= moved)]
                assert person_of.get(track) is None or own

    @invariant()
    def no_number_is_given_twice(self) -> None:
        assert all(a < b for a, b in itertools.pairwise(self.given))
        kept = [entry.number for entry in self._entries()]
        assert set(kept) <= set(self.given)
        assert not self.given or self._file().last_number == self.given[-1]

    def _has(self, kind: type) -> bool:
        return any(isinstance(one, kind) for one in self._entries())

    def _made(self, number: int) -> None:
        if number not in self.given:  # a correction that is there already is not added again
            self.given.append(number)
        self.applied = False

    def _one(self, which: int) -> Identity | None:
        identities = self._people().identities
        return identities[which % len(identities)] if identities else None

    def _number(self, which: int) -> int:
        entries = self._entries()
        return entries[which % len(entries)].number

    def _desk(self) -> CorrectionDesk:
        return CorrectionDesk(self.store, EP)

    def _file(self) -> CorrectionsFile:
        return read_corrections(self.store, EP)

    def _entries(self) -> tuple[Correction, ...]:
        return self._file().corrections

    def _people(self) -> Identities:
        return people_of(self.store)


TestCorrected = Corrected.TestCase
TestCorrected.settings = settings(max_examples=10, stateful_step_count=10, deadline=None)


def test_the_order_of_corrections_of_different_people_does_not_matter(tmp_path: Path) -> None:
    made: set[str] = set()
    for number, order in enumerate(((0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2), (2, 0, 3, 1))):
        store = LocalArtifactStore(tmp_path / str(number))
        publish_episode(store)
        desk = CorrectionDesk(store, EP)
        steps = (
            lambda desk=desk: desk.merge(["ident_001", "ident_003"]),
            lambda desk=desk: desk.name("ident_002", "Ann"),
            lambda desk=desk: desk.ignore("ident_004"),
            lambda desk=desk: desk.not_this_person("ident_005", "boris"),
        )
        for step in order:
            steps[step]()
        apply_corrections(store)
        made.add(people_of(store).model_dump_json())
    assert len(made) == 1
