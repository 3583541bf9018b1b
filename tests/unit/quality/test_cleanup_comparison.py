from collections.abc import Mapping, Sequence

import pytest

from screenalytics_assets.core.common.arrow import table_of
from screenalytics_assets.core.common.schemas import CUTS
from screenalytics_assets.core.documents.cleanup_report import CleanupReport, CutCounts, GroupingCounts, Improvement
from screenalytics_assets.core.documents.identities import Identities
from screenalytics_assets.core.quality.cleanup_comparison import (
    COMPARED,
    Footage,
    State,
    change_of,
    cleanup_report,
    identity_changes,
)
from screenalytics_assets.core.tracking.resplit import unsplit
from tests.unit.builders import EP_ID, Seen, detections_table, shots_table, track_id, tracks_table
from tests.unit.document_builders import identities_with, identity_with
from tests.unit.quality.test_metrics import ELSEWHERE, HERE, untracked_table

NO_GROUPING = GroupingCounts(centroids=0, within_episode=0, across_episodes=0)
LIMITS = {
    "tracks_per_minute": {"target": 30.0, "warn": 50.0},
    "short_track_fraction": {"target": 0.20, "warn": 0.30},
    "id_switch_rate": {"target": 0.05, "warn": 0.10},
    "singleton_fraction": {"target": 0.30, "warn": 0.50},
    "largest_cluster_fraction": {"target": 0.40, "warn": 0.60},
}
SEEN = [Seen(12 * k, HERE if k < 12 else ELSEWHERE) for k in range(24)]


def state(sizes: Sequence[int], groups: Sequence[Sequence[int]], *, reasons: Mapping[int, str] | None = None) -> State:
    """The same 24 detections, one every half second, in tracks of these sizes and in these identities."""
    tracks, start = [], 0
    for size in sizes:
        tracks.append(SEEN[start : start + size])
        start += size
    return State(tracks_table(tracks, split_reasons=reasons), 24, identities_of(groups))


def identities_of(groups: Sequence[Sequence[int]]) -> Identities:
    """These groups of tracks as identities."""
    return identities_with(
        *(identity_with(f"ident_{i + 1:03d}", map(track_id, group)) for i, group in enumerate(groups))
    )


def report(before: State, after: State, cuts: Sequence[tuple[int, int, int]] = ()) -> CleanupReport:
    """The report; cuts are track before, track after, and the detection."""
    rows = {
        "ep_id": [EP_ID] * len(cuts),
        "track_id": [track_id(old) for old, _, _ in cuts],
        "new_track_id": [track_id(new) for _, new, _ in cuts],
        "detection_id": [f"det-{detection:06d}" for _, _, detection in cuts],
        "ts_s": [0.0] * len(cuts),
        "reason": ["hard"] * len(cuts),
    }
    return cleanup_report(
        EP_ID,
        before,
        after,
        Footage(detections_table(SEEN), untracked_table(0), shots_table([(0, 300)]), 12.0, 0.2),
        table_of(CUTS, rows),
        actions=["split_tracks", "recluster"],
        grouping=NO_GROUPING,
        limits=LIMITS,
    )


def test_the_report_has_the_fields_of_the_contract() -> None:
    document = report(state([12, 12], [[0], [1]]), state([12, 12], [[0, 1]]))
    assert set(document.to_dict()) == {
        "ep_id",
        "actions_completed",
        *(f"{name}_{when}" for name in ("tracks", "faces", "clusters", "metrics") for when in ("before", "after")),
        "improvement",
        "splits",
        "grouping",
    }
    assert document.actions_completed == ("split_tracks", "recluster")
    assert (document.clusters_before, document.clusters_after) == (2, 1)
    assert document.splits == CutCounts(hard=0, streak=0, iou=0, total=0)
    assert document.grouping == NO_GROUPING
    for name in ("metrics_before", "metrics_after", "improvement"):
        assert set(getattr(document, name)) == set(COMPARED)


def test_nothing_changed_is_the_same_in_every_metric() -> None:
    same = state([12, 12], [[0], [1]])
    document = report(same, same)
    assert document.metrics_before == document.metrics_after
    assert {change.verdict for change in document.improvement.values()} == {"same"}
    assert {change.change for change in document.improvement.values()} == {0.0}


