"""Documents for tests: complete, with defaults for everything that a test does not state."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from screenalytics_assets.core.config.people_keys import ClusteringSettings
from screenalytics_assets.core.documents.identities import ClusterStats, Identities, Identity, UnassignedTrack
from screenalytics_assets.core.documents.screen_time import PersonTime, ScreenTime, ScreenTimeTotals


def identity_with(identity_id: str, track_ids: Iterable[str], **fields: Any) -> Identity:
    """An identity of a single face per track, neither an outlier nor of low cohesion unless stated."""
    tracks = tuple(track_ids)
    defaults: dict[str, Any] = {
        "outlier": False,
        "low_cohesion": False,
        "cohesion_score": 1.0,
        "min_identity_sim": 1.0,
        "num_faces": len(tracks),
        "representative_face_id": "face-00001",
    }
    return Identity(identity_id=identity_id, track_ids=tracks, **{**defaults, **fields})


def identities_with(
    *identities: Identity, unassigned: Mapping[str, str] | None = None, stats: ClusterStats | None = None
) -> Identities:
    """The identities of an episode; ``unassigned`` has the reason by track."""
    sizes = [len(identity.track_ids) for identity in identities]
    return Identities(
        ep_id="show-s01e02",
        config=ClusteringSettings().model_dump(mode="json"),
        stats=stats
        or ClusterStats(
            clusters=len(sizes),
            tracks=sum(sizes) + len(unassigned or {}),
            singleton_count=sizes.count(1),
            singleton_fraction=sizes.count(1) / max(1, len(sizes)),
            largest_cluster_size=max(sizes, default=0),
            largest_cluster_fraction=max(sizes, default=0) / max(1, sum(sizes)),
            outlier_count=0,
            low_cohesion_count=0,
            cannot_link_pairs=0,
            blocked_merges=0,
        ),
        last_identity_number=len(identities),
        identities=identities,
        unassigned=tuple(UnassignedTrack(track_id=name, reason=reason) for name, reason in (unassigned or {}).items()),
    )


def person_time(
    person_id: str, intervals: Iterable[Sequence[float]] = (), *, name: str | None = None, **fields: Any
) -> PersonTime:
    """A person who is on screen in these intervals."""
    spans = tuple((start_s, end_s) for start_s, end_s in intervals)
    visual_s = float(sum(end_s - start_s for start_s, end_s in spans))
    defaults: dict[str, Any] = {
        "identity_ids": ("ident_001",),
        "visual_s": visual_s,
        "least_s": visual_s,
        "most_s": visual_s,
        "share": 0.5,
        "first_s": spans[0][0] if spans else 0.0,
        "last_s": spans[-1][1] if spans else 0.0,
        "longest_s": max((end_s - start_s for start_s, end_s in spans), default=0.0),
        "tracks": 1,
        "faces": 1,
        "confidence": 1.0,
        "weak_link_s": 0.0,
        "bridged_s": 0.0,
    }
    return PersonTime(person_id=person_id, name=name, intervals=spans, **{**defaults, **fields})


def screen_time_with(*people: PersonTime, ep_id: str = "show-s01e02", duration_s: float = 60.0) -> ScreenTime:
    """The screen time of an episode in which people never overlap."""
    total_s = float(sum(person.visual_s for person in people))
    return ScreenTime(
        ep_id=ep_id,
        config={},
        duration_s=duration_s,
        people=people,
        totals=ScreenTimeTotals(union_s=total_s, sum_s=total_s, overlap_s=0.0, unassigned_s=0.0),
        together=(),
    )
