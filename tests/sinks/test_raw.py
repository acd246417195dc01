"""Raw output: every byte of the frames and no other, converted only if asked."""

from __future__ import annotations

import io
import os
import struct
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mscli.core.codecs import CAMERA_CODECS
from mscli.core.errors import NotSupportedError
from mscli.core.frames import (
    PIXEL_FORMATS,
    AudioData,
    EncodedVideoChunk,
    Media,
    VideoMedia,
    blank,
    frame_bytes,
    packed_planes,
)
from mscli.encode.options import SinkOptions, TrackFormat
from mscli.sinks import SINKS, load_sink
from mscli.sinks.files.output import PIPE_BYTES
from tests.sinks.synth import RED, T0, close_to, feed_and_close, h264, jpeg, opened, picture, probe, run, tone, yuv

RAW = list(PIXEL_FORMATS)


def written(frames: list[Media], form: str = "") -> bytes:
    file = io.BytesIO()
    kind = "video" if isinstance(frames[0], VideoMedia) else "audio"
    feed_and_close(opened(SINKS["raw"], file, [kind], format=form), [(0, frame) for frame in frames])
    return file.getvalue()


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize("name", RAW)
def test_native_frames_are_written_packed_and_unchanged(name: str, padding: int) -> None:
    frame = picture(name, 63, 47, padding=padding)
    data = written([frame, frame])
    assert data == 2 * b"".join(packed_planes(frame))
    assert len(data) == 2 * frame_bytes(name, 63, 47)


