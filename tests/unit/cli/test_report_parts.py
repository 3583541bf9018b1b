"""What the report is made of: the people, the timeline, the heatmap, the metrics, and what it was made with."""

import base64
import io
import json
import re
from typing import Any

import cv2
import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from resources.configuration.acceptance_limits import load_acceptance
from resources.configuration.run_settings import declared_thresholds
from resources.models.packs import ModelPack
from screenalytics_assets.assets.results.report_data import configured_models
from screenalytics_assets.core.common.intervals import intervals_of
from screenalytics_assets.core.evaluation.truth import parse_truth
from screenalytics_assets.core.people.review_candidates import IdentitySimilarity
from screenalytics_assets.core.screen_time.season import season_screen_time
from screenalytics_assets.reports.acceptance import metric_rows
from screenalytics_assets.reports.people import Face, ReportPerson
from screenalytics_assets.reports.pictures import MAX_PICTURE_BYTES
from screenalytics_assets.reports.pictures.contact_sheets import TimelineRow, timeline
from screenalytics_assets.reports.pictures.heatmap import heatmap_of
from screenalytics_assets.reports.pictures.over_truth import Compared, over_truth, true_intervals
from screenalytics_assets.reports.pictures.thumbnails import animated, still
from screenalytics_assets.reports.provenance import used_digest, used_keys, used_models
from screenalytics_assets.reports.season import season_figure
from screenalytics_assets.reports.timeline import MAX_THUMBNAILS, clock, timeline_of
from tests.published import NO_FACES, metrics_with
from tests.unit.document_builders import identity_with, person_time, screen_time_with


def person(*intervals: tuple[float, float], name: str | None = "Amy", **identity: Any) -> ReportPerson:
    faces = [Face(f"det-{i}", "track-00001", start_s, 0.5 + i / 1000, 1) for i, (start_s, _) in enumerate(intervals)]
    time = person_time("amy", intervals, name=name)
    return ReportPerson(time, [identity_with("ident_001", ["track-00001"], **identity)], faces[:1], faces, faces)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "0:00.0"), (59.96, "1:00.0"), (75.27, "1:15.3"), (3661.0, "1:01:01.0")]
)
def test_times_read_as_in_a_player(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_each_interval_shows_the_best_face_within_it() -> None:
    row = timeline_of([person((0.0, 2.0), (5.0, 6.0))], cuts_s=[4.0], duration_s=10.0).rows[0]
    assert [span.thumbnail for span in row.spans] == ["det-0", "det-1"]
    assert row.spans[1].text == "Amy, 0:05.0 to 0:06.0, 1.0 s"


def test_a_crowd_shows_as_many_pictures_as_are_allowed() -> None:
    many = person(*((2.0 * i, 2.0 * i + 1 + i / 10_000) for i in range(MAX_THUMBNAILS + 50)))
    assert len(timeline_of([many], cuts_s=[], duration_s=1000.0).thumbnails) == MAX_THUMBNAILS + 1


def test_an_unnamed_person_is_labelled_by_the_id_and_has_remarks() -> None:
    unknown = person((0.0, 1.0), name=None, low_cohesion=True)
    assert (unknown.label, unknown.is_named, unknown.remarks) == ("amy", False, ["low cohesion"])


def test_dark_cells_have_light_numbers_and_say_what_they_are() -> None:
    similarity = IdentitySimilarity(("a", "b"), np.array([[1.0, 0.02], [0.02, 1.0]]))
    (alike, different), _ = heatmap_of(similarity, {"a": "Amy", "b": "Bob"}).rows
    assert (alike.ink, alike.text) == ("#fff", "within Amy: 1.00")
    assert (different.ink, different.text) == ("#111", "Amy and Bob: 0.02")


def test_cells_have_the_colours_of_ylgnbu() -> None:
    values = np.linspace(0.0, 1.0, 41)
    names = tuple(map(str, range(41)))
    (row, *_) = heatmap_of(
        IdentitySimilarity(names, np.tile(values, (41, 1))), dict(zip(names, names, strict=True))
    ).rows
    found = np.array([tuple(bytes.fromhex(cell.fill[1:])) for cell in row])
    assert np.abs(found / 255 - mpl.colormaps["YlGnBu"](values)[:, :3]).max() < 0.01


def test_the_metrics_are_judged_by_the_table_without_running_times() -> None:
    found = {metric.name: metric for metric in metric_rows(metrics_with(), load_acceptance(), "demo-s01")}
    assert "runtime_per_duration_cpu" not in found
    assert found["quality_mean"].level == "met"
    assert found["quality_mean"].limits == {"target": 0.75, "warn": 0.6}
    assert found["quality_mean"].advice == ""


def test_what_is_missed_comes_with_advice_and_what_does_not_apply_without_value() -> None:
    crowded = metrics_with(tracks_per_minute=99.0)
    found = {metric.name: metric for metric in metric_rows(crowded, load_acceptance(), "demo-s01")}
    assert (found["tracks_per_minute"].word, bool(found["tracks_per_minute"].advice)) == ("warns", True)
    found = {metric.name: metric for metric in metric_rows(metrics_with(**NO_FACES), load_acceptance(), "demo-s01")}
    assert (found["quality_mean"].word, found["quality_mean"].value) == ("no value", None)


def test_a_key_differs_when_it_is_neither_the_default_nor_the_models(open_pack: ModelPack) -> None:
    declared = declared_thresholds(open_pack)
    own = declared["cluster_thresh"]
    same = used_keys({"identities": {"cluster_thresh": own, "min_cluster_size": 1}}, declared)
    assert [key.differs for key in same] == [False, False]
    (other,) = used_keys({"identities": {"cluster_thresh": 0.8, "embedder": "abc"}}, declared)
    assert (other.stage, other.key, other.value, other.default) == ("identities", "cluster_thresh", 0.8, own)
    assert other.differs


def test_the_digest_follows_the_used_values() -> None:
    first, second = ({"identities": {"cluster_thresh": value}} for value in (0.3, 0.4))
    assert used_digest(first) != used_digest(second)
    assert used_digest(first) == used_digest(dict(first))


def test_models_are_identified_by_the_digests_of_the_artifacts(open_pack: ModelPack) -> None:
    detector = open_pack.detector.file.sha256
    known, unknown = used_models({"a": {"detector": detector, "embedder": "f" * 64}}, configured_models(open_pack))
    assert (known.role, known.licence, known.sha256) == ("detector", "MIT", detector)
    assert (unknown.role, unknown.licence, unknown.sha256) == ("embedder", "not known", "f" * 64)


def test_crops_become_small_pictures_one_or_many() -> None:
    pictures = [np.full((160, 160, 3), shade, np.uint8) for shade in (20, 120, 220)]
    jpegs = [cv2.imencode(".jpg", picture)[1].tobytes() for picture in pictures]
    assert _frames(still(jpegs[0])) == (1, (96, 96))
    assert _frames(animated(jpegs)) == (3, (96, 96))


def _frames(uri: str) -> tuple[int, tuple[int, int]]:

    with Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) as image:
        return getattr(image, "n_frames", 1), image.size


