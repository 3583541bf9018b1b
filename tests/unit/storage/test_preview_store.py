from pathlib import Path

from resources.artifact_store import PreviewStoreResource
from resources.storage.local_store import LocalArtifactStore
from resources.storage.preview_store import PreviewStore
from resources.storage.store import ArtifactStore
from tests.unit.builders import EP_ID, Seen, tracks_table


def publish(store: ArtifactStore, asset: str, tracks: int) -> None:
    with store.staging(asset, EP_ID) as staged:
        staged.write_table("tracks", tracks_table([[Seen(frame)] for frame in range(tracks)]))
        store.publish(staged, fingerprint=f"{tracks}", code_version="1", config={}, inputs={}, metrics={})


def rows(store: ArtifactStore, asset: str) -> int:
    artifact = store.open(asset, EP_ID)
    assert artifact is not None
    assert store.is_intact(artifact.manifest)
    assert store.artifact(artifact.manifest).table("tracks.parquet").num_rows == artifact.manifest.rows(
        "tracks.parquet"
    )
    return int(artifact.table("tracks.parquet").num_rows)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_preview_shows_what_is_published_until_it_has_an_asset_of_its_own(tmp_path: Path) -> None:
    published = LocalArtifactStore(tmp_path / "published")
    publish(published, "split_tracks", 2)
    preview = PreviewStore(published, tmp_path / "preview")
    before = files(tmp_path / "published")
    assert rows(preview, "split_tracks") == 2
    publish(preview, "split_tracks", 3)
    publish(preview, "tracks", 4)
    assert (rows(preview, "split_tracks"), rows(preview, "tracks")) == (3, 4)
    assert files(tmp_path / "published") == before
    assert published.open("tracks", EP_ID) is None


def test_an_asset_in_neither_store_is_none(tmp_path: Path) -> None:
    preview = PreviewStore(LocalArtifactStore(tmp_path / "published"), tmp_path / "preview")
    assert preview.manifest("tracks", EP_ID) is None
    assert preview.open("tracks", EP_ID) is None


def test_damage_to_what_is_published_is_seen_through_the_preview(tmp_path: Path) -> None:
    published = LocalArtifactStore(tmp_path / "published")
    publish(published, "tracks", 2)
    preview = PreviewStore(published, tmp_path / "preview")
    manifest = preview.manifest("tracks", EP_ID)
    assert manifest is not None
    (tmp_path / "published" / manifest.files[0].path).write_bytes(b"")
    assert not preview.is_intact(manifest)


def test_the_resource_previews_over_its_own_root(tmp_path: Path) -> None:
    publish(LocalArtifactStore(tmp_path / "published"), "tracks", 2)
    resource = PreviewStoreResource(root=str(tmp_path / "published"), folder=str(tmp_path / "preview"))
    assert rows(resource.store(), "tracks") == 2
