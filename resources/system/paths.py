"""The folders of the project, its configuration, its data and the Dagster instance."""

import os
from pathlib import Path

from resources.system.redaction import without_passwords
from screenalytics_assets.core.common.digests import sha256_of
from screenalytics_assets.core.common.errors import ConfigurationError

_BUCKET_SCHEME = "s3://"


def project_dir() -> Path:
    """The checkout: the folder that holds ``workspace.yaml`` and ``config/``."""
    return Path(__file__).resolve().parents[2]


def config_dir() -> Path:
    """``SCREENALYTICS_CONFIG_DIR``, or the checkout's ``config/``."""
    return Path(os.environ.get("SCREENALYTICS_CONFIG_DIR") or project_dir() / "config")


def data_location() -> str:
    """``SCREENALYTICS_DATA_ROOT``, an absolute folder or ``s3://bucket/prefix``, or the checkout's ``data/``.

    Raises:
        ConfigurationError: It is a URL, but not of an S3 bucket, or a link that leads back to itself.
    """
    chosen = os.environ.get("SCREENALYTICS_DATA_ROOT", "")
    if is_bucket(chosen):
        return chosen
    if "://" in chosen:
        raise ConfigurationError(
            f"SCREENALYTICS_DATA_ROOT is {without_passwords(chosen)}: expected a folder or s3://bucket/prefix"
        )
    return str(resolved_folder(Path(chosen or project_dir() / "data"), "SCREENALYTICS_DATA_ROOT"))


def is_bucket(location: str) -> bool:
    """Whether a data root is in a bucket."""
    return location.startswith(_BUCKET_SCHEME)


def data_root() -> Path:
    """The data root, if it is a folder.

    Raises:
        ConfigurationError: It is in a bucket.
    """
    location = data_location()
    if is_bucket(location):
        raise ConfigurationError(f"SCREENALYTICS_DATA_ROOT is {without_passwords(location)}: expected a folder here")
    return Path(location)


def cache_dir() -> Path:
    """``SCREENALYTICS_CACHE_DIR``, ``XDG_CACHE_HOME/screenalytics`` or ``~/.cache/screenalytics``."""
    chosen = os.environ.get("SCREENALYTICS_CACHE_DIR")
    return Path(chosen or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "screenalytics")


def embedded_database_dir() -> Path:
    """The folder of the embedded server: below the data root, or in the cache if that is in a bucket."""
    root = data_location()
    if is_bucket(root):
        return cache_dir() / "database" / sha256_of(root.encode())[:16]
    return Path(root) / "database"


def dagster_home() -> Path:
    """``DAGSTER_HOME``, or the checkout's ``.dagster_home/``.

    Raises:
        ConfigurationError: It is a link that leads back to itself.
    """
    return resolved_folder(Path(os.environ.get("DAGSTER_HOME") or project_dir() / ".dagster_home"), "DAGSTER_HOME")


def resolved_folder(path: Path, name: str) -> Path:
    """A folder without symbolic links and ``..``.

    Args:
        path: The folder.
        name: The variable or option that it is from.

    Raises:
        ConfigurationError: It is a link that leads back to itself.
    """
    try:
        return path.resolve()
    except RuntimeError:  # of Python before 3.13
        raise ConfigurationError(f"{name} is {path}: the symbolic links form a loop: correct or remove them") from None


def alerts_file() -> Path:
    """The alerts as JSON lines: below the data root, or in the instance if that is in a bucket."""
    return (dagster_home() if is_bucket(data_location()) else data_root()) / "alerts.jsonl"


def alerts_state_file() -> Path:
    """Which alerts were sent and which are pending, beside the run history that they come from."""
    return dagster_home() / "alerts.sqlite"
