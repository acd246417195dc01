"""How much room a recording is said to need, beside what it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mscli.core.frames import Media
from mscli.encode.codecs import CONTAINERS
from mscli.encode.options import SinkOptions, TrackFormat
from mscli.sinks import SINKS
from mscli.sinks.recording.sink import expected_bits_per_second
from tests.sinks.synth import T0, feed_and_close, noise, opened

HD = {"width": 1280, "height": 720, "frameRate": 30}
PIXELS = 1280 * 720 * 30  # a second


def expected(suffix: str, pixel_format: str = "YUYV", **options: Any) -> float:
    """Bits that each pixel is said to take."""
    track = TrackFormat("video", HD, pixel_format)
    return expected_bits_per_second(CONTAINERS[suffix], [track], SinkOptions(**options)) / PIXELS


@pytest.mark.parametrize(
    ("suffix", "pixel_format", "options", "bits"),
    [
        ("mp4", "MJPEG", {}, 0.1),
        ("mp4", "MJPEG", {"video_codec": "copy"}, 1),
        ("mkv", "H264", {"video_codec": "copy"}, 0.1),
        ("mkv", "", {"video_codec": "copy"}, 0.1),  # nobody knows yet: the smaller
        ("mkv", "YUYV", {"video_codec": "mjpeg"}, 1),
        ("mkv", "YUYV", {"video_codec": "ffv1"}, 4),
        ("mkv", "YUYV", {"video_codec": "h264:hw"}, 0.1),
    ],
)
def test_a_codec_takes_what_is_usual_for_it(suffix: str, pixel_format: str, options: dict[str, Any], bits: float) -> None:
    assert expected(suffix, pixel_format, **options) == pytest.approx(bits)


@pytest.mark.parametrize(
    ("codec", "heeded"), [("h264", True), ("vp8", True), ("mjpeg", False), ("ffv1", False), ("copy", False)]
)
def test_a_bit_rate_counts_where_it_is_held(codec: str, heeded: bool) -> None:
    asked = expected("mkv" if codec != "vp8" else "webm", "MJPEG", video_codec=codec, video_bits_per_second=PIXELS // 50)
    assert (asked == pytest.approx(0.02)) is heeded


@pytest.mark.parametrize("codec", ["mjpeg", "ffv1"])
def test_noise_takes_more_than_is_usual_and_less_than_ten_times_that(codec: str, tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    pictures: list[tuple[int, Media]] = [(0, noise(320, 240, T0 + n * 40_000, n)) for n in range(10)]
    feed_and_close(opened(SINKS["mkv"], str(path), ["video"], video_codec=codec), pictures)
    usual = expected("mkv", video_codec=codec) * 320 * 240 * 10 / 8
    assert usual < path.stat().st_size < 10 * usual
