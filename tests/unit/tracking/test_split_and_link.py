from collections.abc import Sequence
from random import Random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from screenalytics_assets.core.common import schemas
from screenalytics_assets.core.quality import integrity
from screenalytics_assets.core.tracking.appearance_split import GateLimits
from screenalytics_assets.core.tracking.split_and_link import GatedTracks, gate_tracks, no_embeddings
from tests.unit.builders import Box, Seen, detections_table, people, tracks_table

LIMITS = GateLimits(hard_sim=0.2, soft_sim=0.38, streak=3, iou=0.1)
LEFT: Box = (0.1, 0.3, 0.2, 0.5)
RIGHT: Box = (0.7, 0.3, 0.8, 0.5)
BAD = -1


class Footage:
    """Tracks by who is really seen in each detection, every third frame; -1 is a crop that resembles nobody."""

    def __init__(self, tracks: Sequence[tuple[int, Sequence[int]]], *, shots: Sequence[int] = ()) -> None:
        boxes = [(LEFT, RIGHT)[i % 2] for i in range(len(tracks))]
        self.tracks = [
            [
                Seen(start + 3 * k, box, shot_idx=shots[i] if shots else 0, quality_score=0.8 - 0.01 * (k % 7))
                for k in range(len(who))
            ]
            for i, ((start, who), box) in enumerate(zip(tracks, boxes, strict=True))
        ]
        self.who = [person for _, people_seen in tracks for person in people_seen]
        self.asked: list[str] = []
        persons = people([1] * 8, spread=0)
        noise = np.random.default_rng(0).normal(size=(len(self.who), 512))
        noise[:, :8] = 0
        noise /= np.linalg.norm(noise, axis=1, keepdims=True)
        rows = [
            (persons[p] if p >= 0 else 0) + (0.5 if p >= 0 else 1) * n for p, n in zip(self.who, noise, strict=True)
        ]
        self.vectors = np.array([row / np.linalg.norm(row) for row in rows], np.float32)

    @property
    def detections(self) -> pa.Table:
        return detections_table([face for track in self.tracks for face in track])

    def embed(self, detection_ids: Sequence[str]) -> NDArray[np.float32]:
        self.asked += detection_ids
        return self.vectors[[int(i.removeprefix("det-")) - 1 for i in detection_ids]]

    def gated(
        self,
        *,
        limits: GateLimits = LIMITS,
        interval_s: float = 0.5,
        rejoin_gap_s: float = 2.0,
        trusted: bool = True,
        still_s: float | None = None,
    ) -> GatedTracks:
        return gate_tracks(
            tracks_table(self.tracks),
            self.detections,
            np.full(len(self.who), trusted),
            self.embed,
            limits,
            interval_s=interval_s,
            rejoin_gap_s=rejoin_gap_s,
            model_digest="digest",
            pictures=None if still_s is None else self.pictures,
            still_s=still_s or 0.0,
        )

    @property
    def pictures(self) -> NDArray[np.uint8]:
        """A still of each person; whoever resembles nobody looks different each time."""
        stills = np.random.default_rng(1).integers(0, 256, (8 + len(self.who), 20, 20), dtype=np.uint8)
        return stills[[person if person >= 0 else 8 + i for i, person in enumerate(self.who)]]

    def seen_in(self, tracks: pa.Table) -> list[list[int]]:
        """Who is seen in each track, in time, one after the other."""
        found = []
        for boxes in tracks["boxes"].to_pylist():
            who = [self.who[int(box["detection_id"].removeprefix("det-")) - 1] for box in boxes]
            found.append([person for i, person in enumerate(who) if i == 0 or who[i - 1] != person])
        return found


def test_a_track_of_one_person_stays_as_it_is() -> None:
    footage = Footage([(0, [0] * 30), (30, [1] * 12)])
    gated = footage.gated()
    expected = tracks_table(footage.tracks)
    assert gated.tracks.drop_columns(["mean_confidence"]).equals(expected.drop_columns(["mean_confidence"]))
    np.testing.assert_allclose(gated.tracks["mean_confidence"], expected["mean_confidence"], rtol=1e-5)


def test_another_face_in_the_same_place_begins_a_track_that_says_why() -> None:
    gated = Footage([(0, [0] * 12 + [1] * 12)]).gated()
    assert gated.tracks["track_id"].to_pylist() == ["track-00001", "track-00002"]
    assert gated.tracks["split_reason"].to_pylist() == [None, "hard"]
    assert gated.tracks["start_frame"].to_pylist() == [0, 36]
    assert gated.tracks["num_detections"].to_pylist() == [12, 12]


