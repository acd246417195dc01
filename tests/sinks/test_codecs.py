"""MIME types and codecs: what fits is known before anything is opened, and what does not is told with what would."""

from __future__ import annotations

from pathlib import Path

import pytest

from mscli.core.codecs import AUDIO_CODECS, VIDEO_CODECS
from mscli.core.errors import NotSupportedError
from mscli.encode.codecs import CONTAINERS, video_codec
from mscli.encode.codecstring import video_codec_string
from mscli.encode.options import SinkOptions, TrackFormat
from mscli.sinks import SINKS, check_tracks, load_sink, mime_supported, row_for_mime, sink_row, spell_mime
from mscli.sinks.raw.sink import y4m_rate
from tests.sinks.synth import T0, feed_and_close, noise, probe


@pytest.mark.parametrize(
    ("mime_type", "suffix", "video", "audio"),
    [
        ("video/webm", "webm", "", ""),
        ("video/webm;codecs=vp8,opus", "webm", "vp8", "opus"),
        ('VIDEO/WebM; Codecs="VP9, opus"', "webm", "vp9", "opus"),
        ("video/webm;codecs=vp09.00.10.08", "webm", "vp9", ""),
        ("video/webm;codecs=av01.0.04M.08", "webm", "av1", ""),
        ("audio/webm;codecs=opus", "webm", "", "opus"),
        ("video/mp4;codecs=avc1.42E01E,mp4a.40.2", "mp4", "avc1.42E01E", "aac"),
        ("video/mp4;codecs=hvc1.1.6.L93.B0", "mp4", "hvc1.1.6.L93.B0", ""),
        ("audio/mp4", "mp4", "", ""),
        ("audio/mp4;codecs=mp4a.40.2", "mp4", "", "aac"),
        ("video/x-matroska;codecs=avc1,opus", "mkv", "h264", "opus"),
        ("audio/ogg;codecs=opus", "ogg", "", "opus"),
        ("audio/wav", "wav", "", ""),
        ("audio/wav;codecs=1", "wav", "", "pcm"),
        ("audio/flac", "flac", "", ""),
        ("video/x-matroska;codecs=ffv1", "mkv", "ffv1", ""),
        ("video/x-matroska;codecs=mjpeg,mp3", "mkv", "mjpeg", "mp3"),
        ("video/quicktime", "mov", "", ""),
        ("video/quicktime;codecs=hvc1,mp4a.40.2", "mov", "hevc", "aac"),
        ("audio/mpeg", "mp3", "", ""),
        ("audio/mpeg;codecs=mp3", "mp3", "", "mp3"),
        ("audio/x-m4a;codecs=mp4a.40.2", "m4a", "", "aac"),
    ],
)
def test_mime_types_name_containers_and_codecs(mime_type: str, suffix: str, video: str, audio: str) -> None:
    assert mime_supported(mime_type)
    assert row_for_mime(mime_type) == (SINKS[suffix], video, audio)


@pytest.mark.parametrize(
    "mime_type",
    [
        "video/x-nothing",
        "video/webm;codecs=avc1",
        "video/webm;codecs=vp8,vp9",
        "video/webm;codecs=vp10",
        "audio/webm;codecs=vp8",
        "audio/mp4;codecs=pcm",
        "video/mp4;codecs=ffv1",
        "video/mp4;codecs=mp4a.6B",
        "audio/mp4;codecs=mp4a.40.5",  # HE-AAC
        "audio/mp4;codecs=opus.1",
        "video/mp4;codecs=avc1:hw",
        "video/mp4;codecs=avc3.42E01E",  # parameter sets in the stream
        "video/mp4;codecs=hev1",
        "video/mp4;codecs=avc1.6E0028",  # High 10
        "video/mp4;codecs=avc1.42E0FF",  # no level
        "video/mp4;codecs=avc1.42",
        "video/mp4;codecs=hvc1.2.4.L93.B0",  # Main 10
        "video/mp4;codecs=hvc1.1.6.L94.B0",
        "video/mp4;codecs=hvc1.1.6.H93.B0",  # this level has no high tier
        "video/webm;codecs=vp09.02.10.10",
        "video/webm;codecs=av01.0.04M.10",
        "audio/mpeg;codecs=aac",
        "video/quicktime;codecs=vp9",
        "video/ogg",
        "image/png",
        "video",
        "",
    ],
)
def test_what_cannot_be_recorded_is_not_supported(mime_type: str) -> None:
    assert not mime_supported(mime_type)
    with pytest.raises(NotSupportedError) as caught:
        row_for_mime(mime_type)
    assert caught.value.hints


def test_every_container_is_a_sink_and_holds_known_codecs() -> None:
    for container in CONTAINERS.values():
        row = SINKS[container.suffix]
        assert row.mime_type in container.mime_types
        assert (row.video, row.audio) == (bool(container.video), bool(container.audio))
        assert set(container.video) <= set(VIDEO_CODECS)
        assert set(container.audio) <= set(AUDIO_CODECS)


def test_a_codec_that_does_not_fit_is_told_with_what_fits() -> None:
    with pytest.raises(NotSupportedError, match=r"a \.webm file cannot hold H\.264") as caught:
        check_tracks(SINKS["webm"], SinkOptions(video_codec="h264"), ["video"])
    assert caught.value.hints == (".webm holds: vp9, vp8, av1", "H.264 fits into: .mp4, .mkv, .mov")


def test_a_codec_that_nobody_knows_is_told_with_the_known_ones() -> None:
    with pytest.raises(NotSupportedError, match=r"unknown audio codec “mp5” \(did you mean “mp3”\?\)") as caught:
        check_tracks(SINKS["mkv"], SinkOptions(audio_codec="mp5"), ["audio"])
    assert caught.value.hints == ("audio codecs: opus, mp3, aac, flac, pcm",)


