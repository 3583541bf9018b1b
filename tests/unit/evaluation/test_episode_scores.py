import json
import math
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from screenalytics_assets.core.common.errors import ArtifactError, TruthError
from screenalytics_assets.core.documents.screen_time import ScreenTime
from screenalytics_assets.core.evaluation.episode_scores import EpisodeScores, score_episode
from screenalytics_assets.core.evaluation.truth import parse_truth
from tests.unit.document_builders import identities_with, identity_with, person_time, screen_time_with

WIDTH, HEIGHT, FPS = 1000, 500, 10
Box = tuple[float, float, float, float]


def slot(place: int) -> Box:
    """Boxes, in pixels, that do not touch each other."""
    return (200.0 * place + 10, 100.0, 200.0 * place + 110, 220.0)


@dataclass(frozen=True)
class Episode:
    """A truth and what was found: faces (frame, person, box, visible), detections by id, tracks, identities."""

    frames: int
    faces: list[tuple[int, str, Box, float]]
    detections: dict[str, tuple[int, Box]] = field(default_factory=dict)
    tracks: dict[str, list[str]] = field(default_factory=dict)
    identities: dict[str, list[str]] = field(default_factory=dict)
    true_cuts: tuple[int, ...] = ()
    found_cuts: tuple[int, ...] = ()
    analysed: tuple[int, ...] | None = None


def score(episode: Episode, seed: int | None = None, *, screen_time: ScreenTime | None = None) -> EpisodeScores:
    """Score an episode; with a seed, the rows of its tables are in random order."""
    shuffle = (lambda _: None) if seed is None else np.random.default_rng(seed).shuffle
    listed: list[list[dict[str, Any]]] = [[] for _ in range(episode.frames)]
    for frame_idx, person, box, visible in episode.faces:
        listed[frame_idx].append({"person": person, "bbox": list(box), "visible": visible})
    edges = [0, *episode.true_cuts, episode.frames]
    truth = parse_truth(
        {
            "fps": FPS,
            "width": WIDTH,
            "height": HEIGHT,
            "frames": episode.frames,
            "shots": list(pairwise(edges)),
            "truth": listed,
        }
    )
    analysed = list(range(episode.frames) if episode.analysed is None else episode.analysed)
    starts = [0, *episode.found_cuts]
    detections = [
        (detection_id, frame_idx, [box[0] / WIDTH, box[1] / HEIGHT, box[2] / WIDTH, box[3] / HEIGHT])
        for detection_id, (frame_idx, box) in episode.detections.items()
    ]
    tracks = [
        (track_id, [{"detection_id": member} for member in members]) for track_id, members in episode.tracks.items()
    ]
    identities = [identity_with(identity_id, members) for identity_id, members in episode.identities.items()]
    for rows in (analysed, starts, detections, tracks, identities):
        shuffle(rows)
    return score_episode(
        truth,
        analysed_frames=pa.table({"frame_idx": pa.array(analysed, pa.int32())}),
        shots=pa.table({"start_frame": pa.array(starts, pa.int32())}),
        detections=pa.table(
            {
                "detection_id": pa.array([row[0] for row in detections], pa.string()),
                "frame_idx": pa.array([row[1] for row in detections], pa.int32()),
                "bbox": pa.array([row[2] for row in detections], pa.list_(pa.float32(), 4)),
            }
        ),
        tracks=pa.table(
            {
                "track_id": pa.array([row[0] for row in tracks], pa.string()),
                "boxes": pa.array([row[1] for row in tracks], pa.list_(pa.struct([("detection_id", pa.string())]))),
            }
        ),
        identities=identities_with(*identities),
        screen_time=screen_time,
    )


def perfect(presence: list[list[bool]]) -> Episode:
    """Everybody found where they are, `presence[frame][person]`; a track a person, an identity a track."""
    faces: list[tuple[int, str, Box, float]] = []
    detections: dict[str, tuple[int, Box]] = {}
    tracks: dict[str, list[str]] = {}
    for frame_idx, present in enumerate(presence):
        for place, there in enumerate(present):
            if there:
                faces.append((frame_idx, f"person-{place}", slot(place), 1.0))
                detections[f"d{frame_idx}-{place}"] = (frame_idx, slot(place))
                tracks.setdefault(f"t{place}", []).append(f"d{frame_idx}-{place}")
    return Episode(
        frames=len(presence),
        faces=faces,
        detections=detections,
        tracks=tracks,
        identities={f"i{track_id}": [track_id] for track_id in tracks},
    )


