import contextlib
import resource
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from resources.models.photo_analysis import TooManyPixelsError, decode_photo
from resources.photos import PhotoLibraryResource
from screenalytics_assets.core.common.errors import FacebankError
from screenalytics_assets.core.config.people_keys import FacebankSettings, FacesSettings
from screenalytics_assets.core.detection.alignment import ARCFACE_TEMPLATE_112
from screenalytics_assets.core.detection.face_boxes import FrameFaces
from screenalytics_assets.core.documents.facebank import FacebankStats
from screenalytics_assets.core.people.enrolment import (
    PhotoFinding,
    analyse_photo,
    compare_photos,
    facebank_of,
    faces_of_photo,
    refuse_duplicates,
)
from screenalytics_assets.core.people.person_names import people_of_folders, person_of

PHOTO = PhotoFinding("amy/1.jpg", "amy", "0" * 64)
TEMPLATE_BOX = np.array([20.0, 10.0, 92.0, 105.0])


def faces_at(*places: tuple[float, float, float]) -> FrameFaces:
    """Upright faces: left and top of the ArcFace crop, and its scale."""
    boxes = [TEMPLATE_BOX * scale + np.tile([x, y], 2) for x, y, scale in places]
    points = [ARCFACE_TEMPLATE_112 * scale + [x, y] for x, y, scale in places]
    return FrameFaces(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.full(len(places), 0.9, np.float32),
        np.array(points, np.float32).reshape(-1, 5, 2),
    )


