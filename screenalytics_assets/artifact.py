"""One declaration for each artifact, and the Dagster asset that is built from it."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

import dagster as dg

from resources.storage.artifacts import Artifact, StagedArtifact
from resources.storage.store import ArtifactStore
from resources.system.memory import release_memory
from screenalytics_assets.core.common.digests import digest_of
from screenalytics_assets.core.common.layout import manifest_path
from screenalytics_assets.core.config.layers import Resolved
from screenalytics_assets.failures import translate_errors
from screenalytics_assets.metadata import to_metadata
from screenalytics_assets.partitions import EPISODES, EPISODES_NAME, require_registered
from screenalytics_assets.run_context import Resources, Run
from screenalytics_assets.run_owner import claim_run

Outputs = Mapping[str, StagedArtifact]
"""The artifacts that a step publishes, by name."""
Config = Callable[[Run], Mapping[str, Any]]
"""Everything that determines the result besides the inputs and the code: configuration keys, digests of models."""
Compute = Callable[[Run, Outputs], None]
"""Writes the outputs; figures of the run go into their ``metrics``."""
Describe = Callable[[Artifact, Mapping[str, Artifact]], Mapping[str, Any]]
"""From a published artifact and the inputs that it was made from to what the UI shows."""

GPU_POOL = "gpu"
WARNINGS = "warnings"
"""Among the metrics of an output: sentences for people, shown in the log, the UI and the terminal."""
_HASH_CHARACTERS = 12


class Indexed(NamedTuple):
    """Whether an artifact was stored in the database just now, and warnings if it could not be."""

    stored: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Output:
    """A published artifact as the UI shows it."""

    kinds: Set[str]
    description: str
    describe: Describe


@dataclass(frozen=True)
class ArtifactSpec:
    """All there is to say about an artifact: what it is made from, how, and how it is shown.

    Attributes:
        name: Of the artifact, the asset and the step.
        code_version: Raised when the same inputs and configuration give another result than before.
        group: Group of the asset in the UI.
        kinds: Tags of the asset in the UI.
        description: Of the asset in the UI.
        config: Part of the fingerprint, and stored in the manifest.
        compute: Writes the outputs.
        describe: Metadata of the materialization.
        reads: Inputs, artifacts of the same partition. Their digests are part of the fingerprint.
        reads_manifests: Artifacts of the same partition of which only the manifest is read, if there is one.
            ``config`` has to contain what is used of them.
        reads_across: Artifacts of other partitions. ``config`` has to contain their version.
        reads_previous: Whether ``compute`` reads what it published before.
        resources: Keys of the Dagster resources that it needs besides ``settings`` and ``artifacts``.
        runs_models: It takes a slot of the GPU pool, and the licence of the weights is logged.
        partitions: Its keys.
        index: Stores the published artifact in the database, unless it is there.
        beside: Further artifacts that the same computation publishes.
    """

    name: str
    code_version: str
    group: str
    kinds: Set[str]
    description: str
    config: Config
    compute: Compute
    describe: Describe
    reads: tuple[str, ...] = ()
    reads_manifests: tuple[str, ...] = ()
    reads_across: tuple[str, ...] = ()
    reads_previous: bool = False
    resources: frozenset[str] = frozenset()
    runs_models: bool = False
    partitions: dg.DynamicPartitionsDefinition = EPISODES
    index: Callable[[Run, Artifact], Indexed] | None = None
    beside: Mapping[str, Output] = field(default_factory=dict)

    @property
    def outputs(self) -> dict[str, Output]:
        """Everything that is published, by name."""
        return {self.name: Output(self.kinds, self.description, self.describe), **self.beside}

    @property
    def deps(self) -> list[dg.AssetDep]:
        """The assets that it reads, for the lineage in the UI."""
        same = dict.fromkeys((*self.reads, *self.reads_manifests))
        # All their partitions: a mapping of our own, from an episode to its show, would not reach the UI.
        every = dg.AllPartitionMapping()
        return [
            *(dg.AssetDep(name) for name in same),
            *(dg.AssetDep(name, partition_mapping=every) for name in self.reads_across),
        ]


def fingerprint(spec: ArtifactSpec, config: Mapping[str, Any], digests: Mapping[str, str], *, write_jsonl: bool) -> str:
    """Digest of everything that determines an artifact; equal fingerprints mean that nothing has to be computed.

    Args:
        spec: The artifact.
        config: What its ``config`` gives.
        digests: Content digests of its inputs, by name.
        write_jsonl: Whether tables are also written as JSON lines.
    """
    return digest_of([spec.name, spec.code_version, dict(config), write_jsonl, dict(digests)])


def build_asset(spec: ArtifactSpec) -> dg.AssetsDefinition:
    """The Dagster asset of an artifact."""

    def asset(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[Any]]:
        with translate_errors():
            require_registered(context.instance, str(spec.partitions.name), context.partition_key)
            claim_run(context)
            resources = cast("Resources", context.resources)
            settings = resources.settings.load(context.log.warning if spec.runs_models else None)
            run = Run(
                spec,
                context.partition_key,
                resources.artifacts.store(),
                resources,
                context.log,
                lambda: context.instance.get_dynamic_partitions(EPISODES_NAME),
            )
        yield from materialize(run, settings.resolved, force=resources.settings.force)

    return dg.multi_asset(
        name=spec.name,
        specs=[
            dg.AssetSpec(
                name,
                deps=spec.deps,
                group_name=spec.group,
                kinds=set(output.kinds),
                description=output.description.strip(),
                code_version=spec.code_version,
            )
            for name, output in spec.outputs.items()
        ],
        required_resource_keys={"settings", "artifacts", *spec.resources},
        partitions_def=spec.partitions,
        pool=GPU_POOL if spec.runs_models else None,
    )(asset)


def materialize(run: Run, resolved: Resolved, *, force: bool = False) -> Iterator[dg.MaterializeResult[Any]]:
    """Publish the outputs of a spec for one partition, computing them only if something has changed.

    Args:
        run: The spec, the partition, and what its functions work with.
        resolved: The whole configuration.
        force: Compute even what is unchanged.
    """
    spec = run.spec
    with translate_errors():
        # The checks of the step before leave memory behind.
        release_memory()
        digests = {name: artifact.manifest.content_digest for name, artifact in run.inputs.items()}
        config = spec.config(run)
        write_jsonl = resolved.settings.output.write_jsonl
        wanted = fingerprint(spec, config, digests, write_jsonl=write_jsonl)
        artifacts = None if force else _unchanged(run, wanted)
        reused = artifacts is not None
        if artifacts is None:
            artifacts = _compute(run, config, digests, wanted, write_jsonl=write_jsonl)
        indexed = spec.index(run, artifacts[spec.name]) if spec.index else Indexed()
        reused = reused and not indexed.stored
        # The next step may load a model, or the tables of a long episode.
        release_memory()
        run.log.info(
            f"{spec.name} of {run.key}: " + ("unchanged, nothing computed" if reused else "computed and published")
        )
        for name, artifact in artifacts.items():
            warnings = [*artifact.manifest.metrics.get(WARNINGS, ()), *indexed.warnings]
            for warning in warnings:
                run.log.warning(f"{name} of {run.key}: {warning}")
            described = spec.outputs[name].describe(artifact, run.inputs)
            yield _result(run.store, artifact, described, warnings, resolved, reused=reused)


def add_warning(output: StagedArtifact, warning: str | None) -> None:
    """Note a warning in an output's metrics, so that it is repeated whenever the output is reused."""
    if warning:
        output.metrics[WARNINGS] = [warning]


