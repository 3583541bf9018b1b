"""Clusters made into people: corrections carried out, related clusters merged, names given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from screenalytics_assets.core.common.arrow import column_of
from screenalytics_assets.core.config.people_keys import ClusteringSettings
from screenalytics_assets.core.config.thresholds import Thresholds
from screenalytics_assets.core.identity.cannot_link import TrackPair
from screenalytics_assets.core.identity.clustering import cluster_of
from screenalytics_assets.core.identity.identities import apart, cluster_stats, faces_of_tracks, identity_entry
from screenalytics_assets.core.identity.stable_ids import Publication, stable_ids
from screenalytics_assets.core.people.apply_corrections import Group, Replay, tell_namesakes
from screenalytics_assets.core.people.cluster_merging import Clusters, related_clusters
from screenalytics_assets.core.people.corrections import Corrections, TrackPlaces
from screenalytics_assets.core.people.naming import NameLimits, PersonSimilarities, Verdict, judge, one_person_each

IGNORED = "ignored"
"""Reason of a track that a correction says is nobody."""


@dataclass(frozen=True)
class Facebank:
    """What is known of the people of the show.

    Attributes:
        similarities: track_id, person_id, photo_id, similarity.
        names: What a person is called, by id.
        version: Changes whenever a photo, a name or a vector does.
    """

    similarities: pa.Table
    names: Mapping[str, str]
    version: str


@dataclass(frozen=True)
class Tracks:
    """The tracks of an episode.

    Attributes:
        table: Rows of the tracks table.
        faces: Rows of the faces table.
        track_ids: The tracks that have a vector.
        vectors: (T, 512) float32, unit rows, one for each of them.
    """

    table: pa.Table
    faces: pa.Table
    track_ids: Sequence[str]
    vectors: NDArray[np.float32]


class Grouped(NamedTuple):
    """The two documents of `group_clusters`."""

    identities: dict[str, Any]
    grouping: dict[str, Any]


def group_clusters(
    clusters: Mapping[str, Any],
    tracks: Tracks,
    facebank: Facebank | None,
    corrections: Corrections,
    settings: ClusteringSettings,
    thresholds: Thresholds,
    *,
    automatic: bool = True,
    earlier: Publication | None = None,
) -> Grouped:
    """Say who the clusters of an episode are.

    First what people corrected, so that nothing that follows can contradict it; then clusters that are related
    within the episode; then names by the facebank; then clusters with one name become one identity.

    Args:
        clusters: The document of the clustering, in the form of identities.json.
        tracks: The tracks that it is about.
        facebank: None where the show has none.
        corrections: In their order.
        settings: Constraints and flags of the clustering.
        thresholds: Similarities of the embedder.
        automatic: Merge and name; otherwise only what people corrected is done.
        earlier: What was published before, so that ids stay.

    Returns:
        identities.json and grouping.json.
    """
    return _Grouping(clusters, tracks, facebank, settings, thresholds).run(corrections, automatic, earlier)


class _Grouping:
    def __init__(
        self,
        clusters: Mapping[str, Any],
        tracks: Tracks,
        facebank: Facebank | None,
        settings: ClusteringSettings,
        thresholds: Thresholds,
    ) -> None:
        self._clusters = clusters
        self._tracks = tracks
        self._facebank = facebank
        self._names = facebank.names if facebank else {}
        self._similarities = PersonSimilarities(facebank.similarities) if facebank else None
        self._limits = NameLimits(thresholds.name_similarity, thresholds.tight_thresh, thresholds.name_margin)
        self._flag_below = thresholds.min_cohesion if settings.outlier_handling.mark_low_cohesion else -1.0
        self._row_of = {track_id: row for row, track_id in enumerate(tracks.track_ids)}
        self._pairs = apart(tracks.table, settings)
        self._faces_of = faces_of_tracks(tracks.faces)
        self._shots = dict(
            zip(tracks.table["track_id"].to_pylist(), column_of(tracks.table, "shot_idx").tolist(), strict=True)
        )
        self._decisions: list[dict[str, Any]] = []

    def run(self, corrections: Corrections, automatic: bool, earlier: Publication | None) -> Grouped:
        """Everything in its order."""
        vectors = {track_id: self._tracks.vectors[row] for track_id, row in self._row_of.items()}
        replay = Replay(self._groups(), TrackPlaces(self._tracks.table), vectors)
        replay.run(corrections.corrections)
        ignored = [group for group in replay.groups if group.ignored is not None]
        groups = [group for group in replay.groups if group.ignored is None]
        pairs = [*self._pairs, *replay.apart]
        merges = 0
        if automatic:
            before = len(groups)
            groups = self._merge_related(groups, pairs)
            merges = before - len(groups)
        verdicts = {i: self._verdict(group, automatic) for i, group in enumerate(groups)}
        fixed = [i for i, group in enumerate(groups) if group.given]
        apart_groups = _apart_matrix(groups, pairs)
        tell_namesakes(groups, apart_groups, replay.outcomes)
        verdicts, refused = one_person_each(verdicts, apart_groups, fixed)
        people = self._people(groups, verdicts)
        document, id_of = self._document(people, groups, verdicts, ignored, earlier)
        for i, group in enumerate(groups):
            entry = {
                "decision": verdicts[i].reason,
                "clusters": group.clusters,
                "identity_id": id_of.get(i),
                **verdicts[i].figures(),
            }
            if i in refused:
                entry["seen_together_with"] = id_of.get(refused[i])
            if group.given:
                entry["correction"] = group.given.number
            self._decisions.append(entry)
        named = [v for v in verdicts.values() if v.reason == "named"]
        grouping = {
            "ep_id": self._clusters["ep_id"],
            "facebank": {"version": self._facebank.version, "people": sorted(self._names)} if self._facebank else None,
            "limits": {key: float(value) for key, value in self._limits._asdict().items()},
            "centroids": len(self._clusters["identities"]),
            "within_episode": merges,
            "across_episodes": len(named),
            "decisions": self._decisions,
            "corrections": [outcome.to_dict() for outcome in replay.outcomes],
            # Seen together, and yet one person: the word of people.
            "exempt": sorted(list(pair) for pair in _inside([self._members(p, groups) for p in people], self._pairs)),
        }
        return Grouped(document, grouping)

    def _groups(self) -> list[Group]:
        found = [
            Group(
                [identity["identity_id"]],
                list(identity["track_ids"]),
                doubtful=identity["outlier"] or identity["low_cohesion"],
            )
            for identity in self._clusters["identities"]
        ]
        loose = [entry["track_id"] for entry in self._clusters["unassigned"] if entry["track_id"] in self._row_of]
        return found + [Group([], [track_id], doubtful=True, assigned=False) for track_id in loose]

    def _verdict(self, group: Group, automatic: bool) -> Verdict:
        verdict = judge(
            self._similarities if automatic else None,
            group.tracks,
            {track: sum(-quality for quality, _ in self._faces_of[track]) for track in group.tracks},
            {track: len(self._faces_of[track]) for track in group.tracks},
            self._limits,
            strict=group.doubtful,
            excluded=group.not_people,
        )
        return replace(verdict, person_id=group.given.person_id, reason="corrected") if group.given else verdict

    def _merge_related(self, groups: Sequence[Group], pairs: Sequence[TrackPair]) -> list[Group]:
        """Groups with those that are related made one; a track that was left unassigned takes no part."""
        candidates = [group for group in groups if group.assigned or group.given]
        verdicts = [self._verdict(group, automatic=True) for group in candidates]
        forbidden = _apart_matrix(candidates, pairs) | _two_people(candidates, verdicts)
        merges = related_clusters(
            Clusters(
                means=np.array([self._vectors(group).mean(0) for group in candidates]).reshape(
                    -1, self._tracks.vectors.shape[1]
                ),
                tracks=np.array([len(group.tracks) for group in candidates], np.int64),
                faces=np.array([sum(len(self._faces_of[t]) for t in g.tracks) for g in candidates], np.int64),
                doubtful=np.array([group.doubtful for group in candidates], bool),
                apart=forbidden,
            ),
            self._limits,
        )
        for merge in merges:
            kept, gone = candidates[merge.kept], candidates[merge.gone]
            shots = {self._shots[t] for t in kept.tracks} & {self._shots[t] for t in gone.tracks}
            self._decisions.append(
                {
                    "decision": "merged",
                    "clusters": [list(kept.clusters), list(gone.clusters)],
                    **merge.figures(),
                    "shared_shots": len(shots),
                }
            )
            kept.clusters += gone.clusters
            kept.tracks += gone.tracks
            kept.doubtful &= gone.doubtful
            kept.given = kept.given or gone.given
            kept.not_people |= gone.not_people
            gone.tracks = []
        return [group for group in groups if group.tracks]

    def _people(self, groups: Sequence[Group], verdicts: Mapping[int, Verdict]) -> list[list[int]]:
        """Numbers of the groups of each identity, in the order in which the identities are first seen."""
        found: dict[str, list[int]] = {}
        for i, group in enumerate(groups):
            person_id = verdicts[i].person_id
            if person_id is not None or group.assigned:
                found.setdefault(f"person {person_id}" if person_id is not None else f"group {i}", []).append(i)
        return sorted(found.values(), key=lambda person: min(self._members(person, groups)))

    def _members(self, person: Sequence[int], groups: Sequence[Group]) -> list[str]:
        return sorted(track for i in person for track in groups[i].tracks)

    def _document(
        self,
        people: Sequence[Sequence[int]],
        groups: Sequence[Group],
        verdicts: Mapping[int, Verdict],
        ignored: Sequence[Group],
        earlier: Publication | None,
    ) -> tuple[dict[str, Any], dict[int, str]]:
        members = [self._members(person, groups) for person in people]
        ids, last_number = stable_ids(members, self._tracks.table, earlier)
        outliers = {i["track_ids"][0]: i["reason"] for i in self._clusters["identities"] if i["outlier"]}
        entries = []
        for identity_id, person, track_ids in zip(ids, people, members, strict=True):
            known = verdicts[person[0]].person_id is not None
            reason = outliers.get(track_ids[0]) if len(track_ids) == 1 and not known else None
            cluster = cluster_of(self._tracks.vectors, np.array([self._row_of[t] for t in track_ids], np.int64))
            entry = identity_entry(
                identity_id,
                cluster._replace(reason=reason),
                self._tracks.track_ids,
                self._faces_of,
                flag_below=self._flag_below,
            )
            entries.append(entry | self._named(person, groups, verdicts))
        adopted = {track for track_ids in members for track in track_ids}
        dropped = {track for group in ignored for track in group.tracks}
        unassigned = [e for e in self._clusters["unassigned"] if e["track_id"] not in adopted | dropped]
        unassigned += [{"track_id": track, "reason": IGNORED} for track in dropped]
        stats = cluster_stats(
            entries, tracks=self._tracks.table.num_rows, outliers=sum(entry["outlier"] for entry in entries)
        )
        document = {
            **self._clusters,
            "stats": {**self._clusters["stats"], **stats, "named": sum(e["person_id"] is not None for e in entries)},
            "last_identity_number": last_number,
            "identities": entries,
            "unassigned": sorted(unassigned, key=lambda entry: str(entry["track_id"])),
        }
        return document, {i: name for name, person in zip(ids, people, strict=True) for i in person}

    def _named(self, person: Sequence[int], groups: Sequence[Group], verdicts: Mapping[int, Verdict]) -> dict[str, Any]:
        """The fields of an identity that say who it is: from all its tracks, whichever of them decided."""
        person_id = verdicts[person[0]].person_id
        given = [group.given for group in (groups[i] for i in person) if group.given]
        if person_id is None:
            return {"person_id": None, "name": None, "name_similarity": None, "name_margin": None, "named_by": None}
        track_ids = self._members(person, groups)
        similarity = margin = None
        if self._similarities and person_id in self._similarities.people:
            weights = [sum(-quality for quality, _ in self._faces_of[track]) for track in track_ids]
            found = dict(zip(self._similarities.people, self._similarities.of(track_ids, weights), strict=True))
            own = found.pop(person_id)
            similarity = round(float(own), 4)
            margin = round(float(own - max(found.values())), 4) if found else None
        return {
            "person_id": person_id,
            "name": given[-1].name if given else self._names.get(person_id, person_id),
            "name_similarity": similarity,
            "name_margin": margin,
            "named_by": "correction" if given else "facebank",
        }

    def _vectors(self, group: Group) -> NDArray[np.float64]:
        return self._tracks.vectors[[self._row_of[track] for track in group.tracks]].astype(np.float64)


def _apart_matrix(groups: Sequence[Group], pairs: Sequence[TrackPair]) -> NDArray[np.bool_]:
    group_of = {track: i for i, group in enumerate(groups) for track in group.tracks}
    matrix = np.zeros((len(groups), len(groups)), bool)
    for a, b in pairs:
        first, second = group_of.get(a), group_of.get(b)
        if first is not None and second is not None and first != second:
            matrix[first, second] = matrix[second, first] = True
    return matrix


def _two_people(groups: Sequence[Group], verdicts: Sequence[Verdict]) -> NDArray[np.bool_]:
    """(N, N) groups that have two names, or of which one is by a correction not who the other is."""
    names = np.array([verdict.person_id or "" for verdict in verdicts], object)
    known = names != ""
    matrix = known[:, None] & known[None, :] & (names[:, None] != names[None, :])
    for i, group in enumerate(groups):
        denied = np.isin(names, list(group.not_people))
        matrix[i, denied] = matrix[denied, i] = True
    np.fill_diagonal(matrix, False)
    return matrix


def _inside(members: Sequence[Sequence[str]], pairs: Sequence[TrackPair]) -> list[TrackPair]:
    """The pairs of which both tracks are in one identity."""
    identity_of = {track: i for i, track_ids in enumerate(members) for track in track_ids}
    return [(a, b) for a, b in pairs if a in identity_of and identity_of[a] == identity_of.get(b)]