def test_ids_are_in_the_order_in_which_tracks_begin_also_after_a_split() -> None:
    footage = Footage([(0, [0] * 12 + [1] * 12), (30, [2] * 12)])
    tracks = footage.gated().tracks
    assert footage.seen_in(tracks) == [[0], [2], [1]]
    assert tracks["start_frame"].to_pylist() == [0, 30, 36]
    assert tracks["split_reason"].to_pylist() == [None, None, "hard"]


def test_two_faces_that_swap_their_tracks_get_them_back() -> None:
    footage = Footage([(0, [0] * 12 + [1] * 12), (0, [1] * 12 + [0] * 12)])
    tracks = footage.gated().tracks
    assert footage.seen_in(tracks) == [[0], [1]]
    assert tracks["num_detections"].to_pylist() == [24, 24]
    assert tracks["split_reason"].to_pylist() == [None, None]


def test_a_face_that_returns_after_another_one_is_one_track_and_the_other_one_too() -> None:
    footage = Footage([(0, [0] * 12 + [1] * 8 + [0] * 12)])
    tracks = footage.gated().tracks
    assert footage.seen_in(tracks) == [[0], [1]]
    assert tracks["num_detections"].to_pylist() == [24, 8]
    assert footage.seen_in(footage.gated(rejoin_gap_s=0.5).tracks) == [[0], [1], [0]]


def test_a_track_that_ended_and_the_one_in_which_the_face_appears_again_are_one() -> None:
    footage = Footage([(0, [0] * 8), (42, [0] * 8), (66, [1] * 8)])
    assert footage.seen_in(footage.gated().tracks) == [[0], [1]]
    assert footage.seen_in(footage.gated(rejoin_gap_s=0.2).tracks) == [[0], [0], [1]]


def test_tracks_of_two_shots_are_never_joined() -> None:
    footage = Footage([(0, [0] * 8), (24, [0] * 8)], shots=[0, 1])
    assert footage.gated().tracks.num_rows == 2


def test_a_moment_that_another_track_of_the_shot_claims_goes_there() -> None:
    footage = Footage([(0, [0] * 12 + [1] + [0] * 12), (0, [1] * 11)])
    tracks = footage.gated(interval_s=0.1).tracks
    assert footage.seen_in(tracks) == [[0], [1]]
    assert tracks["num_detections"].to_pylist() == [24, 12]


def test_a_moment_that_nobody_claims_stays_in_its_track() -> None:
    for moment in ([1], [BAD], [BAD, BAD, BAD], [1, 1]):
        footage = Footage([(0, [0] * 12 + moment + [0] * 12)])
        assert footage.gated(interval_s=0.3).tracks.num_rows == 1, moment


def test_a_moment_does_not_go_back_to_a_track_that_has_another_detection_in_its_frame() -> None:
    footage = Footage([(0, [0] * 12 + [BAD]), (36, [0] * 12)])
    tracks = footage.gated().tracks
    assert footage.seen_in(tracks) == [[0], [BAD]]
    assert tracks["num_detections"].to_pylist() == [24, 1]


def test_a_face_longer_than_the_interval_is_a_track_of_its_own() -> None:
    footage = Footage([(0, [0] * 12 + [1] * 6 + [0] * 12)])
    assert footage.gated(interval_s=0.5).tracks.num_rows == 2


@pytest.mark.parametrize("trusted", [True, False])
def test_without_a_crop_that_means_something_nothing_is_embedded_and_nothing_changes(trusted: bool) -> None:
    footage = Footage([(0, [0] * 12 + [1] * 12)])
    gated = footage.gated(trusted=trusted)
    assert (gated.tracks.num_rows, bool(footage.asked)) == ((2, True) if trusted else (1, False))
    assert gated.embedded.num_rows == len(gated.vectors) == len(footage.asked)


def test_each_embedded_detection_has_its_row_and_was_embedded_once() -> None:
    footage = Footage([(0, [0] * 20 + [1] * 20), (0, [1] * 20 + [2] * 20)])
    gated = footage.gated()
    ids = gated.embedded["detection_id"].to_pylist()
    assert sorted(footage.asked) == sorted(ids) == sorted(set(ids))
    np.testing.assert_array_equal(gated.vectors, footage.vectors[[int(i.removeprefix("det-")) - 1 for i in ids]])
    assert set(gated.embedded["model_digest"].to_pylist()) == {"digest"}
    assert integrity.schema_breaches("gate", gated.embedded, schemas.GATE) == []
    assert integrity.vector_breaches(gated.vectors, gated.embedded.num_rows) == []


