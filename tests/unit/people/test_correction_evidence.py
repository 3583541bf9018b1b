"""Corrections are applied to what they were made on, and to nothing else."""

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
from screenalytics_assets.core.people.corrections.corrections import Correction
from screenalytics_assets.core.people.packed_vectors import packed, unpacked
from screenalytics_assets.services.corrections.correctable_people import CloseNameError, CorrectablePeople
from screenalytics_assets.services.corrections.correcting import CorrectionDesk
from tests.unit.people.corrected_episode import (
    EP,
    FACES,
    VECTORS,
    apply_corrections,
    people_of,
    publish,
    publish_episode,
)

OTHER_VIDEO, OTHER_MODEL = "3" * 64, "4" * 64


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    store = LocalArtifactStore(tmp_path)
    publish_episode(store)
    return store


def names(store: ArtifactStore) -> list[str]:
    return sorted(one.name for one in people_of(store).identities if one.name)


def test_a_name_is_not_put_on_a_face_of_another_video_until_it_is_confirmed(store: ArtifactStore) -> None:
    desk = CorrectionDesk(store, EP)
    desk.name("ident_001", "Raj K")
    assert apply_corrections(store)[1].status == "applied"
    publish_episode(store, video=OTHER_VIDEO, vectors=np.roll(VECTORS, 1, axis=0))
    outcome = CorrectionDesk(store, EP).outcomes()[1]
    assert outcome.status == "unconfirmed"
    assert "another video than it was made on" in outcome.remarks[0]
    assert names(store) == []
    desk.confirm(1)
    assert desk.outcomes() == {}
    assert apply_corrections(store)[1].status == "applied"
    assert names(store) == ["Raj K"]


def test_the_first_video_has_its_corrections_again_when_it_comes_back(store: ArtifactStore) -> None:
    CorrectionDesk(store, EP).name("ident_001", "Raj K")
    publish_episode(store, video=OTHER_VIDEO)
    assert names(store) == []
    publish_episode(store)
    assert names(store) == ["Raj K"]


@pytest.mark.parametrize("kind", ["merge", "split", "name", "not-this-person", "ignore"])
def test_no_kind_of_correction_is_applied_to_another_face_at_its_place(store: ArtifactStore, kind: str) -> None:
    desk = CorrectionDesk(store, EP)
    if kind == "split":
        desk.merge(["ident_001", "ident_003"])
        apply_corrections(store)
    kinds: dict[str, Callable[[], Correction]] = {
        "merge": lambda: desk.merge(["ident_001", "ident_005"]),
        "split": lambda: desk.split("ident_001", ["track-00003"]),
        "name": lambda: desk.name("ident_001", "Jane"),
        "not-this-person": lambda: desk.not_this_person("ident_001", "jane"),
        "ignore": lambda: desk.ignore("ident_001"),
    }
    entry = kinds[kind]()
    assert apply_corrections(store)[entry.number].status == "applied"
    publish_episode(store, vectors=np.roll(VECTORS, 1, axis=0))
    outcome = apply_corrections(store)[entry.number]
    assert outcome.status == "unconfirmed"
    assert "another face is at its places now (similarity 0.00, expected" in outcome.remarks[0]
    assert len(people_of(store).identities) == 6


def test_vectors_of_two_models_are_not_compared(store: ArtifactStore) -> None:
    CorrectionDesk(store, EP).name("ident_001", "Jane")
    publish_episode(store, vectors=np.roll(VECTORS, 1, axis=0), model=OTHER_MODEL)
    assert names(store) == ["Jane"]


def test_a_correction_of_an_earlier_version_is_applied_without_evidence(store: ArtifactStore) -> None:
    CorrectionDesk(store, EP).name("ident_001", "Jane")
    place = corrections_path(EP)
    content = yaml.safe_load(store.read(place) or b"")
    del content["last_number"], content["corrections"][0]["evidence"], content["corrections"][0]["identity"]["vector"]
    store.write(place, yaml.safe_dump(content).encode())
    publish_episode(store, video=OTHER_VIDEO)
    assert names(store) == ["Jane"]


