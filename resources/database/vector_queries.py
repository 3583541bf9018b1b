"""What the database of the vectors is asked: statements, and the tables of the answers."""

import numpy as np
import psycopg
import pyarrow as pa
from numpy.typing import NDArray
from pgvector import Vector

from screenalytics_assets.core.common.schemas import EMBEDDING_DIMENSION

_WORK_MEM_MB = 256
"""A bound, not a reservation: PostgreSQL's own 4 MB hold 2,000 photos, and more would go through files."""

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
"""Every vector of the temporary table ``query`` with every photo of a show: the exact cosine similarity.

One row a vector, its similarities as big-endian floats: millions of rows of their own would take most of the time.
The photos are chosen, sorted and normalized once; then each pair costs an inner product and no more, about half of what
choosing and sorting them for each vector took.
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
"""The tracks of every episode, or of a show's, that resemble one vector by themselves or as part of their identity."""

TRACK_COLUMNS = {
    "track_id": "text",
    "identity_id": "text",
    "person_id": "text",
    "name": "text",
    "start_s": "float8",
    "end_s": "float8",
    "detection_id": "text",
}
"""What is stored of a track beside its vector, and as which type of PostgreSQL."""


def load_query(connection: psycopg.Connection, vectors: NDArray[np.float32]) -> None:
    """Make the temporary table ``query`` (position, vector) of this transaction, which gets the memory to search."""
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
    """Refuse what is not one vector a row, (count, 512)."""
    if vectors.shape != (count, EMBEDDING_DIMENSION):
        raise ValueError(f"expected vectors ({count}, {EMBEDDING_DIMENSION}), found {vectors.shape}")
