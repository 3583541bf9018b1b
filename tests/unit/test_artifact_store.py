import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from resources.artifact_store import Artifact, ArtifactStoreResource, LocalArtifactStore, StagedArtifact
from screenalytics_assets.core import schemas
from screenalytics_assets.core.errors import ArtifactError
from screenalytics_assets.core.layout import crop_path, file_path, manifest_path, video_dir
from tests.unit.builders import EP_ID, Seen, detections_table, faces_table, people, shots_table, tracks_table

ASSET = "faces"
TABLE = faces_table([0, 0, 1], [0.5, 0.7, 0.9])


@pytest.fixture
def store(tmp_path: Path) -> LocalArtifactStore:
    return LocalArtifactStore(tmp_path / "data")


def write(staged: StagedArtifact, *, crops: int = 2, note: str = "one", table: pa.Table = TABLE) -> None:
    staged.write_table("faces", table)
    staged.write_array("faces.npy", people([table.num_rows]))
    staged.write_json("note.json", {"note": note})
    for frame in range(crops):
        staged.path_below_root(crop_path(EP_ID, "track-00001", frame)).write_bytes(b"jpeg %d" % frame)


def publish(
    store: LocalArtifactStore, *, write_jsonl: bool = True, fingerprint: str = "f" * 64, **content: Any
) -> Artifact:
    with store.staging(ASSET, EP_ID, write_jsonl=write_jsonl) as staged:
        write(staged, **content)
        return store.publish(
            staged,
            fingerprint=fingerprint,
            code_version="1",
            config={"max_crops_per_track": 16},
            inputs={"tracks": "0" * 64},
            metrics={"runtime_s": 1.5},
        )


