import importlib
import shutil
from collections import namedtuple
from pathlib import Path
from types import ModuleType

import pytest
import typer
from typer.testing import CliRunner

from screenalytics_assets.cli.setup import library_checks
from screenalytics_assets.cli.setup.doctor import doctor, run_checks
from screenalytics_assets.cli.setup.library_checks import Check
from tests.object_store import BucketPlace

# As an attribute of its package the module is hidden by the command of the same name.
doctor_module = importlib.import_module("screenalytics_assets.cli.setup.doctor")

app = typer.Typer()
app.command()(doctor)


def find(name: str) -> Check:
    return next(check for check in run_checks() if check.name == name)


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No model pack, no database, data below the test's folder."""
    monkeypatch.setenv("SCREENALYTICS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("SCREENALYTICS_DATA_ROOT", str(tmp_path / "data"))
    for name in ("SCREENALYTICS_DATABASE_URL", "SCREENALYTICS_MODEL_DIR", "SCREENALYTICS_MODEL_PACK"):
        monkeypatch.delenv(name, raising=False)


def break_import(monkeypatch: pytest.MonkeyPatch, module: str, error: Exception) -> None:
    real = importlib.import_module

    def import_module(name: str) -> ModuleType:
        if name == module:
            raise error
        return real(name)

    monkeypatch.setattr(library_checks, "import_module", import_module)


def pretend_installed(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    real = library_checks.version_of
    monkeypatch.setattr(library_checks, "version_of", lambda name: "9.9" if name in names else real(name))


def test_a_missing_pack_fails_with_the_command_that_fetches_it() -> None:
    check = find("model pack")
    assert check.status == "fail"
    assert "screenalytics models pull open" in check.finding


def test_a_failed_check_makes_the_command_fail_and_shows_every_check() -> None:
    result = CliRunner().invoke(app, env={"COLUMNS": "200"})
    assert result.exit_code == 1
    for name in ("Python", "ONNX Runtime", "OpenCV", "PyAV", "model pack", "memory", "data root", "database"):
        assert name in result.output


def test_the_command_succeeds_when_nothing_essential_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = [Check("Python", "ok", "3.11"), Check("database", "warn", "[/nonsense] markup", "start [it]")]
    monkeypatch.setattr(doctor_module, "run_checks", lambda: checks)
    result = CliRunner().invoke(app)
    assert result.exit_code == 0
    assert "[/nonsense] markup" in result.output
    assert "start [it]" in result.output


@pytest.mark.parametrize(("library", "package"), [("libGL.so.1", "libgl1"), ("libgthread-2.0.so.0", "libglib2.0-0")])
def test_opencv_without_its_shared_libraries_names_the_debian_package(
    monkeypatch: pytest.MonkeyPatch, library: str, package: str
) -> None:
    error = ImportError(f"{library}: cannot open shared object file: No such file or directory")
    break_import(monkeypatch, "cv2", error)
    check = find("OpenCV")
    assert (check.status, check.advice) == ("fail", f"apt-get install {package}")


@pytest.mark.parametrize(
    ("module", "name"),
    [("onnxruntime", "ONNX Runtime"), ("av", "PyAV"), ("insightface", "InsightFace"), ("trackers", "trackers")],
)
@pytest.mark.parametrize("error", [ImportError("no module"), OSError("libfoo.so: bad ELF header")])
def test_a_library_that_is_absent_or_broken_is_a_finding_and_not_a_crash(
    monkeypatch: pytest.MonkeyPatch, module: str, name: str, error: Exception
) -> None:
    break_import(monkeypatch, module, error)
    check = find(name)
    assert check.status == "fail"
    assert str(error) in check.finding
    assert "make setup" in check.advice


def test_both_onnx_runtimes_at_once_are_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_installed(monkeypatch, "onnxruntime", "onnxruntime-gpu")
    check = find("ONNX Runtime package")
    assert (check.status, check.finding) == ("warn", "onnxruntime 9.9 and onnxruntime-gpu 9.9")
    assert "uninstall both" in check.advice


def test_two_opencv_packages_at_once_are_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_installed(monkeypatch, "opencv-python-headless", "opencv-python")
    assert find("OpenCV package").status == "warn"


def test_without_an_address_the_database_is_the_embedded_one(tmp_path: Path) -> None:
    check = find("database")
    assert check.status == "ok"
    assert str(tmp_path / "data" / "database") in check.finding
    assert not (tmp_path / "data").exists()


def test_without_a_package_of_the_database_no_episode_can_run_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    real = library_checks.version_of
    monkeypatch.setattr(library_checks, "version_of", lambda name: None if name == "pgvector" else real(name))
    check = find("database")
    assert (check.status, check.finding) == ("fail", "not installed: pgvector")
    assert "make setup" in check.advice


@pytest.mark.parametrize(
    "url", ["postgresql://me:hunter2@127.0.0.1:1/faces", "me:hunter2@nowhere", "postgresql://me:hunter2@[::1/x"]
)
def test_a_database_that_does_not_answer_is_a_warning_without_its_password(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("SCREENALYTICS_DATABASE_URL", url)
    check = find("database")
    assert check.status == "warn"
    assert check.advice
    assert "hunter2" not in check.finding + check.advice


@pytest.mark.parametrize(("free_gb", "status"), [(100, "ok"), (2, "warn"), (0.1, "fail")])
def test_room_for_the_data_is_judged(monkeypatch: pytest.MonkeyPatch, free_gb: float, status: str) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(1, 1, int(free_gb * 1e9)))
    assert find("disk").status == status


def test_a_bucket_as_data_root_is_named_with_its_endpoint(bucket: BucketPlace) -> None:
    check = find("data root")
    assert check.status == "ok"
    assert bucket.url in check.finding
    assert bucket.endpoint in check.finding
    assert str(bucket.cache) in find("disk").finding


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("SCREENALYTICS_DATA_ROOT", "s3://no-such-bucket", "there is no bucket no-such-bucket"),
        ("SCREENALYTICS_DATA_ROOT", "gs://bucket", "expected a folder or s3://bucket/prefix"),
        ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1", "no answer: "),
        ("AWS_ENDPOINT_URL_S3", "nonsense", "nonsense"),
        ("AWS_ACCESS_KEY_ID", "", "set AWS_ACCESS_KEY_ID"),
    ],
)
def test_a_data_root_that_cannot_be_reached_fails_with_the_reason(
    name: str, value: str, found: str, bucket: BucketPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bucket.url
    if value:
        monkeypatch.setenv(name, value)
    else:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    check = find("data root")
    assert check.status == "fail"
    assert found in check.finding


@pytest.mark.parametrize("address", ["postgresql://me:hunter2@127.0.0.1:1/runs", "me:hunter2@nowhere"])
def test_a_database_of_runs_that_does_not_answer_fails_without_its_password(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", address)
    check = find("Dagster")
    assert check.status == "fail"
    assert "hunter2" not in check.finding + check.advice


def test_a_dagster_home_that_does_not_exist_is_a_warning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "absent"))
    assert find("Dagster").status == "warn"
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    assert find("Dagster").status == "ok"
