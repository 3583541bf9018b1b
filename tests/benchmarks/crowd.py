"""Footage with a known number of faces in every frame, from the photograph that InsightFace ships.

    python -m tests.benchmarks.crowd FACES OUT.mp4 [--seconds 30]

1920x1080 at 24 frames a second. The frame has ten places, and each face is as large in one of them whether it is
alone or not; people change places at a cut every 2.5 seconds and move a little in between. Of more than six faces
some are the same person.
"""

import argparse
from importlib.util import find_spec
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from screenalytics_assets.services.demo import GROUP_FACES, GROUP_PHOTO
from tests.benchmarks.footage import ENCODING, appearing

FPS = 24
WIDTH_PX, HEIGHT_PX = 1920, 1080
COLUMNS, ROWS = 5, 2
MOST_FACES = COLUMNS * ROWS
SHOT_S = 2.5
FACE_SHARE = 0.5
"""Of a place's height."""
SWAY_PX = 12.0
Picture = NDArray[np.uint8]


def places(faces: int) -> list[tuple[int, int]]:
    """Left and top of the places that are taken, in pixels, spread over the frame."""
    chosen = ((np.arange(faces) + 0.5) * MOST_FACES / faces).astype(int).tolist()
    # Down before across, so that neighbours in the list are neighbours in the frame.
    return [(place // ROWS * WIDTH_PX // COLUMNS, place % ROWS * HEIGHT_PX // ROWS) for place in chosen]


def frame_at(photo: Picture, faces: int, time_s: float) -> Picture:
    """The frame at a time, (1080, 1920, 3) BGR."""
    canvas = np.full((HEIGHT_PX, WIDTH_PX, 3), (70, 76, 82), np.uint8)
    size = WIDTH_PX // COLUMNS, HEIGHT_PX // ROWS
    shot = int(time_s // SHOT_S)
    boxes = list(GROUP_FACES.values())
    for i, (left, top) in enumerate(places(faces)):
        x1, y1, x2, y2 = boxes[(i + shot) % len(boxes)]
        scale = FACE_SHARE * size[1] / (y2 - y1)
        sway = SWAY_PX * np.sin(2 * np.pi * time_s * np.array([0.31, 0.43]) + i)
        shift = np.array(size) / 2 - scale * np.array([x1 + x2, y1 + y2]) / 2 + sway
        camera = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
        seen = cv2.warpAffine(photo, camera, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
        # The second time that a person is in the frame, and every other shot, from the other side.
        mirrored = (i // len(boxes) + shot) % 2 == 1
        canvas[top : top + size[1], left : left + size[0]] = seen[:, ::-1] if mirrored else seen
    return canvas


def render(out: Path, faces: int, seconds: float) -> None:
    """Write the video; it appears whole or not at all.

    Raises:
        SystemExit: There are no such many places, or the photograph is not there.
    """
    if not 1 <= faces <= MOST_FACES:
        raise SystemExit(f"{faces} faces: expected 1 to {MOST_FACES}")
    package = find_spec("insightface")
    folder = Path(next(iter(package.submodule_search_locations or ()))) if package else Path()
    photo = cv2.imread(str(folder / "data" / "images" / GROUP_PHOTO))
    if photo is None:
        raise SystemExit(f"{folder / 'data' / 'images' / GROUP_PHOTO}: no such picture; install insightface 2.1")
    with appearing(out) as partial, av.open(str(partial), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options=ENCODING)
        stream.width, stream.height, stream.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
        for index in range(round(seconds * FPS)):
            picture = frame_at(photo.astype(np.uint8, copy=False), faces, index / FPS)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode(None))


def main() -> None:
    """Write the video."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.crowd",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("faces", type=int)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seconds", type=float, default=30.0)
    options = parser.parse_args()
    render(options.out, options.faces, options.seconds)


if __name__ == "__main__":
    main()
