"""Facebank, episode vectors and find: the real graph on rendered footage, with a real embedded server."""

import csv
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import dagster as dg
import numpy as np
import pytest

from resources.artifact_store import ArtifactStoreResource
from resources.database.access import open_database
from resources.models.packs import ModelPack
from resources.storage.crop_file import read_crops
from resources.storage.store import ArtifactStore, require_artifact
from resources.videos import VideoLibraryResource
from screenalytics_assets.core.common.intervals import intervals_of, time_with_at_least
from screenalytics_assets.core.detection.alignment import decode_jpeg
from screenalytics_assets.core.documents.facebank import PublishedFacebank
from screenalytics_assets.core.documents.identities import Identities
from screenalytics_assets.core.documents.screen_time import ScreenTime, SeasonScreenTime
from screenalytics_assets.core.evaluation.truth import TruthDocument
from screenalytics_assets.reports.pictures import cast
from screenalytics_assets.reports.pictures.contact_sheets import SheetRow, contact_sheet
from screenalytics_assets.reports.timeline import clock
from screenalytics_assets.services.dagster_instance.instance import open_instance
from screenalytics_assets.services.running.runs import RunOutcome, run_episode, run_facebank, run_season
from tests.orchestration.command_line import Cli

EP, SHOW = "demo-s01e01", "demo"


@pytest.fixture(scope="module")
def cli_place(open_pack: ModelPack) -> Iterator[Cli]:
    """A data root that the server's own user can reach, which a folder of pytest's is not."""
    assert open_pack.name == "open"
    folder = Path(tempfile.mkdtemp(prefix="screenalytics-test-"))
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("SCREENALYTICS_") and "CACHE" not in name]:
            patch.delenv(name)
        patch.setenv("SCREENALYTICS_DATA_ROOT", str(folder / "data"))
        patch.setenv("DAGSTER_HOME", str(folder / "home"))
        yield Cli(folder)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def own_instance(cli_place: Cli) -> Iterator[dg.DagsterInstance]:
    assert cli_place.data
    with open_instance() as instance:
        yield instance