@pytest.mark.parametrize("source", RAW)
@pytest.mark.parametrize("name", ["I420", "rgb24", "YUYV", "GREY"])
def test_a_format_that_is_asked_for_is_delivered_with_the_same_colour(source: str, name: str) -> None:
    data = written([picture(source, 62, 46, RED)], name)
    row = PIXEL_FORMATS[name.upper()]
    assert len(data) == frame_bytes(row.name, 62, 46)
    colors = {"I420": yuv(RED)[0], "RGB24": RED[0], "YUYV": yuv(RED)[0], "GREY": 98}
    wanted = (
        {"I420": 98 * 219 // 255 + 16, "YUYV": 98 * 219 // 255 + 16}.get(row.name, 98) if source == "GREY" else colors[row.name]
    )
    assert close_to([data[0]], [wanted], 3)


def test_a_cameras_jpeg_is_decoded_unless_it_is_asked_for_as_it_is() -> None:
    frame = jpeg()
    assert written([frame], "native") == bytes(frame.data)
    data = written([frame])
    assert len(data) == frame_bytes("I420", 64, 48)
    assert close_to([data[0], data[64 * 48], data[-1]], yuv(RED), 2)


@pytest.mark.parametrize("form", ["", "native"])
@pytest.mark.parametrize(("first", "later"), [("YUYV", "I420"), ("I420", "RGB24"), ("RGB24", "MJPEG")])
def test_all_pictures_have_the_format_of_the_first(first: str, later: str, form: str) -> None:
    other = jpeg() if later == "MJPEG" else picture(later)
    data = written([picture(first), other, picture(first)], form)
    size = frame_bytes(first, 64, 48)
    assert len(data) == 3 * size
    assert data[:size] == data[2 * size :]
    assert close_to(data[size : 2 * size], data[:size], 5)


def test_what_is_decoded_stays_what_it_was_when_a_raw_camera_goes_on() -> None:
    assert len(written([jpeg(), picture("YUYV")])) == 2 * frame_bytes("I420", 64, 48)


@pytest.mark.parametrize(("form", "encoded"), [("MJPEG", [jpeg(), jpeg(), jpeg()]), ("H264", h264(3))])
def test_nothing_raw_stands_between_encoded_pictures(form: str, encoded: list[EncodedVideoChunk], tmp_path: Path) -> None:
    path = tmp_path / "a"
    sink = load_sink(SINKS["raw"], str(path), SinkOptions(format="native"))
    sink.open([TrackFormat("video", {}, form)])
    frames = [blank(encoded[0]), encoded[0], blank(encoded[1]), picture("YUYV"), *encoded[1:], blank(encoded[2])]
    feed_and_close(sink, [(0, frame) for frame in frames])
    assert path.read_bytes() == b"".join(bytes(frame.data) for frame in encoded)
    assert sink.corrections(0) == {"hidden": 4}
    shown = run(
        "ffmpeg", "-v", "error", "-f", CAMERA_CODECS[form].decoder, "-i", path, "-pix_fmt", "gray", "-f", "rawvideo", "-"
    )
    assert len(shown) == 3 * 64 * 48


def test_an_encoded_picture_that_is_to_be_scaled_has_no_place_between_such_as_are_whole() -> None:
    with pytest.raises(NotSupportedError, match="cannot crop or scale video that is copied"):
        written([jpeg(), replace(jpeg(), display_size=(32, 24))], "native")
    assert len(written([replace(jpeg(), display_size=(32, 24)), jpeg()], "native")) == 2 * frame_bytes("I420", 32, 24)


def test_damaged_pictures_are_left_out_and_counted() -> None:
    sink = opened(SINKS["raw"], file := io.BytesIO())
    damaged = replace(jpeg(), data=jpeg().data[:300])
    feed_and_close(sink, [(0, frame) for frame in (jpeg(), damaged, jpeg())])
    assert len(file.getvalue()) == 2 * frame_bytes("I420", 64, 48)
    assert sink.corrections(0) == {"decodeErrors": 1}


def test_damage_that_never_ends_is_taken_for_the_cameras_habit() -> None:
    whole = jpeg(320, 240, pixels="yuvj420p").data
    odd = replace(jpeg(320, 240), data=memoryview(bytes(whole[:-40])))
    data = written([odd] * 12)
    assert len(data) == 7 * frame_bytes("I420", 320, 240)


@pytest.mark.parametrize(("name", "code", "scale"), [("u8", "B", 1 / 256), ("s32", "i", 65536), ("f32", "f", 1 / 32768)])
def test_samples_are_converted(name: str, code: str, scale: float) -> None:
    block = tone(0, 100, channels=2)
    found = struct.unpack(f"=200{code}", written([block], name))
    offset = 128 if name == "u8" else 0
    samples = struct.unpack("=200h", block.data)
    assert all(abs(value - offset - sample * scale) <= max(1, scale) for value, sample in zip(found, samples, strict=True))


@pytest.mark.parametrize("form", ["", "native", "s16"])
def test_samples_that_are_right_are_written_as_they_come(form: str) -> None:
    assert written([tone(0, 100), tone(100, 50)], form) == bytes(tone(0, 150).data)


def test_y4m_is_read_by_others(tmp_path: Path) -> None:
    path = tmp_path / "a.y4m"
    frames: list[Media] = [picture(name, 63, 47) for name in ("YUYV", "I420", "I420", "RGB24")]
    path.write_bytes(written([*frames, jpeg(), picture("NV12", 31, 23)], "y4m"))
    (stream,) = probe(path, "-count_frames", "-show_streams")["streams"]
    assert (stream["width"], stream["height"], stream["pix_fmt"]) == (63, 47, "yuv420p")
    assert (stream["nb_read_frames"], stream["r_frame_rate"]) == ("6", "25/1")
    data = run("ffmpeg", "-v", "error", "-i", path, "-pix_fmt", "rgb24", "-f", "rawvideo", "-")
    size = 63 * 47 * 3
    assert all(close_to(data[at + size // 2 - 1 : at + size // 2 + 2], RED, 5) for at in range(0, len(data), size))


def test_a_pipe_is_widened_and_takes_frames_larger_than_itself() -> None:
    import fcntl

    reading, writing = os.pipe()
    sink = opened(SINKS["raw"], writing)
    assert fcntl.fcntl(writing, fcntl.F_GETPIPE_SZ) == PIPE_BYTES
    frame = picture("I420", 1280, 960)
    taken: list[bytes] = []

    def drain() -> None:
        with os.fdopen(reading, "rb") as pipe:
            taken.append(pipe.read())

    reader = threading.Thread(target=drain)
    reader.start()
    os.set_blocking(writing, False)  # as another process that shares the pipe may have made it
    feed_and_close(sink, [(0, frame)] * 3)
    os.close(writing)
    reader.join()
    assert taken == [3 * b"".join(frame.planes)]


def test_a_redirected_file_is_continued_where_the_shell_stands(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"before")
    with path.open("ab") as file:
        feed_and_close(opened(SINKS["raw"], f"/dev/fd/{file.fileno()}", ["audio"]), [(0, tone(0, 10, at_us=T0))])
        assert not file.closed
    assert path.read_bytes() == b"before" + bytes(tone(0, 10).data)


def test_a_raw_file_stands_under_its_name_from_the_first_frame_on(tmp_path: Path) -> None:
    path = tmp_path / "a.raw"
    sink = opened(SINKS["raw"], str(path))
    sink.write(0, picture())
    assert path.read_bytes() == b"".join(picture().planes)
    sink.write(0, picture())
    sink.close()
    assert path.read_bytes() == 2 * b"".join(picture().planes)


def test_pictures_of_another_size_are_scaled_to_that_of_the_first() -> None:
    large, small = picture("I420"), picture("I420", 32, 24)
    assert len(written([large, small, large])) == 3 * len(written([large]))


def test_a_picture_that_is_not_as_large_as_the_camera_says_is_scaled_to_what_the_header_says() -> None:
    data = written([replace(jpeg(), coded_width=32, coded_height=24)] * 2, "y4m")
    header, _, rest = data.partition(b"\n")
    assert header.startswith(b"YUV4MPEG2 W32 H24 ")
    assert len(rest) == 2 * (len(b"FRAME\n") + frame_bytes("I420", 32, 24))


def test_a_gap_in_sound_is_as_much_silence() -> None:
    before, after = tone(0, 480), tone(24_000, 480)
    assert len(written([before, after])) == len(written([before])) * 51


def late(start: int, us: int) -> AudioData:
    """A block of 10 ms that was captured later than the samples before it say."""
    block = tone(start, 480)
    return replace(block, timestamp=block.timestamp + us)


def test_a_short_stall_of_the_sound_is_silence_too_and_what_comes_twice_is_left_out() -> None:
    sink = opened(SINKS["raw"], file := io.BytesIO(), ["audio"])
    feed_and_close(sink, [(0, tone(0, 480)), (0, late(480, 20_000)), (0, late(960, -80_000))])
    assert file.getvalue() == bytes(tone(0, 480).data) + bytes(2 * 960) + bytes(tone(480, 480).data)
    assert sink.corrections(0) == {"silence": 960, "skipped": 480}


class Counting(io.BytesIO):
    """A file object that keeps nothing."""

    size = largest = 0

    def write(self, data: Any, /) -> int:
        size: int = data.nbytes
        self.size, self.largest = self.size + size, max(self.largest, size)
        return size


@pytest.mark.parametrize("form", ["s16", "s32"])
def test_a_gap_of_an_hour_needs_no_more_memory_than_a_second_of_it(form: str) -> None:
    sink = opened(SINKS["raw"], file := Counting(), ["audio"], format=form)
    width = 2 if form == "s16" else 4
    feed_and_close(sink, [(0, tone(0, 480)), (0, tone(3600 * 48_000, 480))])
    assert (file.size, file.largest) == ((3600 * 48_000 + 480) * width, 48_000 * width)
