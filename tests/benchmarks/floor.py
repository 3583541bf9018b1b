"""The floor below a run: what decoding, the detector and the embedder take alone, each in a process of its own.

    python -m tests.benchmarks.floor decode VIDEO [--profile NAME]
    python -m tests.benchmarks.floor detect VIDEO EP_ID [--profile NAME]
    python -m tests.benchmarks.floor embed VIDEO EP_ID [--profile NAME]

`decode` decodes the frames that the profile decodes. `detect` and `embed` repeat the work of a run, in the data root
and with the models that the environment names: the detector on the frames that the run looked at, handed over at the
size that the net takes, and the embedder on the crops that the run embedded. Start-up, loading the weights, and
decoding what is handed over are outside of the clock.
Both try one call at a time on all cores, and as many calls as cores on one thread each, and go on with the faster.
Each prints a JSON object.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import av
import numpy as np
from numpy.typing import NDArray

from resources.configuration.run_settings import RunSettings
from resources.models.detector import load_detector
from resources.models.embedder import BATCH_SIZE, load_embedder
from resources.settings import SettingsResource
from resources.storage.artifacts import Artifact
from resources.storage.crop_file import read_crops
from resources.storage.local_store import LocalArtifactStore
from resources.storage.store import require_artifact
from resources.system.cpu import default_threads
from resources.system.paths import data_root
from resources.video.decoder import probe_video, read_frames
from screenalytics_assets.core.common.arrow import column_of
from screenalytics_assets.core.common.schemas import CLOCK_TOLERANCE_S
from screenalytics_assets.core.detection.alignment import decode_jpeg, embedding_crop
from tests.benchmarks.measure import high_water_mb

FRAMES_AT_A_TIME = 64
"""Pictures in memory; the clock stands still while the next ones are decoded."""
CROPS_AT_A_TIME = 512
WARM_UP = 8
T = TypeVar("T")
Picture = NDArray[np.uint8]


class Call(NamedTuple):
    """A call of the detector: the frame, and whether it is a high-resolution pass."""

    frame_idx: int
    high_resolution: bool


class Arrangement(NamedTuple):
    """How the cores are used: calls at once, and threads of each."""

    calls: int
    threads: int


class Clock:
    """Wall time, and CPU time of this process, while it runs."""

    def __init__(self) -> None:
        self.wall_s = 0.0
        self.cpu_s = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count in the background."""
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        yield
        self.wall_s += time.perf_counter() - wall_s
        self.cpu_s += time.process_time() - cpu_s


def detector_calls(
    frame_idx: NDArray[np.int64],
    ts_s: NDArray[np.float64],
    shot_idx: NDArray[np.int64],
    *,
    close_look_interval_s: float,
    close_looks: int | None = None,
) -> list[Call]:
    """The detector's calls of a run.

    Each analysed frame is one. If the run counted its high-resolution passes, that many are spread evenly over all
    calls: the cost of a call depends on its input size alone. Otherwise the first of a shot and one each
    ``close_look_interval_s`` are high-resolution passes.

    Args:
        frame_idx: (N,) analysed frames.
        ts_s: (N,) their times.
        shot_idx: (N,) their shots.
        close_look_interval_s: Least time between two close calls in a shot.
        close_looks: High-resolution passes that were counted.
    """
    if close_looks is None:
        next_s: dict[int, float] = {}
        calls = []
        for index, at_s, shot in zip(frame_idx.tolist(), ts_s.tolist(), shot_idx.tolist(), strict=True):
            high_resolution = at_s >= next_s.get(shot, 0.0) - CLOCK_TOLERANCE_S
            if high_resolution:
                next_s[shot] = at_s + close_look_interval_s
            calls.append(Call(index, high_resolution))
        return calls
    close = set(spread(len(frame_idx), close_looks).tolist())
    return [Call(index, i in close) for i, index in enumerate(frame_idx.tolist())]


def spread(length: int, count: int) -> NDArray[np.int64]:
    """``count`` positions evenly over ``length``, (count,), in order."""
    return np.linspace(0, max(length - 1, 0), count).round().astype(np.int64)


def net_size(width: int, height: int, long_side_px: int) -> tuple[int, int]:
    """A frame's size with that longer side, so that the detector has nothing to resize."""
    scale = long_side_px / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def decode(video: Path, run: RunSettings) -> dict[str, Any]:
    """Decode what the run decodes, on all cores, and analyse none of it."""
    probe, clock, frames = probe_video(video), Clock(), 0
    with clock.running():
        for _ in read_frames(video, probe, every_frame=run.resolved.settings.detection.every_frame):
            frames += 1
    return {"frames": frames, **_taken(clock)}


def arrangements(cores: int) -> list[Arrangement]:
    """The two ways to use all cores; one where there is one core."""
    return list(dict.fromkeys([Arrangement(1, cores), Arrangement(cores, 1)]))


def timed(portions: Iterable[Sequence[T]], workers: Mapping[Arrangement, Callable[[T], object]]) -> dict[str, Any]:
    """Work on all items, the clock running only then.

    The first portion is worked on twice with each arrangement, in turns; the one that was fastest does the rest.
    """
    waiting = iter(portions)
    first = next(waiting, ())
    trials: dict[Arrangement, list[Clock]] = {arrangement: [] for arrangement in workers}
    for arrangement, work in workers.items():
        _work_on(first[:WARM_UP], arrangement, work, Clock())
    for arrangement, work in list(workers.items()) * 2:
        trials[arrangement].append(Clock())
        _work_on(first, arrangement, work, trials[arrangement][-1])
    best = {arrangement: min(clocks, key=lambda clock: clock.wall_s) for arrangement, clocks in trials.items()}
    chosen = min(best, key=lambda arrangement: best[arrangement].wall_s)
    clock, count = best[chosen], len(first)
    for portion in waiting:
        _work_on(portion, chosen, workers[chosen], clock)
        count += len(portion)
    return {"calls": count, "at_once": chosen.calls, "threads": chosen.threads, **_taken(clock)}


