"""How every asset is made: compare fingerprints, then reuse or compute, then publish, then describe."""

import errno
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

import dagster as dg

from resources.storage.artifacts import Artifact, Manifest, StagedArtifact
from resources.storage.store import ArtifactStore
from resources.system.memory import release_memory
from screenalytics_assets.core.common.episode_ids import parse_ep_id
from screenalytics_assets.core.common.errors import ArtifactError, ScreenalyticsError, UnavailableError
from screenalytics_assets.core.common.layout import manifest_path
from screenalytics_assets.core.config.keys import digest_of
from screenalytics_assets.core.config.layers import Resolved
from screenalytics_assets.metadata import to_metadata
from screenalytics_assets.run_owner import claim_run

Describe = Callable[[Artifact, Mapping[str, Artifact]], Mapping[str, Any]]
"""From a published output and the inputs of its stage to what the UI shows."""
Compute = Callable[[Mapping[str, Artifact], Mapping[str, StagedArtifact]], Mapping[str, Any]]
"""From the inputs to the staged outputs, which it writes; returns figures of the run for each output, by its name."""

_HASH_CHARACTERS = 12
WARNINGS = "warnings"
"""Among the metrics of an output: sentences that people should read, in the log, the UI and the terminal."""
RETRIES = 2
RETRY_DELAY_S = 30.0
"""Long enough for a network drive or a database to come back, short against the step that is repeated."""
TRANSIENT_ERRNOS = frozenset(
    {errno.EAGAIN, errno.EBUSY, errno.EIO, errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ESTALE}
)


@dataclass(frozen=True)
class Stage:
    """A step of the graph.

    Attributes:
        name: Name of the step in messages.
        code_version: Raised when the same input and configuration give something else than before.
        inputs: Assets that are read.
        outputs: Assets that are published, each with what the UI shows of it.
        check_key: Refuses partition keys of another form; a key names folders.
    """

    name: str
    code_version: str
    inputs: tuple[str, ...]
    outputs: Mapping[str, Describe]
    check_key: Callable[[str], object] = parse_ep_id


class StageContext(Protocol):
    """What a stage needs of Dagster; an asset's context has it."""

    @property
    def partition_key(self) -> str:
        """The episode."""

    @property
    def log(self) -> Any:  # noqa: ANN401 - Dagster's log manager, or any logger
        """Where progress is told."""


_may_retry: ContextVar[bool] = ContextVar("may_retry", default=True)


@contextmanager
def retries_disabled() -> Iterator[None]:
    """Steps that run meanwhile in this thread are not repeated: somebody sits before the terminal and waits.

    The executor of `execute_in_process` knows no such option.
    """
    token = _may_retry.set(False)
    try:
        yield
    finally:
        _may_retry.reset(token)


@contextmanager
def translate_errors() -> Iterator[None]:
    """Errors with a message for people fail the run once, with that message; a retry cannot mend them.

    What is outside and may answer a moment later, a network drive or a database, is asked again, but not within
    `retries_disabled`. Anything else is a fault of the program: it fails the step at once.
    """
    try:
        yield
    except ScreenalyticsError as error:
        if is_transient(error) and _may_retry.get():
            raise _retry() from error
        raise dg.Failure(description=str(error), allow_retries=False) from error
    except OSError as error:
        if is_transient(error) and _may_retry.get():
            raise _retry() from error
        raise


def is_transient(error: Exception) -> bool:
    """Whether the same call may succeed a moment later."""
    return isinstance(error, UnavailableError | ConnectionError | TimeoutError) or (
        isinstance(error, OSError) and error.errno in TRANSIENT_ERRNOS
    )


def _retry() -> dg.RetryRequested:
    return dg.RetryRequested(max_retries=RETRIES, seconds_to_wait=RETRY_DELAY_S)


