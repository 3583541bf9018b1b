"""The ``dagster.yaml`` of the instance: the checkout's file, merged with overlays that the environment selects."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlencode

import yaml

from resources.system.paths import project_dir
from resources.system.text_documents import MAX_YAML_BYTES, parse_yaml, read_limited, read_yaml_file
from screenalytics_assets.core.common.errors import ConfigurationError, MissingPackageError

POSTGRES_URL = "DAGSTER_POSTGRES_URL"
LOGS_BUCKET = "SCREENALYTICS_LOGS_BUCKET"
_MADE = "# Made by screenalytics"
_STATEMENT_S = 60
"""The longest statement of Dagster, which may read the events of a long run, or wait for a lock of another run."""
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
    complete_address()
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


def complete_address() -> None:
    """Add to the address of Dagster's database the driver that dagster-postgres installs, and limits of its waits.

    SQLAlchemy 2.1 uses another driver by default for ``postgresql://``. Without limits, a server that is gone would be
    waited for without end; parameters that the address has are kept.

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
    os.environ[POSTGRES_URL] = _with_limits(f"postgresql+psycopg2://{rest}")


def _with_limits(address: str) -> str:
    """An address with the parameters of libpq that end a wait, as far as it does not have them."""
    # Imported here: without a PostgreSQL database for Dagster, they are not needed.
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    from resources.database.limited_connection import limits_of_waits

    try:
        given = make_url(address).query
    except (ArgumentError, ValueError):
        raise ConfigurationError(
            f"{POSTGRES_URL} cannot be read as an address: write special characters of the password as %XX"
        ) from None
    limits = limits_of_waits("", answer_s=_STATEMENT_S)
    # libpq, which `doctor` gives the same address, does not read + as a space.
    new = urlencode({name: value for name, value in limits.items() if name not in given}, quote_via=quote)
    return f"{address}{'&' if given else '?'}{new}" if new else address
