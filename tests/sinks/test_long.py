"""Slow cameras: a picture a minute keeps its time for thirty hours, and the last one lasts as long as the recording."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from mscli.encode.options import SinkOptions, TrackFormat
from mscli.sinks import SINKS, load_sink
from tests.sinks.synth import T0, close_to, feed_and_close, picture

HOURS, STEP_S = 30, 60
COUNT = HOURS * 3600 // STEP_S


@pytest.mark.parametrize(
    ("suffix", "codec", "faststart"),
    [
        ("mp4", "h264", False),
        ("mp4", "h264", True),
        ("mov", "h264", False),
        ("mkv", "h264", False),
        ("webm", "vp8", False),
    ],
)
def test_thirty_hours_keep_times_and_duration(suffix: str, codec: str, faststart: bool, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    sink = load_sink(SINKS[suffix], str(path), SinkOptions(video_codec=codec, faststart=faststart))
    sink.open([TrackFormat("video", {"frameRate": 1 / STEP_S, "width": 32, "height": 32})])
    frames = [picture("I420", 32, 32, (n % 200, 90, 30), at_us=T0 + n * STEP_S * 1_000_000, sequence=n) for n in range(COUNT)]
    feed_and_close(sink, [(0, frame) for frame in frames])
    with av.open(str(path), "r") as file:
        (stream,) = file.streams.video
        assert stream.time_base is not None
        times = [float(packet.pts * stream.time_base) for packet in file.demux(stream) if packet.pts is not None]
        assert file.duration is not None
        duration_s = file.duration / av.time_base
    assert close_to(times, [float(n * STEP_S) for n in range(COUNT)], 0.001)
    assert HOURS * 3600 - STEP_S <= duration_s <= HOURS * 3600 + 0.1


@pytest.mark.parametrize(
    ("suffix", "codec"), [("mp4", "h264"), ("mov", "h264"), ("mkv", "h264"), ("webm", "vp8"), ("webm", "vp9")]
)
def test_the_last_picture_ends_with_the_recording(suffix: str, codec: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    sink = load_sink(SINKS[suffix], str(path), SinkOptions(video_codec=codec))
    sink.open([TrackFormat("video", {"frameRate": 1 / STEP_S, "width": 32, "height": 32})])
    sink.end_us = T0 + (2 * STEP_S + 7) * 1_000_000
    feed_and_close(sink, [(0, picture("I420", 32, 32, at_us=T0 + n * STEP_S * 1_000_000, sequence=n)) for n in range(3)])
    with av.open(str(path), "r") as file:
        assert file.duration == (2 * STEP_S + 7) * av.time_base
