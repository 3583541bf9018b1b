"""The one place that knows that partitioned checks are in preview."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dagster as dg

from resources.artifact_store import ArtifactStoreResource
from resources.storage.store import ArtifactStore
from screenalytics_assets.artifact import require_artifact, translate_errors
from screenalytics_assets.metadata import to_metadata
from screenalytics_assets.partitions import EPISODES

Breaches = Callable[[ArtifactStore, str], Sequence[str]]
Worse = Callable[[ArtifactStore, str], tuple[str | None, Mapping[str, float]]]
_SHOWN = 20


def episode_check(
    function: Callable[..., dg.AssetCheckResult], *, asset: str, name: str, description: str, blocking: bool = False
) -> dg.AssetChecksDefinition:
    """A check of an episode's asset; ``function`` is what Dagster calls for a partition."""
    arguments: dict[str, Any] = {"asset": asset, "name": name, "description": description, "blocking": blocking}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return dg.asset_check(**arguments, partitions_def=EPISODES)(function)


def integrity_check(asset: str, breaches: Breaches) -> dg.AssetChecksDefinition:
    """A blocking check that an episode's asset is whole; ``breaches`` tells what is not, in words."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)

        @dg.asset_check(
            asset=asset,
            name=f"{asset}_integrity",
            description=(breaches.__doc__ or "").strip(),
            blocking=True,
            partitions_def=EPISODES,
        )
        def check(context: dg.AssetCheckExecutionContext, artifacts: ArtifactStoreResource) -> dg.AssetCheckResult:
            with translate_errors():
                store = artifacts.store()
                require_artifact(store, asset, context.partition_key)
                found = breaches(store, context.partition_key)
            return dg.AssetCheckResult(
                passed=not found,
                severity=dg.AssetCheckSeverity.ERROR,
                description="; ".join(found[:_SHOWN]) or None,
                metadata={"breaches": len(found)},
            )

    return check


def comparison_check(asset: str, name: str, description: str, worse: Worse) -> dg.AssetChecksDefinition:
    """A warning where an episode got worse; ``worse`` tells in words that it did, or not, and the figures."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)

        @dg.asset_check(asset=asset, name=name, description=description, partitions_def=EPISODES)
        def check(context: dg.AssetCheckExecutionContext, artifacts: ArtifactStoreResource) -> dg.AssetCheckResult:
            with translate_errors():
                complaint, figures = worse(artifacts.store(), context.partition_key)
            return dg.AssetCheckResult(
                passed=complaint is None,
                severity=dg.AssetCheckSeverity.WARN,
                description=complaint,
                metadata=to_metadata(figures),
            )

    return check
