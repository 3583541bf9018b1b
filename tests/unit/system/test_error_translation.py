"""Every exception that a library raises into the project becomes a sentence."""

import contextlib
import errno
import importlib
import inspect
import os
import re
import shutil
import socket
import sqlite3
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import PIL.Image
import psycopg
import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy
from dagster_postgres.utils import DagsterPostgresException
from pydantic import BaseModel, ValidationError

from resources.system.error_translation import is_transient, translated
from resources.system.files import file_named, replaced_file, write_whole
from resources.system.paths import project_dir
from screenalytics_assets.core.common.errors import (
    DatabaseAwayError,
    ScreenalyticsError,
    StorageError,
    SystemFailureError,
    UnavailableError,
)
from screenalytics_assets.failures import errors_of_tick, retries_disabled, translate_errors

LIBRARIES = (
    "av.error",
    "boto3.exceptions",
    "botocore.exceptions",
    "PIL",
    "PIL.Image",
    "cv2",
    "filelock",
    "google.protobuf.message",
    "json",
    "lzma",
    "onnxruntime.capi.onnxruntime_pybind11_state",
    "psutil",
    "psycopg",
    "psycopg.errors",
    "psycopg2",
    "psycopg2.errors",
    "psycopg_pool",
    "pyarrow.lib",
    "requests.exceptions",
    "s3transfer.exceptions",
    "sqlalchemy.exc",
    "sqlite3",
    "subprocess",
    "tarfile",
    "urllib3.exceptions",
    "yaml",
    "yaml.constructor",
    "yaml.parser",
    "yaml.scanner",
    "zipfile",
    "zlib",
)
# Raised by Python itself for mistakes of a program, and only exported by these modules.
_OF_PYTHON = frozenset({"builtins", "asyncio.exceptions", "concurrent.futures._base", "_queue", "email.errors"})


def exceptions_of(name: str) -> Iterator[type[Exception]]:
    module = importlib.import_module(name)
    for found in vars(module).values():
        if inspect.isclass(found) and issubclass(found, Exception) and not issubclass(found, Warning):
            if found.__module__ in _OF_PYTHON and not issubclass(found, OSError | UnicodeError | MemoryError):
                continue
            yield found


def instance_of(kind: type[Exception]) -> Exception:
    """An exception with a message; without what its own constructor asks for, if that is something special."""
    text = "what the library says"
    for arguments in ((text,), (1, text), (text, 1), (text, text, None), (text, text, None, None), (1, 1)):
        with contextlib.suppress(TypeError, KeyError, AttributeError):
            error = kind(*arguments)
            if str(error):
                return error
    error = kind.__new__(kind, text)
    error.args = (text,)
    return error


@pytest.mark.parametrize("name", LIBRARIES)
def test_every_exception_class_of_a_library_becomes_a_sentence(name: str) -> None:
    kinds = set(exceptions_of(name))
    assert kinds, "a library without exceptions needs no row"
    for kind in kinds:
        if kind.__name__ == "InvalidChunkLength":  # made from a response; a case of HTTPError as the others
            continue
        known = translated(instance_of(kind), "/data/place")
        assert isinstance(known, ScreenalyticsError), kind
        assert re.match(r"^(/data/place|another process holds)", str(known)), f"{kind}: {known}"
        assert len(str(known).splitlines()) == 1, kind


def test_a_document_of_another_form_becomes_a_sentence() -> None:
    class Form(BaseModel):
        a: int

    with pytest.raises(ValidationError) as refused:
        Form.model_validate({"a": "secret"})
    known = translated(refused.value, "video.json")
    assert known is not None
    assert "secret" not in str(known)


def test_our_own_mistakes_are_not_translated() -> None:
    for mistake in (KeyError("a"), TypeError("b"), ValueError("c"), AssertionError(), OSError(errno.EBADF, "d")):
        assert translated(mistake) is None


@pytest.mark.parametrize("number", sorted(set(errno.errorcode) - {errno.EBADF, errno.EFAULT}))
def test_every_error_of_the_system_names_the_file(number: int) -> None:
    for error in (OSError(number, os.strerror(number), "/data/faces.parquet"), OSError(number, os.strerror(number))):
        known = translated(error, "/data/faces.parquet")
        assert isinstance(known, StorageError)
        assert str(known).startswith("/data/faces.parquet: ")


