"""The documents match the code: generated pages, links, commands, names."""

import re
from dataclasses import fields
from itertools import chain
from typing import Any, get_args

import pytest
import typer

from resources.configuration.run_settings import _NOT_SETTINGS, profile_layer
from resources.models.registry import load_registry
from resources.storage.manifest import Manifest
from resources.system.paths import config_dir, project_dir
from screenalytics_assets.automation.inbox.inbox import InboxSettings
from screenalytics_assets.automation.seasons.season_config import KINDS, Season
from screenalytics_assets.cli import app
from screenalytics_assets.core.common import schemas
from screenalytics_assets.core.config.keys import section_of_key
from screenalytics_assets.core.config.people_keys import SamplingStrategy
from screenalytics_assets.core.documents.grouping import CorrectionStatus, NamingReason
from screenalytics_assets.core.evaluation.labelled_intervals import IntervalScores
from screenalytics_assets.core.people import enrolment as facebank
from screenalytics_assets.core.quality.acceptance_metrics import METRICS
from screenalytics_assets.definitions import defs
from screenalytics_assets.docs_generator.artifact_fields import (
    ARRAYS,
    ASSET_FILES,
    COLUMNS,
    DOCUMENTS,
    OTHER_FILES,
    REASONS,
    TABLES,
)
from screenalytics_assets.docs_generator.command_line import commands
from screenalytics_assets.docs_generator.configuration import ENVIRONMENT
from screenalytics_assets.docs_generator.docstrings import attribute_text
from screenalytics_assets.docs_generator.pages import PAGES as MADE
from tests.documents import PAGES, anchors, inline_commands, links, shell_commands, text_of

REQUIRED = [
    "architecture/overview",
    "architecture/directory_structure",
    "pipeline/overview",
    "pipeline/detect_track_faces",
    "pipeline/faces_harvest",
    "pipeline/cluster_identities",
    "pipeline/episode_cleanup",
    "pipeline/screen_time",
    "reference/artifacts_faces_tracks_identities",
    "reference/facebank",
    "reference/config/pipeline_configs",
    "reference/cli",
    "reference/api",
    "ops/hardware_sizing",
    "ops/speed",
    "ops/performance_tuning_faces_pipeline",
    "ops/troubleshooting_faces_pipeline",
    "ops/storage",
    "ops/seasons_and_alerts",
    "ops/gpu",
    "ACCEPTANCE_MATRIX",
]


@pytest.mark.parametrize("place", MADE)
def test_a_generated_file_is_current(place: str) -> None:
    assert text_of(place) == MADE[place](), "run: make docs"


@pytest.mark.parametrize("name", REQUIRED)
def test_every_required_document_exists_and_is_linked(name: str) -> None:
    target = project_dir() / "docs" / f"{name}.md"
    assert target.is_file()
    linking = [
        page
        for page in PAGES
        for link in links(page)
        if ((project_dir() / page).parent / link.partition("#")[0]).resolve() == target and page != f"docs/{name}.md"
    ]
    assert linking


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file_and_a_heading_that_exist(page: str) -> None:
    for link in links(page):
        if link.startswith(("https://", "http://")):
            continue
        place, _, anchor = link.partition("#")
        path = ((project_dir() / page).parent / place).resolve() if place else project_dir() / page
        assert path.exists(), f"{page}: {link}"
        assert path.is_relative_to(project_dir()), f"{page}: {link} leaves the project"
        assert not anchor or anchor in anchors(path), f"{page}: {link}"


def parsed(words: tuple[str, ...]) -> Any:
    """What the command line makes of these words; refuses what the console script would refuse."""
    command: Any = typer.main.get_command(app)
    rest = list(words)
    while True:
        context = command.make_context("screenalytics", rest)
        if not hasattr(command, "commands"):
            return context.params
        rest = [*context._protected_args, *context.args]
        command = command.commands[rest.pop(0)]


@pytest.mark.parametrize(
    "command", [c for c in shell_commands() if c.words[0] == "screenalytics"], ids=lambda c: f"{c.page}: {c.text}"
)
def test_every_command_in_a_block_is_parsed_by_the_command_line(command: Any) -> None:
    assert parsed(command.words[1:]) is not None


@pytest.mark.parametrize("words", [("run", "--epid", "x"), ("season", "run"), ("nothing",), ("correct", "EP", "mend")])
def test_a_command_that_does_not_exist_is_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(Exception, match=r"No such|Missing|nothing|mend"):
        parsed(words)


