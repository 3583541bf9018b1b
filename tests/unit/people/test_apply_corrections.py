"""Corrections applied to other clusterings than the one they were made on."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from screenalytics_assets.core.common.errors import CorrectionError
from screenalytics_assets.core.documents.grouping import CorrectionOutcome
from screenalytics_assets.core.identity.episode_tracks import EpisodeTracks
from screenalytics_assets.core.people.corrections.apply_corrections import CorrectedClusters
from screenalytics_assets.core.people.corrections.correction_matching import outcome_of
from screenalytics_assets.core.people.corrections.corrections import (
    Anchor,
    Correction,
    IdentityReference,
    Ignore,
    Merge,
    Name,
    NotThisPerson,
    Split,
    TrackPlaces,
    describe,
)
from screenalytics_assets.core.people.groups import Group
from screenalytics_assets.core.people.person_names import person_id_of
from tests.unit.builders import FPS, Box, Seen, faces_table, people, track_id, tracks_table

LEFT: Box = (0.1, 0.2, 0.3, 0.6)
RIGHT: Box = (0.6, 0.2, 0.8, 0.6)


def walk(start_s: float, end_s: float, box: Box = LEFT, *, stride: int = 3) -> list[Seen]:
    frames = [frame for frame in range(0, 100_000, stride) if start_s <= frame / FPS < end_s][:2000]
    return [replace(Seen(frame), bbox=box) for frame in frames]


def six_tracks(*, stride: int = 3) -> pa.Table:
    """Left and right in turn: tracks 0, 2, 4 on the left, 1, 3, 5 on the right."""
    return tracks_table([walk(i // 2 * 2.0, i // 2 * 2.0 + 1.5, (LEFT, RIGHT)[i % 2], stride=stride) for i in range(6)])


NAMES = [track_id(i) for i in range(6)]
TRACKS = EpisodeTracks(six_tracks(), faces_table([], []), NAMES, people([1, 1])[[0, 1] * 3])
PLACES = TrackPlaces(six_tracks())


def shown(name: str, *tracks: int) -> IdentityReference:
    return PLACES.reference(name, [NAMES[i] for i in tracks])


def apply(
    groups: Sequence[Sequence[int]], *corrections: Correction, tracks: pa.Table | None = None
) -> tuple[list[Group], list[CorrectionOutcome], CorrectedClusters]:
    """Apply corrections to groups of track numbers, called a, b, c, ..."""
    corrected = CorrectedClusters(
        [Group(["abcdef"[i]], [NAMES[t] for t in group]) for i, group in enumerate(groups)],
        TrackPlaces(tracks or six_tracks()),
        TRACKS,
    )
    outcomes = [outcome_of(correction, corrected.apply(correction)) for correction in corrections]
    return corrected.groups, outcomes, corrected


def members(groups: Sequence[Group]) -> list[list[int]]:
    return sorted(sorted(NAMES.index(track) for track in group.tracks) for group in groups)


def test_a_face_is_found_in_the_track_that_is_there_whatever_the_stride() -> None:
    places = TrackPlaces(six_tracks(stride=7))
    for i in range(6):
        assert {places.track_at(anchor) for anchor in shown("x", i).faces} == {NAMES[i]}


def test_a_face_where_no_track_is_at_that_time_is_not_found() -> None:
    assert PLACES.track_at(Anchor(ts_s=1.0, bbox=(0.35, 0.2, 0.55, 0.6))) is None
    assert PLACES.track_at(Anchor(ts_s=30.0, bbox=LEFT)) is None


def test_a_track_that_begins_a_little_later_in_another_run_is_found_all_the_same() -> None:
    late = TrackPlaces(tracks_table([walk(0.1, 1.5)]))
    assert late.track_at(Anchor(ts_s=0.0, bbox=LEFT)) == NAMES[0]
    assert late.track_at(Anchor(ts_s=1.75, bbox=LEFT)) is None


def test_an_identity_of_many_tracks_is_found_by_one_face_of_each() -> None:
    spans = [walk(i * 2.0, i * 2.0 + (1.5 if i < 24 else 0.2)) for i in range(30)]
    places = TrackPlaces(tracks_table(spans))
    found = places.reference("x", [track_id(i) for i in range(30)])
    assert found.tracks == 30
    assert [places.track_at(anchor) for anchor in found.faces] == [track_id(i) for i in range(30)]


def test_a_name_goes_to_every_cluster_that_the_identity_is_now() -> None:
    groups, (outcome,), _ = apply(
        [[0, 2], [4], [1, 3, 5]],
        Name(number=1, identity=shown("ident_001", 0, 2, 4), name="Jane Doe", person_id="jane-doe"),
    )
    assert [group.name.person_id if group.name else None for group in groups] == ["jane-doe", "jane-doe", None]
    assert (outcome.status, outcome.remarks) == ("applied", ())


def test_a_stray_track_of_the_identity_does_not_give_the_name_to_another_cluster() -> None:
    groups, (outcome,), _ = apply(
        [[0, 2], [1, 3, 5, 4]],
        Name(number=1, identity=shown("ident_001", 0, 2, 4), name="Jane", person_id="jane"),
    )
    assert [group.name is not None for group in groups] == [True, False]
    assert outcome.status == "partly"
    assert "b" in outcome.remarks[0]


def test_two_names_in_one_cluster_divide_it_by_similarity() -> None:
    groups, outcomes, corrected = apply(
        [[0, 1, 2, 3, 4, 5]],
        Name(number=1, identity=shown("ident_001", 0), name="Jane", person_id="jane"),
        Name(number=2, identity=shown("ident_002", 1), name="Bob", person_id="bob"),
    )
    assert members(groups) == [[0, 2, 4], [1, 3, 5]]
    assert {group.name.person_id: members([group])[0] for group in groups if group.name} == {
        "jane": [0, 2, 4],
        "bob": [1, 3, 5],
    }
    assert outcomes[1].status == "partly"
    assert (NAMES[0], NAMES[1]) in corrected.cannot_link


def test_a_later_name_of_the_same_faces_replaces_the_earlier_one() -> None:
    groups, outcomes, _ = apply(
        [[0, 2], [1]],
        Name(number=1, identity=shown("ident_001", 0, 2), name="Jane", person_id="jane"),
        Name(number=2, identity=shown("ident_001", 0, 2), name="Janet", person_id="janet"),
    )
    assert groups[0].name is not None
    assert groups[0].name.name == "Janet"
    assert [outcome.status for outcome in outcomes] == ["applied", "applied"]


def test_merged_identities_are_one_group_and_the_first_keeps_its_name() -> None:
    groups, outcomes, _ = apply(
        [[0, 2], [4], [1, 3, 5]],
        Name(number=1, identity=shown("ident_002", 4), name="Bob", person_id="bob"),
        Name(number=2, identity=shown("ident_001", 0, 2), name="Jane", person_id="jane"),
        Merge(number=3, identities=(shown("ident_001", 0, 2), shown("ident_002", 4))),
    )
    assert members(groups) == [[0, 2, 4], [1, 3, 5]]
    assert groups[0].name is not None
    assert groups[0].name.name == "Jane"
    assert outcomes[2].status == "conflict"
    assert "Bob" in outcomes[2].remarks[0]


def test_a_merge_of_what_is_one_already_changes_nothing() -> None:
    groups, (outcome,), _ = apply(
        [[0, 2, 4], [1]], Merge(number=1, identities=(shown("ident_001", 0, 2), shown("ident_002", 4)))
    )
    assert members(groups) == [[0, 2, 4], [1]]
    assert outcome.status == "partly"
    groups, (outcome,), _ = apply(
        [[0, 2, 4], [1]], Merge(number=1, identities=(shown("ident_001", 0, 2, 4), shown("ident_002", 1)))
    )
    assert members(groups) == [[0, 1, 2, 4]]
    assert outcome.status == "applied"


def test_split_tracks_are_a_group_of_their_own_and_cannot_be_linked() -> None:
    groups, (outcome,), corrected = apply(
        [[0, 2, 4], [1]], Split(number=1, identity=shown("ident_001", 0, 2), tracks=(shown(NAMES[4], 4),))
    )
    assert members(groups) == [[0, 2], [1], [4]]
    assert outcome.status == "applied"
    assert corrected.cannot_link == {(NAMES[0], NAMES[4]): 1, (NAMES[2], NAMES[4]): 1}


def test_a_split_holds_where_the_tracks_are_separate_already() -> None:
    groups, (outcome,), corrected = apply(
        [[0, 2], [4], [1]], Split(number=1, identity=shown("ident_001", 0, 2), tracks=(shown(NAMES[4], 4),))
    )
    assert members(groups) == [[0, 2], [1], [4]]
    assert outcome.status == "applied"
    assert (NAMES[2], NAMES[4]) in corrected.cannot_link


def test_what_is_one_track_now_cannot_be_split_and_is_reported() -> None:
    joined = tracks_table([walk(0, 3.5), walk(0, 1.5, RIGHT)])
    groups, (outcome,), _ = apply(
        [[0], [1]], Split(number=1, identity=shown("ident_001", 0), tracks=(shown(NAMES[2], 2),)), tracks=joined
    )
    assert members(groups) == [[0], [1]]
    assert outcome.status == "not_found"
    assert any("also holds what stays" in remark for remark in outcome.remarks)


def test_a_merge_takes_back_the_split_before_it_and_says_so() -> None:
    groups, outcomes, corrected = apply(
        [[0, 2, 4]],
        Split(number=1, identity=shown("ident_001", 0, 2), tracks=(shown(NAMES[4], 4),)),
        Merge(number=2, identities=(shown("ident_001", 0, 2), shown("ident_002", 4))),
    )
    assert members(groups) == [[0, 2, 4]]
    assert outcomes[1].status == "conflict"
    assert "correction 1" in outcomes[1].remarks[0]
    assert corrected.cannot_link == {}


def test_an_excluded_person_stays_excluded_until_a_later_name_says_otherwise() -> None:
    not_jane = NotThisPerson(number=1, identity=shown("ident_001", 0, 2), person_id="jane")
    groups, (outcome,), _ = apply([[0, 2], [1]], not_jane)
    assert groups[0].excluded == {"jane": 1}
    assert outcome.status == "applied"
    groups, outcomes, _ = apply(
        [[0, 2], [1]],
        not_jane,
        Name(number=2, identity=shown("ident_001", 0, 2), name="Jane", person_id="jane"),
    )
    assert groups[0].name is not None
    assert groups[0].excluded == {}
    assert outcomes[1].status == "conflict"


def test_not_this_person_takes_back_the_name_before_it() -> None:
    groups, outcomes, _ = apply(
        [[0, 2], [1]],
        Name(number=1, identity=shown("ident_001", 0, 2), name="Jane", person_id="jane"),
        NotThisPerson(number=2, identity=shown("ident_001", 0, 2), person_id="jane"),
    )
    assert groups[0].name is None
    assert groups[0].excluded == {"jane": 2}
    assert outcomes[1].status == "conflict"


def test_only_the_tracks_of_the_ignored_identity_are_ignored() -> None:
    groups, (outcome,), _ = apply([[0, 2, 4], [1]], Ignore(number=1, identity=shown("ident_007", 0)))
    assert {tuple(members([group])[0]): group.ignored_by for group in groups} == {(2, 4): None, (1,): None, (0,): 1}
    assert outcome.status == "partly"
    groups, (outcome,), _ = apply([[0, 2, 4], [1]], Ignore(number=1, identity=shown("ident_001", 0, 2, 4)))
    assert [group.ignored_by for group in groups] == [1, None]
    assert outcome.status == "applied"


@pytest.mark.parametrize(
    "correction",
    [
        Name(number=1, identity=shown("ident_001", 5), name="Jane", person_id="jane"),
        NotThisPerson(number=1, identity=shown("ident_001", 5), person_id="jane"),
        Ignore(number=1, identity=shown("ident_001", 5)),
        Merge(number=1, identities=(shown("ident_001", 5), shown("ident_002", 0))),
        Split(number=1, identity=shown("ident_001", 0), tracks=(shown(NAMES[5], 5),)),
    ],
    ids=lambda correction: correction.action,
)
def test_an_identity_that_is_gone_is_reported_and_changes_nothing(correction: Correction) -> None:
    without = tracks_table([walk(0, 1.5), walk(0, 1.5, RIGHT)])
    groups, (outcome,), _ = apply([[0], [1]], correction, tracks=without)
    assert members(groups) == [[0], [1]]
    assert outcome.status == "not_found"
    assert outcome.remarks
    assert outcome.correction == describe(correction)


def test_no_track_is_lost_or_doubled_by_any_sequence_of_corrections() -> None:
    rng = np.random.default_rng(5)
    for _ in range(60):
        corrections: list[Correction] = []
        for number in range(1, 6):
            some = [int(i) for i in rng.permutation(6)[:3]]
            one, two, three = (shown(f"ident_{i}", i) for i in some)
            choices: list[Correction] = [
                Merge(number=number, identities=(one, two)),
                Split(number=number, identity=one, tracks=(two, three)),
                Name(number=number, identity=one, name=f"P{some[1]}", person_id=f"p{some[1]}"),
                NotThisPerson(number=number, identity=one, person_id=f"p{some[1]}"),
                Ignore(number=number, identity=one),
            ]
            corrections.append(choices[rng.integers(5)])
        groups, outcomes, corrected = apply([[0, 2], [1, 3, 4], [5]], *corrections)
        assert sorted(track for group in groups for track in group.tracks) == NAMES
        assert len(outcomes) == 5
        group_of = {track: i for i, group in enumerate(groups) for track in group.tracks}
        for a, b in corrected.cannot_link:
            assert group_of[a] != group_of[b]


@pytest.mark.parametrize(
    ("name", "person"),
    [
        ("Jane Doe", "jane-doe"),
        ("  O'Neil, Jr. ", "o-neil-jr"),
        ("Zoë", "zoë"),
        ("Zoe\N{COMBINING DIAERESIS}", "zoë"),
        ("jane_doe", "jane-doe"),
        ("José Núñez", "josé-núñez"),
        ("Jose\N{COMBINING ACUTE ACCENT} Nu\N{COMBINING ACUTE ACCENT}n\N{COMBINING TILDE}ez", "josé-núñez"),
        ("\N{FULLWIDTH LATIN CAPITAL LETTER J}ane", "jane"),
        ("प्रिया", "प्रिया"),
        ("?!", ""),
    ],
)
def test_the_id_of_a_person_is_made_from_the_name(name: str, person: str) -> None:
    assert person_id_of(name) == person


def test_an_identity_with_a_track_that_was_not_computed_again_cannot_be_referred_to() -> None:
    with pytest.raises(CorrectionError, match=r"ident_001 has track-99999, which .* Run the episode to its end"):
        PLACES.reference("ident_001", ["track-99999"])
