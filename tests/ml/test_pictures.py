"""Pictures of faces, from the video to screen time."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from resources.models.packs import ModelPack
from resources.storage.local_store import LocalArtifactStore
from screenalytics_assets.artifact import WARNINGS
from screenalytics_assets.core.documents.identities import Identities
from screenalytics_assets.core.documents.screen_time import ScreenTime
from screenalytics_assets.core.identity.identities import PICTURE
from tests.ml.conftest import EP_ID, TALK_SIZE_PX, TALK_WINDOWS, processed
from tests.ml.stage_runs import published, run_asset
from tests.video_fixtures import write_video

SHOT_S = 4
CLEANUP = ("split_tracks", "reembed", "recluster", "corrections", "group_clusters", "screen_time")


@pytest.fixture(scope="module")
def store(
    open_pack: ModelPack, group_photo: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory
) -> LocalArtifactStore:
    """Three people on a photograph for four seconds, then for four seconds two people who move."""
    assert open_pack.name == "open"
    rng = np.random.default_rng(0)
    pictures = []
    for sway_px, (x_px, y_px, width_px) in zip((0, 5), TALK_WINDOWS, strict=True):
        scale = TALK_SIZE_PX[0] / width_px
        for frame in range(SHOT_S * 24):
            sway = sway_px * np.sin(2 * np.pi * frame / 24 * np.array([0.31, 0.43]))
            camera = np.array([[scale, 0, sway[0] - scale * x_px], [0, scale, sway[1] - scale * y_px]])
            seen = cv2.warpAffine(group_photo, camera, TALK_SIZE_PX, flags=cv2.INTER_AREA)
            grain = rng.normal(0, 3, (*TALK_SIZE_PX[::-1], 1))
            pictures.append(np.clip(seen + grain, 0, 255).astype(np.uint8))
    folder = tmp_path_factory.mktemp("pictures")
    found = processed(write_video(folder / "pictures.mp4", pictures), folder)
    for asset in CLEANUP:
        run_asset(asset, found, EP_ID)
    return found


def times(store: LocalArtifactStore) -> ScreenTime:
    return published(store, "screen_time", EP_ID).document("screen_time.json", ScreenTime)


def test_a_photograph_is_no_screen_time_and_is_reported(store: LocalArtifactStore) -> None:
    identities = published(store, "group_clusters", EP_ID).document("identities.json", Identities)
    assert [track.reason for track in identities.unassigned] == [PICTURE] * 3
    assert [person.intervals for person in times(store).people] == [((SHOT_S, 2 * SHOT_S),)] * 2
    assert (times(store).totals.picture_s, times(store).totals.unassigned_s) == (SHOT_S, 0)
    (warning,) = published(store, "screen_time", EP_ID).manifest.metrics[WARNINGS]
    assert "3, together 4.0 s" in warning


def test_pictures_count_as_people_if_the_key_says_so(store: LocalArtifactStore) -> None:
    for asset in ("identities", *CLEANUP):
        run_asset(asset, store, EP_ID, count_pictures=True)
    assert times(store).totals.picture_s is None
    assert times(store).totals.union_s == pytest.approx(2 * SHOT_S)
    assert WARNINGS not in published(store, "screen_time", EP_ID).manifest.metrics
