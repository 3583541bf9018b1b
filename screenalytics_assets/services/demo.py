"""Demo footage: short episodes rendered from the photographs that InsightFace ships.

A virtual camera films a group photograph of six people: wide shots, two-shots, close-ups, and in between a seventh
face on a television set, with hard cuts, camera moves, hand-held sway, and changes of exposure, colour and grain. Each
person appears in several shots; the ground truth says who is where in every frame.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from screenalytics_assets.core.common.errors import ScreenalyticsError
from screenalytics_assets.core.evaluation.truth import TruthDocument, TruthFace

FPS = 24
WIDTH_PX = 960
HEIGHT_PX = 540
MEAN_SHOT_S = 5 / 3

Box = tuple[float, float, float, float]
Picture = NDArray[np.uint8]

GROUP_PHOTO = "t1.jpg"
GROUP_SIZE_PX = (1280, 886)
GROUP_FACES: Mapping[str, Box] = {
    "person-1": (58.5, 263.0, 168.8, 395.6),
    "person-2": (269.0, 147.3, 371.2, 265.1),
    "person-3": (465.4, 265.4, 573.4, 416.1),
    "person-4": (745.8, 339.2, 845.7, 480.6),
    "person-5": (904.8, 54.2, 1013.2, 204.2),
    "person-6": (1131.4, 271.1, 1225.7, 398.9),
}
"""Faces of the group photograph from left to right, x1 y1 x2 y2 in its pixels, as SCRFD-2.5G finds them."""

PORTRAIT_PHOTO = "Tom_Hanks_54745.png"
PORTRAIT_SIZE_PX = (112, 112)
PORTRAIT_FACE: Box = (7.1, 6.3, 85.5, 112.0)
"""The face of the portrait in its pixels, found the same way in a copy enlarged four times."""

GROUP = tuple(GROUP_FACES)
ON_TELEVISION = ("person-7",)
CLOSE_UPS = tuple((name,) for name in GROUP)
NEIGHBOURS = tuple(pairwise(GROUP))

# Height of the bounding box of all subjects of a shot, as a share of the frame's height, by number of subjects.
FACE_SHARE = {1: (0.38, 0.55), 2: (0.60, 0.75), len(GROUP): (0.55, 0.62)}

# Width of the last framing relative to the first, and the pan to the right in widths.
CAMERA_MOVES = ((0.85, 0.0), (1.15, 0.0), (1.0, -0.1), (1.0, 0.1), (1.0, 0.0))


ENCODING = {"preset": "veryfast", "crf": "23", "threads": "2", "mbtree": "0"}
"""x264 output is deterministic only with a fixed number of threads and without macroblock-tree rate control: with it,
the x264 in PyAV 18.1 wrote three different files in three runs."""


@dataclass(frozen=True)
class Scene:
    """A still picture, BGR, and the faces in it, in its pixels."""

    picture: Picture
    faces: Mapping[str, Box]


@dataclass(frozen=True)
class Framing:
    """The 16:9 window of a scene that the camera sees; centre and width in scene pixels."""

    x_px: float
    y_px: float
    width_px: float

    def inside(self, scene: Scene) -> "Framing":
        """The nearest framing within the scene's edges."""
        height_px, width_px = scene.picture.shape[:2]
        width = min(self.width_px, width_px, height_px * WIDTH_PX / HEIGHT_PX)
        height = width * HEIGHT_PX / WIDTH_PX
        return Framing(
            float(np.clip(self.x_px, width / 2, width_px - width / 2)),
            float(np.clip(self.y_px, height / 2, height_px - height / 2)),
            width,
        )


@dataclass(frozen=True)
class Shot:
    """A shot: the camera moves from one framing to another while the exposure changes.

    Attributes:
        scene: The scene.
        start: First framing.
        end: Last framing.
        mirrored: Whether left and right are swapped.
        exposure: Gain of the first and the last frame.
        warmth: Gain of red over green, and of green over blue.
        sway_phase: Phase of the hand-held sway, radians.
    """

    scene: Scene
    start: Framing
    end: Framing
    mirrored: bool
    exposure: tuple[float, float]
    warmth: float
    sway_phase: float