def run_stage(
    context: StageContext,
    stage: Stage,
    store: ArtifactStore,
    resolved: Resolved,
    *,
    config: Mapping[str, Any],
    force: bool,
    compute: Compute,
) -> Iterator[dg.MaterializeResult[Any]]:
    """Materialize the outputs of a stage for the partition of the run.

    Args:
        context: The asset's context, or another that names the episode.
        stage: What is made from what.
        store: Where artifacts are.
        resolved: The whole configuration, for the metadata.
        config: What the stage reads of it, and anything else but the inputs that determines the result.
        force: Compute even what is unchanged.
        compute: Writes the outputs.
    """
    with translate_errors():
        ep_id = context.partition_key
        stage.check_key(ep_id)
        # What the checks since the stage before have left.
        release_memory()
        if isinstance(context, dg.AssetExecutionContext):
            claim_run(context)
        inputs = {name: require_artifact(store, name, ep_id) for name in stage.inputs}
        digests = {name: artifact.manifest.content_digest for name, artifact in inputs.items()}
        write_jsonl = resolved.settings.output.write_jsonl
        fingerprint = digest_of([stage.name, stage.code_version, dict(config), write_jsonl, digests])
        artifacts = None if force else _unchanged(store, stage, ep_id, fingerprint)
        reused = artifacts is not None
        if artifacts is None:
            with ExitStack() as stack:
                staged = {
                    name: stack.enter_context(store.staging(name, ep_id, write_jsonl=write_jsonl))
                    for name in stage.outputs
                }
                started = time.monotonic()
                metrics = {name: dict(figures) for name, figures in compute(inputs, staged).items()}
                metrics.setdefault(stage.name, {})["runtime_s"] = round(time.monotonic() - started, 3)
                artifacts = {
                    name: store.publish(
                        output,
                        fingerprint=fingerprint,
                        code_version=stage.code_version,
                        config=config,
                        inputs=digests,
                        metrics=metrics.get(name, {}),
                    )
                    for name, output in staged.items()
                }
        # The next stage may bring a model, or the tables of a long episode.
        release_memory()
        context.log.info(
            f"{stage.name} of {ep_id}: " + ("unchanged, nothing computed" if reused else "computed and published")
        )
        for name, artifact in artifacts.items():
            for warning in artifact.manifest.metrics.get(WARNINGS, ()):
                context.log.warning(f"{name} of {ep_id}: {warning}")
            yield _result(store, artifact, stage.outputs[name](artifact, inputs), resolved, reused=reused)


def in_metrics(warning: str | None) -> dict[str, list[str]]:
    """A warning as a part of an output's metrics; it is repeated whenever the output is reused."""
    return {WARNINGS: [warning]} if warning else {}


def require_artifact(store: ArtifactStore, asset: str, ep_id: str) -> Artifact:
    """A published asset that another one is made from.

    Raises:
        ArtifactError: It was never published; the message tells what to run.
    """
    artifact = store.open(asset, ep_id)
    if artifact is None:
        raise ArtifactError(
            f"{ep_id} has no {asset}: materialize {asset} first, in the UI or with "
            f"`screenalytics run --ep-id {ep_id} --select {asset}`"
        )
    return artifact


def _unchanged(store: ArtifactStore, stage: Stage, ep_id: str, fingerprint: str) -> dict[str, Artifact] | None:
    manifests: dict[str, Manifest | None] = {name: store.manifest(name, ep_id) for name in stage.outputs}
    found: dict[str, Artifact] = {}
    for name, manifest in manifests.items():
        if manifest is None or manifest.fingerprint != fingerprint or not store.is_intact(manifest):
            return None
        found[name] = store.artifact(manifest)
    return found


def _result(
    store: ArtifactStore, artifact: Artifact, described: Mapping[str, Any], resolved: Resolved, *, reused: bool
) -> dg.MaterializeResult[Any]:
    manifest = artifact.manifest
    return dg.MaterializeResult(
        asset_key=manifest.asset,
        data_version=dg.DataVersion(manifest.content_digest),
        metadata=to_metadata(
            {
                **described,
                **manifest.metrics,
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
