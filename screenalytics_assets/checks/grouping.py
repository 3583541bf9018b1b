"""Checks of the people of an episode, and of the corrections that a person has to review again."""

from collections.abc import Mapping, Sequence

from screenalytics_assets.checks.episode_check import Published, integrity_check, warning_check
from screenalytics_assets.checks.integrity import identity_breaches
from screenalytics_assets.core.quality import integrity as core


def _group_clusters(published: Published) -> Sequence[str]:
    """Each track is in one identity or unassigned; no person has two identities, or is in two places at once."""
    artifact = published["group_clusters"]
    person_ids = [identity["person_id"] for identity in artifact.json("identities.json")["identities"]]
    return [
        *identity_breaches(
            published,
            "group_clusters",
            "identities.json",
            tracks_of="split_tracks",
            faces_of="reembed",
            boxes_name="people_boxes",
            label="group_clusters",
            exempt=[(first, second) for first, second in artifact.json("grouping.json")["exempt"]],
        ),
        *core.unique_breaches("people", [person_id for person_id in person_ids if person_id is not None]),
    ]


def _corrections(published: Published) -> tuple[str | None, Mapping[str, float]]:
    outcomes = published["group_clusters"].json("grouping.json")["corrections"]
    doubtful = [outcome for outcome in outcomes if outcome["status"] != "applied"]
    said = [f"{entry['number']} ({entry['correction']}): {', '.join(entry['remarks'])}" for entry in doubtful]
    return "; ".join(said) or None, {"corrections": len(outcomes), "in_doubt": len(doubtful)}


GROUPING_CHECKS = [
    integrity_check("group_clusters", _group_clusters),
    warning_check(
        "group_clusters",
        "corrections_hold",
        "Every correction was applied as it was meant; those that were not are listed.",
        _corrections,
    ),
]
