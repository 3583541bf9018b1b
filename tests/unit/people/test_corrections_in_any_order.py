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
from screenalytics_assets.core.people.corrections import Correction, CorrectionsFile, Ignore, Name, Split, TrackPlaces
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
        publish_episode(self.store)
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
        assert {track.reason for track in found.unassigned} <= {"ignored"}
        assert not found.unassigned or not self.applied or any(isinstance(one, Ignore) for one in self._entries())

    @invariant()
    def each_person_has_one_identity_and_a_name_that_a_correction_gave(self) -> None:
        named = [one.person_id for one in self._people().identities if one.person_id]
        assert len(set(named)) == len(named)
        if self.applied:
            assert set(named) <= {one.person_id for one in self._entries() if isinstance(one, Name)}

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

    def _made(self, number: int) -> None:
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
