"""What is read from a published document is written again byte for byte."""

import json
from logging import getLogger
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import ValidationError

from resources.storage.local_store import LocalArtifactStore
from screenalytics_assets.assets.identity_spec import earlier_identities, previous_identities
from screenalytics_assets.assets.people.identities import SPEC
from screenalytics_assets.core.common.schemas import IDENTITY_BOXES
from screenalytics_assets.core.config.people_keys import ClusteringSettings
from screenalytics_assets.core.documents.document import Document
from screenalytics_assets.core.documents.grouping import Grouping
from screenalytics_assets.core.documents.identities import Identities, TrackIds
from screenalytics_assets.run_context import Resources, Run

CLUSTERS: dict[str, Any] = {
    "ep_id": "show-s01e02",
    "config": ClusteringSettings().model_dump(mode="json"),
    "stats": {
        "clusters": 2,
        "tracks": 3,
        "singleton_count": 2,
        "singleton_fraction": 1.0,
        "largest_cluster_size": 1,
        "largest_cluster_fraction": 0.3333333333333333,
        "outlier_count": 1,
        "low_cohesion_count": 0,
        "cannot_link_pairs": 0,
        "blocked_merges": 0,
    },
    "last_identity_number": 7,
    "identities": [
        {
            "identity_id": "ident_001",
            "track_ids": ["track-00001"],
            "outlier": False,
            "low_cohesion": False,
            "cohesion_score": 1.0,
            "min_identity_sim": 0.79,
            "num_faces": 5,
            "representative_face_id": "face-00009",
        },
        {
            "identity_id": "ident_007",
            "track_ids": ["track-00002"],
            "outlier": True,
            "low_cohesion": False,
            "cohesion_score": 1.0,
            "min_identity_sim": 1.0,
            "num_faces": 1,
            "representative_face_id": "face-00010",
            "reason": "single_face",
        },
    ],
    "unassigned": [{"track_id": "track-00003", "reason": "no_accepted_face"}],
}
NO_NAME = {"person_id": None, "name": None, "name_similarity": None, "name_margin": None, "named_by": None}
ZOE = {"person_id": "zoë", "name": "Zoë", "name_similarity": 0.69, "name_margin": None, "named_by": "facebank"}
PEOPLE = {
    **CLUSTERS,
    "stats": {**CLUSTERS["stats"], "named": 1},
    "identities": [{**CLUSTERS["identities"][0], **ZOE}, {**CLUSTERS["identities"][1], **NO_NAME}],
}
NAMED: dict[str, Any] = {
    "decision": "named",
    "clusters": ["ident_001"],
    "identity_id": "ident_001",
    "person_id": "zoë",
    "reason": "named",
    "best": "zoë",
    "best_similarity": 0.69,
    "second": None,
    "second_similarity": None,
    "margin": None,
    "required_similarity": 0.4252,
    "required_margin": 0.1,
    "photos": 2,
    "tracks": 1,
    "faces": 5,
    "strict": False,
}
GROUPING: dict[str, Any] = {
    "ep_id": "show-s01e02",
    "facebank": {"version": "7b7f", "people": ["zoë"]},
    "limits": {"similarity": 0.42, "tight": 0.47, "margin": 0.1},
    "centroids": 4,
    "within_episode": 1,
    "across_episodes": 1,
    "decisions": [
        {
            "decision": "merged",
            "clusters": [["ident_001", "ident_004"], ["ident_003"]],
            "similarity": 0.7,
            "required_similarity": 0.43,
            "rival_similarity": None,
            "cohesion": 1.0,
            "shared_shots": 0,
        },
        NAMED,
        {**NAMED, "decision": "seen_together", "reason": "seen_together", "seen_together_with": "ident_001"},
        {**NAMED, "decision": "corrected", "reason": "corrected", "correction": 2},
    ],
    "joins": [
        {
            "decision": "suggested",
            "track_id": "track-00007",
            "identity_id": "ident_002",
            "probability": 0.7,
            "similarity": 0.3,
            "expected_similarity": 0.25,
        }
    ],
    "doubts": [{"track_id": "track-00007", "identity_ids": {"ident_002": 0.7, "ident_001": 0.2}}],
    "corrections": [
        {
            "number": 2,
            "action": "name",
            "correction": 'name ident_004 "Zoë"',
            "status": "partly",
            "remarks": ["ident_004: 1 of 3 faces are in no identity now"],
        }
    ],
    "exempt": [["track-00001", "track-00002"]],
}
DOCUMENTS = [
    (Identities, CLUSTERS),
    (Identities, PEOPLE),
    (Grouping, GROUPING),
    (
        Grouping,
        {**GROUPING, "facebank": None, "decisions": [], "joins": [], "doubts": [], "corrections": [], "exempt": []},
    ),
    (TrackIds, {"track_ids": ["track-00001"]}),
]


@pytest.mark.parametrize(("kind", "content"), DOCUMENTS)
def test_a_document_is_written_again_as_it_was_read(kind: type[Document], content: dict[str, Any]) -> None:
    text = json.dumps(content, indent=2)
    assert json.dumps(kind.model_validate_json(text, strict=True).to_dict(), indent=2) == text


@pytest.mark.parametrize(("kind", "content"), DOCUMENTS)
def test_an_unknown_or_a_missing_key_is_refused(kind: type[Document], content: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="surplus"):
        kind.model_validate({**content, "surplus": 1})
    with pytest.raises(ValidationError, match=next(iter(content))):
        kind.model_validate(dict(list(content.items())[1:]))


def test_tracks_and_identities_are_found_by_each_other() -> None:
    document = Identities.model_validate(PEOPLE)
    assert document.tracks_of == {"ident_001": ("track-00001",), "ident_007": ("track-00002",)}
    assert document.identity_of["track-00002"] is document.identities[1]
    assert [identity.label for identity in document.identities] == ["Zoë", "ident_007"]
    assert document.settings == ClusteringSettings()


def test_ids_continue_after_a_publication_of_a_version_with_other_keys(tmp_path: Path) -> None:
    store = LocalArtifactStore(tmp_path)
    with store.staging("identities", "show-s01e01") as staged:
        staged.write_json("identities.json", {"last_identity_number": 7, "key_of_another_version": []})
        staged.write_table("identity_boxes", IDENTITY_BOXES.empty_table())
        store.publish(staged, fingerprint="", code_version="1", config={}, inputs={}, metrics={})
    artifact = store.open("identities", "show-s01e01")
    assert artifact is not None
    assert earlier_identities(artifact, "identities.json").last_number == 7


def test_a_previous_publication_that_cannot_be_read_is_a_warning_and_ids_start_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = LocalArtifactStore(tmp_path)
    with store.staging("identities", "show-s01e01") as staged:
        staged.write_json("identities.json", {"number_of_another_version": 7})
        staged.write_table("identity_boxes", IDENTITY_BOXES.empty_table())
        store.publish(staged, fingerprint="", code_version="1", config={}, inputs={}, metrics={})
    run = Run(SPEC, "show-s01e01", store, cast("Resources", None), getLogger(__name__))
    assert previous_identities(run, "identities.json") is None
    assert "ids that only the previous identities of show-s01e01 have start again" in caplog.text
    assert "last_identity_number: Field required" in caplog.text
