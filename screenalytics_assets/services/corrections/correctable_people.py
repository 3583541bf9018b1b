"""The published people of an episode, as corrections refer to them."""

import re
from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from unicodedata import normalize

from resources.storage.artifacts import Artifact
from resources.storage.store import ArtifactStore, require_artifact
from screenalytics_assets.core.common.episode_ids import season_of, show_of
from screenalytics_assets.core.common.errors import CorrectionError
from screenalytics_assets.core.common.intervals import intervals_of, merged, time_with_at_least
from screenalytics_assets.core.documents.facebank import PublishedFacebank
from screenalytics_assets.core.documents.identities import Identities, Identity, TrackIds
from screenalytics_assets.core.documents.screen_time import SeasonScreenTime
from screenalytics_assets.core.documents.video import VideoProbe
from screenalytics_assets.core.identity.episode_tracks import EpisodeTracks
from screenalytics_assets.core.people.corrections.correction_evidence import mean_vector
from screenalytics_assets.core.people.corrections.corrections import (
    Corrections,
    Evidence,
    Give,
    IdentityReference,
    Name,
    NamedPerson,
    TrackPlaces,
)
from screenalytics_assets.core.people.packed_vectors import packed
from screenalytics_assets.core.people.person_names import (
    CloseName,
    Person,
    close_names,
    is_placeholder,
    person_id_of,
)

_CHAIN = ("episode_video", "detections", "tracks", "split_tracks", "reembed", "recluster", "group_clusters")
"""Artifacts from the video to the people, each made from the one before."""
_SHOWN = 10


class CorrectablePeople:
    """The people of an episode as they are published now; each artifact is read at most once."""

    def __init__(self, store: ArtifactStore, ep_id: str) -> None:
        self.ep_id = ep_id
        self._store = store
        self._opened: dict[str, Artifact] = {}

    def reference(self, identity: str) -> IdentityReference:
        """An identity as a correction stores it.

        Raises:
            CorrectionError: It does not exist.
        """
        return self.at(identity, self.tracks_of(identity))

    def at(self, name: str, track_ids: Sequence[str]) -> IdentityReference:
        """Tracks as a correction stores them: their places, and what the face looks like."""
        reference = self._places.reference(name, track_ids)
        vector = mean_vector(self._tracks, track_ids)
        return reference if vector is None else reference.model_copy(update={"vector": packed(vector)})

    def present(self, reference: IdentityReference) -> IdentityReference:
        """What is at the places of a correction now.

        Raises:
            CorrectionError: There is no face.
        """
        tracks = sorted(self._places.tracks_of(reference))
        if not tracks:
            raise CorrectionError(
                f"there is no face at the places of {reference.id} any more: undo this correction and make a new one"
            )
        return self.at(reference.id, tracks)

    def evidence(self) -> Evidence:
        """The video and the model behind what is published.

        Raises:
            CorrectionError: The people were made from another video or from other faces than are published now.
        """
        video = self._artifact("episode_video").document("video.json", VideoProbe)
        models = self._tracks.faces["model_digest"].unique().to_pylist()
        # Of what was read, even if it was published again since.
        manifests = [
            self._opened[name].manifest if name in self._opened else self._store.manifest(name, self.ep_id)
            for name in _CHAIN
        ]
        for earlier, later in pairwise(manifests):
            if earlier and later and later.inputs.get(earlier.asset, earlier.content_digest) != earlier.content_digest:
                raise CorrectionError(
                    f"{later.asset} of {self.ep_id} was made before its {earlier.asset} was computed again, perhaps "
                    "from another video. Run the episode to its end with `screenalytics run`, then correct it"
                )
        return Evidence(video=video.sha256, model=models[0] if models else None)

    @cached_property
    def _places(self) -> TrackPlaces:
        return TrackPlaces(self._tracks.table)

    @cached_property
    def _tracks(self) -> EpisodeTracks:
        vectors = self._artifact("recluster")
        track_ids = vectors.document("track_ids.json", TrackIds).track_ids
        return EpisodeTracks(
            self._artifact("split_tracks").table("tracks.parquet"),
            self._artifact("reembed").table("faces.parquet"),
            track_ids,
            vectors.vectors("tracks.npy", len(track_ids)),
        )

    def identity(self, identity: str) -> Identity:
        """An identity by its id.

        Raises:
            CorrectionError: It does not exist.
        """
        people = self._people
        if identity not in people:
            raise CorrectionError(
                f"{self.ep_id} has no identity {identity!r}; its identities are {', '.join(people) or 'none'}"
            )
        return people[identity]

    def holder(self, track: str) -> Identity | None:
        """The identity that has a track, None if it is unassigned.

        Raises:
            CorrectionError: There is no such track.
        """
        found = self._document.identity_of.get(track)
        if found is None and track not in self._places.track_ids:
            raise CorrectionError(
                f"{self.ep_id} has no track {track!r}. The report of the episode lists the longest unassigned tracks: "
                f"{', '.join(self._longest_unassigned()) or 'there are none'}"
            )
        return found

    def _longest_unassigned(self) -> list[str]:
        unassigned = {one.track_id for one in self._document.unassigned}
        columns = (self._tracks.table[name].to_pylist() for name in ("track_id", "start_s", "end_s"))
        lengths_s = {track: end_s - start_s for track, start_s, end_s in zip(*columns, strict=True)}
        return sorted(unassigned, key=lambda track: (-lengths_s.get(track, 0.0), track))[:_SHOWN]

    def receiver(self, person: str, person_id: str | None = None) -> Identity | None:
        """The identity with this id, or of the person with this name or id; None if nobody in the episode has it.

        Raises:
            CorrectionError: It looks like the id of an identity, and there is none; or it is one, and a person's id is
                given, which goes with a name.
        """
        if re.fullmatch(r"ident_\d+", person):
            if person_id:
                raise CorrectionError(f"give: {person} is an identity, and --person-id {person_id} goes with a name")
            return self.identity(person)
        wanted = {person_id} if person_id else {person, person_id_of(person)}
        found = [one for one in self._document.identities if one.person_id in wanted]
        if not found and not person_id:
            name = normalize("NFC", person).strip()
            found = [one for one in self._document.identities if one.name == name]
        return found[0] if found else None

    @cached_property
    def _people(self) -> dict[str, Identity]:
        return {identity.identity_id: identity for identity in self._document.identities}

    @cached_property
    def _document(self) -> Identities:
        return self._artifact("group_clusters").document("identities.json", Identities)

    def tracks_of(self, identity: str) -> tuple[str, ...]:
        """The tracks of an identity.

        Raises:
            CorrectionError: It does not exist.
        """
        return self.identity(identity).track_ids

    def _artifact(self, asset: str) -> Artifact:
        if asset not in self._opened:
            self._opened[asset] = require_artifact(self._store, asset, self.ep_id)
        return self._opened[asset]

    def shared_s(self, groups: Sequence[Sequence[str]]) -> float:
        """Seconds in which two or more of these groups of tracks are on screen at once, which one person cannot be."""
        table = self._tracks.table
        of = {track: number for number, tracks in enumerate(groups) for track in tracks}
        sets: dict[int, list[tuple[float, float]]] = {}
        for track, start_s, end_s in zip(
            *(table[key].to_pylist() for key in ("track_id", "start_s", "end_s")), strict=True
        ):
            if track in of:
                sets.setdefault(of[track], []).append((start_s, end_s))
        return time_with_at_least(2, [merged(intervals_of(spans)) for spans in sets.values()])


