"""The episode's report and the season's page in a browser: they load nothing, complain of nothing, and can be read."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from resources.artifact_store import ArtifactStoreResource
from resources.models.packs import ModelPack
from resources.videos import VideoLibraryResource
from screenalytics_assets.core.evaluation.truth import TruthDocument
from screenalytics_assets.reports.page import render_page
from screenalytics_assets.services.running.runs import run_episode, run_season
from tests.e2e.conftest import CHROMIUM_OPTIONS

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium: apt-get install chromium"),
]

EP = "demo-s01e01"
SEASON = "demo-s01"
MAX_BYTES = 4_000_000


class Pages(NamedTuple):
    """The files."""

    episode: Path
    season: Path


@pytest.fixture(scope="module")
def pages(
    place: Path, instance: dg.DagsterInstance, open_pack: ModelPack, demo_episode: tuple[Path, TruthDocument]
) -> Pages:
    assert open_pack.name == "open"
    damaged = bytearray(demo_episode[0].read_bytes())
    damaged[len(damaged) // 2] ^= 1
    video = place / "damaged.mp4"
    video.write_bytes(damaged)
    VideoLibraryResource().add(EP, video, replace=False)
    assert run_episode(instance, EP).success
    assert run_season(instance, SEASON).success
    reports = place / "data" / "reports"
    return Pages(reports / EP / "index.html", reports / SEASON / "index.html")


@pytest.fixture(scope="module")
def browser(pages: Pages) -> Iterator[Browser]:
    """After the runs: Dagster starts event loops of its own, which cannot run inside the browser's."""
    assert pages
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM_OPTIONS)
        yield browser
        browser.close()


class Seen(NamedTuple):
    """A page, what it asked for, and what the browser complained about."""

    page: Page
    requests: list[str]
    complaints: list[str]


def opened(browser: Browser, file: Path, *, width: int = 1280, **options: Any) -> Seen:
    context = browser.new_context(viewport={"width": width, "height": 844}, **options)
    seen = Seen(context.new_page(), [], [])
    seen.page.on("request", lambda request: seen.requests.append(request.url))
    seen.page.on("console", lambda message: seen.complaints.append(message.text))
    seen.page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    seen.page.goto(file.as_uri())
    return seen


def test_damaged_seconds_are_a_tile_and_a_row_of_the_timeline(browser: Browser, pages: Pages) -> None:
    page = opened(browser, pages.episode).page
    expect(page.get_by_text("damaged in the video, uncertain")).to_be_visible()
    row = page.get_by_role("img", name=re.compile(r"^damaged: 0:\d\d\.\d to 0:\d\d\.\d$"))
    expect(row).to_be_visible()
    assert row.locator("rect").count() == 1


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("which", ["episode", "season"])
def test_a_page_requests_nothing_and_fits_the_screen(browser: Browser, pages: Pages, which: str, width: int) -> None:
    file = getattr(pages, which)
    seen = opened(browser, file, width=width)
    assert [url for url in seen.requests if not url.startswith("data:")] == [file.as_uri()]
    assert seen.complaints == []
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
    assert seen.page.evaluate("[...document.images].every(i => i.hidden || i.naturalWidth > 0)")
    assert file.stat().st_size < MAX_BYTES


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("which", ["episode", "season"])
def test_axe_finds_nothing_with_everything_unfolded(browser: Browser, pages: Pages, which: str, scheme: str) -> None:
    # axe is no part of the page, whose policy would refuse it.
    seen = opened(browser, getattr(pages, which), color_scheme=scheme, bypass_csp=True)
    seen.page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    violations = Axe().run(seen.page).response["violations"]
    assert [(v["id"], [node["html"][:120] for node in v["nodes"][:3]]) for v in violations] == []


