"""Encoded media: the types, how key chunks are recognised, and what stands for a chunk that is not to be seen."""

from __future__ import annotations

from dataclasses import replace

import pytest

import mscli
from mscli.core.annexb import H264, HEVC, Content
from mscli.core.codecs import AUDIO_CODECS, CAMERA_CODECS, VIDEO_CODECS, camera_format, format_quality
from mscli.core.errors import NotSupportedError
from mscli.core.frames import (
    PIXEL_FORMATS,
    AudioData,
    EncodedAudioChunk,
    EncodedVideoChunk,
    Media,
    Rect,
    VideoFrame,
    black,
    blank,
    blank_outline,
    is_light,
    outline,
)
from mscli.core.timing import Filler

PICTURE = EncodedVideoChunk("key", 5, memoryview(b"chunk"), "h264", 6, 4, 33_333, 7)
SOUND = EncodedAudioChunk("key", 5, memoryview(b"opus"), "opus", 48_000, 2, 960)


def test_chunks_are_exported_under_their_names() -> None:
    assert (mscli.EncodedVideoChunk, mscli.EncodedAudioChunk) == (EncodedVideoChunk, EncodedAudioChunk)


@pytest.mark.parametrize("chunk", [PICTURE, SOUND])
def test_a_chunk_has_the_members_of_webcodecs(chunk: EncodedVideoChunk | EncodedAudioChunk) -> None:
    assert (chunk.type, chunk.timestamp, chunk.byte_length) == ("key", 5, len(chunk.data))
    target = bytearray(8)
    chunk.copy_to(target)
    assert target.startswith(bytes(chunk.data))
    with pytest.raises(TypeError, match="does not fit into 2"):
        chunk.copy_to(bytearray(2))


def test_a_chunk_counts_as_what_is_encoded_in_it() -> None:
    assert (PICTURE.count, SOUND.count, SOUND.lasts_us) == (1, 960, 20_000)
    assert (is_light(PICTURE), is_light(SOUND)) == (True, True)


@pytest.mark.parametrize("media", [PICTURE, SOUND])
def test_the_outline_of_a_chunk_holds_no_memory(media: Media) -> None:
    assert outline(media).nbytes == 0
    assert blank_outline(media).nbytes == 0
    assert outline(media).timestamp == media.timestamp


def test_black_for_an_encoded_picture_is_a_raw_one() -> None:
    dark = blank(replace(PICTURE, visible_rect=Rect(0, 0, 4, 2), display_size=(4, 2)))
    assert isinstance(dark, VideoFrame)
    assert (dark.format, dark.coded_width, dark.coded_height, dark.blank) == ("I420", 4, 2, True)
    assert (dark.timestamp, dark.duration, dark.sequence) == (5, 33_333, 7)
    assert [set(bytes(plane)) for plane in dark.planes] == [{16}, {128}, {128}]


def test_silence_for_encoded_sound_is_as_long() -> None:
    silent = blank(SOUND)
    assert isinstance(silent, AudioData)
    assert (silent.number_of_frames, silent.number_of_channels, set(bytes(silent.data))) == (960, 2, {0})


@pytest.mark.parametrize(("codec", "kept"), [("h264", True), ("hevc", True), ("vp9", True), ("mjpeg", False)])
def test_only_a_chunk_that_others_build_on_comes_after_a_filler_that_took_its_time(codec: str, kept: bool) -> None:
    filler = Filler()
    filler.imitate(replace(PICTURE, codec=codec))
    filler.begin(0)
    fillers = list(filler.frames(200_000, 30, 0))
    assert all(isinstance(frame, VideoFrame) and frame.blank for frame in fillers)
    placed = filler.place(replace(PICTURE, codec=codec, timestamp=100_000, type="delta"))
    assert (placed is not None) is kept
    if placed is not None:
        assert placed.timestamp >= fillers[-1].timestamp + 33_333


# The table


