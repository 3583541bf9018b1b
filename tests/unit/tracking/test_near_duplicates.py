from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from screenalytics_assets.core.tracking.near_duplicates import MIN_CORRELATION, PATCH_PX, face_patch, representatives

FACES = np.random.default_rng(0).uniform(40, 200, (8, PATCH_PX, PATCH_PX))
"""Patches of eight people that are uncorrelated with each other."""


def patches(people: Sequence[int], *, light: Sequence[float] | None = None) -> NDArray[np.uint8]:
    lights = np.ones(len(people)) if light is None else np.array(light)
    return (FACES[list(people)] * lights[:, None, None]).astype(np.uint8)


def represent(
    shown: NDArray[np.uint8],
    *,
    quality: Sequence[float] | None = None,
    jumps: Sequence[int] = (),
    max_duplicate_s: float = 2.0,
    step_s: float = 0.125,
) -> list[int]:
    count = len(shown)
    grades = np.array([0.5] * count if quality is None else quality, np.float32)
    ts_s = step_s * np.arange(count, dtype=np.float64)
    at = np.array(jumps, np.int64)
    return representatives(ts_s, grades, shown, at, max_duplicate_s=max_duplicate_s).tolist()


def test_the_best_of_near_duplicates_represents_them() -> None:
    assert represent(patches([0] * 4 + [1] * 12), quality=[0.5, 0.6, 0.9, 0.6] + [0.5] * 12)[:4] == [2, 2, 2, 2]


def test_another_face_has_another_representative_and_so_has_one_that_returns() -> None:
    assert represent(patches([0, 0, 1, 0, 0] + [2] * 11))[:5] == [0, 0, 2, 3, 3]


def test_a_crop_represents_others_for_max_duplicate_s() -> None:
    assert represent(patches([0] * 80), max_duplicate_s=2.0)[::16] == [0, 16, 32, 48, 64]
    assert len(set(represent(patches([0] * 80), max_duplicate_s=1.0))) == 10


def test_without_a_duration_each_crop_represents_itself() -> None:
    assert represent(patches([0] * 20), max_duplicate_s=0) == list(range(20))


@given(st.integers(1, 40), st.floats(0.02, 2.0))
def test_a_short_track_has_three_or_four_representatives_if_it_has_as_many_crops(count: int, step_s: float) -> None:
    found = represent(patches([0] * count), max_duplicate_s=99, step_s=step_s)
    # Six crops are three pairs.
    assert len(set(found)) >= min(3 if count == 6 else 4, count)


def test_a_jump_of_the_box_begins_a_new_run() -> None:
    assert represent(patches([0] * 40), jumps=[3])[:6] == [0, 0, 0, 3, 3, 3]


def test_a_run_does_not_drift_from_one_face_to_another() -> None:
    share = np.linspace(0, 1, 400)[:, None, None]
    shown = ((1 - share) * FACES[0] + share * FACES[1]).astype(np.uint8)
    found = np.array(represent(shown, max_duplicate_s=99, step_s=0.04))
    for representative in np.unique(found):
        members = shown[found == representative].reshape(-1, PATCH_PX**2).astype(float)
        assert np.corrcoef(members)[0].min() >= MIN_CORRELATION - 1e-6
    assert len(np.unique(found)) > 4


def test_crops_that_differ_only_in_brightness_are_near_duplicates() -> None:
    assert len(set(represent(patches([0] * 40, light=np.linspace(1, 0.3, 40).tolist())))) == 4


def test_a_patch_without_contrast_has_no_near_duplicates() -> None:
    assert represent(np.zeros((8, PATCH_PX, PATCH_PX), np.uint8)) == list(range(8))


def test_no_crops_have_no_representatives() -> None:
    assert represent(np.empty((0, PATCH_PX, PATCH_PX), np.uint8)) == []


@pytest.mark.parametrize("side_px", [28, 29, 40, 50, 128])
def test_the_patch_is_the_middle_of_the_crop(side_px: int) -> None:
    crop = np.arange(side_px, dtype=np.uint8)[:, None] + np.zeros(side_px, np.uint8)
    patch = face_patch(crop)
    assert patch.shape == (PATCH_PX, PATCH_PX)
    assert abs(int(patch[0, 0]) + int(patch[-1, 0]) - (side_px - 1)) <= 1
