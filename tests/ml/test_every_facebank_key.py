"""The keys of the facebank and of names, from the override to the decision; the other keys' rows are elsewhere."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from resources.models.packs import ModelPack
from resources.models.photo_analysis import PhotoAnalyser
from resources.settings import SettingsResource
from resources.storage.photo_library import Photo
from screenalytics_assets.core.people.enrolment import compare_photos
from screenalytics_assets.core.people.person_names import person_of
from tests.unit.people import test_enrolment, test_lone_tracks, test_resolve_people

Picture = NDArray[np.uint8]


def run_with(**keys: Any) -> tuple[PhotoAnalyser, float]:
    run = SettingsResource(overrides=keys).load()
    return PhotoAnalyser(run), run.thresholds.min_photo_sim


def jpeg(picture: Picture) -> bytes:
    return cv2.imencode(".jpg", picture)[1].tobytes()


def portrait(photo: Picture) -> Picture:
    """The second person from the left, alone and with room around."""
    return photo[90:330, 230:420]


def pair(photo: Picture) -> Picture:
    """The two people on the left; their faces are of nearly the same size."""
    return photo[90:460, 20:420]


def cut_off(photo: Picture) -> Picture:
    """The portrait without the left half of its forehead and cheek."""
    return photo[150:300, 292:400]


@pytest.mark.parametrize(
    ("key", "first", "second", "view", "reasons"),
    [
        ("photo_min_face_size", 40.0, 300.0, portrait, ["", "too_small"]),
        ("photo_min_sharpness", 20.0, 1e5, portrait, ["", "blurry"]),
        ("photo_min_inside_fraction", 0.3, 1.0, cut_off, ["", "cut_off"]),
        ("photo_max_second_face", 0.5, 1.0, pair, ["several_faces", ""]),
    ],
)
def test_a_key_decides_about_a_photo(
    key: str,
    first: float,
    second: float,
    view: Callable[[Picture], Picture],
    reasons: list[str],
    open_pack: ModelPack,
    group_photo: Picture,
) -> None:
    assert open_pack.name == "open"
    content = jpeg(view(group_photo))
    found = [run_with(**{key: value})[0].analyse("photo", "person", content) for value in (first, second)]
    assert [finding.reason for finding in found] == reasons


def test_min_photo_sim_decides_whether_a_photo_resembles_another_person(
    open_pack: ModelPack, group_photo: Picture
) -> None:
    """One face under two names, the second one darker."""
    assert open_pack.name == "open"
    reasons = []
    for value in (0.38, 0.9999):
        faces, min_photo_sim = run_with(min_photo_sim=value)
        darker = np.asarray(cv2.convertScaleAbs(portrait(group_photo), alpha=0.6), np.uint8)
        findings = [
            faces.analyse("1", "first", jpeg(portrait(group_photo))),
            faces.analyse("2", "second", jpeg(darker)),
        ]
        judged = compare_photos(findings, faces.embed(findings), min_photo_sim=min_photo_sim)
        reasons.append([finding.reason for finding in judged])
    assert reasons == [["resembles_other"] * 2, ["", ""]]


@pytest.mark.parametrize("key", ["name_similarity", "name_margin"])
def test_a_limit_of_names_decides_whether_an_identity_has_one(
    key: str, open_pack: ModelPack, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert open_pack.name == "open"
    episode = test_resolve_people.Episode([0, 1, 1], [0, 2, 4])
    names = []
    for value in (0.1, 0.999):
        thresholds = SettingsResource(overrides={key: value}).load().thresholds
        monkeypatch.setattr(test_resolve_people, "THRESHOLDS", thresholds)
        names.append([name for name, _ in test_resolve_people.named(episode.resolve(facebank=episode.facebank(0, 1)))])
    assert names == [["Person 0", "Person 1"], [None, None]]


def test_join_probability_decides_whether_a_track_that_is_alone_joins_a_person(open_pack: ModelPack) -> None:
    assert open_pack.name == "open"
    decisions = []
    for value in (0.6, 1.0):
        keys = SettingsResource(overrides={"join_probability": value}).load().resolved.settings.cleanup
        resolved = test_lone_tracks.EPISODE.resolve_joining(join_probability=keys.join_probability)
        decisions.append([join.decision for join in resolved.grouping.joins])
    assert decisions == [["joined"], ["suggested"]]


KEYS = {
    "name_similarity",
    "name_margin",
    "join_probability",
    "photo_min_face_size",
    "photo_min_sharpness",
    "photo_min_inside_fraction",
    "photo_max_second_face",
    "min_photo_sim",
}
"""Shown here; `tests.ml.test_every_key` proves that no key is left out."""


def test_a_photo_with_too_many_pixels_or_bytes_is_refused_by_name_and_the_others_are_enrolled(
    open_pack: ModelPack, group_photo: Picture
) -> None:
    assert open_pack
    analyser, min_photo_sim = run_with()
    photos = [
        Photo(f"amy/{name}", "amy", 1, content)
        for name, content in {
            "heavy.png": None,
            "huge.png": test_enrolment.png_of_zeros(30_000, 30_000),
            "good.jpg": jpeg(portrait(group_photo)),
        }.items()
    ]
    findings, vectors = analyser.enrol(photos, {"amy": person_of("amy")}, min_photo_sim=min_photo_sim)
    assert [(finding.photo_id, finding.reason) for finding in findings] == [
        ("amy/heavy.png", "too_many_bytes"),
        ("amy/huge.png", "too_many_pixels"),
        ("amy/good.jpg", ""),
    ]
    assert list(vectors) == ["amy/good.jpg"]
