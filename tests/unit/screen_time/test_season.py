import csv
import io
import re

import pytest

from screenalytics_assets.core.common.intervals import intervals_of
from screenalytics_assets.core.documents.damage import Damage
from screenalytics_assets.core.documents.screen_time import ScreenTime, SeasonTotals
from screenalytics_assets.core.screen_time.season import season_screen_time, season_screen_time_csv
from screenalytics_assets.reports.season import render_season
from tests.unit.document_builders import person_time, screen_time_with


def episode(ep_id: str, duration_s: float = 100.0, **seconds: float) -> tuple[str, ScreenTime]:
    """People whose key begins with ``ident`` have no name."""
    people = [
        person_time(key, [(0.0, visual_s)], name=None if key.startswith("ident") else key.title())
        for key, visual_s in seconds.items()
    ]
    return ep_id, screen_time_with(*people, ep_id=ep_id, duration_s=duration_s)


def test_a_person_has_a_row_with_every_episode_and_the_total() -> None:
    document = season_screen_time("a-s01", dict([episode("a-s01e01", ann=10, bob=40), episode("a-s01e02", ann=50)]))
    assert [(row.person_id, row.seconds, row.total_s) for row in document.people] == [
        ("ann", {"a-s01e01": 10, "a-s01e02": 50}, 60),
        ("bob", {"a-s01e01": 40, "a-s01e02": 0.0}, 40),
    ]
    assert [row.share for row in document.people] == [0.3, 0.2]
    assert [row.num_episodes for row in document.people] == [2, 1]


def test_unnamed_people_are_never_matched_across_episodes() -> None:
    document = season_screen_time(
        "a-s01", dict([episode("a-s01e01", ident_001=10), episode("a-s01e02", ident_001=30, ann=5)])
    )
    assert [row.person_id for row in document.people] == ["ann"]
    assert [one.unnamed_s for one in document.episodes] == [10, 30]
    assert document.totals == SeasonTotals(duration_s=200.0, named_s=5, unnamed_s=40)


def with_damage(episode: tuple[str, ScreenTime], *places: tuple[float, float]) -> tuple[str, ScreenTime]:
    ep_id, document = episode
    return ep_id, document.model_copy(update={"damage": Damage.of(intervals_of(places))})


def test_damaged_seconds_are_there_for_each_damaged_episode_and_added_up() -> None:
    episodes = [
        with_damage(episode("a-s01e01", ann=10), (1.0, 2.5), (60.0, 61.0)),
        episode("a-s01e02", ann=10),
        with_damage(episode("a-s01e03"), (0.0, 0.125)),
    ]
    document = season_screen_time("a-s01", dict(episodes))
    assert [row.damaged_s for row in document.episodes] == [2.5, None, 0.125]
    assert document.totals.damaged_s == 2.625
    page = render_season(document, place="a-s01/index.html", reports={})
    assert re.findall(r"<b>([^<]*)</b>damaged in the videos", page) == ["0:02.6"]
    assert re.findall(r'<td class="n">([^<]*)</td></tr>', page.partition('id="episodes"')[2]) == [
        "0:02.5",
        "–",
        "0:00.1",
    ]


def test_a_season_without_damage_does_not_mention_it() -> None:
    document = season_screen_time("a-s01", dict([episode("a-s01e01", ann=10)]))
    assert "damage" not in str(document.to_dict())
    assert "amaged" not in render_season(document, place="a-s01/index.html", reports={})


def test_the_trend_is_the_slope_of_the_shares_and_not_of_the_seconds() -> None:
    document = season_screen_time(
        "a-s01",
        dict([episode("a-s01e01", ann=10), episode("a-s01e02", 200.0, ann=40), episode("a-s01e03", ann=30)]),
    )
    assert document.people[0].trend_per_episode == pytest.approx(0.1)


def test_one_episode_has_no_trend() -> None:
    document = season_screen_time("a-s01", dict([episode("a-s01e01", ann=10)]))
    assert document.people[0].trend_per_episode is None


def test_the_order_of_the_episodes_changes_nothing() -> None:
    episodes = [episode("a-s01e02", ann=5), episode("a-s01e01", bob=7)]
    assert season_screen_time("a-s01", dict(episodes)) == season_screen_time("a-s01", dict(episodes[::-1]))


def test_in_the_spreadsheet_a_name_is_no_formula_and_a_falling_trend_is_a_number() -> None:
    episodes = [episode("a-s01e01", **{"@sum": 50}), episode("a-s01e02", **{"@sum": 10})]
    (row,) = csv.DictReader(io.StringIO(season_screen_time_csv(season_screen_time("a-s01", dict(episodes)))))
    assert (row["name"], row["trend_per_episode"]) == ("'@Sum", "-0.4")


def test_the_spreadsheet_has_a_column_per_episode() -> None:
    document = season_screen_time("a-s01", dict([episode("a-s01e01", ann=10), episode("a-s01e02", ann=50)]))
    (row,) = csv.DictReader(io.StringIO(season_screen_time_csv(document)))
    assert (row["name"], row["a-s01e01"], row["a-s01e02"], row["total_s"]) == ("Ann", "10.0", "50.0", "60.0")


def test_seconds_without_a_picture_are_there_for_each_episode_that_has_some_and_added_up() -> None:
    episodes = [episode("a-s01e01", ann=10), episode("a-s01e02", ann=10), episode("a-s01e03")]
    missing = {"a-s01e01": 2.5, "a-s01e02": None, "a-s01e03": 60.125}
    document = season_screen_time(
        "a-s01", {ep_id: one.model_copy(update={"missing_s": missing[ep_id]}) for ep_id, one in episodes}
    )
    assert [row.missing_s for row in document.episodes] == [2.5, None, 60.125]
    assert document.totals.missing_s == 62.625
    page = render_season(document, place="a-s01/index.html", reports={})
    assert re.findall(r"<b>([^<]*)</b>without a picture, not counted", page) == ["1:02.6"]
    assert re.findall(r'<td class="n">([^<]*)</td></tr>', page.partition('id="episodes"')[2]) == [
        "0:02.5",
        "–",
        "1:00.1",
    ]
    assert "missing_s" not in season_screen_time("a-s01", dict(episodes)).totals.to_dict()