def test_a_full_disk_is_a_failure_and_a_network_drive_may_come_back() -> None:
    assert isinstance(translated(OSError(errno.ENOSPC, "full", "f")), SystemFailureError)
    assert not is_transient(OSError(errno.ENOSPC, "full", "f"))
    for number in (errno.EIO, errno.ESTALE, errno.EBUSY, errno.ECONNREFUSED, errno.ETIMEDOUT, errno.EHOSTUNREACH):
        assert is_transient(OSError(number, "away", "f")), number


def test_names_that_are_not_utf_8_can_be_printed() -> None:
    for name in (b"/data/\xe9.mp4", os.fsdecode(b"/data/\xe9.mp4")):
        known = translated(OSError(errno.ENOENT, "none", name))
        str(known).encode()
    with pytest.raises(UnicodeEncodeError) as refused:
        os.fsdecode(b"\xe9").encode()
    assert "rename" in str(translated(refused.value, "a person's folder"))


def test_sqlite_says_what_is_wrong_with_the_file(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database " * 200)
    with pytest.raises(sqlite3.Error) as refused:
        sqlite3.connect(tmp_path / "text").execute("select * from a")
    assert "is damaged" in str(translated(refused.value, tmp_path / "text"))
    with pytest.raises(sqlite3.Error) as refused:
        sqlite3.connect(f"file:{tmp_path}/none?mode=ro", uri=True)
    assert "cannot be opened" in str(translated(refused.value))


IN_NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")
ON_BAD_DISK = """
import os, sqlite3, subprocess, sys
from contextlib import suppress
from pathlib import Path
from resources.database.embedded_postgres import EmbeddedPostgres
from resources.system.error_translation import translated
disk = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], check=True)
for mode in ("wal", "delete"):
    connection = sqlite3.connect(disk / f"{mode}.db")
    connection.execute(f"pragma journal_mode = {mode}")
    connection.execute("create table runs (id)")
    connection.commit()
    connection.close()
(disk / "database").mkdir()
if sys.argv[2] == "full":
    with (disk / "filler").open("wb", buffering=0) as filler, suppress(OSError):
        while filler.write(bytes(4096)):
            pass
else:
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
for mode in ("wal", "delete"):
    try:
        with sqlite3.connect(disk / f"{mode}.db") as connection:
            connection.executemany("insert into runs values (?)", [["a" * 5000]] * 5)
    except sqlite3.Error as error:
        print(type(translated(error)).__name__, translated(error))
try:
    EmbeddedPostgres(disk / "database").initialise()
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.skipif(
    shutil.which("unshare") is None or subprocess.run([*IN_NAMESPACE, "true"], check=False).returncode != 0,
    reason="no mount namespaces here",
)
@pytest.mark.parametrize(
    ("fault", "kind", "advice"),
    [
        ("full", "SystemFailureError", "the disk is full: free some space and run again"),
        ("read-only", "StorageError", "the file system is read-only: choose another folder, or mount it writable"),
    ],
)
def test_databases_on_a_bad_disk_say_so(
    fault: str, kind: str, advice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In its write-ahead log, SQLite calls both an error of input or output, or a file that cannot be opened."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    done = subprocess.run(
        [*IN_NAMESPACE, sys.executable, "-c", ON_BAD_DISK, str(tmp_path), fault],
        cwd=project_dir(),
        capture_output=True,
        text=True,
        check=True,
    )
    sqlite = f"a database of the Dagster instance in {tmp_path}"
    assert done.stdout.splitlines() == [
        f"{kind} {sqlite}: {advice}",
        f"{kind} {sqlite}: {advice}",
        f"{kind} {tmp_path}/database/postgres: {advice}",
    ]


def test_a_read_only_database_behind_dagster_is_named_without_a_class_and_without_sql(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "runs.db").execute("create table runs (id)")
    engine = sqlalchemy.create_engine(f"sqlite:///file:{tmp_path}/runs.db?mode=ro&uri=true")
    with pytest.raises(sqlalchemy.exc.OperationalError) as refused, engine.connect() as connection:
        connection.execute(sqlalchemy.text("insert into runs values (1)"))
    engine.dispose()
    message = str(translated(refused.value))
    assert "it is read-only" in message
    assert "Error" not in message
    assert "insert" not in message


def test_an_error_within_one_of_dagster_is_found() -> None:
    outer = dg.DagsterInvariantViolationError("outer")
    outer.__cause__ = OSError(errno.ENOSPC, "full", "/home/runs.db")
    assert str(translated(outer)).startswith("/home/runs.db: the disk is full")


def test_a_password_in_an_address_is_not_repeated() -> None:
    for error in (
        psycopg.OperationalError("connection to postgresql://me:secret@host/db failed"),
        sqlalchemy.exc.ArgumentError("Could not parse URL from string 'postgresql://me:secret@host/db'"),
        psycopg.ProgrammingError('missing "=" after "password=secret" in connection info'),
    ):
        assert "secret" not in str(translated(error))


def test_a_database_that_gave_up_waiting_may_be_tried_again() -> None:
    for kind in (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled, psycopg.OperationalError):
        assert isinstance(translated(kind("timeout")), DatabaseAwayError)


def fill_disk(target: Path) -> None:
    with replaced_file(target) as temporary:
        temporary.symlink_to("/dev/full")
        temporary.write_bytes(b"1" * 100_000)


def test_a_full_disk_names_the_file_that_was_written(tmp_path: Path) -> None:
    """/dev/full answers every write with ENOSPC."""
    full = tmp_path / "link"  # pyarrow deletes what it could not write
    full.symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"/data/tracks\.parquet") as refused, file_named("/data/tracks.parquet"):
        pq.write_table(pa.table({"a": list(range(100_000))}), full)
    assert isinstance(translated(refused.value), SystemFailureError)
    with pytest.raises(OSError, match="No space") as refused:
        fill_disk(tmp_path / "a.json")
    assert refused.value.filename == str(tmp_path / "a.json")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_the_place_of_a_file_is_named_as_the_user_named_it(tmp_path: Path) -> None:
    (tmp_path / "out.csv" / "in").mkdir(parents=True)
    with pytest.raises(OSError, match="directory") as refused:
        write_whole(tmp_path / "out.csv", b"text")
    assert str(translated(refused.value)) == f"{tmp_path}/out.csv: this is a folder; expected a file"


def test_a_step_fails_with_the_sentence_or_is_tried_again() -> None:
    with pytest.raises(dg.Failure) as failed, translate_errors("faces"):
        raise pa.ArrowInvalid("columns")
    assert str(failed.value.description).startswith("faces: ")
    away = UnavailableError("away")
    with pytest.raises(dg.RetryRequested), translate_errors():
        raise away
    with pytest.raises(dg.Failure, match="away"), retries_disabled(), translate_errors():
        raise away
    bug = KeyError("bug")
    with pytest.raises(KeyError), translate_errors():
        raise bug


def test_a_tick_fails_with_the_sentence_and_nothing_of_the_library() -> None:
    @errors_of_tick()
    def tick() -> None:
        raise sqlite3.OperationalError("no such table")

    with pytest.raises(StorageError, match="no such table") as failed:
        tick()
    assert failed.value.__suppress_context__


def test_a_postgres_that_is_away_for_dagster_may_be_tried_again() -> None:
    outer = DagsterPostgresException("too many retries for DB connection")
    outer.__cause__ = sqlalchemy.exc.OperationalError("select 1", {}, psycopg2.OperationalError("connection refused"))
    known = translated(outer)
    assert isinstance(known, DatabaseAwayError)
    assert "connection refused" in str(known)
    assert is_transient(outer)


@pytest.mark.parametrize(
    "error",
    [
        socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
        ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"),
        ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
        OSError(errno.ENETUNREACH, "Network is unreachable"),
        ssl.SSLCertVerificationError(1, "certificate verify failed"),
    ],
)
def test_an_error_of_the_network_is_not_told_as_one_of_a_file(error: OSError) -> None:
    known = translated(error)
    assert isinstance(known, UnavailableError)
    assert str(known) == f"a server: {error.strerror}: check the network and the address, then run again"
    assert str(translated(error, "ftp://host")).startswith("ftp://host: ")


def test_an_error_of_a_network_drive_names_the_file() -> None:
    known = translated(OSError(errno.EHOSTUNREACH, "No route to host", "/mnt/a.mp4"))
    assert str(known) == "/mnt/a.mp4: No route to host: check the drive or the network and run again"


def test_a_file_that_is_no_picture_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    with pytest.raises(PIL.UnidentifiedImageError) as refused:
        PIL.Image.open(tmp_path / "a.jpg")
    known = translated(refused.value)
    assert type(known) is StorageError
    assert str(known).startswith(f"{tmp_path}/a.jpg: this is not a picture of a known format; ")
