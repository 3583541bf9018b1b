"""Puts runs into the queue of the instance; the daemon of ``screenalytics ui`` executes them.

Python code outside a code location has no public way to queue a run. Dagster's GraphQL API has, and its command line
answers a request without a web server.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from resources.system.paths import project_dir
from screenalytics_assets.core.common.errors import ScreenalyticsError
from screenalytics_assets.partitions import PARTITION_TAG
from screenalytics_assets.services.dagster_instance.instance import prepare_home

_TIMEOUT_S = 300.0
"""Loading the definitions takes seconds, on a busy machine a minute."""
_SELECTOR = {"repositoryLocationName": "screenalytics", "repositoryName": "__repository__"}
_MUTATION = """mutation QueueRuns {
  launchMultipleRuns(executionParamsList: %s) {
    ... on LaunchMultipleRunsResult {
      launchMultipleRunsResult {
        ... on LaunchRunSuccess { run { runId } }
        ... on RunConfigValidationInvalid { errors { message } }
        ... on Error { message }
      }
    }
    ... on Error { message }
  }
}"""


def queue_runs(job: str, requests: Sequence[dg.RunRequest]) -> list[str]:
    """Queue one run of a job for each request, which names its partition; returns the ids of the runs.

    Raises:
        ScreenalyticsError: Dagster has refused a request; the others are queued.
    """
    response = _execute(_MUTATION % _literal([_execution_params(job, request) for request in requests]))
    result = response["data"]["launchMultipleRuns"] if response.get("data") else {"message": response.get("errors")}
    answers = result.get("launchMultipleRunsResult", [result])
    refused = [answer.get("errors") or answer.get("message") for answer in answers if "run" not in answer]
    if refused:
        raise ScreenalyticsError(f"Dagster queued {len(answers) - len(refused)} of {len(requests)} runs: {refused[0]}")
    return [answer["run"]["runId"] for answer in answers]


def _execution_params(job: str, request: dg.RunRequest) -> dict[str, Any]:
    tags = {**request.tags, PARTITION_TAG: str(request.partition_key)}
    return {
        "selector": {**_SELECTOR, "jobName": job},
        # As a string: keys of the configuration need not be names in GraphQL.
        "runConfigData": json.dumps(request.run_config),
        "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in tags.items()]},
    }


def _literal(value: object) -> str:
    """A value in GraphQL's notation: as JSON, but with the keys of objects unquoted.

    The request lies in a file: as a variable, on the command line, a season would be too long.
    """
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_literal, value)) + "]"
    return json.dumps(value)


def _execute(query: str) -> Any:  # noqa: ANN401 - JSON
    prepare_home()
    with tempfile.TemporaryDirectory(prefix="screenalytics-queue.") as folder:
        request, response = Path(folder, "request.graphql"), Path(folder, "response.json")
        request.write_text(query, encoding="utf-8")
        script = "from dagster_graphql.cli import main; main()"  # the package cannot be started with -m
        command = [sys.executable, "-c", script, "-w", "workspace.yaml", "--file", str(request), "-o", str(response)]
        try:
            done = subprocess.run(
                command, cwd=project_dir(), capture_output=True, text=True, check=False, timeout=_TIMEOUT_S
            )
        except subprocess.TimeoutExpired as error:
            raise ScreenalyticsError(
                f"Dagster did not queue the runs within {_TIMEOUT_S:g} s: see in the UI which ones are queued, and run "
                "the command again when the machine is less busy"
            ) from error
        if not response.is_file():
            last_lines = "\n".join(f"{done.stdout}{done.stderr}".splitlines()[-5:])
            raise ScreenalyticsError(f"Dagster did not queue the runs (exit code {done.returncode}): {last_lines}")
        return json.loads(response.read_text(encoding="utf-8"))
