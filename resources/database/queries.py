"""The queries of the vector database, and the schemas of their results."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from screenalytics_assets.core.common.schemas import EMBEDDING_DIMENSION

TRACK_MATCHES = pa.schema(
    [
        pa.field("ep_id", pa.string(), nullable=False),
        pa.field("track_id", pa.string(), nullable=False),
        pa.field("identity_id", pa.string()),
        pa.field("person_id", pa.string()),
        pa.field("name", pa.string()),
        pa.field("start_s", pa.float64(), nullable=False),
        pa.field("end_s", pa.float64(), nullable=False),
        pa.field("detection_id", pa.string(), nullable=False),
        pa.field("similarity", pa.float32(), nullable=False),
        pa.field("person_tracks", pa.int64(), nullable=False),
    ]
)

TRACKS_SQL = """
with compared as (
    select track.*, (1 - (vector <=> %(vector)s))::real as similarity,
        count(*) over (partition by ep_id, coalesce(person_id, identity_id, track_id)) as person_tracks
    from screenalytics.track join screenalytics.episode using (ep_id, model_digest)
    where model_digest = %(model_digest)s and show = coalesce(%(show)s, show)
), identified as (
    select *, avg(similarity) over (partition by ep_id, coalesce(identity_id, track_id)) as identity_similarity
    from compared
)
select ep_id, track_id, identity_id, person_id, name, start_s, end_s, detection_id, similarity, person_tracks
from identified
where similarity >= %(min_similarity)s
    or (identity_similarity >= %(min_similarity)s and similarity >= %(min_identity_sim)s)
order by ep_id, start_s, track_id
"""
"""The tracks that resemble a vector, by themselves or because of their identity; in all episodes or a show's.

`person_tracks` is the number of the person's tracks that are in the database: those with a vector."""

TRACK_COLUMNS = {
    "track_id": "text",
    "identity_id": "text",
    "person_id": "text",
    "name": "text",
    "start_s": "float8",
    "end_s": "float8",
    "detection_id": "text",
}
"""The columns of a track besides its vector, with their PostgreSQL types."""


def require_vectors(vectors: NDArray[np.float32], count: int) -> None:
    """Raise unless the vectors are (count, 512)."""
    if vectors.shape != (count, EMBEDDING_DIMENSION):
        raise ValueError(f"expected vectors ({count}, {EMBEDDING_DIMENSION}), found {vectors.shape}")