def together(people: int, frames: int = 6) -> Episode:
    return perfect([[True] * people] * frames)


presences = st.integers(1, 4).flatmap(
    lambda people: st.lists(st.lists(st.booleans(), min_size=people, max_size=people), min_size=1, max_size=6).filter(
        lambda rows: any(map(any, rows))
    )
)


@st.composite
def episodes(draw: st.DrawFn) -> Episode:
    """People here and there, and findings that are right only now and then."""
    frames, places = draw(st.integers(1, 5)), range(4)
    places_seen = st.lists(st.sampled_from(places), unique=True)
    faces: list[tuple[int, str, Box, float]] = []
    detections: dict[str, tuple[int, Box]] = {}
    for frame_idx in range(frames):
        for place in draw(places_seen):
            visible = draw(st.sampled_from([1.0, 0.6, 0.3]))
            faces.append((frame_idx, draw(st.sampled_from("ABC")), slot(place), visible))
        for place in draw(st.lists(st.sampled_from(places))):
            shift = draw(st.sampled_from([0.0, 20.0, 60.0]))
            x1, y1, x2, y2 = slot(place)
            detections[f"d{len(detections)}"] = (frame_idx, (x1 + shift, y1, x2 + shift, y2))
    tracks: dict[str, list[str]] = {}
    for detection_id in detections:
        track_id = draw(st.sampled_from(["", "t1", "t2", "t3", "t4"]))
        if track_id:
            tracks.setdefault(track_id, []).append(detection_id)
    identities: dict[str, list[str]] = {}
    for track_id in tracks:
        identity_id = draw(st.sampled_from(["", "i1", "i2", "i3"]))
        if identity_id:
            identities.setdefault(identity_id, []).append(track_id)
    cuts = st.lists(st.integers(1, max(1, frames - 1)), unique=True).map(sorted).map(tuple)
    return Episode(
        frames=frames,
        faces=faces,
        detections=detections,
        tracks=tracks,
        identities=identities,
        true_cuts=draw(cuts) if frames > 1 else (),
        found_cuts=draw(cuts),
    )


@given(presences)
def test_finding_everything_scores_one_everywhere(presence: list[list[bool]]) -> None:
    episode = perfect(presence)
    scores = score(episode)
    people = {person for _, person, _, _ in episode.faces}
    assert scores.detection_recall == scores.detection_precision == 1.0
    assert scores.bcubed_precision == scores.bcubed_recall == scores.bcubed_f1 == 1.0
    assert scores.track_purity == scores.wcp == 1.0
    assert scores.nmi == pytest.approx(1.0)
    assert scores.clusters == scores.people == len(people)
    assert [person.found for person in scores.per_person] == [1.0] * len(people)


@given(episodes(), st.integers(0, 2**16))
def test_the_order_of_the_rows_changes_nothing(episode: Episode, seed: int) -> None:
    assert score(episode, seed).to_dict() == score(episode).to_dict()


@given(episodes())
def test_the_names_of_tracks_and_identities_change_nothing(episode: Episode) -> None:
    renamed = replace(
        episode,
        tracks={f"{9 - int(name[1:])}x": members for name, members in episode.tracks.items()},
        identities={
            f"z{9 - int(name[1:])}": [f"{9 - int(track_id[1:])}x" for track_id in members]
            for name, members in episode.identities.items()
        },
    )
    before, after = score(episode).to_dict(), score(renamed).to_dict()
    for scores in (before, after):
        for person in scores.pop("per_person"):  # type: ignore[attr-defined]
            person["identity_ids"] = len(person["identity_ids"])
    assert after == pytest.approx(before, nan_ok=True)


@given(episodes())
def test_every_score_is_a_share_and_every_detection_is_accounted_for(episode: Episode) -> None:
    scores = score(episode)
    # A screen-time error may be larger than the whole.
    shares = [
        value
        for name, value in scores.to_dict().items()
        if isinstance(value, float) and not name.startswith("screen_time_error")
    ]
    assert all(0.0 <= value <= 1.0 for value in shares)
    found = round(sum(person.found * asked(episode, person.person) for person in scores.per_person))
    assert scores.detections == found + scores.false_detections + scores.ignored_detections


def asked(episode: Episode, name: str) -> int:
    return sum(person == name and visible >= 0.6 for _, person, _, visible in episode.faces)


