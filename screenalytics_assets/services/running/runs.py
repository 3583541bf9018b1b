"""Runs of the graph in this process, recorded in the instance that the UI shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg

from resources.photos import PhotoLibraryResource
from resources.progress import ProgressResource
from screenalytics_assets.artifact import WARNINGS
from screenalytics_assets.core.common.errors import ConfigurationError
from screenalytics_assets.dagster_private import StepError
from screenalytics_assets.definitions import build_definitions, defs
from screenalytics_assets.failures import retries_disabled
from screenalytics_assets.partitions import EPISODES, SEASONS_NAME, SHOWS_NAME, register, register_episode
from screenalytics_assets.run_owner import owned_run
from screenalytics_assets.services.dagster_instance.pool_slots import assigning_free_slots

JOB = "episode_job"
FACEBANK_JOB = "facebank_job"
SEASON_JOB = "season_job"


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended.

    Attributes:
        run_id: The run, as the UI shows it.
        success: Whether every step and every blocking check passed.
        computed: Assets that were computed.
        reused: Assets that were unchanged.
        failures: Messages of the steps that failed.
        failed_checks: Checks that failed, with their description.
        warned_checks: Checks that warn, with their description.
        warnings: Warnings of assets that were computed or reused.
    """

    run_id: str
    success: bool
    computed: list[str] = field(default_factory=list)
    reused: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    failed_checks: list[str] = field(default_factory=list)
    warned_checks: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def asset_names() -> list[str]:
    """The assets of an episode, in the order of the graph."""
    graph = defs.resolve_asset_graph()
    keys = [key for level in graph.toposorted_asset_keys_by_level for key in sorted(level)]
    return [key.to_user_string() for key in keys if graph.get(key).partitions_def == EPISODES]


def require_known_assets(names: Sequence[str]) -> None:
    """Check that every name is an asset of an episode.

    Raises:
        ConfigurationError: A name that is not.
    """
    known = asset_names()
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise ConfigurationError(f"unknown asset {', '.join(unknown)}; known: {', '.join(known)}")


def downstream_of(name: str) -> list[str]:
    """An asset and everything downstream of it, in the order of the graph."""
    keys = dg.AssetSelection.assets(name).downstream().resolve(defs.resolve_asset_graph())
    found = {key.to_user_string() for key in keys}
    return [asset for asset in asset_names() if asset in found]


def run_episode(
    instance: dg.DagsterInstance,
    ep_id: str,
    *,
    profile: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    force: bool = False,
    select: Sequence[str] = (),
    progress: ProgressResource | None = None,
) -> RunOutcome:
    """Register the episode and materialize its assets, all of them or the selected ones.

    Raises:
        ConfigurationError: A selected asset that does not exist.
    """
    require_known_assets(select)
    register_episode(instance, ep_id)
    definitions = build_definitions(progress) if progress else defs
    run_config = run_config_of(profile, overrides or {}, force=force)
    with retries_disabled():
        return _execute(instance, definitions, JOB, ep_id, run_config, select, progress)


def run_facebank(
    instance: dg.DagsterInstance,
    show: str,
    *,
    photos: Path | None = None,
    profile: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    force: bool = False,
) -> RunOutcome:
    """Register the show and materialize its facebank, from its photos or those of another folder."""
    register(instance, SHOWS_NAME, show)
    folder = PhotoLibraryResource(show_folder=str(photos)) if photos else None
    definitions = build_definitions(ProgressResource(), folder) if folder else defs
    run_config = run_config_of(profile, overrides or {}, force=force)
    with retries_disabled():
        return _execute(instance, definitions, FACEBANK_JOB, show, run_config)


def run_season(instance: dg.DagsterInstance, season: str, *, force: bool = False) -> RunOutcome:
    """Register the season and materialize its screen time, with its page."""
    register(instance, SEASONS_NAME, season)
    return _execute(instance, defs, SEASON_JOB, season, run_config_of(None, {}, force=force))