def textured(width: int = 600, height: int = 600, *, blur: float = 0.0) -> NDArray[np.uint8]:
    picture = np.random.default_rng(0).integers(0, 256, (height // 4, width // 4, 3), dtype=np.uint8)
    large = cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(cv2.GaussianBlur(large, (0, 0), blur) if blur else large, np.uint8)


def analysed(
    found: FrameFaces, photo: NDArray[np.uint8] | None = None, *, gate: FacesSettings | None = None, **keys: float
) -> PhotoFinding:
    return analyse_photo(
        PHOTO,
        textured() if photo is None else photo,
        lambda _picture: found,
        FacebankSettings(**keys),
        gate or FacesSettings(),
        crop_px=160,
    )


def test_a_good_photo_is_accepted_with_its_measures_and_its_crop() -> None:
    finding = analysed(faces_at((200, 200, 1.5)))
    assert finding.is_accepted
    assert finding.faces == 1
    assert finding.measures is not None
    assert finding.measures["face_px"] == pytest.approx(108)
    assert finding.measures["inside_fraction"] == 1
    assert finding.crop is not None
    assert finding.crop.shape == (160, 160, 3)


def test_a_file_that_is_no_picture_and_a_picture_without_a_face_are_refused() -> None:
    assert analyse_photo(
        PHOTO, None, lambda _: faces_at(), FacebankSettings(), FacesSettings(), crop_px=160
    ).reason == ("unreadable")
    assert analysed(faces_at()).reason == "no_face"


def test_two_people_are_refused_and_a_small_face_in_the_background_is_not() -> None:
    assert analysed(faces_at((50, 50, 1.5), (350, 350, 1.2))).reason == "several_faces"
    assert analysed(faces_at((50, 50, 1.5), (350, 350, 1.2))).faces == 2
    assert analysed(faces_at((50, 50, 1.5), (350, 350, 0.5))).is_accepted


def test_what_counts_as_a_second_face_is_configured() -> None:
    pair = faces_at((50, 50, 1.5), (350, 350, 0.5))
    assert analysed(pair, photo_max_second_face=0.2).reason == "several_faces"


@pytest.mark.parametrize(
    ("place", "blur", "key", "lenient", "reason"),
    [
        ((200, 200, 0.5), 0.0, "photo_min_face_size", 30, "too_small"),
        ((200, 200, 1.5), 5.0, "photo_min_sharpness", 0, "blurry"),
        ((-90, 200, 1.5), 0.0, "photo_min_inside_fraction", 0.2, "cut_off"),
    ],
)
def test_poor_photos_are_refused_with_the_reason_unless_the_key_allows_them(
    place: tuple[float, float, float], blur: float, key: str, lenient: float, reason: str
) -> None:
    photo = textured(blur=blur)
    assert analysed(faces_at(place), photo).reason == reason
    gate = FacesSettings(min_quality_score=0)
    assert analysed(faces_at(place), photo, gate=gate, **{key: lenient}).is_accepted


def test_the_limits_of_faces_in_episodes_hold_for_photos_too() -> None:
    assert analysed(faces_at((200, 200, 1.5)), gate=FacesSettings(min_quality_score=0.99)).reason == "low_quality"


def test_a_photo_that_a_face_fills_is_analysed_with_a_border_and_measured_in_its_own_pixels() -> None:
    sizes = []

    def detect(picture: NDArray[np.uint8]) -> FrameFaces:
        sizes.append(picture.shape[:2])
        border = (picture.shape[0] - 150) / 2
        return faces_at((20 + border, 20 + border, 1.0))

    faces = faces_of_photo(textured(150, 150), detect)
    assert sizes == [(150, 150), (300, 300)]
    np.testing.assert_allclose(faces.landmarks_px, faces_at((20, 20, 1.0)).landmarks_px, atol=1e-3)
    np.testing.assert_allclose(faces.boxes_px, faces_at((20, 20, 1.0)).boxes_px, atol=1e-3)


def test_a_face_that_only_the_plain_photo_shows_is_kept() -> None:
    found = faces_of_photo(
        textured(150, 150), lambda picture: faces_at((20, 20, 1.0)) if picture.shape[0] == 150 else faces_at()
    )
    assert len(found) == 1


def findings(*person_ids: str) -> list[PhotoFinding]:
    return [PhotoFinding(f"{person}/{i}.jpg", person, f"{i:064d}") for i, person in enumerate(person_ids)]


def vectors_of(*people: str, noise: float = 0.5) -> NDArray[np.float32]:
    """A photo each: one direction a person, with noise of the photo; of one person about 0.8 alike."""
    rng = np.random.default_rng(1)
    directions = {name: rng.normal(size=512) / 512**0.5 for name in sorted(set(people))}
    rows = np.array([directions[name] + noise * rng.normal(size=512) / 512**0.5 for name in people])
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_photos_with_the_right_names_are_most_similar_to_their_own_person() -> None:
    judged = compare_photos(findings("amy", "amy", "bob", "bob"), vectors_of("a", "a", "b", "b"), min_photo_sim=0.38)
    assert all(finding.is_accepted and not finding.remark for finding in judged)
    assert all((f.own_similarity or 0) > 0.7 > 0.3 > (f.other_similarity or 0) for f in judged)
    assert [finding.other_person_id for finding in judged] == ["bob", "bob", "amy", "amy"]


def test_a_photo_with_a_wrong_name_is_refused_and_the_similar_person_is_reported() -> None:
    judged = compare_photos(
        findings("amy", "amy", "amy", "bob", "bob"), vectors_of("a", "a", "b", "b", "b"), min_photo_sim=0.38
    )
    assert [finding.reason for finding in judged] == ["", "", "resembles_other", "", ""]
    assert judged[2].other_person_id == "bob"
    assert (judged[2].other_similarity or 0) > 0.7 > (judged[2].own_similarity or 0)


def test_a_photo_that_is_similar_to_no_one_stays_with_a_remark() -> None:
    judged = compare_photos(
        findings("amy", "amy", "amy", "bob", "bob"), vectors_of("a", "a", "x", "b", "b"), min_photo_sim=0.38
    )
    assert [finding.remark for finding in judged] == ["", "", "unlike_own", "", ""]
    assert judged[2].is_accepted


def test_min_photo_sim_decides_what_is_similar() -> None:
    mixed = (findings("amy", "amy", "bob", "bob"), vectors_of("a", "b", "b", "b"))
    assert compare_photos(*mixed, min_photo_sim=0.38)[1].reason == "resembles_other"
    assert compare_photos(*mixed, min_photo_sim=0.95)[1].reason == ""


def test_a_single_photo_and_a_single_person_have_nothing_to_be_compared_with() -> None:
    (alone,) = compare_photos(findings("amy"), vectors_of("a"), min_photo_sim=0.38)
    assert (alone.own_similarity, alone.other_similarity, alone.is_accepted) == (None, None, True)
    assert compare_photos([], np.empty((0, 512), np.float32), min_photo_sim=0.38) == []


def test_the_same_file_counts_once_for_a_person() -> None:
    same = [PhotoFinding(f"{name}/{i}.jpg", name, "f" * 64) for i, name in enumerate(("amy", "amy", "bob"))]
    assert [finding.reason for finding in refuse_duplicates(same)] == ["", "duplicate", ""]


def test_the_document_accounts_for_every_photo_and_every_person() -> None:
    refused = PhotoFinding("bob/1.jpg", "bob", "1" * 64, reason="blurry")
    document = facebank_of(
        "show", "v", "m", {"amy": "Amy", "bob": "Bob"}, [analysed(faces_at((200, 200, 1.5))), refused]
    )
    assert document.stats == FacebankStats(
        photos_accepted=1, photos_refused=1, refused={"blurry": 1}, people_without_photo=("bob",)
    )
    assert [(person.person_id, person.name, person.photos) for person in document.people] == [
        ("amy", "Amy", 1),
        ("bob", "Bob", 0),
    ]
    assert [(photo.photo_id, photo.decision) for photo in document.photos] == [
        ("amy/1.jpg", "accepted"),
        ("bob/1.jpg", "refused"),
    ]


@pytest.mark.parametrize(
    ("folder", "person_id", "name"),
    [
        ("sheldon", "sheldon", "Sheldon"),
        ("sheldon_cooper", "sheldon-cooper", "Sheldon Cooper"),
        ("Sheldon Cooper", "sheldon-cooper", "Sheldon Cooper"),
        ("mary-jo o'neill", "mary-jo-o-neill", "Mary Jo O'neill"),
        ("DJ Qualls", "dj-qualls", "DJ Qualls"),
        ("José", "josé", "José"),
        ("李小龍", "李小龍", "李小龍"),
    ],
)
def test_a_folder_names_a_person(folder: str, person_id: str, name: str) -> None:
    assert person_of(folder) == (person_id, name)


def test_a_folder_without_letters_is_refused() -> None:
    with pytest.raises(FacebankError, match="neither letters nor digits"):
        person_of("--")


def test_a_folder_that_is_called_like_the_placeholder_of_a_command_is_refused() -> None:
    with pytest.raises(FacebankError, match="'PERSON' is not a person's name"):
        person_of("PERSON")
    assert person_of("Person").name == "Person"  # in capitals only


def photo_folder(root: Path, *files: str) -> Path:
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


def test_the_photos_of_a_show_are_the_files_in_its_peoples_folders(tmp_path: Path) -> None:
    photo_folder(
        tmp_path, "show/amy/2.png", "show/amy/1.jpg", "show/.git/x", "show/amy/.DS_Store", "show/facebank.json"
    )
    photos = PhotoLibraryResource(root=str(tmp_path)).photos("show")
    assert [(photo.photo_id, photo.folder) for photo in photos] == [("amy/1.jpg", "amy"), ("amy/2.png", "amy")]
    assert PhotoLibraryResource(show_folder=str(tmp_path / "show")).photos("other") == photos


def test_the_photos_lie_below_the_data_root_or_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCREENALYTICS_DATA_ROOT", str(tmp_path))
    monkeypatch.delenv("SCREENALYTICS_FACEBANK_ROOT", raising=False)
    assert PhotoLibraryResource().location("show") == str(tmp_path / "facebank" / "show")
    monkeypatch.setenv("SCREENALYTICS_FACEBANK_ROOT", "/elsewhere")
    assert PhotoLibraryResource().location("show") == "/elsewhere/show"


def test_a_show_without_photos_gets_an_error_that_says_where_to_put_them(tmp_path: Path) -> None:
    with pytest.raises(FacebankError, match=r"show/PERSON/.*--photos DIR"):
        PhotoLibraryResource(root=str(tmp_path)).photos("show")


def test_two_folders_of_one_name_are_refused(tmp_path: Path) -> None:
    photo_folder(tmp_path, "Amy Fowler/1.jpg", "amy_fowler/1.jpg")
    with pytest.raises(FacebankError, match="'Amy Fowler', 'amy_fowler'"):
        people_of_folders(p.folder for p in PhotoLibraryResource(show_folder=str(tmp_path)).photos("show"))


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n truncated"])
def test_files_that_are_no_pictures_are_recognised(content: bytes) -> None:
    assert decode_photo(content) is None


def test_a_picture_is_decoded_as_colour() -> None:
    encoded = cv2.imencode(".png", textured(8, 8)[:, :, 0])[1].tobytes()
    decoded = decode_photo(encoded)
    assert decoded is not None
    assert decoded.shape == (8, 8, 3)


def png_of_zeros(width: int, height: int) -> bytes:
    """A complete PNG file, black, of one bit a pixel: 30000×30000 take half a megabyte."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    compressor = zlib.compressobj(1)
    row = bytes(1 + (width + 7) // 8)
    lines = b"".join(compressor.compress(row) for _ in range(height)) + compressor.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", lines) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("width", "height"), [(30_000, 30_000), (12_000, 8_400), (20_001, 8)])
def test_a_photo_beyond_the_limits_is_refused_before_it_is_decoded(width: int, height: int) -> None:
    content = png_of_zeros(width, height)
    assert len(content) < 1_000_000
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(TooManyPixelsError):
        decode_photo(content)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 100_000


def test_a_long_photo_within_the_limits_is_decoded() -> None:
    decoded = decode_photo(png_of_zeros(20_000, 8))
    assert decoded is not None
    assert decoded.shape == (8, 20_000, 3)


@pytest.mark.parametrize("kind", [".png", ".jpg", ".webp", ".tiff", ".bmp"])
def test_a_photo_with_a_damaged_header_never_raises_another_error(kind: str) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    whole = cv2.imencode(kind, noise)[1].tobytes()
    random = np.random.default_rng(2)
    for _ in range(200):
        damaged = bytearray(whole[: random.integers(1, len(whole))])
        for place in random.integers(0, min(len(damaged), 64), 4):
            damaged[place] = random.integers(256)
        with contextlib.suppress(TooManyPixelsError):
            decode_photo(bytes(damaged))
