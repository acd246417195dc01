"""Frames and chunks that are not what they say: each mistake is named, and whatever passes can be read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mscli.core.flaws import flaw_of
from mscli.core.frames import (
    AudioData,
    EncodedAudioChunk,
    EncodedVideoChunk,
    Media,
    Rect,
    VideoFrame,
    blank_outline,
    packed_planes,
)

GREY = memoryview(bytes(64 * 48))
QUARTER = GREY[: 32 * 24]
I420 = VideoFrame("I420", 64, 48, 0, (GREY, QUARTER, QUARTER), (64, 32, 32), 33_333)
SOUND = AudioData("s16", 48_000, 480, 2, 0, memoryview(bytes(1920)))
JPEG = EncodedVideoChunk("key", 0, GREY, "mjpeg", 64, 48)
OPUS = EncodedAudioChunk("key", 0, GREY, "opus", 48_000, 2, 960)


MEDIA: tuple[Media, ...] = (I420, SOUND, JPEG, OPUS)


@pytest.mark.parametrize("media", [*MEDIA, *map(blank_outline, MEDIA)], ids=repr)
def test_what_is_as_it_says_passes(media: Any) -> None:
    assert flaw_of(media) == flaw_of(media, "video" if hasattr(media, "coded_width") else "audio") == ""


@pytest.mark.parametrize(
    ("media", "flaw"),
    [
        (5, "it returned a int as a frame"),
        (replace(I420, format=None), "it returned a frame of the format “None”, which is unknown"),  # type: ignore[arg-type]
        (replace(I420, timestamp=1 << 80), "the times of a frame are impossible"),
        (replace(I420, duration=-1), "the times of a frame are impossible"),
        (replace(I420, duration=0.5), "the times of a frame are not integers"),  # type: ignore[arg-type]
        (replace(I420, coded_width=0), "a frame has the size 0×48"),
        (replace(I420, coded_height=1.5), "a frame has the size 64×1.5"),  # type: ignore[arg-type]
        (replace(I420, coded_height=1 << 40), "a frame has the size 64×1099511627776"),
        (replace(I420, display_size=(0, 48)), "a frame has the displayed size (0, 48)"),
        (replace(I420, visible_rect=Rect(60, 0, 8, 8)), "the visible part of a frame is not within 64×48"),
        (replace(I420, planes=(GREY,)), "a frame has 1 planes; I420 of 64×48 has 3"),
        (replace(I420, planes=None), "a frame has a NoneType as planes; I420 of 64×48 has 3"),  # type: ignore[arg-type]
        (replace(I420, planes=()), "a frame is closed"),
        (replace(I420, strides=(64, 32)), "a frame has 2 strides; I420 of 64×48 has 3"),
        (replace(I420, strides=(64, 31, 32)), "plane 1 of a frame has the stride 31; I420 of 64×48 needs 32 bytes or more"),
        (replace(I420, strides=(-64, 32, 32)), "plane 0 of a frame has the stride -64; I420 of 64×48 needs 64 bytes or more"),
        (
            replace(I420, strides=(80, 32, 32)),
            "plane 0 of a frame has 3072 bytes; I420 of 64×48 with this stride needs 3824",
        ),
        (replace(I420, planes=(GREY, QUARTER, b"")), "plane 2 of a frame is not a memoryview of bytes"),  # type: ignore[arg-type]
        (replace(I420, planes=(GREY.cast("H"), QUARTER, QUARTER)), "plane 0 of a frame is not a memoryview of bytes"),
        (replace(I420, planes=(GREY, QUARTER, QUARTER[1:])), "plane 2 of a frame has 767 bytes; I420 of 64×48 with this "
         "stride needs 768"),
        (replace(SOUND, sample_rate=0), "a block of sound has the sample_rate 0"),
        (replace(SOUND, number_of_channels="2"), "a block of sound has the number_of_channels '2'"),  # type: ignore[arg-type]
        (replace(SOUND, number_of_frames=0), "a block of sound has 0 frames"),
        (replace(SOUND, number_of_frames=481), "a block of sound has 1920 bytes; 481 frames in s16 have 1924"),
        (replace(SOUND, data=b"x"), "the data of a block of sound are not a memoryview of bytes"),  # type: ignore[arg-type]
        (replace(JPEG, type="idr"), "a chunk has the type 'idr'"),
        (replace(JPEG, codec="divx"), "it returned a frame of the codec “divx”, which is unknown"),
        (replace(JPEG, data=None), "the data of a chunk are not a memoryview of bytes"),  # type: ignore[arg-type]
        (replace(JPEG, description="x"), "a chunk has a str as its description"),  # type: ignore[arg-type]
        (replace(OPUS, count=-1), "a block of sound has the count -1"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(media: Any, flaw: str) -> None:
    assert flaw_of(media) == flaw


def test_pictures_and_sound_are_told_apart() -> None:
    assert flaw_of(SOUND, "video") == "it returned a AudioData as video"
    assert flaw_of(JPEG, "audio") == "it returned a EncodedVideoChunk as audio"


@given(
    sides=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    form=st.sampled_from(["GREY", "I420", "NV12", "YUYV", "RGB24"]),
    sizes=st.lists(st.integers(0, 300), min_size=1, max_size=3),
    strides=st.lists(st.integers(-2, 40), min_size=1, max_size=3),
)
def test_what_passes_can_be_read(sides: tuple[int, int], form: str, sizes: list[int], strides: list[int]) -> None:
    planes = tuple(memoryview(bytes(size)) for size in sizes)
    frame = VideoFrame(form, *sides, 0, planes, tuple(strides))
    if not flaw_of(frame):
        assert sum(plane.nbytes for plane in packed_planes(frame)) > 0
