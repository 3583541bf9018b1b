"""Checks of the people of an episode, and of the corrections that need another review."""

from collections.abc import Mapping, Sequence

from screenalytics_assets.checks.episode_check import Published, integrity_check, warning_check
from screenalytics_assets.checks.integrity import identity_breaches
from screenalytics_assets.core.documents.grouping import Grouping
from screenalytics_assets.core.documents.identities import Identities
from screenalytics_assets.core.quality import integrity as core


def _group_clusters(published: Published) -> Sequence[str]:
    """Each track is in one identity or unassigned; no person has two identities, or is in two places at once."""
    artifact = published["group_clusters"]
    identities = artifact.document("identities.json", Identities).identities
    return [
        *identity_breaches(
            published,
            "group_clusters",
            "identities.json",
            tracks_of="split_tracks",
            faces_of="reembed",
            boxes_name="people_boxes",
            label="group_clusters",
            exempt=artifact.document("grouping.json", Grouping).exempt,
        ),
        *core.unique_breaches("people", [person.person_id for person in identities if person.person_id is not None]),
    ]


def _corrections(published: Published) -> tuple[str | None, Mapping[str, float]]:
    outcomes = published["group_clusters"].document("grouping.json", Grouping).corrections
    doubtful = [outcome for outcome in outcomes if outcome.is_doubtful]
    remarks = [f"{entry.number} ({entry.correction}): {', '.join(entry.remarks)}" for entry in doubtful]
    return "; ".join(remarks) or None, {"corrections": len(outcomes), "in_doubt": len(doubtful)}


GROUPING_CHECKS = [
    integrity_check("group_clusters", _group_clusters),
    warning_check(
        "group_clusters",
        "corrections_hold",
        "Every correction was applied as intended; the others are listed.",
        _corrections,
    ),
]