def test_a_cut_counts_on_both_sides_for_the_second_person_was_there_before() -> None:
    before = state([24], [[0]])
    after = state([12, 12], [[0], [1]], reasons={1: "hard"})
    document = report(before, after, [(0, 1, 13)])
    assert document.splits.total == 1
    assert (document.metrics_before["id_switch_rate"], document.metrics_after["id_switch_rate"]) == (0, 0.5)
    assert document.metrics_after["tracks_per_minute"] == 2 * document.metrics_before["tracks_per_minute"]
    for metric in ("id_switch_rate", "tracks_per_minute", "short_track_fraction"):
        assert document.improvement[metric].verdict == "same", metric
    assert document.improvement["largest_cluster_fraction"].verdict == "better"


def test_a_stranger_who_was_hidden_in_a_cluster_was_a_singleton_before() -> None:
    before, after = state([4] * 6, [[0, 1, 2], [3, 4, 5]]), state([4] * 6, [[0, 1, 2], [3, 4], [5]])
    change = report(before, after).improvement["singleton_fraction"]
    assert change == Improvement(baseline=1 / 3, change=0.0, target=0.3, verdict="same")


def test_a_piece_that_is_joined_to_another_track_takes_no_switch_away_and_adds_none() -> None:
    before = state([12, 12], [[0], [1]])
    after = state([6, 18], [[0], [1]], reasons={1: "hard"})
    change = report(before, after, [(0, 1, 7)]).improvement["id_switch_rate"]
    assert change == Improvement(baseline=0.5, change=0.0, target=0.05, verdict="same")


def test_clusters_that_fall_apart_are_worse() -> None:
    document = report(state([6] * 4, [[0, 1], [2, 3]]), state([6] * 4, [[0], [1], [2], [3]]))
    assert document.metrics_before["singleton_fraction"] == 0
    assert document.improvement["singleton_fraction"].verdict == "worse"
    assert document.improvement["singleton_fraction"].baseline == LIMITS["singleton_fraction"]["warn"]


def test_clusters_that_are_merged_have_fewer_singletons() -> None:
    document = report(state([6] * 4, [[0], [1], [2], [3]]), state([6] * 4, [[0, 1], [2, 3]]))
    assert document.improvement["singleton_fraction"].verdict == "better"
    assert document.improvement["singleton_fraction"].change == -1.0


def test_everybody_in_one_cluster_is_worse() -> None:
    document = report(state([6] * 4, [[0, 1], [2, 3]]), state([6] * 4, [[0, 1, 2, 3]]))
    assert document.improvement["largest_cluster_fraction"].verdict == "worse"


def test_tracks_that_fall_apart_without_a_cut_are_worse() -> None:
    document = report(state([24], [[0]]), state([8, 8, 8], [[0, 1, 2]]))
    assert document.improvement["id_switch_rate"].verdict == "worse"


@pytest.mark.parametrize("target", [30.0, 0.05])
def test_more_is_worse_only_beyond_the_target(target: float) -> None:
    assert change_of(0.5 * target, target, target) == "same"
    assert change_of(0.5 * target, 1.1 * target, target) == "worse"
    assert change_of(1.2 * target, 1.1 * target, target) == "better"
    assert change_of(0.5 * target, 0.4 * target, target) == "better"
    assert change_of(1.1 * target, 1.1 * target + 1e-12, target) == "same"


def test_without_a_target_more_is_not_worse() -> None:
    assert change_of(0.1, 0.9, None) == "same"
    assert change_of(0.9, 0.1, None) == "better"


def test_splits_and_merges_are_reported_by_the_ids_of_the_identities() -> None:
    before, after = state([6] * 4, [[0, 1], [2], [3]]), state([6] * 4, [[0], [1, 2], [3]])
    assert identity_changes(before, after) == (
        {"ident_001": ["ident_001", "ident_002"]},
        {"ident_002": ["ident_001", "ident_002"]},
    )
    assert identity_changes(before, before) == ({}, {})


def test_an_episode_without_tracks_has_a_report() -> None:
    empty = State(tracks_table([]), 0, identities_of([]))
    document = cleanup_report(
        EP_ID,
        empty,
        empty,
        Footage(detections_table([]), untracked_table(0), shots_table([(0, 300)]), 12.0, 0.2),
        unsplit(empty.tracks).cuts,
        actions=[],
        grouping=NO_GROUPING,
        limits=LIMITS,
    )
    assert {change.verdict for change in document.improvement.values()} == {"same"}
