"""The headers of HEVC: the order of pictures, and what is missing by the pictures that each keeps."""

from __future__ import annotations

from fractions import Fraction
from random import Random

import av
import numpy as np
import pytest

from mscli.core.annexb import HEVC
from mscli.core.hevc import HevcHeaders
from tests.unit.test_h264 import lacking

PICTURES, KEY_EVERY, SIZE = 40, 20, (96, 64)
SHAPES = (
    "bframes=0",
    "bframes=0:ref=1",
    "bframes=3:b-adapt=0:open-gop=0",
    "bframes=3:b-adapt=0:open-gop=1",
    "bframes=4:b-adapt=0:b-pyramid=1:ref=5",
    "bframes=2:b-adapt=0:b-pyramid=0",
    "bframes=0:intra-refresh=1",
    "bframes=3:temporal-layers=3:b-adapt=0",
    "bframes=0:scaling-list=default:range=full:aud=1:hrd=1:vbv-maxrate=500:vbv-bufsize=500",
    "bframes=2:b-adapt=0:radl=2:open-gop=0",
)


def stream(parameters: str, pixels: str = "yuv420p") -> list[tuple[bytes, int]]:
    """The chunks of a moving picture in the order of decoding, each with its place in the order of display."""
    context = av.CodecContext.create("libx265", "w")
    assert isinstance(context, av.VideoCodecContext)
    (context.width, context.height), context.pix_fmt, context.framerate = SIZE, pixels, Fraction(30)
    context.time_base = Fraction(1, 30)
    fixed = f"keyint={KEY_EVERY}:min-keyint={KEY_EVERY}:scenecut=0:repeat-headers=1:log-level=none:pools=none:frame-threads=1"
    context.options = {"x265-params": f"{parameters}:{fixed}:ctu=16:rc-lookahead=8"}
    noise = np.random.default_rng(1).integers(0, 255, (SIZE[1], SIZE[0], 3), np.uint8)
    packets = []
    for number in range(PICTURES):
        frame = av.VideoFrame.from_ndarray(np.roll(noise, 3 * number, 1), "rgb24").reformat(format=pixels)
        frame.pts, frame.time_base = number, Fraction(1, 30)
        packets += context.encode(frame)
    return [(bytes(packet), packet.pts or 0) for packet in packets + context.encode(None)]


def chunks_of(parameters: str) -> list[bytes]:
    """The chunks alone."""
    return [data for data, _ in stream(parameters)]


@pytest.mark.parametrize("parameters", SHAPES)
@pytest.mark.parametrize("pixels", ["yuv420p", "yuv444p10le"])
def test_nothing_is_missing_in_a_whole_stream_and_its_order_is_read(parameters: str, pixels: str) -> None:
    chunks = stream(parameters, pixels)
    assert len(chunks) == PICTURES
    assert lacking([data for data, _ in chunks], "hevc") == []
    headers, begin = HevcHeaders(), 0
    for data, place in chunks:
        picture = headers.read(memoryview(data))
        assert picture is not None
        begin = place if picture.resets else begin
        assert picture.order == place - begin


def shown(chunks: list[tuple[bytes, int]]) -> dict[int, bytes]:
    """What FFmpeg's decoder shows at each place."""
    context = av.CodecContext.create("hevc", "r")
    assert isinstance(context, av.VideoCodecContext)
    found: dict[int, bytes] = {}
    for data, place in [*chunks, (None, 0)]:
        packet = None if data is None else av.Packet(data)
        if packet is not None:
            packet.pts = place
        found |= {picture.pts or 0: picture.to_ndarray().tobytes() for picture in context.decode(packet)}
    return found


@pytest.mark.parametrize("parameters", [shape for shape in SHAPES if "intra-refresh" not in shape])
def test_pictures_that_depend_on_a_lost_one_are_those_that_a_decoder_shows_wrong(parameters: str) -> None:
    chunks = stream(parameters)
    whole = shown(chunks)
    for lost in (1, 5, 9, 20, 30):
        kept = chunks[:lost] + chunks[lost + 1 :]
        found = {kept[number][1] for number in lacking([data for data, _ in kept], "hevc")}
        lossy = shown(kept)
        wrong = {place for _, place in kept if lossy.get(place) != whole[place]}
        assert found <= wrong, lost
        assert found == wrong or "layers" in parameters, "FFmpeg then forgets pictures that it has"


def test_damaged_headers_say_nothing_and_break_nothing() -> None:
    chunks, random = chunks_of("bframes=2"), Random(1)
    assert HEVC.is_start(memoryview(chunks[0]))
    for _ in range(2000):
        headers = HevcHeaders()
        for chunk in chunks[:2]:
            data = bytearray(chunk[: random.randrange(1, 400)])
            for _ in range(3):
                data[random.randrange(len(data))] = random.randrange(256)
            headers.read(memoryview(data))


def test_no_more_parameter_sets_are_read_than_a_stream_can_have() -> None:
    (sets, _), *_ = stream("bframes=0")
    empty = b"\0\0\1\x42\1"
    assert HevcHeaders().read(memoryview(empty * 70 + sets)) is not None
    assert HevcHeaders().read(memoryview(empty * 90 + sets)) is None