def test_the_truth_is_drawn_as_the_frames_in_which_a_face_is_visible() -> None:
    def face(visible: float) -> dict[str, Any]:
        return {"person": "amy", "bbox": [0, 0, 10, 10], "visible": visible}

    frames = [[face(1.0)], [face(1.0)], [face(0.5)], [], [face(0.6)]]
    truth = parse_truth(
        json.loads(json.dumps({"fps": 10, "width": 64, "height": 64, "frames": 5, "shots": [[0, 5]], "truth": frames}))
    )
    assert true_intervals(truth, "amy") == pytest.approx(np.array([[0.0, 0.2], [0.4, 0.5]]))
    rows = [Compared("$\\foo$", true_intervals(truth, "amy"), intervals_of([(0.0, 0.2)]))]
    assert over_truth(rows, title="demo", duration_s=0.5).startswith(b"\x89PNG")


NAMES = st.lists(
    st.text("$_^{}\\\\ab ", min_size=1, max_size=12).filter(str.strip), min_size=1, max_size=4, unique=True
)


@given(NAMES)
@example(["$x_1^2$", "_Amy_", "$5 & $6", "\\$a$", "$\\foo$", "Bob"])
@settings(max_examples=20)
def test_the_plot_of_a_season_has_every_name_as_it_is_written(names: list[str]) -> None:
    people = [person_time(f"p{i}", [(0.0, 9.0 - i)], name=name) for i, name in enumerate(names)]
    season = season_screen_time("a-s01", {"a-s01e01": screen_time_with(*people, ep_id="a-s01e01", duration_s=10.0)})
    figure = season_figure(season)
    figure.draw_without_rendering()
    legend = figure.axes[0].get_legend()
    assert legend is not None
    shown = legend.get_texts()
    plain = [figure.text(0, 0, name, fontsize=8, parse_math=False) for name in names]
    assert [text.get_window_extent().width for text in shown] == [text.get_window_extent().width for text in plain]


def test_the_timeline_of_the_event_log_shows_when_each_person_is_on_screen() -> None:
    drawn = timeline(
        [TimelineRow("Amy & <Bob>", [(0.0, 5.0), (5.0, 10.0), (20.0, 30.0)])], cuts_s=[10.0], duration_s=40
    )
    texts = re.findall("<text[^>]*>([^<]*)</text>", drawn.decode())
    assert texts == ["Amy &amp; &lt;Bob&gt;", "0:00", "0:05", "0:10", "0:15", "0:20", "0:25", "0:30", "0:35"]
    cuts, lane, _ = re.findall('<path d="([^"]*)"', drawn.decode())
    # 16 pixels a second after 190 of names; what touches is one.
    assert (cuts, lane) == ("M350 0V26", "M190 13H350M510 13H670")


def test_the_timeline_of_a_crowd_over_hours_fits_the_event_log() -> None:
    crowd = [TimelineRow(f"ident_{i:03d}", [(7.0 * j, 7.0 * j + 2) for j in range(2000)]) for i in range(50)]
    drawn = timeline(crowd, cuts_s=[3.0 * i for i in range(5000)], duration_s=15_000.0)
    assert len(drawn) < MAX_PICTURE_BYTES
    assert b"ident_023" in drawn
    assert b"ident_024" not in drawn


def test_a_timeline_without_people_is_drawn_too() -> None:
    assert b"</svg>" in timeline([], cuts_s=[], duration_s=1.0)
