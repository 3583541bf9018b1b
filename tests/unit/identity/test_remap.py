from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa

from screenalytics_assets.core.common.arrow import table_of
from screenalytics_assets.core.common.schemas import CROPS_DEBUG
from screenalytics_assets.core.config.people_keys import ClusteringSettings
from screenalytics_assets.core.documents.identities import ClusterStats, Identities, Identity, UnassignedTrack
from screenalytics_assets.core.identity.cannot_link import TrackPair
from screenalytics_assets.core.identity.episode_tracks import EpisodeTracks
from screenalytics_assets.core.identity.identities import NO_ACCEPTED_FACE, identify
from screenalytics_assets.core.identity.remap import (
    SEEN_TOGETHER,
    origins,
    remap_faces,
    remap_identities,
    remap_rejected,
)
from screenalytics_assets.core.quality.integrity import partition_breaches, rank_breaches
from tests.unit.builders import EP_ID, LANDMARKS, Seen, faces_table, people, track_id, tracks_table
from tests.unit.identity.test_identities import THRESHOLDS

SEEN = [Seen(3 * k) for k in range(12)]


def tracks_of(sizes: Sequence[int]) -> pa.Table:
    """The same twelve detections in tracks of these sizes."""
    ends = np.cumsum([0, *sizes])
    return tracks_table([SEEN[a:b] for a, b in pairwise(ends)])


def faces_of(sizes: Sequence[int], *, quality: Sequence[float] = (0.8,) * 12) -> pa.Table:
    """A face of each of the twelve detections."""
    return faces_table(np.repeat(np.arange(len(sizes)), sizes).tolist(), quality)


def remapped(
    before: Sequence[int],
    after: Sequence[int],
    groups: Sequence[Sequence[int]],
    *,
    cannot_link: Sequence[TrackPair] = (),
    same_face: Sequence[TrackPair] = (),
    vectorless: Sequence[str] = (),
    unassigned: Sequence[int] = (),
) -> Identities:
    """An identities document with these groups of tracks, remapped to other tracks."""
    document = Identities(
        ep_id=EP_ID,
        config=ClusteringSettings().model_dump(),
        stats=ClusterStats.model_validate(dict.fromkeys(list(ClusterStats.model_fields)[:-1], 0)),
        last_identity_number=7,
        identities=tuple(
            Identity(
                identity_id=f"ident_{i + 1:03d}",
                track_ids=tuple(track_id(t) for t in group),
                outlier=False,
                low_cohesion=False,
                cohesion_score=1.0,
                min_identity_sim=1.0,
                num_faces=1,
                representative_face_id="face-00001",
            )
            for i, group in enumerate(groups)
        ),
        unassigned=tuple(UnassignedTrack(track_id=track_id(t), reason="small_cluster") for t in unassigned),
    )
    names = [track_id(i) for i in range(len(after)) if track_id(i) not in vectorless]
    return remap_identities(
        document,
        tracks_of(before),
        EpisodeTracks(tracks_of(after), faces_of(after), names, people([1] * len(names))),
        cannot_link=cannot_link,
        same_face=same_face,
        min_cohesion=0.5,
    )


def owners(document: Identities) -> dict[str, str]:
    return {track: identity.identity_id for track, identity in document.identity_of.items()}


def test_origins_count_the_detections_of_each_earlier_track_the_first_first() -> None:
    found = origins(tracks_of([4, 8]), tracks_of([6, 6]))
    assert found == {track_id(0): Counter({track_id(0): 4, track_id(1): 2}), track_id(1): Counter({track_id(1): 6})}


def test_faces_go_with_their_detections_and_are_ranked_again() -> None:
    quality = [0.9, 0.5, 0.7, 0.8, 0.6, 0.95, 0.4, 0.3, 0.2, 0.1, 0.15, 0.05]
    faces = remap_faces(faces_of([12], quality=quality), tracks_of([3, 9]))
    assert faces["track_id"].to_pylist() == [track_id(0)] * 3 + [track_id(1)] * 9
    assert faces["quality_rank"].to_pylist()[:6] == [1, 3, 2, 2, 3, 1]
    assert rank_breaches(faces) == []
    assert faces["face_id"].equals(faces_of([12])["face_id"])


