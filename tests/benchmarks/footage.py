"""Video of a wanted length from episodes: encoded with x264's defaults at another size, repeated, joined.

    python -m tests.benchmarks.footage MINUTES OUT.mp4 EPISODE [EPISODE ...] [--size 1920x1080] [--pieces DIR]

The episodes come one after the other, again and again; the last round takes an equal share of each, so that the
content does not depend on the length. Each piece is decoded, scaled (Lanczos) and encoded once, preset medium and
CRF 23, sound left out; joining copies packets, each piece starting with a key frame. Pieces are kept in a folder,
beside OUT unless another one is given, so that the next length only adds what it lacks. Where every episode lies
beside a ``.truth.json``, OUT gets one too.
"""

import argparse
import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.video.frame import PictureType
from rich.console import Console

from screenalytics_assets.core.evaluation.truth import TruthDocument, TruthFace

ENCODING = {"preset": "medium", "crf": "23"}
MAX_ASPECT_CHANGE = 0.01


class Piece(NamedTuple):
    """The beginning of an episode, in frames."""

    episode: Path
    frames: int


class Source(NamedTuple):
    """What an episode's container says of its pictures."""

    frames: int
    rate: Fraction
    width: int
    height: int


def dealt(lengths: Sequence[int], wanted: int) -> list[tuple[int, int]]:
    """Which episodes, and how many frames of each, make up the wanted number: whole rounds, then a share of each.

    Args:
        lengths: Frames of each episode.
        wanted: Frames to reach.

    Returns:
        (position in ``lengths``, frames), in order; the frames add up to ``wanted``.
    """
    rounds, rest = divmod(wanted, sum(lengths))
    whole = list(enumerate(lengths)) * rounds
    edges = np.rint(np.cumsum([0, *lengths]) * rest / sum(lengths)).astype(int)
    shares = [(i, share) for i, share in enumerate(np.diff(edges).tolist()) if share]
    return [*whole, *shares]


def joined_truth(parts: Sequence[tuple[TruthDocument, int]], width: int, height: int) -> TruthDocument:
    """The truth of the first frames of each document, one after the other, boxes scaled to a frame of that size.

    Every join is a cut. People keep their names.
    """
    shots: list[list[int]] = []
    faces: list[list[TruthFace]] = []
    for document, frames in parts:
        scale = (width / document["width"], height / document["height"]) * 2
        offset = len(faces)
        shots += [[offset + start, offset + min(end, frames)] for start, end in document["shots"] if start < frames]
        faces += [[_scaled(face, scale) for face in frame] for frame in document["truth"][:frames]]
    fps = parts[0][0]["fps"]
    return {"fps": fps, "width": width, "height": height, "frames": len(faces), "shots": shots, "truth": faces}


def _scaled(face: TruthFace, scale: Sequence[float]) -> TruthFace:
    bbox = [round(side * by, 1) for side, by in zip(face["bbox"], scale, strict=True)]
    return {"person": face["person"], "bbox": bbox, "visible": face["visible"]}


def truth_path(video: Path) -> Path:
    """Where the truth of a video lies."""
    return video.with_suffix(".truth.json")


@contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """A name to write to, which becomes the file when all went well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def source_of(video: Path) -> Source:
    """What the container says.

    Raises:
        SystemExit: It does not say how many frames there are, or at which rate.
    """
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        if not stream.frames or not stream.average_rate:
            raise SystemExit(f"{video}: the container does not tell its frames and their rate; convert it to MP4")
        return Source(stream.frames, stream.average_rate, stream.width, stream.height)


def encode(piece: Piece, out: Path, width: int, height: int) -> None:
    """Decode the piece and encode it at that size.

    Raises:
        SystemExit: The episode has fewer frames than its container says.
    """
    with appearing(out) as partial, av.open(str(piece.episode)) as source, av.open(str(partial), "w") as target:
        source.streams.video[0].thread_type = "AUTO"
        rate = source.streams.video[0].average_rate
        stream = target.add_stream("libx264", rate=rate, options=ENCODING)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        count = 0
        for count, decoded in enumerate(islice(source.decode(video=0), piece.frames), start=1):
            frame = decoded.reformat(width=width, height=height, format="yuv420p", interpolation="LANCZOS")
            frame.pts, frame.time_base = count - 1, 1 / Fraction(rate or 0)
            # What the source's encoder chose is no order to this one.
            frame.pict_type = PictureType.NONE
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
        if count < piece.frames:
            raise SystemExit(f"{piece.episode}: {count} frames can be decoded, expected {piece.frames}")


def join(pieces: Sequence[Piece], encoded: Sequence[Path], out: Path) -> None:
    """Write the packets of encoded pieces one after the other.

    Raises:
        SystemExit: The pieces were encoded with different parameters.
    """
    with appearing(out) as partial, av.open(str(partial), "w") as target, av.open(str(encoded[0])) as first:
        template = first.streams.video[0]
        stream = target.add_stream_from_template(template)
        time_base, rate = template.time_base, template.average_rate
        if time_base is None or rate is None:
            raise SystemExit(f"{encoded[0]}: no time base or frame rate")
        offset = 0
        for piece, file in zip(pieces, encoded, strict=True):
            with av.open(str(file)) as source:
                own = source.streams.video[0]
                if (own.time_base, own.codec_context.extradata) != (time_base, template.codec_context.extradata):
                    raise SystemExit(f"{file}: encoded with other parameters than {encoded[0]}; delete both")
                for packet in source.demux(own):
                    if packet.pts is None or packet.dts is None:
                        continue
                    packet.pts += offset
                    packet.dts += offset
                    packet.stream = stream
                    target.mux(packet)
            offset += round(piece.frames / rate / time_base)


def make(minutes: float, out: Path, episodes: Sequence[Path], *, size: tuple[int, int], pieces_dir: Path) -> None:
    """Make the video, and its truth where each episode has one.

    Raises:
        SystemExit: The episodes differ in frame rate or aspect, or cannot be joined.
    """
    console = Console(soft_wrap=True, highlight=False)
    sources = [source_of(episode) for episode in episodes]
    for episode, source in zip(episodes, sources, strict=True):
        change = abs(source.width / source.height * size[1] / size[0] - 1)
        if source.rate != sources[0].rate or change > MAX_ASPECT_CHANGE:
            raise SystemExit(
                f"{episode}: {source.width}x{source.height} at {source.rate} frames a second; expected the rate of "
                f"{episodes[0]}, {sources[0].rate}, and the aspect of {size[0]}x{size[1]}"
            )
    wanted = round(minutes * 60 * sources[0].rate)
    pieces = [Piece(episodes[i], frames) for i, frames in dealt([source.frames for source in sources], wanted)]
    digests = {episode: hashlib.sha256(episode.read_bytes()).hexdigest()[:12] for episode in episodes}
    encoded = []
    for piece in pieces:
        name = f"{piece.episode.stem}-{digests[piece.episode]}-{size[0]}x{size[1]}-{piece.frames}.mp4"
        encoded.append(pieces_dir / name)
        if not encoded[-1].exists():
            console.print(f"encoding {name}")
            encode(piece, encoded[-1], *size)
    join(pieces, encoded, out)
    if all(truth_path(episode).exists() for episode in episodes):
        documents = {episode: json.loads(truth_path(episode).read_text(encoding="utf-8")) for episode in episodes}
        document = joined_truth([(documents[piece.episode], piece.frames) for piece in pieces], *size)
        with appearing(truth_path(out)) as partial:
            partial.write_text(json.dumps(document), encoding="utf-8")
    console.print(f"{out}: {minutes:g} min, {len(pieces)} pieces of {len(episodes)} episodes")


def parse_size(text: str) -> tuple[int, int]:
    """``1920x1080`` as two numbers."""
    width, _, height = text.partition("x")
    return int(width), int(height)


def main() -> None:
    """Make the video."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.footage",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("minutes", type=float)
    parser.add_argument("out", type=Path)
    parser.add_argument("episodes", nargs="+", type=Path)
    parser.add_argument("--size", type=parse_size, default=(1920, 1080))
    parser.add_argument("--pieces", type=Path, help="folder of the encoded pieces; pieces/ beside OUT")
    options = parser.parse_args()
    pieces_dir = options.pieces or options.out.parent / "pieces"
    make(options.minutes, options.out, options.episodes, size=options.size, pieces_dir=pieces_dir)


if __name__ == "__main__":
    main()
