"""Corrections survive another stride, another threshold, and names from photos."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
import yaml

from resources.artifact_store import ArtifactStoreResource
from resources.storage.artifacts import Artifact
from resources.storage.store import require_artifact
from resources.system.paths import data_root
from screenalytics_assets.core.common.errors import CorrectionError
from screenalytics_assets.core.common.layout import corrections_path
from screenalytics_assets.core.documents.grouping import Grouping
from screenalytics_assets.core.documents.identities import Identities, Identity, TrackIds
from screenalytics_assets.core.documents.screen_time import ScreenTime
from screenalytics_assets.core.people.corrections.corrections import Anchor, TrackPlaces
from screenalytics_assets.core.people.enrolment import PhotoFinding, facebank_of
from screenalytics_assets.services.corrections.correcting import CorrectionDesk
from screenalytics_assets.services.running.runs import RunOutcome, downstream_of, run_episode
from tests.orchestration.command_line import Cli

EP = "demo-s01e01"
PEOPLE = [
    "detections",
    "face_crops",
    "tracks",
    "faces",
    "identities",
    "split_tracks",
    "reembed",
    "recluster",
    "corrections",
    "group_clusters",
]
OTHERWISE = {"frame_stride": 5, "recluster_thresh": 0.6, "recluster_tight_thresh": 0.7}


@pytest.fixture
def desk(instance: dg.DagsterInstance, published_demo: Path) -> CorrectionDesk:
    """An episode without corrections, its people as the graph finds them."""
    assert instance
    shutil.rmtree(data_root(), ignore_errors=True)
    shutil.copytree(published_demo, data_root())
    return CorrectionDesk(ArtifactStoreResource().store(), EP)


def grouped() -> Artifact:
    artifact = ArtifactStoreResource().store().open("group_clusters", EP)
    assert artifact is not None
    return artifact


def document() -> Identities:
    return grouped().document("identities.json", Identities)


def people() -> dict[str, Identity]:
    return {identity.identity_id: identity for identity in document().identities}


def names() -> set[str | None]:
    return {identity.name for identity in people().values()}


def rerun(instance: dg.DagsterInstance, **overrides: object) -> RunOutcome:
    outcome = run_episode(instance, EP, overrides=overrides, select=PEOPLE)
    assert outcome.success, outcome
    return outcome


def identity_at(anchor: Anchor) -> Identity | None:
    """The identity whose face is there now."""
    tracks = ArtifactStoreResource().store().open("split_tracks", EP)
    assert tracks is not None
    track = TrackPlaces(tracks.table("tracks.parquet")).track_at(anchor)
    return document().identity_of.get(track or "")


def named_at(anchors: tuple[Anchor, ...]) -> set[str | None]:
    return {identity.name if (identity := identity_at(anchor)) else None for anchor in anchors}


def ids_at(anchors: tuple[Anchor, ...]) -> set[str | None]:
    return {identity.identity_id if (identity := identity_at(anchor)) else None for anchor in anchors}


def largest(count: int) -> list[str]:
    return sorted(people(), key=lambda name: (-len(people()[name].track_ids), name))[:count]


def test_corrections_survive_another_stride_and_another_threshold(
    instance: dg.DagsterInstance, desk: CorrectionDesk
) -> None:
    one, two, three, four, five = largest(5)
    renamed = desk.name(one, "Jane Doe").identity.faces
    both = desk.merge([two, three]).identities
    split = desk.split(four, people()[four].track_ids[-1:])
    desk.name(five, "Bob")
    not_bob = desk.not_this_person(five, "bob").identity.faces
    for overrides in ({}, OTHERWISE):
        rerun(instance, **overrides)
        assert named_at(renamed) == {"Jane Doe"}, overrides
        assert len(ids_at(both[0].faces + both[1].faces)) == 1, overrides
        assert not ids_at(split.identity.faces) & ids_at(split.tracks[0].faces), overrides
        assert "Bob" not in named_at(not_bob), overrides
        outcomes = grouped().document("grouping.json", Grouping).corrections
        statuses = [outcome.status for outcome in outcomes]
        assert statuses == ["applied", "applied", "applied", "applied", "conflict"], outcomes
        assert {one.named_by for one in people().values() if one.name == "Jane Doe"} == {"correction"}


def test_a_correction_changes_what_follows_from_it_and_nothing_else(
    instance: dg.DagsterInstance, desk: CorrectionDesk
) -> None:
    desk.name(largest(1)[0], "Jane")
    assert set(rerun(instance).computed) == {"corrections", "group_clusters"}
    assert rerun(instance).computed == []
    desk.undo(1)
    assert set(rerun(instance).computed) == {"corrections", "group_clusters"}
    assert names() == {None}


def test_the_tracks_of_an_ignored_identity_are_unassigned_with_the_reason(
    instance: dg.DagsterInstance, desk: CorrectionDesk
) -> None:
    (one,) = largest(1)
    tracks = people()[one].track_ids
    desk.ignore(one)
    rerun(instance)
    assert one not in people()
    reasons = {track.track_id: track.reason for track in document().unassigned}
    assert {reasons[track] for track in tracks} == {"ignored"}


def test_a_conflict_is_a_warning_that_names_the_correction(instance: dg.DagsterInstance, desk: CorrectionDesk) -> None:
    (one,) = largest(1)
    desk.name(one, "Jane")
    desk.not_this_person(one, "jane")
    (warning,) = [check for check in rerun(instance).warned_checks if check.startswith("corrections_hold")]
    assert warning.startswith("corrections_hold: 2 (not-this-person")
    assert "correction 1" in warning


def test_a_file_that_cannot_be_understood_stops_the_corrections_and_loses_nothing(
    instance: dg.DagsterInstance, desk: CorrectionDesk
) -> None:
    desk.name(largest(1)[0], "Jane")
    rerun(instance)
    text = Path(desk.location).read_text(encoding="utf-8")
    Path(desk.location).write_text(text.replace("name: Jane", "nmae: Jane"), encoding="utf-8")
    outcome = run_episode(instance, EP, select=PEOPLE)
    assert not outcome.success
    assert f"{Path(desk.location)}: line" in outcome.failures[0]
    assert "nmae" in outcome.failures[0]
    assert "Jane" in names()
    with pytest.raises(CorrectionError, match="nmae"):
        CorrectionDesk(ArtifactStoreResource().store(), EP)


def test_switched_off_only_corrections_are_applied(instance: dg.DagsterInstance, desk: CorrectionDesk) -> None:
    desk.name(largest(1)[0], "Jane")
    rerun(instance, actions=["split_tracks", "reembed", "recluster"])
    grouping = grouped().document("grouping.json", Grouping)
    assert (grouping.within_episode, grouping.across_episodes) == (0, 0)
    assert "Jane" in names()


def test_an_impossible_correction_is_refused_and_nothing_is_written(desk: CorrectionDesk) -> None:
    refused: list[tuple[Callable[[], object], str]] = [
        (lambda: desk.ignore("ident_999"), "no identity 'ident_999'; its identities are ident_"),
        (lambda: desk.merge(["ident_001", "ident_001"]), "expected two identities"),
        (lambda: desk.split("ident_001", ["track-99999"]), "ident_001 does not have track-99999"),
        (lambda: desk.split("ident_001", people()["ident_001"].track_ids), "no track would be left"),
        (lambda: desk.name("ident_001", "?!"), "neither letters nor digits"),
        (lambda: desk.not_this_person("ident_001", "Jane Doe"), "person_id"),
        (lambda: desk.undo(4), "no correction 4; its corrections are none"),
    ]
    for make, message in refused:
        with pytest.raises(CorrectionError, match=message):
            make()
    assert not Path(desk.location).exists()


@pytest.fixture
def facebank(desk: CorrectionDesk) -> Iterator[str]:
    """A facebank of one person, who looks like the largest identity; gives that identity's id."""
    assert not Path(desk.location).exists()
    store, digest = ArtifactStoreResource().store(), "f" * 64
    clusters, faces = store.open("recluster", EP), store.open("reembed", EP)
    assert clusters is not None
    assert faces is not None
    (one,) = largest(1)
    track_ids = clusters.document("track_ids.json", TrackIds).track_ids
    rows = [track_ids.index(track) for track in people()[one].track_ids]
    vector = clusters.array("tracks.npy")[rows].mean(0)
    model_digest = faces.table("faces.parquet")["model_digest"][0].as_py()
    photo = PhotoFinding("ann-lee/1.jpg", "ann-lee", "0" * 64, faces=1)
    document = facebank_of("demo", digest, model_digest, {"ann-lee": "Ann Lee"}, [photo])
    with store.staging("facebank", "demo") as staged:
        staged.write_document("facebank.json", document)
        staged.write_array("facebank.npy", (vector / np.linalg.norm(vector))[None])
        store.publish(staged, fingerprint="", code_version="1", config={}, inputs={}, metrics={"version": digest})
    yield one
    (data_root() / "manifests" / "demo" / "facebank.manifest.json").unlink()


