"""The queries of the vector database, and the schemas of their results."""

import numpy as np
import psycopg
import pyarrow as pa
from numpy.typing import NDArray
from pgvector import Vector

from screenalytics_assets.core.common.schemas import EMBEDDING_DIMENSION

_WORK_MEM_MB = 256
"""A limit, not a reservation: PostgreSQL's default of 4 MB holds 2,000 photos; more would go through files."""

PHOTO_SIMILARITIES = pa.schema(
    [
        pa.field("track_id", pa.string(), nullable=False),
        pa.field("person_id", pa.string(), nullable=False),
        pa.field("photo_id", pa.string(), nullable=False),
        pa.field("similarity", pa.float32(), nullable=False),
    ]
)

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
    ]
)

SIMILARITIES_SQL = """
with photo as materialized (
    select position, l2_normalize(vector) as vector
    from screenalytics.facebank_photo
    where show = %(show)s and model_digest = %(model_digest)s
    order by position
), track as materialized (
    select position, l2_normalize(vector) as vector from query order by position
)
select (
    select string_agg(float4send(-(photo.vector <#> track.vector)::real), ''::bytea order by photo.position) from photo
)
from track
order by track.position
"""
"""The exact cosine similarity of each vector in the temporary table ``query`` to each photo of a show.

One row per vector, its similarities as big-endian floats: one row per pair would be millions of rows and take most of
the time. The photos are selected, sorted and normalised once, so that a pair costs one inner product. Selecting and
sorting them for each vector took about twice as long.
"""


TRACKS_SQL = """
with compared as (
    select track.*, (1 - (vector <=> %(vector)s))::real as similarity
    from screenalytics.track join screenalytics.episode using (ep_id, model_digest)
    where model_digest = %(model_digest)s and show = coalesce(%(show)s, show)
), identified as (
    select *, avg(similarity) over (partition by ep_id, coalesce(identity_id, track_id)) as identity_similarity
    from compared
)
select ep_id, track_id, identity_id, person_id, name, start_s, end_s, detection_id, similarity
from identified
where similarity >= %(min_similarity)s
    or (identity_similarity >= %(min_similarity)s and similarity >= %(min_identity_sim)s)
order by ep_id, start_s, track_id
"""
"""The tracks that resemble a vector, by themselves or because of their identity; in all episodes or a show's."""

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


def load_query(connection: psycopg.Connection, vectors: NDArray[np.float32]) -> None:
    """Make the temporary table ``query`` (position, vector), and raise the memory limit of this transaction."""
    connection.execute(f"set local work_mem = '{_WORK_MEM_MB}MB'")
    connection.execute(
        f"create temporary table query (position integer, vector vector({EMBEDDING_DIMENSION}) storage plain) "
        "on commit drop"
    )
    with connection.cursor().copy("copy query from stdin (format binary)") as copy:
        copy.set_types(["int4", "vector"])
        for position, vector in enumerate(vectors):
            copy.write_row([position, Vector(vector)])


def require_vectors(vectors: NDArray[np.float32], count: int) -> None:
    """Raise unless the vectors are (count, 512)."""
    if vectors.shape != (count, EMBEDDING_DIMENSION):
        raise ValueError(f"expected vectors ({count}, {EMBEDDING_DIMENSION}), found {vectors.shape}")
