from collections.abc import Sequence
from random import Random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from screenalytics_assets.core.common import schemas
from screenalytics_assets.core.quality import integrity
from screenalytics_assets.core.tracking.appearance_split import SplitLimits
from screenalytics_assets.core.tracking.split_and_link import SplitTracks, no_split_embeddings, split_and_link
from tests.unit.builders import Box, Seen, detections_table, people, tracks_table

LIMITS = SplitLimits(hard_sim=0.2, soft_sim=0.38, streak=3, min_iou=0.1)
LEFT: Box = (0.1, 0.3, 0.2, 0.5)
RIGHT: Box = (0.21, 0.3, 0.31, 0.5)
FAR: Box = (0.7, 0.3, 0.8, 0.5)
BAD = -1


class Footage:
    """Tracks given by the person in each detection, every third frame; -1 is a crop that resembles no other."""

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

    def split(
        self,
        *,
        limits: SplitLimits = LIMITS,
        interval_s: float = 0.5,
        max_gap_s: float = 2.0,
        usable: bool = True,
        max_duplicate_s: float | None = None,
    ) -> SplitTracks:
        return split_and_link(
            tracks_table(self.tracks),
            self.detections,
            np.full(len(self.who), usable),
            self.embed,
            limits,
            interval_s=interval_s,
            max_gap_s=max_gap_s,
            model_digest="digest",
            patches=None if max_duplicate_s is None else self.patches,
            max_duplicate_s=max_duplicate_s or 0.0,
        )

    @property
    def patches(self) -> NDArray[np.uint8]:
        """One patch of each person; bad crops all differ."""
        patches = np.random.default_rng(1).integers(0, 256, (8 + len(self.who), 20, 20), dtype=np.uint8)
        return patches[[person if person >= 0 else 8 + i for i, person in enumerate(self.who)]]

    def seen_in(self, tracks: pa.Table) -> list[list[int]]:
        """The people in each track in time order."""
        found = []
        for boxes in tracks["boxes"].to_pylist():
            who = [self.who[int(box["detection_id"].removeprefix("det-")) - 1] for box in boxes]
            found.append([person for i, person in enumerate(who) if i == 0 or who[i - 1] != person])
        return found


def test_a_track_of_one_person_does_not_change() -> None:
    footage = Footage([(0, [0] * 30), (30, [1] * 12)])
    split = footage.split()
    expected = tracks_table(footage.tracks)
    assert split.tracks.drop_columns(["mean_confidence"]).equals(expected.drop_columns(["mean_confidence"]))
    np.testing.assert_allclose(split.tracks["mean_confidence"], expected["mean_confidence"], rtol=1e-5)


def test_another_face_in_the_same_place_begins_a_track_with_a_split_reason() -> None:
    split = Footage([(0, [0] * 12 + [1] * 12)]).split()
    assert split.tracks["track_id"].to_pylist() == ["track-00001", "track-00002"]
    assert split.tracks["split_reason"].to_pylist() == [None, "hard"]
    assert split.tracks["start_frame"].to_pylist() == [0, 36]
    assert split.tracks["num_detections"].to_pylist() == [12, 12]


def test_ids_are_in_the_order_in_which_tracks_begin_also_after_a_split() -> None:
    footage = Footage([(0, [0] * 12 + [1] * 12), (30, [2] * 12)])
    tracks = footage.split().tracks
    assert footage.seen_in(tracks) == [[0], [2], [1]]
    assert tracks["start_frame"].to_pylist() == [0, 30, 36]
    assert tracks["split_reason"].to_pylist() == [None, None, "hard"]


def test_two_faces_that_swap_tracks_are_one_track_each() -> None:
    footage = Footage([(0, [0] * 12 + [1] * 12), (0, [1] * 12 + [0] * 12)])
    tracks = footage.split().tracks
    assert footage.seen_in(tracks) == [[0], [1]]
    assert tracks["num_detections"].to_pylist() == [24, 24]
    assert tracks["split_reason"].to_pylist() == [None, None]


def test_a_face_that_returns_after_another_is_one_track_and_so_is_the_other() -> None:
    footage = Footage([(0, [0] * 12 + [1] * 8 + [0] * 12)])
    tracks = footage.split().tracks
    assert footage.seen_in(tracks) == [[0], [1]]
    assert tracks["num_detections"].to_pylist() == [24, 8]
    assert footage.seen_in(footage.split(max_gap_s=0.5).tracks) == [[0], [1], [0]]


def test_a_track_that_ended_is_linked_to_one_in_which_the_face_reappears() -> None:
    footage = Footage([(0, [0] * 8), (42, [0] * 8), (66, [1] * 8)])
    assert footage.seen_in(footage.split().tracks) == [[0], [1]]
    assert footage.seen_in(footage.split(max_gap_s=0.2).tracks) == [[0], [0], [1]]


def test_tracks_of_two_shots_are_never_linked() -> None:
    footage = Footage([(0, [0] * 8), (24, [0] * 8)], shots=[0, 1])
    assert footage.split().tracks.num_rows == 2


def test_a_short_tracklet_is_linked_to_another_track_that_shows_its_face() -> None:
    footage = Footage([(0, [0] * 12 + [1] + [0] * 12), (0, [1] * 11)])
    tracks = footage.split(interval_s=0.1).tracks
    assert footage.seen_in(tracks) == [[0], [1]]
    assert tracks["num_detections"].to_pylist() == [24, 12]


def test_a_short_tracklet_that_is_linked_to_no_track_returns_to_its_parent() -> None:
    for moment in ([1], [BAD], [BAD, BAD, BAD], [1, 1]):
        footage = Footage([(0, [0] * 12 + moment + [0] * 12)])
        assert footage.split(interval_s=0.3).tracks.num_rows == 1, moment