@pytest.fixture(scope="module")
def store(own_instance: dg.DagsterInstance, demo_episode: tuple[Path, TruthDocument]) -> ArtifactStore:
    """The episode published with the database away: everything but its vectors."""
    VideoLibraryResource().add(EP, demo_episode[0], replace=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCREENALYTICS_DATABASE_URL", "postgresql://me:hunter2@127.0.0.1:1/faces")
        outcome = run_episode(own_instance, EP)
    assert not outcome.success
    assert len(outcome.failures) == 1
    assert "SCREENALYTICS_DATABASE_URL does not answer" in outcome.failures[0]
    assert "hunter2" not in outcome.failures[0]
    assert {"group_clusters", "screen_time", "track_metrics", "episode_report"} <= set(outcome.computed)
    return ArtifactStoreResource().store()


@pytest.fixture(scope="module")
def photos(store: ArtifactStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two crops of each of two people of the episode, a photo without a face, and a file that is not a picture."""
    folder = tmp_path_factory.mktemp("photos")
    identities = store.open("identities", EP)
    faces = store.open("faces", EP)
    crops = store.open("face_crops", EP)
    assert identities
    assert faces
    assert crops
    rows = faces.table("faces.parquet", ["track_id", "detection_id", "quality_score"]).to_pylist()
    rows.sort(key=lambda row: -row["quality_score"])
    people = sorted(identities.json("identities.json")["identities"], key=lambda identity: -identity["num_faces"])
    for name, identity in zip(("Ann Onymous", "bob"), people, strict=False):
        best = [row["detection_id"] for row in rows if row["track_id"] in identity["track_ids"]][:2]
        for detection_id, jpeg in read_crops(crops.path("face_crops.parquet"), best):
            (folder / name).mkdir(exist_ok=True)
            # As a person would have it: a portrait with surroundings.
            portrait = cv2.copyMakeBorder(decode_jpeg(jpeg), 40, 40, 40, 40, cv2.BORDER_REPLICATE)
            cv2.imwrite(str(folder / name / f"{detection_id}.png"), portrait)
    cv2.imwrite(str(folder / "bob" / "wall.png"), np.full((200, 200, 3), 90, np.uint8))
    (folder / "bob" / "notes.txt").write_text("no picture")
    return folder


@pytest.fixture(scope="module")
def stored(own_instance: dg.DagsterInstance, store: ArtifactStore) -> RunOutcome:
    assert store.manifest("episode_vectors", EP) is None
    return run_episode(own_instance, EP)


@pytest.fixture(scope="module")
def enrolled(own_instance: dg.DagsterInstance, photos: Path) -> RunOutcome:
    return run_facebank(own_instance, SHOW, photos=photos)


def test_once_the_database_is_back_only_the_vectors_are_computed(stored: RunOutcome) -> None:
    assert stored.success, stored.failures
    assert stored.computed == ["episode_vectors"]


def test_vectors_that_are_stored_are_not_stored_again_and_those_that_were_lost_are(
    own_instance: dg.DagsterInstance, stored: RunOutcome
) -> None:
    assert stored.success
    assert "episode_vectors" in run_episode(own_instance, EP).reused
    with open_database() as database:
        database.remove_episode(EP)
    assert run_episode(own_instance, EP, select=["episode_vectors"]).computed == ["episode_vectors"]
    with open_database() as database:
        assert list(database.stored_episodes()) == [EP]


def test_every_photo_is_decided_with_a_reason(enrolled: RunOutcome, store: ArtifactStore) -> None:
    assert enrolled.success, enrolled.failures
    artifact = store.open("facebank", SHOW)
    assert artifact
    document = artifact.json("facebank.json")
    assert [(person["person_id"], person["name"], person["photos"]) for person in document["people"]] == [
        ("ann-onymous", "Ann Onymous", 2),
        ("bob", "Bob", 2),
    ]
    reasons = {photo["photo_id"]: photo["reason"] for photo in document["photos"] if photo["reason"]}
    assert reasons == {"bob/notes.txt": "unreadable", "bob/wall.png": "no_face"}
    with open_database() as database:
        record = database.facebank(SHOW)
        assert record
        assert record.version == document["version"]


def test_tracks_of_the_episode_resemble_the_photos_of_their_person(
    enrolled: RunOutcome, stored: RunOutcome, store: ArtifactStore
) -> None:
    assert enrolled.success
    assert stored.success
    identities, facebank = store.open("identities", EP), store.open("facebank", SHOW)
    assert identities
    assert facebank
    document = facebank.document("facebank.json", PublishedFacebank)
    photos = facebank.array("facebank.npy")
    assert photos.shape == (len(document.accepted), 512)
    similarities = identities.array("tracks.npy") @ photos.T
    assert similarities.max() > 0.6


def test_unchanged_photos_are_not_analysed_again_and_a_lost_facebank_is_stored_again(
    own_instance: dg.DagsterInstance, enrolled: RunOutcome, photos: Path
) -> None:
    assert enrolled.success
    assert run_facebank(own_instance, SHOW, photos=photos).reused == ["facebank"]
    with open_database() as database:
        record = database.facebank(SHOW)
        assert record
        database.replace_facebank(
            SHOW,
            version="other",
            model_digest=record.model_digest,
            photo_ids=[],
            person_ids=[],
            vectors=np.empty((0, 512), np.float32),
        )
    assert run_facebank(own_instance, SHOW, photos=photos).computed == ["facebank"]
    with open_database() as database:
        assert database.facebank(SHOW) == record


@pytest.fixture(scope="module")
def named(own_instance: dg.DagsterInstance, enrolled: RunOutcome, stored: RunOutcome) -> RunOutcome:
    assert enrolled.success
    assert stored.success
    return run_episode(own_instance, EP, select=["group_clusters", "episode_vectors"])


def test_find_reports_when_a_face_appears_and_who_it_is_with_pictures(
    cli_place: Cli, named: RunOutcome, photos: Path, store: ArtifactStore
) -> None:
    assert named.computed == ["group_clusters", "episode_vectors"]
    photo = next((photos / "Ann Onymous").iterdir())
    outcome = cli_place.run("find", str(photo), "--show", SHOW, "--json")
    assert outcome.returncode == 0, outcome.said
    answer = json.loads(outcome.said)
    (episode,) = answer["episodes"]
    assert episode["ep_id"] == EP
    assert episode["seconds"] > 0.5
    assert all(start_s < end_s for start_s, end_s in episode["intervals"])
    grouped = store.open("group_clusters", EP)
    assert grouped
    people = {who["identity_id"]: who for who in grouped.json("identities.json")["identities"]}
    assert "Ann Onymous" in episode["people"]
    for track in episode["tracks"]:
        who = people[track["identity_id"]]
        assert track["track_id"] in who["track_ids"]
        assert (track["person_id"], track["name"]) == (who["person_id"], who["name"])
    assert Path(answer["pictures"]).read_bytes().startswith(b"\xff\xd8")


def test_a_person_has_one_figure_and_one_name_wherever_they_are_shown(
    cli_place: Cli,
    own_instance: dg.DagsterInstance,
    named: RunOutcome,
    photos: Path,
    store: ArtifactStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert named.success
    sheets: list[Sequence[SheetRow]] = []

    def kept(rows: Sequence[SheetRow]) -> bytes:
        sheets.append(rows)
        return contact_sheet(rows)

    monkeypatch.setattr(cast, "contact_sheet", kept)
    assert run_episode(own_instance, EP, select=["screen_time", "cleanup_report", "episode_report"]).success
    assert run_season(own_instance, "demo-s01").success
    times = require_artifact(store, "screen_time", EP).document("screen_time.json", ScreenTime)
    ann = next(person for person in times.people if person.name == "Ann Onymous")

    assert [(row.label, row.remark.split(",")[0]) for row in sheets[-1]] == [
        (person.label, f"{person.visual_s:.1f} s") for person in times.people
    ]
    page = require_artifact(store, "episode_report", EP).path("index.html").read_text(encoding="utf-8")
    assert all(clock(person.visual_s) in page for person in times.people)
    season = require_artifact(store, "season_screen_time", "demo-s01")
    totals = {row.name: row.seconds[EP] for row in season.document("season_screen_time.json", SeasonScreenTime).people}
    assert totals == {person.name: person.visual_s for person in times.people if person.name}

    assert cli_place.run("export", EP, "--out", str(cli_place.data / "out")).returncode == 0
    texts = ((cli_place.data / "out" / name).read_text() for name in ("screen_time.csv", "tracks.csv"))
    exported, boxes = (list(csv.DictReader(text.splitlines())) for text in texts)
    assert {row["person"]: float(row["visual_s"]) for row in exported} == {
        person.person_id: person.visual_s for person in times.people
    }
    season_rows = csv.DictReader(season.path("season_screen_time.csv").read_text().splitlines())
    assert {row["name"]: float(row[EP]) for row in season_rows} == totals
    assert {row["person"] for row in boxes} - {""} == {person.label for person in times.people}

    photo = str(next((photos / "Ann Onymous").iterdir()))
    (episode,) = json.loads(cli_place.run("find", photo, "--show", SHOW, "--json").said)["episodes"]
    found = intervals_of([tuple(span) for span in episode["intervals"]])
    # Somebody else's track may resemble the photo too; her own time is all there, to the millisecond.
    assert time_with_at_least(2, [found, intervals_of(ann.intervals)]) == pytest.approx(ann.visual_s, abs=1e-6)


def test_find_refuses_what_it_cannot_look_up(cli_place: Cli, stored: RunOutcome, photos: Path) -> None:
    assert stored.success
    for arguments, words in (
        (["bob/wall.png"], "no face"),
        (["bob/notes.txt"], "unreadable"),
        (["bob/gone.png"], "no such file"),
    ):
        outcome = cli_place.run("find", str(photos / arguments[0]))
        assert (outcome.returncode, "Traceback" in outcome.said) == (2, False)
        assert words in outcome.said
    photo = str(next((photos / "Ann Onymous").iterdir()))
    outcome = cli_place.run("find", photo, "--show", "other")
    assert outcome.returncode == 2
    assert "no episode of other is in the database" in outcome.said


def test_the_command_prints_every_photo_and_refuses_a_show_without_photos(
    cli_place: Cli, enrolled: RunOutcome, photos: Path
) -> None:
    assert enrolled.success
    outcome = cli_place.run("facebank", SHOW, "--photos", str(photos))
    assert outcome.returncode == 0, outcome.said
    assert "4 of 6 photos accepted" in outcome.said
    assert "│bob/notes.txt │refused │unreadable│" in outcome.said
    for show, words in (("empty", "empty has no photos"), (EP, "is an episode")):
        outcome = cli_place.run("facebank", show)
        assert outcome.returncode == 2
        assert words in outcome.said


@pytest.fixture
def no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that does not answer."""
    monkeypatch.setenv("SCREENALYTICS_DATABASE_URL", "postgresql://me:hunter2@127.0.0.1:1/faces")


@pytest.mark.usefixtures("no_database")
def test_without_a_database_people_are_enrolled_and_named_and_only_the_vectors_of_the_episode_fail(
    own_instance: dg.DagsterInstance, named: RunOutcome, photos: Path, store: ArtifactStore
) -> None:
    assert named.success
    enrolled_again = run_facebank(own_instance, SHOW, photos=photos, overrides={"photo_min_sharpness": 1.0})
    assert (enrolled_again.success, enrolled_again.computed) == (True, ["facebank"]), enrolled_again.failures
    assert any("`screenalytics database rebuild`" in warning for warning in enrolled_again.warnings)
    outcome = run_episode(own_instance, EP, overrides={"name_margin": 0.09, "min_cohesion": 0.1})
    (failure,) = outcome.failures
    assert "SCREENALYTICS_DATABASE_URL does not answer" in failure
    assert {"group_clusters", "screen_time", "episode_report"} <= set(outcome.computed)
    assert "episode_vectors" not in outcome.computed + outcome.reused
    people = require_artifact(store, "group_clusters", EP).document("identities.json", Identities)
    assert "Ann Onymous" in {identity.name for identity in people.identities}


def test_rebuilding_the_database_gives_what_the_runs_gave(
    cli_place: Cli, own_instance: dg.DagsterInstance, named: RunOutcome, photos: Path
) -> None:
    assert named.success
    assert run_facebank(own_instance, SHOW, photos=photos).success
    assert run_episode(own_instance, EP).success
    photo = str(next((photos / "Ann Onymous").iterdir()))
    with open_database() as database:
        record, digest = database.facebank(SHOW), database.episode_digest(EP)
        before = cli_place.run("find", photo, "--json").said
        database.remove_facebank(SHOW)
        database.remove_episode(EP)
        database.replace_facebank(
            "gone", version="1", model_digest="0" * 64, photo_ids=[], person_ids=[], vectors=np.empty((0, 512), "f4")
        )
        rebuilt = cli_place.run("database", "rebuild")
        assert rebuilt.returncode == 0, rebuilt.said
        assert f"facebank of {SHOW}: stored" in rebuilt.said
        assert f"1/1 {EP}: stored" in rebuilt.said
        assert "facebank of gone: removed" in rebuilt.said
        assert (database.facebank(SHOW), database.episode_digest(EP)) == (record, digest)
        assert database.stored_facebanks() == [SHOW]
    assert json.loads(cli_place.run("find", photo, "--json").said) == json.loads(before)
    again = cli_place.run("database", "rebuild")
    assert f"1/1 {EP}: was there" in again.said


def test_a_damaged_artifact_does_not_stop_the_rebuilding_of_the_others(
    cli_place: Cli, named: RunOutcome, store: ArtifactStore
) -> None:
    assert named.success
    vectors = require_artifact(store, "recluster", EP).path("tracks.npy")
    content = vectors.read_bytes()
    vectors.write_bytes(content[:-1])
    try:
        rebuilt = cli_place.run("database", "rebuild")
    finally:
        vectors.write_bytes(content)
    assert rebuilt.returncode == 1
    assert f"facebank of {SHOW}: " in rebuilt.said
    assert "tracks.npy" in rebuilt.said
    assert "Traceback" not in rebuilt.said