def _execute(
    instance: dg.DagsterInstance,
    definitions: dg.Definitions,
    job: str,
    partition_key: str,
    run_config: Mapping[str, Any],
    select: Sequence[str] = (),
    progress: ProgressResource | None = None,
) -> RunOutcome:
    run_id = str(uuid4())
    # One computation publishes detections and face_crops: Dagster selects both or none.
    selection = dg.AssetSelection.assets(*select).required_multi_asset_neighbors() if select else None
    say = progress.say if progress else lambda _line: None
    with owned_run(instance, run_id), assigning_free_slots(instance, waiting_run=run_id, say=say):
        result = definitions.resolve_job_def(job).execute_in_process(
            instance=instance,
            partition_key=partition_key,
            asset_selection=sorted(selection.resolve(definitions.resolve_asset_graph())) if selection else None,
            run_config=run_config,
            run_id=run_id,
            raise_on_error=False,
        )
    return outcome_of(result)


def run_config_of(profile: str | None, overrides: Mapping[str, Any], *, force: bool) -> dict[str, Any]:
    """The run configuration of a run in this process; Dagster's console log is off, the command prints the outcome."""
    given = {"profile": profile, "overrides": dict(overrides), "force": force}
    return {
        "resources": {"settings": {"config": {key: value for key, value in given.items() if value is not None}}},
        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
    }


def outcome_of(result: dg.ExecuteInProcessResult) -> RunOutcome:
    """How a run in this process ended."""
    materializations = [
        event.step_materialization_data.materialization
        for event in result.all_events
        if event.event_type_value == "ASSET_MATERIALIZATION"
    ]
    reused = {m.asset_key.to_user_string(): bool(m.metadata["reused"].value) for m in materializations}
    messages: dict[dg.AssetCheckSeverity, list[str]] = {severity: [] for severity in dg.AssetCheckSeverity}
    for evaluation in result.get_asset_check_evaluations():
        if not evaluation.passed:
            name, message = evaluation.check_name, evaluation.description or "did not pass"
            messages[evaluation.severity].append(message if message.startswith(f"{name} ") else f"{name}: {message}")
    return RunOutcome(
        run_id=result.run_id,
        success=result.success,
        computed=[name for name, was_reused in reused.items() if not was_reused],
        reused=[name for name, was_reused in reused.items() if was_reused],
        failures=_failures(result),
        failed_checks=messages[dg.AssetCheckSeverity.ERROR],
        warned_checks=messages[dg.AssetCheckSeverity.WARN],
        warnings=[
            f"{m.asset_key.to_user_string()}: {warning}" for m in materializations for warning in _warnings(m.metadata)
        ],
    )


def _warnings(metadata: Mapping[str, dg.MetadataValue]) -> list[str]:
    value = metadata[WARNINGS].value if WARNINGS in metadata else None
    return [str(warning) for warning in value] if isinstance(value, list) else []


def _failures(result: dg.ExecuteInProcessResult) -> list[str]:
    messages = []
    for event in result.all_events:
        if event.event_type_value != "STEP_FAILURE":
            continue
        data = event.step_failure_data
        described = data.user_failure_data.description if data.user_failure_data else None
        if described:
            messages.append(described)
        elif data.error and data.error.cls_name != "DagsterAssetCheckFailedError":
            messages.append(f"{event.step_key}: {_reason(data.error.cause or data.error)}")
    return messages


def _reason(error: StepError) -> str:
    """Why a step failed that has no message for people: it was interrupted, or this is a bug."""
    if error.cls_name in ("DagsterExecutionInterruptedError", "KeyboardInterrupt"):
        return "interrupted: what was published stays; the same command goes on from there"
    return (
        f"{error.message.strip()}: this is a bug of screenalytics; its traceback is at the run in the UI; please "
        "report it in the issue tracker of the repository"
    )
