"""Encoding by the hardware: the first encoder that really opens; where none does, in software, and it is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from mscli.core.codecs import VIDEO_CODECS
from mscli.core.errors import NotSupportedError, OperationError
from mscli.core.frames import Media
from mscli.encode import ffmpeg
from mscli.encode.codecstring import video_codec_string
from mscli.encode.options import SinkOptions, TrackFormat
from mscli.encode.tuning import ENCODERS
from mscli.encode.video import Shape, first_that_opens
from mscli.sinks import SINKS, check_tracks, codec_names, load_sink
from tests.sinks.synth import GREEN, T0, close_to, feed_and_close, mean_rgb, picture, probe

SHAPE = Shape(64, 48, 25.0)
PICTURES: list[tuple[int, Media]] = [(0, picture("NV12", 64, 48, GREEN, at_us=T0 + index * 40_000)) for index in range(10)]


def use(monkeypatch: pytest.MonkeyPatch, software: str, *hardware: str) -> None:
    """Have H.264 encoded by these: on no machine that runs the tests can a certain piece of hardware be relied on."""
    monkeypatch.setitem(VIDEO_CODECS, "h264", VIDEO_CODECS["h264"]._replace(encoder=software, hardware=hardware))


def recorded(path: Path, codec: str, size: tuple[int, int] = (64, 48)) -> list[str]:
    """Record by the hardware; what was told."""
    notes: list[str] = []
    sink = load_sink(SINKS[path.suffix[1:]], str(path), SinkOptions(video_codec=codec, on_note=notes.append))
    sink.open([TrackFormat("video", {"width": size[0], "height": size[1], "frameRate": 25.0})])
    feed_and_close(sink, PICTURES)
    return notes


def test_the_first_encoder_that_opens_is_taken() -> None:
    found = first_that_opens(["h264_videotoolbox", "hevc_v4l2m2m", "libvpx", "libx264"], SHAPE, SinkOptions())
    assert found is not None
    assert found.name == "libvpx"


def test_one_that_does_not_open_at_the_size_is_passed_over() -> None:
    names = ["libvpx", "libx265"]  # VP8 goes to 16383 pixels
    small, wide = (first_that_opens(names, Shape(width, 64, 25.0), SinkOptions()) for width in (64, 16_400))
    assert small is not None
    assert wide is not None
    assert (small.name, wide.name) == ("libvpx", "libx265")


def test_none_is_taken_where_none_opens() -> None:
    assert first_that_opens(["h264_videotoolbox"], SHAPE, SinkOptions()) is None


def test_a_lack_of_threads_is_no_hardware_and_no_failure_of_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ffmpeg, "lack_of_threads", lambda: OperationError("out of threads"))
    too_wide = Shape(16_400, 64, 25.0)  # for libvpx
    assert first_that_opens(["libvpx"], too_wide, SinkOptions()) is None
    use(monkeypatch, "libvpx", "libvpx")
    track = TrackFormat("video", {"width": 16_400, "height": 64, "frameRate": 25.0})
    codec = VIDEO_CODECS["h264"]
    for name in ("h264", "h264:hw"):
        assert video_codec_string(codec, track, SinkOptions(video_codec=name)) == codec.mime_names[0]


def test_a_recording_by_the_hardware_does_without_software(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use(monkeypatch, "h264_videotoolbox", "h264_v4l2m2m", "libx264")
    assert recorded(tmp_path / "a.mp4", "h264:hw") == []
    (stream,) = probe(tmp_path / "a.mp4", "-count_frames", "-show_streams")["streams"]
    assert (stream["codec_name"], stream["nb_read_frames"]) == ("h264", "10")


def test_without_such_hardware_it_is_done_in_software_and_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    use(monkeypatch, "libx264", "h264_videotoolbox", "h264_amf", "h264_qsv")
    (note,) = recorded(tmp_path / "a.mp4", "avc1:hw", (1280, 720))
    assert note.startswith("no hardware encodes H.264 at 1280×720 (tried h264_videotoolbox, h264_amf, h264_qsv)")
    (stream,) = probe(tmp_path / "a.mp4")["streams"]
    assert stream["codec_name"] == "h264"
    assert close_to(mean_rgb(tmp_path / "a.mp4"), GREEN, 8)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
def test_the_real_table_gives_a_readable_file_on_any_machine(
    codec: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    recorded(tmp_path / "a.mkv", f"{codec}:hw")
    (stream,) = probe(tmp_path / "a.mkv", "-count_frames", "-show_streams")["streams"]
    assert (stream["codec_name"], stream["nb_read_frames"]) == (codec, "10")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["I420", "YUYV", "RGB24", "NV12"])
def test_pictures_of_every_kind_come_in_the_format_that_hardware_takes(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use(monkeypatch, "h264_videotoolbox", "libx264")
    monkeypatch.setitem(ENCODERS, "libx264", ENCODERS["libx264"]._replace(pixels=ENCODERS["h264_nvenc"].pixels))
    sink = load_sink(SINKS["mp4"], str(tmp_path / "a.mp4"), SinkOptions(video_codec="h264:hw"))
    sink.open([TrackFormat("video", {"width": 63, "height": 47, "frameRate": 25.0})])
    feed_and_close(sink, [(0, picture(name, 63, 47, GREEN, at_us=T0 + index * 40_000)) for index in range(5)])
    (stream,) = probe(tmp_path / "a.mp4")["streams"]
    assert (stream["width"], stream["height"]) == (62, 46)
    assert close_to(mean_rgb(tmp_path / "a.mp4"), GREEN, 8)


def test_software_asks_no_hardware_and_tells_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use(monkeypatch, "libx264", "no such row")
    assert recorded(tmp_path / "a.mkv", "h264") == []


@pytest.mark.parametrize("codec", ["ffv1:hw", "vp8:hw", "h264:gpu", "h264:"])
def test_what_no_hardware_encodes_is_refused_with_what_some_does(codec: str) -> None:
    with pytest.raises(NotSupportedError) as caught:
        check_tracks(SINKS["mkv"], SinkOptions(video_codec=codec), ["video"])
    assert caught.value.hints == ("hardware encoders: h264:hw, hevc:hw, av1:hw",)


def test_every_name_that_is_offered_is_accepted() -> None:
    for name in codec_names("video"):
        check_tracks(SINKS["mkv"], SinkOptions(video_codec=name), ["video"])
    for name in codec_names("audio"):
        check_tracks(SINKS["mkv"], SinkOptions(audio_codec=name), ["audio"])