def files_below(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# Contract


def test_files_lie_where_other_programs_look_for_them(store: LocalArtifactStore) -> None:
    publish(store, crops=1)
    assert set(files_below(store.root)) == {
        f"manifests/{EP_ID}/faces.parquet",
        f"manifests/{EP_ID}/faces.jsonl",
        f"manifests/{EP_ID}/note.json",
        f"manifests/{EP_ID}/faces.manifest.json",
        f"embeds/{EP_ID}/faces.npy",
        f"frames/{EP_ID}/crops/track-00001/frame_000000.jpg",
    }


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


# Reading what was written


def test_what_was_published_is_read_as_it_was_written(store: LocalArtifactStore) -> None:
    publish(store)
    artifact = store.open(ASSET, EP_ID)
    assert artifact is not None
    assert artifact.table("faces.parquet").equals(TABLE)
    assert artifact.table("faces.parquet", ["face_id"]).schema.names == ["face_id"]
    assert artifact.json("note.json") == {"note": "one"}
    np.testing.assert_array_equal(artifact.array("faces.npy"), people([3]))


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
def test_tables_keep_schema_and_rows_and_their_twin_has_the_same(
    stem: str, table: pa.Table, store: LocalArtifactStore
) -> None:
    with store.staging(ASSET, EP_ID) as staged:
        staged.write_table(stem, table)
        artifact = store.publish(staged, fingerprint="", code_version="", config={}, inputs={}, metrics={})
    read = artifact.table(f"{stem}.parquet")
    assert read.schema.equals(table.schema)
    assert read.equals(table)
    lines = artifact.path(f"{stem}.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == table.to_pylist()


def test_a_table_comes_back_unchanged_below_a_folder_whose_name_has_an_equals_sign(tmp_path: Path) -> None:
    artifact = publish(LocalArtifactStore(tmp_path / "season=5"))
    assert artifact.table("faces.parquet").schema.equals(schemas.FACES)


def test_a_number_that_json_does_not_know_is_refused(store: LocalArtifactStore) -> None:
    with store.staging(ASSET, EP_ID) as staged, pytest.raises(ValueError, match="JSON"):
        staged.write_json("note.json", {"note": float("nan")})


def test_pickled_arrays_are_neither_written_nor_read(store: LocalArtifactStore) -> None:
    with store.staging(ASSET, EP_ID) as staged, pytest.raises(ValueError, match="allow_pickle"):
        staged.write_array("faces.npy", np.array([{}], object))


def test_nothing_published_is_nothing_to_open(store: LocalArtifactStore) -> None:
    assert store.open(ASSET, EP_ID) is None
    assert store.manifest(ASSET, EP_ID) is None


# Manifest


def test_the_manifest_describes_every_file(store: LocalArtifactStore) -> None:
    manifest = publish(store, crops=1).manifest
    described = {file.path: file for file in manifest.files}
    on_disk = files_below(store.root)
    assert set(described) == set(on_disk) - {manifest_path(ASSET, EP_ID)}
    for path, file in described.items():
        assert file.bytes == len(on_disk[path])
        assert file.sha256 == hashlib.sha256(on_disk[path]).hexdigest()
    rows = {Path(path).name: file.rows for path, file in described.items()}
    assert rows == {
        "faces.parquet": 3,
        "faces.jsonl": 3,
        "faces.npy": 3,
        "note.json": None,
        "frame_000000.jpg": None,
    }
    assert manifest.rows("faces.npy") == 3


def test_the_manifest_says_from_what_and_how_it_was_made(store: LocalArtifactStore) -> None:
    publish(store, fingerprint="a" * 64)
    manifest = store.manifest(ASSET, EP_ID)
    assert manifest is not None
    assert (manifest.asset, manifest.ep_id, manifest.fingerprint) == (ASSET, EP_ID, "a" * 64)
    assert (manifest.config, manifest.inputs) == ({"max_crops_per_track": 16}, {"tracks": "0" * 64})
    assert (manifest.code_version, manifest.metrics) == ("1", {"runtime_s": 1.5})


def test_rows_that_are_counted_elsewhere_stand_in_the_manifest(store: LocalArtifactStore) -> None:
    with store.staging(ASSET, EP_ID) as staged:
        staged.path("face_crops.parquet").write_bytes(b"crops")
        staged.count_rows("face_crops.parquet", 17)
        artifact = store.publish(staged, fingerprint="", code_version="", config={}, inputs={}, metrics={})
    assert artifact.manifest.rows("face_crops.parquet") == 17


def test_a_manifest_of_another_version_or_cut_short_counts_as_none(store: LocalArtifactStore) -> None:
    publish(store)
    path = store.root / manifest_path(ASSET, EP_ID)
    content = path.read_bytes()
    path.write_bytes(content[:-20])
    assert store.open(ASSET, EP_ID) is None
    path.write_text(json.dumps(json.loads(content) | {"more": 1}), encoding="utf-8")
    assert store.open(ASSET, EP_ID) is None


# Digests


def test_publishing_the_same_twice_gives_the_same_bytes(store: LocalArtifactStore) -> None:
    first = publish(store).manifest
    before = files_below(store.root)
    assert publish(store).manifest == first
    assert files_below(store.root) == before


def test_the_content_digest_ignores_the_twins_and_figures_of_the_run(store: LocalArtifactStore) -> None:
    with_twins = publish(store).manifest
    without = publish(store, write_jsonl=False, fingerprint="b" * 64).manifest
    assert with_twins.content_digest == without.content_digest
    assert not store.root.joinpath(file_path(EP_ID, "faces.jsonl")).exists()


def test_the_content_digest_changes_with_any_other_content(store: LocalArtifactStore) -> None:
    contents: list[dict[str, Any]] = [{}, {"note": "two"}, {"crops": 1}, {"table": TABLE[:2]}]
    digests = {publish(store, **content).manifest.content_digest for content in contents}
    assert len(digests) == len(contents)


# Whole or not at all


def test_nothing_is_visible_before_publication(store: LocalArtifactStore) -> None:
    with store.staging(ASSET, EP_ID) as staged:
        write(staged)
        assert store.open(ASSET, EP_ID) is None
        assert {path.name for path in store.root.iterdir()} == {".staging"}


def test_what_was_not_published_is_gone(store: LocalArtifactStore) -> None:
    with store.staging(ASSET, EP_ID) as staged:
        write(staged)
    assert list(store.root.iterdir()) == []


def test_a_failure_while_writing_leaves_the_earlier_artifact_as_it_was(store: LocalArtifactStore) -> None:
    publish(store)
    before = files_below(store.root)

    def fail_half_way() -> None:
        with store.staging(ASSET, EP_ID) as staged:
            write(staged, note="two", crops=5)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    assert files_below(store.root) == before
    assert not (store.root / ".staging").exists()
    assert store.open(ASSET, EP_ID) is not None


@pytest.mark.parametrize("moves_before_the_failure", range(6))
def test_a_failure_while_publishing_never_leaves_a_mixture_that_can_be_opened(
    moves_before_the_failure: int, store: LocalArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(store, note="one")  # as long as the other one
    replace = Path.replace
    moved: list[Path] = []

    def fail_after_some(self: Path, target: Path) -> Path:
        if len(moved) == moves_before_the_failure:
            raise OSError("no space left on device")
        moved.append(target)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fail_after_some)
    with pytest.raises(OSError, match="no space"):
        publish(store, note="two", table=faces_table([0, 0, 1], [0.6, 0.7, 0.9]), crops=1)
    monkeypatch.undo()
    manifest = store.manifest(ASSET, EP_ID)
    assert manifest is None or store.is_intact(manifest)
    assert not (store.root / ".staging").exists()
    publish(store, note="two", crops=1)
    assert set(files_below(store.root)) == {
        *(file_path(EP_ID, name) for name in ("faces.parquet", "faces.jsonl", "note.json", "faces.npy")),
        crop_path(EP_ID, "track-00001", 0),
        manifest_path(ASSET, EP_ID),
    }


def test_files_of_the_earlier_publication_that_are_no_longer_part_of_it_are_removed(store: LocalArtifactStore) -> None:
    publish(store, crops=3)
    other = store.root / "frames" / EP_ID / "crops" / "track-00001" / "note of a person.txt"
    other.write_text("mine")
    publish(store, crops=1)
    crops = {path.name for path in other.parent.iterdir()}
    assert crops == {"frame_000000.jpg", other.name}


def test_a_folder_that_is_left_without_files_is_removed(store: LocalArtifactStore) -> None:
    publish(store, crops=3)
    publish(store, crops=0)
    assert not (store.root / "frames" / EP_ID / "crops" / "track-00001").exists()


def test_artifacts_of_one_episode_do_not_touch_each_other(store: LocalArtifactStore) -> None:
    publish(store)
    with store.staging("other", EP_ID) as staged:
        staged.write_json("other.json", {})
        store.publish(staged, fingerprint="", code_version="", config={}, inputs={}, metrics={})
    artifact = store.open(ASSET, EP_ID)
    assert artifact is not None
    assert store.is_intact(artifact.manifest)


def test_two_assets_can_be_staged_at_once(store: LocalArtifactStore) -> None:
    with store.staging("detections", EP_ID) as first, store.staging("face_crops", EP_ID) as second:
        first.write_json("first.json", {})
        second.write_json("second.json", {})
        for staged in (first, second):
            store.publish(staged, fingerprint="", code_version="", config={}, inputs={}, metrics={})
    for asset, name in (("detections", "first.json"), ("face_crops", "second.json")):
        manifest = store.manifest(asset, EP_ID)
        assert manifest is not None
        assert [Path(file.path).name for file in manifest.files] == [name]


def dead_pid() -> int:
    finished = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    return int(finished.stdout)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="whether a process lives is told from /proc")
def test_staging_of_dead_processes_is_removed_and_that_of_living_ones_kept(store: LocalArtifactStore) -> None:
    episode = store.root / ".staging" / EP_ID
    abandoned, alive = episode / f"tracks.{dead_pid()}", episode / f"tracks.{os.getppid()}"
    for folder in (abandoned, alive):
        folder.mkdir(parents=True)
        (folder / "half.parquet").write_bytes(b"half")
    with store.staging(ASSET, EP_ID):
        assert not abandoned.exists()
        assert alive.exists()
    assert (alive / "half.parquet").exists()


# Damage


@pytest.mark.parametrize("name", ["faces.parquet", "faces.jsonl", "faces.npy", "note.json"])
def test_a_missing_file_is_named_with_what_to_do(name: str, store: LocalArtifactStore) -> None:
    artifact = publish(store)
    artifact.path(name).unlink()
    with pytest.raises(ArtifactError, match=rf"faces of {EP_ID} is damaged: .*{name} is missing.*--select faces"):
        store.open(ASSET, EP_ID)
    assert not store.is_intact(artifact.manifest)


def test_a_truncated_file_is_named_with_both_sizes(store: LocalArtifactStore) -> None:
    artifact = publish(store)
    path = artifact.path("faces.npy")
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ArtifactError, match=rf"faces\.npy has {size - 1} bytes instead of {size}"):
        store.open(ASSET, EP_ID)


