"""What is looked for in a camera's JPEG and H.264 before it is handed on or decoded."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import pytest

from mscli.core import jpeg as image
from mscli.core.annexb import H264
from mscli.core.codecs import VIDEO_CODECS
from mscli.core.frames import EncodedVideoChunk
from mscli.media.chunkfilter import ChunkFilter, OwnSizes
from mscli.media.pictures import PictureReader
from tests import hostile
from tests.camera import test_codecs
from tests.sinks.synth import h264, jpeg, run
from tests.unit import test_h264, test_hevc

HEADER = b"\xff\xc0\x00\x11\x08"  # of a baseline JPEG, up to its height


def with_data(frame: EncodedVideoChunk, data: bytes) -> EncodedVideoChunk:
    return replace(frame, data=memoryview(data))


def broken(frame: EncodedVideoChunk, mode: str) -> EncodedVideoChunk:
    return with_data(frame, hostile.MODES[mode][1](bytes(frame.data), 0))


def chunks(units: Sequence[bytes]) -> list[bytes]:
    return [b"\0\0\0\1" + unit for unit in units]


def units_of(frame: EncodedVideoChunk) -> list[bytes]:
    return re.split(rb"\x00?\x00\x00\x01", bytes(frame.data))[1:]


def passed(chunk_filter: ChunkFilter, frames: Sequence[EncodedVideoChunk]) -> list[bytes]:
    return [bytes(data) for data in map(chunk_filter.pass_on, frames) if data is not None]


def with_sets_apart(frames: Sequence[EncodedVideoChunk]) -> list[EncodedVideoChunk]:
    """The stream with its parameter sets in a chunk of their own."""
    units = units_of(frames[0])
    sets = b"".join(chunks([unit for unit in units if unit[0] & 0x1F in (7, 8)]))
    rest = b"".join(chunks([unit for unit in units if unit[0] & 0x1F not in (7, 8)]))
    return [replace(with_data(frames[0], sets), type="delta"), with_data(frames[0], rest), *frames[1:]]


def refreshed(count: int) -> list[EncodedVideoChunk]:
    """A camera's stream without key frames, from the middle on: there is a recovery point every ten pictures."""
    data = run("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=64x48:rate=30", "-frames:v", str(10 + count),
               "-c:v", "libx264", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-x264-params",
               "keyint=10:intra-refresh=1:repeat-headers=1:scenecut=0:aud=1", "-f", "h264", "-")  # fmt: skip
    delimiter = b"\0\0\0\1\x09"
    units = [delimiter + unit for unit in data.split(delimiter)[1:]][10:]
    return [EncodedVideoChunk("delta", at * 33_333, memoryview(unit), "h264", 64, 48) for at, unit in enumerate(units)]


# JPEG


def test_the_header_of_a_camera_s_jpegs_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    read_head = image._read_head

    def count(data: memoryview) -> image.Head:
        read.append(data.nbytes)
        return read_head(data)

    monkeypatch.setattr(image, "_read_head", count)
    monkeypatch.setattr(image, "_known", type(image._known)(maxlen=image._KNOWN_HEADS))
    first = bytes(jpeg(64, 48).data)
    same = [first, first[:-10] + bytes(10), first]
    assert {image.size(memoryview(data)) for data in same} == {(64, 48)}
    assert len(read) == 1
    at = first.index(HEADER) + len(HEADER)
    other = first[:at] + b"\0\x20" + first[at + 2 :]
    assert [image.size(memoryview(data)) for data in (other, first, other)] == [(64, 32), (64, 48), (64, 32)]
    assert len(read) == 2


def test_a_header_that_is_cut_short_is_told_from_one_with_other_bytes_behind_it() -> None:
    short = b"\xff\xd8\xff\xc0\0\x02" + b"\xff\xda\0\x08"  # the size is read from the bytes behind it
    sizes = [image.size(memoryview(short + bytes([number]) * 20)) for number in (1, 2, 1)]
    assert sizes[0] == sizes[2] != sizes[1]


@pytest.mark.parametrize("mode", ["jpeg-junk-before", "jpeg-padded"])
def test_a_jpeg_is_handed_on_without_what_stands_around_it(mode: str) -> None:
    assert passed(ChunkFilter(whole=True), [broken(jpeg(), mode)]) == [bytes(jpeg().data)]


def test_fill_bytes_before_a_marker_stay() -> None:
    filled = broken(jpeg(), "jpeg-fill")
    assert passed(ChunkFilter(whole=True), [filled]) == [bytes(filled.data)]


@pytest.mark.parametrize(
    ("mode", "why"),
    [
        ("jpeg-zero", "does not begin like a JPEG"),
        ("jpeg-two-bytes", "ends before its image data"),
        ("jpeg-half", "has no end marker"),
        ("jpeg-size-0x0", "claims an impossible size of 0×0 pixels"),
        ("jpeg-size-65535x65535", "is too short for 65535×65535 pixels"),
        ("jpeg-segments", "has more than 1000 segments before its image data"),
    ],
)
def test_a_jpeg_that_is_not_whole_is_counted_with_the_reason(mode: str, why: str) -> None:
    whole = jpeg(640, 480)
    chunk_filter = ChunkFilter(whole=True)
    assert passed(chunk_filter, [broken(whole, mode)]) == []
    assert (chunk_filter.faults.damaged, chunk_filter.faults.why) == (1, why)