def test_bcubed_agrees_with_the_sums_done_by_hand() -> None:
    # Three faces of A in one cluster; one of A and two of B in another.
    episode = replace(
        perfect([[True, True], [True, True], [True, False], [True, False]]),
        tracks={"t1": ["d0-0", "d1-0", "d2-0"], "t2": ["d3-0"], "t3": ["d0-1", "d1-1"]},
        identities={"i1": ["t1"], "i2": ["t2", "t3"]},
    )
    scores = score(episode)
    precision = (3 * 1 + 1 * 1 / 3 + 2 * 2 / 3) / 6
    recall = (3 * 3 / 4 + 1 * 1 / 4 + 2 * 1) / 6
    assert scores.bcubed_precision == pytest.approx(precision)
    assert scores.bcubed_recall == pytest.approx(recall)
    assert scores.bcubed_f1 == pytest.approx(2 * precision * recall / (precision + recall))


def test_wcp_and_nmi_count_tracks_whatever_their_length() -> None:
    # Tracks of A, A, A, B in clusters 1, 1, 2, 2; the first track is longer than the others together.
    episode = replace(
        perfect([[True, True]] + [[True, False]] * 8),
        tracks={"t1": [f"d{i}-0" for i in range(7)], "t2": ["d7-0"], "t3": ["d8-0"], "t4": ["d0-1"]},
        identities={"i1": ["t1", "t2"], "i2": ["t3", "t4"]},
    )
    scores = score(episode)
    people_entropy = -(3 / 4 * math.log(3 / 4) + 1 / 4 * math.log(1 / 4))
    clusters_entropy = math.log(2)
    shared = 2 / 4 * math.log(2 * 4 / (2 * 3)) + 1 / 4 * math.log(1 * 4 / (2 * 3)) + 1 / 4 * math.log(1 * 4 / 2)
    assert scores.wcp == pytest.approx(3 / 4)
    assert scores.nmi == pytest.approx(2 * shared / (people_entropy + clusters_entropy))
    assert scores.num_tracks == 4


def test_splitting_a_person_lowers_recall_only() -> None:
    episode = together(2)
    split = replace(
        episode,
        tracks={**episode.tracks, "t0": episode.tracks["t0"][:2], "t9": episode.tracks["t0"][2:]},
        identities={**episode.identities, "i9": ["t9"]},
    )
    scores = score(split)
    assert scores.bcubed_recall < 1.0
    assert scores.bcubed_precision == scores.wcp == scores.track_purity == 1.0
    assert scores.clusters == scores.people + 1
    assert scores.per_person[0].identity_ids == ("i9", "it0")


def test_merging_two_people_lowers_precision_only() -> None:
    merged = replace(together(3), identities={"i0": ["t0", "t1"], "i2": ["t2"]})
    scores = score(merged)
    assert scores.bcubed_precision < 1.0
    assert scores.wcp == pytest.approx(2 / 3)
    assert scores.bcubed_recall == scores.track_purity == 1.0
    assert scores.clusters == scores.people - 1


def test_a_track_of_two_people_is_impure_by_the_share_of_the_lesser() -> None:
    episode = together(2, frames=4)
    swapped = replace(
        episode,
        tracks={"t0": ["d0-0", "d1-0", "d2-0", "d3-1"], "t1": ["d0-1", "d1-1", "d2-1", "d3-0"]},
    )
    scores = score(swapped)
    assert scores.impure_tracks == 2
    assert scores.track_purity == pytest.approx(6 / 8)
    assert scores.bcubed_precision < 1.0


def test_a_track_without_an_identity_and_a_detection_without_a_track_are_their_own_clusters() -> None:
    episode = together(1, frames=4)
    loose = replace(
        episode,
        tracks={"t0": ["d0-0", "d1-0"], "t1": ["d2-0"]},  # d3-0 has no track
        identities={"it0": ["t0"]},  # t1 has no identity
    )
    scores = score(loose)
    assert scores.bcubed_recall == pytest.approx((2 * 2 / 4 + 1 / 4 + 1 / 4) / 4)
    assert scores.bcubed_precision == 1.0
    assert scores.clusters == 1
    assert scores.num_tracks == 2


def test_two_tracks_without_an_identity_are_two_clusters() -> None:
    scores = score(replace(together(2), identities={}))
    assert scores.bcubed_precision == scores.bcubed_recall == scores.wcp == 1.0
    assert scores.clusters == 0