def _unchanged(run: Run, wanted: str) -> dict[str, Artifact] | None:
    found: dict[str, Artifact] = {}
    for name in run.spec.outputs:
        manifest = run.store.manifest(name, run.key)
        if manifest is None or manifest.fingerprint != wanted or not run.store.is_intact(manifest):
            return None
        found[name] = run.store.artifact(manifest)
    return found


def _compute(
    run: Run, config: Mapping[str, Any], digests: Mapping[str, str], wanted: str, *, write_jsonl: bool
) -> dict[str, Artifact]:
    spec = run.spec
    with ExitStack() as stack:
        outputs = {
            name: stack.enter_context(run.store.staging(name, run.key, write_jsonl=write_jsonl))
            for name in spec.outputs
        }
        started = time.monotonic()
        spec.compute(run, outputs)
        outputs[spec.name].metrics["runtime_s"] = round(time.monotonic() - started, 3)
        return {
            name: run.store.publish(
                output,
                fingerprint=wanted,
                code_version=spec.code_version,
                config=config,
                inputs=digests,
                metrics=output.metrics,
            )
            for name, output in outputs.items()
        }


def _result(
    store: ArtifactStore,
    artifact: Artifact,
    described: Mapping[str, Any],
    warnings: Sequence[str],
    resolved: Resolved,
    *,
    reused: bool,
) -> dg.MaterializeResult[Any]:
    manifest = artifact.manifest
    return dg.MaterializeResult(
        asset_key=manifest.asset,
        data_version=dg.DataVersion(manifest.content_digest),
        metadata=to_metadata(
            {
                **described,
                **manifest.metrics,
                **({WARNINGS: warnings} if warnings else {}),
                "reused": reused,
                "screenalytics/config": {key: _shortened(value) for key, value in manifest.config.items()},
                "screenalytics/config_hash": _shortened(resolved.settings.digest()),
                "screenalytics/fingerprint": _shortened(manifest.fingerprint),
                "screenalytics/files": [file.path for file in manifest.files[:20]],
                "dagster/uri": store.location(manifest_path(manifest.asset, manifest.ep_id)),
            }
        ),
    )


def _shortened(value: object) -> object:
    """The beginning of a SHA-256, which is enough to compare by eye; anything else as it is."""
    return value[:_HASH_CHARACTERS] if isinstance(value, str) and len(value) == 64 else value
