"""How well an episode's faces, tracks and identities agree with a truth file."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from screenalytics_assets.core.common.arrow import column_of
from screenalytics_assets.core.common.errors import TruthError
from screenalytics_assets.core.common.intervals import Intervals, intervals_of
from screenalytics_assets.core.documents.identities import Identities
from screenalytics_assets.core.documents.screen_time import ScreenTime
from screenalytics_assets.core.evaluation.cluster_scores import bcubed, score_tracks, share
from screenalytics_assets.core.evaluation.matched_detections import MatchedDetections
from screenalytics_assets.core.evaluation.sightings import (
    Sighting,
    sightings_of,
    single_identity_of_track,
    single_track_of_detection,
)
from screenalytics_assets.core.evaluation.truth import Truth
from screenalytics_assets.core.evaluation.truth_matching import FALSE, IGNORED, MIN_VISIBLE, match_to_truth

CUT_TOLERANCE_FRAMES = 1


@dataclass(frozen=True)
class PersonScore:
    """Scores of one person.

    Attributes:
        person: The name in the truth.
        presence_s: Seconds of the whole episode in which at least 0.6 of the face is visible.
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
        truth_faces: Faces on analysed frames of which at least 0.6 is visible.
        detections: Detections on analysed frames.
        false_detections: Detections on no face, or on a face that another detection fits better.
        ignored_detections: Detections on a face of which less than 0.6 is visible. They count in no other figure.
        detection_recall: Share of `truth_faces` that were found.
        detection_precision: Share of the detections, ignored ones aside, that are not false.
        num_tracks: Tracks with at least one matched detection.
        impure_tracks: Tracks with matched detections of more than one person.
        track_purity: Share of the matched detections in tracks that show their track's majority person.
        bcubed_precision: B-cubed precision over the matched detections (Bagga and Baldwin 1998).
        bcubed_recall: B-cubed recall over the same.
        bcubed_f1: Their harmonic mean.
        wcp: Weighted clustering purity over tracks, labelled with their majority person: the sum over clusters of the
            largest label's count, over the number of tracks. It rises to 1 with the number of clusters: read it
            together with `clusters`.
        nmi: Normalised mutual information over the same, 2 I(Y; C) / (H(Y) + H(C)).
        clusters: Identities that hold at least one detection.
        people: People with at least one of the `truth_faces`.
        cuts_found: Cuts of the truth that were found within one frame.
        cuts_missed: Cuts of the truth that were not found.
        cuts_false: Cuts that the truth does not have.
        track_hota: HOTA of the tracks against people within a shot of the truth; see `MotScores`. A detection in no
            track is left out, and its face counts as missed.
        track_hota_0: The same at the lowest IoU threshold, without localisation.
        track_idf1: IDF1 of the same.
        track_switches: Identity switches of the same.
        identity_hota: HOTA of the identities against people. A detection in no identity is left out likewise.
        identity_hota_0: The same at the lowest IoU threshold.
        identity_idf1: IDF1 of the same.
        identity_switches: Identity switches of the same.
        character_precision: Mean over people, each with the same weight, of the shares of seconds.
        character_recall: Likewise.
        screen_time_error_mean: Mean over people.
        screen_time_error_max: The largest error of a person.
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