LEAVES = dict(commands())


@pytest.mark.parametrize(("page", "text"), sorted(set(inline_commands())))
def test_every_command_in_the_text_and_its_options_exist(page: str, text: str) -> None:
    words = [word for word in re.split(r"[\s\[\]]+", text)[1:] if word]
    if words[0] == "COMMAND":
        return
    plain = list(chain.from_iterable(word.split("|") for word in words))
    found = [leaf for leaf in LEAVES if _begins(plain, leaf)]
    assert found, f"{page}: {text}"
    options = {word.partition("=")[0] for word in plain if word.startswith("--")}
    known = {name for leaf in found for parameter in LEAVES[leaf].params for name in parameter.opts}
    known |= {"--data-root", "--help"}
    assert options <= known, f"{page}: {text}"


def _begins(words: list[str], leaf: tuple[str, ...]) -> bool:
    """Whether words name a command, or the group that it is in; the episode may stand in between."""
    if words[0] != leaf[0]:
        return False
    return len(leaf) == 1 or leaf[1] in words or not any(words[0] == o[0] and o[1] in words for o in LEAVES if o[1:])


def test_every_command_is_in_the_readme() -> None:
    readme = text_of("README.md")
    for leaf in LEAVES:
        assert re.search(rf"screenalytics {leaf[0]}\b", readme), leaf
        assert leaf[-1] in readme, leaf


def test_every_make_target_that_is_mentioned_exists() -> None:
    targets = set(re.findall(r"^(\w+):", text_of("Makefile"), re.MULTILINE))
    named = {word for page in PAGES for word in re.findall(r"(?:^|`)make (\w+)", text_of(page), re.MULTILINE)}
    assert named - {"COMMAND"} <= targets


def test_every_variable_that_is_no_key_is_explained() -> None:
    assert set(ENVIRONMENT) == _NOT_SETTINGS


def test_every_variable_that_is_mentioned_is_known() -> None:
    keys = {key.upper().replace(".", "__") for key in section_of_key()} | {"MODEL_DIR", "KEY"}
    for page in PAGES:
        for name in re.findall(r"SCREENALYTICS_([A-Z0-9_]+)", text_of(page)):
            assert name in keys | _NOT_SETTINGS, f"{page}: SCREENALYTICS_{name}"


def test_every_column_and_every_file_is_explained() -> None:
    assert {field.name for schema, _ in TABLES.values() for field in schema} == set(COLUMNS)
    files = {name for names in ASSET_FILES.values() for name in names}
    assert files == {*TABLES, *DOCUMENTS, *ARRAYS, *OTHER_FILES}
    declared = [value for value in vars(schemas).values() if type(value) is type(schemas.TRACKS)]
    assert {id(schema) for schema in declared} == {id(schema) for schema, _ in TABLES.values()}


def test_an_attribute_without_a_text_in_the_docstring_is_an_error() -> None:
    with pytest.raises(LookupError, match="colour"):
        attribute_text(int, "colour")


KNOWN_NAMES = {
    *(part for key in section_of_key() for part in key.split(".")),
    *METRICS,
    *(key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()),
    *(key.name for key in defs.resolve_asset_graph().asset_check_keys),
    *(f"{key.asset_key.to_user_string()}_{key.name}" for key in defs.resolve_asset_graph().asset_check_keys),
    *(job.name for job in defs.jobs or [] if hasattr(job, "name")),
    *COLUMNS,
    *REASONS,
    *(part for fields in DOCUMENTS.values() for field in fields for part in re.findall(r"\w+", field)),
    *(name.partition(".")[0] for name in (*TABLES, *DOCUMENTS, *ARRAYS)),
    *("fast_cpu", "low_power", "high_accuracy"),
    facebank.RESEMBLES_OTHER,
    facebank.UNLIKE_OWN,
    *KINDS,
    *chain(*(get_args(kind) for kind in (NamingReason, CorrectionStatus, SamplingStrategy))),
    *(name for model in (Manifest, InboxSettings, Season) for name in model.model_fields),
    *(name for sensor in defs.sensors or [] for name in [sensor.name]),
    *(field.name for field in fields(IntervalScores)),
    *re.findall(r"(\w+):", text_of("dagster.yaml")),
    *load_registry(config_dir() / "pipeline" / "models.yaml").packs,
    *(path.stem for path in (project_dir() / "tests" / "benchmarks").glob("*.py")),
}
"""What may be written with underscores: keys, metrics, assets, checks, columns, reasons, files, profiles, packs,
benchmarks."""


