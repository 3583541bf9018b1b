"""The console script on good input."""

import json
from pathlib import Path

import pytest

from screenalytics_assets.core.evaluation.truth import TruthDocument
from tests.orchestration.command_line import Cli

EP = "demo-s01e01"


def test_an_episode_can_be_computed_asset_by_asset_and_then_scored(
    cli: Cli, tmp_path: Path, demo_episode: tuple[Path, TruthDocument]
) -> None:
    video, truth = demo_episode
    first = cli.run("run", str(video), "--ep-id", EP, "--select", "episode_video")
    assert first.returncode == 0, first.said
    assert "computed: episode_video" in first.said
    assert not (cli.data / f"manifests/{EP}/detections.parquet").exists()

    rest = cli.run("run", "--ep-id", EP, "--set", "detector_input_px=480")
    assert rest.returncode == 0, rest.said
    assert "not computed again: episode_video" in rest.said
    assert "people" in rest.said
    assert str(cli.data / f"reports/{EP}/index.html") in rest.said

    document = tmp_path / "truth.json"
    document.write_text(json.dumps(truth))
    scored = cli.run("evaluate", EP, "--truth", str(document), "--json")
    assert scored.returncode == 0, scored.said
    assert json.loads(scored.said)["detection_recall"] > 0.9

    # With the seconds of one person that were published, that person is right and all others are nobody.
    published = json.loads((cli.data / f"manifests/{EP}/screen_time.json").read_text(encoding="utf-8"))["people"]
    document.write_text(json.dumps({"people": {"Ann": published[0]["intervals"]}}))
    noted = cli.run("evaluate", EP, "--intervals", str(document), "--json")
    assert noted.returncode == 0, noted.said
    scores = json.loads(noted.said)
    assert scores["per_person"][0]["identity"] == published[0]["person_id"]
    assert scores["error_max"] == pytest.approx(0)
    assert scores["false_people_s"] == pytest.approx(sum(person["visual_s"] for person in published[1:]), abs=0.01)


def test_the_configuration_is_shown_with_where_each_value_comes_from(cli: Cli) -> None:
    outcome = cli.run(
        "config", "show", "--profile", "low_power", "--set", "nms_iou=0.5", SCREENALYTICS_THUMB_SIZE="128"
    )
    assert outcome.returncode == 0, outcome.said
    for key, value, source in (
        ("frame_stride", "5", "profile fast_cpu"),
        ("nms_iou", "0.5", "run configuration"),
        ("thumb_size", "128", "environment"),
        ("cluster_thresh", "0.38", "model pack open"),
        ("jpeg_quality", "95", "default"),
    ):
        assert f"{key} │ {value} │ {source}" in outcome.said