def test_a_person_of_the_facebank_is_named_until_a_correction_says_otherwise(
    instance: dg.DagsterInstance, desk: CorrectionDesk, facebank: str
) -> None:
    assert set(rerun(instance).computed) == {"group_clusters"}
    named = people()[facebank]
    assert (named.name, named.person_id, named.named_by) == ("Ann Lee", "ann-lee", "facebank")
    assert [name for name, entry in people().items() if entry.name] == [facebank]
    assert rerun(instance).computed == []
    desk.not_this_person(facebank, "ann-lee")
    rerun(instance, recluster_thresh=0.6, recluster_tight_thresh=0.7)
    assert names() == {None}


def test_people_are_named_while_the_database_does_not_answer(
    instance: dg.DagsterInstance, desk: CorrectionDesk, facebank: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCREENALYTICS_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    outcome = run_episode(instance, EP, select=PEOPLE, overrides={"recluster_thresh": 0.5}, force=True)
    assert outcome.success, outcome.failures
    assert {"recluster", "group_clusters"} <= set(outcome.computed)
    assert people()[facebank].name == "Ann Lee"
    assert desk.ep_id == EP


def test_the_command_writes_lists_and_takes_back_corrections_and_says_what_to_run(
    desk: CorrectionDesk, place: Path, tmp_path: Path
) -> None:
    command = Cli(tmp_path)
    command.data, command.home = place / "data", place / "home"
    (one,) = largest(1)
    said = command.run("correct", EP, "name", one, "Jane Doe")
    assert said.returncode == 0
    assert f'correction 1: name {one} "Jane Doe"' in said.said
    assert f"screenalytics run --ep-id {EP} --select corrections --select group_clusters" in said.said
    content = yaml.safe_load(Path(desk.location).read_text(encoding="utf-8"))
    assert content["corrections"][0]["person_id"] == "jane-doe"
    assert "not applied yet" in command.run("correct", EP, "list").said
    refused = command.run("correct", EP, "merge", one, "ident_999")
    assert (refused.returncode, "ident_999" in refused.said) == (2, True)
    assert "removed" in command.run("correct", EP, "undo", "1").said
    assert "no corrections" in command.run("correct", EP, "list").said
    assert json.loads(json.dumps(yaml.safe_load(Path(desk.location).read_text(encoding="utf-8"))))["corrections"] == []


@pytest.mark.usefixtures("desk")
def test_the_command_gives_a_track_to_a_person_who_is_sure_then(place: Path, tmp_path: Path) -> None:
    command = Cli(tmp_path)
    command.data, command.home = place / "data", place / "home"
    (one,) = largest(1)
    first = people()[one].track_ids[0]
    refused = command.run("correct", EP, "give", first, one)
    assert (refused.returncode, f"{first} is of {one} already" in refused.said) == (2, True)
    applied = command.run("correct", EP, "give", first, "Jane Doe", "--apply")
    assert applied.returncode == 0
    assert re.search(rf'give {first} "Jane Doe" *│ *applied', applied.said)
    listed = command.run("correct", EP, "list").said
    assert f'give {first} "Jane Doe"' in listed
    assert "not applied yet" not in listed
    store = ArtifactStoreResource().store()
    screen_time = require_artifact(store, "screen_time", EP).document("screen_time.json", ScreenTime)
    time = {person.name: person for person in screen_time.people}
    assert time["Jane Doe"].confidence == 1.0
    assert time["Jane Doe"].confirmed_s == time["Jane Doe"].visual_s > 0
    page = require_artifact(store, "episode_report", EP).path("index.html").read_text(encoding="utf-8")
    assert '100.0 % <span class="quiet">confirmed</span>' in page


def test_two_commands_that_apply_corrections_at_once_publish_what_one_run_makes_of_both(
    desk: CorrectionDesk, published_demo: Path, place: Path, tmp_path: Path
) -> None:
    together, once = Cli(tmp_path), Cli(tmp_path / "once")
    together.data, together.home = place / "data", place / "home"
    commands = [
        together.start("correct", EP, "name", identity, name, "--apply")
        for identity, name in zip(largest(2), ("Jane", "Bob"), strict=True)
    ]
    assert [command.wait(timeout=300) for command in commands] == [0, 0]
    shutil.copytree(published_demo, once.data)
    Path(once.data, corrections_path(EP)).parent.mkdir()
    shutil.copy(desk.location, Path(once.data, corrections_path(EP)))
    selection = [part for asset in downstream_of("corrections") for part in ("--select", asset)]
    assert once.run("run", "--ep-id", EP, *selection).returncode == 0
    assert {"Jane", "Bob"} <= names()
    assert together.artifacts() == once.artifacts()


def test_a_correction_recomputes_group_clusters_and_what_is_made_from_it() -> None:
    assert downstream_of("corrections")[:2] == ["corrections", "group_clusters"]
