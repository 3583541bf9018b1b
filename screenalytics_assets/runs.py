"""Running the graph for one episode in this process, in the instance that the UI shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from resources.progress import ProgressResource
from screenalytics_assets.core.errors import ConfigurationError
from screenalytics_assets.definitions import build_definitions, defs
from screenalytics_assets.instance import OWNER_TAG, owner
from screenalytics_assets.partitions import EPISODES_NAME
from screenalytics_assets.stage import WARNINGS

JOB = "episode_job"


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended.

    Attributes:
        run_id: The run, as the UI shows it.
        success: Whether every step and every blocking check passed.
        computed: Assets that were computed.
        reused: Assets that were unchanged.
        failures: What went wrong, in words.
        failed_checks: Checks that did not pass, with their description.
        warnings: What should be looked at, of assets that were computed or reused.
    """

    run_id: str
    success: bool
    computed: list[str] = field(default_factory=list)
    reused: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    failed_checks: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def asset_names() -> list[str]:
    """The assets of an episode, in the order of the graph."""
    graph = defs.resolve_asset_graph()
    return [key.to_user_string() for level in graph.toposorted_asset_keys_by_level for key in sorted(level)]


def require_known_assets(names: Sequence[str]) -> None:
    """Refuse names of assets that do not exist.

    Raises:
        ConfigurationError: One of them does not.
    """
    known = asset_names()
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise ConfigurationError(f"unknown asset {', '.join(unknown)}; known: {', '.join(known)}")


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
    instance.add_dynamic_partitions(EPISODES_NAME, [ep_id])
    definitions = build_definitions(progress) if progress else defs
    result = definitions.resolve_job_def(JOB).execute_in_process(
        instance=instance,
        partition_key=ep_id,
        asset_selection=[dg.AssetKey(name) for name in select] or None,
        run_config=run_config_of(profile, overrides or {}, force=force),
        tags={OWNER_TAG: owner()},
        raise_on_error=False,
    )
    return outcome_of(result)


def run_config_of(profile: str | None, overrides: Mapping[str, Any], *, force: bool) -> dict[str, Any]:
    """The run configuration of a run in this process, which speaks for itself and not through the log."""
    settings = {"profile": profile, "overrides": dict(overrides), "force": force}
    return {
        "resources": {"settings": {"config": {k: v for k, v in settings.items() if v is not None}}},
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
    failed = [
        f"{evaluation.check_name}: {evaluation.description or 'did not pass'}"
        for evaluation in result.get_asset_check_evaluations()
        if not evaluation.passed
    ]
    return RunOutcome(
        run_id=result.run_id,
        success=result.success,
        computed=[name for name, was_reused in reused.items() if not was_reused],
        reused=[name for name, was_reused in reused.items() if was_reused],
        failures=_failures(result),
        failed_checks=failed,
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
            cause = data.error.cause or data.error
            messages.append(f"{event.step_key}: {cause.message.strip()}")
    return messages
