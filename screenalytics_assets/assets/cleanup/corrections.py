"""What people corrected."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from resources.artifact_store import ArtifactStoreResource
from resources.settings import SettingsResource
from resources.storage.artifacts import Artifact, StagedArtifact
from resources.storage.correction_files import read_corrections
from screenalytics_assets.artifact import Stage, run_stage, translate_errors
from screenalytics_assets.core.config.keys import digest_of
from screenalytics_assets.core.people.corrections import Corrections
from screenalytics_assets.core.people.corrections import describe as in_words
from screenalytics_assets.metadata import table
from screenalytics_assets.partitions import EPISODES


def describe(artifact: Artifact, _inputs: Mapping[str, Artifact]) -> Mapping[str, Any]:
    """Each correction in a line."""
    entries = Corrections.model_validate(artifact.json("corrections.json")).corrections
    lines = [{"number": entry.number, "correction": in_words(entry)} for entry in entries]
    return {"corrections": len(lines)} | ({"list": table(lines)} if lines else {})


STAGE = Stage("corrections", "1", inputs=(), outputs={"corrections": describe})


@dg.asset(partitions_def=EPISODES, group_name="cleanup", kinds={"yaml"}, code_version=STAGE.code_version)
def corrections(
    context: dg.AssetExecutionContext, settings: SettingsResource, artifacts: ArtifactStoreResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """What people corrected in the episode: identities merged, split, named, not named, or ignored.

    Read from ``corrections/{ep_id}.yaml`` below the data root, which ``screenalytics correct`` writes; an episode
    without such a file has no corrections. A file that cannot be understood is refused, and what follows from the
    corrections stays as it was.
    """
    with translate_errors():
        resolved = settings.load().resolved
        store = artifacts.store()
        found = read_corrections(store, context.partition_key)
        document = found.model_dump(mode="json")

    def compute(_inputs: Mapping[str, Artifact], outputs: Mapping[str, StagedArtifact]) -> Mapping[str, Any]:
        outputs["corrections"].write_json("corrections.json", document)
        return {}

    yield from run_stage(
        context,
        STAGE,
        store,
        resolved,
        config={"corrections": digest_of(document)},
        force=settings.force,
        compute=compute,
    )