def render_demo_episode(path: Path, *, seed: int, duration_s: float = 20.0) -> TruthDocument:
    """Render an episode as H.264 in MP4, 960x540 at 24 frames per second, and return its ground truth.

    The same seed and duration give the same frames; another seed gives another episode with the same people.
    The file is written atomically. Frames are rendered one at a time, so that memory does not grow with the duration
    except for the ground truth.

    Args:
        path: The MP4 file to write; its folder exists.
        seed: Which episode, 0 or more.
        duration_s: How long it is. Twenty seconds show each of the seven people at least twice.

    Returns:
        The ground truth, ready to be written as JSON. A face is listed while at least 1 % of its box is in the
        frame; its box is clipped to the frame, and `visible` is the share that is inside.

    Raises:
        ScreenalyticsError: The installed InsightFace does not contain the photographs.
    """
    rng = np.random.default_rng(seed)
    frames = max(1, round(duration_s * FPS))
    shots = _plan_shots(max(1, round(duration_s / MEAN_SHOT_S)), rng)
    lengths = rng.uniform(0.7, 1.3, len(shots))
    cuts = np.rint(np.cumsum([0.0, *lengths]) / lengths.sum() * frames).astype(int).tolist()
    grain = rng.normal(0, 1.5, (4, HEIGHT_PX, WIDTH_PX, 1)).astype(np.int16).repeat(3, axis=3)
    truth: list[list[TruthFace]] = []
    with _encoder(path) as encode:
        for shot, (start, end) in zip(shots, pairwise(cuts), strict=True):
            for frame_idx, progress in enumerate(np.linspace(0, 1, end - start), start):
                camera = _camera(shot, progress, frame_idx / FPS)
                encode(_expose(shot, progress, camera, grain[frame_idx % len(grain)]))
                truth.append(_faces_in_view(shot.scene, camera))
    return {
        "fps": FPS,
        "width": WIDTH_PX,
        "height": HEIGHT_PX,
        "frames": frames,
        "seed": seed,
        "shots": [list(shot) for shot in pairwise(cuts)],
        "truth": truth,
    }


def _plan_shots(count: int, rng: np.random.Generator) -> list[Shot]:
    group = Scene(_load_photo(GROUP_PHOTO, GROUP_SIZE_PX), GROUP_FACES)
    television = _television(_load_photo(PORTRAIT_PHOTO, PORTRAIT_SIZE_PX))
    subjects: list[tuple[str, ...]] = []
    while len(subjects) < count:
        pairs = [NEIGHBOURS[i] for i in rng.choice(len(NEIGHBOURS), 2, replace=False)]
        subjects += _cut_together([GROUP, GROUP, *CLOSE_UPS, *pairs, ON_TELEVISION, ON_TELEVISION], rng)
    return [_plan_shot(television if names == ON_TELEVISION else group, names, rng) for names in subjects[:count]]


def _cut_together(subjects: Sequence[tuple[str, ...]], rng: np.random.Generator) -> list[tuple[str, ...]]:
    """The shots in an order without jump cuts: no person is in two successive close shots."""
    while True:
        order = [subjects[i] for i in rng.permutation(len(subjects))]
        if not any(
            before == after or (len(before) <= 2 and len(after) <= 2 and set(before) & set(after))
            for before, after in pairwise(order)
        ):
            return order


def _plan_shot(scene: Scene, names: tuple[str, ...], rng: np.random.Generator) -> Shot:
    boxes = np.array([scene.faces[name] for name in names])
    (left, top), (right, bottom) = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    share = rng.uniform(*FACE_SHARE[len(names)])
    width_px = max((bottom - top) / share * WIDTH_PX / HEIGHT_PX, (right - left) / 0.94)
    wider, further = CAMERA_MOVES[rng.integers(len(CAMERA_MOVES))]
    start = Framing((left + right) / 2, (top + bottom) / 2 + 0.06 * (bottom - top), width_px)
    end = Framing(start.x_px + further * width_px, start.y_px, width_px * wider)
    gain = rng.uniform(0.7, 1.15)
    return Shot(
        scene=scene,
        start=start.inside(scene),
        end=end.inside(scene),
        mirrored=bool(rng.random() < 0.4),
        exposure=(gain, gain * rng.choice([1.0, 1.0, 0.75, 1.25])),
        warmth=rng.uniform(0.92, 1.08),
        sway_phase=rng.uniform(0, 2 * np.pi),
    )


def _load_photo(name: str, size_px: tuple[int, int]) -> Picture:
    package = find_spec("insightface")
    folders = package.submodule_search_locations if package else None
    if not folders:
        raise ScreenalyticsError("the demo needs the package insightface; install the project's dependencies")
    file = Path(folders[0]) / "data" / "images" / name
    picture = cv2.imread(str(file)) if file.is_file() else None
    if picture is None or picture.shape[1::-1] != size_px:
        found = "no such file" if picture is None else "{}x{} pixels".format(*picture.shape[1::-1])
        raise ScreenalyticsError(
            f"{file}: {found}; the demo needs the photograph of {size_px[0]}x{size_px[1]} pixels that "
            "insightface 2.1 ships: install that version, or run the pipeline on your own video"
        )
    return picture.astype(np.uint8, copy=False)