def test_the_timeline_is_walked_with_the_keyboard_and_shows_faces(browser: Browser, pages: Pages) -> None:
    page = opened(browser, pages.episode).page
    rows = page.locator("svg.spans")
    longest = max(range(rows.count()), key=lambda i: rows.nth(i).locator("a").count())
    spans = rows.nth(longest).locator("a")
    assert spans.count() > 1
    spans.first.focus()
    expect(page.locator("#tip img")).to_be_visible()
    expect(page.locator("#tip")).to_contain_text(spans.first.get_attribute("aria-label") or "nothing")
    page.keyboard.press("ArrowRight")
    expect(spans.nth(1)).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#tip")).to_be_hidden()
    page.keyboard.press("Enter")
    assert page.url.endswith(spans.nth(1).get_attribute("href") or "nowhere")


def test_every_row_of_the_timeline_shows_the_cuts_which_the_page_holds_once(browser: Browser, pages: Pages) -> None:
    page = opened(browser, pages.episode).page
    rows, cuts = page.locator("svg.spans"), page.locator("svg.spans #cuts")
    assert cuts.count() == 1
    drawn = [row.locator("#cuts, use").bounding_box() for row in rows.all()]
    assert len(drawn) > 1
    assert all(box and box["width"] > 0 and box["height"] > 0 for box in drawn)
    assert page.evaluate("getComputedStyle(document.querySelector('#cuts')).stroke") != "none"


def test_the_report_shows_the_people_of_the_screen_time_and_moving_pictures_can_be_stilled(
    browser: Browser, pages: Pages
) -> None:
    page = opened(browser, pages.episode).page
    document = _screen_time()
    assert page.locator("article h3").all_inner_texts() == [
        person["name"] or person["person_id"] for person in document["people"]
    ]
    moving = page.locator(".moving .play").first
    expect(moving).to_be_visible()
    page.get_by_label("Stop the animations").check()
    expect(moving).to_be_hidden()


def test_the_season_links_the_report_of_its_episode(browser: Browser, pages: Pages) -> None:
    page = opened(browser, pages.season).page
    page.get_by_role("link", name=EP).click()
    expect(page).to_have_title(f"{EP}: who is on screen")


def test_markup_in_a_name_is_text(browser: Browser, tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)><script>alert(2)</script>\"'>"
    row = {"name": name, "seconds": {EP: 3.0}, "total_s": 3.0, "share": 0.5, "trend_per_episode": None}
    episode = {"ep_id": EP, "duration_s": 6.0, "union_s": 3, "overlap_s": 0, "named": 1, "unnamed": 0, "unnamed_s": 0}
    episode["damaged_s"] = 1.5
    totals = {"duration_s": 6.0, "named_s": 3.0, "unnamed_s": 0.0, "damaged_s": 1.5, "missing_s": None}
    season = {"season": SEASON, "people": [row], "episodes": [episode], "totals": totals}
    file = tmp_path / "index.html"
    html = render_page("season.html.j2", season=season, links={}, most_s=3.0, lines=[])
    file.write_text(html, encoding="utf-8")
    seen = opened(browser, file)
    assert seen.complaints == []
    assert name in seen.page.get_by_role("rowheader").first.inner_text()
    assert seen.page.locator("img").count() == 0
    assert seen.page.get_by_role("cell", name="0:01.5").count() == 1
    assert "0:01.5damaged in the videos, uncertain" in seen.page.locator("main").inner_text().replace("\n", "")


def test_the_policy_stops_a_script_that_is_not_the_reports(browser: Browser, pages: Pages, tmp_path: Path) -> None:
    html = pages.season.read_text(encoding="utf-8")
    file = tmp_path / "index.html"
    file.write_text(html.replace("<main", "<script>document.title = 'changed'</script><main"), encoding="utf-8")
    seen = opened(browser, file)
    expect(seen.page).to_have_title(f"{SEASON}: who is on screen")
    assert any("Content Security Policy" in complaint for complaint in seen.complaints)


def _screen_time() -> Any:
    artifact = ArtifactStoreResource().store().open("screen_time", EP)
    assert artifact is not None
    return json.loads(artifact.path("screen_time.json").read_text(encoding="utf-8"))
