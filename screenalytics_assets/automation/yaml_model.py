"""Configuration files of the automation: typed, unknown keys refused, all problems in one message."""

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from resources.configuration.run_settings import read_yaml
from screenalytics_assets.core.common.errors import ConfigurationError
from screenalytics_assets.core.config.ranges import problem_words


class ConfigFile(BaseModel):
    """Keys of a file below ``config/``; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)


Model = TypeVar("Model", bound=ConfigFile)


def read_config(path: Path, model: type[Model]) -> Model:
    """A file as its model; the defaults if there is no file.

    Raises:
        ConfigurationError: The file cannot be read, or has an unknown key or a value that is not allowed; with its
            place in the file.
        StorageError: The disk or network drive fails.
    """
    values: dict[str, Any] = read_yaml(path) if _exists(path) else {}
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(_sentence(model, problem) for problem in error.errors())
        raise ConfigurationError(f"{path}: {problems}") from error


def _exists(path: Path) -> bool:
    """Whether there is anything of this name, be it a link that leads nowhere; whoever reads it says what is wrong."""
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True


def _sentence(model: type[ConfigFile], problem: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails
    place = ".".join(str(part) for part in problem["loc"]) or "file"
    if problem["type"] == "extra_forbidden":
        return f"unknown key {place!r}"
    found = "" if problem["type"] == "missing" else f" = {problem['input']!r:.80}"
    return f"{place}{found}: {problem_words(model, problem)}"
