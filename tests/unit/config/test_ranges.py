import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import pytest
import yaml
from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from typer.testing import CliRunner

from resources.models.registry import FolderDeclaration, Registry, load_declaration
from resources.storage.file_cache import cache_limit_bytes
from screenalytics_assets.automation.inbox.inbox import InboxSettings
from screenalytics_assets.automation.seasons.season_config import Seasons
from screenalytics_assets.automation.yaml_model import ConfigFile, read_config
from screenalytics_assets.cli import app
from screenalytics_assets.core.common.errors import ConfigurationError, ModelPackError, TruthError
from screenalytics_assets.core.config.keys import Settings
from screenalytics_assets.core.config.layers import Layer, resolve
from screenalytics_assets.core.config.ranges import number_words
from screenalytics_assets.core.evaluation.truth import _Document, parse_truth
from screenalytics_assets.core.people.corrections.corrections import Corrections
from screenalytics_assets.core.quality.acceptance import AcceptanceTable, parse_acceptance
from screenalytics_assets.core.quality.acceptance_metrics import METRICS
from screenalytics_assets.docs_generator.command_line import commands

READ_FROM_FILES = (
    Settings,
    Seasons,
    InboxSettings,
    AcceptanceTable,
    Registry,
    FolderDeclaration,
    Corrections,
    _Document,
)


