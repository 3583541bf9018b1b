import pyarrow as pa

from screenalytics_assets.core.find import appearances


def match(ep_id: str, track: int, start_s: float, end_s: float, similarity: float) -> dict[str, object]:
    return {
        "ep_id": ep_id,
        "track_id": f"track-{track:05d}",
        "identity_id": None,
        "start_s": start_s,
        "end_s": end_s,
        "detection_id": f"det-{track:06d}",
        "similarity": similarity,
    }


def test_tracks_become_merged_stretches_of_each_episode() -> None:
    found = appearances(
        pa.Table.from_pylist(
            [
                match("b-s01e02", 3, 5.0, 6.0, 0.5),
                match("a-s01e01", 1, 1.0, 3.0, 0.4),
                match("a-s01e01", 2, 2.0, 4.0, 0.6),
            ]
        )
    )
    assert [appearance.ep_id for appearance in found] == ["a-s01e01", "b-s01e02"]
    first = found[0]
    assert first.intervals_s == [(1.0, 4.0)]
    assert (first.seconds, first.similarity) == (3.0, 0.6)
    assert first.best_faces == ["det-000002", "det-000001"]
    assert first.to_dict()["intervals"] == [[1.0, 4.0]]


def test_nothing_that_resembles_the_face_is_no_appearance() -> None:
    assert appearances(pa.Table.from_pylist([match("a-s01e01", 1, 0, 1, 0.5)]).slice(1)) == []
