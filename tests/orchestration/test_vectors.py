"""Facebank, episode vectors and find: the real graph on rendered footage, with a real embedded server."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import dagster as dg
import numpy as np
import pytest

from resources.artifact_store import ArtifactStoreResource
from resources.database.access import open_database
from resources.models.packs import ModelPack
from resources.storage.crop_file import decode_jpeg, read_crops
from resources.storage.store import ArtifactStore
from resources.videos import VideoLibraryResource
from screenalytics_assets.core.evaluation.truth import TruthDocument
from screenalytics_assets.services.instance import open_instance
from screenalytics_assets.services.runs import RunOutcome, run_episode, run_facebank
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
    """Two crops of each of two people of the episode, a photo of nobody, and a file that is no picture."""
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
        assert database.facebank_names(SHOW) == {"ann-onymous": "Ann Onymous", "bob": "Bob"}


def test_tracks_of_the_episode_resemble_the_photos_of_their_person(
    enrolled: RunOutcome, stored: RunOutcome, store: ArtifactStore
) -> None:
    assert enrolled.success
    assert stored.success
    identities, facebank = store.open("identities", EP), store.open("facebank", SHOW)
    assert identities
    assert facebank
    with open_database() as database:
        found = database.facebank_similarities(
            SHOW,
            facebank.json("facebank.json")["model_digest"],
            identities.json("track_ids.json")["track_ids"],
            identities.array("tracks.npy"),
        )
    best = max(found.to_pylist(), key=lambda row: row["similarity"])
    assert best["similarity"] > 0.6
    assert found.num_rows == 4 * len(identities.json("track_ids.json")["track_ids"])


def test_photos_that_did_not_change_are_not_looked_at_again_and_a_lost_facebank_is_made_again(
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


def test_find_tells_when_a_face_appears_and_who_it_is_with_pictures(
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
    assert "bob/notes.txt │ refused │ unreadable" in outcome.said
    for show, words in (("empty", "empty has no photos"), (EP, "is an episode")):
        outcome = cli_place.run("facebank", show)
        assert outcome.returncode == 2
        assert words in outcome.said


def test_with_a_facebank_and_no_database_the_names_fail_and_what_does_not_need_them_is_there(
    own_instance: dg.DagsterInstance, named: RunOutcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert named.success
    monkeypatch.setenv("SCREENALYTICS_DATABASE_URL", "postgresql://me:hunter2@127.0.0.1:1/faces")
    outcome = run_episode(own_instance, EP, overrides={"name_margin": 0.3, "min_cohesion": 0.1})
    assert not outcome.success
    (failure,) = outcome.failures
    assert "SCREENALYTICS_DATABASE_URL does not answer" in failure
    assert {"identities", "recluster", "track_metrics"} <= set(outcome.computed + outcome.reused)
    assert not {"group_clusters", "episode_vectors"} & set(outcome.computed + outcome.reused)
