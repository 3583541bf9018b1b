import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from screenalytics_assets.core.config.people_keys import FacesSettings
from screenalytics_assets.core.embedding.crop_sampling import cap_episode
from screenalytics_assets.core.embedding.face_selection import (
    Selection,
    fitting_crops_per_track,
    select_faces,
    volume_warning,
)
from tests.unit.builders import Seen, detections_table, tracks_table


def select(sizes: list[int], settings: FacesSettings) -> Selection:
    """Tracks of these numbers of good faces, later ones better."""
    tracks = [[Seen(3 * i, quality_score=0.5 + i / 100) for i in range(size)] for size in sizes]
    detections = detections_table([face for track in tracks for face in track])
    return select_faces(
        tracks_table(tracks),
        detections,
        pa.chunked_array([detections["detection_id"].combine_chunks()]),
        settings,
        min_confidence=0.5,
        model_digest="digest",
    )


def warning_of(sizes: list[int], **keys: int) -> str | None:
    settings = FacesSettings.model_validate(keys)
    selection = select(sizes, settings)
    return volume_warning(selection.faces, selection.rejected, settings)


def test_there_is_no_warning_if_every_sampled_face_fits() -> None:
    assert warning_of([4, 3], max_crops_per_episode=7) is None
    assert warning_of([40], max_crops_per_track=16, max_crops_per_episode=16) is None


def test_the_warning_has_what_was_dropped_and_the_values_that_avoid_it() -> None:
    assert warning_of([10, 10, 2], max_crops_per_episode=12) == (
        "[VOLUME] 10 of 22 sampled faces, of 2 of 3 tracks, are not embedded, the worst first (quality up to 0.54): "
        "max_crops_per_episode is 12. To embed all of them set max_crops_per_episode=22; "
        "to take fewer of each track set max_crops_per_track=5"
    )


def test_tracks_that_lose_their_only_face_are_counted() -> None:
    warning = warning_of([1, 1, 1], max_crops_per_episode=2)
    assert warning is not None
    assert "1 tracks are left without a face" in warning
    assert "max_crops_per_track" not in warning


@pytest.mark.parametrize("sizes", [[10, 10, 2], [5, 1, 30], [16, 16]])
@pytest.mark.parametrize("limit", [3, 8, 12])
def test_the_advised_values_avoid_the_warning(sizes: list[int], limit: int) -> None:
    warning = warning_of(sizes, max_crops_per_episode=limit)
    assert warning is not None
    advised = {key: int(value) for key, value in re.findall(r"set (\w+)=(\d+)", warning)}
    assert warning_of(sizes, max_crops_per_episode=advised["max_crops_per_episode"]) is None
    assert warning_of(sizes, max_crops_per_episode=advised["max_crops_per_episode"] - 1) is not None
    per_track = advised["max_crops_per_track"]
    assert warning_of(sizes, max_crops_per_episode=limit, max_crops_per_track=per_track) is None
    assert warning_of(sizes, max_crops_per_episode=limit, max_crops_per_track=per_track + 1) is not None


@given(st.lists(st.integers(1, 30), max_size=10), st.integers(1, 100))
def test_the_fitting_number_is_the_largest_with_which_nothing_is_dropped(sizes: list[int], limit: int) -> None:
    fitting = fitting_crops_per_track(sizes, limit)

    def kept_by(per_track: int) -> bool:
        owners = np.repeat(np.arange(len(sizes)), np.minimum(sizes, per_track))
        return bool(cap_episode(owners, np.ones(len(owners), np.float32), limit=limit).all())

    assert fitting == 0 or kept_by(fitting)
    assert fitting >= max(sizes, default=0) or not kept_by(fitting + 1)
