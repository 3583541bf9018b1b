"""Damaged documents: whatever a file holds, it is read, or refused with an error of ours that names the file.

Never with another error, and without a second of computing or 200 MB for it: the documents have up to some 64 KB.

    python -m tests.faults.readers --seconds 60 [--seed SEED]
"""

import argparse
import os
import resource
import secrets
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import numpy as np

from resources.configuration.acceptance_limits import load_acceptance
from resources.configuration.run_settings import resolve_settings
from resources.models.registry import load_declaration, load_registry
from resources.storage.correction_files import read_corrections
from resources.storage.local_store import LocalArtifactStore
from resources.storage.store import require_artifact
from resources.system.liveness import read_holder
from resources.system.paths import project_dir
from resources.system.text_documents import read_json_file, read_yaml_file
from screenalytics_assets.automation.inbox.inbox import Cursor, inbox_settings
from screenalytics_assets.automation.retention.tombstones import Retirement, read_tombstone, write_tombstone
from screenalytics_assets.automation.seasons.season_config import read_seasons, usable_seasons
from screenalytics_assets.core.common.errors import MAX_MESSAGE_CHARACTERS, ScreenalyticsError
from screenalytics_assets.core.common.layout import corrections_path, file_path, manifest_path, tombstone_path
from screenalytics_assets.core.documents.identities import Identities
from screenalytics_assets.services.corrections.correcting import CorrectionDesk
from screenalytics_assets.services.scoring import read_truth
from tests.faults.mutated_documents import mutated
from tests.unit.people.corrected_episode import EP, publish_episode

MAX_S = 1.0
MAX_MB = 200
_STOPPED_S = 5.0
_SEASONS = b"""seasons:
  - {show: rhobh, season: 5, cron: "0 2 * * *", timezone: America/Los_Angeles, run: [missing, stale]}
  - show: tbbt
    season: 1
    run: all
    profile: balanced
    overrides: {frame_stride: 2}
"""
_TRUTH = b"""{"fps": 24.0, "width": 640, "height": 360, "frames": 3, "seed": 1, "shots": [[0, 2], [2, 3]],
 "truth": [[{"person": "ann", "bbox": [1, 2, 30.5, 40], "visible": 1.0}, {"person": null, "bbox": [50, 2, 90, 40],
 "visible": 0.5}], [], [{"person": "boris", "bbox": [-3, 2, 30, 40], "visible": 0.2}]]}"""
_PACK = b"""licence: MIT
commercial_use: true
detector: {confidence_th: 0.5, track_thresh: 0.4}
embedder: {cluster_thresh: 0.4}
"""


class StoppedError(BaseException):
    """Reading took too long; no `except Exception` may catch this."""


@dataclass(frozen=True)
class Reader:
    """Something that reads a file of a user or of ours.

    Attributes:
        name: For reports.
        path: The file.
        read: Reads it.
        samples: What the file may hold; damaged in each try.
        refuses: Whether it may refuse the file.
    """

    name: str
    path: Path
    read: Callable[[], object]
    samples: Sequence[bytes]
    refuses: bool = True

    def fault(self, content: bytes) -> str | None:
        """What is wrong with how it takes this content; None if nothing is."""
        kept = self.path.read_bytes()
        self.path.write_bytes(content)
        before_mb, began_s = _peak_mb(), time.process_time()
        problem = None
        try:
            with _stopped_after(_STOPPED_S):
                self.read()
        except ScreenalyticsError as error:
            problem = self._problem_of(str(error))
        except StoppedError:
            problem = f"stopped after {_STOPPED_S:.0f} s"
        except BaseException as error:  # noqa: BLE001 - whatever else it raises is what is looked for
            where = "".join(traceback.format_tb(error.__traceback__)[-2:])
            problem = f"{type(error).__module__}.{type(error).__name__}: {str(error)[:200]}\n{where}"
        finally:
            self.path.write_bytes(kept)
        taken_s, more_mb = time.process_time() - began_s, _peak_mb() - before_mb
        if problem is None and taken_s > MAX_S:
            problem = f"took {taken_s:.1f} s"
        if problem is None and more_mb > MAX_MB:
            problem = f"took {more_mb:.0f} MB"
        return problem

    def _problem_of(self, message: str) -> str | None:
        if not self.refuses:
            return f"refused: {message[:200]}"
        if self.path.name not in message:
            return f"the message does not name the file: {message[:200]}"
        if len(message) > 2 * MAX_MESSAGE_CHARACTERS:  # escapes count several
            return f"the message has {len(message):,} characters: {message[:200]}"
        if not message.replace("\n", " ").isprintable():
            return f"the message cannot be printed: {message[:200]!r}"
        return None


