"""The requests of ``docs/reference/api.md``, as they stand there, sent to ``screenalytics ui``."""

import json
import re
import time
from collections.abc import Callable
from typing import Any
from urllib.request import Request, urlopen

import pytest

from resources.artifact_store import ArtifactStoreResource
from resources.configuration.run_settings import profile_layer
from screenalytics_assets.services.running.runs import asset_names
from tests.documents import text_of
from tests.e2e.conftest import EP_ID

_PAIR = re.compile(r"^```graphql\n(\w+ (\w+).*?)^```\n+```json\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PAGE = text_of("docs/reference/api.md")
REQUESTS = {name: (query, variables) for query, name, variables in _PAIR.findall(_PAGE)}
PATIENCE_S = 240

Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def ask(ui_url: str) -> Ask:
    """Sends a request of the page, with ids in the place of `RUN_ID` and `BACKFILL_ID`; returns its only field."""

    def send(name: str, **ids: str) -> Any:
        query, variables = REQUESTS[name]
        for placeholder, value in ids.items():
            variables = variables.replace(placeholder, value)
        body = json.dumps({"query": query, "variables": json.loads(variables)}).encode()
        request = Request(f"{ui_url}/graphql", body, {"Content-Type": "application/json"})  # noqa: S310 - our own server
        with urlopen(request, timeout=60) as answer:  # noqa: S310 - the same
            document = json.load(answer)
        assert "errors" not in document, document
        (field,) = document["data"].values()
        return field

    return send


def wait(look: Callable[[], Any], ended: Callable[[Any], bool]) -> Any:
    """What ``look`` sees once it has ended."""
    deadline = time.monotonic() + PATIENCE_S
    while not ended(seen := look()):
        assert time.monotonic() < deadline, seen
        time.sleep(1)
    return seen


@pytest.fixture(scope="module")
def run_id(ask: Ask) -> str:
    """The run that was launched as the page says, and ended well."""
    launched = ask("LaunchEpisode")
    assert launched["__typename"] == "LaunchRunSuccess", launched
    run_id: str = launched["run"]["runId"]
    run = wait(lambda: ask("RunStatus", RUN_ID=run_id), lambda run: run["endTime"] is not None)
    assert run["status"] == "SUCCESS", run
    assert {step["stepKey"] for step in run["stepStats"]} >= {"tracks", "identities", "screen_time"}
    return run_id


def test_every_request_of_the_page_is_one_that_is_tried_here() -> None:
    assert _PAGE.count("```graphql") == len(REQUESTS)
    tried = set(re.findall(r'ask\(\s*"(\w+)"', text_of("tests/e2e/test_api.py")))
    assert set(REQUESTS) == tried
    assert EP_ID in _PAGE


def test_a_launched_run_has_the_profile_that_was_asked_for(ask: Ask, run_id: str) -> None:
    messages = [event["message"] for event in ask("RunLog", RUN_ID=run_id)["events"]]
    assert any(message.startswith("Finished execution of run") for message in messages)
    manifest = ArtifactStoreResource().store().manifest("detections", EP_ID)
    assert manifest is not None
    assert manifest.config.items() >= profile_layer("fast_cpu").values.items()
    assert run_id in [run["runId"] for run in ask("RunsOfEpisode")["results"]]
    found = {entry["label"]: entry for entry in _materialization(ask)["metadataEntries"]}
    assert found["union_s"]["floatValue"] > 0
    assert json.loads(found["people"]["table"]["records"][0])["visual_s"] > 0


def test_the_checks_of_an_episode_are_read_with_their_figures(ask: Ask, run_id: str) -> None:
    (execution,) = ask("CheckOfEpisode")
    assert execution["runId"] == run_id
    figures = {entry["label"]: entry.get("floatValue") for entry in execution["evaluation"]["metadataEntries"]}
    assert figures["value"] > 0
    checks = {check["name"]: check for check in ask("ChecksOfAsset")["assetChecksOrError"]["checks"]}
    status = checks["tracks_per_minute"]["partitionStatuses"]
    assert EP_ID in status["succeededPartitions"] + status["failedPartitions"]


@pytest.mark.usefixtures("run_id")
def test_a_season_is_launched_as_one_backfill_with_one_run_an_episode(ask: Ask) -> None:
    selected = json.loads(REQUESTS["LaunchSeason"][1])["params"]["assetSelection"]
    assert sorted(key["path"][0] for key in selected) == sorted(asset_names())
    launched = ask("LaunchSeason")
    assert launched["__typename"] == "LaunchBackfillSuccess", launched
    backfill_id = launched["backfillId"]
    backfill = wait(
        lambda: ask("BackfillStatus", BACKFILL_ID=backfill_id),
        lambda backfill: backfill["runs"] and backfill["runs"][0]["status"] in ("SUCCESS", "FAILURE"),
    )
    (run,) = backfill["runs"]
    assert run["status"] == "SUCCESS"
    assert _materialization(ask)["runId"] == run["runId"]


def _materialization(ask: Ask) -> Any:
    (materialization,) = ask("Metadata")["assetMaterializations"]
    return materialization
