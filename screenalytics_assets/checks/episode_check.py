"""One declaration for each check of an episode, and the Dagster check that is built from it."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from resources.artifact_store import ArtifactStoreResource
from resources.storage.artifacts import Artifact
from resources.storage.store import ArtifactStore, require_artifact
from screenalytics_assets.core.documents.grouping import Grouping
from screenalytics_assets.failures import translate_errors
from screenalytics_assets.metadata import to_metadata
from screenalytics_assets.partitions import EPISODES, EPISODES_NAME, require_registered

Overrides = Mapping[str, Any]
"""Limits for one run, from its run configuration."""
_BREACHES_SHOWN = 20


@dataclass(frozen=True)
class Published:
    """The published artifacts of an episode, by name."""

    store: ArtifactStore
    ep_id: str

    def __getitem__(self, asset: str) -> Artifact:
        return require_artifact(self.store, asset, self.ep_id)


@dataclass(frozen=True)
class CheckSpec:
    """A check of an episode.

    Attributes:
        asset: The asset that it belongs to.
        name: Of the check.
        description: In the UI.
        evaluate: Gives the result.
        blocking: Whether a failed result keeps what follows from running.
        limits: The form of the overrides in the run configuration, if it takes any.
    """

    asset: str
    name: str
    description: str
    evaluate: Callable[[Published, Overrides], dg.AssetCheckResult]
    blocking: bool = False
    limits: type[dg.Config] | None = None


def corrections_remark(published: Published) -> str | None:
    """That corrections changed the people of an episode in its last run; None if none did."""
    grouping = published.store.open("group_clusters", published.ep_id)
    outcomes = grouping.document("grouping.json", Grouping).corrections if grouping else ()
    applied = sum(outcome.status not in ("not_found", "unconfirmed") for outcome in outcomes)
    of_them = "1 correction is" if applied == 1 else f"{applied} corrections are"
    return f"{of_them} part of that (`screenalytics correct {published.ep_id} list`)" if applied else None


def build_check(spec: CheckSpec) -> dg.AssetChecksDefinition:
    """The Dagster check of a declaration, partitioned by episode."""

    def evaluate(
        context: dg.AssetCheckExecutionContext, artifacts: ArtifactStoreResource, overrides: Overrides
    ) -> dg.AssetCheckResult:
        with translate_errors():
            require_registered(context.instance, EPISODES_NAME, context.partition_key)
            return spec.evaluate(Published(artifacts.store(), context.partition_key), overrides)

    def check(context: dg.AssetCheckExecutionContext, artifacts: ArtifactStoreResource) -> dg.AssetCheckResult:
        return evaluate(context, artifacts, {})

    def check_with_limits(
        context: dg.AssetCheckExecutionContext, config: dg.Config, artifacts: ArtifactStoreResource
    ) -> dg.AssetCheckResult:
        return evaluate(context, artifacts, config.model_dump(exclude_none=True))

    # Dagster reads the form of the configuration from the annotation.
    check_with_limits.__annotations__["config"] = spec.limits
    with warnings.catch_warnings():
        # Partitioned checks are in preview.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return dg.asset_check(
            asset=spec.asset,
            name=spec.name,
            description=spec.description,
            blocking=spec.blocking,
            partitions_def=EPISODES,
        )(check if spec.limits is None else check_with_limits)


def integrity_check(asset: str, breaches: Callable[[Published], Sequence[str]]) -> dg.AssetChecksDefinition:
    """A blocking check that an asset is complete and consistent; ``breaches`` describes in words what is not."""

    def evaluate(published: Published, _overrides: Overrides) -> dg.AssetCheckResult:
        found = breaches(published)
        return dg.AssetCheckResult(
            passed=not found,
            severity=dg.AssetCheckSeverity.ERROR,
            description="; ".join(found[:_BREACHES_SHOWN]) or None,
            metadata={"breaches": len(found)},
        )

    description = (breaches.__doc__ or "").strip()
    return build_check(CheckSpec(asset, f"{asset}_integrity", description, evaluate, blocking=True))


def warning_check(
    asset: str,
    name: str,
    description: str,
    warning: Callable[[Published], tuple[str | None, Mapping[str, float]]],
) -> dg.AssetChecksDefinition:
    """A check that warns; ``warning`` gives the sentence, or None if all is well, and the figures."""

    def evaluate(published: Published, _overrides: Overrides) -> dg.AssetCheckResult:
        sentence, figures = warning(published)
        return dg.AssetCheckResult(
            passed=sentence is None,
            severity=dg.AssetCheckSeverity.WARN,
            description=sentence,
            metadata=to_metadata(figures),
        )

    return build_check(CheckSpec(asset, name, description, evaluate))
