"""MediaRecorderOptions: WebIDL conversion, and the resulting bit rates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mscli
from mscli.api.mediarecorder import RecorderOptions
from mscli.encode.options import SinkOptions
from tests.sinks.synth import probe, tone
from tests.unit.stage import TIMEOUT_S, Recording, Stage, camera, microphone, picture, push, silent

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


@pytest.mark.parametrize(("channels", "audio"), [(1, 64_000), (2, 128_000), (6, 384_000)])
def test_the_usual_bits_of_sound_are_those_of_its_channels(channels: int, audio: int) -> None:
    assert RecorderOptions.convert({}).bit_rates(["audio"], channels)[0] == audio
    assert RecorderOptions.convert({"audioBitsPerSecond": 7}).bit_rates(["audio"], channels)[0] == 7


@pytest.mark.parametrize(
    ("options", "kinds", "audio", "video"),
    [
        ({}, BOTH, None, None),
        ({"audioBitsPerSecond": 64_000}, BOTH, 64_000, None),
        ({"audioBitsPerSecond": 0, "videoBitsPerSecond": 0}, BOTH, None, None),
        ({"bitsPerSecond": 0}, BOTH, None, None),
        ({"bitsPerSecond": 0, "audioBitsPerSecond": 64_000}, BOTH, 64_000, None),
        ({"bitsPerSecond": 2_000_000}, ("audio",), 2_000_000, None),
        ({"bitsPerSecond": 2_000_000}, ("video",), None, 2_000_000),
    ],
)
def test_encoders_choose_what_nobody_requested(
    options: dict[str, Any], kinds: tuple[str, ...], audio: int | None, video: int | None
) -> None:
    applied = RecorderOptions.convert(options).applied_to(SinkOptions(), kinds, "", "")
    assert (applied.audio_bits_per_second, applied.video_bits_per_second) == (audio, video)


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        ({}, (None, None)),
        ({"videoKeyFrameIntervalDuration": 2500}, (2.5, None)),
        ({"videoKeyFrameIntervalDuration": -1}, (0, None)),
        ({"videoKeyFrameIntervalCount": 20}, (None, 20)),
    ],
)
def test_the_interval_of_key_frames_is_asked_of_the_encoder(
    options: dict[str, Any], asked: tuple[float | None, int | None]
) -> None:
    applied = RecorderOptions.convert(options).applied_to(SinkOptions(), BOTH, "", "")
    assert (applied.key_frame_s, applied.key_frame_count) == asked


@pytest.mark.parametrize("option", [{"videoKeyFrameIntervalDuration": 500}, {"videoKeyFrameIntervalCount": 5}])
def test_a_recording_has_its_key_frames_in_that_interval(
    stage: Callable[..., Stage], option: dict[str, int], tmp_path: Path
) -> None:
    here = stage(silent(camera()))
    stream = here.devices.get_user_media({"video": True})
    recorder = mscli.MediaRecorder(stream, {"mimeType": "video/webm;codecs=vp8", **option}, file=str(tmp_path / "a.webm"))
    recorder.start()
    push(stream.get_tracks()[0], *(picture(n * 100_000, 128, 72) for n in range(20)))
    recorder.stop()
    assert recorder.join(TIMEOUT_S)
    packets = probe(tmp_path / "a.webm", "-show_entries", "packet=flags")["packets"]
    assert [index for index, packet in enumerate(packets) if "K" in packet["flags"]] == [0, 5, 10, 15]


@pytest.mark.parametrize(
    ("name", "options", "container"),
    [
        ("a.mp4", {}, "mov,mp4,m4a,3gp,3g2,mj2"),
        ("a.mkv", {}, "matroska,webm"),
        ("a", {}, "matroska,webm"),
        ("a", {"mimeType": "video/mp4"}, "mov,mp4,m4a,3gp,3g2,mj2"),
    ],
)
def test_the_suffix_of_a_file_says_the_container_if_no_type_does(
    stage: Callable[..., Stage], name: str, options: dict[str, str], container: str, tmp_path: Path
) -> None:
    here = stage(silent(camera()))
    stream = here.devices.get_user_media({"video": True})
    recorder = mscli.MediaRecorder(stream, options, file=str(tmp_path / name))
    recorder.start()
    push(stream.get_tracks()[0], *(picture(n * 100_000, 128, 72) for n in range(3)))
    recorder.stop()
    assert recorder.join(TIMEOUT_S)
    assert probe(tmp_path / name, "-show_entries", "format=format_name")["format"]["format_name"] == container


def test_a_type_that_contradicts_the_suffix_is_refused(stage: Callable[..., Stage], tmp_path: Path) -> None:
    stream = stage(silent(camera())).devices.get_user_media({"video": True})
    with pytest.raises(mscli.NotSupportedError, match=r"a \.mkv file cannot hold “video/mp4”"):
        mscli.MediaRecorder(stream, {"mimeType": "video/mp4"}, file=str(tmp_path / "a.mkv"))


def test_start_raises_for_an_unknown_suffix(stage: Callable[..., Stage], tmp_path: Path) -> None:
    here = stage(silent(camera()))
    recorder = mscli.MediaRecorder(here.devices.get_user_media({"video": True}), file=str(tmp_path / "a.nobody"))
    with pytest.raises(mscli.NotSupportedError, match=r"cannot write \.nobody recordings"):
        recorder.start()


def test_codecs_of_the_sink_come_before_those_of_the_type() -> None:
    applied = RecorderOptions().applied_to(SinkOptions(video_codec="hevc"), BOTH, "h264", "aac")
    assert (applied.video_codec, applied.audio_codec) == ("hevc", "aac")


@pytest.mark.parametrize(
    "options",
    [
        {"bitsPerSecond": 0},
        {"bitsPerSecond": 3000},
        {"audioBitsPerSecond": 100},
        {"bitsPerSecond": 2**32 - 1},
        {"mimeType": "video/mp4", "videoBitsPerSecond": 1},
    ],
)
def test_whatever_bit_rate_is_asked_for_is_recorded(stage: Callable[..., Stage], options: dict[str, Any]) -> None:
    here = stage(silent(camera()), silent(microphone()))
    stream = here.devices.get_user_media({"video": True, "audio": True})
    recorder = mscli.MediaRecorder(stream, options)
    recorder.start()
    push(stream.get_video_tracks()[0], *(picture(n * 100_000, 128, 72) for n in range(5)))
    push(stream.get_audio_tracks()[0], *(tone(n * 4800, 4800, at_us=n * 100_000) for n in range(5)))
    recorder.stop()
    assert recorder.join(TIMEOUT_S)
    assert recorder.recording is not None
    assert recorder.recording.error is None


@pytest.mark.parametrize("channels", [1, 2])
def test_a_recorder_says_the_bits_of_the_channels_that_it_records(channels: int) -> None:
    microphone = {"kind": "audioinput", "channelCounts": [channels]}
    with mscli.MediaDevices(backends=[mscli.FakeBackend({"devices": [microphone]})]) as devices:
        recorder = mscli.MediaRecorder(devices.get_user_media({"audio": True}))
        recorder.start()
        said = recorder.audio_bits_per_second
        recorder.stop()
        recorder.join()
    assert said == 64_000 * channels
