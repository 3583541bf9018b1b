"""What people corrected in the episode: identities merged, split, named, not named, ignored, or given a track.

Read from ``corrections/{ep_id}.yaml`` below the data root, which ``screenalytics correct`` writes; an episode without
such a file has no corrections. An invalid file is refused, and everything downstream stays
as it was.
"""

from collections.abc import Mapping
from typing import Any

from resources.storage.artifacts import Artifact
from resources.storage.correction_files import read_corrections
from screenalytics_assets.artifact import ArtifactSpec, Outputs
from screenalytics_assets.core.common.digests import digest_of
from screenalytics_assets.core.people.corrections.corrections import Corrections
from screenalytics_assets.core.people.corrections.corrections import describe as in_words
from screenalytics_assets.metadata import table
from screenalytics_assets.run_context import Run


def read_file(run: Run) -> dict[str, Any]:
    """The corrections as they are published."""
    return read_corrections(run.store, run.key).model_dump(mode="json", exclude={"last_number"}, exclude_none=True)


def config(run: Run) -> dict[str, Any]:
    """The content of the file."""
    return {"corrections": digest_of(run.once(read_file))}


def compute(run: Run, outputs: Outputs) -> None:
    """Publish the corrections."""
    outputs["corrections"].write_json("corrections.json", run.once(read_file))


def describe(artifact: Artifact, _inputs: Mapping[str, Artifact]) -> Mapping[str, Any]:
    """Each correction in a line."""
    entries = artifact.document("corrections.json", Corrections).corrections
    lines = [{"number": entry.number, "correction": in_words(entry)} for entry in entries]
    return {"corrections": len(lines)} | ({"list": table(lines)} if lines else {})


SPEC = ArtifactSpec(
    "corrections",
    code_version="1",
    group="cleanup",
    kinds={"yaml"},
    description=__doc__,
    config=config,
    compute=compute,
    describe=describe,
)
