"""Images of a pipe that are cut off or damaged: each costs itself, and no other."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import cv2
import numpy as np
import pytest

from mscli.core.errors import NotReadableError
from mscli.core.frames import EncodedVideoChunk, VideoFrame, packed_planes
from mscli.sources.base import InputOptions
from mscli.sources.bytereader import ByteReader, EndedEarly
from mscli.sources.pipe.formats import Images, Jpegs, Pngs, Pnms
from tests.media_files import ffmpeg

SIZE = (16, 16)
FORMATS: dict[str, type[Images]] = {"mjpeg": Jpegs, "png": Pngs, "ppm": Pnms, "pgm": Pnms, "pam": Pnms}


class Bytes(ByteReader):
    """Bytes that come in pieces of this size."""

    name = "bytes"

    def __init__(self, data: bytes, piece: int = 1 << 16) -> None:
        super().__init__()
        self.left, self._piece = data, piece

    def close(self) -> None:
        """Close nothing."""

    def _comes(self) -> bool:
        return bool(self.left)

    def _some(self, count: int) -> bytes:
        count = min(count, self._piece)
        data, self.left = self.left[:count], self.left[count:]
        self._ended = not data
        return data

    def _read_into(self, parts: list[memoryview]) -> int:
        data = self._some(parts[0].nbytes)
        parts[0][: len(data)] = data
        return len(data)


def read(codec: str, data: bytes, piece: int = 1 << 16) -> tuple[list[bytes], int]:
    """Return the whole images, and how many bad ones there were, one that the writer did not complete included."""
    whole: list[bytes] = []
    bad = 0
    parts = FORMATS[codec](Bytes(data, piece), InputOptions())
    try:
        while (medium := parts.read()) is not None:
            if isinstance(medium, EncodedVideoChunk) and bytes(medium.data) == b"\xff\xd8":
                bad += 1
            else:
                assert isinstance(medium, EncodedVideoChunk | VideoFrame)
                whole.append(bytes(medium.data) if isinstance(medium, EncodedVideoChunk) else b"".join(packed_planes(medium)))
    except EndedEarly:
        bad += 1
    return whole, bad + parts.lost


def made(codec: str, size: tuple[int, int] = SIZE) -> bytes:
    """Return an image file."""
    source = f"testsrc2=size={size[0]}x{size[1]}:rate=25"
    return ffmpeg("-f", "lavfi", "-i", source, "-frames:v", "1", "-f", "image2pipe", "-c:v", codec, "-")


@pytest.fixture(scope="module")
def images() -> dict[str, bytes]:
    """Return an image file of each format."""
    return {codec: made(codec) for codec in FORMATS}


@pytest.fixture(scope="module")
def pictures(images: dict[str, bytes]) -> dict[str, bytes]:
    """Return what is read of each."""
    return {codec: read(codec, image)[0][0] for codec, image in images.items()}


def of_noise(size: tuple[int, int], seed: int) -> bytes:
    """Return a JPEG of this size."""
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), np.uint8)
    done, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 50 + seed % 3 * 20])
    assert done
    return bytes(data)


def with_thumbnail(image: bytes, thumbnail: bytes, behind: bytes = b"", *, first: bool = True) -> bytes:
    """Return a JPEG with another in a segment. ``behind``: what else is in it. ``first``: before the other segments."""
    content = b"Exif\0\0" + thumbnail + behind
    at = 2 if first else 4 + int.from_bytes(image[4:6], "big")
    return image[:at] + b"\xff\xe1" + (len(content) + 2).to_bytes(2, "big") + content + image[at:]


@pytest.mark.parametrize("codec", FORMATS)
def test_an_image_that_is_cut_anywhere_costs_itself(codec: str, images: dict[str, bytes], pictures: dict[str, bytes]) -> None:
    image, picture = images[codec], pictures[codec]
    for cut in range(FORMATS[codec].magic_bytes, len(image)):  # what is shorter belongs to no image
        assert read(codec, image * 2 + image[:cut] + image * 3) == ([picture] * 5, 1), f"cut after {cut} bytes"


@pytest.mark.parametrize("codec", FORMATS)
def test_an_image_that_is_cut_costs_itself_in_whatever_pieces_it_comes(
    codec: str, images: dict[str, bytes], pictures: dict[str, bytes]
) -> None:
    image, picture = images[codec], pictures[codec]
    for cut in range(
        FORMATS[codec].magic_bytes, len(image) - 2, 7
    ):  # PNM does not show earlier that its last bytes are missing
        assert read(codec, image[:cut] + image * 3, piece=1 + cut % 5) == ([picture] * 3, 1), f"cut after {cut} bytes"


ROWS: list[tuple[Sequence[float | int], int, int]] = [  # images in turn: how much there is of each; whole ones, bad ones
    ((1, 1, 1, 0.5, *[1] * 10), 13, 1),
    ((0.5, *[1] * 10), 10, 1),
    ((*[1] * 3, -2, *[1] * 300), 303, 1),
    ((*[1] * 9, 0.5) * 30, 270, 30),
    ((*[1] * 3, 0.1, *[1] * 300), 303, 1),
    ((0.5, 0.3, 0.1, 1, -2, -1, 1), 2, 5),
]


@pytest.mark.parametrize(("shares", "whole", "bad"), ROWS)
@pytest.mark.parametrize("codec", FORMATS)
def test_every_whole_image_is_kept_and_every_other_counted(
    codec: str, shares: Sequence[float | int], whole: int, bad: int, images: dict[str, bytes], pictures: dict[str, bytes]
) -> None:
    image = images[codec]
    data = b"".join(image[: round(len(image) * share) if share > 0 else int(share)] for share in shares)
    assert read(codec, data) == ([pictures[codec]] * whole, bad)


@pytest.mark.parametrize("piece", [1, 1 << 16])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("behind", [b"", b"and more"])
@pytest.mark.parametrize("size", [SIZE, (8, 8)], ids=["same-size", "smaller"])
def test_a_jpeg_with_a_thumbnail_is_whole(size: tuple[int, int], behind: bytes, first: bool, piece: int) -> None:
    image = with_thumbnail(made("mjpeg"), made("mjpeg", size), behind, first=first)
    assert read("mjpeg", image * 3, piece) == ([image] * 3, 0)


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("behind", [b"", b"and more"])
def test_a_jpeg_with_a_thumbnail_that_is_cut_anywhere_costs_itself(behind: bytes, first: bool) -> None:
    image = with_thumbnail(made("mjpeg"), made("mjpeg", (8, 8)), behind, first=first)
    for cut in range(Jpegs.magic_bytes, len(image)):
        assert read("mjpeg", image + image[:cut] + image * 3) == ([image] * 4, 1), f"cut after {cut} bytes"


def test_any_number_of_jpegs_with_thumbnails_that_are_cut_in_a_row_cost_themselves() -> None:
    wrong = []
    for seed in range(120):
        chance = Random(seed)
        behind, first = chance.choice([b"", b"and more"]), chance.random() < 0.5
        images = [with_thumbnail(of_noise((64, 48), seed + n), of_noise((16, 12), seed), behind, first=first) for n in range(8)]
        cuts = [chance.randrange(3, len(one)) if n and chance.random() < 0.55 else 0 for n, one in enumerate(images)]
        data = b"".join(one[:cut] if cut else one for one, cut in zip(images, cuts, strict=True))
        whole = [one for one, cut in zip(images, cuts, strict=True) if not cut]
        if read("mjpeg", data, chance.choice([1 << 16, 97])) != (whole, len(images) - len(whole)):
            wrong.append(seed)
    assert len(wrong) <= 1, "a cut may look like no cut"


def test_a_thumbnail_in_several_segments_is_no_cut() -> None:
    thumbnail = made("mjpeg", (64, 64))
    image = with_thumbnail(with_thumbnail(made("mjpeg"), thumbnail[300:]), thumbnail[:300])
    assert read("mjpeg", image * 3) == ([image] * 3, 0)


@pytest.mark.parametrize("codec", FORMATS)
def test_a_whole_image_is_there_with_its_last_byte_although_the_one_before_was_cut(
    codec: str, images: dict[str, bytes], pictures: dict[str, bytes]
) -> None:
    image = images[codec]
    reader = Bytes(image + image[: len(image) // 2] + image)
    parts = FORMATS[codec](reader, InputOptions())
    reader._comes = lambda: bool(reader.left) or pytest.fail("it waits for more")  # type: ignore[method-assign]
    for _ in range(3 if codec == "mjpeg" else 2):
        assert parts.read() is not None


def test_a_png_that_is_damaged_inside_costs_itself(images: dict[str, bytes], pictures: dict[str, bytes]) -> None:
    image, picture = images["png"], pictures["png"]
    damaged = image[:60] + bytes(20) + image[80:]
    assert read("png", damaged + image + damaged + image) == ([picture] * 2, 2)
    with pytest.raises(NotReadableError, match="bytes is damaged"):
        read("png", damaged)


def test_a_jpeg_without_a_size_costs_itself(images: dict[str, bytes]) -> None:
    image = images["mjpeg"]
    assert read("mjpeg", b"\xff\xd8\xff\xd9" + image + b"\xff\xd8\xff\xd9" + image) == ([image] * 2, 2)
