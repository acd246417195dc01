"""Interlaced pictures are made whole, picture by picture as FFmpeg's program does it."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import av
import pytest

from mscli.core.frames import BOTTOM, TOP, EncodedVideoChunk, Rect, VideoFrame, frame_bytes, packed_planes, split_planes
from mscli.media.deinterlace import Deinterlacer
from mscli.media.pictures import Converter
from tests.sinks.synth import BLUE, halves, picture, run

WIDTH, HEIGHT, COUNT = 64, 48, 5
FORMATS = {"YUYV": "yuyv422", "NV12": "nv12", "I420": "yuv420p", "I422": "yuv422p", "I444": "yuv444p", "GREY": "gray",
           "BGRX": "bgr0"}  # fmt: skip
FILTER = "bwdif=mode=send_frame:parity={}:deint=all"


def noisy(form: str, field: str, count: int = COUNT) -> tuple[list[VideoFrame], bytes]:
    """Return interlaced frames of noise, and their bytes."""
    size = frame_bytes(form, WIDTH, HEIGHT)
    data = random.Random(form).randbytes(size * count)
    frames = []
    for index in range(count):
        planes, strides = split_planes(form, WIDTH, HEIGHT, memoryview(data)[index * size : (index + 1) * size])
        frames.append(VideoFrame(form, WIDTH, HEIGHT, index * 40_000, planes, strides, 40_000, index, first_field=field))
    return frames, data


def packed(frame: VideoFrame) -> bytes:
    """Return the pixels."""
    return seen(frame.format, b"".join(map(bytes, packed_planes(frame))))


def seen(form: str, data: bytes) -> bytes:
    """Return the pixels without bytes that mean nothing."""
    return bytes(0 if at % 4 == 3 else byte for at, byte in enumerate(data)) if form == "BGRX" else data


def whole(frames: list[VideoFrame] | list[EncodedVideoChunk]) -> list[VideoFrame]:
    """Return what becomes of the frames."""
    filtered = Deinterlacer()
    return [one for frame in frames for one in filtered.read(frame)] + filtered.rest()


@pytest.mark.parametrize(("field", "parity"), [(TOP, "tff"), (BOTTOM, "bff")])
@pytest.mark.parametrize("form", FORMATS)
def test_every_picture_is_that_of_ffmpegs_program(form: str, field: str, parity: str) -> None:
    frames, data = noisy(form, field)
    made = whole(frames)
    raw = ("-f", "rawvideo", "-pix_fmt", FORMATS[form])
    source = ("-video_size", f"{WIDTH}x{HEIGHT}", "-i", "-")
    wanted = seen(form, run("ffmpeg", "-v", "error", *raw, *source, "-vf", FILTER.format(parity), *raw, "-", stdin=data))
    assert [(one.format, one.timestamp, one.sequence, one.duration) for one in made] == [
        (one.format, one.timestamp, one.sequence, one.duration) for one in frames
    ]
    assert [one.first_field for one in made] == [""] * COUNT
    size = len(packed(frames[0]))
    assert [packed(one) for one in made[1:]] == [wanted[at : at + size] for at in range(size, len(wanted), size)]
    # versions of FFmpeg differ in the first picture, which has none before it; but its first field always stays
    kept = slice(0 if field == TOP else 1, None, 2)
    assert rows(made[0])[kept] == rows(frames[0])[kept] == rows_of(wanted[:size], made[0])[kept]
    assert rows(made[0]) != rows(frames[0])


def rows(frame: VideoFrame) -> list[bytes]:
    """Return the rows of the first plane."""
    return rows_of(packed(frame), frame)


def rows_of(data: bytes, like: VideoFrame) -> list[bytes]:
    """Return the rows of the first plane of these pixels."""
    step = packed_planes(like)[0].nbytes // HEIGHT
    return [data[at : at + step] for at in range(0, step * HEIGHT, step)]


def combed(count: int) -> list[VideoFrame]:
    """Return pictures of which one field is white and one is black."""
    data = memoryview((bytes([200]) * WIDTH + bytes(WIDTH)) * (HEIGHT // 2))
    return [VideoFrame("GREY", WIDTH, HEIGHT, index, (data,), (WIDTH,), first_field=TOP) for index in range(count)]


@pytest.mark.parametrize("count", [1, 2])
def test_a_picture_alone_has_no_comb_either(count: int) -> None:
    made = whole(combed(count))
    assert len(made) == count
    assert set(b"".join(rows(made[0])[4:-4])) == {200}  # not at the edges


def test_pictures_that_are_not_interlaced_pass_unchanged_and_in_their_place() -> None:
    frames = [*combed(2), picture("GREY", at_us=2), *combed(1), picture("YUYV", at_us=3)]
    made = whole(frames)
    assert [one.timestamp for one in made] == [0, 1, 2, 0, 3]
    assert (made[2], made[4]) == (frames[2], frames[4])


def test_pictures_of_other_fields_formats_and_sizes_follow_each_other() -> None:
    shapes = [("YUYV", TOP), ("YUYV", BOTTOM), ("NV12", BOTTOM), ("I420", BOTTOM)]
    frames = [frame for form, field in shapes for frame in noisy(form, field, 2)[0]]
    assert [(one.format, one.timestamp) for one in whole(frames)] == [(one.format, one.timestamp) for one in frames]


@pytest.mark.parametrize("size", [(2, 2), (64, 3), (3, 64)])
def test_tiny_pictures_stay_as_they_are(size: tuple[int, int]) -> None:
    frame = replace(picture("I420", *size), first_field=TOP)
    (made,) = whole([frame])
    assert packed(made) == packed(frame)


def test_the_visible_part_stays_and_fields_are_those_of_the_whole_picture() -> None:
    frame = replace(halves("GREY", BLUE, BLUE), visible_rect=Rect(32, 7, 32, 40), display_size=(16, 20), first_field=TOP)
    (made,) = whole([frame])
    assert (made.visible_rect, made.display_size) == (frame.visible_rect, frame.display_size)
    assert (made.coded_width, made.coded_height) == (64, 48)


@pytest.mark.parametrize("first", ["tff", "bff"])
def test_encoded_pictures_are_made_whole_as_their_decoder_says(first: str, tmp_path: Path) -> None:
    path = tmp_path / "a.h264"
    encoder = ("-c:v", "libx264", "-bf", "0", "-x264opts", f"{first}=1", "-flags", "+ildct+ilme", "-pix_fmt", "yuv420p")
    run("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25", "-frames:v", "5", *encoder, path)
    with av.open(str(path), "r") as file:
        packets = [bytes(packet) for packet in file.demux(video=0) if packet.size]
    chunks = [
        EncodedVideoChunk("key" if not index else "delta", index * 40_000, memoryview(data), "h264", 64, 48)
        for index, data in enumerate(packets)
    ]
    made = whole(chunks)
    raw = ("-pix_fmt", "yuv420p", "-f", "rawvideo", "-")
    wanted = run("ffmpeg", "-v", "error", "-i", path, "-vf", "bwdif=mode=send_frame:deint=interlaced", "-vsync", "0", *raw)
    size = frame_bytes("I420", 64, 48)
    assert [packed(one) for one in made[1:]] == [wanted[at : at + size] for at in range(size, len(wanted), size)]
    plain = [one for chunk in chunks if (one := CONVERTER.convert(chunk)) is not None]
    assert packed(made[2]) != packed(plain[2])


CONVERTER = Converter("I420")
