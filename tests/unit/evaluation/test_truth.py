import json
from copy import deepcopy
from typing import Any

import numpy as np
import pytest

from screenalytics_assets.core.common.errors import TruthError
from screenalytics_assets.core.evaluation.truth import OPEN, TruthDocument, parse_truth
from tests.conftest import shared_dir

SHARED = shared_dir()

DOCUMENT: TruthDocument = {
    "fps": 24,
    "width": 640,
    "height": 360,
    "frames": 4,
    "seed": 7,
    "shots": [[0, 3], [3, 4]],
    "truth": [
        [
            {"person": "zoe", "bbox": [10.0, 20.0, 60.5, 90.0], "visible": 1.0},
            {"person": "adam", "bbox": [-5.0, 20.0, 40.0, 70.0], "visible": 0.4},
        ],
        [],
        [{"person": "zoe", "bbox": [11.0, 21.0, 61.0, 91.0], "visible": 0.9}],
        [],
    ],
}


def changed(path: list[str | int], value: object) -> dict[str, Any]:
    document: dict[str, Any] = deepcopy(dict(DOCUMENT))
    target: Any = document
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    return document


def test_faces_are_listed_by_frame_with_people_in_alphabetical_order() -> None:
    truth = parse_truth(DOCUMENT)
    assert truth.people == ("adam", "zoe")
    assert truth.person_idx.tolist() == [1, 0, 1]
    assert truth.frame_offsets.tolist() == [0, 2, 2, 3, 3]
    assert truth.boxes_px[1].tolist() == [-5.0, 20.0, 40.0, 70.0]
    assert truth.visible.tolist() == [1.0, 0.4, 0.9]


def test_a_face_whose_person_was_left_open_is_not_required_and_nobody_s() -> None:
    truth = parse_truth(changed(["truth", 0, 0, "person"], None))
    assert truth.people == ("adam", "zoe")
    assert truth.person_idx.tolist() == [OPEN, 0, 1]
    assert truth.visible.tolist() == [0.0, 0.4, 0.9]


def test_a_cut_is_the_first_frame_of_each_shot_but_the_first() -> None:
    assert parse_truth(DOCUMENT).cuts.tolist() == [3]


def test_a_truth_without_any_face_has_no_people() -> None:
    truth = parse_truth(changed(["truth"], [[], [], [], []]))
    assert truth.people == ()
    assert truth.boxes_px.shape == (0, 4)


def test_the_seed_and_other_keys_are_not_needed() -> None:
    document = {key: value for key, value in DOCUMENT.items() if key != "seed"} | {"note": "rendered"}
    assert parse_truth(document).frames == 4


@pytest.mark.parametrize("key", ["fps", "width", "height", "frames", "shots", "truth"])
def test_a_missing_key_is_named(key: str) -> None:
    document = {other: value for other, value in DOCUMENT.items() if other != key}
    with pytest.raises(TruthError, match=rf"^{key}: "):
        parse_truth(document)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["fps"], 0, r"^fps: .*found 0"),
        (["fps"], float("nan"), r"^fps: "),
        (["width"], "wide", r"^width: .*found 'wide'"),
        (["shots"], [], r"^shots: "),
        (["shots"], [[0, 2], [3, 4]], r"^shots\[1\]: starts at 3, but shots\[0\] ends at 2"),
        (["shots"], [[0, 3], [3, 3], [3, 4]], r"^shots\[1\]: \[3, 3\] is empty"),
        (["shots"], [[1, 4]], r"^shots: cover frames 1 to 4; expected 0 to frames = 4"),
        (["shots"], [[0, 3]], r"^shots: cover frames 0 to 3; expected 0 to frames = 4"),
        (["truth"], [[]], r"^truth: 1 lists of faces for frames = 4"),
        (["truth", 2, 0, "bbox"], [1, 2, 3], r"^truth\[2\]\[0\]\.bbox\[3\]: "),
        (["truth", 0, 1, "bbox"], [9, 2, 9, 8], r"^truth\[0\]\[1\]\.bbox: .*is empty"),
        (["truth", 0, 1, "bbox"], [9, 8, 19, 2], r"^truth\[0\]\[1\]\.bbox: .*is empty"),
        (["truth", 2, 0, "visible"], 1.2, r"^truth\[2\]\[0\]\.visible: .*found 1\.2"),
        (["truth", 0, 0, "person"], "", r"^truth\[0\]\[0\]\.person: "),
    ],
)
def test_a_wrong_value_is_named_with_its_frame(path: list[str | int], value: object, message: str) -> None:
    with pytest.raises(TruthError, match=message):
        parse_truth(changed(path, value))


@pytest.mark.shared
def test_the_labelled_season_is_read() -> None:
    files = sorted((SHARED / "data" / "season").glob("*/*.truth.json"))
    if not files:
        pytest.skip("the labelled season is not beside the project (SCREENALYTICS_SHARED_DIR)")
    for file in files:
        truth = parse_truth(json.loads(file.read_text()))
        assert len(truth.people) >= 8
        assert truth.shots[-1, 1] == truth.frames == 1440
        assert np.all(truth.boxes_px[:, 2:] <= [truth.width, truth.height])
