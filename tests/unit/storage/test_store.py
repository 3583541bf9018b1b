"""What holds for artifacts in a folder and in a bucket alike."""

import hashlib
import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from resources.storage.artifacts import Artifact, checksum_of
from resources.storage.manifest import parse_manifest
from resources.storage.store import ArtifactStore, require_artifact
from screenalytics_assets.core.common.errors import ArtifactError, StorageError
from screenalytics_assets.core.common.layout import crop_path, crops_dir, file_path, manifest_path, video_dir
from screenalytics_assets.core.documents.identities import TrackIds
from tests.unit.builders import EP_ID, Seen, detections_table, faces_table, people, shots_table, tracks_table
from tests.unit.storage.store_sites import (
    ASSET,
    TABLE,
    Folder,
    InBucket,
    StoreSite,
    crop,
    publish,
    publish_nothing_but,
    write,
)


@pytest.fixture(params=["folder", "bucket"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> StoreSite:
    if request.param == "folder":
        return Folder(tmp_path / "data")
    return InBucket(request.getfixturevalue("bucket"))


@pytest.fixture
def store(site: StoreSite) -> ArtifactStore:
    return site.store


# Contract


def test_an_unknown_episode_is_refused_with_the_episodes_that_there_are(store: ArtifactStore) -> None:
    with pytest.raises(ArtifactError, match="there is no episode show-s09e09; published episodes are none"):
        require_artifact(store, "screen_time", "show-s09e09")
    with store.staging("episode_video", EP_ID) as staged:
        staged.write_json("video.json", {})
        publish_nothing_but(store, staged)
    with pytest.raises(ArtifactError, match=rf"no episode show-s09e09; published episodes are {EP_ID}\. Check the id"):
        require_artifact(store, "screen_time", "show-s09e09")
    with pytest.raises(ArtifactError, match=rf"^{EP_ID} has no screen_time: materialize screen_time first"):
        require_artifact(store, "screen_time", EP_ID)


def test_files_are_where_the_contract_says(site: StoreSite) -> None:
    publish(site.store, crops=1)
    assert set(site.files()) == site.named(
        f"manifests/{EP_ID}/faces.parquet",
        f"manifests/{EP_ID}/faces.jsonl",
        f"manifests/{EP_ID}/note.json",
        f"manifests/{EP_ID}/faces.manifest.json",
        f"embeds/{EP_ID}/faces.npy",
        f"frames/{EP_ID}/crops/track-00001/frame_000000.jpg",
    )


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("detections.parquet", "manifests"),
        ("identities.json", "manifests"),
        ("faces.npy", "embeds"),
        ("tracks.npy", "embeds"),
        ("track_ids.json", "embeds"),
        ("crops_debug.jsonl", "frames"),
        ("index.html", "reports"),
    ],
)
def test_the_place_of_a_file_is_that_of_the_contract(name: str, folder: str) -> None:
    assert file_path(EP_ID, name) == f"{folder}/{EP_ID}/{name}"


def test_videos_and_crops_lie_where_the_contract_says() -> None:
    assert video_dir(EP_ID) == f"videos/{EP_ID}"
    assert crop_path(EP_ID, "track-00001", 42) == f"frames/{EP_ID}/crops/track-00001/frame_000042.jpg"


@pytest.mark.parametrize("asset", ["split_tracks", "reembed", "recluster", "group_clusters"])
def test_the_cleanup_publishes_the_same_names_in_a_folder_beside_the_originals(asset: str) -> None:
    for name in ("tracks.parquet", "faces.npy", "identities.json", "crops_debug.jsonl"):
        assert file_path(EP_ID, name, asset) == f"cleaned/{EP_ID}/{name}"
    assert crop_path(EP_ID, "track-00001", 42, asset) == f"cleaned/{EP_ID}/crops/track-00001/frame_000042.jpg"


# Reading what was written