def test_the_names_of_the_contract_are_known_names() -> None:
    for profile in ("fast_cpu", "low_power", "balanced", "high_accuracy"):
        assert profile_layer(profile).values is not None
    contract = """frame_stride detection_fps_limit cluster_thresh min_cluster_size min_identity_sim min_quality_score
        min_face_size max_yaw_angle max_pitch_angle max_crops_per_track max_crops_per_episode sampling_strategy
        thumb_size jpeg_quality treat_as_singletons mark_low_cohesion outlier_handling uniform_ tracks_per_minute
        short_track_fraction id_switch_rate singleton_fraction largest_cluster_fraction"""
    assert set(contract.split()) - {"uniform_"} <= KNOWN_NAMES


OTHER_NAMES = {
    # Fields of `screenalytics progress EP --json` and figures of a run in the metadata.
    *("phase_index", "phase_progress", "phase_total", "run_id", "total_elapsed_seconds"),
    *("runtime_s", "runtimes_s", "runtime_per_duration", "runtime_sec"),
    # Why a photo is refused, beside what faces of episodes are refused for too.
    *("no_face", "several_faces", "too_many_pixels", "too_many_bytes"),
    # The search of the facebank, and a table in its plan.
    *("facebank_similarities", "facebank_photo"),
    # Parameters of libpq and PostgreSQL.
    *("connect_timeout", "tcp_user_timeout", "lock_timeout", "statement_timeout"),
    # A figure of one manifest.
    "phases_runtime_s",
    # Examples.
    *("season_rhobh_s05", "build_new_episode_sensor", "on_refused"),
    *("ident_001", "ident_002", "ident_003", "ident_004", "ident_007", "frame_000042", "sheldon_cooper"),
}
"""Names that stand in no list of the code."""


@pytest.mark.parametrize("page", PAGES)
def test_names_with_underscores_are_spelled_as_they_are_in_the_code(page: str) -> None:
    text = re.sub(r"\.py:\w+", ".py", text_of(page))  # functions have a test of their own
    text = re.sub(r"```graphql\n.*?```|\]\([^)]*\)|[\w.{}<>-]*/[\w./{}<>-]*", " ", text, flags=re.DOTALL)
    text = re.sub(r"\b[\w-]+\.(?:py|yaml|md|sql|jsonl?|parquet|npy|csv)\b", " ", text)
    text = re.sub(r"\b(?:screenalytics_assets|tests)\.[\w.]+", " ", text)
    words = set(re.findall(r"(?<![\w-])[a-z][a-z0-9]*(?:_[a-z0-9]+)+(?![\w-])", text))
    assert words - KNOWN_NAMES - OTHER_NAMES == set()


@pytest.mark.parametrize("page", PAGES)
def test_every_file_of_the_project_that_is_named_exists(page: str) -> None:
    folders = (project_dir() / name for name in ("screenalytics_assets", "resources", "tests"))
    known = [path.as_posix() for folder in folders for path in folder.rglob("*.py")]
    for name in re.findall(r"`([\w/]+\.py)`", text_of(page)):
        assert any(path.endswith(f"/{name}") for path in known), f"{page}: {name}"
    for name in re.findall(r"`((?:config|docs|screenalytics_assets|tests|resources)/[\w/.-]*)`", text_of(page)):
        assert (project_dir() / name).exists(), f"{page}: {name}"


@pytest.mark.parametrize("page", PAGES)
def test_every_function_that_is_named_with_its_file_is_defined_there(page: str) -> None:
    for name, function in re.findall(r"`([\w/]+\.py):(\w+)`", text_of(page)):
        folders = (project_dir() / "screenalytics_assets", project_dir())
        source = next(folder / name for folder in folders if (folder / name).is_file())
        assert re.search(rf"^(?:def|class) {function}\b", source.read_text(encoding="utf-8"), re.MULTILINE), name


@pytest.mark.parametrize("page", PAGES)
def test_no_path_or_address_of_one_machine_is_in_a_page(page: str) -> None:
    assert not re.search(r"/(?:home|root|work|Users|tmp)/|localhost:", text_of(page))


@pytest.mark.parametrize("page", PAGES)
def test_no_page_holds_the_markers_of_an_unresolved_merge(page: str) -> None:
    assert re.findall(r"^(?:<{7}|>{7}) .*$", text_of(page), re.MULTILINE) == []