def test_codecs_and_pixel_formats_have_names_of_their_own() -> None:
    assert not {*PIXEL_FORMATS} & {*VIDEO_CODECS, *CAMERA_CODECS, *AUDIO_CODECS}
    assert {"h264", "hevc", "vp8", "vp9", "av1", "mjpeg"} <= {*VIDEO_CODECS}
    assert {"aac", "opus", "flac", "pcm", "mp3"} <= {*AUDIO_CODECS}


@pytest.mark.parametrize("codec", [row for row in VIDEO_CODECS.values() if row.intra], ids=lambda row: row.name)
def test_every_chunk_of_an_intra_codec_is_a_start(codec: object) -> None:
    assert VIDEO_CODECS[codec.name].starts(memoryview(b"anything"))  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "data", "starts"),
    [
        ("h264", b"\0\0\0\1\x67sps\0\0\1\x65idr", True),
        ("h264", b"\0\0\1\x41slice", False),
        ("h264", b"\0\0\1\x06\x06recovery", True),
        ("hevc", b"\0\0\0\1\x40\1vps\0\0\1\x26\1idr", True),
        ("hevc", b"\0\0\1\x02\1slice", False),
        ("hevc", b"\0\0\1\x4e\1\x06recovery", True),
        ("vp8", b"\x10\x02\x00", True),
        ("vp8", b"\x11\x02\x00", False),
        ("vp9", b"\x82\x49", True),
        ("vp9", b"\x86\x00", False),
        ("vp9", b"\x8a\x00", False),  # shows a frame that there was
        ("vp9", b"\xb1\x49", True),  # profile 3
        ("vp9", b"\xb2\x49", False),
        ("av1", b"\x12\0\x0a\x0bsequence", True),
        ("av1", b"\x0a\x0bsequence", True),
        ("av1", b"\x12\0\x32frame", False),
        *((name, b"", False) for name in ("h264", "hevc", "vp8", "vp9", "av1")),
    ],
)
def test_a_start_is_recognised_by_its_bytes(name: str, data: bytes, starts: bool) -> None:
    assert VIDEO_CODECS[name].starts(memoryview(data)) is starts


def test_parameter_sets_and_pictures_are_told_apart() -> None:
    found = H264.content(memoryview(b"\0\0\0\1\x67sps\0\0\0\1\x68pps\0\0\1\x65idr"))
    assert found == Content(True, b"\0\0\0\1\x67sps\0\0\0\1\x68pps", frozenset({7, 8}))
    found = HEVC.content(memoryview(b"\0\0\1\x40\1vps\0\0\1\x42\1sps\0\0\1\x44\1pps"))
    sets = b"\0\0\0\1\x40\1vps\0\0\0\1\x42\1sps\0\0\0\1\x44\1pps"
    assert found == Content(False, sets, frozenset({32, 33, 34}))
    assert H264.content(memoryview(b"no unit")) is None


def test_a_chunk_of_more_units_than_a_picture_can_have_has_none() -> None:
    picture = b"\0\0\1\x65idr"
    assert H264.content(memoryview(picture * 1000)) is not None
    assert H264.content(memoryview(picture * 10_000)) is None
    assert HEVC.content(memoryview(b"\0\0\1" * 30_000)) is None


@pytest.mark.parametrize(
    ("name", "form"),
    [("MJPG", "MJPEG"), ("jpeg", "MJPEG"), ("avc", "H264"), ("h265", "HEVC"), ("vp09", "VP9"), ("yuy2", "YUYV")],
)
def test_a_mode_names_a_pixel_format_or_a_codec(name: str, form: str) -> None:
    assert camera_format(name) == form
    assert format_quality(form) > format_quality("something else") == 0


def test_an_unknown_format_of_a_camera_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(NotSupportedError, match="unknown pixel format “XYZ”") as caught:
        camera_format("XYZ")
    assert "I420" in caught.value.hints[0]
    assert "MJPEG" in caught.value.hints[0]


def test_black_keeps_its_format() -> None:
    frame = VideoFrame("GREY", 2, 2, 0, (memoryview(b"\7" * 4),), (2,))
    assert black(frame).format == "GREY"
