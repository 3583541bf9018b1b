"""Where the project, its configuration, its data and the Dagster instance are."""

import os
from pathlib import Path


def project_dir() -> Path:
    """The checkout: the folder that holds ``workspace.yaml`` and ``config/``."""
    return Path(__file__).resolve().parents[1]


def config_dir() -> Path:
    """``SCREENALYTICS_CONFIG_DIR``, or the checkout's ``config/``."""
    return Path(os.environ.get("SCREENALYTICS_CONFIG_DIR") or project_dir() / "config")


def data_root() -> Path:
    """``SCREENALYTICS_DATA_ROOT``, or the checkout's ``data/``."""
    return Path(os.environ.get("SCREENALYTICS_DATA_ROOT") or project_dir() / "data").resolve()


def dagster_home() -> Path:
    """``DAGSTER_HOME``, or the checkout's ``.dagster_home/``."""
    return Path(os.environ.get("DAGSTER_HOME") or project_dir() / ".dagster_home").resolve()


def alerts_file() -> Path:
    """The alerts as JSON lines: below the data root, or beside the instance where the data are in a bucket."""
    in_bucket = "://" in os.environ.get("SCREENALYTICS_DATA_ROOT", "")
    return (dagster_home() if in_bucket else data_root()) / "alerts.jsonl"


def alerts_state_file() -> Path:
    """What was told and what is still to be told, beside the run history that it follows."""
    return dagster_home() / "alerts.sqlite"
