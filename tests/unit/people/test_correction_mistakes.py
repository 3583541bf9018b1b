"""Corrections that contradict one another or are made twice, and those of what no longer counts as a person."""

from pathlib import Path

import pyarrow as pa
import pytest

from resources.storage.correction_files import read_corrections
from resources.storage.local_store import LocalArtifactStore
from resources.storage.store import ArtifactStore
from screenalytics_assets.checks.episode_check import Published, corrections_remark
from screenalytics_assets.core.common.errors import CorrectionError
from screenalytics_assets.services.corrections.correctable_people import CloseNameError
from screenalytics_assets.services.corrections.correcting import CorrectionDesk
from tests.unit.people.corrected_episode import (
    EP,
    TABLE,
    TRACKS,
    apply_corrections,
    people_of,
    publish,
    publish_episode,
)

POSTER = TRACKS[5]
"""A track on the right that an earlier version counted as a person."""


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    store = LocalArtifactStore(tmp_path)
    publish_episode(store)
    return store


@pytest.fixture
def desk(store: ArtifactStore) -> CorrectionDesk:
    return CorrectionDesk(store, EP)


def reasons(store: ArtifactStore) -> dict[str, str]:
    return {track.track_id: track.reason for track in people_of(store).unassigned}


def test_a_poster_that_was_ignored_is_found_in_a_run_that_does_not_count_it_as_a_person(
    store: ArtifactStore, desk: CorrectionDesk
) -> None:
    desk.ignore("ident_006")
    publish_episode(store, faceless=[POSTER])
    assert apply_corrections(store, automatic=True)[1].status == "applied"
    assert reasons(store) == {POSTER: "ignored"}


def test_a_poster_that_was_named_is_the_person_with_that_name_in_a_run_that_would_leave_it_out(
    store: ArtifactStore, desk: CorrectionDesk
) -> None:
    desk.name("ident_006", "Jane")
    publish_episode(store, faceless=[POSTER])
    assert apply_corrections(store, automatic=True)[1].status == "applied"
    assert people_of(store).identity_of[POSTER].name == "Jane"


def test_a_track_without_a_vector_that_no_correction_names_stays_unassigned(
    store: ArtifactStore, desk: CorrectionDesk
) -> None:
    desk.not_this_person("ident_006", "bob")
    publish_episode(store, faceless=[POSTER])
    assert apply_corrections(store, automatic=True)[1].status == "applied"
    assert reasons(store) == {POSTER: "no_accepted_face"}


@pytest.mark.parametrize("second", ["Bob", "ident_002"])
def test_a_track_that_is_given_to_two_people_is_reported_as_a_conflict(
    store: ArtifactStore, desk: CorrectionDesk, second: str
) -> None:
    desk.give(TRACKS[0], "Ann")
    desk.give(TRACKS[0], second)
    outcomes = apply_corrections(store)
    assert outcomes[1].status == "applied"
    assert outcomes[2].status == "conflict"
    assert outcomes[2].remarks == ("takes back correction 1, which gives the track to somebody else",)


def test_a_track_that_is_given_to_one_person_by_identity_and_by_name_is_no_conflict(
    store: ArtifactStore, desk: CorrectionDesk
) -> None:
    desk.name("ident_002", "Jane")
    desk.give(TRACKS[0], "ident_002")
    desk.give(TRACKS[0], "Jane")
    assert {outcome.status for outcome in apply_corrections(store).values()} == {"applied"}


def test_a_track_that_is_given_to_an_ignored_identity_takes_the_ignoring_back_and_says_so(
    store: ArtifactStore, desk: CorrectionDesk
) -> None:
    desk.ignore("ident_003")
    assert (desk.ignored_by("ident_003"), desk.ignored_by("ident_002")) == (1, None)
    desk.give(TRACKS[0], "ident_003")
    outcome = apply_corrections(store)[2]
    assert (outcome.status, outcome.remarks) == ("conflict", ("takes back correction 1, which ignores it",))
    assert people_of(store).identity_of[TRACKS[2]].track_ids == (TRACKS[0], TRACKS[2])


def test_identities_that_are_merged_with_an_ignored_one_count_and_the_outcome_says_so(
    store: ArtifactStore, desk: CorrectionDesk
) -> None:
    desk.ignore("ident_003")
    desk.merge(["ident_001", "ident_003"])
    assert apply_corrections(store)[2].remarks == ("takes back correction 1, which ignores it",)


def test_the_known_name_of_a_person_with_another_id_needs_no_confirmation(
    store: ArtifactStore, desk: CorrectionDesk
) -> None:
    desk.name("ident_002", "Jane Doe", "jd")
    assert desk.give(TRACKS[0], "Jane Doe").person.model_dump() == {"name": "Jane Doe", "person_id": "jd"}
    apply_corrections(store)
    with pytest.raises(CorrectionError, match=r"track-00001 is of Jane Doe \(ident_\d+\) already"):
        desk.give(TRACKS[0], "Jane Doe")
    assert desk.name("ident_003", "Jane Doe", confirmed=True).person_id == "jane-doe"  # another person of that name


def test_a_name_that_two_known_people_have_must_be_confirmed(desk: CorrectionDesk) -> None:
    desk.name("ident_002", "Jane Doe", "jd")
    desk.name("ident_003", "Jane Doe", "jd2")
    with pytest.raises(CloseNameError):
        desk.give(TRACKS[0], "Jane Doe")


def test_a_correction_that_is_made_twice_is_stored_once_unless_another_one_came_between(
    store: ArtifactStore, desk: CorrectionDesk
) -> None:
    assert desk.name("ident_001", "Jane").number == 1
    assert desk.ignore("ident_002").number == 2
    assert desk.name("ident_001", "Jane").number == 1
    assert [entry.number for entry in read_corrections(store, EP).corrections] == [1, 2]
    assert desk.name("ident_001", "Bob").number == 3
    assert desk.name("ident_001", "Jane").number == 4
    desk.undo(4)
    assert desk.name("ident_001", "Jane").number == 5


def test_an_unknown_track_is_refused_with_the_longest_unassigned_ones_first(tmp_path: Path) -> None:
    store = LocalArtifactStore(tmp_path)
    publish_episode(store, faceless=TRACKS[:2])
    shorter = TABLE.set_column(
        TABLE.schema.get_field_index("end_s"),
        TABLE.schema.field("end_s"),
        pa.array([0.1, *TABLE["end_s"].to_pylist()[1:]], pa.float64()),
    )
    publish(store, "split_tracks", tracks=shorter)
    with pytest.raises(CorrectionError, match=rf"longest unassigned tracks: {TRACKS[1]}, {TRACKS[0]}$"):
        CorrectionDesk(store, EP).give("track-00099", "Jane")


def test_a_warning_about_the_people_names_the_corrections_that_changed_them(
    store: ArtifactStore, desk: CorrectionDesk
) -> None:
    published = Published(store, EP)
    assert corrections_remark(published) is None
    desk.merge(["ident_001", "ident_003"])
    apply_corrections(store)
    assert corrections_remark(published) == f"1 correction is part of that (`screenalytics correct {EP} list`)"