def test_a_flipped_byte_is_noticed(store: LocalArtifactStore) -> None:
    artifact = publish(store)
    assert store.is_intact(artifact.manifest)
    path = artifact.path("faces.npy")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert not store.is_intact(artifact.manifest)


# Resource


def test_the_resource_takes_the_data_root_of_the_environment_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCREENALYTICS_DATA_ROOT", str(tmp_path / "data"))
    assert ArtifactStoreResource().store().location("a") == str(tmp_path / "data" / "a")
    assert ArtifactStoreResource(root=str(tmp_path / "own")).store().location("a") == str(tmp_path / "own" / "a")


def test_a_bundle_of_small_files_is_published_and_replaced_as_one(tmp_path: Path) -> None:
    store = LocalArtifactStore(tmp_path)

    def publish(names: list[str]) -> Artifact:
        with store.staging("faces", EP_ID) as staged:
            folder = staged.bundle("frames/x/crops")
            for name in names:
                (folder / name).parent.mkdir(exist_ok=True)
                (folder / name).write_text(name)
            return store.publish(staged, fingerprint="f", code_version="1", config={}, inputs={}, metrics={})

    first = publish(["a/1.jpg", "a/2.jpg", "b/1.jpg"])
    (entry,) = first.manifest.files
    assert (entry.path, entry.rows, entry.bytes) == ("frames/x/crops", 3, 21)
    assert store.is_intact(first.manifest)

    second = publish(["a/2.jpg"])
    assert sorted(path.name for path in (tmp_path / "frames/x/crops").rglob("*.jpg")) == ["2.jpg"]
    assert store.is_intact(second.manifest)
    assert second.manifest.content_digest != first.manifest.content_digest

    (tmp_path / "frames/x/crops/a/2.jpg").write_text("torn")
    assert not store.is_intact(second.manifest)