def test_a_jpeg_of_another_size_than_its_mode_is_not_handed_on_but_decoded() -> None:
    frame = replace(jpeg(), coded_width=128)
    chunk_filter, reader = ChunkFilter(whole=True), PictureReader()
    assert passed(chunk_filter, [frame]) == []
    assert chunk_filter.faults.why == "has 64×48 pixels, in a camera mode of 128×48"
    assert [picture.width for picture in reader.read(frame)] == [64]


def test_a_plain_picture_is_not_too_short_for_its_size() -> None:
    assert image.size(image.picture(jpeg(1920, 1080, (0, 0, 0)).data)) == (1920, 1080)


def noise(seed: int, flags: Sequence[int]) -> tuple[bytes, int, int]:
    """A JPEG of noise, which ends in the middle of things, and its size."""
    width, height = 16 * (2 + seed % 5), 16 * (2 + seed % 3)
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)
    done, data = cv2.imencode(".jpg", pixels, flags)
    assert done
    return bytes(data), width, height


@pytest.mark.parametrize(
    "flags",
    [
        [],
        [cv2.IMWRITE_JPEG_QUALITY, 100],
        [cv2.IMWRITE_JPEG_OPTIMIZE, 1],
        [cv2.IMWRITE_JPEG_RST_INTERVAL, 4],
        [cv2.IMWRITE_JPEG_QUALITY, 100, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444],
    ],
)
def test_a_jpeg_that_lacks_any_of_its_data_is_not_whole_however_little(flags: Sequence[int]) -> None:
    for seed in range(20):
        data, width, height = noise(seed, flags)
        bare = data.removesuffix(b"\xff\xd9")
        for missing in range(7):
            chunk = EncodedVideoChunk("key", 0, memoryview(bare[: len(bare) - missing]), "mjpeg", width, height)
            is_whole = missing == 0 or (missing == 1 and bare.endswith(b"\xff\0"))  # that byte of 0 says nothing
            chunk_filter, reader = ChunkFilter(whole=True), PictureReader(strict=True)
            found = len(passed(chunk_filter, [chunk])), len(reader.read(chunk))
            assert found == (is_whole, is_whole), (seed, missing)
            assert chunk_filter.faults.damaged == reader.faults.damaged == (not is_whole)


def test_a_jpeg_without_its_last_interval_is_not_whole() -> None:
    data, width, height = noise(1, [cv2.IMWRITE_JPEG_RST_INTERVAL, 4])
    last = max(data.rfind(bytes([0xFF, 0xD0 + number])) for number in range(8))
    for end in (last, last + 2):
        chunk = EncodedVideoChunk("key", 0, memoryview(data[:end]), "mjpeg", width, height)
        assert passed(ChunkFilter(whole=True), [chunk]) == []


# H.264


def test_parameter_sets_of_their_own_go_with_the_next_picture() -> None:
    frames = with_sets_apart(h264(3))
    chunk_filter = ChunkFilter(whole=True)
    given = with_data(frames[0], b"".join(passed(chunk_filter, frames)))
    assert units_of(given) == [unit for frame in frames for unit in units_of(frame)]
    assert (chunk_filter.faults.parts, chunk_filter.faults.left_out) == (1, 1)


def test_a_decoder_is_given_parameter_sets_of_their_own() -> None:
    reader = PictureReader()
    pictures = [picture for frame in with_sets_apart(h264(3)) for picture in reader.read(frame)]
    assert len(pictures) == 3
    assert reader.faults.damaged == 0


def test_parameter_sets_that_came_before_the_start_are_put_before_it() -> None:
    frames = h264(2)
    sets, rest = with_sets_apart(frames)[:2]
    chunk_filter = ChunkFilter(whole=True)
    late = with_data(frames[1], bytes(sets.data) + bytes(frames[1].data))
    (given,) = passed(chunk_filter, [late, rest])
    assert given.endswith(bytes(rest.data))
    assert units_of(with_data(rest, given)) == units_of(sets) + units_of(rest)
    assert (chunk_filter.faults.early, chunk_filter.faults.damaged) == (1, 0)


def test_what_comes_before_the_first_key_frame_is_no_damage() -> None:
    chunk_filter = ChunkFilter(whole=True)
    assert len(passed(chunk_filter, [*h264(40)[1:], *h264(2)])) == 2
    assert (chunk_filter.faults.early, chunk_filter.faults.damaged) == (39, 0)