def score_episode(
    truth: Truth,
    analysed_frames: pa.Table,
    shots: pa.Table,
    detections: pa.Table,
    tracks: pa.Table,
    identities: Identities,
    screen_time: ScreenTime | None = None,
) -> EpisodeScores:
    """Score an episode on the frames that were analysed.

    `match_to_truth` says which detection shows whom, and which ones are false or ignored. Clusters are identities; see
    `Sighting.cluster` for tracks without an identity. The order of the rows and the names of the ids do not matter,
    with one exception: of detections with identical boxes, the first in alphabetical order is matched to the face.

    Args:
        truth: The truth; its frame numbers are the video's source frame numbers.
        analysed_frames: frame_idx, one row for each frame that the detector saw.
        shots: start_frame, one row a shot.
        detections: detection_id, frame_idx, bbox (x1, y1, x2, y2 as shares of the frame).
        tracks: track_id, boxes (list of structs with detection_id).
        identities: The identities.
        screen_time: The published screen time. Its seconds are scored, without those in which less than 0.6 of the
            person's face is visible. Without it, the analysed frames on which an identity is found are scored.

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
    track_of = single_track_of_detection(tracks)
    identity_of = single_identity_of_track(identities)
    sightings = sightings_of(truth, detections, matching, track_of, identity_of)
    detection_ids = detections["detection_id"].to_pylist()
    num_false = int(np.sum(matching.face_of_detection == FALSE))
    held = {identity_of.get(track_of[i]) for i in detection_ids if i in track_of} - {None}
    track_scores = score_tracks(sightings)
    precision, recall = bcubed(sightings)
    matched = MatchedDetections.of(truth, frames, detections, matching, track_of, identity_of)
    by_track, by_identity = matched.score_tracks(), matched.score_identities()
    published = None if screen_time is None else _intervals_of_identities(screen_time)
    per_person = _score_people(truth, matching.required, sightings, matched, published)
    errors = [person.screen_time_error for person in per_person]
    shot_starts = np.unique(column_of(shots, "start_frame"))
    cuts_found = _count_pairs(truth.cuts, shot_starts[1:])
    return EpisodeScores(
        truth_faces=len(matching.required),
        detections=len(detection_ids),
        false_detections=num_false,
        ignored_detections=int(np.sum(matching.face_of_detection == IGNORED)),
        detection_recall=share(len(sightings), len(matching.required)),
        detection_precision=share(len(sightings), len(sightings) + num_false),
        num_tracks=track_scores.num_tracks,
        impure_tracks=track_scores.impure_tracks,
        track_purity=track_scores.purity,
        bcubed_precision=precision,
        bcubed_recall=recall,
        bcubed_f1=share(2 * precision * recall, precision + recall),
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
        character_precision=share(sum(person.character_precision for person in per_person), len(per_person)),
        character_recall=share(sum(person.character_recall for person in per_person), len(per_person)),
        screen_time_error_mean=share(sum(errors), len(errors)),
        screen_time_error_max=max(errors, default=math.nan),
        per_person=per_person,
    )


def _intervals_of_identities(screen_time: ScreenTime) -> dict[str, Intervals]:
    return {
        identity_id: intervals_of(person.intervals)
        for person in screen_time.people
        for identity_id in person.identity_ids
    }


def _score_people(
    truth: Truth,
    required: NDArray[np.int64],
    sightings: Sequence[Sighting],
    matched: MatchedDetections,
    published: Mapping[str, Intervals] | None,
) -> tuple[PersonScore, ...]:
    presence = np.bincount(truth.person_idx[truth.visible >= MIN_VISIBLE], minlength=len(truth.people))
    screen_time = matched.score_screen_time(presence / truth.fps, published)
    required_faces = np.bincount(truth.person_idx[required], minlength=len(truth.people))
    found = Counter(sighting.person for sighting in sightings)
    return tuple(
        PersonScore(
            person=person,
            presence_s=float(presence[i] / truth.fps),
            found=float(found[person] / required_faces[i]),
            identity_ids=tuple(
                sorted({s.identity_id for s in sightings if s.person == person and s.identity_id is not None})
            ),
            identity_id=matched.identity_ids[screen_time.identity[i]] if screen_time.identity[i] >= 0 else None,
            predicted_s=float(screen_time.predicted_s[i]),
            screen_time_error=float(screen_time.error[i]),
            character_precision=float(screen_time.precision[i]),
            character_recall=float(screen_time.recall[i]),
        )
        for i, person in enumerate(truth.people)
        if required_faces[i]
    )


def _count_pairs(true_cuts: NDArray[np.int64], found_cuts: NDArray[np.int64]) -> int:
    """The largest number of pairs of a true and a found cut within the tolerance, each cut in one pair; both sorted."""
    pairs = i = j = 0
    while i < len(true_cuts) and j < len(found_cuts):
        if abs(true_cuts[i] - found_cuts[j]) <= CUT_TOLERANCE_FRAMES:
            pairs, i, j = pairs + 1, i + 1, j + 1
        elif true_cuts[i] < found_cuts[j]:
            i += 1
        else:
            j += 1
    return pairs
