from collections.abc import Sequence

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from screenalytics_assets.core.common import schemas
from screenalytics_assets.core.config.people_keys import FacesSettings
from screenalytics_assets.core.embedding.face_selection import VOLUME_CAP, Selection, select_faces
from screenalytics_assets.core.embedding.quality_filter import StricterLimits
from tests.unit.builders import EP_ID, Seen, detections_table, tracks_table


def select(
    tracks: Sequence[Sequence[Seen]],
    *,
    without_crop: Sequence[str] = (),
    embedded: Sequence[str] = (),
    stricter: StricterLimits | None = None,
    **keys: object,
) -> Selection:
    detections = detections_table([face for track in tracks for face in track])
    crops = [i for i in detections["detection_id"].to_pylist() if i not in without_crop]
    return select_faces(
        tracks_table(tracks),
        detections,
        pa.chunked_array([pa.array(crops, pa.string())]),
        FacesSettings.model_validate(keys),
        min_confidence=0.5,
        model_digest="digest of the embedder",
        embedded=embedded,
        stricter=stricter,
    )


GOOD_TRACK = [Seen(frame, quality_score=0.5 + frame / 1000) for frame in range(0, 90, 3)]


def test_tables_are_in_the_declared_schemas() -> None:
    selection = select([GOOD_TRACK, [Seen(0, face_px=5)]])
    assert selection.faces.schema.equals(schemas.FACES)
    assert selection.rejected.schema.equals(schemas.CROPS_DEBUG)


def test_a_face_has_the_columns_of_its_detection_and_track() -> None:
    face = select([[Seen(frame_idx=42, quality_score=0.7)]]).faces.to_pylist()[0]
    assert face["ep_id"] == EP_ID
    assert (face["face_id"], face["track_id"], face["detection_id"]) == ("face-00001", "track-00001", "det-000001")
    assert (face["frame_idx"], face["ts_s"]) == (42, 1.75)
    assert round(face["quality_score"], 4) == 0.7
    assert face["quality_rank"] == 1
    assert face["crop_path"] == f"frames/{EP_ID}/crops/track-00001/frame_000042.jpg"
    assert face["model_digest"] == "digest of the embedder"


def test_without_crop_files_there_are_no_crop_paths() -> None:
    assert select([GOOD_TRACK], save_crops=False).faces["crop_path"].null_count == 16


def test_a_track_has_at_most_max_crops_per_track_faces() -> None:
    selection = select([GOOD_TRACK, GOOD_TRACK[:4]], max_crops_per_track=7)
    assert selection.faces["track_id"].to_pylist() == ["track-00001"] * 7 + ["track-00002"] * 4
    assert selection.rejected.num_rows == 0


def test_the_sampling_strategy_is_the_one_that_is_configured() -> None:
    best_last = select([GOOD_TRACK], sampling_strategy="quality_weighted", max_crops_per_track=2).faces
    ends = select([GOOD_TRACK], sampling_strategy="uniform", max_crops_per_track=2).faces
    assert best_last["frame_idx"].to_pylist() == [84, 87]
    assert ends["frame_idx"].to_pylist() == [0, 87]


def test_poor_faces_are_rejected_with_the_reason_and_the_measures() -> None:
    selection = select([[Seen(0, face_px=20, yaw=None), Seen(3), Seen(6, confidence=0.25)]])
    assert selection.faces["detection_id"].to_pylist() == ["det-000002"]
    small, unsure = selection.rejected.to_pylist()
    assert (small["detection_id"], small["reason"], small["face_px"]) == ("det-000001", "too_small", 20)
    assert (unsure["detection_id"], unsure["reason"], unsure["confidence"]) == ("det-000003", "low_confidence", 0.25)
    assert small["yaw"] is None
    assert small["track_id"] == "track-00001"
    assert {row["status"] for row in (small, unsure)} == {"rejected"}


def test_faces_below_the_least_confidence_are_rejected() -> None:
    assert select([[Seen(0, confidence=0.49)]]).faces.num_rows == 0
    assert select([[Seen(0, confidence=0.51)]]).faces.num_rows == 1


def test_a_detection_without_a_stored_crop_is_blank() -> None:
    selection = select([[Seen(0), Seen(3)]], without_crop=["det-000001"])
    assert selection.rejected["reason"].to_pylist() == ["blank"]
    assert selection.faces["detection_id"].to_pylist() == ["det-000002"]


def test_poor_faces_are_never_sampled() -> None:
    track = [Seen(frame, face_px=120 if frame % 6 else 5) for frame in range(0, 60, 3)]
    faces = select([track], max_crops_per_track=10).faces
    assert faces["frame_idx"].to_pylist() == list(range(3, 60, 6))


