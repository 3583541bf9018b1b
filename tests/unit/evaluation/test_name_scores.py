"""Whether names are those of the people, in seconds."""

import pytest

from screenalytics_assets.core.evaluation.name_scores import NameScores, all_names, score_names
from screenalytics_assets.core.evaluation.truth import Truth, parse_truth
from tests.unit.builders import FPS, Seen, detections_table, frames_table, tracks_table
from tests.unit.document_builders import identities_with, identity_with, person_time, screen_time_with

LEFT, RIGHT = (0.1, 0.2, 0.3, 0.6), (0.6, 0.2, 0.8, 0.6)
ANALYSED = range(0, 24, 3)


def truth(*, hidden: bool = False) -> Truth:
    """A second with ann on the left and bob on the right, in every frame."""

    def face(person: str, box: tuple[float, ...]) -> dict[str, object]:
        return {
            "person": person,
            "bbox": [box[0] * 1000, box[1] * 500, box[2] * 1000, box[3] * 500],
            "visible": 0.3 if hidden and person == "bob" else 1.0,
        }

    return parse_truth(
        {
            "fps": FPS,
            "width": 1000,
            "height": 500,
            "frames": 24,
            "shots": [[0, 24]],
            "truth": [[face("ann", LEFT), face("bob", RIGHT)] for _ in range(24)],
        }
    )


def scores(
    left: str | None,
    right: str | None,
    *,
    truth_of: Truth | None = None,
    found: int = 8,
    shown: dict[str, list[list[float]]] | None = None,
) -> NameScores:
    """Names of the track on the left, found in so many frames, and of the one on the right."""
    tracks = [[Seen(f, bbox=LEFT) for f in ANALYSED][:found], [Seen(f, bbox=RIGHT) for f in ANALYSED]]
    table = tracks_table(tracks)
    identities = [
        identity_with(f"ident_00{i + 1}", [table["track_id"][i].as_py()], person_id=name)
        for i, name in enumerate((left, right))
    ]
    result = score_names(
        truth_of or truth(),
        frames_table(list(ANALYSED)),
        detections_table([seen for track in tracks for seen in track]),
        table,
        identities_with(*identities),
        screen_time_with(*(person_time(name, spans) for name, spans in (shown or {}).items())),
    )
    assert result is not None
    return result


def test_seconds_with_the_right_name_the_wrong_name_and_none_are_distinguished() -> None:
    ann, bob = scores("ann", "ann").people
    assert (ann.person, ann.seconds, ann.right_s, ann.wrong_s, ann.unnamed_s) == ("ann", 1.0, 1.0, 0.0, 0.0)
    assert (bob.right_s, bob.wrong_s, bob.wrong_names) == (0.0, 1.0, {"ann": 1.0})
    ann, bob = scores(None, "bob").people
    assert (ann.right_s, ann.unnamed_s, bob.right_s) == (0.0, 1.0, 1.0)


def test_seconds_in_which_a_face_was_not_found_are_not_named() -> None:
    ann, _ = scores("ann", "bob", found=6).people
    assert (ann.seconds, ann.found_s, ann.right_s) == (1.0, 0.75, 0.75)
    assert ann.to_dict()["right_share"] == pytest.approx(0.75)
    assert ann.to_dict()["right_share_of_found"] == 1.0


def test_a_face_that_is_not_required_is_not_counted() -> None:
    found = scores("ann", "bob", truth_of=truth(hidden=True))
    assert [person.person for person in found.people] == ["ann"]
    assert found.false_s == 0.0


def test_seconds_of_a_name_on_a_false_detection_are_counted() -> None:
    only_ann = truth()
    without_bob = parse_truth(
        {
            "fps": FPS,
            "width": 1000,
            "height": 500,
            "frames": 24,
            "shots": [[0, 24]],
            "truth": [[{"person": "ann", "bbox": only_ann.boxes_px[0].tolist(), "visible": 1.0}] for _ in range(24)],
        }
    )
    assert scores("ann", "bob", truth_of=without_bob).false_s == 1.0
    assert scores("ann", None, truth_of=without_bob).false_s == 0.0


def test_identities_that_were_never_named_have_no_scores() -> None:
    table = tracks_table([[Seen(0, bbox=LEFT)]])
    identities = identities_with(identity_with("ident_001", ["track-00001"]))
    detections = detections_table([Seen(0, bbox=LEFT)])
    assert score_names(truth(), frames_table([0]), detections, table, identities, screen_time_with()) is None


def test_published_seconds_are_right_if_the_person_is_required_and_extra_if_absent() -> None:
    ann, bob = scores("ann", "bob", shown={"ann": [[0.0, 0.25], [0.5, 0.75]], "ident_009": [[0.0, 1.0]]}).people
    assert (ann.present_s, ann.shown_s, ann.extra_s) == (1.0, 0.5, 0.0)
    assert (bob.present_s, bob.shown_s) == (1.0, 0.0)
    half = parse_truth(
        {
            "fps": FPS,
            "width": 1000,
            "height": 500,
            "frames": 24,
            "shots": [[0, 24]],
            "truth": [
                [{"person": "ann", "bbox": [100, 100, 300, 300], "visible": 1.0 if i < 12 else 0.3}] if i < 18 else []
                for i in range(24)
            ],
        }
    )
    (ann,) = scores("ann", None, truth_of=half, shown={"ann": [[0.0, 1.0]]}).people
    assert (ann.present_s, ann.shown_s, ann.extra_s) == (0.5, 0.5, 0.25)


def test_seconds_of_several_episodes_are_added_up() -> None:
    total = all_names([scores("ann", "ann"), scores("ann", "bob"), scores("bob", "bob", found=4)])
    ann, bob = total.people
    assert (ann.seconds, ann.found_s, ann.right_s, ann.wrong_names) == (3.0, 2.5, 2.0, {"bob": 0.5})
    assert (bob.right_s, bob.wrong_s) == (2.0, 1.0)
