"""A track that nobody has, or that somebody else has, is given to a person."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from resources.storage.correction_files import read_corrections
from resources.storage.local_store import LocalArtifactStore
from resources.storage.store import ArtifactStore
from screenalytics_assets.core.common.errors import CorrectionError
from screenalytics_assets.core.common.layout import corrections_path
from screenalytics_assets.core.documents.identities import Identity
from screenalytics_assets.services.corrections.correctable_people import CloseNameError
from screenalytics_assets.services.corrections.correcting import CorrectionDesk
from tests.unit.people.corrected_episode import (
    EP,
    TRACKS,
    VECTORS,
    apply_corrections,
    grouping,
    people_of,
    publish_episode,
)

LOOSE = TRACKS[5]
"""A track on the right without an accepted face; at the same time, ``TRACKS[4]`` is on the left."""


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    store = LocalArtifactStore(tmp_path)
    publish_episode(store, faceless=[LOOSE])
    return store


@pytest.fixture
def desk(store: ArtifactStore) -> CorrectionDesk:
    return CorrectionDesk(store, EP)


def holder(store: ArtifactStore, track: str) -> Identity | None:
    return people_of(store).identity_of.get(track)


def held(store: ArtifactStore, track: str) -> Identity:
    found = holder(store, track)
    assert found is not None, people_of(store)
    return found


def test_a_track_without_an_accepted_face_is_given_to_a_known_person_by_name(
    store: ArtifactStore, desk: CorrectionDesk
) -> None:
    desk.name("ident_002", "Jane")
    apply_corrections(store)
    entry = desk.give(LOOSE, "Jane")
    assert entry.track.vector is None
    assert entry.evidence is not None
    assert apply_corrections(store)[2].status == "applied"
    jane = held(store, LOOSE)
    assert (jane.identity_id, jane.name, jane.track_ids) == ("ident_002", "Jane", (TRACKS[1], LOOSE))
    assert jane.num_faces == 2
    assert people_of(store).unassigned == ()
    assert people_of(store).stats.tracks == 6


def test_it_is_given_to_an_identity_without_a_name(store: ArtifactStore, desk: CorrectionDesk) -> None:
    desk.give(LOOSE, "ident_002")
    assert apply_corrections(store, automatic=True)[1].status == "applied"
    assert {TRACKS[1], LOOSE} <= set(held(store, LOOSE).track_ids)
    assert apply_corrections(store)[1].status == "applied"
    assert held(store, LOOSE).track_ids == (TRACKS[1], LOOSE)
    assert held(store, LOOSE).name is None
    desk.name("ident_002", "Jane")
    apply_corrections(store)
    assert held(store, LOOSE).name == "Jane"


def test_it_is_given_to_somebody_whom_no_other_track_shows(store: ArtifactStore, desk: CorrectionDesk) -> None:
    desk.give(LOOSE, "A Stranger")
    assert apply_corrections(store)[1].status == "applied"
    stranger = held(store, LOOSE)
    assert (stranger.person_id, stranger.track_ids, stranger.num_faces) == ("a-stranger", (LOOSE,), 0)
    assert stranger.representative_face_id is None
    assert not stranger.outlier


def test_a_track_of_somebody_else_is_moved(store: ArtifactStore, desk: CorrectionDesk) -> None:
    desk.merge(["ident_001", "ident_003"])
    desk.name("ident_005", "Jane")
    apply_corrections(store)
    desk.give(TRACKS[2], "Jane")
    assert apply_corrections(store)[3].status == "applied"
    assert held(store, TRACKS[0]).track_ids == (TRACKS[0],)
    assert held(store, TRACKS[2]).track_ids == (TRACKS[2], TRACKS[4])


def test_a_track_is_moved_to_an_identity_without_a_name_and_not_followed_by_the_rest(
    store: ArtifactStore, desk: CorrectionDesk
) -> None:
    publish_episode(store, faceless=[LOOSE], identities=[[0, 2], [1], [3], [4]])
    desk.give(TRACKS[2], held(store, TRACKS[1]).identity_id)
    for automatic in (False, True):
        assert apply_corrections(store, automatic=automatic)[1].status == "applied"
        assert {TRACKS[1], TRACKS[2]} <= set(held(store, TRACKS[2]).track_ids)
        assert TRACKS[0] not in held(store, TRACKS[2]).track_ids


def test_tracks_with_the_same_face_do_not_follow_one_that_was_given(store: ArtifactStore, desk: CorrectionDesk) -> None:
    publish_episode(store, faceless=[LOOSE], identities=[[0, 2], [1], [3], [4]])
    desk.give(TRACKS[2], "Jane")
    apply_corrections(store, automatic=True)
    assert held(store, TRACKS[2]).track_ids == (TRACKS[2],)
    assert held(store, TRACKS[0]).track_ids == (TRACKS[0], TRACKS[4])


def test_only_the_rest_of_a_named_identity_keeps_its_name(store: ArtifactStore, desk: CorrectionDesk) -> None:
    desk.merge(["ident_001", "ident_003"])
    desk.name("ident_001", "Ann")
    apply_corrections(store)
    desk.give(TRACKS[2], "Jane")
    assert apply_corrections(store)[3].status == "applied"
    assert (held(store, TRACKS[0]).name, held(store, TRACKS[2]).name) == ("Ann", "Jane")
    desk.give(TRACKS[0], "Jane")
    outcome = apply_corrections(store)[4]
    assert outcome.status == "conflict"
    assert "takes back correction 2" in outcome.remarks[0]
    assert held(store, TRACKS[0]) == held(store, TRACKS[2])


def test_a_gift_takes_back_that_it_is_not_this_person_and_that_it_is_ignored(
    store: ArtifactStore, desk: CorrectionDesk
) -> None:
    desk.not_this_person("ident_001", "jane")
    desk.ignore("ident_003")
    apply_corrections(store)
    desk.give(TRACKS[0], "Jane")
    desk.give(TRACKS[2], "Jane")
    outcomes = apply_corrections(store)
    assert outcomes[3].status == "conflict"
    assert held(store, TRACKS[2]).track_ids == (TRACKS[0], TRACKS[2])


def test_undone_it_is_unassigned_as_before(store: ArtifactStore, desk: CorrectionDesk) -> None:
    before = people_of(store)
    desk.give(LOOSE, "ident_002")
    apply_corrections(store)
    assert holder(store, LOOSE) is not None
    desk.undo(1)
    assert apply_corrections(store) == {}
    assert people_of(store) == before


def test_a_track_that_was_given_can_be_split_off_again(store: ArtifactStore, desk: CorrectionDesk) -> None:
    desk.name("ident_002", "Jane")
    desk.give(LOOSE, "Jane")
    apply_corrections(store)
    desk.split("ident_002", [LOOSE])
    apply_corrections(store)
    assert holder(store, LOOSE) is None
    assert {track.track_id: track.reason for track in people_of(store).unassigned} == {LOOSE: "no_accepted_face"}


@pytest.mark.parametrize("person", ["ident_002", "Jane"])
def test_it_is_not_given_in_another_video_until_that_is_confirmed(
    store: ArtifactStore, desk: CorrectionDesk, person: str
) -> None:
    desk.give(LOOSE, person)
    apply_corrections(store)
    publish_episode(store, video="3" * 64, faceless=[LOOSE])
    assert CorrectionDesk(store, EP).outcomes()[1].status == "unconfirmed"
    assert holder(store, LOOSE) is None
    desk.confirm(1)
    assert apply_corrections(store)[1].status == "applied"
    assert holder(store, LOOSE) is not None


def test_an_episode_without_any_accepted_face_can_be_corrected_and_is_bound_to_its_video(tmp_path: Path) -> None:
    store = LocalArtifactStore(tmp_path)
    publish_episode(store, faceless=TRACKS)
    CorrectionDesk(store, EP).give(TRACKS[0], "Jane")
    assert apply_corrections(store)[1].status == "applied"
    assert held(store, TRACKS[0]).name == "Jane"
    publish_episode(store, video="3" * 64, faceless=TRACKS)
    assert CorrectionDesk(store, EP).outcomes()[1].status == "unconfirmed"


def test_a_track_with_another_face_than_the_one_that_was_given_is_not_given(
    store: ArtifactStore, desk: CorrectionDesk
) -> None:
    desk.give(TRACKS[0], "Jane")
    publish_episode(store, vectors=np.roll(VECTORS, 1, axis=0), faceless=[LOOSE])
    assert desk.outcomes()[1].status == "unconfirmed"
    assert held(store, TRACKS[0]).name is None


def test_a_track_that_is_gone_is_reported(store: ArtifactStore, desk: CorrectionDesk) -> None:
    desk.give(LOOSE, "Jane")
    place = corrections_path(EP)
    content = yaml.safe_load(store.read(place) or b"")
    for face in content["corrections"][0]["track"]["faces"][1:]:
        face["ts_s"] += 100
    store.write(place, yaml.safe_dump(content).encode())
    outcome = apply_corrections(store)[1]
    assert (outcome.status, outcome.remarks) == ("partly", (f"{LOOSE}: 2 of 3 faces are in no track now",))
    content["corrections"][0]["track"]["faces"][0]["ts_s"] += 100
    store.write(place, yaml.safe_dump(content).encode())
    assert apply_corrections(store)[1].status == "not_found"


@pytest.mark.parametrize(
    ("give", "message"),
    [
        (
            lambda desk: desk.give("track-00099", "Jane"),
            "has no track 'track-00099'.* unassigned tracks: track-00006",
        ),
        (lambda desk: desk.give(TRACKS[1], "Jane"), r"track-00002 is of Jane \(ident_002\) already"),
        (lambda desk: desk.give(TRACKS[1], "jane"), r"track-00002 is of Jane \(ident_002\) already"),
        (lambda desk: desk.give(TRACKS[0], "ident_001"), "track-00001 is of ident_001 already"),
        (lambda desk: desk.give(TRACKS[1], "ident_001", "jane"), "ident_001 is an identity, and --person-id jane goes"),
        (lambda desk: desk.give(LOOSE, "ident_099"), "has no identity 'ident_099'"),
        (lambda desk: desk.give(LOOSE, "!?"), "neither letters nor digits"),
        (lambda desk: desk.give(LOOSE, "Bo\x07b"), "cannot be printed"),
        (lambda desk: desk.give(LOOSE, "NAME"), "NAME stands for the name of the person"),
        (lambda desk: desk.name("ident_001", "PERSON", confirmed=True), "PERSON stands for the name of the person"),
    ],
)
def test_what_cannot_be_given_is_refused(
    store: ArtifactStore, desk: CorrectionDesk, give: Callable[[CorrectionDesk], object], message: str
) -> None:
    desk.name("ident_002", "Jane")
    apply_corrections(store)
    with pytest.raises(CorrectionError, match=message):
        give(desk)
    assert len(read_corrections(store, EP).corrections) == 1


def test_a_new_name_that_is_close_to_a_known_one_is_asked_about(desk: CorrectionDesk) -> None:
    desk.name("ident_002", "Jane Doe")
    with pytest.raises(CloseNameError, match="close to Jane Doe"):
        desk.give(LOOSE, "Jane Deo")
    assert desk.give(LOOSE, "Jane Deo", confirmed=True).number == 2
    assert desk.give(LOOSE, "jane-doe").person.model_dump() == {"name": "Jane Doe", "person_id": "jane-doe"}


def test_seconds_in_which_the_person_is_elsewhere_are_counted(store: ArtifactStore, desk: CorrectionDesk) -> None:
    desk.name("ident_005", "Jane")
    apply_corrections(store)
    assert desk.shared_with_s(LOOSE, "Jane") == pytest.approx(33 / 24)
    assert desk.shared_with_s(LOOSE, "ident_005") == pytest.approx(33 / 24)
    assert desk.shared_with_s(LOOSE, "ident_001") == 0
    assert desk.shared_with_s(LOOSE, "Somebody else") == 0


def test_a_track_of_a_person_who_is_elsewhere_at_that_time_is_given_all_the_same(
    store: ArtifactStore, desk: CorrectionDesk
) -> None:
    desk.name("ident_005", "Jane")
    desk.give(LOOSE, "Jane")
    outcomes = apply_corrections(store)
    assert {outcome.status for outcome in outcomes.values()} == {"applied"}
    assert held(store, LOOSE).track_ids == (TRACKS[4], LOOSE)
    assert grouping(store).exempt == ((TRACKS[4], LOOSE),)


def test_what_was_named_merged_or_given_is_confirmed_and_nothing_else(
    store: ArtifactStore, desk: CorrectionDesk
) -> None:
    desk.name("ident_001", "Jane")
    desk.merge(["ident_002", "ident_004"])
    desk.ignore("ident_005")
    desk.not_this_person("ident_003", "bob")
    desk.give(LOOSE, "Jane")
    apply_corrections(store)
    found = {one.identity_id: one.confirmed_track_ids for one in people_of(store).identities}
    assert found == {"ident_001": (TRACKS[0], LOOSE), "ident_002": (TRACKS[1], TRACKS[3]), "ident_003": None}


def test_a_track_that_joins_after_a_name_was_given_is_not_confirmed(store: ArtifactStore, desk: CorrectionDesk) -> None:
    desk.name("ident_001", "Jane")
    publish_episode(store, faceless=[LOOSE], identities=[[0, 2], [1], [3], [4]])
    jane = held(store, TRACKS[2])
    assert (jane.name, jane.track_ids, jane.confirmed_track_ids) == ("Jane", (TRACKS[0], TRACKS[2]), (TRACKS[0],))


def test_a_name_that_is_taken_back_confirms_nothing(store: ArtifactStore, desk: CorrectionDesk) -> None:
    desk.name("ident_001", "Jane")
    desk.not_this_person("ident_001", "jane")
    apply_corrections(store)
    assert held(store, TRACKS[0]).confirmed_track_ids is None


def test_an_identity_of_low_cohesion_is_not_doubtful_once_all_of_it_is_confirmed(tmp_path: Path) -> None:
    store = LocalArtifactStore(tmp_path)
    publish_episode(store, identities=[[0, 1, 2, 3, 4, 5]])
    assert held(store, TRACKS[0]).low_cohesion
    CorrectionDesk(store, EP).name("ident_001", "Jane")
    apply_corrections(store)
    assert not held(store, TRACKS[0]).low_cohesion


@pytest.mark.filterwarnings("error")
def test_a_given_track_without_a_face_that_is_split_off_again_is_unassigned(
    store: ArtifactStore, desk: CorrectionDesk
) -> None:
    """Groups are merged by their vectors; one without any takes no part."""
    apply_corrections(store)
    others = {track: held(store, track).identity_id for track in TRACKS if track != LOOSE}
    desk.give(LOOSE, "ident_002")
    apply_corrections(store, automatic=True)
    desk.split(held(store, LOOSE).identity_id, [LOOSE])
    apply_corrections(store, automatic=True)
    assert holder(store, LOOSE) is None  # as before it was given
    assert {outcome.status for outcome in grouping(store).corrections} == {"applied"}
    assert len({held(store, track).identity_id for track in others}) <= len(set(others.values()))
