"""What is left when the recording process is killed: a file under the asked name that can be read to the last second."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep

import pytest

from mscli.sinks import SINKS, SinkRow
from mscli.sinks.base import Sink
from tests.sinks.synth import CONTAINER_ROWS, T0, frame_times, frames_for, kinds_of, opened, pcm, picture, probe, run, tone

SECONDS = 3
TIMEOUT_S = 30


def record(path: str, rate: int, video_codec: str, audio_codec: str, key_frame_s: float | None) -> None:
    """Write three seconds, tell it once nothing of them is in memory, and wait to be killed."""
    row = SINKS[Path(path).suffix[1:]]
    sink = opened(row, path, video_codec=video_codec, audio_codec=audio_codec, key_frame_s=key_frame_s)
    every = 25 // rate
    for index, (track, frame) in enumerate(frames_for(row, SECONDS * 25)):
        if kinds_of(row)[track] == "audio" or (index // len(kinds_of(row))) % every == 0:
            sink.write(track, frame)
    wait_until_written(sink, path)
    print("written", flush=True)
    sys.stdin.read()


def wait_until_written(sink: Sink, path: str) -> None:
    """Wait until nothing of the file is in memory. What comes faster than live waits there for less than half a second."""
    deadline = monotonic() + TIMEOUT_S
    while os.stat(path).st_size < sink.bytes_written and monotonic() < deadline:
        sleep(0.01)


def killed(path: Path, rate: int = 25, video_codec: str = "", audio_codec: str = "", key_frame_s: float | None = None) -> Path:
    """A recording whose process was killed after three seconds of it were written."""
    arguments = (str(path), rate, video_codec, audio_codec, key_frame_s)
    script = f"from tests.sinks.test_survival import record; record(*{arguments!r})"
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        process.kill()
    return path


@pytest.mark.parametrize("row", CONTAINER_ROWS, ids=[row.suffix for row in CONTAINER_ROWS])
def test_a_killed_recording_can_be_read_to_its_last_second(row: SinkRow, tmp_path: Path) -> None:
    path = killed(tmp_path / f"a.{row.suffix}")
    assert list(tmp_path.iterdir()) == [path]
    if row.video:
        assert frame_times(path)[-1] > SECONDS - 1
    assert len(pcm(path)) / 48_000 > SECONDS - 1


@pytest.mark.parametrize("suffix", ["mp4", "webm", "mkv", "mov"])
def test_so_can_that_of_a_slow_camera(suffix: str, tmp_path: Path) -> None:
    assert frame_times(killed(tmp_path / f"a.{suffix}", 5))[-1] >= SECONDS - 1.2


@pytest.mark.parametrize(("suffix", "codec"), [("mp4", "h264"), ("mov", "hevc"), ("webm", "vp9"), ("mkv", "mjpeg")])
def test_a_time_lapse_can_be_read_but_for_its_last_picture(suffix: str, codec: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    sink = opened(SINKS[suffix], str(path), ["video"], video_codec=codec, time_lapse_s=3600.0)
    for index in range(4):
        sink.write(0, picture("I420", 64, 48, at_us=T0 + index * 33_333))
    wait_until_written(sink, str(path))
    now = path.with_stem("now")
    now.write_bytes(path.read_bytes())
    assert len(frame_times(now)) == 3
    sink.abort()


@pytest.mark.parametrize(
    ("suffix", "video", "audio"),
    [
        ("mp4", "hevc", "opus"),
        ("mp4", "av1", "flac"),
        ("mov", "mjpeg", "pcm"),
        ("mov", "hevc", "aac"),
        ("mkv", "ffv1", "flac"),
        ("mkv", "mjpeg", "mp3"),
        ("mkv", "vp8", "pcm"),
    ],
)
def test_so_can_one_in_any_codec(suffix: str, video: str, audio: str, tmp_path: Path) -> None:
    path = killed(tmp_path / f"a.{suffix}", 25, video, audio)
    assert frame_times(path)[-1] > SECONDS - 1
    assert len(pcm(path)) / 48_000 > SECONDS - 1


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_a_killed_recording_of_sound_has_a_header_that_others_read(suffix: str, tmp_path: Path) -> None:
    path = killed(tmp_path / f"a.{suffix}")
    (stream,) = probe(path)["streams"]
    assert (stream["sample_rate"], stream["channels"]) == ("48000", 1)
    decoded = run("sox", "--ignore-length", path, "-t", "raw", "-")
    assert decoded[: 2 * 48_000] == bytes(tone(0, 48_000, at_us=T0).data)


def test_nothing_stands_under_the_name_before_something_can_be_read(tmp_path: Path) -> None:
    for row in CONTAINER_ROWS:
        path = tmp_path / f"a.{row.suffix}"
        sink = opened(row, str(path))
        for track, frame in frames_for(row, 50):
            sink.write(track, frame)
            if path.exists():
                streams = probe(path, "-count_frames", "-show_streams")["streams"]
                assert len(streams) == len(kinds_of(row))
                assert all(int(stream["nb_read_frames"]) > 0 for stream in streams)
                break
        else:
            pytest.fail(f".{row.suffix} never got its name")
        sink.abort()
