"""The ``dagster.yaml`` of the instance: the checkout's file, merged with overlays that the environment selects."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import yaml

from resources.system.paths import project_dir
from resources.system.text_documents import MAX_YAML_BYTES, parse_yaml, read_limited, read_yaml_file
from screenalytics_assets.core.common.errors import ConfigurationError, MissingPackageError

POSTGRES_URL = "DAGSTER_POSTGRES_URL"
LOGS_BUCKET = "SCREENALYTICS_LOGS_BUCKET"
_MADE = "# Made by screenalytics"
_SCHEMES = ("postgres", "postgresql", "postgresql+psycopg2")


class _Overlay(NamedTuple):
    variable: str
    file: str
    package: str | None = None
    extra: str | None = None


_OVERLAYS = (
    _Overlay(POSTGRES_URL, "postgres.yaml", "dagster_postgres", "postgres"),
    _Overlay(LOGS_BUCKET, "s3_logs.yaml"),
)


def prepare_instance_file(home: Path) -> None:
    """Put the ``dagster.yaml`` that the environment selects into the instance's folder.

    It is a link to the checkout's file, or that file merged with overlays from ``config/instance``. A file that the
    user has put there is kept.

    Raises:
        ConfigurationError: The file that the user has put there is not valid YAML, or the address of the database is
            not valid.
        MissingPackageError: An extra is not installed.
    """
    name_driver()
    target, base = home / "dagster.yaml", project_dir() / "dagster.yaml"
    linked = target.is_symlink()
    present = _content_of(target) if target.exists() else None
    if present is not None and not linked and not present.startswith(_MADE):
        return
    overlays = [_file_of(overlay) for overlay in _OVERLAYS if os.environ.get(overlay.variable)]
    new = target.with_name(f".dagster.yaml.{os.getpid()}")
    if overlays:
        text = _merged(base, overlays)
        if linked or text != present:
            new.write_text(text, encoding="utf-8")
            new.replace(target)
    elif not linked or present is None:
        new.symlink_to(base)
        new.replace(target)


def _content_of(path: Path) -> str:
    """The text of a ``dagster.yaml``, once it is known to be YAML: Dagster would not name the file."""
    content = read_limited(path, MAX_YAML_BYTES)
    if not isinstance(parse_yaml(content, str(path)) or {}, dict):
        raise ConfigurationError(f"{path}: expected a mapping of keys")
    return content.decode("utf-8-sig")


def _file_of(overlay: _Overlay) -> Path:
    if overlay.package and find_spec(overlay.package) is None:
        raise MissingPackageError(
            f"{overlay.variable} needs the extra `{overlay.extra}`: pip install 'screenalytics[{overlay.extra}]'"
        )
    return project_dir() / "config" / "instance" / overlay.file


def _merged(base: Path, overlays: list[Path]) -> str:
    files = [base, *overlays]
    content = {key: value for file in files for key, value in read_yaml_file(file).items()}
    if "storage" in content:  # all of it in one database: Dagster refuses a second answer for the events
        content.pop("event_log_storage", None)
    sources = ", ".join(map(str, files))
    return f"{_MADE} from {sources}; replace this file to use your own\n" + yaml.safe_dump(content, sort_keys=False)


def name_driver() -> None:
    """Add the driver that dagster-postgres installs to the address of its database.

    SQLAlchemy 2.1 uses another driver by default for ``postgresql://``.

    Raises:
        ConfigurationError: The address is not a PostgreSQL address, or names another driver.
    """
    address = os.environ.get(POSTGRES_URL)
    if not address:
        return
    scheme, separator, rest = address.partition("://")
    if not separator or scheme not in _SCHEMES:
        # Not shown: it may contain a password.
        raise ConfigurationError(
            f"{POSTGRES_URL} is not a PostgreSQL address: expected postgresql://user:password@host:port/name"
        )
    os.environ[POSTGRES_URL] = f"postgresql+psycopg2://{rest}"
