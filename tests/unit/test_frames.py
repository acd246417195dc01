"""Frames, their memory layout, and blank frames."""

from __future__ import annotations

import pytest

from mscli.core.errors import NotSupportedError
from mscli.core.frames import (
    PIXEL_FORMATS,
    SAMPLE_FORMATS,
    AudioData,
    Counts,
    Rect,
    VideoFrame,
    black,
    blank,
    clip,
    frame_bytes,
    packed_planes,
    pixel_format,
    silence,
    split_planes,
)

RAW = list(PIXEL_FORMATS)


def raw(name: str, width: int, height: int) -> VideoFrame:
    """Return a packed frame in which every byte is 7."""
    planes, strides = split_planes(name, width, height, memoryview(b"\x07" * frame_bytes(name, width, height)))
    return VideoFrame(name, width, height, 1000, planes, strides, 33_333, 5)


def sound(format: str = "s16", samples: int = 10, channels: int = 2) -> AudioData:  # noqa: A002
    """Return a block in which every byte is 7."""
    data = b"\x07" * (samples * channels * SAMPLE_FORMATS[format].bits // 8)
    return AudioData(format, 48000, samples, channels, 1000, memoryview(data), 99)


@pytest.mark.parametrize(
    ("name", "size", "bytes_"),
    [
        ("I420", (4, 4), 24), ("I420", (5, 3), 15 + 6 + 6), ("NV12", (4, 4), 24), ("NV12", (5, 3), 15 + 12),
        ("I422", (4, 4), 32), ("YUYV", (4, 4), 32), ("YUYV", (5, 3), 36), ("UYVY", (4, 4), 32),
        ("I444", (3, 3), 27), ("RGB24", (3, 3), 27),
        ("RGBA", (3, 3), 36), ("GREY", (3, 3), 9),
    ],
)  # fmt: skip
def test_a_packed_picture_has_the_bytes_of_its_format(name: str, size: tuple[int, int], bytes_: int) -> None:
    assert frame_bytes(name, *size) == bytes_


@pytest.mark.parametrize("name", RAW)
def test_the_bits_per_pixel_are_those_of_the_planes(name: str) -> None:
    assert frame_bytes(name, 16, 16) * 8 == PIXEL_FORMATS[name].bits * 256


@pytest.mark.parametrize("name", RAW)
@pytest.mark.parametrize("size", [(16, 8), (15, 7)])
def test_memory_is_cut_into_planes_that_make_it_up(name: str, size: tuple[int, int]) -> None:
    data = memoryview(bytes(i % 251 for i in range(frame_bytes(name, *size))))
    planes, strides = split_planes(name, *size, data)
    assert b"".join(planes) == bytes(data)
    assert VideoFrame(name, *size, 0, planes, strides).packed


@pytest.mark.parametrize("name", RAW)
def test_padding_at_the_end_of_rows_is_left_out(name: str) -> None:
    width, height = 6, 4
    layout = PIXEL_FORMATS[name].planes
    rows = [(plane.row_bytes(width), plane.rows(height)) for plane in layout]
    padded = [b"".join(bytes([n]) * size + b"\xee" * 5 for n in range(count)) for size, count in rows]
    frame = VideoFrame(name, width, height, 0, tuple(map(memoryview, padded)), tuple(size + 5 for size, _ in rows))
    assert not frame.packed
    assert b"\xee" not in b"".join(packed_planes(frame))
    assert sum(len(plane) for plane in packed_planes(frame)) == frame_bytes(name, width, height)


def test_the_first_stride_determines_the_others() -> None:
    planes, strides = split_planes("I420", 6, 4, memoryview(bytes(8 * 4 + 4 * 2 + 4 * 2)), stride=8)
    assert strides == (8, 4, 4)
    assert [len(plane) for plane in planes] == [32, 8, 8]


@pytest.mark.parametrize(
    ("name", "format"),
    [("yuyv", "YUYV"), ("YUY2", "YUYV"), ("yuyv422", "YUYV"), ("yu12", "I420"), ("yuv420p", "I420"),
     ("rgb", "RGB24"), ("gray", "GREY"), ("nv12", "NV12"), ("bgr0", "BGRX")],
)  # fmt: skip
def test_formats_are_known_by_any_of_their_names(name: str, format: str) -> None:  # noqa: A002
    assert pixel_format(name).name == format


def test_an_unknown_format_is_not_supported_and_the_known_ones_are_listed() -> None:
    with pytest.raises(NotSupportedError, match="unknown pixel format “XYZ”") as caught:
        pixel_format("XYZ")
    assert "I420" in caught.value.hints[0]


@pytest.mark.parametrize("name", RAW)
def test_black_has_the_shape_and_time_of_the_picture(name: str) -> None:
    frame = raw(name, 15, 7)
    dark = black(frame)
    assert (dark.format, dark.coded_width, dark.coded_height) == (name, 15, 7)
    assert (dark.timestamp, dark.duration, dark.sequence) == (1000, 33_333, 5)
    assert [len(plane) for plane in dark.planes] == [len(plane) for plane in frame.planes]
    assert dark.packed
    assert 7 not in {byte for plane in dark.planes for byte in plane}


@pytest.mark.parametrize(
    ("name", "planes"),
    [("I420", [{16}, {128}, {128}]), ("NV12", [{16}, {128}]), ("YUYV", [{16, 128}]), ("RGB24", [{0}]), ("GREY", [{0}])],
)
def test_black_is_black_in_every_format(name: str, planes: list[set[int]]) -> None:
    assert [set(bytes(plane)) for plane in black(raw(name, 4, 4)).planes] == planes


def test_black_has_the_size_at_which_the_picture_is_shown() -> None:
    frame = VideoFrame("GREY", 8, 8, 0, (memoryview(bytes(64)),), (8,), visible_rect=Rect(0, 2, 8, 4), display_size=(4, 2))
    assert (black(frame).coded_width, black(frame).coded_height) == (4, 2)


@pytest.mark.parametrize(("format", "level"), [("u8", 128), ("s16", 0), ("s32", 0), ("f32", 0)])
def test_silence_has_the_shape_and_time_of_the_sound(format: str, level: int) -> None:  # noqa: A002
    block = sound(format)
    quiet = silence(block)
    assert set(bytes(quiet.data)) == {level}
    assert (quiet.nbytes, quiet.number_of_frames, quiet.number_of_channels) == (block.nbytes, 10, 2)
    assert (quiet.timestamp, quiet.sequence, quiet.sample_rate) == (1000, 99, 48000)


def test_a_blank_is_black_or_silence() -> None:
    assert isinstance(blank(raw("I420", 4, 4)), VideoFrame)
    assert set(bytes(blank(sound()).data)) == {0}  # type: ignore[union-attr]


def test_a_clip_has_the_first_samples_of_every_channel() -> None:
    block = AudioData("s16", 48000, 3, 2, 5, memoryview(bytes(range(12))))
    short = clip(block, 2)
    assert (short.number_of_frames, bytes(short.data), short.timestamp) == (2, bytes(range(8)), 5)
    assert clip(block, 3) is block
    assert clip(block, 9) is block


def test_the_duration_of_sound_is_that_of_its_samples() -> None:
    assert sound(samples=480).duration == 10_000
    assert sound(samples=1).duration == 20


@pytest.mark.parametrize(
    ("rect", "shown_at", "size"),
    [(None, None, (8, 6)), (Rect(0, 1, 8, 4), None, (8, 4)), (None, (4, 3), (4, 3)), (Rect(0, 1, 8, 4), (4, 2), (4, 2))],
)
def test_a_picture_is_shown_as_scaled_as_cropped_or_as_it_is(
    rect: Rect | None, shown_at: tuple[int, int] | None, size: tuple[int, int]
) -> None:
    frame = VideoFrame("GREY", 8, 6, 0, (memoryview(bytes(48)),), (8,), visible_rect=rect, display_size=shown_at)
    assert (frame.display_width, frame.display_height) == size
    assert frame.whole == (size == (8, 6))


def test_counts_tell_frames_bytes_and_the_time_from_first_to_last() -> None:
    counts = Counts()
    counts.note(raw("GREY", 4, 4))
    counts.note(raw("GREY", 4, 4))
    assert (counts.frames, counts.bytes, counts.first_us, counts.last_us) == (2, 32, 1000, 34_333)
    heard = Counts()
    heard.note(sound(samples=480))
    assert (heard.frames, heard.last_us) == (480, 11_000)


@pytest.mark.parametrize("why", ["decodeErrors", "orphaned", "hidden"])
def test_a_picture_that_a_sink_lost_counts_as_lost_and_as_no_frame(why: str) -> None:
    counts = Counts()
    for _ in range(5):
        counts.note(raw("GREY", 4, 4))
    counts.lost = 2
    counts.correct({why: 3})
    assert (counts.frames, counts.lost) == (2, 5)
