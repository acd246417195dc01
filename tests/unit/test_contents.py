"""What an output will hold, in words, and requests that have no effect."""

from __future__ import annotations

from typing import Any

import click
import pytest

from mscli.cli.encoding import refuse_unused_encoding
from mscli.cli.options import Options, wanted_of
from mscli.cli.target import contents_of, contradiction
from mscli.core.frames import Rect
from mscli.core.orientation import Orientation
from mscli.core.properties import AUDIO, VIDEO
from mscli.core.selection import Settings, describe_reshaping, describe_settings, picture_in_words, sound_in_words
from mscli.encode.options import COPY, SinkOptions, TrackFormat
from mscli.sinks import SINKS, describe_output

PICTURE = TrackFormat(VIDEO, {"width": 321, "height": 241, "frameRate": 30, "resizeMode": "none"}, "YUYV")
SOUND = TrackFormat(AUDIO, {"sampleRate": 44100, "channelCount": 1, "sampleSize": 16})
ODD, EVEN = (picture_in_words({"width": w, "height": h, "frameRate": 30}) for w, h in ((321, 241), (320, 240)))
SAID_44, SAID_48 = (sound_in_words({"sampleRate": rate, "channelCount": 1}) for rate in (44100, 48000))


@pytest.mark.parametrize(
    ("suffix", "options", "tracks", "text"),
    [
        ("mp4", SinkOptions(), [SOUND, PICTURE], f"AAC {SAID_44}; H.264 {EVEN}"),
        ("webm", SinkOptions(), [SOUND, PICTURE], f"Opus {SAID_48}; VP9 {ODD}"),
        ("mkv", SinkOptions(video_codec="ffv1"), [PICTURE], f"FFV1 {ODD}"),
        ("mkv", SinkOptions(video_codec=COPY), [PICTURE._replace(pixel_format="MJPEG")], f"MJPEG {ODD}, copied"),
        ("flac", SinkOptions(), [SOUND, PICTURE], f"FLAC {SAID_44}"),
        ("jpg", SinkOptions(), [PICTURE], "JPG 321×241"),
        ("png", SinkOptions(orientation=Orientation(Rect(0, 0, 64, 48), "", 90)), [PICTURE], "PNG 48×64"),
        ("raw", SinkOptions(), [PICTURE], f"YUYV {ODD}"),
        ("raw", SinkOptions(), [PICTURE._replace(pixel_format="MJPEG")], f"I420 {ODD}"),
        ("raw", SinkOptions(format="native"), [PICTURE._replace(pixel_format="MJPEG")], f"MJPEG {ODD}"),
        ("raw", SinkOptions(format="rgb24"), [PICTURE], f"RGB24 {ODD}"),
        ("raw", SinkOptions(format="y4m"), [PICTURE], f"YUV4MPEG2 {ODD}"),
        ("raw", SinkOptions(format="s16"), [SOUND], f"s16, {SAID_44}"),
    ],
)
def test_an_output_says_what_it_will_hold(suffix: str, options: SinkOptions, tracks: list[TrackFormat], text: str) -> None:
    assert describe_output(SINKS[suffix], options, tracks) == text


def test_the_contents_are_by_the_names_of_the_outputs() -> None:
    said = contents_of([("a.jpg", SINKS["jpg"]), ("-", SINKS["png"])], SinkOptions())([PICTURE])
    assert said == [("a.jpg", "JPG 321×241"), ("stdout", "PNG 321×241")]


@pytest.mark.parametrize(
    ("width", "height", "text"),
    [
        (1280, 720, ""),
        (640, 360, "scaled from 1280×720"),
        (960, 720, "cropped from 1280×720"),
        (640, 480, "cropped and scaled from 1280×720"),
    ],
)
def test_a_picture_is_called_cropped_or_scaled_only_if_it_is(width: int, height: int, text: str) -> None:
    settings: Settings = {"width": width, "height": height, "frameRate": 15, "resizeMode": "crop-and-scale"}
    assert describe_reshaping(settings, 1280, 720) == text
    assert "cropped" not in describe_settings(settings)


@pytest.mark.parametrize(
    ("name", "suffix", "contradicts"),
    [("a.jpg", "png", True), ("a.jpeg", "jpg", False), ("a.mp4", "mkv", True), ("a.dat", "mkv", False), ("fifo", "mkv", False)],
)
def test_a_suffix_contradicts_the_format_only_if_it_names_another_one(name: str, suffix: str, contradicts: bool) -> None:
    assert bool(contradiction(name, SINKS[suffix])) == contradicts


@pytest.mark.parametrize(
    ("given", "kinds", "named"),
    [
        (
            {"flags": {"sampleRate": 48000}, "of_one": {"sampleRate": "--sample-rate"}},
            [VIDEO],
            "--sample-rate has no effect without sound",
        ),
        ({"flags": {"sampleRate": 48000}}, [VIDEO], "-c sampleRate has no effect without sound"),
        ({"microphone": ("usb",)}, [VIDEO], "--microphone usb has no effect without sound"),
        ({"flags": {"width": 640}, "of_one": {"width": "--size"}}, [AUDIO], "--size has no effect without video"),
        ({"advanced": ({"channelCount": 2},)}, [VIDEO], "--advanced has no effect without sound"),
    ],
)
def test_a_setting_of_a_track_that_there_is_not_is_refused(given: dict[str, Any], kinds: list[str], named: str) -> None:
    with pytest.raises(click.UsageError, match=named):
        wanted_of(Options(**given), kinds)


def test_settings_of_the_tracks_that_there_are_are_taken() -> None:
    given = {"microphone": ("none",), "flags": {"width": 640, "groupId": "g"}, "advanced": ({"height": 480}, {"nonsense": 1})}
    assert [one.kind for one in wanted_of(Options(**given), [VIDEO])] == [VIDEO]


@pytest.mark.parametrize(
    ("options", "kinds", "named"),
    [
        (SinkOptions(quality=0.0), [AUDIO], "--quality has no effect without video"),
        (SinkOptions(preset="slow"), [AUDIO], "--preset has no effect without video"),
        (SinkOptions(audio_bits_per_second=64_000), [VIDEO], "--audio-bitrate has no effect without sound"),
    ],
)
def test_an_encoding_of_a_track_that_there_is_not_is_refused(options: SinkOptions, kinds: list[str], named: str) -> None:
    refuse_unused_encoding(options, [AUDIO, VIDEO])
    with pytest.raises(click.UsageError, match=named):
        refuse_unused_encoding(options, kinds)
