"""Several programs that correct an episode at once: nothing is lost, and no number is given twice."""

import multiprocessing
from pathlib import Path

import pytest
import yaml

from resources.storage.correction_files import read_corrections, update_corrections
from resources.storage.local_store import LocalArtifactStore
from screenalytics_assets.core.common.errors import CorrectionError
from screenalytics_assets.core.common.layout import corrections_path
from screenalytics_assets.core.people.corrections.corrections import CorrectionsFile
from screenalytics_assets.services.corrections.correcting import CorrectionDesk
from tests.unit.people.corrected_episode import EP, apply_corrections, publish_episode
from tests.unit.storage.store_sites import Folder, InBucket, StoreSite


@pytest.fixture(params=["folder", "bucket"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> StoreSite:
    site = Folder(tmp_path) if request.param == "folder" else InBucket(request.getfixturevalue("bucket"))
    publish_episode(site.store)
    return site


def rule_out_often(root: Path, program: int, times: int) -> None:
    for number in range(times):
        CorrectionDesk(LocalArtifactStore(root), EP).not_this_person("ident_001", f"person-{program}-{number}")


def test_eight_programs_at_once_leave_all_of_their_corrections(tmp_path: Path) -> None:
    publish_episode(LocalArtifactStore(tmp_path))
    context = multiprocessing.get_context("fork")
    programs = [context.Process(target=rule_out_often, args=(tmp_path, program, 4)) for program in range(8)]
    for program in programs:
        program.start()
    for program in programs:
        program.join(timeout=300)
    assert [program.exitcode for program in programs] == [0] * 8
    kept = read_corrections(LocalArtifactStore(tmp_path), EP).corrections
    assert [entry.number for entry in kept] == list(range(1, 33))
    assert not list((tmp_path / ".staging").rglob("*.lock"))


def test_what_another_machine_writes_between_reading_and_writing_is_kept(bucket: object, tmp_path: Path) -> None:
    del tmp_path
    site = InBucket(bucket)  # type: ignore[arg-type]
    publish_episode(site.store)
    desk, calls = CorrectionDesk(site.store, EP), []

    def change(current: CorrectionsFile) -> CorrectionsFile:
        calls.append(len(current.corrections))
        if len(calls) < 4:
            CorrectionDesk(site.another(), EP).not_this_person("ident_002", f"person-{len(calls)}")
        return current.without(0)

    update_corrections(site.store, EP, change)
    assert calls == [0, 1, 2, 3]
    assert desk.ignore("ident_001").number == 4
    assert [entry.number for entry in read_corrections(site.another(), EP).corrections] == [1, 2, 3, 4]


def test_a_desk_adds_to_what_others_wrote_after_it_was_opened(site: StoreSite) -> None:
    first, second = CorrectionDesk(site.store, EP), CorrectionDesk(site.store, EP)
    assert first.ignore("ident_001").number == 1
    assert second.ignore("ident_002").number == 2
    assert second.undo(1).number == 1
    with pytest.raises(CorrectionError, match=r"no correction 1; its corrections are 2"):
        first.undo(1)
    assert first.ignore("ident_003").number == 3
    assert [entry.number for entry in read_corrections(site.store, EP).corrections] == [2, 3]


def test_the_number_of_a_removed_correction_is_not_given_again(site: StoreSite) -> None:
    desk = CorrectionDesk(site.store, EP)
    desk.ignore("ident_001")
    desk.undo(1)
    desk.ignore("ident_002")
    desk.undo(2)
    assert desk.ignore("ident_003").number == 3
    assert read_corrections(site.store, EP).last_number == 3


def test_a_number_that_the_last_run_knows_is_not_given_again_in_a_file_of_an_earlier_version(site: StoreSite) -> None:
    desk = CorrectionDesk(site.store, EP)
    desk.ignore("ident_001")
    desk.ignore("ident_002")
    apply_corrections(site.store)
    desk.undo(2)
    content = yaml.safe_load(site.read(corrections_path(EP)))
    del content["last_number"]
    site.put(corrections_path(EP), yaml.safe_dump(content).encode())
    assert CorrectionDesk(site.store, EP).ignore("ident_004").number == 3


def test_a_correction_with_the_number_of_another_does_not_have_its_outcome(site: StoreSite) -> None:
    desk = CorrectionDesk(site.store, EP)
    desk.name("ident_001", "Jane")
    apply_corrections(site.store)
    assert desk.outcomes()[1].status == "applied"
    text = site.read(corrections_path(EP)).decode()
    site.put(corrections_path(EP), text.replace("ident_001", "ident_002").encode())
    assert CorrectionDesk(site.store, EP).outcomes() == {}


def test_nothing_is_written_if_a_change_is_refused(site: StoreSite) -> None:
    def change(_: CorrectionsFile) -> CorrectionsFile:
        raise CorrectionError("no")

    with pytest.raises(CorrectionError, match="no"):
        update_corrections(site.store, EP, change)
    assert site.store.read(corrections_path(EP)) is None
    assert CorrectionDesk(site.store, EP).ignore("ident_001").number == 1


def test_an_episode_that_does_not_exist_has_no_desk(site: StoreSite) -> None:
    with pytest.raises(CorrectionError, match=r"there is no episode show-s01e09; published episodes are show-s01e02\."):
        CorrectionDesk(site.store, "show-s01e09")