def known_people(store: ArtifactStore, ep_id: str, corrections: Corrections) -> dict[str, str]:
    """The people of the show by id: of its facebank, of the season so far, and of this episode and its corrections."""
    known: dict[str, str] = {}
    if facebank := store.open("facebank", show_of(ep_id)):
        known |= facebank.document("facebank.json", PublishedFacebank).names
    if season := store.open("season_screen_time", season_of(ep_id)):
        people = season.document("season_screen_time.json", SeasonScreenTime).people
        known |= {person.person_id: person.name for person in people}
    if grouping := store.open("group_clusters", ep_id):
        people_here = grouping.document("identities.json", Identities).identities
        known |= {one.person_id: one.name for one in people_here if one.person_id and one.name}
    for entry in corrections.corrections:
        match entry:
            case Name(name=name, person_id=person_id) | Give(person=NamedPerson(name=name, person_id=person_id)):
                known[person_id] = name
    return known


def person_called(
    store: ArtifactStore, ep_id: str, corrections: Corrections, name: str, person_id: str | None, *, confirmed: bool
) -> Person:
    """The person with a name. The id of a known person counts as the name, and so does a name that one person has.

    Args:
        store: The store.
        ep_id: The episode.
        corrections: Its corrections.
        name: The name.
        person_id: The id of the person; None makes it of the name.
        confirmed: The name is new, even if it is close to a known one. Giving the id confirms that too.

    Raises:
        CloseNameError: The name is not known, but close to a known one.
        CorrectionError: It has neither letters nor digits, or is the placeholder of a command.
    """
    name = normalize("NFC", name).strip()
    person = person_id or person_id_of(name)
    if is_placeholder(name):
        raise CorrectionError(f"name: {name} stands for the name of the person: write that name instead")
    if not person_id_of(person):
        raise CorrectionError(f"name: {name!r} has neither letters nor digits")
    known = known_people(store, ep_id, corrections)
    of_that_name = [known_id for known_id, known_name in known.items() if normalize("NFC", known_name) == name]
    if person not in known and person_id is None and not confirmed and len(of_that_name) == 1:
        person = of_that_name[0]
    if person not in known and person_id is None and not confirmed and (close := close_names(name, known)):
        raise CloseNameError(name, close)
    return Person(person, known.get(person, name) if name == person else name)


class CloseNameError(CorrectionError):
    """A new name that is close to a known one.

    Attributes:
        close: The known people.
    """

    def __init__(self, name: str, close: Sequence[CloseName]) -> None:
        self.close = close
        found = "; ".join(f"{one.person.name} ({one.person.person_id}): {one.difference}" for one in close)
        super().__init__(
            f"name: {name!r} is new, but close to {found}. If it is that person, give the known name; if it is "
            f"another, repeat the command with --yes; to use an id, --person-id {close[0].person.person_id}"
        )