def test_a_face_whose_picture_stays_the_same_is_embedded_only_now_and_then() -> None:
    asked = []
    for still_s in (None, 0.0, 1.0, 2.0):
        footage = Footage([(0, [0] * 160)])
        assert footage.gated(still_s=still_s).tracks.num_rows == 1
        asked.append(len(footage.asked))
    assert asked[0] == asked[1] == pytest.approx(2 * 20, abs=3)
    assert asked[2:] == [20, 10]


@pytest.mark.parametrize("newcomers", range(2, 20))
def test_another_face_in_a_still_picture_is_found_at_the_very_detection_however_late_it_comes(newcomers: int) -> None:
    footage = Footage([(0, [0] * 40 + [1] * newcomers)])
    tracks = footage.gated(still_s=2.0).tracks
    assert footage.seen_in(tracks) == [[0], [1]]
    assert tracks["num_detections"].to_pylist() == [40, newcomers]


@given(st.lists(st.tuples(st.sampled_from([0, 1, 2]), st.integers(5, 25)), min_size=1, max_size=5))
@settings(max_examples=60)
def test_who_is_in_a_track_does_not_depend_on_stand_ins(stays: list[tuple[int, int]]) -> None:
    who = [person for person, count in stays for _ in range(count)]
    plain, still = (Footage([(0, who)]).gated(still_s=still_s).tracks for still_s in (0.0, 2.0))
    assert still.drop_columns(["mean_confidence"]).equals(plain.drop_columns(["mean_confidence"]))


def test_the_interval_says_how_many_detections_are_embedded() -> None:
    counts = []
    for interval_s in (0.25, 0.5, 1.0):
        footage = Footage([(0, [0] * 80)])
        footage.gated(interval_s=interval_s)
        counts.append(len(footage.asked))
    assert counts == sorted(counts, reverse=True)
    assert counts[1] == pytest.approx(2 * 10, abs=3)


@given(
    st.lists(
        st.tuples(st.integers(0, 20), st.lists(st.sampled_from([BAD, 0, 1, 2]), min_size=1, max_size=15)),
        min_size=1,
        max_size=4,
    ),
    st.randoms(use_true_random=False),
)
@settings(max_examples=60)
def test_every_detection_stays_in_one_track_and_the_order_of_the_rows_changes_nothing(
    spans: list[tuple[int, list[int]]], random: Random
) -> None:
    footage = Footage([(3 * start, who) for start, who in spans])
    gated = footage.gated()
    order = list(range(len(footage.who)))
    random.shuffle(order)
    tracks = tracks_table(footage.tracks)
    shuffled = gate_tracks(
        tracks.take(pa.array(sorted(range(tracks.num_rows), key=lambda _: random.random()), pa.int64())),
        footage.detections.take(pa.array(order, pa.int64())),
        np.ones(len(order), np.bool_),
        footage.embed,
        LIMITS,
        interval_s=0.5,
        rejoin_gap_s=2.0,
        model_digest="digest",
    )
    assert shuffled.tracks.equals(gated.tracks)
    assert shuffled.embedded.equals(gated.embedded)
    members = [box["detection_id"] for boxes in gated.tracks["boxes"].to_pylist() for box in boxes]
    assert sorted(members) == [f"det-{i + 1:06d}" for i in range(len(footage.who))]
    for boxes in gated.tracks["boxes"].to_pylist():
        frames = [box["frame_idx"] for box in boxes]
        assert frames == sorted(set(frames))
    assert integrity.schema_breaches("tracks", gated.tracks, schemas.TRACKS) == []


def test_no_tracks_give_no_tracks() -> None:
    gated = Footage([]).gated()
    assert (gated.tracks.num_rows, gated.embedded.num_rows, gated.vectors.shape) == (0, 0, (0, 512))


def test_without_the_gate_the_tables_are_there_and_empty() -> None:
    embedded, vectors = no_embeddings()
    assert embedded.num_rows == 0
    assert integrity.schema_breaches("gate", embedded, schemas.GATE) == []
    assert integrity.vector_breaches(vectors, 0) == []
