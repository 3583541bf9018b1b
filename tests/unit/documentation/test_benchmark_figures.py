"""The parts of the benchmarks that compute: fits, medians, steps, the floor's calls, tables."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks.crowd import MOST_FACES, frame_at, places
from tests.benchmarks.figures import Spread, deviation, growth, spread_of
from tests.benchmarks.floor import Arrangement, Call, arrangements, detector_calls, net_size, spread, timed
from tests.benchmarks.measure import Measured, Sample, measure
from tests.benchmarks.scaling import Cost, faces_table, length_table
from tests.benchmarks.speed_report import Ours, Round, Taken, markdown
from tests.benchmarks.stages import Step, paired, stage_uses


@given(st.floats(0.5, 50), st.floats(0.5, 50))
def test_a_line_is_found_with_nothing_left_over(fixed: float, per_minute: float) -> None:
    minutes = [1, 3, 10, 30]
    line = growth(minutes, [fixed + per_minute * length for length in minutes])
    assert (line.fixed, line.per_minute) == pytest.approx((fixed, per_minute), rel=1e-6, abs=1e-6)
    assert line.largest_residual < 1e-6
    assert line.exponent < 1


def test_cost_that_grows_with_the_square_has_the_exponent_two_and_leaves_much_over() -> None:
    line = growth([1, 3, 10, 30], [2, 18, 200, 1800])
    assert line.exponent == pytest.approx(2)
    assert line.largest_residual > 0.5


def test_one_length_makes_no_line() -> None:
    with pytest.raises(ValueError, match="two lengths, found 1"):
        growth([10, 10], [5, 6])


def test_a_spread_is_shown_only_where_rounds_differ() -> None:
    assert spread_of([3.0, 1.0, 2.5]) == Spread(2.5, 1.0, 3.0)
    assert spread_of([3.0, 1.0, 2.5]).text(1) == "2.5 (1.0 to 3.0)"
    assert spread_of([2.04, 2.0]).text(1) == "2.0"


def test_memory_of_95_and_105_deviates_by_five_percent() -> None:
    assert deviation([105, 95, 100]) == pytest.approx(0.05)


def calls(**counted: int) -> list[Call]:
    return detector_calls(
        np.array([0, 6, 12, 18, 24, 30]),
        np.array([0.0, 0.25, 0.5, 0.75, 1.0, 1.25]),
        np.array([0, 0, 0, 0, 1, 1]),
        close_look_interval_s=0.5,
        **counted,
    )


def test_without_counts_every_analysed_frame_is_a_call_and_the_first_of_a_shot_and_one_each_interval_close() -> None:
    assert [call.frame_idx for call in calls()] == [0, 6, 12, 18, 24, 30]
    assert [call.frame_idx for call in calls() if call.high_resolution] == [0, 12, 24]


def test_close_calls_that_were_counted_are_spread_over_the_analysed_frames() -> None:
    counted = calls(close_looks=2)
    assert [call.frame_idx for call in counted] == [0, 6, 12, 18, 24, 30]
    assert [call.frame_idx for call in counted if call.high_resolution] == [0, 30]


@given(st.integers(1, 500), st.data())
def test_positions_that_are_spread_are_different_ones_in_order(length: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, length))
    positions = spread(length, count).tolist()
    assert len(set(positions)) == count
    assert positions == sorted(positions)
    assert all(0 <= position < length for position in positions)


def test_a_frame_is_handed_to_the_net_at_its_longer_side() -> None:
    assert net_size(1920, 1080, 640) == (640, 360)
    assert net_size(720, 1280, 512) == (288, 512)


def test_both_arrangements_use_all_cores() -> None:
    assert arrangements(4) == [Arrangement(1, 4), Arrangement(4, 1)]
    assert arrangements(1) == [Arrangement(1, 1)]


def test_every_item_is_worked_on_once_after_the_arrangement_is_chosen() -> None:
    seen: dict[Arrangement, list[int]] = {Arrangement(1, 2): [], Arrangement(2, 1): []}
    result = timed([[1, 2], [3], [4, 5]], {arrangement: items.append for arrangement, items in seen.items()})
    chosen = Arrangement(result["at_once"], result["threads"])
    assert result["calls"] == 5
    assert [item for item in seen[chosen] if item > 2] == [3, 4, 5]
    (other,) = set(seen) - {chosen}
    assert set(seen[other]) == {1, 2}


STEPS = [Step("detections", 105.0, 115.0), Step("check_a", 115.5, 116.0), Step("faces", 116.0, 118.0)]
MEASURED = Measured(
    wall_s=20.0,
    cpu_s=30.0,
    peak_mb=500.0,
    peak_all_mb=520.0,
    started_s=100.0,
    samples=(Sample(100, 0, 10), Sample(105, 4, 200), Sample(110, 14, 500), Sample(115, 24, 300), Sample(120, 29, 250)),
)


def test_steps_are_paired_from_their_events_and_one_that_never_ended_is_left_out() -> None:
    events = [("a", True, 1.0), ("c", True, 5.0), ("a", False, 3.0), ("b", True, 2.0), ("b", False, 4.0)]
    assert paired(events) == [Step("a", 1.0, 3.0), Step("b", 2.0, 4.0)]


def test_the_parts_of_a_run_add_up_to_its_time() -> None:
    uses = {use.name: use for use in stage_uses(STEPS, MEASURED, ["detections", "faces"])}
    assert {name: use.wall_s for name, use in uses.items()} == {
        "start-up": 5.0,
        "detections": 10.0,
        "faces": 2.0,
        "1 checks": 0.5,
        "between the steps": 0.5,
        "end": 2.0,
    }
    assert uses["detections"].cpu_s == pytest.approx(20)
    assert uses["faces"].cpu_s == pytest.approx(2)
    assert uses["detections"].peak_mb == 500
    assert uses["start-up"].peak_mb == 200


def one_round(plain_s: float, ours_s: float) -> Round:
    floor = {
        "decode": {"frames": 100, "wall_s": 1.0, "cpu_s": 2.0},
        "detect": {
            "calls": 30,
            "close": 5,
            "input_px": 640,
            "close_px": 960,
            "at_once": 2,
            "threads": 1,
            "wall_s": 4.0,
            "cpu_s": 8.0,
        },
        "embed": {"crops": 9, "batch": 8, "at_once": 1, "threads": 2, "wall_s": 1.0, "cpu_s": 1.0},
    }
    taken = Taken(ours_s, 15.0, 500.0, 520.0, 0.99)
    stages = stage_uses(STEPS, MEASURED, ["detections", "faces"])
    ours = Ours(taken, floor, stages, {"video": {"duration_s": 60.0}})
    return Round(Taken(plain_s, 40.0, 400.0, 400.0, 0.98), {"balanced": ours}, 0.01)


def test_the_report_holds_medians_ratios_round_by_round_and_doubts() -> None:
    rounds = [one_round(24, 8), one_round(20, 10), one_round(30, 6)]
    text = markdown({"machine": "2 cores"}, rounds, 2, ["figures are not to be trusted"])
    assert "- machine: 2 cores\n- **figures are not to be trusted**\n" in text
    assert "| plain pipeline | 24.0 (20.0 to 30.0) | 40.0 | 400 | 400 | 0.9800 |" in text
    assert "| ours, `balanced` | 8.0 (6.0 to 10.0) | 15.0 | 500 | 520 | 0.9900 |" in text
    assert "detector on 25 frames of 640 px and 5 of 960 px, 2 at once on 1 core |" in text
    assert "| floor of `balanced`, the sum | 6.0 | 11.0 |" in text
    assert "were all overlapped | 5.5 |" in text
    assert (
        "| `balanced` | 3.00 (2.00 to 5.00) | 1.33 (1.00 to 1.67) | 1.45 (1.09 to 1.82) | 7.5 (6.0 to 10.0) |" in text
    )
    assert "| detections | 10.00 | 20.00 | 500 |" in text


def test_the_report_of_ours_alone_has_no_ratio_to_the_plain_pipeline() -> None:
    one = one_round(1, 8)
    text = markdown({}, [Round(None, one.ours, 0.0)], 2, [])
    assert "plain pipeline" not in text
    assert "| `balanced` |  | 1.33 |" in text


def test_a_small_process_of_a_large_one_is_measured_small() -> None:
    ballast = np.ones(300 * 1024 * 1024, np.uint8)
    taken = measure([sys.executable, "-c", "import time; time.sleep(0.5)"], {})
    assert ballast.sum() == len(ballast)
    assert 1 < taken.peak_mb < 100
    assert taken.peak_all_mb >= taken.peak_mb


def test_the_cost_of_child_processes_counts_and_a_failure_shows_their_output() -> None:
    grow = "import time; x = bytearray(200 * 1024 * 1024); time.sleep(1.5)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {grow!r}])"
    taken = measure([sys.executable, "-c", parent], {})
    assert taken.peak_all_mb > 200 > taken.peak_mb
    with pytest.raises(subprocess.CalledProcessError) as refused:
        measure([sys.executable, "-c", "raise SystemExit('no such footage')"], {})
    assert b"no such footage" in refused.value.output


def test_a_detached_server_counts_by_the_folder_it_works_in(tmp_path: Path) -> None:
    serve = "import time; x = bytearray(150 * 1024 * 1024); time.sleep(2)"
    leave = f"subprocess.Popen([sys.executable, '-c', {serve!r}], cwd={str(tmp_path)!r})"
    parent = f"import os, subprocess, sys, time\nif os.fork() == 0:\n {leave}\n os._exit(0)\nos.wait()\ntime.sleep(1.5)"
    taken = measure([sys.executable, "-c", parent], {}, tmp_path)
    assert taken.peak_all_mb > 150 > taken.peak_mb


def cost(minutes: float, wall_s: float, peak_mb: float, detections: int = 400) -> Cost:
    steps_s = {"detections": wall_s / 2, "tracks": 3.0, "faces": 1.0}
    return Cost(minutes, wall_s, 2 * wall_s, peak_mb, peak_mb + 30, 200, detections, steps_s)


def test_lengths_are_shown_with_the_line_through_their_medians_and_how_flat_memory_is() -> None:
    text = length_table(
        {
            "one": [cost(1, 15, 500), cost(1, 99, 500), cost(1, 14, 500)],
            "three": [cost(3, 35, 500)],
            "ten": [cost(10, 105, 550)],
        }
    )
    assert "| 1 | 15.0 (14.0 to 99.0) | 30.0 (28.0 to 198.0) | 500 | 530 | 200 | 400 |" in text
    assert "wall time: seconds = 5.0 + 10.00 x minutes, largest residual 0.0%, growth exponent 0.8" in text
    assert "CPU time: seconds = 10.0 + 20.00 x minutes" in text
    assert "peak memory: ± 4.8%, with PostgreSQL ± 4.5%" in text


def test_two_lengths_are_shown_without_a_line() -> None:
    assert "x minutes" not in length_table({"one": [cost(1, 15, 500)], "three": [cost(3, 35, 500)]})


def test_faces_in_a_frame_are_shown_beside_what_was_found_and_the_steps_that_process_them() -> None:
    text = faces_table({"2": [cost(0.5, 12, 500, detections=398)]})
    assert text.splitlines()[-1] == "| 2 | 1.99 | 12.0 | 24.0 | 500 | 530 | 200 | 398 | 6.0 | 3.0 | 1.0 |"


@pytest.mark.parametrize("faces", range(1, MOST_FACES + 1))
def test_a_crowd_has_as_many_places_inside_the_frame_as_faces(faces: int) -> None:
    taken = places(faces)
    assert len(set(taken)) == faces
    picture = frame_at(np.full((886, 1280, 3), 200, np.uint8), faces, time_s=1.0)
    assert picture.shape == (1080, 1920, 3)
    assert (picture == 200).all(axis=2).mean() == pytest.approx(faces / MOST_FACES)
    assert all((picture[top, left] == 200).all() for left, top in taken)
