import os
from pathlib import Path

import dagster as dg
import pytest
import yaml
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url

from resources.system.paths import dagster_home, data_location, project_dir
from screenalytics_assets.core.common.errors import ConfigurationError, MissingPackageError, UnavailableError
from screenalytics_assets.services.dagster_instance.instance import open_instance, prepare_home
from screenalytics_assets.services.dagster_instance.instance_files import LOGS_BUCKET, POSTGRES_URL


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The dagster.yaml of an instance that does not exist yet."""
    for name in (POSTGRES_URL, LOGS_BUCKET):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "dagster.yaml"


def base() -> dict[str, object]:
    content: dict[str, object] = yaml.safe_load((project_dir() / "dagster.yaml").read_text())
    return content


def test_by_default_the_instance_follows_the_file_of_the_checkout(config: Path) -> None:
    prepare_home()
    assert config.resolve() == project_dir() / "dagster.yaml"


def test_an_address_of_postgres_changes_the_storage_and_nothing_else(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(POSTGRES_URL, "postgresql://me@host/db")
    prepare_home()
    made = yaml.safe_load(config.read_text())
    assert made.pop("storage") == {"postgres": {"postgres_url": {"env": POSTGRES_URL}}}
    expected = base()
    del expected["event_log_storage"]
    assert made == expected


def test_both_overlays_can_be_used_together_and_are_removed_with_their_variables(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(POSTGRES_URL, "postgresql://me@host/db")
    monkeypatch.setenv(LOGS_BUCKET, "logs")
    prepare_home()
    assert {"storage", "compute_logs"} < yaml.safe_load(config.read_text()).keys()
    monkeypatch.delenv(POSTGRES_URL)
    prepare_home()
    assert "storage" not in yaml.safe_load(config.read_text())
    monkeypatch.delenv(LOGS_BUCKET)
    prepare_home()
    assert config.resolve() == project_dir() / "dagster.yaml"
    assert [path.name for path in config.parent.iterdir()] == ["dagster.yaml"]


def test_a_file_that_a_person_wrote_stays(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.parent.mkdir()
    config.write_text("telemetry: {enabled: false}\n")
    for value in ("postgresql://me@host/db", ""):
        monkeypatch.setenv(POSTGRES_URL, value)
        prepare_home()
        assert config.read_text() == "telemetry: {enabled: false}\n"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_the_driver_that_dagster_uses_is_named_in_the_address(
    scheme: str, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(POSTGRES_URL, f"{scheme}://me:pass://word@host:5432/db?sslmode=require")
    prepare_home()
    assert config.is_file()
    address, _, limits = os.environ[POSTGRES_URL].partition("&")
    assert address == "postgresql+psycopg2://me:pass://word@host:5432/db?sslmode=require"
    assert limits.startswith("connect_timeout=")


def test_dagster_waits_no_longer_for_its_database_than_the_limits_in_the_address(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(POSTGRES_URL, "postgresql://me@host/db?connect_timeout=3")
    for _ in range(2):  # a process that another one starts gets the completed address
        prepare_home()
    assert config.is_file()
    engine = create_engine(os.environ[POSTGRES_URL])
    _, arguments = engine.dialect.create_connect_args(engine.url)
    assert arguments["connect_timeout"] == "3"
    assert (arguments["tcp_user_timeout"], arguments["keepalives_idle"]) == ("15000", "7")
    assert arguments["options"] == "-c lock_timeout=60000 -c statement_timeout=60000"


def test_options_of_the_address_of_dagsters_database_are_kept(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(POSTGRES_URL, "postgresql://me@host/db?options=-c%20search_path%3Dmine")
    prepare_home()
    assert config.exists()
    assert make_url(os.environ[POSTGRES_URL]).query["options"] == "-c search_path=mine"


@pytest.mark.parametrize(
    "address", ["me:hunter2@host/db", "mysql://me:hunter2@host/db", "postgresql+asyncpg://hunter2@h"]
)
def test_another_address_is_refused_without_showing_its_password(
    address: str, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(POSTGRES_URL, address)
    with pytest.raises(ConfigurationError, match=rf"{POSTGRES_URL}.*expected postgresql://") as refused:
        prepare_home()
    assert "hunter2" not in str(refused.value)
    assert not config.exists()


def test_an_extra_that_is_not_installed_is_named(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(POSTGRES_URL, "postgresql://me@host/db")
    monkeypatch.setattr("screenalytics_assets.services.dagster_instance.instance_files.find_spec", lambda _name: None)
    with pytest.raises(MissingPackageError, match=r"screenalytics\[postgres\]"):
        prepare_home()
    assert not config.exists()


def test_a_database_that_does_not_answer_is_reported_without_its_password(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(POSTGRES_URL, "postgresql://me:hunter2@127.0.0.1:1/db")
    monkeypatch.setattr("dagster_postgres.utils.time.sleep", lambda _seconds: None)
    with pytest.raises(UnavailableError, match=rf"{POSTGRES_URL}: .*refused.*; start the database") as refused:
        open_instance()
    assert "hunter2" not in str(refused.value)
    assert config.exists()


def test_logs_go_to_the_bucket_that_the_environment_names(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LOGS_BUCKET, "step-logs")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    prepare_home()
    with dg.DagsterInstance.from_config(str(config.parent)) as instance:
        manager = instance.compute_log_manager
        assert type(manager).__name__ == "S3ComputeLogManager"
        assert manager._s3_bucket == "step-logs"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"run_monitoring: {enabled: maybe}\n", "Dagster does not accept it: .*maybe.*; correct it"),
        (
            b"event_log_storage: {module: no_such_module, class: A, config: {}}\n",
            "Dagster does not accept it: .*no_such_module",
        ),
        (b"a: 1\nb: [1\n", "not valid YAML, line 3"),
        (b"a: \xff\n", "line 1 is not UTF-8 text"),
        (b"[1, 2]\n", "expected a mapping of keys"),
    ],
)
def test_a_file_of_a_person_that_cannot_be_used_is_named(content: bytes, problem: str, config: Path) -> None:
    config.parent.mkdir()
    config.write_bytes(content)
    with pytest.raises(ConfigurationError, match=f"^{config}: {problem}") as refused:
        open_instance()
    assert len(str(refused.value).splitlines()) == 1
    assert config.read_bytes() == content


def test_a_folder_in_the_place_of_the_file_is_named(config: Path) -> None:
    config.mkdir(parents=True)
    with pytest.raises(ConfigurationError, match=f"^{config}: this is a folder"):
        open_instance()


@pytest.mark.parametrize("variable", ["DAGSTER_HOME", "SCREENALYTICS_DATA_ROOT"])
def test_a_place_that_is_a_link_to_itself_is_refused(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "loop").symlink_to("loop")
    monkeypatch.setenv(variable, str(tmp_path / "loop"))
    place = {"DAGSTER_HOME": dagster_home, "SCREENALYTICS_DATA_ROOT": data_location}[variable]
    with pytest.raises(ConfigurationError, match=f"^{variable} is {tmp_path}/loop: the symbolic links form a loop"):
        place()


def test_an_address_as_data_root_is_refused_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCREENALYTICS_DATA_ROOT", "https://key:hunter2@host/x")
    with pytest.raises(ConfigurationError, match=r"is https://…@host/x: expected a folder or s3://bucket/prefix"):
        data_location()
