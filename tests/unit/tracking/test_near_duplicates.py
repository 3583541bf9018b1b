from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from screenalytics_assets.core.tracking.near_duplicates import MIN_CORRELATION, PICTURE_PX, face_picture, stand_ins

FACES = np.random.default_rng(0).uniform(40, 200, (8, PICTURE_PX, PICTURE_PX))
"""Pictures of eight people, each with the correlation of chance to the others."""


def pictures(people: Sequence[int], *, light: Sequence[float] | None = None) -> NDArray[np.uint8]:
    lights = np.ones(len(people)) if light is None else np.array(light)
    return (FACES[list(people)] * lights[:, None, None]).astype(np.uint8)


def stand(
    shown: NDArray[np.uint8],
    *,
    quality: Sequence[float] | None = None,
    jumps: Sequence[int] = (),
    still_s: float = 2.0,
    step_s: float = 0.125,
) -> list[int]:
    count = len(shown)
    grades = np.array([0.5] * count if quality is None else quality, np.float32)
    return stand_ins(
        step_s * np.arange(count, dtype=np.float64), grades, shown, np.array(jumps, np.int64), still_s=still_s
    ).tolist()


def test_the_best_of_looks_that_show_the_same_stands_for_them() -> None:
    assert stand(pictures([0] * 4 + [1] * 12), quality=[0.5, 0.6, 0.9, 0.6] + [0.5] * 12)[:4] == [2, 2, 2, 2]


def test_another_face_has_another_stand_in_and_so_has_one_that_returns() -> None:
    assert stand(pictures([0, 0, 1, 0, 0] + [2] * 11))[:5] == [0, 0, 2, 3, 3]


def test_after_so_long_the_next_look_stands_for_itself() -> None:
    assert stand(pictures([0] * 80), still_s=2.0)[::16] == [0, 16, 32, 48, 64]
    assert len(set(stand(pictures([0] * 80), still_s=1.0))) == 10


def test_with_no_time_each_look_stands_for_itself() -> None:
    assert stand(pictures([0] * 20), still_s=0) == list(range(20))


@given(st.integers(1, 40), st.floats(0.02, 2.0))
def test_a_short_track_has_three_or_four_observations_if_it_has_the_looks(count: int, step_s: float) -> None:
    # Six looks are three pairs.
    assert len(set(stand(pictures([0] * count), still_s=99, step_s=step_s))) >= min(3 if count == 6 else 4, count)


def test_a_jump_begins_anew() -> None:
    assert stand(pictures([0] * 40), jumps=[3])[:6] == [0, 0, 0, 3, 3, 3]


def test_no_face_glides_into_another() -> None:
    way = np.linspace(0, 1, 400)[:, None, None]
    shown = ((1 - way) * FACES[0] + way * FACES[1]).astype(np.uint8)
    found = np.array(stand(shown, still_s=99, step_s=0.04))
    for look in np.unique(found):
        members = shown[found == look].reshape(-1, PICTURE_PX**2).astype(float)
        assert np.corrcoef(members)[0].min() >= MIN_CORRELATION - 1e-6
    assert len(np.unique(found)) > 4


def test_brightness_is_no_change() -> None:
    assert len(set(stand(pictures([0] * 40, light=np.linspace(1, 0.3, 40).tolist())))) == 4


def test_a_picture_without_contrast_resembles_none() -> None:
    assert stand(np.zeros((8, PICTURE_PX, PICTURE_PX), np.uint8)) == list(range(8))


def test_no_looks_have_no_stand_ins() -> None:
    assert stand(np.empty((0, PICTURE_PX, PICTURE_PX), np.uint8)) == []


@pytest.mark.parametrize("side_px", [28, 29, 40, 50, 128])
def test_the_picture_is_the_middle_of_the_crop(side_px: int) -> None:
    crop = np.arange(side_px, dtype=np.uint8)[:, None] + np.zeros(side_px, np.uint8)
    picture = face_picture(crop)
    assert picture.shape == (PICTURE_PX, PICTURE_PX)
    assert abs(int(picture[0, 0]) + int(picture[-1, 0]) - (side_px - 1)) <= 1
