"""``episode_vectors.json``: what of an episode is in the database."""

from screenalytics_assets.core.documents.document import Document


class EpisodeVectors(Document):
    """What of an episode is in the database.

    Attributes:
        ep_id: The episode.
        show: Its show.
        model_digest: SHA-256 of the embedder.
        tracks: Number of tracks.
    """

    ep_id: str
    show: str
    model_digest: str
    tracks: int
