"""What the tests of the keys look at of a published episode."""

from collections.abc import Callable
from typing import Any

from resources.storage.crop_file import read_crops
from resources.storage.local_store import LocalArtifactStore
from screenalytics_assets.core.common.arrow import column_of
from screenalytics_assets.core.detection.alignment import decode_jpeg
from tests.ml.conftest import EP_ID
from tests.ml.stage_runs import published

Measure = Callable[[LocalArtifactStore], Any]


def rows_of(asset: str, name: str) -> Measure:
    return lambda store: published(store, asset, EP_ID).manifest.rows(f"{name}.parquet")


def shots(store: LocalArtifactStore) -> int:
    return published(store, "detections", EP_ID).manifest.rows("shots.parquet")


def mean_confidence(store: LocalArtifactStore) -> float:
    detections = published(store, "detections", EP_ID).table("detections.parquet")
    return float(column_of(detections, "confidence").mean())


def splits(reason: str) -> Measure:
    return lambda store: (
        published(store, "tracks", EP_ID).table("tracks.parquet")["split_reason"].to_pylist().count(reason)
    )


def rejected(reason: str) -> Measure:
    return lambda store: (
        published(store, "faces", EP_ID).table("crops_debug.parquet")["reason"].to_pylist().count(reason)
    )


def mean_quality(store: LocalArtifactStore) -> float:
    return float(column_of(published(store, "faces", EP_ID).table("faces.parquet"), "quality_score").mean())


def most_faces_of_a_track(store: LocalArtifactStore) -> int:
    counts = published(store, "faces", EP_ID).table("faces.parquet")["track_id"].value_counts()
    return int(counts.field("counts").to_numpy().max())


def crop_files(store: LocalArtifactStore) -> int:
    return len(list((store.root / "frames" / EP_ID / "crops").rglob("*.jpg")))


def stat(name: str) -> Measure:
    return lambda store: published(store, "identities", EP_ID).json("identities.json")["stats"][name]


def clusters(store: LocalArtifactStore) -> int:
    return len(published(store, "recluster", EP_ID).json("clusters.json")["identities"])


def unassigned(store: LocalArtifactStore) -> int:
    return len(published(store, "identities", EP_ID).json("identities.json")["unassigned"])


def first_crop(store: LocalArtifactStore) -> bytes:
    path = published(store, "face_crops", EP_ID).path("face_crops.parquet")
    return dict(read_crops(path, ["det-000001"]))["det-000001"]


def crop_side_px(store: LocalArtifactStore) -> int:
    return len(decode_jpeg(first_crop(store)))


def crop_bytes(store: LocalArtifactStore) -> int:
    return len(first_crop(store))


def seconds_on_screen(store: LocalArtifactStore) -> float:
    people = published(store, "screen_time", EP_ID).json("screen_time.json")["people"]
    return float(sum(person["visual_s"] for person in people))


def intervals(store: LocalArtifactStore) -> int:
    people = published(store, "screen_time", EP_ID).json("screen_time.json")["people"]
    return sum(len(person["intervals"]) for person in people)


def jsonl_twins(store: LocalArtifactStore) -> int:
    return len(list((store.root / "manifests" / EP_ID).glob("identity_boxes.jsonl")))
