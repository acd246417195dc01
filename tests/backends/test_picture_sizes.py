"""Pictures that are larger than one may be: from the network, where anybody may choose their size, and from files and pipes."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mscli.core.errors import NotReadableError
from mscli.core.frames import MOST_PIXELS, NETWORK_PIXELS, EncodedVideoChunk
from mscli.media import pictures
from mscli.media.pictures import PictureReader
from mscli.sources.base import VIDEO_INPUT, InputOptions
from mscli.sources.file.backend import FileBackend
from mscli.sources.network import feeds
from mscli.sources.network.backend import NetworkBackend
from mscli.sources.network.links import LinkReader
from mscli.sources.pipe.formats import Jpegs, Pngs
from tests.backends.servers import MIXED, Web, in_parts, live, parts, whole
from tests.backends.test_network import PATIENT, failure, started
from tests.backends.test_pipe_images import Bytes
from tests.media_files import ffmpeg

pytestmark = pytest.mark.usefixtures("no_descriptor_is_left")

ALLOWED, LARGE = (160, 120), (320, 240)
Page = Callable[[bytes], Any]


@pytest.fixture
def web() -> Iterator[Web]:
    """Return a web server."""
    with Web() as server:
        yield server


@pytest.fixture
def small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Allow the network no more than 160×120 pixels."""
    most = ALLOWED[0] * ALLOWED[1]
    monkeypatch.setattr(LinkReader, "most_pixels", most)
    for module in (feeds, pictures):
        monkeypatch.setattr(module, "NETWORK_PIXELS", most)
    monkeypatch.setattr(pictures, "_ROUNDED", 1 << 13)


def media(form: str, size: tuple[int, int]) -> bytes:
    """Return half a second of pictures of this size, as ffmpeg writes them: one for an image file."""
    how = {
        "png": ("-frames:v", "1", "-f", "image2pipe", "-c:v", "png"),
        "jpg": ("-frames:v", "1", "-f", "mjpeg"),
        "ppm": ("-frames:v", "1", "-f", "image2pipe", "-c:v", "ppm"),
        "y4m": ("-pix_fmt", "yuv420p", "-f", "yuv4mpegpipe"),
        "h264": ("-pix_fmt", "yuv420p", "-c:v", "libx264", "-f", "h264"),
        "mkv": ("-pix_fmt", "yuv420p", "-c:v", "libx264", "-f", "matroska"),
        "mkv of png": ("-c:v", "png", "-f", "matroska"),
    }[form]
    return ffmpeg("-f", "lavfi", "-i", f"testsrc2=size={size[0]}x{size[1]}:rate=25:duration=0.5", *how, "-")


def claiming(form: str, side: int) -> bytes:
    """Return a small image file that claims to be large."""
    if form == "png":
        head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(bytes(1 << 16))), (b"IEND", b""))
        packed = (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
        )
        return b"\x89PNG\r\n\x1a\n" + b"".join(packed)
    image = bytearray(media("jpg", ALLOWED))
    at = image.index(b"\xff\xc0") + 5
    image[at : at + 4] = struct.pack(">HH", side, side)
    return bytes(image)


def look(backend: NetworkBackend | FileBackend) -> set[tuple[Any, Any]]:
    """Return the sizes of a camera's modes, and close it."""
    try:
        (device,) = backend.devices()
        return {(mode.width, mode.height) for mode in backend.abilities(device).modes}
    finally:
        backend.close()


PAGES: list[tuple[str, Page]] = [
    ("png", lambda data: whole(data, "image/png")),
    ("jpg", lambda data: whole(data, "image/jpeg")),
    ("jpg", lambda data: live(parts([data]), MIXED, over=True)),
    ("ppm", lambda data: live([data], over=True)),
    ("y4m", lambda data: live([data], over=True)),
    ("h264", lambda data: live([data], over=True)),
    ("mkv", whole),
    ("mkv", in_parts),
    ("mkv", lambda data: live([data], over=True)),
    ("mkv of png", whole),
    ("mkv of png", in_parts),
]


