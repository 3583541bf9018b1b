import numpy as np
import pytest

from screenalytics_assets.core.common.errors import VideoError
from screenalytics_assets.core.common.intervals import intervals_of
from screenalytics_assets.core.video.damage import (
    PacketTable,
    check_enough_left,
    damage_warning,
    damaged_intervals,
    missing_warning,
)


def packets(count: int, *, keys: tuple[int, ...], bad: tuple[int, ...] = (), lost: tuple[int, ...] = ()) -> PacketTable:
    """Ten pictures a second in the order of display; ``lost`` ones were never read."""
    here = np.array([n for n in range(count) if n not in lost])
    return PacketTable(here / 10, np.isin(here, keys), np.isin(here, bad))


def found(table: PacketTable, *, gaps_are_loss: bool = True, lost_end_s: float = 0.0) -> list[list[float]]:
    return damaged_intervals(table, gaps_are_loss=gaps_are_loss, lost_end_s=lost_end_s).round(3).tolist()


def test_an_intact_video_has_no_damage() -> None:
    assert found(packets(40, keys=(0, 10, 20, 30))) == []


def test_a_bad_picture_spoils_all_up_to_the_next_key_frame() -> None:
    assert found(packets(40, keys=(0, 10, 20, 30), bad=(13,))) == [[1.3, 2.0]]


def test_a_bad_picture_after_the_last_key_frame_spoils_the_rest() -> None:
    assert found(packets(40, keys=(0, 20), bad=(25,))) == [[2.5, 4.0]]


def test_damage_in_two_groups_is_two_intervals() -> None:
    assert found(packets(40, keys=(0, 10, 20, 30), bad=(8, 25))) == [[0.8, 1.0], [2.5, 3.0]]


def test_nothing_before_the_first_key_frame_can_be_decoded() -> None:
    assert found(packets(40, keys=(7, 20))) == [[0.0, 0.7]]


def test_lost_packets_are_damage_with_what_refers_to_them() -> None:
    assert found(packets(40, keys=(0, 20), lost=(4, 5))) == [[0.4, 2.0]]


def test_a_lost_key_frame_spoils_its_group() -> None:
    assert found(packets(40, keys=(0, 10, 20, 30), lost=(10,))) == [[1.0, 2.0]]


def test_a_gap_before_a_key_frame_is_only_itself() -> None:
    assert found(packets(40, keys=(0, 10, 20), lost=(8, 9))) == [[0.8, 1.0]]


def test_a_gap_is_intended_where_all_packets_are_listed() -> None:
    assert found(packets(40, keys=(0, 20), lost=(4, 5)), gaps_are_loss=False) == []


def test_a_gap_is_not_a_loss_where_the_rate_varies() -> None:
    ts_s = np.cumsum(np.tile([0.1, 0.2, 0.5], 12))
    assert found(PacketTable(ts_s, np.arange(36) == 0, np.zeros(36, np.bool_))) == []


def test_gaps_in_a_rhythm_are_pictures_that_the_encoder_left_out() -> None:
    assert found(packets(300, keys=(0,), lost=tuple(range(13, 300, 20)))) == []
    assert found(packets(300, keys=(0,), lost=(*range(20, 300, 50), *range(21, 300, 50)))) == []


@pytest.mark.parametrize("lost", [(40, 90, 140), (13, 20, 31, 97, 150, 220, 223, 260), (40, 41, 42, 43, 44, 45)])
def test_few_gaps_and_gaps_without_a_rhythm_are_losses(lost: tuple[int, ...]) -> None:
    assert found(packets(300, keys=(0,), lost=lost)) == [[lost[0] / 10, 30.0]]


def test_a_signal_that_was_away_is_not_damage_but_what_refers_to_before_is() -> None:
    ts_s = np.concatenate([np.arange(20) / 10, 60 + np.arange(20) / 10])
    is_key = np.isin(np.arange(40), (0, 30))
    assert found(PacketTable(ts_s, is_key, np.zeros(40, np.bool_))) == [[60.0, 61.0]]


def test_pictures_displayed_before_a_key_frame_but_decoded_after_it_refer_to_the_group_before() -> None:
    shown = [0, 1, 2, 3, 6, 4, 5, 7, 8]
    table = PacketTable(np.array(shown) / 10, np.isin(shown, (0, 6)), np.isin(shown, (3,)))
    assert found(table) == [[0.3, 0.6]]


def test_seconds_after_the_last_picture_that_the_file_declares_are_missing() -> None:
    assert found(packets(40, keys=(0, 20)), lost_end_s=0.4) == [[4.0, 4.4]]


def test_hidden_pictures_are_no_damage_but_what_refers_to_bad_ones_is() -> None:
    is_shown = np.arange(40) >= 5
    assert found(packets(40, keys=(0, 20))._replace(is_shown=is_shown)) == []
    assert found(packets(40, keys=(0, 20), bad=(3,))._replace(is_shown=is_shown)) == [[0.5, 2.0]]
    assert found(packets(5, keys=(0,), bad=(3,))._replace(is_shown=np.zeros(5, np.bool_))) == []


def test_a_bad_packet_without_a_time_spoils_those_after_it() -> None:
    table = packets(20, keys=(0, 10), bad=(5,))
    table.ts_s[5] = np.nan
    assert found(table, gaps_are_loss=False) == [[0.6, 1.0]]


def test_a_video_without_packets_has_no_damage() -> None:
    assert found(packets(0, keys=())) == []


def test_a_video_that_is_mostly_damaged_is_refused() -> None:
    check_enough_left(intervals_of([(0, 5)]), 10)
    with pytest.raises(VideoError, match=r"5\.1 of 10\.0 s are damaged or missing, more than 50%"):
        check_enough_left(intervals_of([(0, 5.1)]), 10)


def test_a_lost_end_is_compared_with_the_length_before_the_loss() -> None:
    check_enough_left(intervals_of([(5, 10)]), 5)
    with pytest.raises(VideoError, match=r"5\.1 of 10\.0 s are damaged or missing, more than 50%"):
        check_enough_left(intervals_of([(4.9, 10)]), 4.9)


def test_a_warning_tells_the_seconds_and_the_first_places() -> None:
    assert damage_warning(intervals_of([])) is None
    warning = damage_warning(intervals_of([(n, n + 0.25) for n in range(5)]))
    assert warning is not None
    places = "0.0 to 0.2 s, 1.0 to 1.2 s, 2.0 to 2.2 s and 2 more"
    assert warning.startswith(f"1.25 s of the video are damaged or missing ({places})")


def test_a_warning_tells_the_seconds_without_a_picture() -> None:
    assert missing_warning(intervals_of([])) is None
    warning = missing_warning(intervals_of([(5.75, 65.7)]))
    assert warning == "the video has no picture for 59.95 s (5.8 to 65.7 s): nobody is counted there"
