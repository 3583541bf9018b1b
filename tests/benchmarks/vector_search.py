"""How long the database takes to compare 1,000 tracks with 1,000 people of 5 photos each, and by which plan.

    python -m tests.benchmarks.vector_search [--tracks 1000] [--people 1000] [--photos 5] [--rounds 5]

Random vectors of unit length in an embedded server of its own, in a temporary folder. ``query`` is the SQL alone, with
its answer fetched; ``facebank_similarities`` also sends the tracks and makes the table. CPU is that of the server's
process for the query; it is what is left when nothing else runs. The largest error is against NumPy in float64.
"""

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import psycopg
from numpy.typing import NDArray
from pgvector.psycopg import register_vector

from resources.database.embedded_postgres import EmbeddedPostgres
from resources.database.queries import SIMILARITIES_SQL, load_query
from resources.database.vector_database import VectorDatabase
from screenalytics_assets.core.common.schemas import EMBEDDING_DIMENSION
from tests.benchmarks.labelled import print_table

_SHOW, _MODEL = "show", "a" * 64
_PARAMETERS = {"show": _SHOW, "model_digest": _MODEL}


def unit_vectors(count: int, seed: int) -> NDArray[np.float32]:
    """(count, 512) directions."""
    vectors = np.random.default_rng(seed).normal(size=(count, EMBEDDING_DIMENSION))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def measure_search(conninfo: str, tracks: NDArray[np.float32], photos: NDArray[np.float32]) -> dict[str, object]:
    """One round: the times of the function and of its query, in seconds, and the load of the machine."""
    with VectorDatabase(conninfo) as database:
        started_s = time.perf_counter()
        table = database.facebank_similarities(_SHOW, _MODEL, [f"track-{i}" for i in range(len(tracks))], tracks)
        function_s = time.perf_counter() - started_s
    expected = (tracks.astype(np.float64) @ photos.T.astype(np.float64)).ravel()
    with psycopg.connect(conninfo) as connection:
        register_vector(connection)
        server = psutil.Process(connection.info.backend_pid)
        load_query(connection, tracks)
        before, started_s = server.cpu_times(), time.perf_counter()
        connection.execute(SIMILARITIES_SQL, _PARAMETERS, binary=True).fetchall()
        query_s, after = time.perf_counter() - started_s, server.cpu_times()
    return {
        "facebank_similarities, s": f"{function_s:.2f}",
        "query, s": f"{query_s:.2f}",
        "CPU of the query, s": f"{after.user + after.system - before.user - before.system:.2f}",
        "largest error": f"{np.abs(table['similarity'].to_numpy() - expected).max():.0e}",
        "load": f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs",
    }


def plan(conninfo: str, tracks: NDArray[np.float32]) -> str:
    """What EXPLAIN (ANALYZE) says of the query."""
    with psycopg.connect(conninfo) as connection:
        register_vector(connection)
        load_query(connection, tracks)
        rows = connection.execute(f"explain (analyze, buffers off) {SIMILARITIES_SQL}".encode(), _PARAMETERS)
        return "\n".join(line for (line,) in rows)


def main() -> None:
    """Fill a database, print a line for each round, then the plan."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.vector_search", description=__doc__)
    parser.add_argument("--tracks", type=int, default=1000)
    parser.add_argument("--people", type=int, default=1000)
    parser.add_argument("--photos", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    tracks, photos = unit_vectors(options.tracks, 1), unit_vectors(options.people * options.photos, 2)
    people = [f"person-{i // options.photos}" for i in range(len(photos))]
    folder = Path(tempfile.mkdtemp(prefix="screenalytics-bench-"))
    server = EmbeddedPostgres(folder)
    try:
        conninfo = server.open()
        with VectorDatabase(conninfo) as database:
            database.replace_facebank(
                _SHOW,
                version="1",
                model_digest=_MODEL,
                photo_ids=[f"{person}/{i}.jpg" for i, person in enumerate(people)],
                person_ids=people,
                vectors=photos,
            )
        print_table([measure_search(conninfo, tracks, photos) for _ in range(options.rounds)])
        print(plan(conninfo, tracks))
    finally:
        server.close()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