def readers_in(folder: Path) -> list[Reader]:
    """Every reader, with its file in a new folder; ``SCREENALYTICS_CONFIG_DIR`` has to be its ``config``."""
    config, pipeline = folder / "config", folder / "config" / "pipeline"
    shutil.copytree(project_dir() / "config", config)
    store = LocalArtifactStore(folder / "data")
    publish_episode(store)
    _correct(store)
    write_tombstone(store, EP, Retirement(at="2026-01-01T00:00:00Z", removed={"files": 3}))
    files = {
        config / "seasons.yaml": _SEASONS,
        config / "inbox.yaml": b"folder: inbox\nsettle_s: 60\ninterval_s: 30\nautorun: true\n",
        folder / "episode.truth.json": _TRUTH,
        folder / "pack.yaml": _PACK,
        folder / "holder.held": b'{"host": "a", "pid": 12, "boot": "b", "note": "a run"}',
        folder / "cursor.json": Cursor(waiting={"a.mp4": ("1-2", 3.0)}, done={"b.mp4": "1-2"})
        .model_dump_json()
        .encode(),
        pipeline / "screen_time.yaml": b"gap_tolerance_s: 0.5\n",
        pipeline / "clustering.yaml": b"cluster_thresh: 0.4\noutlier_handling: {treat_as_singletons: true}\n",
    }
    for path, content in files.items():
        path.write_bytes(content)

    def of(name: str, path: Path, read: Callable[[], object], *, refuses: bool = True) -> Reader:
        return Reader(name, path, read, (path.read_bytes(),), refuses)

    def below(relative: str) -> Path:
        return folder / "data" / relative

    seasons, cursor, holder = config / "seasons.yaml", folder / "cursor.json", folder / "holder.held"
    acceptance, truth, pack = config / "acceptance.yaml", folder / "episode.truth.json", folder / "pack.yaml"
    profiles, models = pipeline / "performance_profiles.yaml", pipeline / "models.yaml"
    identities = below(file_path(EP, "clusters.json", "recluster"))
    faces = below(file_path(EP, "faces.parquet", "reembed"))
    vectors = below(file_path(EP, "tracks.npy", "recluster"))
    return [
        of("YAML", seasons, lambda: read_yaml_file(seasons)),
        of("JSON", truth, lambda: read_json_file(truth)),
        of("truth", truth, lambda: read_truth(truth)),
        of("corrections", below(corrections_path(EP)), lambda: read_corrections(store, EP)),
        of("manifest", below(manifest_path("recluster", EP)), lambda: store.manifest("recluster", EP)),
        of(
            "document",
            identities,
            lambda: require_artifact(store, "recluster", EP).document("clusters.json", Identities),
        ),
        of("table", faces, lambda: require_artifact(store, "reembed", EP).table("faces.parquet")),
        of("vectors", vectors, lambda: require_artifact(store, "recluster", EP).array("tracks.npy")),
        of("retirement", below(tombstone_path(EP)), lambda: read_tombstone(store, EP)),
        of("seasons", seasons, read_seasons),
        of("usable seasons", seasons, usable_seasons, refuses=False),
        of("inbox", config / "inbox.yaml", inbox_settings),
        of("inbox cursor", cursor, lambda: Cursor.parse(cursor.read_text(errors="replace")), refuses=False),
        of("acceptance", acceptance, load_acceptance),
        of("stage file", pipeline / "screen_time.yaml", resolve_settings),
        of("nested stage file", pipeline / "clustering.yaml", resolve_settings),
        of("profiles", profiles, resolve_settings),
        of("models", models, lambda: load_registry(models)),
        of("model pack", pack, lambda: load_declaration(pack)),
        of("lock holder", holder, lambda: str(read_holder(holder)), refuses=False),
    ]


def _correct(store: LocalArtifactStore) -> None:
    """One correction of each kind."""
    desk = CorrectionDesk(store, EP)
    desk.merge(["ident_001", "ident_003"])
    desk.name("ident_002", "José Núñez")
    desk.not_this_person("ident_004", "ann")
    desk.ignore("ident_005")


def tries(readers: Sequence[Reader], seed: int) -> Iterator[tuple[Reader, bytes]]:
    """Damaged contents without end, for each reader in turn; try N of a seed is always the same."""
    number = 0
    while True:
        for reader in readers:
            rng = np.random.default_rng((seed, number))
            yield reader, mutated(reader.samples[int(rng.integers(len(reader.samples)))], rng)
            number += 1


def _peak_mb() -> float:
    """The most memory that this process has had."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024**2 if sys.platform == "darwin" else 1024)


@contextmanager
def _stopped_after(limit_s: float) -> Iterator[None]:
    """Raise `StoppedError` when this much computing time is used up."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise StoppedError

    earlier = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, earlier)


def main() -> int:
    """Try, count and print; the exit status is 1 if something went wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**9))
    options = parser.parse_args()
    ends_s = time.monotonic() + options.seconds
    counts: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="screenalytics-readers-") as name:
        os.environ["SCREENALYTICS_CONFIG_DIR"] = str(Path(name, "config"))
        for reader, content in tries(readers_in(Path(name)), options.seed):
            counts[reader.name] += 1
            if problem := reader.fault(content):
                kind = f"{reader.name}: {problem.replace(name, '')[:60]}"
                seen[kind] += 1
                if seen[kind] == 1:
                    print(f"{reader.name}: {problem}\n    {content[:2000]!r}", flush=True)
            if time.monotonic() > ends_s:
                break
    print(", ".join(f"{name} {count}" for name, count in counts.items()))
    print(f"{counts.total()} damaged documents from seed {options.seed}: {seen.total()} faults of {len(seen)} kinds")
    return int(bool(seen))


if __name__ == "__main__":
    sys.exit(main())