def test_a_container_of_sound_takes_no_picture() -> None:
    with pytest.raises(NotSupportedError, match=r"a \.wav file cannot hold video") as caught:
        check_tracks(SINKS["wav"], SinkOptions(), ["video", "audio"])
    assert caught.value.hints == ("use .mp4, .webm, .mkv, .mov, or --no-video",)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "m4a"])
def test_a_container_of_sound_takes_one_track(suffix: str) -> None:
    with pytest.raises(NotSupportedError, match=rf"a \.{suffix} file holds only one track"):
        check_tracks(SINKS[suffix], SinkOptions(), ["audio", "audio"])


@pytest.mark.parametrize("bits", [0, -1])
def test_a_bit_rate_is_above_zero(bits: int) -> None:
    with pytest.raises(NotSupportedError, match="a bit rate must be above 0"):
        check_tracks(SINKS["mp4"], SinkOptions(video_bits_per_second=bits), ["video"])


def test_raw_output_of_two_cameras_is_refused_as_that() -> None:
    with pytest.raises(NotSupportedError, match="raw output holds one track, not 2 video tracks"):
        check_tracks(SINKS["raw"], SinkOptions(), ["audio", "video", "video"])


def test_raw_output_takes_one_track() -> None:
    with pytest.raises(NotSupportedError, match="raw output holds one track, either video or audio") as caught:
        check_tracks(SINKS["raw"], SinkOptions(), ["video", "audio"])
    assert "--no-video" in caught.value.hints[0]


@pytest.mark.parametrize(
    ("kind", "name"), [("video", "s16"), ("video", "yuv999"), ("video", "hevc"), ("audio", "I420"), ("audio", "y4m")]
)
def test_raw_output_is_in_a_format_of_its_kind(kind: str, name: str) -> None:
    with pytest.raises(NotSupportedError) as caught:
        check_tracks(SINKS["raw"], SinkOptions(format=name), [kind])
    assert caught.value.hints


def test_a_picture_is_taken_of_one_video_track() -> None:
    with pytest.raises(NotSupportedError, match="exactly one video track"):
        check_tracks(SINKS["png"], SinkOptions(), ["video", "audio"])


def test_a_suffix_in_capitals_is_known() -> None:
    assert sink_row("A.B.MP4", "video") is SINKS["mp4"]


@pytest.mark.parametrize(
    ("rate", "written"),
    [(30, "30:1"), (29.97, "30000:1001"), (30000 / 1001, "30000:1001"), (23.976, "24000:1001"), (7.5, "7500:1000"), (0, "30:1"),
     (None, "30:1"), (1, "1:1"), (1 / 3, "1:3"), (0.5, "1:2"), (25 / 3, "25:3"), (1 / 3600, "1:3600")],
)  # fmt: skip
def test_frame_rates_are_written_as_fractions(rate: object, written: str) -> None:
    assert y4m_rate(rate) == written


@pytest.mark.parametrize(
    ("suffix", "codec", "size", "said"),
    [
        ("mp4", "h264", (640, 480), ("h264", "High", 30, "avc1.64001E")),
        ("mp4", "h264", (64, 48), ("h264", "High", 10, "avc1.64000A")),
        ("mp4", "hevc", (640, 480), ("hevc", "Main", 90, "hvc1.1.6.L90.90")),
        ("mp4", "av1", (640, 480), ("av1", "Main", 4, "av01.0.04M.08")),
        ("webm", "vp9", (640, 480), ("vp9", "Profile 0", -99, "vp09.00.30.08")),
        ("webm", "vp9", (64, 48), ("vp9", "Profile 0", -99, "vp09.00.10.08")),
        ("webm", "vp8", (640, 480), ("vp8", "0", -99, "vp8")),
    ],
)
def test_the_codec_is_called_what_the_file_holds(
    suffix: str, codec: str, size: tuple[int, int], said: tuple[str, str, int, str], tmp_path: Path
) -> None:
    track = TrackFormat("video", {"width": size[0], "height": size[1], "frameRate": 30.0})
    options, path = SinkOptions(video_codec=codec), tmp_path / f"a.{suffix}"
    sink = load_sink(SINKS[suffix], str(path), options)
    sink.open([track])
    feed_and_close(sink, [(0, noise(*size, T0 + n * 33_333, n)) for n in range(3)])
    stream = probe(path)["streams"][0]
    spelled = spell_mime(SINKS[suffix], "", options, [track])
    assert (stream["codec_name"], stream["profile"], stream["level"], spelled.partition("codecs=")[2]) == said


@pytest.mark.parametrize(
    ("suffix", "named", "told"),
    [
        ("mp4", "avc1.42E01E", "avc1.42C01E"),  # Baseline, level 3.0
        ("mkv", "avc1.4D401F", "avc1.4D401F"),  # Main, level 3.1
        ("mp4", "avc1.640028", "avc1.640028"),  # High, level 4.0
        ("mp4", "hvc1.1.6.L93.B0", "hvc1.1.6.L93.90"),
        ("mp4", "hvc1.1.6.H120.B0", "hvc1.1.6.H120.90"),
    ],
)
def test_profile_and_level_are_those_named(suffix: str, named: str, told: str) -> None:
    options = SinkOptions(video_codec=named)
    codec = video_codec(CONTAINERS[suffix], options)
    track = TrackFormat("video", {"width": 640, "height": 480, "frameRate": 30})
    assert video_codec_string(codec, track, options) == told