@pytest.mark.usefixtures("small_limit")
@pytest.mark.parametrize(("form", "page"), PAGES)
def test_a_large_picture_from_the_network_is_refused(form: str, page: Page, web: Web) -> None:
    address = web.page("/large", page(media(form, LARGE)))
    with pytest.raises(NotReadableError) as caught:
        look(NetworkBackend(address, PATIENT))
    if form == "mkv of png":  # FFmpeg does not say why it cannot describe it
        assert "a picture with more than 138×138 pixels is not read" in caught.value.hints
    else:
        assert "has pictures of 320×240 pixels; at most 138×138, or as many of another shape" in caught.value.message


@pytest.mark.usefixtures("small_limit")
@pytest.mark.parametrize(("form", "page"), PAGES)
def test_one_of_the_largest_size_is_taken(form: str, page: Page, web: Web) -> None:
    assert look(NetworkBackend(web.page("/allowed", page(media(form, ALLOWED))), PATIENT)) == {ALLOWED}


@pytest.mark.usefixtures("small_limit")
def test_a_later_picture_that_is_large_is_refused_too(web: Web) -> None:
    page = live(parts([media("jpg", ALLOWED), media("jpg", LARGE), media("jpg", ALLOWED)]), MIXED)
    backend = NetworkBackend(web.page("/video", page), PATIENT)
    source, got = started(backend, VIDEO_INPUT)
    got.wait_for(frames=1)
    source.stop()
    backend.close()
    assert {frame.coded_width for frame in got.frames} == {ALLOWED[0]}


@pytest.mark.usefixtures("small_limit")
def test_a_stream_that_grows_loses_what_is_too_large(web: Web) -> None:
    data = media("h264", ALLOWED) + media("h264", LARGE)
    backend = NetworkBackend(web.page("/grows", whole(data)), PATIENT._replace(paced=False))
    source, got = started(backend, VIDEO_INPUT)
    got.wait_for(ends=1)
    source.stop()
    backend.close()
    assert {(frame.coded_width, frame.coded_height) for frame in got.frames} == {ALLOWED}


@pytest.mark.usefixtures("small_limit")
def test_a_chunk_that_is_larger_than_it_says_is_not_decoded() -> None:
    reader = PictureReader()
    large = EncodedVideoChunk("key", 0, memoryview(media("h264", LARGE)), "h264", *ALLOWED)
    assert reader.read(large) == []
    assert reader.faults.damaged == 1


@pytest.mark.parametrize("form", ["png", "jpg"])
def test_a_bomb_is_refused_by_its_header(form: str, web: Web) -> None:
    side = 8193
    assert (side - 1) ** 2 == NETWORK_PIXELS
    kind = {"png": "image/png", "jpg": "image/jpeg"}[form]
    error = failure(web.page("/bomb", whole(claiming(form, side), kind)))
    assert error.message == (
        f"{web.url('/bomb')} has pictures of 8193×8193 pixels; at most 8192×8192, or as many of another shape, are read"
    )


@pytest.mark.parametrize(("form", "kind"), [("png", Pngs), ("jpg", Jpegs)])
def test_a_pipe_has_a_limit_of_its_own(form: str, kind: Any) -> None:
    assert MOST_PIXELS == 16384**2
    with pytest.raises(NotReadableError, match="bytes has pictures of 16385×16385 pixels; at most 16384×16384"):
        kind(Bytes(claiming(form, 16385)), InputOptions())


@pytest.mark.parametrize("form", ["png", "jpg"])
def test_a_file_has_that_limit_too(form: str, tmp_path: Path) -> None:
    (path := tmp_path / f"bomb.{form}").write_bytes(claiming(form, 20000))
    with pytest.raises(NotReadableError, match="can be decoded") as caught:
        look(FileBackend(str(path), InputOptions()))
    assert "a picture with more than 16384×16384 pixels is not read" in caught.value.hints
