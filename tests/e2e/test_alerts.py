"""Checks and alerts live: the UI, its daemon and a web service on this machine; figures without a video."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import dagster as dg
import pytest
from playwright.sync_api import expect, sync_playwright

from screenalytics_assets.services.running.acceptance_runs import run_acceptance_checks
from tests.e2e.conftest import CHROMIUM_OPTIONS, PAGE_TIMEOUT_MS, Ui, _stop, _wait_until_served, screenalytics
from tests.orchestration.command_line import free_port
from tests.published import publish_figures
from tests.webhook import Webhook, listening

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs process groups")

EPISODES = [f"show-s01e{number:02d}" for number in range(1, 4)]
BREACHED = EPISODES[1]
WAIT_S = 180
"""A limit for a machine that does other things; what is waited for takes a tick or two of ten seconds."""


class Live(NamedTuple):
    """The running servers that the tests use."""

    url: str
    webhook: Webhook
    port: int
    titles_before_kill: list[str]


@contextmanager
def serving(log: Path, port: int, webhook_port: int) -> Iterator["subprocess.Popen[bytes]"]:
    """``screenalytics ui`` with its daemon, in a session of its own."""
    environment = os.environ | {
        "SCREENALYTICS_ALERT_URLS": f"json://127.0.0.1:{webhook_port}/hook",
        "SCREENALYTICS_UI_URL": f"http://127.0.0.1:{port}",
    }
    with log.open("wb") as output:
        server = subprocess.Popen(
            [screenalytics(), "ui", "--port", str(port)],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait_until_served(port, server, log)
            yield server
        finally:
            _stop(server)


def titles_in_file(place: Path) -> list[str]:
    path = place / "data" / "alerts.jsonl"
    return [json.loads(line)["title"] for line in path.read_text().splitlines()] if path.exists() else []


def wait_for_file(place: Path, count: int, log: Path) -> None:
    deadline = time.monotonic() + WAIT_S
    while len(titles_in_file(place)) < count:
        assert time.monotonic() < deadline, f"{titles_in_file(place)}; the UI said:\n{log.read_text()[-3000:]}"
        time.sleep(0.2)


def publish_and_check(instance: dg.DagsterInstance, ep_id: str, tracks_per_minute: float) -> None:
    publish_figures(ep_id, tracks_per_minute=tracks_per_minute)
    run_acceptance_checks(instance, ep_id, {})


@pytest.fixture(scope="module")
def live(place: Path, instance: dg.DagsterInstance) -> Iterator[Live]:
    """A breach while the webhook is down, then a daemon that is killed and started again, then the webhook."""
    webhook, webhook_port, port = Webhook(), free_port(), free_port()
    with ExitStack() as stack:
        with serving(place / "first.log", port, webhook_port) as server:
            for number, ep_id in enumerate(EPISODES):
                publish_and_check(instance, ep_id, 70.0 if ep_id == BREACHED else 22.0 + number)
            wait_for_file(place, 1, place / "first.log")
            os.killpg(server.pid, signal.SIGKILL)
        titles = titles_in_file(place)
        stack.enter_context(listening(webhook, webhook_port))
        stack.enter_context(serving(place / "second.log", port, webhook_port))
        yield Live(f"http://127.0.0.1:{port}", webhook, webhook_port, titles)


def test_what_the_webhook_missed_arrives_once_after_it_is_back_and_the_daemon_was_killed(live: Live) -> None:
    assert live.titles_before_kill == [f"{BREACHED}: 1 warned"]
    live.webhook.wait_for(1, WAIT_S)
    assert live.webhook.titles == [f"{BREACHED}: 1 warned"]
    message = live.webhook.arrived[0]["message"]
    assert "tracks_per_minute is 70, the limit for a warning is at most 50" in message
    assert f"{live.url}/assets/track_metrics?view=checks&checkDetail=tracks_per_minute" in message


@pytest.mark.browser
@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium: apt-get install chromium")
def test_the_page_of_the_check_shows_the_breach_for_its_episode_alone_and_plots_the_season(live: Live) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM_OPTIONS)
        page = browser.new_page(base_url=live.url, viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(PAGE_TIMEOUT_MS)
        expect.set_options(timeout=PAGE_TIMEOUT_MS)
        ui = Ui(page, [])
        page.goto("/assets/track_metrics?view=checks&checkDetail=tracks_per_minute")
        expect(
            page.get_by_text("share of tracks").or_(page.get_by_text("tracks per minute of video")).first
        ).to_be_visible()
        ui.screenshot("acceptance_check")
        page.get_by_role("tab", name="Partitions").last.click()
        expect(page.get_by_text(re.compile(r"Passed \(2\)"))).to_be_visible()
        expect(page.get_by_text(re.compile(r"Failed \(1\)")).first).to_be_visible()
        page.get_by_title(BREACHED, exact=True).last.click()
        expect(page.get_by_text("the limit for a warning is at most 50").first).to_be_visible()
        ui.screenshot("acceptance_check_partition")
        browser.close()


def test_a_breach_arrives_within_a_minute_and_its_end_too_and_neither_is_repeated(
    live: Live, instance: dg.DagsterInstance
) -> None:
    live.webhook.wait_for(1, WAIT_S)
    run_acceptance_checks(instance, BREACHED, {})
    publish_and_check(instance, EPISODES[0], 55.0)
    live.webhook.wait_for(2, WAIT_S)
    publish_and_check(instance, BREACHED, 28.0)
    live.webhook.wait_for(3, WAIT_S)
    assert live.webhook.titles[1:] == [f"{EPISODES[0]}: 1 warned", f"{BREACHED}: 1 back in range"]
    assert live.webhook.arrived[2]["type"] == "success"
