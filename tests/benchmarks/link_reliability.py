"""How often links of a given probability are right: poor copies of photos, compared with a random cast.

    python -m tests.benchmarks.link_reliability PHOTOS [--picture FILE.png] [--casts N]

PHOTOS has a folder of four photos or more for each of seven people or more, none of them used to choose a limit of the
product. Each photo is made small, blurred and compressed. Then it is compared with the other photos of six people, to
whom its person belongs or, in one case of twenty, does not. Links without strong evidence are left out. Prints a
Markdown row for each range of probabilities: links, the mean probability, and the share of them that is right. FILE is
a reliability diagram.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import cv2
import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from resources.configuration.run_settings import RunSettings, declared_thresholds, resolve_settings
from resources.models.configured import configured_detector, configured_embedder
from resources.models.packs import load_pack
from resources.system.paths import config_dir
from screenalytics_assets.core.config.thresholds import fill_from_models, thresholds_of
from screenalytics_assets.core.detection.alignment import aligned_crop
from screenalytics_assets.core.detection.pose import head_pose_deg
from screenalytics_assets.core.detection.quality import laplacian_variance
from screenalytics_assets.core.identity.link_probability import (
    SimilarityStatistics,
    likelihood_ratios,
    link_probabilities,
    reliability,
)
from screenalytics_assets.core.people.enrolment import faces_of_photo
from screenalytics_assets.core.people.track_joining import STRONG_EVIDENCE
from tests.benchmarks.labelled import print_table

CAST = 6
UNSEEN = 0.05
PHOTOS_COMPARED = 3
WIDTHS_PX = (20, 26, 34, 44, 60, 80)
JITTER = 0.02
"""Standard deviation of the landmarks of a poor face, as a fraction of its width."""
RANGES = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)


class Copies(NamedTuple):
    """The originals (width 0) and poor copies of photos, one row each."""

    person: NDArray[np.str_]
    photo: NDArray[np.int64]
    width_px: NDArray[np.int64]
    reliability: NDArray[np.float64]
    vectors: NDArray[np.float64]


def copies_of(photos: Mapping[str, list[Path]], run: RunSettings) -> Copies:
    """Every photo with a face, and its poor copies."""
    detector, embedder, random = configured_detector(run), configured_embedder(run), np.random.default_rng(0)
    rows: list[tuple[str, int, int, float, NDArray[np.uint8]]] = []
    for number, (person, path) in enumerate((person, path) for person, paths in photos.items() for path in paths):
        photo = np.asarray(cv2.imread(str(path)), np.uint8)
        faces = faces_of_photo(photo, lambda it: detector.detect(it, confidence_th=run.thresholds.min_confidence))
        if not len(faces):
            continue
        sides_px = faces.boxes_px[:, 2:] - faces.boxes_px[:, :2]
        largest = int(sides_px.prod(1).argmax())
        landmarks, face_px = faces.landmarks_px[largest], float(np.sqrt(sides_px[largest].prod()))
        yaw = float(head_pose_deg(landmarks[None], (photo.shape[1], photo.shape[0]))[0, 0])
        for width_px, crop in _crops(photo, landmarks, face_px, random):
            rows.append((person, number, width_px, float(reliability(laplacian_variance(crop), yaw)), crop))
    people, numbers, widths, reliable, crops = zip(*rows, strict=True)
    vectors = embedder.embed(np.stack(crops)).astype(np.float64)
    return Copies(np.array(people), np.array(numbers), np.array(widths), np.array(reliable), vectors)


def _crops(
    photo: NDArray[np.uint8], landmarks: NDArray[np.float32], face_px: float, random: np.random.Generator
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    yield 0, aligned_crop(photo, landmarks, crop_px=112)
    for width_px in WIDTHS_PX:
        scale = width_px / face_px
        if scale > 1:
            continue
        small = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        moved = landmarks * scale + random.normal(0, JITTER * width_px, landmarks.shape)
        for blur_px in (0, 3, max(3, round(0.12 * width_px) | 1)):
            blurred = cv2.blur(small, (blur_px, 1)) if blur_px else small
            decoded = cv2.imdecode(cv2.imencode(".jpg", blurred, [cv2.IMWRITE_JPEG_QUALITY, 70])[1], cv2.IMREAD_COLOR)
            yield width_px, aligned_crop(np.asarray(decoded, np.uint8), moved.astype(np.float32), crop_px=112)


def links(copies: Copies, statistics: SimilarityStatistics, casts: int) -> NDArray[np.float64]:
    """(N, 2) the probability of the most probable person of random casts, and whether it is right."""
    random, people = np.random.default_rng(1), np.unique(copies.person)
    found = []
    for _ in range(casts):
        poor = int(random.choice(np.flatnonzero(copies.width_px > 0)))
        others = random.permutation(people[people != copies.person[poor]])
        is_seen = random.random() >= UNSEEN
        cast = [copies.person[poor], *others[: CAST - 1]] if is_seen else others[:CAST].tolist()
        compared = [_compare(copies, poor, person, random) for person in cast]
        similarity, reliable = np.transpose(compared)
        expected = statistics.same_mean * copies.reliability[poor] * reliable
        every = np.ones((1, CAST), bool)
        ratios = likelihood_ratios(similarity, expected, statistics)[None]
        probabilities = link_probabilities(ratios, every, every, unseen=UNSEEN)[0]
        best = int(probabilities.argmax())
        if ratios[0, best] >= STRONG_EVIDENCE:
            found.append((probabilities[best], is_seen and best == 0))
    return np.array(found, np.float64)


def _compare(copies: Copies, poor: int, person: str, random: np.random.Generator) -> tuple[float, float]:
    """Mean similarity of a poor copy to photos of a person, and their mean reliability."""
    originals = (copies.person == person) & (copies.width_px == 0) & (copies.photo != copies.photo[poor])
    rows = random.choice(np.flatnonzero(originals), PHOTOS_COMPARED, replace=False)
    return float((copies.vectors[rows] @ copies.vectors[poor]).mean()), float(copies.reliability[rows].mean())


class Range(NamedTuple):
    """The links whose probability is within a range: how many, their mean probability, the share that is right."""

    low: float
    high: float
    links: int
    mean: float
    right: float


def ranges_of(found: NDArray[np.float64]) -> list[Range]:
    """Each range of probabilities that has a link."""
    rows = []
    for low, high in pairwise(RANGES):
        inside = found[(found[:, 0] > low) & (found[:, 0] <= high)]
        if len(inside):
            rows.append(Range(low, high, len(inside), *inside.mean(0).tolist()))
    return rows


def draw(rows: Sequence[Range], path: Path) -> None:
    """A reliability diagram: on the dashed line, as many links are right as their probability says."""
    mpl.use("Agg")
    figure = Figure(figsize=(5, 5))
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], "k--", linewidth=1)
    axes.plot([row.mean for row in rows], [row.right for row in rows], "o-")
    axes.set(xlabel="probability of the link", ylabel="share of the links that is right", xlim=(0, 1), ylim=(0, 1.02))
    figure.savefig(path, dpi=120)


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.link_reliability", description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--casts", type=int, default=6000)
    options = parser.parse_args()
    pack = load_pack("open", None, config_dir() / "pipeline" / "models.yaml", verifier_pack="open")
    resolved = fill_from_models(resolve_settings(None, {}), declared_thresholds(pack), pack.name)
    statistics = pack.embedder.entry.similarity_statistics
    if statistics is None:
        raise SystemExit("the embedder declares no statistics of its similarities")
    photos = {folder.name: sorted(folder.iterdir()) for folder in sorted(options.photos.iterdir()) if folder.is_dir()}
    copies = copies_of(photos, RunSettings(resolved, pack, thresholds_of(resolved.settings)))
    rows = ranges_of(links(copies, statistics, options.casts))
    print_table(row._asdict() for row in rows)
    if options.picture:
        draw(rows, options.picture)


if __name__ == "__main__":
    main()
