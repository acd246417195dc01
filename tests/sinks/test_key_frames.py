"""How often there is a key frame, as ffprobe finds them: after so many seconds or pictures, or once a second."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mscli.core.frames import Media
from mscli.encode.options import SinkOptions
from mscli.encode.tuning import MOST_GOP, gop_size
from mscli.sinks import SINKS
from tests.sinks.serial import numbered
from tests.sinks.synth import feed_and_close, frame_times, opened, probe
from tests.sinks.test_survival import SECONDS, killed

CODECS = ["h264", "hevc", "av1", "vp9", "vp8"]


def key_frames(path: Path, every: int = 1, **options: Any) -> list[int]:
    """Which pictures of four seconds of the fake camera, or of every so many of these, are key frames."""
    frames: Sequence[tuple[int, Media]] = [(0, frame) for frame in numbered(120)[::every]]
    feed_and_close(opened(SINKS["mkv"], str(path), ["video"], **options), frames)
    packets = probe(path, "-select_streams", "v", "-show_entries", "packet=flags")["packets"]
    return [index for index, packet in enumerate(packets) if "K" in packet["flags"]]


@pytest.mark.parametrize("codec", CODECS)
def test_key_frames_come_after_so_many_pictures(codec: str, tmp_path: Path) -> None:
    assert key_frames(tmp_path / "a.mkv", video_codec=codec, key_frame_count=50) == [0, 50, 100]


@pytest.mark.parametrize("codec", CODECS)
def test_key_frames_come_after_so_many_seconds(codec: str, tmp_path: Path) -> None:
    assert key_frames(tmp_path / "a.mkv", video_codec=codec, key_frame_s=1.5) == [0, 45, 90]


def test_seconds_are_those_of_the_pictures_however_many_come(tmp_path: Path) -> None:
    assert key_frames(tmp_path / "a.mkv", every=3, key_frame_s=1.5) == [0, 15, 30]
    assert key_frames(tmp_path / "b.mkv", every=3, key_frame_s=0) == list(range(40))


@pytest.mark.parametrize("codec", CODECS)
def test_a_slower_camera_has_a_key_frame_each_second_if_nobody_asks(codec: str, tmp_path: Path) -> None:
    """The settings say 25 frames a second, of which 10 come."""
    assert {0, 10, 20, 30} <= set(key_frames(tmp_path / "a.mkv", every=3, video_codec=codec))


def test_a_key_frame_comes_at_least_once_a_second_if_nobody_asks(tmp_path: Path) -> None:
    assert {0, 30, 60, 90} <= set(key_frames(tmp_path / "a.mkv", video_codec="vp8"))  # of 30 a second


@pytest.mark.parametrize(
    ("options", "pictures"),
    [
        (SinkOptions(), 60),
        (SinkOptions(key_frame_count=0), 1),
        (SinkOptions(key_frame_count=2**32 - 1), MOST_GOP),
        (SinkOptions(key_frame_s=1e300), MOST_GOP),
    ],
)
def test_no_encoder_is_asked_for_more_than_it_takes(options: SinkOptions, pictures: int) -> None:
    assert gop_size(30, options) == pictures


@pytest.mark.parametrize("codec", CODECS)
def test_every_encoder_takes_the_longest_interval(codec: str, tmp_path: Path) -> None:
    assert key_frames(tmp_path / "a.mkv", video_codec=codec, key_frame_count=2**32 - 1) == [0]


@pytest.mark.parametrize("suffix", ["mp4", "webm", "mkv", "mov"])
def test_a_killed_recording_with_few_key_frames_can_be_read_to_its_last_second(suffix: str, tmp_path: Path) -> None:
    path = killed(tmp_path / f"a.{suffix}", key_frame_s=60)
    assert len(frame_times(path)) > (SECONDS - 1) * 25
