"""Up to ``max_crops_per_track`` good crops of each track, embedded; row i of the table is vector i.

If crops of a track were embedded to split it, the faces are selected among those: they are the best of each moment.
Crops that are too small, blurred, turned away or otherwise poor are listed in ``crops_debug`` with the reason and the
measured values.
"""

from typing import Any

from resources.models.configured import configured_embedder
from resources.storage.artifacts import StagedArtifact
from screenalytics_assets.artifact import add_warning
from screenalytics_assets.assets.face_spec import describe_faces, embed_faces, face_spec, split_vectors
from screenalytics_assets.core.embedding.face_selection import volume_warning
from screenalytics_assets.run_context import Run


def config(run: Run) -> dict[str, Any]:
    """The keys of the faces, and the embedder."""
    return {**run.keys.faces.model_dump(), "embedder": run.pack.embedder.file.sha256}


def write(run: Run, output: StagedArtifact) -> None:
    """Select and embed; the embedder is loaded even where every vector is known, to note where it runs."""
    embedder = configured_embedder(run.settings)
    output.metrics["provider"] = embedder.provider
    known = split_vectors(run.inputs["tracks"], embedder.digest)
    selection = embed_faces(run, output, tracks="tracks", split=known, known=known, load=lambda: embedder)
    add_warning(output, volume_warning(selection.faces, selection.rejected, run.keys.faces))


SPEC = face_spec(
    "faces",
    code_version="3",
    group="detect",
    description=__doc__,
    reads=("detections", "face_crops", "tracks"),
    config=config,
    write=write,
    describe=describe_faces,
)
