"""MediaRecorderOptions: WebIDL conversion, and what becomes of the bit rates."""

from __future__ import annotations

from typing import Any

import pytest

import mscli
from mscli.api.recorderoptions import RecorderOptions
from mscli.sinks.base import SinkOptions
from tests.unit.stage import Recording

BOTH = ("audio", "video")


@pytest.mark.parametrize(
    ("value", "number"),
    [(5, 5), ("64000", 64000), ("many", 0), (None, 0), (-1, 2**32 - 1), (2**32 + 7, 7), (1.9, 1), (True, 1), ([3], 3), ({}, 0)],
)
def test_bit_rates_are_converted_as_a_browser_does(value: Any, number: int) -> None:
    assert RecorderOptions.convert({"audioBitsPerSecond": value}).audio_bits_per_second == number


@pytest.mark.parametrize("options", [5, "x", [], {"audioBitrateMode": "loud"}, {"videoKeyFrameIntervalDuration": "x"}])
def test_what_cannot_be_converted_is_a_type_error(recording: Recording, options: Any) -> None:
    with pytest.raises(TypeError):
        mscli.MediaRecorder(recording.stream, options)


def test_the_bit_rate_mode_is_the_one_that_there_is(recording: Recording) -> None:
    assert mscli.MediaRecorder(recording.stream, {"audioBitrateMode": "constant"}).audio_bitrate_mode == "variable"


def test_key_frames_are_asked_for_in_one_way(recording: Recording) -> None:
    asked = {"videoKeyFrameIntervalDuration": 1000, "videoKeyFrameIntervalCount": 30}
    with pytest.raises(mscli.NotSupportedError):
        mscli.MediaRecorder(recording.stream, asked).start()


@pytest.mark.parametrize(
    ("options", "audio", "video"),
    [
        ({}, 128_000, 2_500_000),
        ({"audioBitsPerSecond": 0}, 0, 2_500_000),
        ({"videoBitsPerSecond": 5}, 128_000, 5),
        ({"bitsPerSecond": 2_000_000, "audioBitsPerSecond": 0, "videoBitsPerSecond": 0}, 128_000, 1_872_000),
        ({"bitsPerSecond": 100_000}, 10_000, 90_000),
    ],
)
def test_bits_per_second_are_what_was_asked_or_the_usual(options: dict[str, Any], audio: int, video: int) -> None:
    assert RecorderOptions.convert(options).bit_rates() == (audio, video)


@pytest.mark.parametrize(
    ("options", "kinds", "audio", "video"),
    [
        ({}, BOTH, None, None),
        ({"audioBitsPerSecond": 64_000}, BOTH, 64_000, None),
        ({"audioBitsPerSecond": 0, "videoBitsPerSecond": 0}, BOTH, None, None),
        ({"bitsPerSecond": 2_000_000}, ("audio",), 2_000_000, None),
        ({"bitsPerSecond": 2_000_000}, ("video",), None, 2_000_000),
    ],
)
def test_encoders_choose_what_nobody_has_asked_for(
    options: dict[str, Any], kinds: tuple[str, ...], audio: int | None, video: int | None
) -> None:
    applied = RecorderOptions.convert(options).applied_to(SinkOptions(), kinds, "", "")
    assert (applied.audio_bits_per_second, applied.video_bits_per_second) == (audio, video)


def test_codecs_of_the_sink_come_before_those_of_the_type() -> None:
    applied = RecorderOptions().applied_to(SinkOptions(video_codec="hevc"), BOTH, "h264", "aac")
    assert (applied.video_codec, applied.audio_codec) == ("hevc", "aac")