def test_a_published_artifact_is_read_as_it_was_written(site: StoreSite) -> None:
    publish(site.store)
    for reader in (site.store, site.another()):
        artifact = reader.open(ASSET, EP_ID)
        assert artifact is not None
        assert artifact.table("faces.parquet").equals(TABLE)
        assert artifact.table("faces.parquet", ["face_id"]).schema.names == ["face_id"]
        assert artifact.json("note.json") == {"note": "one"}
        np.testing.assert_array_equal(artifact.array("faces.npy"), people([3]))
        assert artifact.path_below_root(crop(1)).read_bytes() == b"jpeg 1 one"


@pytest.mark.parametrize(
    ("stem", "table"),
    [
        ("detections", detections_table([Seen(), Seen(3, yaw=None)])),
        ("tracks", tracks_table([[Seen(), Seen(3)], [Seen(9)]], split_reasons={1: "hard"})),
        ("faces", TABLE),
        ("shots", shots_table([(0, 9)])),
        ("detections", detections_table([])),
    ],
)
def test_tables_keep_schema_and_rows_and_so_does_their_jsonl_twin(
    stem: str, table: pa.Table, store: ArtifactStore
) -> None:
    with store.staging(ASSET, EP_ID) as staged:
        staged.write_table(stem, table)
        artifact = publish_nothing_but(store, staged)
    read = artifact.table(f"{stem}.parquet")
    assert read.schema.equals(table.schema)
    assert read.equals(table)
    lines = artifact.path(f"{stem}.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == table.to_pylist()


def test_a_number_that_json_does_not_know_is_refused(store: ArtifactStore) -> None:
    with store.staging(ASSET, EP_ID) as staged, pytest.raises(ValueError, match="JSON"):
        staged.write_json("note.json", {"note": float("nan")})


def test_a_document_is_read_as_what_was_written(store: ArtifactStore) -> None:
    document = TrackIds(track_ids=("track-00001", "track-00002"))
    with store.staging(ASSET, EP_ID) as staged:
        staged.write_document("track_ids.json", document)
        publish_nothing_but(store, staged)
    artifact = store.open(ASSET, EP_ID)
    assert artifact is not None
    assert artifact.document("track_ids.json", TrackIds) == document


@pytest.mark.parametrize(
    ("content", "problem"),
    [({"track_ids": ["a", 2]}, r"track_ids\.1: .*string"), ({"tracks": []}, "track_ids: Field required")],
)
def test_a_malformed_document_is_named_with_the_key_and_what_to_do(
    content: dict[str, Any], problem: str, store: ArtifactStore
) -> None:
    with store.staging(ASSET, EP_ID) as staged:
        staged.write_json("track_ids.json", content)
        publish_nothing_but(store, staged)
    artifact = store.open(ASSET, EP_ID)
    assert artifact is not None
    expected = rf"track_ids\.json is not a TrackIds document of this version.*{problem}.*--select {ASSET}"
    with pytest.raises(ArtifactError, match=expected):
        artifact.document("track_ids.json", TrackIds)


def test_pickled_arrays_are_neither_written_nor_read(store: ArtifactStore) -> None:
    with store.staging(ASSET, EP_ID) as staged, pytest.raises(ValueError, match="allow_pickle"):
        staged.write_array("faces.npy", np.array([{}], object))


def test_nothing_published_is_nothing_to_open(store: ArtifactStore) -> None:
    assert store.open(ASSET, EP_ID) is None
    assert store.manifest(ASSET, EP_ID) is None


def test_the_partitions_of_a_published_asset_are_listed(store: ArtifactStore) -> None:
    assert store.keys(ASSET) == []
    for key in (EP_ID, "another-s01e02", "another"):
        with store.staging(ASSET, key) as staged:
            write(staged, crops=0)
            publish_nothing_but(store, staged)
    assert store.keys(ASSET) == ["another", "another-s01e02", EP_ID]
    assert store.keys("tracks") == []


def test_the_members_of_a_bundle_are_listed_by_their_places(store: ArtifactStore) -> None:
    artifact = publish(store, crops=3)
    assert artifact.files_below(crops_dir(EP_ID)) == {crop(0), crop(1), crop(2)}
    assert artifact.files_below(f"{crops_dir(EP_ID)}/track-00002") == set()


def test_a_single_file_is_written_whole_and_replaced(site: StoreSite) -> None:
    place = "reports/show-s01/evaluation.csv"
    assert site.store.write(place, b"one") == site.store.location(place)
    site.store.write(place, b"two")
    assert set(site.files()) == site.named(place)
    assert site.read(place) == b"two"


# Manifest


def test_the_manifest_describes_every_file(site: StoreSite) -> None:
    manifest = publish(site.store, crops=0).manifest
    described = {file.path: file for file in manifest.files}
    assert site.named(*described) == set(site.files()) - site.named(manifest_path(ASSET, EP_ID))
    for path, file in described.items():
        assert file.bytes == len(site.read(path))
        assert file.sha256 == hashlib.sha256(site.read(path)).hexdigest()
    rows = {Path(path).name: file.rows for path, file in described.items()}
    assert rows == {"faces.parquet": 3, "faces.jsonl": 3, "faces.npy": 3, "note.json": None}
    assert manifest.rows("faces.npy") == 3
    assert manifest.has("note.json")
    assert not manifest.has("note")


def test_the_manifest_records_inputs_and_configuration(store: ArtifactStore) -> None:
    publish(store, fingerprint="a" * 64)
    manifest = store.manifest(ASSET, EP_ID)
    assert manifest is not None
    assert (manifest.asset, manifest.ep_id, manifest.fingerprint) == (ASSET, EP_ID, "a" * 64)
    assert (manifest.config, manifest.inputs) == ({"max_crops_per_track": 16}, {"tracks": "0" * 64})
    assert (manifest.code_version, manifest.metrics) == ("1", {"runtime_s": 1.5})


def test_rows_that_are_counted_by_the_stage_are_in_the_manifest(store: ArtifactStore) -> None:
    with store.staging(ASSET, EP_ID) as staged:
        staged.path("face_crops.parquet").write_bytes(b"crops")
        staged.count_rows("face_crops.parquet", 17)
        artifact = publish_nothing_but(store, staged)
    assert artifact.manifest.rows("face_crops.parquet") == 17


MANIFEST = manifest_path(ASSET, EP_ID)


def test_a_truncated_manifest_or_one_of_an_older_version_counts_as_none(site: StoreSite) -> None:
    publish(site.store)
    content = site.read(MANIFEST)
    site.put(MANIFEST, content[:-20])
    assert site.store.open(ASSET, EP_ID) is None
    older = json.loads(content)
    del older["metrics"]
    site.put(MANIFEST, json.dumps(older).encode())
    assert site.store.open(ASSET, EP_ID) is None
    publish(site.store)
    assert site.store.open(ASSET, EP_ID) is not None


@pytest.mark.parametrize("more", [{"version": 2}, {"codec": "zstd"}])
def test_what_a_newer_version_published_is_refused_and_not_overwritten(more: dict[str, Any], site: StoreSite) -> None:
    publish(site.store)
    site.put(MANIFEST, json.dumps(json.loads(site.read(MANIFEST)) | more).encode())
    before = site.files()
    for read in (site.store.open, site.store.manifest):
        with pytest.raises(ArtifactError, match=rf"faces\.manifest\.json: {next(iter(more))} .* newer version"):
            read(ASSET, EP_ID)
    with pytest.raises(ArtifactError, match="newer version"):
        publish(site.store, note="two")
    assert site.files() == before


FOREIGN_PLACES = [
    "../victim",
    "/etc/passwd",
    "",
    ".",
    "manifests",
    f"manifests/{EP_ID}",
    f"manifests/{EP_ID}/",
    f"manifests/{EP_ID}/..",
    f"manifests/{EP_ID}/../../victim",
    f"manifests//{EP_ID}/faces.npy",
    f"./manifests/{EP_ID}/faces.npy",
    f"manifests/{EP_ID}/a\\..\\b",
    f"manifests/{EP_ID}/a\0",
    f"manifests/{EP_ID}/tracks.manifest.json",
    "manifests/other-s01e01/faces.parquet",
    f"videos/{EP_ID}/episode.mp4",
    f"corrections/{EP_ID}.yaml",
    f"facebank/{EP_ID}/Sheldon Cooper",
    f"retired/{EP_ID}.json",
]


@pytest.mark.parametrize("place", FOREIGN_PLACES)
def test_a_manifest_that_lists_files_elsewhere_is_refused(place: str) -> None:
    with pytest.raises(ArtifactError, match=r"faces\.manifest\.json: .* is not a place .*delete this file"):
        parse_manifest(listing(place), "faces.manifest.json", ASSET, EP_ID)


def listing(*places: str) -> bytes:
    files = [{"path": place, "bytes": 8, "sha256": "0" * 64, "rows": None} for place in places]
    facts = {"asset": ASSET, "ep_id": EP_ID, "fingerprint": "", "content_digest": "", "code_version": "1"}
    return json.dumps({**facts, "config": {}, "inputs": {}, "metrics": {}, "files": files}).encode()


def test_nothing_outside_of_the_episode_is_deleted(site: StoreSite, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"not ours")
    site.put(f"videos/{EP_ID}/episode.mp4", b"not an artifact")
    site.put(MANIFEST, listing("../victim", str(victim), f"videos/{EP_ID}/episode.mp4"))
    before = site.files()
    with pytest.raises(ArtifactError, match="is not a place of a published file"):
        publish(site.store)
    assert site.files() == before
    assert victim.read_bytes() == b"not ours"


def test_a_manifest_of_another_artifact_is_refused(site: StoreSite) -> None:
    publish(site.store)
    site.put(manifest_path("tracks", EP_ID), site.read(MANIFEST))
    with pytest.raises(ArtifactError, match=rf"it is of faces of {EP_ID}, expected tracks of {EP_ID}"):
        site.store.manifest("tracks", EP_ID)


# Digests


def test_publishing_the_same_twice_gives_the_same_bytes(site: StoreSite) -> None:
    first = publish(site.store).manifest
    before = site.files()
    assert publish(site.store).manifest == first
    assert site.files() == before


def test_a_folder_and_a_bucket_hold_the_same_bytes_by_the_same_names(tmp_path: Path, site: StoreSite) -> None:
    folder = Folder(tmp_path / "other")
    publish(folder.store)
    publish(site.store)
    assert set(site.files()) == site.named(*folder.files())
    assert {path: site.read(path) for path in folder.files()} == folder.files()


def test_the_content_digest_ignores_jsonl_twins_and_metrics_of_the_run(site: StoreSite) -> None:
    with_twins = publish(site.store).manifest
    without = publish(site.store, write_jsonl=False, fingerprint="b" * 64).manifest
    assert with_twins.content_digest == without.content_digest
    assert not site.named(file_path(EP_ID, "faces.jsonl")) & set(site.files())


def test_the_content_digest_changes_with_any_other_content(store: ArtifactStore) -> None:
    contents: list[dict[str, Any]] = [{}, {"note": "two"}, {"crops": 1}, {"table": TABLE[:2]}]
    digests = {publish(store, **content).manifest.content_digest for content in contents}
    assert len(digests) == len(contents)


# Whole or not at all


def test_nothing_is_visible_before_publication(site: StoreSite) -> None:
    with site.store.staging(ASSET, EP_ID) as staged:
        write(staged)
        assert site.store.open(ASSET, EP_ID) is None
        assert [name for name in site.files() if not name.startswith(".staging/")] == []


def test_what_was_not_published_is_deleted(site: StoreSite) -> None:
    with site.store.staging(ASSET, EP_ID) as staged:
        write(staged)
    assert site.files() == {}
    assert not site.workspace.exists()


def test_a_failure_while_writing_leaves_the_earlier_artifact_as_it_was(site: StoreSite) -> None:
    publish(site.store)
    before = site.files()

    def fail_half_way() -> None:
        with site.store.staging(ASSET, EP_ID) as staged:
            write(staged, note="two", crops=5)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    assert site.files() == before
    assert not site.workspace.exists()
    assert site.store.open(ASSET, EP_ID) is not None


def change_after(changes: int, site: StoreSite, patch: pytest.MonkeyPatch, then: Callable[[], None]) -> None:
    """Let a number of changes to the store happen, and do something else instead of the next one."""
    owner: Any = Path if isinstance(site, Folder) else site.store._bucket._client  # type: ignore[attr-defined]
    done: list[str] = []
    for name in ("replace", "unlink") if isinstance(site, Folder) else ("put_object", "delete_objects"):
        real = getattr(owner, name)

        def change(*arguments: Any, real: Any = real, name: str = name, **named: Any) -> Any:
            if len(done) == changes:
                then()
            done.append(name)
            return real(*arguments, **named)

        patch.setattr(owner, name, change)


LONGER = {"note": "two", "table": faces_table([0, 0, 1], [0.6, 0.7, 0.9]), "crops": 1}
"""Another content of the artifact, its JSON document as long as before."""


@pytest.mark.parametrize("changes", range(8))
def test_a_failure_while_publishing_never_leaves_a_mixture_that_can_be_opened(
    changes: int, site: StoreSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = publish(site.store, crops=3).manifest

    def fail() -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        change_after(changes, site, patch, fail)
        try:
            publish(site.store, **LONGER)
        except OSError:
            pass
        else:
            assert changes > 4, "the failure never came"
    reader = site.another()
    manifest = reader.manifest(ASSET, EP_ID)
    assert manifest is None or manifest != first or changes == 0 or not reader.is_intact(manifest)
    assert manifest is None or reader.is_intact(manifest) or changes < 3
    publish(site.store, **LONGER)
    assert set(site.files()) == site.named(
        *(file_path(EP_ID, name) for name in ("faces.parquet", "faces.jsonl", "note.json", "faces.npy")),
        crop(0),
        manifest_path(ASSET, EP_ID),
    )


def publish_until_killed(site: StoreSite, changes: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        change_after(changes, site, patch, lambda: os.kill(os.getpid(), signal.SIGKILL))
        publish(site.store, **LONGER)


@pytest.mark.parametrize("changes", [3])
def test_a_process_killed_while_publishing_leaves_nothing_that_can_be_opened(changes: int, site: StoreSite) -> None:
    publish(site.store)
    # Threads of this process, among them the one that serves the bucket, do not exist in a forked one.
    process = multiprocessing.get_context("spawn").Process(target=publish_until_killed, args=(site, changes))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert site.another().open(ASSET, EP_ID) is None
    publish(site.store, **LONGER)
    assert not site.workspace.exists()
    artifact = site.another().open(ASSET, EP_ID)
    assert artifact is not None
    assert artifact.json("note.json") == {"note": "two"}


def test_two_processes_that_publish_at_once_leave_no_mixture(site: StoreSite) -> None:
    contents: list[dict[str, Any]] = [{"note": "one", "crops": 3}, LONGER]
    expected = [publish(site.store, **content).manifest.content_digest for content in contents]

    def publish_often(index: int) -> int:
        store, refused = site.another(), 0
        for _ in range(4):
            try:
                publish(store, **contents[index])
            except StorageError as error:
                assert "another run is publishing faces" in str(error)  # noqa: PT017 - either outcome is right
                refused += 1
        return refused

    with ThreadPoolExecutor(2) as pool:
        refused = sum(pool.map(publish_often, range(2)))
    manifest = site.another().manifest(ASSET, EP_ID)
    if isinstance(site, Folder):
        assert refused == 0
        assert manifest is not None
    if manifest is not None:
        assert manifest.content_digest in expected
        assert site.another().is_intact(manifest)
    assert publish(site.store, **LONGER).manifest.content_digest == expected[1]


def test_files_of_the_earlier_publication_that_are_no_longer_part_of_it_are_removed(site: StoreSite) -> None:
    with site.store.staging(ASSET, EP_ID) as staged:
        for name in ("note.json", "other.json"):
            staged.write_json(name, {})
        publish_nothing_but(site.store, staged)
    site.put(f"manifests/{EP_ID}/note of a person.txt", b"mine")
    with site.store.staging(ASSET, EP_ID) as staged:
        staged.write_json("note.json", {})
        publish_nothing_but(site.store, staged)
    names = ("note.json", "note of a person.txt", "faces.manifest.json")
    assert set(site.files()) == site.named(*(f"manifests/{EP_ID}/{name}" for name in names))


def test_artifacts_of_one_episode_do_not_touch_each_other(store: ArtifactStore) -> None:
    publish(store)
    with store.staging("other", EP_ID) as staged:
        staged.write_json("other.json", {})
        publish_nothing_but(store, staged)
    artifact = store.open(ASSET, EP_ID)
    assert artifact is not None
    assert store.is_intact(artifact.manifest)


def test_two_assets_can_be_staged_at_once(store: ArtifactStore) -> None:
    with store.staging("detections", EP_ID) as first, store.staging("face_crops", EP_ID) as second:
        first.write_json("first.json", {})
        second.write_json("second.json", {})
        for staged in (first, second):
            publish_nothing_but(store, staged)
    for asset, name in (("detections", "first.json"), ("face_crops", "second.json")):
        manifest = store.manifest(asset, EP_ID)
        assert manifest is not None
        assert [Path(file.path).name for file in manifest.files] == [name]


# Damage


@pytest.mark.parametrize("name", ["faces.parquet", "faces.jsonl", "faces.npy", "note.json"])
def test_a_missing_file_is_named_with_what_to_do(name: str, site: StoreSite) -> None:
    artifact = publish(site.store)
    site.delete(file_path(EP_ID, name))
    with pytest.raises(ArtifactError, match=rf"faces of {EP_ID} is damaged: .*{name} is missing.*--select faces"):
        site.store.open(ASSET, EP_ID)
    assert not site.store.is_intact(artifact.manifest)


def test_a_bundle_that_is_gone_is_noticed(site: StoreSite) -> None:
    artifact = publish(site.store, crops=1)
    if isinstance(site, Folder):
        (site.root / crop(0)).parent.rename(site.root / "elsewhere")
        (site.root / crops_dir(EP_ID)).rmdir()
    else:
        site.delete(crop(0))
    with pytest.raises(ArtifactError, match=rf"{site.store.location(crops_dir(EP_ID))} is missing"):
        site.store.open(ASSET, EP_ID)
    assert not site.store.is_intact(artifact.manifest)


def test_a_truncated_file_is_named_with_both_sizes(site: StoreSite) -> None:
    publish(site.store)
    content = site.read(file_path(EP_ID, "faces.npy"))
    site.put(file_path(EP_ID, "faces.npy"), content[:-1])
    message = rf"faces\.npy has {len(content) - 1} bytes instead of {len(content)}"
    with pytest.raises(ArtifactError, match=message):
        site.store.open(ASSET, EP_ID)


READS: dict[str, Callable[[Artifact], object]] = {
    "faces.npy": lambda artifact: artifact.array("faces.npy"),
    "faces.parquet": lambda artifact: artifact.table("faces.parquet"),
    "note.json": lambda artifact: artifact.json("note.json"),
}


@pytest.mark.parametrize("name", READS)
def test_a_file_with_another_content_of_the_same_size_is_never_read(name: str, site: StoreSite) -> None:
    publish(site.store)
    content = site.read(file_path(EP_ID, name))
    site.put(file_path(EP_ID, name), content[:-3] + bytes([content[-3] ^ 1]) + content[-2:])
    artifact = site.another().open(ASSET, EP_ID)
    assert artifact is not None
    with pytest.raises(ArtifactError, match=rf"faces of {EP_ID} is damaged: .*{name} .*--select faces --force"):
        READS[name](artifact)


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("faces.npy", lambda artifact: artifact.array("faces.npy")),
        ("faces.parquet", lambda artifact: artifact.table("faces.parquet")),
        ("note.json", lambda artifact: artifact.document("note.json", TrackIds)),
    ],
)
@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\x01\x00v", b"PAR1 and no table PAR1", b"\xff\xfe{"])
def test_a_file_that_cannot_be_read_as_its_kind_is_named_with_what_to_do(
    content: bytes, name: str, read: Callable[[Artifact], object], store: ArtifactStore
) -> None:
    with store.staging(ASSET, EP_ID) as staged:
        staged.path(name).write_bytes(content)
        artifact = publish_nothing_but(store, staged)
    with pytest.raises(ArtifactError, match=rf"faces of {EP_ID} is damaged: .*{name} .*--select faces --force"):
        read(artifact)


@pytest.mark.parametrize(
    ("asset", "key", "command"),
    [
        ("faces", EP_ID, f"screenalytics run --ep-id {EP_ID} --select faces --force"),
        ("facebank", "show", "screenalytics facebank show --force"),
        ("season_screen_time", "show-s01", "screenalytics season report show-s01 --force"),
    ],
)
def test_the_advice_names_the_command_that_makes_the_artifact(
    asset: str, key: str, command: str, store: ArtifactStore
) -> None:
    with store.staging(asset, key) as staged:
        staged.path("faces.npy").write_bytes(b"")
        artifact = publish_nothing_but(store, staged)
    with pytest.raises(ArtifactError, match=f"run: {command}$"):
        artifact.array("faces.npy")


@pytest.mark.parametrize("place", [file_path(EP_ID, "faces.npy"), file_path(EP_ID, "faces.jsonl"), crop(1)])
def test_a_flipped_byte_is_noticed(place: str, site: StoreSite) -> None:
    artifact = publish(site.store)
    assert site.store.is_intact(artifact.manifest)
    content = bytearray(site.read(place))
    content[-1] ^= 1
    site.put(place, bytes(content))
    assert not site.store.is_intact(artifact.manifest)


def test_a_file_that_another_program_rewrites_unchanged_stays_intact(site: StoreSite) -> None:
    artifact = publish(site.store)
    for place in (manifest_path(ASSET, EP_ID), file_path(EP_ID, "faces.npy"), crop(0)):
        site.put(place, site.read(place))
    assert site.store.is_intact(artifact.manifest)


def test_a_bundle_of_small_files_is_published_and_replaced_as_one(site: StoreSite) -> None:
    def publish_named(names: list[str]) -> Any:
        with site.store.staging(ASSET, EP_ID) as staged:
            folder = staged.bundle(crops_dir(EP_ID))
            for name in names:
                (folder / name).parent.mkdir(exist_ok=True)
                (folder / name).write_text(name)
            expected = checksum_of(folder)
            return publish_nothing_but(site.store, staged), expected

    first, checksum = publish_named(["a/1.jpg", "a/2.jpg", "b/1.jpg"])
    (entry,) = first.manifest.files
    assert (entry.path, entry.rows, entry.bytes, entry.sha256) == (crops_dir(EP_ID), 3, 21, checksum)
    assert site.store.is_intact(first.manifest)

    second, _ = publish_named(["a/2.jpg"])
    assert set(site.files()) == site.named(f"{crops_dir(EP_ID)}/a/2.jpg", manifest_path(ASSET, EP_ID))
    assert site.store.is_intact(second.manifest)
    assert second.manifest.content_digest != first.manifest.content_digest

    site.put(f"{crops_dir(EP_ID)}/a/3.jpg", b"one too many")
    assert not site.store.is_intact(second.manifest)


# Files that belong to no artifact


def test_a_file_outside_of_artifacts_is_written_read_and_removed(site: StoreSite) -> None:
    place = f"corrections/{EP_ID}.yaml"
    assert site.store.read(place) is None
    assert site.store.write(place, b"one") == site.store.location(place)
    site.store.write(place, b"two")
    assert site.another().read(place) == b"two"
    assert set(site.files()) == site.named(place)
    site.store.remove(place)
    site.store.remove(place)
    assert site.files() == {}


def test_everything_of_an_episode_is_found_and_removed_and_nothing_of_another(site: StoreSite) -> None:
    publish(site.store)
    others = [
        f"{kind}/{ep_id}/a.bin"
        for kind in ("videos", "frames", "exports", "reports", "cleaned")
        for ep_id in (f"{EP_ID}0", EP_ID[:-3])
    ]
    for place in (
        *others,
        f"{video_dir(EP_ID)}/episode.mp4",
        f"exports/{EP_ID}/tracks.csv",
        f"cleaned/{EP_ID}/a/b.jpg",
    ):
        site.put(place, b"content")
    found = site.store.files_of(EP_ID)
    assert len(found) == len(site.files()) - len(others)
    assert site.store.location(f"{video_dir(EP_ID)}/episode.mp4") in found
    site.store.remove_files_of(EP_ID)
    assert site.store.files_of(EP_ID) == []
    assert set(site.files()) == site.named(*others)
