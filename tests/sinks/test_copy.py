"""A camera's own MJPEG and H.264 in files, as it came: read back byte by byte, and picture by picture, by ffmpeg."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from mscli.core.errors import NotReadableError, NotSupportedError
from mscli.core.frames import Frame, Rect, VideoFrame, black
from mscli.sinks import SINKS, load_sink
from mscli.sinks.base import Sink, SinkOptions, TrackFormat
from tests.sinks.synth import T0, close_to, feed_and_close, frame_times, h264, jpeg, picture, probe, run, tone

JITTER_US = (0, 3_000, -2_000, 11_000, 7_000)

copying_containers = pytest.mark.parametrize("suffix", ["mkv", "mp4"])


def moment(index: int) -> int:
    return index * 40_000 + JITTER_US[index % len(JITTER_US)]


def jpegs(count: int) -> list[VideoFrame]:
    return [jpeg(rgb=(index * 40 % 256, 90, 30), at_us=T0 + moment(index)) for index in range(count)]


def chunks(count: int) -> list[VideoFrame]:
    return [replace(chunk, timestamp=T0 + moment(index)) for index, chunk in enumerate(h264(count))]


def copier(path: Path | io.BytesIO, kinds: Sequence[str] = ("video",), *, form: str = "", suffix: str = "mkv") -> Sink:
    target = str(path) if isinstance(path, Path) else path
    row = SINKS[path.suffix[1:] if isinstance(path, Path) else suffix]
    sink = load_sink(row, target, SinkOptions(video_codec="copy"))
    sink.open([TrackFormat(kind, {"frameRate": 25.0}, form if kind == "video" else "") for kind in kinds])
    return sink


def copied(path: Path, frames: Sequence[VideoFrame]) -> Sink:
    sink = copier(path)
    feed_and_close(sink, [(0, frame) for frame in frames])
    return sink


def content(frames: Sequence[VideoFrame]) -> bytes:
    return b"".join(bytes(frame.planes[0]) for frame in frames)


def picture_sums(source: Path, form: str) -> list[str]:
    """A checksum of every picture as it decodes."""
    said = run("ffmpeg", "-v", "error", "-f", form, "-i", source, "-fps_mode", "passthrough", "-f", "framemd5", "-").decode()
    return [line.rpartition(",")[2].strip() for line in said.splitlines() if not line.startswith("#")]


@copying_containers
def test_the_files_jpegs_are_the_cameras_own(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    frames = jpegs(20)
    copied(path, frames)
    assert run("ffmpeg", "-v", "error", "-i", path, "-c", "copy", "-f", "mjpeg", "-") == content(frames)
    (stream,) = probe(path)["streams"]
    assert (stream["codec_name"], stream["width"], stream["height"]) == ("mjpeg", 64, 48)
    assert close_to(frame_times(path), [moment(index) / 1e6 for index in range(20)], 0.001)


def test_a_picture_that_cannot_be_decoded_is_copied_too(tmp_path: Path) -> None:
    frames = jpegs(6)
    frames[3] = replace(frames[3], planes=(frames[3].planes[0][:200],))
    copied(tmp_path / "a.mkv", frames)
    assert run("ffmpeg", "-v", "error", "-i", tmp_path / "a.mkv", "-c", "copy", "-f", "mjpeg", "-") == content(frames)


@copying_containers
def test_the_files_h264_is_the_cameras_own(suffix: str, tmp_path: Path) -> None:
    path, original = tmp_path / f"a.{suffix}", tmp_path / "a.h264"
    frames = chunks(40)
    copied(path, frames)
    original.write_bytes(content(frames))
    assert picture_sums(path, "mov" if suffix == "mp4" else "matroska") == picture_sums(original, "h264")
    assert close_to(frame_times(path), [moment(index) / 1e6 for index in range(40)], 0.001)


@copying_containers
def test_a_stream_that_begins_in_the_middle_is_recorded_from_its_first_key_frame(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    late = [replace(frame, timestamp=frame.timestamp + 200_000) for frame in chunks(10)]
    sink = copied(path, [*chunks(5)[1:], *late])
    assert len(frame_times(path)) == 10
    assert sink.corrections(0) == {"decodeErrors": 4}


@copying_containers
def test_sound_goes_beside_copied_pictures(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    sink = copier(path, ("video", "audio"))
    for index, frame in enumerate(jpegs(25)):
        sink.write(0, frame)
        sink.write(1, tone(index * 1920, 1920))
    sink.close()
    assert [stream["codec_type"] for stream in probe(path)["streams"]] == ["video", "audio"]
    assert sink.track_bytes(0) == len(content(jpegs(25)))
    run("ffmpeg", "-v", "error", "-i", path, "-f", "null", "-")


def test_the_black_of_a_muted_track_is_left_out_and_counted(tmp_path: Path) -> None:
    frames = jpegs(5)
    sink = copied(tmp_path / "a.mkv", [*frames[:2], black(frames[2]), *frames[3:]])
    assert len(frame_times(tmp_path / "a.mkv")) == 4
    assert sink.corrections(0) == {"hidden": 1}


def test_raw_pictures_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(NotSupportedError, match="gives YUYV in this mode, and only H264 or MJPEG can be copied"):
        copier(tmp_path / "a.mkv", form="YUYV")
    sink = copier(tmp_path / "a.mkv")
    with pytest.raises(NotSupportedError, match="gives YUYV"):
        sink.write(0, picture("YUYV"))
    sink.abort()
    assert list(tmp_path.iterdir()) == []


def test_pictures_that_are_to_be_cropped_are_refused() -> None:
    sink = copier(io.BytesIO())
    with pytest.raises(NotSupportedError, match="cannot be cropped or scaled"):
        sink.write(0, replace(jpeg(), visible_rect=Rect(0, 0, 32, 24), display_size=(32, 24)))
    sink.abort()


def test_a_container_that_takes_no_cameras_pictures_names_those_that_do() -> None:
    with pytest.raises(NotSupportedError, match=r"\.webm") as caught:
        copier(io.BytesIO(), suffix="webm")
    assert caught.value.hints == ("use one of: .mkv, .mp4, .mov",)


@pytest.mark.parametrize(("seconds", "told"), [(12, "within 11 s"), (3, "within 2 s")])
def test_a_camera_that_gives_no_picture_to_begin_with_is_told_after_ten_seconds_or_at_the_end(seconds: int, told: str) -> None:
    sink = copier(io.BytesIO(), ("video", "audio"))
    blocks: list[tuple[int, Frame]] = [(1, tone(index * 48_000, 48_000)) for index in range(seconds)]
    with pytest.raises(NotReadableError, match=f"no picture to begin with {told}$"):
        feed_and_close(sink, blocks)
    sink.abort()