def test_faces_are_chosen_from_embedded_ones_where_a_track_has_good_ones() -> None:
    tracks = [GOOD_TRACK, [Seen(0, sharpness=1), Seen(3), Seen(6)], GOOD_TRACK[:2]]
    embedded = ["det-000002", "det-000009", "det-000031", "det-000099"]
    faces = select(tracks, embedded=embedded).faces
    assert faces["detection_id"].to_pylist() == [
        *("det-000002", "det-000009"),
        *("det-000032", "det-000033"),
        *("det-000034", "det-000035"),
    ]
    assert select(tracks, embedded=embedded, max_crops_per_track=1).faces["detection_id"].to_pylist() == [
        *("det-000009", "det-000032", "det-000035")
    ]


def test_faces_that_are_not_chosen_because_others_are_embedded_are_not_rejected() -> None:
    selection = select([GOOD_TRACK], embedded=["det-000002"])
    assert (selection.faces.num_rows, selection.rejected.num_rows) == (1, 0)
    stricter = StricterLimits(min_quality_score=0.53, max_yaw_angle=60, min_faces=1)
    selection = select([GOOD_TRACK], embedded=["det-000002", "det-000009", "det-000030"], stricter=stricter)
    assert selection.faces["detection_id"].to_pylist() == ["det-000030"]
    assert selection.rejected["detection_id"].to_pylist() == ["det-000002", "det-000009"]


def test_the_limit_of_the_episode_rejects_the_worst_as_volume_cap() -> None:
    tracks = [[Seen(0, quality_score=0.9), Seen(3, quality_score=0.8)], [Seen(0, quality_score=0.5)]]
    selection = select(tracks, max_crops_per_episode=2)
    assert selection.faces["detection_id"].to_pylist() == ["det-000001", "det-000003"]
    assert selection.rejected["detection_id"].to_pylist() == ["det-000002"]
    assert selection.rejected["reason"].to_pylist() == [VOLUME_CAP]


def test_ranks_count_the_kept_faces_of_a_track() -> None:
    faces = select([GOOD_TRACK, GOOD_TRACK[:2]], sampling_strategy="quality_weighted", max_crops_per_track=3).faces
    assert faces["quality_rank"].to_pylist() == [3, 2, 1, 2, 1]


def test_a_track_without_good_faces_has_no_face_and_each_detection_a_reason() -> None:
    selection = select([[Seen(0, sharpness=1), Seen(3, yaw=80)], [Seen(9)]])
    assert selection.faces["track_id"].to_pylist() == ["track-00002"]
    assert selection.rejected["reason"].to_pylist() == ["blurry", "pose_yaw"]


def test_no_tracks_give_no_faces() -> None:
    selection = select([])
    assert selection.faces.num_rows == selection.rejected.num_rows == 0
    assert selection.faces.schema.equals(schemas.FACES)


def test_detections_in_no_track_are_neither_faces_nor_rejected() -> None:
    selection = select_faces(
        tracks_table([[Seen(0)]]),
        detections_table([Seen(0), Seen(0, (0.7, 0.1, 0.8, 0.3))]),
        pa.chunked_array([["det-000001", "det-000002"]]),
        FacesSettings(),
        min_confidence=0.5,
        model_digest="digest",
    )
    assert selection.faces["detection_id"].to_pylist() == ["det-000001"]
    assert selection.rejected.num_rows == 0


@given(st.lists(st.lists(st.sampled_from([0.1, 0.5, 0.7, 0.9]), min_size=1, max_size=12), max_size=5), st.data())
@settings(max_examples=50)
def test_a_detection_is_never_both_a_face_and_rejected_and_every_poor_one_is_rejected(
    qualities: list[list[float]], data: st.DataObject
) -> None:
    tracks = [[Seen(3 * i, quality_score=quality) for i, quality in enumerate(track)] for track in qualities]
    per_track, per_episode = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 20))
    selection = select(
        tracks,
        sampling_strategy="quality_weighted",
        max_crops_per_track=per_track,
        max_crops_per_episode=per_episode,
    )
    embedded = set(selection.faces["detection_id"].to_pylist())
    rejected = dict(zip(*(selection.rejected[name].to_pylist() for name in ("detection_id", "reason")), strict=True))
    assert not embedded & set(rejected)
    detections = [face for track in tracks for face in track]
    poor = {f"det-{i + 1:06d}" for i, face in enumerate(detections) if face.quality_score < 0.35}
    assert {i for i, reason in rejected.items() if reason == "low_quality"} == poor
    sampled = sum(min(per_track, sum(quality >= 0.35 for quality in track)) for track in qualities)
    assert len(embedded) == min(sampled, per_episode)
    assert list(rejected.values()).count(VOLUME_CAP) == sampled - len(embedded)
