"""The known people of a show, from one folder of photos per person: a vector for each photo that is good enough.

A photo is refused with a reason: no face, several, too small, blurred, turned away, cut off, the same file twice, or a
face that resembles another person more than the other photos under its name.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from resources.database.index import index_facebank
from resources.storage.artifacts import Artifact, StagedArtifact
from resources.storage.crop_file import CropWriter, read_crops
from resources.storage.photo_library import Photo
from screenalytics_assets.artifact import ArtifactSpec, Indexed, Outputs
from screenalytics_assets.core.common.digests import digest_of, sha256_of
from screenalytics_assets.core.common.errors import DatabaseError
from screenalytics_assets.core.common.schemas import EMBEDDING_DIMENSION
from screenalytics_assets.core.detection.alignment import crop_jpeg
from screenalytics_assets.core.documents.facebank import PublishedFacebank
from screenalytics_assets.core.people.enrolment import PhotoFinding, facebank_of
from screenalytics_assets.core.people.person_names import people_of_folders
from screenalytics_assets.metadata import picture, table
from screenalytics_assets.partitions import SHOWS
from screenalytics_assets.reports.photos import photo_rows, photo_sheet
from screenalytics_assets.run_context import Run

_DETECTION_KEYS = frozenset({"detector_input_px", "closeup_input_px", "nms_iou", "thumb_size", "jpeg_quality"})


def read_photos(run: Run) -> list[Photo]:
    """The photos of the show."""
    return run.resources.photos.photos(run.key)


def config(run: Run) -> dict[str, Any]:
    """Everything that determines which photos are enrolled."""
    keys = run.keys
    return {
        **keys.facebank.model_dump(),
        "faces": keys.faces.model_dump(),
        **keys.detection.model_dump(include=set(_DETECTION_KEYS)),
        "min_confidence": run.thresholds.min_confidence,
        **run.pack.detection_config,
        "embedder": run.pack.embedder.file.sha256,
        "photos": digest_of({p.photo_id: p.digest for p in run.once(read_photos)}),
    }


def compute(run: Run, outputs: Outputs) -> None:
    """Enrol the photos: decisions, vectors and crops."""
    from resources.models.photo_analysis import PhotoAnalyser  # with ONNX Runtime and InsightFace

    photos = run.once(read_photos)
    people = people_of_folders(photo.folder for photo in photos)
    analyser = PhotoAnalyser(run.settings)
    names = {person.person_id: person.name for person in people.values()}
    findings, by_id = analyser.enrol(photos, people, min_photo_sim=run.thresholds.min_photo_sim)
    accepted = [finding for finding in findings if finding.is_accepted]
    digests = ([f.photo_id, f.person_id, sha256_of(by_id[f.photo_id].tobytes())] for f in accepted)
    version = digest_of([analyser.model_digest, names, *digests])
    for finding in findings:
        if finding.reason or finding.remark:
            run.log.warning(f"{finding.photo_id}: {finding.reason or finding.remark}")
    output = outputs["facebank"]
    output.write_document("facebank.json", facebank_of(run.key, version, analyser.model_digest, names, findings))
    output.write_array("facebank.npy", np.array(list(by_id.values()), np.float32).reshape(-1, EMBEDDING_DIMENSION))
    _write_crops(output, findings, run.keys.detection.jpeg_quality)
    output.metrics["version"] = version


def _write_crops(output: StagedArtifact, findings: Sequence[PhotoFinding], jpeg_quality: int) -> None:
    with CropWriter(output.path("facebank_crops.parquet")) as crops:
        for finding in findings:
            if finding.crop is not None:
                crops.add(finding.photo_id, crop_jpeg(finding.crop, jpeg_quality))
    output.count_rows("facebank_crops.parquet", crops.count)


def index(run: Run, facebank: Artifact) -> Indexed:
    """Store the facebank in the database, for queries of people; names do not need it."""
    try:
        return Indexed(index_facebank(run.resources.vectors.database(), facebank))
    except DatabaseError as error:
        warning = f"people can be named, but they are not in the database: {error}"
        return Indexed(warnings=(f"{warning}; run `screenalytics database rebuild` when it is back",))


def describe(artifact: Artifact, _inputs: Mapping[str, Artifact]) -> Mapping[str, Any]:
    """What was decided about each photo, and the faces that are enrolled."""
    document = artifact.document("facebank.json", PublishedFacebank)
    photo_ids = [photo.photo_id for photo in document.photos]
    crops = dict(read_crops(artifact.path("facebank_crops.parquet"), photo_ids))
    return {
        "people": len(document.people),
        **document.stats.to_dict(),
        "photos": table(photo_rows(document)),
        "contact_sheet": picture(photo_sheet(document, crops), "the enrolled faces of each person"),
    }


SPEC = ArtifactSpec(
    "facebank",
    code_version="3",
    group="show",
    kinds={"onnx", "postgres"},
    description=__doc__,
    config=config,
    compute=compute,
    describe=describe,
    index=index,
    resources=frozenset({"photos", "vectors"}),
    runs_models=True,
    partitions=SHOWS,
)
