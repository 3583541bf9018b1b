"""What the page of an episode says where there is little to show."""

import re
from types import SimpleNamespace
from typing import Any

import pytest

from screenalytics_assets.core.documents.identities import TRACK_REASONS
from screenalytics_assets.core.documents.screen_time import ScreenTimeTotals
from screenalytics_assets.core.identity.clustering import LOW_SIMILARITY, SINGLE_FACE, SMALL_CLUSTER
from screenalytics_assets.core.identity.identities import NO_ACCEPTED_FACE, PICTURE
from screenalytics_assets.core.people.resolve_people import IGNORED
from screenalytics_assets.reports.episode import nothing_to_split
from screenalytics_assets.reports.page import render_page
from screenalytics_assets.reports.people import ReportPerson
from screenalytics_assets.reports.review import CheckedTrack
from tests.unit.document_builders import identities_with, identity_with, person_time


def text_of_page(**values: Any) -> str:
    """The text of the page of an episode without people; values override."""
    video = {"duration_s": 6.0, "width": 64, "height": 36, "fps": 25.0, "missing_s": 0.0, "missing": (), "sha256": "0"}
    lists = (
        "people",
        "together",
        "question_lists",
        "unassigned",
        "joined",
        "loose",
        "metrics",
        "actions",
        "comparison",
        "rejected",
    )
    empty: dict[str, Any] = dict.fromkeys(lists, ())
    page = render_page(
        "episode.html.j2",
        **{
            "ep_id": "a-s01e01",
            "video": SimpleNamespace(**video),
            "shots": 2,
            "totals": ScreenTimeTotals(union_s=0.0, sum_s=0, overlap_s=0.0, unassigned_s=2.0),
            "damage": None,
            "likely": 0,
            "timeline": {"rows": [], "duration_s": 6.0},
            "thumbnails": {},
            "more_pairs": 0,
            "good": 0.0,
            "fair": 0.0,
            "reasons": {},
            "uncounted": 0,
            "heatmap": {"labels": []},
            "identities": 0,
            "tones": {},
            "keys": [],
            "digest": "0",
            "models": [],
            "versions": {},
            **empty,
            **values,
        },
    )
    return " ".join(re.sub("<[^>]+>", " ", page.partition("<header>")[2]).split())


@pytest.mark.parametrize(("shots", "text"), [(1, "frames/s, 1 shot "), (2, "frames/s, 2 shots ")])
def test_one_shot_is_not_called_several(shots: int, text: str) -> None:
    assert text in text_of_page(shots=shots)


def test_where_tracks_are_unassigned_no_sentence_sounds_as_if_nobody_were_there() -> None:
    text = text_of_page(uncounted=3)
    assert "3 unassigned tracks , which may show people who are not counted" in text
    assert text.count("No people were found: all tracks are unassigned .") == 3
    assert text_of_page().count("No people were found .") + text_of_page().count("No people were found.") == 3


def test_the_reasons_of_unassigned_tracks_are_explained_beside_their_list() -> None:
    text = text_of_page(reasons={"small_cluster": TRACK_REASONS["small_cluster"], "ignored": TRACK_REASONS["ignored"]})
    assert "A track is one face followed from picture to picture." in text
    assert "small cluster , its identity would have fewer tracks than min_cluster_size; ignored , a correction" in text


def test_every_reason_of_a_track_has_an_explanation() -> None:
    given = {NO_ACCEPTED_FACE, PICTURE, IGNORED, LOW_SIMILARITY, SMALL_CLUSTER, SINGLE_FACE}
    assert set(TRACK_REASONS) == given


def test_an_outlier_says_why_it_is_one() -> None:
    identity = identity_with("ident_001", ["track-00001"], outlier=True, reason="single_face")
    (remark,) = ReportPerson(person_time("ident_001", [(0.0, 1.0)]), [identity], [], [], []).remarks
    assert remark.startswith("outlier: only one of its faces was accepted")


def test_tracks_that_were_confirmed_are_not_called_single() -> None:
    confirmed = identity_with("ident_001", ["t1", "t2"], confirmed_track_ids=("t1", "t2"))
    assert "were confirmed or corrected" in nothing_to_split(identities_with(confirmed))
    assert nothing_to_split(identities_with(identity_with("ident_001", ["t1"]))).startswith("No identity has more than")


def test_joined_tracks_are_listed_with_their_probability_and_the_command_that_splits_them_off() -> None:
    joined = CheckedTrack("track-00007", "", 3.0, 5.5, "Ann 96%", "screenalytics correct a-s01e01 split ident_001", ())
    page = text_of_page(joined=[joined])
    assert "track-00007, 2.5 s from 0:03.0" in page
    assert "probably Ann 96%" in page
    assert "screenalytics correct a-s01e01 split ident_001" in page
    assert "Joined tracks" not in text_of_page()