def test_a_track_is_labelled_with_whom_it_shows_most() -> None:
    episode = replace(
        together(2, frames=4),
        tracks={"t0": ["d0-0", "d1-0", "d2-0", "d3-1"], "t1": ["d3-0"], "t2": ["d0-1", "d1-1", "d2-1"]},
        identities={"i0": ["t0", "t1"], "i1": ["t2"]},
    )
    scores = score(episode)
    assert scores.wcp == 1.0
    assert scores.nmi == pytest.approx(1.0)


def test_a_missed_face_lowers_detection_recall_only() -> None:
    episode = together(2, frames=5)
    missing = {key: value for key, value in episode.detections.items() if key != "d3-1"}
    tracks = {**episode.tracks, "t1": ["d0-1", "d1-1", "d2-1", "d4-1"]}
    scores = score(replace(episode, detections=missing, tracks=tracks))
    assert scores.detection_recall == pytest.approx(9 / 10)
    assert scores.detection_precision == 1.0
    assert [person.found for person in scores.per_person] == pytest.approx([1.0, 4 / 5])


def test_a_detection_that_matches_no_person_is_a_false_positive() -> None:
    episode = together(1, frames=3)
    scores = score(replace(episode, detections={**episode.detections, "x": (1, slot(3))}))
    assert scores.false_detections == 1
    assert scores.detection_precision == pytest.approx(3 / 4)
    assert scores.detection_recall == scores.bcubed_f1 == 1.0


def test_the_second_detection_on_one_face_is_false() -> None:
    episode = together(1, frames=3)
    x1, y1, x2, y2 = slot(0)
    scores = score(replace(episode, detections={**episode.detections, "x": (1, (x1 + 5, y1, x2 + 5, y2))}))
    assert scores.false_detections == 1
    assert scores.bcubed_f1 == 1.0


def test_two_detections_in_the_very_same_place_score_the_same_in_any_order() -> None:
    episode = Episode(
        frames=1,
        faces=[(0, "A", slot(0), 1.0)],
        detections={"d1": (0, slot(0)), "d2": (0, slot(0))},
        tracks={"t1": ["d1"]},
        identities={"i1": ["t1"]},
    )
    assert {score(episode, seed).per_person[0].identity_ids for seed in range(8)} == {("i1",)}


def test_of_two_detections_that_fit_alike_the_names_do_not_choose() -> None:
    x1, y1, x2, y2 = slot(0)
    left, right = (x1 - 20, y1, x2 - 20, y2), (x1 + 20, y1, x2 + 20, y2)
    clusters = set()
    for left_id, right_id in (("d1", "d2"), ("d2", "d1")):
        episode = Episode(
            frames=1,
            faces=[(0, "A", slot(0), 1.0)],
            detections={left_id: (0, left), right_id: (0, right)},
            tracks={"t-left": [left_id], "t-right": [right_id]},
            identities={"i-left": ["t-left"], "i-right": ["t-right"]},
        )
        clusters.add(score(episode).per_person[0].identity_ids)
    assert len(clusters) == 1


def test_a_face_less_than_six_tenths_in_view_is_neither_asked_for_nor_false() -> None:
    episode = together(2, frames=4)
    hidden = replace(
        episode,
        faces=[
            (frame_idx, person, box, 0.59 if person == "person-1" else 0.6)
            for frame_idx, person, box, _ in episode.faces
        ],
    )
    scores = score(hidden)
    assert (scores.truth_faces, scores.ignored_detections, scores.false_detections) == (4, 4, 0)
    assert scores.people == scores.num_tracks == 1
    assert scores.detection_precision == scores.detection_recall == scores.bcubed_f1 == 1.0


def test_a_face_in_view_is_matched_before_the_hidden_one_behind_it() -> None:
    x1, y1, x2, y2 = slot(0)
    episode = Episode(
        frames=1,
        faces=[(0, "behind", slot(0), 0.3), (0, "front", (x1 + 30, y1, x2 + 30, y2), 1.0)],
        detections={"d": (0, slot(0))},
    )
    scores = score(episode)
    assert scores.detection_recall == 1.0
    assert scores.ignored_detections == 0


def test_as_many_faces_as_possible_are_found_before_overlap_counts() -> None:
    episode = Episode(
        frames=1,
        faces=[(0, "A", (0, 0, 100, 100), 1.0), (0, "B", (40, 0, 140, 100), 1.0)],
        # The first fits A exactly and B with an IoU of 0.43; the second fits A alone, with 0.42.
        detections={"d1": (0, (0, 0, 100, 100)), "d2": (0, (0, 0, 42, 100))},
    )
    assert score(episode).detection_recall == 1.0


