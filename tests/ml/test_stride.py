"""What is found does not depend on how often one looks, with real weights."""

import json
from pathlib import Path

import pytest

from resources.models.packs import ModelPack
from screenalytics_assets.core.evaluation.truth import TruthDocument
from tests.benchmarks.ablation import Bench
from tests.benchmarks.strides import person_seconds


@pytest.mark.parametrize("stride", [1, 2, 5])
def test_the_person_seconds_of_other_strides_differ_by_at_most_two_percent(
    stride: int, bench: Bench, labelled_video: Path
) -> None:
    usual, other = (person_seconds(bench, labelled_video, n) for n in (3, stride))
    assert sum(usual.values()) > 8
    assert sum(other.values()) == pytest.approx(sum(usual.values()), rel=0.02)
    assert other.keys() == usual.keys()


@pytest.fixture(scope="module")
def bench(open_pack: ModelPack) -> Bench:
    return Bench(open_pack)


@pytest.fixture(scope="module")
def labelled_video(demo_episode: tuple[Path, TruthDocument]) -> Path:
    video, truth = demo_episode
    video.with_suffix(".truth.json").write_text(json.dumps(truth), encoding="utf-8")
    return video
