"""The headers of H.264: numbers of pictures, and what is missing by them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from random import Random

import av
import numpy as np
import pytest

from mscli.core.codecs import VIDEO_CODECS
from mscli.core.frames import EncodedVideoChunk
from mscli.core.h264 import H264Headers
from mscli.media.chunkfilter import OwnSizes

PICTURES, KEY_EVERY = 40, 20
SHAPES = (
    "bframes=0",
    "bframes=0:ref=1",
    "bframes=3:b-adapt=0",
    "bframes=3:b-adapt=0:b-pyramid=strict",
    "bframes=0:slices=3",
    "bframes=0:intra-refresh=1",
    "bframes=2:interlaced=1",
    "bframes=0:fake-interlaced=1",
    "bframes=0:nal-hrd=vbr:vbv-maxrate=500",
    "bframes=0:cqm=jvt",
    "bframes=2:open-gop=1:ref=5",
    "bframes=0:colorprim=bt709:aud=1:sar=4/3",
)


def stream(parameters: str, pixels: str = "yuv420p", height: int = 64) -> list[bytes]:
    """The chunks of a moving picture."""
    context = av.CodecContext.create("libx264", "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt, context.framerate = 96, height, pixels, Fraction(30)
    context.time_base = Fraction(1, 30)
    more = "" if "vbv" not in parameters else ":vbv-bufsize=500:bitrate=300"
    context.options = {"x264-params": f"{parameters}{more}:keyint={KEY_EVERY}:scenecut=0:repeat-headers=1:annexb=1"}
    noise = np.random.default_rng(1).integers(0, 255, (height, 96, 3), np.uint8)
    packets = []
    for number in range(PICTURES):
        frame = av.VideoFrame.from_ndarray(np.roll(noise, 3 * number, 1), "rgb24").reformat(format=pixels)
        frame.pts, frame.time_base = number, Fraction(1, 30)
        packets += context.encode(frame)
    return [bytes(packet) for packet in packets + context.encode(None)]


def lacking(chunks: Sequence[bytes], codec: str = "h264") -> list[int]:
    """Which chunks depend on one that is missing."""
    row, lacks = VIDEO_CODECS[codec], []
    references = row.references()
    for number, data in enumerate(chunks):
        chunk = EncodedVideoChunk("delta", number * 33_333, memoryview(data), codec, 96, 64, sequence=number)
        if references.note(chunk, starts=row.starts(chunk.data)):
            lacks.append(number)
    return lacks


@pytest.mark.parametrize("parameters", SHAPES)
@pytest.mark.parametrize("pixels", ["yuv420p", "yuv444p"])
def test_nothing_is_missing_in_a_whole_stream(parameters: str, pixels: str) -> None:
    chunks = stream(parameters, pixels)
    assert lacking(chunks) == []
    headers = H264Headers()
    assert all(headers.read(memoryview(chunk)) is not None for chunk in chunks)


@pytest.mark.parametrize("parameters", SHAPES[:2] + SHAPES[4:5])
@pytest.mark.parametrize("lost", [1, 5, 18, 30])
def test_a_lost_picture_on_which_others_depend_is_missed(parameters: str, lost: int) -> None:
    chunks = stream(parameters)
    next_key = KEY_EVERY * (1 + lost // KEY_EVERY)
    assert lacking(chunks[:lost] + chunks[lost + 1 :]) == list(range(lost, next_key - 1))


@pytest.mark.parametrize(("parameters", "reordered"), [("bframes=0", 0), ("bframes=2:b-pyramid=none", 1), (SHAPES[3], 2)])
def test_the_limit_of_reordered_pictures_is_read(parameters: str, reordered: int) -> None:
    picture = H264Headers().read(memoryview(stream(parameters)[0]))
    assert picture is not None
    assert (picture.resets, picture.sps.reordered) == (True, reordered)


def test_damaged_headers_say_nothing_and_break_nothing() -> None:
    chunks, random = stream("bframes=2"), Random(1)
    for _ in range(2000):
        headers = H264Headers()
        for chunk in chunks[:2]:
            data = bytearray(chunk[: random.randrange(1, 200)])
            for _ in range(3):
                data[random.randrange(len(data))] = random.randrange(256)
            headers.read(memoryview(data))


def test_no_more_parameter_sets_are_read_than_a_stream_can_have() -> None:
    sets, *_ = stream("bframes=0")
    empty = b"\0\0\1\x07"
    assert H264Headers().read(memoryview(empty * 200 + sets)) is not None
    assert H264Headers().read(memoryview(empty * 300 + sets)) is None


def test_the_size_of_a_chunk_of_too_many_units_is_not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def size(chunk: EncodedVideoChunk, *_: object, **__: object) -> tuple[int, int]:
        asked.append(chunk.nbytes)
        return 96, 64

    monkeypatch.setattr("mscli.media.pictures.coded_size", size)
    sets, *_ = stream("bframes=0")
    for data in (b"\0\0\1\x07" * 10_000, sets):
        chunk = EncodedVideoChunk("key", 0, memoryview(data), "h264", 96, 64)
        OwnSizes().in_its_own(chunk, (96, 64))
    assert asked == [len(sets)]


def told(chunks: Sequence[bytes], lost: int, codec: str = "h264") -> list[int]:
    """Which chunks depend on a lost one, given the source's numbers."""
    chosen = [
        EncodedVideoChunk("delta", number * 33_333, memoryview(data), codec, 96, 64, 33_333, number)
        for number, data in enumerate(chunks)
        if number != lost
    ]
    row = VIDEO_CODECS[codec]
    references = row.references()
    return [chunk.sequence for chunk in chosen if references.note(chunk, starts=row.starts(chunk.data))]


@pytest.mark.parametrize("distance", [16, 17, 18, 20, 33])
@pytest.mark.parametrize("parameters", ["bframes=0", "bframes=0:ref=1", "bframes=3:b-adapt=0:b-pyramid=strict"])
def test_a_lost_key_frame_is_missed_whatever_number_comes_behind_it(
    parameters: str, distance: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.KEY_EVERY", distance)
    monkeypatch.setattr(f"{__name__}.PICTURES", 4 * distance)
    chunks = stream(parameters)
    assert [n for n, data in enumerate(chunks) if VIDEO_CODECS["h264"].starts(memoryview(data))] == [
        group * distance for group in range(4)
    ]
    assert told(chunks, 2 * distance) == list(range(2 * distance + 1, 3 * distance))


def test_a_lost_picture_on_which_none_depends_is_not_missed_where_no_key_frame_is_due() -> None:
    chunks = stream("bframes=3:b-adapt=0:b-pyramid=none")
    headers = H264Headers()
    free = []
    for number, data in enumerate(chunks):
        picture = headers.read(memoryview(data))
        assert picture is not None
        free += [number] if not picture.reference else []
    assert len(free) > 10
    assert [told(chunks, lost) for lost in free if lost % KEY_EVERY != KEY_EVERY - 1] == [[]] * len(
        [lost for lost in free if lost % KEY_EVERY != KEY_EVERY - 1]
    )


@pytest.mark.parametrize("lost", [5, KEY_EVERY - 1])
def test_pictures_behind_a_loss_are_whole_only_when_they_are_refreshed(lost: int) -> None:
    chunks = stream("bframes=0:intra-refresh=1")  # four columns of macroblocks, one a picture
    found = told(chunks, lost)
    assert found == list(range(lost + 1, found[-1] + 1))
    assert KEY_EVERY < found[-1] < KEY_EVERY + 8