def test_a_stream_without_key_frames_begins_at_a_recovery_point() -> None:
    frames = refreshed(30)
    assert [H264.is_start(frame.data) for frame in frames[:11]] == [True, *[False] * 9, True]
    chunk_filter, reader = ChunkFilter(whole=True), PictureReader()
    assert len(passed(chunk_filter, frames[5:])) == 20
    pictures = [picture for frame in frames[5:] for picture in reader.read(frame)]
    assert len(pictures) == len(frames[5:]) - reader.faults.early > 10
    assert reader.faults.damaged == 0


def test_h264_without_parameter_sets_or_start_codes_says_so() -> None:
    for mode, why in (
        ("h264-no-parameter-sets", "lacks the parameter sets (SPS and PPS) that H.264 needs"),
        ("h264-no-start-codes", "holds no H.264"),
    ):
        chunk_filter = ChunkFilter(whole=True)
        assert passed(chunk_filter, [broken(frame, mode) for frame in h264(3)]) == []
        assert chunk_filter.faults.why.startswith(why)


@pytest.mark.parametrize("strict", [False, True])
def test_pictures_that_depend_on_a_lost_one_are_torn_and_left_out_by_a_strict_reader(strict: bool) -> None:
    chunks = test_h264.stream("bframes=0:ref=1")
    reader, shown = PictureReader(strict=strict), []
    for number, data in enumerate(chunks):
        if number != 8:
            kind = "key" if number % test_h264.KEY_EVERY == 0 else "delta"
            shown += reader.read(EncodedVideoChunk(kind, number * 33_333, memoryview(data), "h264", 96, 64, 33_333, number))
    after = test_h264.KEY_EVERY - 9
    faults = reader.faults
    assert (faults.torn, faults.damaged, len(shown)) == ((0, after, 39 - after) if strict else (after, 0, 39))
    assert faults.why == "depends on a frame that was lost"


STREAMS = {"h264": "libx264", "hevc": "libx265", "vp8": "libvpx", "vp9": "libvpx-vp9"}
KEYS = slice(test_codecs.KEY_EVERY - test_codecs.MISSED, None, test_codecs.KEY_EVERY)
SIZE = (test_codecs.WIDTH, test_codecs.HEIGHT)


def own_sizes(codec: str, *chunks: bytes, said: tuple[int, int] = SIZE) -> list[tuple[int, int]]:
    """The sizes that a stream of these chunks has, by the chunks."""
    sizes = OwnSizes()
    found = [sizes.in_its_own(EncodedVideoChunk("key", 0, memoryview(data), codec, *said), said) for data in chunks]
    return [(chunk.coded_width, chunk.coded_height) for chunk in found]


@pytest.mark.parametrize("codec", STREAMS)
def test_a_damaged_header_of_a_stream_changes_no_size(codec: str) -> None:
    first, second, *_ = test_codecs.stream(STREAMS[codec])[KEYS]
    wrong = 0
    for place in range(8 * 32):
        damaged = bytearray(second)
        damaged[place // 8] ^= 1 << place % 8
        wrong += own_sizes(codec, first, bytes(damaged))[1] != SIZE
    assert wrong <= 1, "of some flips of H.264 a decoder notices nothing"


@pytest.mark.parametrize("codec", STREAMS)
def test_a_header_of_a_stream_that_comes_again_changes_its_size(codec: str) -> None:
    first = test_codecs.stream(STREAMS[codec])[KEYS][0]
    others = test_codecs.stream(STREAMS[codec], size=(128, test_codecs.HEIGHT))[KEYS]
    assert own_sizes(codec, first, *others[:3])[2:] == [(128, test_codecs.HEIGHT)] * 2
    assert own_sizes(codec, others[0]) == [(128, test_codecs.HEIGHT)]


@pytest.mark.parametrize(
    ("parameters", "lost", "whole"),
    [  # HEVC of 40 pictures with a key frame at each 20th, the picture that is lost, and how many do not depend on it
        ("bframes=2:b-adapt=0:b-pyramid=0:open-gop=0", 7, 27),
        ("bframes=3:b-adapt=0:open-gop=0", 5, 25),
        ("bframes=4:b-adapt=0:b-pyramid=1:ref=5", 7, 27),
    ],
)
@pytest.mark.parametrize("strict", [False, True])
def test_hevc_that_depends_on_a_lost_picture_is_shown_as_h264_is_and_left_out_by_a_strict_reader(
    parameters: str, lost: int, whole: int, strict: bool
) -> None:
    reader, shown = PictureReader(strict=strict), []
    for number, (data, _) in enumerate(test_hevc.stream(parameters)):
        if number != lost:
            kind = "key" if VIDEO_CODECS["hevc"].starts(memoryview(data)) else "delta"
            chunk = EncodedVideoChunk(kind, number * 33_333, memoryview(data), "hevc", 96, 64, sequence=number)
            shown += reader.read(chunk)
    shown += reader.rest()
    torn, faults = 39 - whole, reader.faults
    assert (len(shown), faults.torn, faults.damaged) == ((whole, 0, torn) if strict else (39, torn, 0))
