"""The faces of a show's known people, out of photos."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg
import numpy as np
from numpy.typing import NDArray

from resources.artifact_store import ArtifactStoreResource
from resources.configuration.run_settings import RunSettings
from resources.photos import PhotoLibraryResource
from resources.settings import SettingsResource
from resources.storage.artifacts import Artifact, StagedArtifact
from resources.storage.crop_file import CropWriter, read_crops
from resources.storage.photo_library import Photo
from resources.storage.store import ArtifactStore
from resources.vectors import VectorDatabaseResource
from screenalytics_assets.artifact import Stage, run_stage, translate_errors
from screenalytics_assets.core.common.episode_ids import parse_show
from screenalytics_assets.core.common.errors import FacebankError
from screenalytics_assets.core.common.schemas import EMBEDDING_DIMENSION
from screenalytics_assets.core.config.keys import digest_of
from screenalytics_assets.core.detection.alignment import crop_jpeg
from screenalytics_assets.core.people.enrolment import (
    PhotoFinding,
    compare_photos,
    facebank_document,
    refuse_duplicates,
)
from screenalytics_assets.core.people.person_names import Person, person_of
from screenalytics_assets.metadata import picture, table
from screenalytics_assets.partitions import SHOWS
from screenalytics_assets.reports.pictures.contact_sheets import SheetRow, contact_sheet

if TYPE_CHECKING:
    from resources.models.photo_analysis import PhotoAnalyser


def describe(artifact: Artifact, _inputs: Mapping[str, Artifact]) -> Mapping[str, Any]:
    """What was decided about each photo, and the faces that are enrolled."""
    document = artifact.json("facebank.json")
    crops = dict(
        read_crops(artifact.path("facebank_crops.parquet"), [photo["photo_id"] for photo in document["photos"]])
    )
    rows = []
    for person in document["people"]:
        own = [photo for photo in document["photos"] if photo["person_id"] == person["person_id"]]
        shown = [crops[photo["photo_id"]] for photo in own if photo["decision"] == "accepted"]
        rows.append(SheetRow(person["person_id"], f"{len(shown)} of {len(own)} photos", shown))
    return {
        "people": len(document["people"]),
        **document["stats"],
        "photos": table(photo_rows(document)),
        "contact_sheet": picture(contact_sheet(rows), "the enrolled faces of each person"),
    }


def photo_rows(document: Mapping[str, Any]) -> list[dict[str, str]]:
    """The photos of a facebank as lines of a table."""
    return [_photo_row(photo) for photo in document["photos"]]


def _photo_row(photo: Mapping[str, Any]) -> dict[str, str]:
    def figure(value: float | None, form: str) -> str:
        return "" if value is None else format(value, form)

    other = figure(photo["other_similarity"], ".2f")
    return {
        "photo": photo["photo_id"],
        "decision": photo["decision"],
        "reason": (photo["reason"] or photo["remark"] or "").replace("_", " "),
        "face_px": figure(photo["face_px"], ".0f"),
        "sharpness": figure(photo["sharpness"], ".0f"),
        "quality": figure(photo["quality_score"], ".2f"),
        "own": figure(photo["own_similarity"], ".2f"),
        "nearest other": f"{other} {photo['other_person_id']}" if other else "",
    }


STAGE = Stage("facebank", "1", inputs=(), outputs={"facebank": describe}, check_key=parse_show)


def people_of(photos: Sequence[Photo]) -> dict[str, Person]:
    """The person of each folder.

    Raises:
        FacebankError: Two folders stand for the same person.
    """
    people = {photo.folder: person_of(photo.folder) for photo in photos}
    counts = Counter(person.person_id for person in people.values())
    twice = sorted(folder for folder, person in people.items() if counts[person.person_id] > 1)
    if twice:
        raise FacebankError(f"the folders {', '.join(map(repr, twice))} have names of one person: put them together")
    return people


def enrol(
    photos: Sequence[Photo], faces: "PhotoAnalyser", min_photo_sim: float
) -> tuple[list[PhotoFinding], dict[str, Any]]:
    """Look at every photo; returns the findings in their order, and the vectors of the accepted by photo id."""
    people = people_of(photos)
    looked = refuse_duplicates(
        [faces.analyse(photo.photo_id, people[photo.folder].person_id, photo.content) for photo in photos]
    )
    good = [finding for finding in looked if finding.is_accepted]
    vectors = faces.embed(good)
    judged = {finding.photo_id: finding for finding in compare_photos(good, vectors, min_photo_sim=min_photo_sim)}
    findings = [judged.get(finding.photo_id, finding) for finding in looked]
    by_id: dict[str, NDArray[np.float32]] = {
        finding.photo_id: vector
        for finding, vector in zip(good, vectors, strict=True)
        if judged[finding.photo_id].is_accepted
    }
    return findings, by_id


def config_of(run: RunSettings, photos: Sequence[Photo]) -> dict[str, Any]:
    """Everything that determines what becomes of the photos."""
    settings = run.resolved.settings
    detection = settings.detection.model_dump()
    keys = ("detector_input_px", "closeup_input_px", "nms_iou", "thumb_size", "jpeg_quality")
    return {
        **settings.facebank.model_dump(),
        "faces": settings.faces.model_dump(),
        **{key: detection[key] for key in keys},
        "min_confidence": run.thresholds.min_confidence,
        "detector": run.pack.detector.file.sha256,
        "embedder": run.pack.embedder.file.sha256,
        "photos": digest_of({photo.photo_id: hashlib.sha256(photo.content).hexdigest() for photo in photos}),
    }


def is_stored(store: ArtifactStore, vectors: VectorDatabaseResource, show: str) -> bool:
    """Whether the database holds what was published last; it may have been lost, or be another one."""
    manifest, stored = store.manifest("facebank", show), vectors.database().facebank(show)
    return manifest is not None and stored is not None and stored.version == manifest.metrics.get("version")


@dg.asset(
    partitions_def=SHOWS,
    group_name="facebank",
    kinds={"onnx", "postgres"},
    pool="gpu",
    code_version=STAGE.code_version,
)
def facebank(
    context: dg.AssetExecutionContext,
    settings: SettingsResource,
    artifacts: ArtifactStoreResource,
    photos: PhotoLibraryResource,
    vectors: VectorDatabaseResource,
) -> Iterator[dg.MaterializeResult[Any]]:
    """The people of a show, out of one folder of photos a person; their vectors are in the database.

    A photo is refused with a reason: no face, several, too small, blurred, turned away, cut off, the same file twice,
    or a face that resembles somebody else more than the other photos under its name.
    """
    show = context.partition_key
    with translate_errors():
        parse_show(show)
        run = settings.load(context.log.warning)
        found = photos.photos(show)
        people = people_of(found)
        force = settings.force or not is_stored(artifacts.store(), vectors, show)

    def compute(_inputs: Mapping[str, Artifact], outputs: Mapping[str, StagedArtifact]) -> Mapping[str, Any]:
        from resources.models.photo_analysis import PhotoAnalyser  # with ONNX Runtime and InsightFace

        faces = PhotoAnalyser(run)
        findings, by_id = enrol(found, faces, run.thresholds.min_photo_sim)
        accepted = [finding for finding in findings if finding.is_accepted]
        names = {person.person_id: person.name for person in people.values()}
        version = digest_of(
            [
                faces.model_digest,
                names,
                *([f.photo_id, f.person_id, hashlib.sha256(by_id[f.photo_id].tobytes()).hexdigest()] for f in accepted),
            ]
        )
        for finding in findings:
            if finding.reason or finding.remark:
                context.log.warning(f"{finding.photo_id}: {finding.reason or finding.remark}")
        vectors.database().replace_facebank(
            show,
            version=version,
            model_digest=faces.model_digest,
            photo_ids=[finding.photo_id for finding in accepted],
            person_ids=[finding.person_id for finding in accepted],
            vectors=np.array(list(by_id.values()), np.float32).reshape(-1, EMBEDDING_DIMENSION),
            names=names,
        )
        output = outputs["facebank"]
        output.write_json("facebank.json", facebank_document(show, version, faces.model_digest, names, findings))
        with CropWriter(output.path("facebank_crops.parquet")) as crops:
            for finding in findings:
                if finding.crop is not None:
                    quality = run.resolved.settings.detection.jpeg_quality
                    crops.add(finding.photo_id, crop_jpeg(finding.crop, quality))
        output.count_rows("facebank_crops.parquet", crops.count)
        return {"facebank": {"version": version}}

    yield from run_stage(
        context, STAGE, artifacts.store(), run.resolved, config=config_of(run, found), force=force, compute=compute
    )
