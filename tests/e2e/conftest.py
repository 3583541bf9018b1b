"""The real UI on an episode that nothing was computed of yet, and a browser to look at it."""

import os
import shutil
import signal
import socket
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import NamedTuple

import dagster as dg
import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request, Response, expect, sync_playwright

from resources.models.packs import ModelPack
from resources.videos import VideoLibraryResource
from screenalytics_assets.core.evaluation.truth import TruthDocument
from screenalytics_assets.partitions import EPISODES_NAME

EP_ID = "demo-s01e01"
START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 15
PAGE_TIMEOUT_MS = 30_000
CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# Read at import: the fixture `place` takes the project's variables away.
_SCREENSHOTS = os.environ.get("SCREENSHOTS_DIR")


class Ui(NamedTuple):
    """A page of the UI, and what the browser complained about in it."""

    page: Page
    complaints: list[str]

    def screenshot(self, name: str) -> None:
        """Keep a picture of the window if ``SCREENSHOTS_DIR`` says where."""
        if _SCREENSHOTS:
            self.page.screenshot(path=Path(_SCREENSHOTS) / f"{name}.png", animations="disabled")


def screenalytics() -> str:
    """The console script."""
    return str(Path(sysconfig.get_path("scripts")) / "screenalytics")


@pytest.fixture(scope="module")
def ui_url(
    place: Path,
    instance: dg.DagsterInstance,
    open_pack: ModelPack,
    demo_episode: tuple[Path, TruthDocument],
) -> Iterator[str]:
    """Address of ``screenalytics ui`` on an instance that knows one episode, with its video in place."""
    assert open_pack
    VideoLibraryResource().add(EP_ID, demo_episode[0], replace=False)
    instance.add_dynamic_partitions(EPISODES_NAME, [EP_ID])
    with serve(place / "ui.log") as url:
        yield url


@pytest.fixture(scope="module")
def browser_context(ui_url: str) -> Iterator[BrowserContext]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM_OPTIONS)
        context = browser.new_context(base_url=ui_url, viewport={"width": 1400, "height": 900})
        context.set_default_timeout(PAGE_TIMEOUT_MS)
        expect.set_options(timeout=PAGE_TIMEOUT_MS)
        yield context
        browser.close()


@pytest.fixture
def ui(browser_context: BrowserContext, ui_url: str) -> Iterator[Ui]:
    """A new page, closed after the test."""
    page = browser_context.new_page()
    ui = Ui(page, [])

    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error":
            ui.complaints.append(f"console: {message.text}")

    def on_response(response: Response) -> None:
        if response.status >= 400 and response.url.startswith(ui_url):
            ui.complaints.append(f"{response.status}: {response.url}")

    def on_failed_request(request: Request) -> None:
        # A page that is left while it loads aborts its requests.
        if request.url.startswith(ui_url) and request.failure != "net::ERR_ABORTED":
            ui.complaints.append(f"{request.failure}: {request.url}")

    page.on("console", on_console)
    page.on("pageerror", lambda error: ui.complaints.append(f"exception: {error}"))
    page.on("response", on_response)
    page.on("requestfailed", on_failed_request)
    yield ui
    page.close()


@contextmanager
def serve(log: Path) -> Iterator[str]:
    """``screenalytics ui`` at a free port; yields its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with log.open("wb") as output:
        # A session of its own, so that all its processes can be stopped together.
        server = subprocess.Popen(
            [screenalytics(), "ui", "--port", str(port)],
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait_until_served(port, server, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            _stop(server)


def _wait_until_served(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and server.poll() is None:
        if _answers(port):
            return
        time.sleep(0.2)
    pytest.fail(f"nothing is served at port {port}; `screenalytics ui` said:\n{log.read_text()[-4000:]}")


def _answers(port: int) -> bool:
    with closing(HTTPConnection("127.0.0.1", port, timeout=5)) as connection, suppress(OSError, HTTPException):
        connection.request("GET", "/server_info")
        return connection.getresponse().status == 200
    return False


def _stop(server: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        server.wait(timeout=STOP_TIMEOUT_S)
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()