def numbers(annotation: Any, limits: tuple[Any, ...], place: str) -> Iterator[tuple[str, type, tuple[Any, ...]]]:
    """Every number in an annotation, however deep, with its constraints."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            yield from numbers(field.annotation, tuple(field.metadata), f"{place}.{name}")
    elif get_origin(annotation) is Annotated:
        kind, *given = get_args(annotation)
        found = [limit for part in given for limit in (part.metadata if isinstance(part, FieldInfo) else [part])]
        yield from numbers(kind, (*limits, *found), place)
    elif annotation in (int, float):
        yield place, annotation, limits
    else:
        for part in get_args(annotation):
            yield from numbers(part, limits, place)


def keys() -> dict[str, FieldInfo]:
    """The configuration keys that are numbers."""

    def leaves(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, FieldInfo]]:
        for name, field in model.model_fields.items():
            if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
                yield from leaves(field.annotation, f"{prefix}{name}.")
            elif list(numbers(field.annotation, (), name)):
                yield f"{prefix}{name}", field

    return {key.partition(".")[2]: field for key, field in leaves(Settings, "")}


@pytest.mark.parametrize("model", READ_FROM_FILES)
def test_every_number_that_is_read_from_a_file_has_a_lower_and_an_upper_limit(model: type[BaseModel]) -> None:
    found = list(numbers(model, (), model.__name__))
    assert found
    assert not [
        place
        for place, _, limits in found
        if not any(isinstance(limit, Ge | Gt) for limit in limits)
        or not any(isinstance(limit, Le | Lt) for limit in limits)
    ]


def test_an_unlimited_number_is_noticed_at_any_depth() -> None:
    class Inner(BaseModel):
        sizes: dict[str, list[Annotated[float, Ge(0)] | None]]

    class Outer(BaseModel):
        inner: tuple[Inner, ...]

    assert list(numbers(Outer, (), "Outer")) == [("Outer.inner.sizes", float, (Ge(0),))]


@pytest.mark.parametrize("value", [10**20, -10, 10**400], ids=["20 digits", "negative", "400 digits"])
@pytest.mark.parametrize("key", keys())
def test_a_number_out_of_range_is_refused_with_the_key_the_value_and_the_range(key: str, value: int) -> None:
    words = number_words(keys()[key])
    assert words is not None
    assert any(sign in words for sign in "≥>")
    assert any(sign in words for sign in "≤<")
    with pytest.raises(ConfigurationError) as refused:
        resolve([Layer("run configuration", {key: value})])
    shown = f"{value!r:.80}"
    assert str(refused.value) == f"run configuration: {key} = {shown} is not allowed: expected a {words}"


def test_the_range_is_said_in_plain_numbers() -> None:
    assert number_words(keys()["cpu_threads"]) == "whole number ≥ 0 and ≤ 1,024"
    assert number_words(keys()["confidence_th"]) == "number ≥ 0 and ≤ 1, or null"
    assert number_words(keys()["thumb_size"]) == "whole number ≥ 112 and ≤ 512 and a multiple of 2"


@pytest.mark.parametrize(
    ("model", "content", "message"),
    [
        (InboxSettings, {"settle_s": -1}, "settle_s = -1: expected a number ≥ 0 and ≤ 86,400"),
        (InboxSettings, {"settle_s": math.inf}, "settle_s = inf: expected a number ≥ 0 and ≤ 86,400"),
        (InboxSettings, {"interval_s": 10**20}, f"interval_s = {10**20}: expected a whole number ≥ 5 and ≤ 86,400"),
        (
            Seasons,
            {"seasons": [{"show": "demo", "season": 10**20}]},
            f"seasons.0.season = {10**20}: expected a whole number ≥ 0 and ≤ 99",
        ),
    ],
)
def test_a_number_of_the_automation_is_refused_with_its_range(
    model: type[ConfigFile], content: Mapping[str, Any], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "file.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(ConfigurationError) as refused:
        read_config(path, model)
    assert str(refused.value) == f"{path}: {message}"


@pytest.mark.parametrize("value", [10**20, -1, math.inf, 1e300])
@pytest.mark.parametrize("limits", [{"warn": "VALUE"}, {"target": [0, "VALUE"]}, {"note_below": "VALUE"}])
def test_an_acceptance_limit_out_of_range_is_refused_with_the_range(limits: dict[str, Any], value: float) -> None:
    name, limit = next(iter(limits.items()))
    given = [0, value] if isinstance(limit, list) else value
    content: dict[str, Any] = {"metrics": {metric: {} for metric in METRICS} | {"clusters": {name: given}}}
    with pytest.raises(ConfigurationError, match=rf"clusters\.{name}: .*numbers are from 0 to 10,000,000, found") as no:
        parse_acceptance(content, "acceptance.yaml")
    assert str(value) in str(no.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"detector": {"track_thresh": 2}}, "detector.track_thresh: expected a number ≥ 0 and ≤ 1, or null, found 2"),
        (
            {"embedder": {"cluster_thresh": -1}},
            "embedder.cluster_thresh: expected a number > -1 and < 1, or null, found -1",
        ),
        (
            {"embedder": {"input_std": 0}},
            "embedder.input_std: expected a number > 0 and ≤ 255, or null, found 0",
        ),
    ],
)
def test_a_threshold_of_a_model_is_refused_with_its_range(
    content: Mapping[str, Any], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "pack.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(ModelPackError) as refused:
        load_declaration(path)
    assert str(refused.value) == f"{path}: {message}"


def test_a_number_of_a_truth_file_is_refused_with_its_range() -> None:
    with pytest.raises(TruthError, match=r"^width: expected a whole number ≥ 1 and ≤ 8,192, found 1000000"):
        parse_truth({"fps": 25, "width": 10**20, "height": 9, "frames": 1, "shots": [[0, 1]], "truth": [[]]})


def test_the_cache_of_a_bucket_has_a_largest_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCREENALYTICS_S3_CACHE_GB", "1e20")
    with pytest.raises(ConfigurationError, match=r"S3_CACHE_GB is 1e20: expected .* > 0 and ≤ 1,000,000"):
        cache_limit_bytes()


def test_every_number_on_the_command_line_has_a_range() -> None:
    numeric = {
        f"{' '.join(words)} {parameter.name}": (parameter.min, parameter.max)
        for words, command in commands()
        for parameter in command.params
        if parameter.type_descriptor.annotation in (int, float)
    }
    assert "ui port" in numeric
    assert not [name for name, limits in numeric.items() if None in limits]


@pytest.mark.parametrize(
    ("port", "limit"), [("0", "greater than or equal to 1"), (str(10**20), "less than or equal to 65535")]
)
def test_a_number_on_the_command_line_out_of_range_is_refused_with_the_limit(port: str, limit: str) -> None:
    refused = CliRunner().invoke(app, ["ui", "--port", port], terminal_width=200)
    assert refused.exit_code == 2
    assert limit in " ".join(refused.output.split())
