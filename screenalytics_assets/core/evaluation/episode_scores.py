"""How well an episode's faces, tracks and identities agree with a truth file."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sklearn.metrics import normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix

from screenalytics_assets.core.common.arrow import column_of
from screenalytics_assets.core.common.errors import ArtifactError, TruthError
from screenalytics_assets.core.common.intervals import Intervals, intervals_of
from screenalytics_assets.core.evaluation.matched_detections import MatchedDetections
from screenalytics_assets.core.evaluation.truth import Truth
from screenalytics_assets.core.evaluation.truth_matching import FALSE, IGNORED, MIN_VISIBLE, match_to_truth

CUT_TOLERANCE_FRAMES = 1


@dataclass(frozen=True)
class PersonScore:
    """How one person fared.

    Attributes:
        person: The name in the truth.
        presence_s: Seconds of the whole episode in which at least 0.6 of the face is in view.
        found: Share of the person's faces on analysed frames that were detected, 0 to 1.
        identity_ids: The identities that hold at least one of these faces, in alphabetical order.
        identity_id: The one that stands for the person, as `score_screen_time` assigns them; None without one.
        predicted_s: Seconds of that identity.
        screen_time_error: |predicted_s - presence_s| / presence_s.
        character_precision: Share of the identity's seconds that show the person, 0 without an identity.
        character_recall: Share of the person's seconds that the identity shows.
    """

    person: str
    presence_s: float
    found: float
    identity_ids: tuple[str, ...]
    identity_id: str | None
    predicted_s: float
    screen_time_error: float
    character_precision: float
    character_recall: float


@dataclass(frozen=True)
class EpisodeScores:
    """Scores of one episode; shares are 0 to 1, and nan where there is nothing to measure.

    Attributes:
        truth_faces: Faces on analysed frames with at least 0.6 in view.
        detections: Detections on analysed frames.
        false_detections: Those on no face, or on one that another detection fits better.
        ignored_detections: Those on a face with less than 0.6 in view. They count in no other figure.
        detection_recall: Share of `truth_faces` that were found.
        detection_precision: Share of the detections, ignored ones aside, that are not false.
        num_tracks: Tracks that hold at least one matched detection; the others have nobody to be about.
        impure_tracks: Those with matched detections of more than one person.
        track_purity: Share of the matched detections in tracks that show their track's majority person.
        bcubed_precision: B-cubed precision over the matched detections (Bagga and Baldwin 1998).
        bcubed_recall: B-cubed recall over the same.
        bcubed_f1: Their harmonic mean.
        wcp: Weighted clustering purity over tracks, labelled with their majority person: the sum over
            clusters of the largest label's count, over the number of tracks. It rises to 1 as clusters get
            more numerous: read it with `clusters`.
        nmi: Normalised mutual information over the same, 2 I(Y; C) / (H(Y) + H(C)).
        clusters: Identities that hold at least one detection.
        people: Persons with at least one of the `truth_faces`.
        cuts_found: Cuts of the truth that were found, to one frame.
        cuts_missed: Cuts of the truth that were not.
        cuts_false: Cuts that the truth does not have.
        track_hota: HOTA of the tracks against persons within a shot of the truth; see `MotScores`. A detection
            in no track was not followed: it is left out, and the face under it counts as missed.
        track_hota_0: The same at the least IoU, without how exactly boxes agree.
        track_idf1: IDF1 of the same.
        track_switches: Identity switches of the same.
        identity_hota: HOTA of the identities against persons. A detection in no identity is left out likewise.
        identity_hota_0: The same at the least IoU.
        identity_idf1: IDF1 of the same.
        identity_switches: Identity switches of the same.
        character_precision: Mean over people, each with the same weight, of the shares of seconds.
        character_recall: Likewise.
        screen_time_error_mean: Mean over people.
        screen_time_error_max: Of the person who fares worst.
        per_person: One entry for each of the people, in alphabetical order.
    """

    truth_faces: int
    detections: int
    false_detections: int
    ignored_detections: int
    detection_recall: float
    detection_precision: float
    num_tracks: int
    impure_tracks: int
    track_purity: float
    bcubed_precision: float
    bcubed_recall: float
    bcubed_f1: float
    wcp: float
    nmi: float
    clusters: int
    people: int
    cuts_found: int
    cuts_missed: int
    cuts_false: int
    track_hota: float
    track_hota_0: float
    track_idf1: float
    track_switches: int
    identity_hota: float
    identity_hota_0: float
    identity_idf1: float
    identity_switches: int
    character_precision: float
    character_recall: float
    screen_time_error_mean: float
    screen_time_error_max: float
    per_person: tuple[PersonScore, ...]

    def to_dict(self) -> dict[str, object]:
        """The scores as JSON can hold them: nan becomes None, tuples become lists."""
        scores = asdict(self)
        scores["per_person"] = [
            {**person, "identity_ids": list(person["identity_ids"])} for person in scores["per_person"]
        ]
        return {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in scores.items()}


class _Sighting(NamedTuple):
    """A detection that was matched to a face that had to be found."""

    person: str
    detection_id: object
    track_id: str | None
    identity_id: str | None

    @property
    def cluster(self) -> str:
        if self.identity_id is not None:
            return f"identity {self.identity_id}"
        if self.track_id is not None:
            return f"track {self.track_id}"
        return f"detection {self.detection_id}"


def score_episode(
    truth: Truth,
    analysed_frames: pa.Table,
    shots: pa.Table,
    detections: pa.Table,
    tracks: pa.Table,
    identities: Mapping[str, Any],
    screen_time: Mapping[str, Any] | None = None,
) -> EpisodeScores:
    """Score an episode on the frames that were analysed.

    `match_to_truth` says which detection shows whom, which ones are false and which are ignored.
    Clusters are identities. A track without an identity is a cluster of its own, and so is a detection
    without a track. Neither the order of the rows nor the names of the ids matters; only of detections with
    the very same box, the first in alphabetical order is the one on the face.

    Args:
        truth: The truth; its frame numbers are the video's source frame numbers.
        analysed_frames: frame_idx, one row for each frame that the detector saw.
        shots: start_frame, one row a shot.
        detections: detection_id, frame_idx, bbox (x1, y1, x2, y2 as shares of the frame).
        tracks: track_id, boxes (list of structs with detection_id).
        identities: The content of identities.json; `identities` with identity_id and track_ids is read.
        screen_time: The content of screen_time.json, whose seconds are then judged, but for those in which less than
            0.6 of the person's face is in view; without it, the seconds of the analysed frames on which an identity
            is found.

    Returns:
        The scores.

    Raises:
        TruthError: The analysed frames go past the end of the truth: it belongs to another video.
        ArtifactError: A detection is in two tracks, or a track in two identities.
    """
    frames = np.unique(column_of(analysed_frames, "frame_idx"))
    if len(frames) and frames[-1] >= truth.frames:
        raise TruthError(
            f"frames: the truth has {truth.frames} frames, but frame {frames[-1]} was analysed; "
            "give the truth file that belongs to this video"
        )
    seen = detections.filter(pc.is_in(detections["frame_idx"], pa.array(frames)))
    detections = seen.sort_by("detection_id")
    matching = match_to_truth(truth, frames, detections)
    track_of = track_of_detection(tracks)
    identity_of = identity_of_track(identities)
    detection_ids = detections["detection_id"].to_pylist()
    sightings = []
    for detection_id, face in zip(detection_ids, matching.face_of_detection, strict=True):
        if face >= 0:
            track_id = track_of.get(detection_id)
            identity_id = None if track_id is None else identity_of.get(track_id)
            person = truth.people[truth.person_idx[face]]
            sightings.append(_Sighting(person, detection_id, track_id, identity_id))

    num_false = int(np.sum(matching.face_of_detection == FALSE))
    held = {identity_of.get(track_of[i]) for i in detection_ids if i in track_of} - {None}
    track_scores = _score_tracks(sightings)
    precision, recall = _bcubed(sightings)
    findings = MatchedDetections.of(truth, frames, detections, matching, track_of, identity_of)
    by_track, by_identity = findings.score_tracks(), findings.score_identities()
    published = None if screen_time is None else _intervals_of_identities(screen_time)
    per_person = _score_people(truth, matching.required, sightings, findings, published)
    errors = [person.screen_time_error for person in per_person]
    shot_starts = np.unique(column_of(shots, "start_frame"))
    cuts_found = _count_pairs(truth.cuts, shot_starts[1:])
    return EpisodeScores(
        truth_faces=len(matching.required),
        detections=len(detection_ids),
        false_detections=num_false,
        ignored_detections=int(np.sum(matching.face_of_detection == IGNORED)),
        detection_recall=_share(len(sightings), len(matching.required)),
        detection_precision=_share(len(sightings), len(sightings) + num_false),
        num_tracks=track_scores.num_tracks,
        impure_tracks=track_scores.impure_tracks,
        track_purity=track_scores.purity,
        bcubed_precision=precision,
        bcubed_recall=recall,
        bcubed_f1=_share(2 * precision * recall, precision + recall),
        wcp=track_scores.wcp,
        nmi=track_scores.nmi,
        clusters=len(held),
        people=len(per_person),
        cuts_found=cuts_found,
        cuts_missed=len(truth.cuts) - cuts_found,
        cuts_false=max(0, len(shot_starts) - 1) - cuts_found,
        track_hota=by_track.hota,
        track_hota_0=by_track.hota_0,
        track_idf1=by_track.idf1,
        track_switches=by_track.switches,
        identity_hota=by_identity.hota,
        identity_hota_0=by_identity.hota_0,
        identity_idf1=by_identity.idf1,
        identity_switches=by_identity.switches,
        character_precision=_share(sum(person.character_precision for person in per_person), len(per_person)),
        character_recall=_share(sum(person.character_recall for person in per_person), len(per_person)),
        screen_time_error_mean=_share(sum(errors), len(errors)),
        screen_time_error_max=max(errors, default=math.nan),
        per_person=per_person,
    )


def track_of_detection(tracks: pa.Table) -> dict[object, str]:
    """The track of each detection; raises `ArtifactError` where one is in two."""
    track_of: dict[object, str] = {}
    for track_id, boxes in zip(tracks["track_id"].to_pylist(), tracks["boxes"].to_pylist(), strict=True):
        for box in boxes:
            other = track_of.setdefault(box["detection_id"], track_id)
            if other != track_id:
                raise ArtifactError(
                    f"tracks: detection {box['detection_id']} is in {min(other, track_id)} and in "
                    f"{max(other, track_id)}; a detection belongs to one track at most"
                )
    return track_of


def identity_of_track(identities: Mapping[str, Any]) -> dict[str, str]:
    """The identity of each track; raises `ArtifactError` where one is in two."""
    identity_of: dict[str, str] = {}
    for identity in identities["identities"]:
        for track_id in identity["track_ids"]:
            other = identity_of.setdefault(track_id, identity["identity_id"])
            if other != identity["identity_id"]:
                raise ArtifactError(
                    f"identities: {track_id} is in {other} and in {identity['identity_id']}; "
                    "a track belongs to one identity at most"
                )
    return identity_of


def _intervals_of_identities(screen_time: Mapping[str, Any]) -> dict[str, Intervals]:
    return {
        identity_id: intervals_of(person["intervals"])
        for person in screen_time["people"]
        for identity_id in person["identity_ids"]
    }


def _score_people(
    truth: Truth,
    required: NDArray[np.int64],
    sightings: Sequence[_Sighting],
    findings: MatchedDetections,
    published: Mapping[str, Intervals] | None,
) -> tuple[PersonScore, ...]:
    presence = np.bincount(truth.person_idx[truth.visible >= MIN_VISIBLE], minlength=len(truth.people))
    screen_time = findings.score_screen_time(presence / truth.fps, published)
    asked = np.bincount(truth.person_idx[required], minlength=len(truth.people))
    found = Counter(sighting.person for sighting in sightings)
    return tuple(
        PersonScore(
            person=person,
            presence_s=float(presence[i] / truth.fps),
            found=float(found[person] / asked[i]),
            identity_ids=tuple(
                sorted({s.identity_id for s in sightings if s.person == person and s.identity_id is not None})
            ),
            identity_id=findings.identity_ids[screen_time.identity[i]] if screen_time.identity[i] >= 0 else None,
            predicted_s=float(screen_time.predicted_s[i]),
            screen_time_error=float(screen_time.error[i]),
            character_precision=float(screen_time.precision[i]),
            character_recall=float(screen_time.recall[i]),
        )
        for i, person in enumerate(truth.people)
        if asked[i]
    )


class _TrackScores(NamedTuple):
    num_tracks: int
    impure_tracks: int
    purity: float
    wcp: float
    nmi: float


def _score_tracks(sightings: Sequence[_Sighting]) -> _TrackScores:
    shown: dict[str, Counter[str]] = {}
    cluster_of: dict[str, str] = {}
    for sighting in sightings:
        if sighting.track_id is not None:
            shown.setdefault(sighting.track_id, Counter())[sighting.person] += 1
            cluster_of[sighting.track_id] = sighting.cluster
    # Of equally frequent persons, the first in the alphabet is the track's label.
    labels = [min(seen, key=lambda person: (-seen[person], person)) for seen in shown.values()]
    clusters = [cluster_of[track_id] for track_id in shown]
    labels_in: dict[str, Counter[str]] = {}
    for label, cluster in zip(labels, clusters, strict=True):
        labels_in.setdefault(cluster, Counter())[label] += 1
    agreeing = sum(max(seen.values()) for seen in shown.values())
    return _TrackScores(
        num_tracks=len(shown),
        impure_tracks=sum(len(seen) > 1 for seen in shown.values()),
        purity=_share(agreeing, sum(seen.total() for seen in shown.values())),
        wcp=_share(sum(max(members.values()) for members in labels_in.values()), len(shown)),
        nmi=min(1.0, float(normalized_mutual_info_score(labels, clusters))) if shown else math.nan,
    )


def _bcubed(sightings: Sequence[_Sighting]) -> tuple[float, float]:
    """Precision and recall, averaged over the N detections.

    They are, with n(p, c) detections of person p in cluster c, the sum of
    n(p, c)^2 / n(c) and of n(p, c)^2 / n(p), each over N.
    """
    if not sightings:
        return math.nan, math.nan
    counts = contingency_matrix([s.person for s in sightings], [s.cluster for s in sightings])
    precision = np.sum(counts**2 / counts.sum(axis=0, keepdims=True))
    recall = np.sum(counts**2 / counts.sum(axis=1, keepdims=True))
    return float(precision / len(sightings)), float(recall / len(sightings))


def _count_pairs(true_cuts: NDArray[np.int64], found_cuts: NDArray[np.int64]) -> int:
    """Most pairs of a true and a found cut, each in one, no farther apart than allowed; both are sorted."""
    pairs = i = j = 0
    while i < len(true_cuts) and j < len(found_cuts):
        if abs(true_cuts[i] - found_cuts[j]) <= CUT_TOLERANCE_FRAMES:
            pairs, i, j = pairs + 1, i + 1, j + 1
        elif true_cuts[i] < found_cuts[j]:
            i += 1
        else:
            j += 1
    return pairs


def _share(part: float, whole: float) -> float:
    return part / whole if whole else math.nan
