"""The parts of the footage tool that compute."""

import json
from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from screenalytics_assets.core.evaluation.truth import TruthDocument, parse_truth
from screenalytics_assets.services.demo import render_demo_episode
from tests.benchmarks.footage import dealt, joined_truth, make, truth_path


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=6), st.integers(1, 100_000))
def test_what_is_dealt_reaches_the_wanted_frames_and_takes_the_same_share_of_every_episode(
    lengths: list[int], wanted: int
) -> None:
    pieces = dealt(lengths, wanted)
    assert sum(frames for _, frames in pieces) == wanted
    for i, length in enumerate(lengths):
        own = sum(frames for episode, frames in pieces if episode == i)
        assert own == pytest.approx(wanted * length / sum(lengths), abs=1)
    assert all(0 < frames <= lengths[i] for i, frames in pieces)


def document(name: str, frames: int, shots: list[list[int]]) -> TruthDocument:
    face = {"person": name, "bbox": [10.0, 20.0, 30.0, 40.0], "visible": 0.5}
    truth = [[{**face, "bbox": [10.0 + i, 20.0, 30.0 + i, 40.0]}] for i in range(frames)]
    return {"fps": 24, "width": 100, "height": 50, "frames": frames, "shots": shots, "truth": truth}  # type: ignore[typeddict-item]


def test_a_joined_truth_is_a_truth_with_a_cut_at_every_join_and_boxes_of_the_new_size() -> None:
    first, second = document("ann", 6, [[0, 2], [2, 6]]), document("bob", 4, [[0, 4]])
    truth = parse_truth({**joined_truth([(first, 6), (second, 4), (first, 2), (first, 3)], 200, 150)})
    assert truth.shots.tolist() == [[0, 2], [2, 6], [6, 10], [10, 12], [12, 14], [14, 15]]
    assert [truth.people[i] for i in truth.person_idx] == [*["ann"] * 6, *["bob"] * 4, *["ann"] * 5]
    assert truth.boxes_px[7].tolist() == [22.0, 60.0, 62.0, 120.0]
    assert truth.boxes_px[12].tolist() == truth.boxes_px[0].tolist()


def test_footage_of_two_episodes_has_the_wanted_length_and_size_and_a_truth(tmp_path: Path) -> None:
    episodes = [tmp_path / f"demo{seed}.mp4" for seed in (1, 2)]
    for seed, episode in enumerate(episodes, start=1):
        truth_path(episode).write_text(json.dumps(render_demo_episode(episode, seed=seed, duration_s=0.5)))
    out = tmp_path / "out.mp4"
    make(1.25 / 60, out, episodes, size=(320, 180), pieces_dir=tmp_path / "pieces")
    with av.open(str(out)) as container:
        frames = list(container.decode(video=0))
    assert len(frames) == 30
    assert {(frame.width, frame.height) for frame in frames} == {(320, 180)}
    assert [round(float(frame.time or 0) * 24) for frame in frames] == list(range(30))
    assert all(frames[start].key_frame for start in (0, 12, 24, 27))
    truth = parse_truth(json.loads(truth_path(out).read_text()))
    assert (truth.frames, truth.width, truth.height) == (30, 320, 180)
    with pytest.raises(SystemExit, match="the aspect of 200x200"):
        make(1, out, episodes, size=(200, 200), pieces_dir=tmp_path / "pieces")
