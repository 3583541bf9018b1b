"""``screenalytics crops`` on a store that holds one tiny episode."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner, Result

from resources.storage.artifacts import Artifact
from resources.storage.crop_file import CropWriter
from resources.storage.local_store import LocalArtifactStore
from screenalytics_assets.cli import app
from screenalytics_assets.core.common.errors import ArtifactError, ConfigurationError
from screenalytics_assets.core.config.people_keys import FacesSettings
from screenalytics_assets.core.embedding.face_selection import select_faces
from tests.unit.builders import EP_ID, Seen, detections_table, tracks_table

TRACK = [
    Seen(0, quality_score=0.9),
    Seen(3, quality_score=0.5),
    Seen(6, sharpness=9),
    Seen(9, yaw=75),
    Seen(12, yaw=65),
]
SETTINGS = FacesSettings(min_confidence=0.4)


def publish(store: LocalArtifactStore, track: list[Seen] = TRACK) -> None:
    detections = detections_table(track)
    ids = detections["detection_id"].to_pylist()
    made: dict[str, Artifact] = {}
    with store.staging("detections", EP_ID) as staged:
        staged.write_table("detections", detections)
        made["detections"] = store.publish(staged, fingerprint="", code_version="", config={}, inputs={}, metrics={})
    with store.staging("face_crops", EP_ID) as staged:
        with CropWriter(staged.path("face_crops.parquet")) as crops:
            for number, name in enumerate(ids):
                crop = np.full((160, 160, 3), 40 * number, np.uint8)
                crops.add(name, cv2.imencode(".jpg", crop)[1].tobytes())
        made["face_crops"] = store.publish(staged, fingerprint="", code_version="", config={}, inputs={}, metrics={})
    selection = select_faces(
        tracks_table([track] if track else []),
        detections,
        pa.chunked_array([pa.array(ids, pa.string())]),
        SETTINGS,
        min_confidence=0.4,
        model_digest="digest",
    )
    with store.staging("faces", EP_ID) as staged:
        staged.write_table("faces", selection.faces)
        staged.write_table("crops_debug", selection.rejected)
        store.publish(
            staged,
            fingerprint="",
            code_version="",
            config={**SETTINGS.model_dump(), "embedder": "digest"},
            inputs={name: artifact.manifest.content_digest for name, artifact in made.items()},
            metrics={},
        )


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalArtifactStore:
    monkeypatch.setenv("SCREENALYTICS_DATA_ROOT", str(tmp_path / "data"))
    return LocalArtifactStore(tmp_path / "data")


def crops(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["crops", *arguments])


def test_the_terminal_shows_reasons_with_their_keys_measures_with_bars_and_where_the_sheet_is(
    store: LocalArtifactStore,
) -> None:
    publish(store)
    shown = crops(EP_ID).output
    assert f"{EP_ID}: 2 embedded, 3 rejected" in shown
    pose, blurry = (next(line for line in shown.splitlines() if reason in line) for reason in ("pose_yaw", "blurry"))
    assert "max_yaw_angle = 60" in pose
    assert "67%" in pose
    assert "min_sharpness = 10" in blurry
    (quality,) = (line for line in shown.splitlines() if line.startswith("quality_score"))
    assert quality.split()[1:8] == ["embedded", "2", "0.50", "0.60", "0.70", "0.80", "0.90"]
    assert "█" in quality
    assert max(map(len, shown.splitlines()[:-1])) <= 80
    assert shown.splitlines()[-1] == f"contact sheet: {store.root}/reports/{EP_ID}/crops.jpg"


def test_the_json_has_the_same_and_nothing_else_is_on_standard_output(store: LocalArtifactStore) -> None:
    publish(store)
    document = json.loads(crops(EP_ID, "--json").stdout)
    assert (document["accepted"], document["rejected"]) == (2, 3)
    assert document["reasons"] == {"pose_yaw": 2, "blurry": 1}
    assert document["limits"]["max_yaw_angle"] == 60
    assert document["limits"]["min_confidence"] == 0.4
    assert document["measures"]["yaw"]["rejected"]["maximum"] == 75
    assert document["measures"]["sharpness"]["rejected"]["crops"] == 3
    assert [crop["frame_idx"] for crop in document["worst_accepted"]] == [3, 0]
    assert [crop["frame_idx"] for crop in document["borderline"]["rejected"]] == [12, 6, 9]


def test_the_sheet_shows_each_crop_at_its_place(store: LocalArtifactStore, tmp_path: Path) -> None:
    publish(store)
    path = tmp_path / "new" / "sheet.png"
    assert json.loads(crops(EP_ID, "--json", "--out", str(path)).stdout)["sheet"] == str(path)
    sheet = cv2.imread(str(path))
    assert sheet is not None
    height = len(sheet) // 3
    grey = [[int(sheet[section * height + 84, 62 + 118 * cell].mean()) for cell in range(3)] for section in range(3)]
    # Crop i is 40·i grey; the worst first, then the embedded and the rejected ones nearest to a limit.
    assert grey == [[40, 0, 255], [0, 40, 255], [160, 80, 120]]
    assert not list(path.parent.glob(".*"))


def test_an_episode_without_a_rejected_crop_says_so(store: LocalArtifactStore, tmp_path: Path) -> None:
    publish(store, [Seen(0)])
    result = crops(EP_ID, "--out", str(tmp_path / "sheet.jpg"))
    assert "1 embedded, 0 rejected" in result.output
    assert (tmp_path / "sheet.jpg").is_file()


def test_an_episode_without_any_candidate_has_an_empty_sheet(store: LocalArtifactStore) -> None:
    publish(store, [])
    document = json.loads(crops(EP_ID, "--json").stdout)
    assert (document["accepted"], document["reasons"], document["worst_accepted"]) == (0, {}, [])
    assert document["measures"]["yaw"]["accepted"]["median"] is None
    assert Path(document["sheet"]).is_file()


def test_what_was_never_published_is_named_with_the_command_that_makes_it(store: LocalArtifactStore) -> None:
    assert not store.root.exists()
    error = crops(EP_ID).exception
    assert isinstance(error, ArtifactError)
    assert f"screenalytics run --ep-id {EP_ID} --select faces" in str(error)
    assert not store.root.exists()


def test_faces_of_other_detections_are_refused(store: LocalArtifactStore) -> None:
    publish(store)
    with store.staging("detections", EP_ID) as staged:
        staged.write_table("detections", detections_table([replace(TRACK[0], yaw=1.0)]))
        store.publish(staged, fingerprint="", code_version="", config={}, inputs={}, metrics={})
    error = crops(EP_ID).exception
    assert isinstance(error, ArtifactError)
    assert "detections have changed since faces were made from them" in str(error)


@pytest.mark.parametrize("arguments", [("no episode",), (EP_ID, "--out", "sheet.gif")])
def test_a_wrong_episode_id_or_kind_of_file_is_refused(store: LocalArtifactStore, arguments: tuple[str, ...]) -> None:
    publish(store)
    assert isinstance(crops(*arguments).exception, ConfigurationError)
