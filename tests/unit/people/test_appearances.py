import pyarrow as pa

from screenalytics_assets.core.people.appearances import appearances
from tests.unit.document_builders import person_time, screen_time_with


def match(
    ep_id: str,
    track: int,
    start_s: float,
    end_s: float,
    similarity: float,
    who: str | None = None,
    name: str | None = None,
    of: int = 1,
) -> dict[str, object]:
    return {
        "ep_id": ep_id,
        "track_id": f"track-{track:05d}",
        "identity_id": who,
        "person_id": name and name.lower(),
        "name": name,
        "start_s": start_s,
        "end_s": end_s,
        "detection_id": f"det-{track:06d}",
        "similarity": similarity,
        "person_tracks": of,
    }


def test_tracks_become_merged_stretches_of_each_episode() -> None:
    found = appearances(
        pa.Table.from_pylist(
            [
                match("b-s01e02", 3, 5.0, 6.0, 0.5),
                match("a-s01e01", 1, 1.0, 3.0, 0.4),
                match("a-s01e01", 2, 2.0, 4.0, 0.6),
            ]
        ),
        {},
    )
    assert [appearance.ep_id for appearance in found] == ["a-s01e01", "b-s01e02"]
    first = found[0]
    assert first.intervals_s == [(1.0, 4.0)]
    assert (first.seconds, first.similarity) == (3.0, 0.6)
    assert first.best_faces == ["det-000002", "det-000001"]
    assert first.to_dict()["intervals"] == [[1.0, 4.0]]


def test_the_people_of_a_face_are_listed_by_name_or_identity_the_most_similar_first() -> None:
    rows = [
        match("a-s01e01", 1, 0, 1, 0.5, "ident_002"),
        match("a-s01e01", 2, 2, 3, 0.7, "ident_001", "Ann"),
        match("a-s01e01", 3, 4, 5, 0.9),
        match("a-s01e01", 4, 6, 7, 0.6, "ident_001", "Ann"),
    ]
    (found,) = appearances(pa.Table.from_pylist(rows), {})
    assert found.people == ["Ann", "ident_002"]
    assert found.to_dict()["people"] == ["Ann", "ident_002"]


def test_who_is_found_in_half_of_the_tracks_is_there_for_the_whole_screen_time_and_others_for_their_tracks() -> None:
    times = screen_time_with(
        person_time("ann", [(0.0, 3.3), (9.0, 12.5)], name="Ann", identity_ids=("ident_001", "ident_004"), tracks=4),
        person_time("ident_002", [(20.0, 30.0)], identity_ids=("ident_002",), tracks=3),
    )
    rows = [
        match("a-s01e01", 1, 0.1, 3.2, 0.7, "ident_001", "Ann", of=4),
        match("a-s01e01", 2, 9.1, 10.0, 0.7, "ident_004", "Ann", of=4),
        match("a-s01e01", 3, 21.0, 22.0, 0.4, "ident_002", of=3),
        match("a-s01e01", 4, 40.0, 41.0, 0.4),
    ]
    (found,) = appearances(pa.Table.from_pylist(rows), {"a-s01e01": times})
    assert found.intervals_s == [(0.0, 3.3), (9.0, 12.5), (21.0, 22.0), (40.0, 41.0)]
    (ann,) = appearances(pa.Table.from_pylist(rows[:2]), {"a-s01e01": times})
    assert ann.seconds == times.people[0].visual_s


def test_tracks_without_a_vector_do_not_count_against_the_half_that_must_be_found() -> None:
    times = screen_time_with(person_time("ann", [(0.0, 30.0)], name="Ann", identity_ids=("ident_001",), tracks=9))
    rows = [match("a-s01e01", 1, 0.1, 3.2, 0.7, "ident_001", "Ann", of=2)]
    (found,) = appearances(pa.Table.from_pylist(rows), {"a-s01e01": times})
    assert found.intervals_s == [(0.0, 30.0)]


def test_no_similar_track_means_no_appearance() -> None:
    assert appearances(pa.Table.from_pylist([match("a-s01e01", 1, 0, 1, 0.5)]).slice(1), {}) == []