def test_nothing_can_be_confirmed_where_nobody_is(store: ArtifactStore) -> None:
    CorrectionDesk(store, EP).ignore("ident_001")
    place = corrections_path(EP)
    content = yaml.safe_load(store.read(place) or b"")
    for face in content["corrections"][0]["identity"]["faces"]:
        face["ts_s"] += 100
    store.write(place, yaml.safe_dump(content).encode())
    with pytest.raises(CorrectionError, match="there is no face at the places of ident_001"):
        CorrectionDesk(store, EP).confirm(1)


def test_people_who_were_made_from_other_faces_than_are_published_cannot_be_corrected(store: ArtifactStore) -> None:
    read_before = CorrectablePeople(store, EP)
    read_before.reference("ident_001")
    publish(store, "reembed", {"split_tracks": "0" * 64}, faces=FACES)
    message = "reembed of .* was made before its split_tracks was computed again.*Run the episode to its end"
    with pytest.raises(CorrectionError, match=message):
        CorrectionDesk(store, EP).ignore("ident_001")
    assert read_corrections(store, EP).corrections == ()
    assert read_before.evidence() is not None  # what it has read belongs together


class LosesAnAnswer(LocalArtifactStore):
    """A store whose first change of a file is made, while its answer is lost and another program changes the file."""

    def _update(self, relative: str, change: Callable[[bytes | None], bytes]) -> str:
        super()._update(relative, change)
        content = yaml.safe_load(self.read(relative) or b"")
        content["corrections"].append(
            content["corrections"][0] | {"number": 2, "action": "not-this-person", "person_id": "x"}
        )
        self.write(relative, yaml.safe_dump(content).encode())
        return super()._update(relative, change)


def test_a_correction_whose_answer_was_lost_is_not_added_twice(tmp_path: Path) -> None:
    store = LosesAnAnswer(tmp_path)
    publish_episode(store)
    assert CorrectionDesk(store, EP).ignore("ident_001").number == 1
    found = read_corrections(store, EP).corrections
    assert [(one.number, one.action) for one in found] == [(1, "ignore"), (2, "not-this-person")]


def test_the_evidence_of_a_correction_takes_less_than_a_kilobyte(store: ArtifactStore) -> None:
    entry = CorrectionDesk(store, EP).ignore("ident_001")
    identity = entry.identity.model_copy(update={"vector": None})
    bare = entry.model_copy(update={"evidence": None, "identity": identity})
    sizes = [len(yaml.safe_dump(one.model_dump(mode="json", exclude_none=True))) for one in (entry, bare)]
    assert 0 < sizes[0] - sizes[1] < 1000
    assert read_corrections(store, EP).corrections == (entry,)


def test_a_packed_vector_points_where_the_vector_does() -> None:
    vectors = np.random.default_rng(1).normal(size=(50, 512))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert min(float(unpacked(packed(vector)) @ vector) for vector in vectors) > 0.999
    assert len(packed(vectors[0])) == 684


@pytest.mark.parametrize("text", ["", "?", "AAAA"])
def test_a_text_that_is_no_vector_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a vector"):
        unpacked(text)


@pytest.mark.parametrize(
    ("name", "difference"),
    [
        ("Jane Deo", "one letter differs"),
        ("Jäne Doe", "only accents, case or punctuation differ"),
        ("Doe, Jane", "only the order of the words differs"),
        ("JaneDoe", "only spaces differ"),
        ("Jane  DOE!", None),
        ("Bob", None),
        ("Guard 2", None),
    ],
)
def test_a_new_name_that_is_close_to_a_known_one_is_asked_about(
    store: ArtifactStore, name: str, difference: str | None
) -> None:
    desk = CorrectionDesk(store, EP)
    desk.name("ident_001", "Jane Doe")
    desk.name("ident_003", "Guard 1")
    if difference is None:
        assert desk.name("ident_002", name).number == 3
        return
    with pytest.raises(CloseNameError, match=f"close to Jane Doe .jane-doe.: {difference}"):
        desk.name("ident_002", name)
    assert len(read_corrections(store, EP).corrections) == 2
    assert desk.name("ident_002", name, confirmed=True).number == 3
    assert desk.name("ident_004", name, "jane-doe-2").person_id == "jane-doe-2"


def test_seconds_that_two_people_share_are_counted(store: ArtifactStore) -> None:
    desk = CorrectionDesk(store, EP)
    assert desk.shared_s(["ident_001", "ident_002"]) == pytest.approx(33 / 24)
    assert desk.shared_s(["ident_001", "ident_003"]) == 0
