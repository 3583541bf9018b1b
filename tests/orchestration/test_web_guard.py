"""Dagster's real application behind the guard: what a web page of somebody else could send, and what the UI sends."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from resources.system.paths import project_dir
from screenalytics_assets.core.common.errors import ConfigurationError
from screenalytics_assets.dagster_private import open_workspace
from screenalytics_assets.definitions import defs
from screenalytics_assets.partitions import EPISODES_NAME, PARTITION_TAG
from screenalytics_assets.services.running.runs import FACEBANK_JOB, JOB, outcome_of
from screenalytics_assets.web.app import create_app
from screenalytics_assets.web.guard import LOCAL_HOSTS, allowed_hosts

HOST = "localhost:3000"
_REPOSITORY = {"repositoryLocationName": "screenalytics", "repositoryName": "__repository__"}
_ADD = """mutation Add($repository: RepositorySelector!, $partitions: String!, $key: String!) {
  addDynamicPartition(repositorySelector: $repository, partitionsDefName: $partitions, partitionKey: $key) {
    __typename ... on PythonError { message }
  }
}"""
_LAUNCH = """mutation Launch($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename ... on RunConfigValidationInvalid { errors { message } } ... on PythonError { message }
  }
}"""
_SELECTOR = 'repositoryLocationName: "screenalytics", repositoryName: "__repository__"'
ATTACK = (
    f"mutation {{ addDynamicPartition(repositorySelector: {{{_SELECTOR}}}, "
    f'partitionsDefName: "{EPISODES_NAME}", partitionKey: "demo-s09e09") {{ __typename }} }}'
)
BODY = json.dumps({"query": ATTACK})
JSON = {"content-type": "application/json"}
PAGE = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


@pytest.fixture(scope="module")
def client(instance: dg.DagsterInstance) -> Iterator[TestClient]:
    with open_workspace(instance, project_dir() / "workspace.yaml") as workspace:
        app = create_app(workspace, LOCAL_HOSTS)
        # Not as a context: Dagster's own start and end of the application are not what is tested here.
        yield TestClient(app, base_url=f"http://{HOST}", follow_redirects=False)


def ask(client: TestClient, query: str, **variables: Any) -> Any:
    answer = client.post("/graphql", json={"query": query, "variables": variables})
    assert answer.status_code == 200, answer.text
    (field,) = answer.json()["data"].values()
    return field


@pytest.mark.parametrize(
    ("method", "path", "headers", "body"),
    [
        # Simple requests, which a browser sends without asking the server first.
        ("GET", "/graphql", {}, None),
        ("GET", "/graphql", PAGE | {"sec-fetch-site": "cross-site"}, None),
        ("GET", "/graphql", PAGE | {"sec-fetch-site": "none"}, None),
        ("GET", "/graphql/", {}, None),
        ("HEAD", "/graphql", {}, None),
        ("POST", "/graphql", {"content-type": "text/plain"}, ""),
        ("POST", "/graphql", {"content-type": "text/plain"}, BODY),
        ("POST", "/graphql", {"content-type": "text/plain; a=application/json"}, BODY),
        ("POST", "/graphql", {"content-type": "multipart/form-data; boundary=application/json"}, BODY),
        ("POST", "/graphql", {"content-type": "application/x-www-form-urlencoded"}, BODY),
        ("POST", "/graphql", {"content-type": "application/graphql"}, ATTACK),
        ("POST", "/graphql", {"content-type": "application/json, text/plain"}, BODY),
        ("POST", "/graphql", {}, BODY),
        ("POST", "/graphql", {"content-type": "Application/JSON"}, ""),  # Dagster would read the address
        # From other pages.
        ("POST", "/graphql", JSON | {"origin": "http://evil.example"}, BODY),
        ("POST", "/graphql", JSON | {"origin": "http://localhost:8000"}, BODY),
        ("POST", "/graphql", JSON | {"origin": "http://127.0.0.1:3000"}, BODY),
        ("POST", "/graphql", JSON | {"origin": f"http://{HOST}.evil.example"}, BODY),
        ("POST", "/graphql", JSON | {"origin": f"http://{HOST}@evil.example"}, BODY),
        ("POST", "/graphql", JSON | {"origin": "null"}, BODY),
        ("POST", "/graphql", JSON | {"origin": ""}, BODY),
        ("POST", "/graphql", JSON | {"origin": "http://["}, BODY),
        ("POST", "/graphql", JSON | {"origin": HOST}, BODY),
        ("POST", "/graphql", JSON | {"sec-fetch-site": "cross-site"}, BODY),
        ("POST", "/graphql", JSON | {"sec-fetch-site": "same-site"}, BODY),
        ("POST", "/graphql", JSON | PAGE | {"sec-fetch-site": "cross-site"}, BODY),
        # DNS rebinding: the page's own name now means this machine, so to the browser it is all one origin.
        ("POST", "/graphql", JSON | {"host": "evil.example:3000", "origin": "http://evil.example:3000"}, BODY),
        ("POST", "/graphql", JSON | {"host": "evil.example"}, BODY),
        ("POST", "/graphql", JSON | {"host": "localhost.evil.example:3000"}, BODY),
        ("POST", "/graphql", JSON | {"host": "evil.example@localhost"}, BODY),
        ("POST", "/graphql", JSON | {"host": "localhost:3000@evil.example"}, BODY),
        ("POST", "/graphql", JSON | {"host": "localhost, evil.example"}, BODY),
        ("POST", "/graphql", JSON | {"host": ""}, BODY),
        ("POST", "/graphql", JSON | {"host": "0.0.0.0:3000"}, BODY),
    ],
)
def test_what_another_page_can_send_is_refused_and_changes_nothing(
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: str | None,
    client: TestClient,
    instance: dg.DagsterInstance,
) -> None:
    in_the_address = {"query": ATTACK} if not body else None
    answer = client.request(method, path, params=in_the_address, headers=headers, content=body)
    assert answer.status_code == 403
    assert method == "HEAD" or answer.text.startswith("refused: ")
    assert instance.get_dynamic_partitions(EPISODES_NAME) == []


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("POST", "/report_asset_materialization/detections?partition=demo-s09e09", {}),
        ("POST", "/report_asset_check/detections?check_name=detections_integrity&passed=true", {}),
        ("POST", "/report_asset_observation/detections", {"content-type": "text/plain"}),
        ("GET", "/runs", {"host": "evil.example:3000"}),
        ("GET", "/runs", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "script"}),
        ("GET", "/runs", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}),
        ("GET", "/server_info", {"origin": "http://evil.example"}),
    ],
)
def test_the_other_addresses_are_guarded_too(
    method: str, path: str, headers: Mapping[str, str], client: TestClient, instance: dg.DagsterInstance
) -> None:
    assert client.request(method, path, headers=headers).status_code == 403
    assert instance.get_latest_materialization_event(dg.AssetKey("detections")) is None


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"},
        {"host": "evil.example:3000", "origin": "http://evil.example:3000"},
    ],
)
def test_a_web_socket_of_another_page_is_refused(headers: Mapping[str, str], client: TestClient) -> None:
    with (
        pytest.raises(WebSocketDisconnect) as refused,
        client.websocket_connect("/graphql", subprotocols=["graphql-ws"], headers={"host": HOST, **headers}),
    ):
        pass
    assert refused.value.code == 1008


@pytest.mark.parametrize(
    "headers",
    [
        {},  # curl, or a program
        {"origin": f"http://{HOST}", "sec-fetch-site": "same-origin"},
        {"host": "127.0.0.1", "origin": "http://127.0.0.1"},
        {"host": "LOCALHOST:3000"},
        {"host": "[::1]:3000"},
        {"content-type": "application/json; charset=utf-8"},
    ],
)
def test_requests_of_the_ui_and_of_programs_are_answered(headers: dict[str, str], client: TestClient) -> None:
    answer = client.post("/graphql", content='{"query": "{ version }"}', headers=JSON | headers)
    assert answer.json() == {"data": {"version": dg.__version__}}


@pytest.mark.parametrize("site", ["none", "same-origin", "same-site", "cross-site"])
def test_pages_can_be_linked_to_but_not_be_shown_in_a_frame(site: str, client: TestClient) -> None:
    for path in ("/runs", "/assets/identities?view=partitions", "/graphql"):
        answer = client.get(path, headers=PAGE | {"sec-fetch-site": site, "accept": "text/html"})
        assert answer.status_code == 200
        assert answer.headers["x-frame-options"] == "SAMEORIGIN"


@pytest.mark.parametrize("headers", [{}, {"origin": f"http://{HOST}", "sec-fetch-site": "same-origin"}])
def test_web_sockets_of_the_ui_and_of_programs_are_opened(headers: Mapping[str, str], client: TestClient) -> None:
    with client.websocket_connect(
        "/graphql", subprotocols=["graphql-ws"], headers={"host": HOST, **headers}
    ) as connection:
        connection.send_json({"type": "connection_init"})
        assert connection.receive_json() == {"type": "connection_ack"}


@pytest.mark.parametrize("field", ["root", "show_folder", "url", "folder"])
@pytest.mark.parametrize(
    ("job", "resource"),
    [(JOB, "artifacts"), (JOB, "videos"), (JOB, "vectors"), (FACEBANK_JOB, "photos"), (FACEBANK_JOB, "artifacts")],
)
def test_a_run_cannot_choose_where_files_are_read_and_written(
    job: str, resource: str, field: str, client: TestClient, tmp_path: Path
) -> None:
    run_config = {"resources": {resource: {"config": {field: str(tmp_path)}}}}
    params = {"selector": {**_REPOSITORY, "jobName": job}, "runConfigData": json.dumps(run_config)}
    answer = ask(client, _LAUNCH, params=params)
    assert answer["__typename"] == "RunConfigValidationInvalid"
    assert f'unexpected config entry "{field}"' in answer["errors"][0]["message"]


@pytest.mark.parametrize(
    ("partitions", "key", "expected"),
    [
        ("episodes", "../evil", "'../evil' is not an episode id"),
        ("episodes", "/etc/passwd", "'/etc/passwd' is not an episode id"),
        ("episodes", "demo-s01", "'demo-s01' is not an episode id"),
        ("shows", "../evil", "'../evil'"),
        ("seasons", "demo-s01e01", "'demo-s01e01'"),
    ],
)
def test_a_partition_of_another_form_cannot_be_added(
    partitions: str, key: str, expected: str, client: TestClient, instance: dg.DagsterInstance
) -> None:
    answer = ask(client, _ADD, repository=_REPOSITORY, partitions=partitions, key=key)
    assert answer["__typename"] == "PythonError"
    assert answer["message"].startswith(expected)
    assert instance.get_dynamic_partitions(partitions) == []


@pytest.mark.parametrize(
    ("job", "key", "expected"),
    [
        (JOB, "../evil", "'../evil' is not an episode id"),
        (JOB, "demo-s09e09", "demo-s09e09 is not among the registered episodes: `screenalytics run VIDEO --ep-id"),
        ("acceptance_job", "../evil", "'../evil' is not an episode id"),
        ("acceptance_job", "demo-s09e09", "demo-s09e09 is not among the registered episodes"),
        (FACEBANK_JOB, "../evil", "'../evil'"),
        ("season_job", "demo-s09", "demo-s09 is not among the registered seasons"),
    ],
)
def test_a_run_for_a_partition_that_is_not_registered_fails_and_creates_nothing(
    job: str, key: str, expected: str, instance: dg.DagsterInstance, place: Path
) -> None:
    result = defs.resolve_job_def(job).execute_in_process(
        instance=instance, tags={PARTITION_TAG: key}, raise_on_error=False
    )
    outcome = outcome_of(result)
    assert not outcome.success
    assert outcome.failures
    assert all(message.startswith(expected) for message in outcome.failures), outcome.failures
    assert not (place / "data").exists()


def test_a_partition_of_the_right_form_is_added(client: TestClient, instance: dg.DagsterInstance) -> None:
    answer = ask(client, _ADD, repository=_REPOSITORY, partitions=EPISODES_NAME, key="demo-s01e01")
    assert answer["__typename"] == "AddDynamicPartitionSuccess"
    assert instance.get_dynamic_partitions(EPISODES_NAME) == ["demo-s01e01"]
    instance.delete_dynamic_partition(EPISODES_NAME, "demo-s01e01")


@pytest.mark.parametrize(
    ("host", "ui_url", "more"),
    [
        ("127.0.0.1", "http://127.0.0.1:3000", []),
        ("192.168.1.20", "http://127.0.0.1:3000", ["192.168.1.20"]),
        ("0.0.0.0", "https://Season.example/", ["0.0.0.0", "season.example"]),  # noqa: S104
        ("::", "http://[fe80::1]:3000", ["[::]", "[fe80::1]"]),
        ("localhost", "", []),
        ("localhost", "http://*", []),
    ],
)
def test_the_server_answers_as_localhost_as_what_it_listens_on_and_as_the_address_of_the_ui(
    host: str, ui_url: str, more: list[str]
) -> None:
    assert allowed_hosts(host, ui_url) == {*LOCAL_HOSTS, *more}


@pytest.mark.parametrize("ui_url", ["http://[bad", "http://[::1", "https://user:secretword@[x]/"])
def test_an_address_of_the_ui_that_is_none_is_refused_before_anything_is_served(ui_url: str) -> None:
    with pytest.raises(ConfigurationError, match="SCREENALYTICS_UI_URL is not an address") as refused:
        allowed_hosts("127.0.0.1", ui_url)
    assert "secretword" not in str(refused.value)