def test_a_tracklet_does_not_return_to_a_parent_with_a_detection_in_the_same_frame() -> None:
    footage = Footage([(0, [0] * 12 + [BAD]), (36, [0] * 12)])
    tracks = footage.split().tracks
    assert footage.seen_in(tracks) == [[0], [BAD]]
    assert tracks["num_detections"].to_pylist() == [24, 1]


def test_a_face_longer_than_the_interval_is_a_track_of_its_own() -> None:
    footage = Footage([(0, [0] * 12 + [1] * 6 + [0] * 12)])
    assert footage.split(interval_s=0.5).tracks.num_rows == 2


@pytest.mark.parametrize("usable", [True, False])
def test_without_a_usable_crop_nothing_is_embedded_and_nothing_changes(usable: bool) -> None:
    footage = Footage([(0, [0] * 12 + [1] * 12)])
    split = footage.split(usable=usable)
    assert (split.tracks.num_rows, bool(footage.asked)) == ((2, True) if usable else (1, False))
    assert split.embedded.num_rows == len(split.vectors) == len(footage.asked)


def test_each_embedded_detection_has_its_row_and_was_embedded_once() -> None:
    footage = Footage([(0, [0] * 20 + [1] * 20), (0, [1] * 20 + [2] * 20)])
    split = footage.split()
    ids = split.embedded["detection_id"].to_pylist()
    assert sorted(footage.asked) == sorted(ids) == sorted(set(ids))
    np.testing.assert_array_equal(split.vectors, footage.vectors[[int(i.removeprefix("det-")) - 1 for i in ids]])
    assert set(split.embedded["model_digest"].to_pylist()) == {"digest"}
    assert integrity.schema_breaches("gate", split.embedded, schemas.SPLIT_EMBEDDINGS) == []
    assert integrity.vector_breaches(split.vectors, split.embedded.num_rows) == []


def test_of_near_duplicates_only_the_representatives_are_embedded() -> None:
    asked = []
    for max_duplicate_s in (None, 0.0, 1.0, 2.0):
        footage = Footage([(0, [0] * 160)])
        assert footage.split(max_duplicate_s=max_duplicate_s).tracks.num_rows == 1
        asked.append(len(footage.asked))
    assert asked[0] == asked[1] == pytest.approx(2 * 20, abs=3)
    assert asked[2:] == [20, 10]


@pytest.mark.parametrize("newcomers", range(2, 20))
def test_near_duplicates_do_not_move_a_split_by_a_single_detection(newcomers: int) -> None:
    footage = Footage([(0, [0] * 40 + [1] * newcomers)])
    tracks = footage.split(max_duplicate_s=2.0).tracks
    assert footage.seen_in(tracks) == [[0], [1]]
    assert tracks["num_detections"].to_pylist() == [40, newcomers]


@given(st.lists(st.tuples(st.sampled_from([0, 1, 2]), st.integers(5, 25)), min_size=1, max_size=5))
@settings(max_examples=60)
def test_tracks_do_not_depend_on_near_duplicates(stays: list[tuple[int, int]]) -> None:
    who = [person for person, count in stays for _ in range(count)]
    plain, fewer = (Footage([(0, who)]).split(max_duplicate_s=limit_s).tracks for limit_s in (0.0, 2.0))
    assert fewer.drop_columns(["mean_confidence"]).equals(plain.drop_columns(["mean_confidence"]))


def test_a_longer_interval_embeds_fewer_detections() -> None:
    counts = []
    for interval_s in (0.25, 0.5, 1.0):
        footage = Footage([(0, [0] * 80)])
        footage.split(interval_s=interval_s)
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
@example(spans=[(0, [0, BAD, BAD]), (1, [BAD] * 11 + [0, 0])], random=Random(3))  # noqa: S311 - a fixed example
@settings(max_examples=60)
def test_every_detection_stays_in_one_track_and_the_order_of_the_rows_changes_nothing(
    spans: list[tuple[int, list[int]]], random: Random
) -> None:
    footage = Footage([(3 * start, who) for start, who in spans])
    split = footage.split()
    order = list(range(len(footage.who)))
    random.shuffle(order)
    tracks = tracks_table(footage.tracks)
    for_the_tracks = random.sample(range(tracks.num_rows), tracks.num_rows)
    shuffled = split_and_link(
        tracks.take(pa.array(for_the_tracks, pa.int64())),
        footage.detections.take(pa.array(order, pa.int64())),
        np.ones(len(order), np.bool_),
        footage.embed,
        LIMITS,
        interval_s=0.5,
        max_gap_s=2.0,
        model_digest="digest",
    )
    assert shuffled.tracks.equals(split.tracks)
    assert shuffled.embedded.equals(split.embedded)
    members = [box["detection_id"] for boxes in split.tracks["boxes"].to_pylist() for box in boxes]
    assert sorted(members) == [f"det-{i + 1:06d}" for i in range(len(footage.who))]
    for boxes in split.tracks["boxes"].to_pylist():
        frames = [box["frame_idx"] for box in boxes]
        assert frames == sorted(set(frames))
    assert integrity.schema_breaches("tracks", split.tracks, schemas.TRACKS) == []


def test_no_tracks_give_no_tracks() -> None:
    split = Footage([]).split()
    assert (split.tracks.num_rows, split.embedded.num_rows, split.vectors.shape) == (0, 0, (0, 512))


def test_without_the_split_the_table_and_the_vectors_are_empty() -> None:
    embedded, vectors = no_split_embeddings()
    assert embedded.num_rows == 0
    assert integrity.schema_breaches("gate", embedded, schemas.SPLIT_EMBEDDINGS) == []
    assert integrity.vector_breaches(vectors, 0) == []