def _television(photo: Picture) -> Scene:
    """A room, 1280x720, with the photograph on the screen of a television set."""
    shade = np.linspace(1.1, 0.6, 720)[:, None, None]
    room = np.clip(np.full((720, 1280, 3), (96, 84, 62)) * shade, 0, 255).astype(np.uint8)
    room[590:] = (38, 58, 84)
    cv2.rectangle(room, (330, 110), (990, 610), (24, 34, 48), -1)
    cv2.rectangle(room, (360, 140), (860, 530), (12, 12, 12), -1)
    for y_px in (220, 310):
        cv2.circle(room, (925, y_px), 26, (120, 130, 140), -1, cv2.LINE_AA)
    film = cv2.resize(photo, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    sides = cv2.GaussianBlur(cv2.copyMakeBorder(film, 0, 0, 62, 62, cv2.BORDER_REPLICATE), (0, 0), 6)
    sides[:, 62:-62] = film
    x_px, y_px = 380, 167
    room[y_px : y_px + sides.shape[0], x_px : x_px + sides.shape[1]] = sides
    x1, y1, x2, y2 = (3 * side for side in PORTRAIT_FACE)
    box = (x1 + x_px + 62, y1 + y_px, x2 + x_px + 62, y2 + y_px)
    return Scene(room, {ON_TELEVISION[0]: box})


def _camera(shot: Shot, progress: float, time_s: float) -> NDArray[np.float64]:
    """The affine transform from scene to frame pixels, (2, 3); ``progress`` is the elapsed share of the shot."""
    eased = progress * progress * (3 - 2 * progress)
    x_px, y_px, width_px = (
        before + eased * (after - before)
        for before, after in zip(
            (shot.start.x_px, shot.start.y_px, shot.start.width_px),
            (shot.end.x_px, shot.end.y_px, shot.end.width_px),
            strict=True,
        )
    )
    sway = np.sin(2 * np.pi * time_s * np.array([0.31, 0.43, 0.23]) + shot.sway_phase) * [5, 4, 0.3]
    camera = np.asarray(cv2.getRotationMatrix2D((x_px, y_px), sway[2], WIDTH_PX / width_px), np.float64)
    camera[:, 2] += (WIDTH_PX / 2 - x_px + sway[0], HEIGHT_PX / 2 - y_px + sway[1])
    if shot.mirrored:
        camera[0] *= -1
        camera[0, 2] += WIDTH_PX - 1
    return camera


def _expose(shot: Shot, progress: float, camera: NDArray[np.float64], grain: NDArray[np.int16]) -> Picture:
    picture = cv2.warpAffine(
        shot.scene.picture,
        camera,
        (WIDTH_PX, HEIGHT_PX),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    gain = shot.exposure[0] + progress * (shot.exposure[1] - shot.exposure[0])
    channels = gain * np.array([1 / shot.warmth, 1.0, shot.warmth])
    curve = np.clip(np.arange(256)[:, None] * channels, 0, 255).astype(np.uint8)
    return cv2.add(cv2.LUT(picture, curve[None]), grain, dtype=cv2.CV_8U).astype(np.uint8, copy=False)


def _faces_in_view(scene: Scene, camera: NDArray[np.float64]) -> list[TruthFace]:
    faces: list[TruthFace] = []
    for name, (x1, y1, x2, y2) in scene.faces.items():
        corners = np.array([(x1, y1), (x2, y1), (x1, y2), (x2, y2)]) @ camera[:, :2].T + camera[:, 2]
        box = np.concatenate([corners.min(axis=0), corners.max(axis=0)])
        inside = np.clip(box, 0, [WIDTH_PX, HEIGHT_PX, WIDTH_PX, HEIGHT_PX])
        visible = float(np.prod(inside[2:] - inside[:2]) / np.prod(box[2:] - box[:2]))
        if visible >= 0.01:
            bbox = [round(side, 1) for side in inside.tolist()]
            faces.append({"person": name, "bbox": bbox, "visible": round(visible, 3)})
    return faces


@contextmanager
def _encoder(path: Path) -> Iterator[Callable[[Picture], None]]:
    """A function that appends a BGR picture to the video, which is moved to `path` at the end."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        with av.open(str(partial), "w", format="mp4") as container:
            stream = container.add_stream("libx264", rate=FPS, options=ENCODING)
            stream.width, stream.height, stream.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"

            def encode(picture: Picture) -> None:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))

            yield encode
            container.mux(stream.encode(None))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
