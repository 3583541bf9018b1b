import json
import re
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, TimeoutError, expect

from screenalytics_assets.services.running.runs import asset_names
from tests.e2e.conftest import EP_ID, Ui, screenalytics

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium: apt-get install chromium"),
]

RUN_TIMEOUT_S = 180
FINISHED = re.compile("^(Success|Failure|Canceled)$")


def _select_episode(page: Page) -> None:
    """Choose the partition in the dialog; on a slow machine the list is redrawn under the mouse, and closes."""
    for _ in range(4):
        page.get_by_text("Select a partition").click()
        with suppress(TimeoutError):
            page.get_by_role("menuitem", name=EP_ID).click(timeout=5_000)
            break
    page.get_by_text("1 partition", exact=True).wait_for()


@pytest.fixture(scope="module")
def run_id(browser_context: BrowserContext) -> str:
    """The run of every asset of the episode, launched by clicking and finished."""
    page = browser_context.new_page()
    page.goto("/locations/__repository__@screenalytics/jobs/episode_job")
    page.get_by_role("button", name="Materialize all").click()
    # Dagster asks because the show has no facebank, which none needs.
    page.get_by_role("button", name="Confirm").click()
    _select_episode(page)
    # Closes the list of partitions; Escape would close the dialog too if the list is gone already.
    page.get_by_text("Launch runs to materialize").click()
    page.get_by_role("button", name="Launch 1 run").click()
    page.get_by_role("link", name="View", exact=True).click()
    page.wait_for_url("**/runs/*")
    page.get_by_text(FINISHED).first.wait_for(timeout=RUN_TIMEOUT_S * 1000)
    run_id = page.url.rpartition("/")[2]
    page.close()
    return run_id


def test_the_asset_graph_shows_every_asset(ui: Ui) -> None:
    ui.page.goto("/asset-groups")
    nodes = ui.page.locator("svg foreignObject")
    expect(nodes.first).to_be_visible()
    ui.page.keyboard.press("Alt+e")  # expands the groups
    expect(nodes.get_by_text("detections", exact=True)).to_be_in_viewport()
    ui.screenshot("asset_graph")
    # Dagster draws the names in the window only, and the graph is larger than that: move it down, then up.
    drawn = set(nodes.all_text_contents())
    for move_px in (500, 500, -500, -500, -500, -500):
        ui.page.mouse.move(600, 450)
        ui.page.mouse.down()
        ui.page.mouse.move(600, 450 + move_px, steps=5)
        ui.page.mouse.up()
        ui.page.wait_for_timeout(500)
        drawn.update(nodes.all_text_contents())
    assert set(asset_names()) - drawn == set()


def test_an_episode_is_materialized_by_clicking(ui: Ui, run_id: str, instance: dg.DagsterInstance) -> None:
    ui.page.goto(f"/runs/{run_id}")
    expect(ui.page.get_by_text(FINISHED).first).to_have_text("Success")
    expect(ui.page.get_by_text(f"partition: {EP_ID}")).to_be_visible()
    ui.screenshot("run")
    missing = [name for name in asset_names() if EP_ID not in instance.get_materialized_partitions(dg.AssetKey(name))]
    assert missing == []


@pytest.mark.usefixtures("run_id")
def test_the_partition_page_of_identities_shows_people_faces_and_timeline(ui: Ui, place: Path) -> None:
    document = _identities(place)
    ui.page.goto(f"/assets/identities?view=partitions&partition={EP_ID}")
    expect(_metadata(ui.page, "clusters")).to_have_text(str(document["stats"]["clusters"]))
    people = _metadata(ui.page, "people")
    assert document["identities"]
    for identity in document["identities"]:
        expect(people.get_by_role("cell", name=identity["identity_id"], exact=True)).to_be_visible()
    ui.screenshot("identities")
    for key in ("contact_sheet", "timeline"):
        _metadata(ui.page, key).get_by_text("Show Markdown").click()
        picture = ui.page.get_by_role("dialog").get_by_role("img", name="identity")
        expect(picture).to_have_attribute("src", re.compile(r"^data:image/(jpeg|svg\+xml);base64,"))
        # The width in pixels is 0 where the browser cannot decode the picture.
        expect(picture).not_to_have_js_property("naturalWidth", 0)
        ui.screenshot(f"identities_{key}")
        ui.page.get_by_role("button", name="Close").click()
        expect(picture).to_be_hidden()


def test_the_checks_page_shows_that_the_identities_of_the_episode_are_whole(ui: Ui, run_id: str) -> None:
    ui.page.goto("/assets/identities?view=checks&checkDetail=identities_integrity")
    expect(ui.page.get_by_text("This is a blocking asset check")).to_be_visible()
    ui.page.get_by_role("tab", name="Partitions").last.click()
    expect(ui.page.get_by_text("Passed (1)")).to_be_visible()
    ui.page.get_by_title(EP_ID, exact=True).last.click()
    expect(ui.page.get_by_text("Passed", exact=True)).to_be_visible()
    expect(ui.page.get_by_role("link", name=run_id[:8])).to_be_visible()
    ui.screenshot("checks")


def test_a_run_of_the_command_line_reuses_what_the_ui_computed_and_is_in_its_run_list(ui: Ui, run_id: str) -> None:
    done = subprocess.run([screenalytics(), "run", "--ep-id", EP_ID], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "everything is unchanged" in done.stdout
    found = re.search("^run ([0-9a-f-]{36}) is in the UI", done.stdout, re.MULTILINE)
    assert found
    ui.page.goto("/runs")
    expect(ui.page.get_by_role("link", name=f"run {run_id[:8]}")).to_be_visible()
    ui.screenshot("runs")
    ui.page.get_by_role("link", name=f"run {found[1][:8]}").click()
    expect(ui.page.get_by_text(FINISHED).first).to_have_text("Success")
    expect(ui.page.get_by_text(f"partition: {EP_ID}")).to_be_visible()


@pytest.mark.usefixtures("run_id")
def test_no_page_of_an_asset_makes_the_browser_complain(ui: Ui) -> None:
    for name in asset_names():
        ui.page.goto(f"/assets/{name}?view=partitions&partition={EP_ID}")
        expect(_metadata(ui.page, "reused")).to_be_visible()
    assert ui.complaints == []


def _metadata(page: Page, key: str) -> Locator:
    """What the page shows for a key."""
    return page.get_by_role("row").filter(has=page.get_by_role("cell", name=key, exact=True)).get_by_role("cell").nth(1)


def _identities(place: Path) -> Any:
    return json.loads((place / "data" / "manifests" / EP_ID / "identities.json").read_text(encoding="utf-8"))