def test_a_box_that_reaches_outside_the_frame_is_compared_cut_off() -> None:
    episode = Episode(
        frames=1,
        faces=[(0, "A", (-60.0, 0.0, 100.0, 100.0), 0.62)],
        detections={"d": (0, (0.0, 0.0, 60.0, 100.0))},
    )
    assert score(episode).detection_recall == 1.0


def test_only_analysed_frames_are_scored() -> None:
    episode = replace(together(1, frames=6), analysed=(0, 3))
    missing = {key: value for key, value in episode.detections.items() if key in ("d0-0", "d3-0", "d4-0")}
    scores = score(replace(episode, detections=missing))
    assert (scores.truth_faces, scores.detections, scores.detection_recall) == (2, 2, 1.0)
    assert scores.per_person[0].presence_s == pytest.approx(6 / FPS)


@pytest.mark.parametrize(
    ("found", "counts"),
    [
        ((10, 20), (2, 0, 0)),
        ((11, 19), (2, 0, 0)),
        ((12,), (0, 2, 1)),
        ((9, 11, 20), (2, 0, 1)),
        ((), (0, 2, 0)),
    ],
)
def test_a_cut_is_found_to_one_frame_and_only_once(found: tuple[int, ...], counts: tuple[int, ...]) -> None:
    scores = score(replace(together(1, frames=30), true_cuts=(10, 20), found_cuts=found))
    assert (scores.cuts_found, scores.cuts_missed, scores.cuts_false) == counts


def published_time(intervals: list[list[float]], *identity_ids: str) -> ScreenTime:
    return screen_time_with(person_time("somebody", intervals, identity_ids=identity_ids))


def test_published_seconds_are_scored_if_there_are_any() -> None:
    episode = perfect([[True]] * 10)
    published = published_time([[0.0, 7.5 / FPS]], "it0", "of another track")
    assert score(episode).screen_time_error_max == 0
    assert score(episode, screen_time=published).screen_time_error_max == pytest.approx(0.25)
    assert score(episode, screen_time=screen_time_with()).screen_time_error_max == 1


def test_published_seconds_in_which_the_face_is_hardly_visible_are_ignored() -> None:
    whole = perfect([[True]] * 10)
    faces = [(frame, person, box, 0.5 if frame in (4, 5) else 1.0) for frame, person, box, _ in whole.faces]
    episode = replace(whole, faces=faces)
    for times in ([[0.0, 10 / FPS]], [[0.0, 4 / FPS], [6 / FPS, 10 / FPS]], [[0.0, 4.5 / FPS], [5.5 / FPS, 10 / FPS]]):
        published = published_time(times, "it0")
        assert score(episode, screen_time=published).screen_time_error_max == pytest.approx(0, abs=1e-9)
    published = published_time([[0.0, 6 / FPS]], "it0")
    assert score(episode, screen_time=published).screen_time_error_max == pytest.approx(0.5)


def test_where_nothing_can_be_measured_json_says_null() -> None:
    scores = score(Episode(frames=2, faces=[])).to_dict()
    assert scores["detection_recall"] is scores["bcubed_f1"] is scores["wcp"] is scores["nmi"] is None
    assert scores["clusters"] == scores["people"] == 0
    json.dumps(scores, allow_nan=False)


def test_scores_survive_json() -> None:
    scores = score(together(2)).to_dict()
    assert json.loads(json.dumps(scores, allow_nan=False)) == scores


def test_the_truth_of_a_shorter_video_is_refused() -> None:
    with pytest.raises(TruthError, match="the truth has 6 frames, but frame 6 was analysed"):
        score(replace(together(1, frames=6), analysed=(0, 6)))


def test_a_detection_in_two_tracks_is_refused() -> None:
    episode = together(2)
    with pytest.raises(ArtifactError, match="detection d0-0 is in t0 and in t1"):
        score(replace(episode, tracks={**episode.tracks, "t1": ["d0-0"]}))


def test_a_track_in_two_identities_is_refused() -> None:
    with pytest.raises(ArtifactError, match="t0 is in it0 and in it1"):
        score(replace(together(2), identities={"it0": ["t0"], "it1": ["t0", "t1"]}))
