"""The best faces of tracks without an accepted one."""

import pyarrow as pa

from screenalytics_assets.core.common import schemas
from screenalytics_assets.core.config.people_keys import FacesSettings
from screenalytics_assets.core.embedding.poor_faces import select_poor_faces
from tests.unit.builders import Seen, detections_table, faces_table, track_id, tracks_table

TURNED = 80.0


def chosen(
    seen: list[list[Seen]], *, accepted: list[int] | None = None, limit: int = 4, episode_limit: int = 1000
) -> list[tuple[str, int]]:
    """Track and frame of each poor face; ``accepted`` tracks have a face already."""
    detections = detections_table([face for track in seen for face in track])
    poor = select_poor_faces(
        tracks_table(seen),
        faces_table(accepted or [], [0.8] * len(accepted or [])),
        detections,
        pa.chunked_array([detections["detection_id"].combine_chunks()]),
        FacesSettings(max_crops_per_track=limit, max_crops_per_episode=episode_limit),
        min_confidence=0.5,
        model_digest="digest",
    )
    assert poor.schema.equals(schemas.FACES)
    return list(zip(poor["track_id"].to_pylist(), poor["frame_idx"].to_pylist(), strict=True))


def test_the_best_faces_of_a_track_without_an_accepted_one_are_taken() -> None:
    seen = [[Seen(i, yaw=TURNED, quality_score=0.3 + 0.1 * i) for i in range(4)]]
    assert chosen(seen, limit=2) == [(track_id(0), 2), (track_id(0), 3)]


def test_small_faces_and_faces_turned_away_are_taken() -> None:
    assert len(chosen([[Seen(0, yaw=TURNED), Seen(1, face_px=12.0), Seen(2, pitch=-70.0)]])) == 3


def test_tracks_with_an_accepted_face_have_no_poor_ones() -> None:
    seen = [[Seen(0, yaw=TURNED)], [Seen(0, yaw=TURNED, bbox=(0.7, 0.4, 0.8, 0.6))]]
    assert chosen(seen, accepted=[0]) == [(track_id(1), 0)]


def test_blurred_doubtful_and_cut_off_faces_are_not_taken() -> None:
    assert chosen([[Seen(0, sharpness=2.0), Seen(1, confidence=0.3), Seen(2, inside_fraction=0.1)]]) == []


def test_without_tracks_there_are_none() -> None:
    assert chosen([]) == []


def test_accepted_and_poor_faces_together_are_no_more_than_the_limit_of_the_episode() -> None:
    seen = [
        [Seen(i, yaw=TURNED, bbox=(0.1 * track, 0.1, 0.1 * track + 0.05, 0.2)) for i in range(3)] for track in range(5)
    ]
    assert len(chosen(seen, episode_limit=6)) == 6
    assert len(chosen(seen, accepted=[0], episode_limit=5)) == 4