def _work_on(items: Sequence[T], arrangement: Arrangement, work: Callable[[T], object], clock: Clock) -> None:
    with ThreadPoolExecutor(arrangement.calls) as pool, clock.running():
        for _ in pool.map(work, items):
            pass


def detect(video: Path, store: LocalArtifactStore, ep_id: str, run: RunSettings) -> dict[str, Any]:
    """The detector on the frames that the run analysed."""
    settings, models = run.resolved.settings.detection, run.resolved.settings.models
    found = require_artifact(store, "detections", ep_id)
    calls = _calls(found, settings.close_look_interval_s)
    close_px = round(settings.close_look_scale * settings.detector_input_px)
    weak_th = settings.weak_confidence_fraction * run.thresholds.confidence_th

    def worker(threads: int) -> Callable[[tuple[Picture, bool]], object]:
        detector = load_detector(
            run.pack,
            device=models.device,
            threads=threads,
            input_px=settings.detector_input_px,
            closeup_input_px=settings.closeup_input_px,
            nms_iou=settings.nms_iou,
            close_look_scale=settings.close_look_scale,
        )
        return lambda task: detector.detect(task[0], confidence_th=weak_th, high_resolution=task[1])

    workers = {arrangement: worker(arrangement.threads) for arrangement in arrangements(default_threads())}
    pictures = _pictures(video, calls, settings.detector_input_px, close_px)
    return {
        **timed(_portions(pictures, FRAMES_AT_A_TIME), workers),
        "close": sum(call.high_resolution for call in calls),
        "input_px": settings.detector_input_px,
        "close_px": close_px,
        "frames": found.manifest.metrics["decoded_frames"],
    }


def _calls(found: Artifact, close_look_interval_s: float) -> list[Call]:
    analysed, metrics = found.table("analysed_frames.parquet"), found.manifest.metrics
    columns = (column_of(analysed, name) for name in ("frame_idx", "ts_s", "shot_idx"))
    return detector_calls(
        *columns,
        close_look_interval_s=close_look_interval_s,
        close_looks=metrics.get("close_looks"),
    )


def _pictures(video: Path, calls: Sequence[Call], usual_px: int, close_px: int) -> Iterator[tuple[Picture, bool]]:
    high_resolution_at = dict(calls)
    with av.open(str(video)) as container:
        container.streams.video[0].thread_type = "AUTO"
        for index, frame in enumerate(container.decode(video=0)):
            if (high_resolution := high_resolution_at.get(index)) is not None:
                width, height = net_size(frame.width, frame.height, close_px if high_resolution else usual_px)
                small = frame.reformat(width=width, height=height, format="bgr24", interpolation="AREA")
                yield np.ascontiguousarray(small.to_ndarray(), np.uint8), high_resolution


def embed(store: LocalArtifactStore, ep_id: str, run: RunSettings) -> dict[str, Any]:
    """The embedder on the crops that have a vector, each once."""
    models = run.resolved.settings.models
    ids: set[str] = set()
    for asset, table in (("tracks", "gate"), ("faces", "faces"), ("reembed", "faces")):
        artifact = require_artifact(store, asset, ep_id)
        ids |= set(artifact.table(f"{table}.parquet", ["detection_id"])["detection_id"].to_pylist())
    crop_file = require_artifact(store, "face_crops", ep_id).path("face_crops.parquet")
    crops = (embedding_crop(decode_jpeg(jpeg)) for _, jpeg in read_crops(crop_file, ids))
    batches = (np.stack(batch) for batch in _portions(crops, BATCH_SIZE))

    def worker(threads: int) -> Callable[[Picture], object]:
        return load_embedder(run.pack, device=models.device, threads=threads).embed

    workers = {arrangement: worker(arrangement.threads) for arrangement in arrangements(default_threads())}
    portions = _portions(batches, CROPS_AT_A_TIME // BATCH_SIZE)
    return {**timed(portions, workers), "crops": len(ids), "batch": BATCH_SIZE}


def _portions(items: Iterable[T], size: int) -> Iterator[list[T]]:
    waiting = iter(items)
    while portion := list(islice(waiting, size)):
        yield portion


def _taken(clock: Clock) -> dict[str, float]:
    return {"wall_s": clock.wall_s, "cpu_s": clock.cpu_s, "peak_mb": high_water_mb(os.getpid())}


def main() -> None:
    """Measure one part and print it."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.floor",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("part", choices=["decode", "detect", "embed"])
    parser.add_argument("video", type=Path)
    parser.add_argument("ep_id", nargs="?", default="")
    parser.add_argument("--profile")
    options = parser.parse_args()
    run, store = SettingsResource(profile=options.profile).load(), LocalArtifactStore(data_root())
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "decode": lambda: decode(options.video, run),
        "detect": lambda: detect(options.video, store, options.ep_id, run),
        "embed": lambda: embed(store, options.ep_id, run),
    }
    print(json.dumps(parts[options.part]()))


if __name__ == "__main__":
    main()