def test_rejected_candidates_go_with_their_detections_too_and_refused_boxes_stay_in_no_track() -> None:
    rejected = table_of(
        CROPS_DEBUG,
        {name: [None, None] for name in CROPS_DEBUG.names}
        | {
            "ep_id": [EP_ID] * 2,
            "track_id": [track_id(0), None],
            "detection_id": ["det-000012", None],
            "frame_idx": [33, 3],
            "ts_s": [1.0, 0.1],
            "bbox": [LANDMARKS[0] * 2] * 2,
            "status": ["rejected"] * 2,
            "reason": ["blurry", "degenerate_box"],
        },
    )
    assert remap_rejected(rejected, tracks_of([3, 9]))["track_id"].to_pylist() == [track_id(1), None]


def test_faces_of_tracks_that_did_not_change_stay_as_they_are() -> None:
    faces = faces_table([0, 0, 1], [0.9, 0.8, 0.7], ranks=[1, 2, 1])
    assert remap_faces(faces, tracks_table([SEEN[:2], SEEN[2:3]])).equals(faces)


def test_both_parts_of_a_track_stay_with_its_identity() -> None:
    document = remapped([6, 6], [3, 3, 6], [[0], [1]])
    assert owners(document) == {track_id(0): "ident_001", track_id(1): "ident_001", track_id(2): "ident_002"}
    assert (document.stats.clusters, document.stats.tracks) == (2, 3)
    assert document.last_identity_number == 7
    assert [identity.num_faces for identity in document.identities] == [6, 6]


def test_a_joined_track_goes_where_most_of_its_detections_were_and_of_equals_where_it_begins() -> None:
    assert owners(remapped([4, 8], [12], [[0], [1]])) == {track_id(0): "ident_002"}
    assert owners(remapped([6, 6], [12], [[1], [0]])) == {track_id(0): "ident_002"}


def test_tracks_that_cannot_be_linked_are_not_put_into_one_identity() -> None:
    document = remapped([6, 6], [2, 4, 6], [[0], [1]], cannot_link=[(track_id(0), track_id(1))])
    assert owners(document) == {track_id(1): "ident_001", track_id(2): "ident_002"}
    assert document.unassigned == (UnassignedTrack(track_id=track_id(0), reason=SEEN_TOGETHER),)


def test_tracks_without_a_face_and_unassigned_tracks_are_listed_with_the_reason() -> None:
    document = remapped([6, 6], [3, 3, 6], [[0]], vectorless=[track_id(0)], unassigned=[1])
    assert document.unassigned == (
        UnassignedTrack(track_id=track_id(0), reason=NO_ACCEPTED_FACE),
        UnassignedTrack(track_id=track_id(2), reason="small_cluster"),
    )
    assert partition_breaches("x", [track_id(i) for i in range(3)], owners(document), [track_id(0), track_id(2)]) == []


def test_identities_of_tracks_that_did_not_change_stay_the_same() -> None:
    sizes = [3, 3, 3, 3]
    tracks = EpisodeTracks(tracks_of(sizes), faces_of(sizes), [track_id(i) for i in range(4)], people([2, 2]))
    document = identify(EP_ID, tracks, ClusteringSettings(), THRESHOLDS)
    found = remap_identities(document, tracks.table, tracks, cannot_link=[], min_cohesion=THRESHOLDS.min_cohesion)
    assert found == document


def test_the_pairs_that_show_one_face_twice_are_those_of_the_tracks_of_today() -> None:
    pair = (track_id(0), track_id(1))
    again = remapped([6, 6], [6, 6], [[0, 1]], same_face=[pair])
    assert again.same_face == (pair,)
    assert "same_face" not in remapped([6, 6], [6, 6], [[0, 1]]).to_dict()
