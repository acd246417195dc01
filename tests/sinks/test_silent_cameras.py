"""A series goes on when one of its cameras ends, stalls or never begins: files are cut in time, and finished."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest
from av.video.frame import PictureType

from mscli.core.frames import AudioData, EncodedVideoChunk, Media, VideoFrame
from mscli.encode.options import SinkOptions, TrackFormat
from mscli.media.pictures import as_picture
from mscli.sinks import SINKS, load_sink
from mscli.sinks.base import Sink
from tests.pattern import pictures, read_code
from tests.sinks.serial import (
    CAMERA,
    FRAME_US,
    RATE,
    begins_with_key_frame,
    in_time,
    numbered,
    numbers,
    samples,
    series,
    sound,
    values,
)
from tests.sinks.synth import feed, feed_and_close, frame_times, mean_rgb, opened, probe, run

SECONDS = 5
CODECS = [("mkv", "h264"), ("mp4", "hevc"), ("webm", "vp9"), ("mp4", "av1")]

Entries = list[tuple[int, Media]]


def of_track(track: int, frames: Sequence[Any]) -> Entries:
    return [(track, frame) for frame in frames]


def together(*tracks: Entries) -> Entries:
    """All frames in the order in which they come."""
    return sorted((entry for track in tracks for entry in track), key=lambda entry: entry[1].timestamp)


def shown(folder: Path, stream: str) -> list[int]:
    """How many pictures of that stream are in each file, every one of which has to be fit to be decoded."""
    counts = {path: len(frame_times(path, stream)) for path in sorted(folder.iterdir())}
    for path in [path for path, count in counts.items() if count]:
        run("ffmpeg", "-v", "error", "-i", path, "-map", f"0:{stream}", "-f", "null", "-")
    return list(counts.values())


def fed(sink: Sink, entries: Entries) -> int:
    """Write the frames; how many files are finished by then. And finish."""
    feed(sink, entries)
    finished = len(sink.finished)
    sink.close()
    return finished


@pytest.mark.parametrize(("suffix", "codec"), CODECS)
def test_a_camera_that_ends_keeps_no_later_file_open(suffix: str, codec: str, tmp_path: Path) -> None:
    frames = numbered(SECONDS * 30)
    sink = series(tmp_path / f"a.{suffix}", ["video", "video"], duration_s=1, options={"video_codec": codec})
    assert fed(sink, together(of_track(0, frames), of_track(1, frames[:20]))) >= SECONDS - 3
    assert shown(tmp_path, "v:0") == [30] * SECONDS
    ended = shown(tmp_path, "v:1")
    assert ended[0] >= 20
    assert sum(ended) == 20 + sink.corrections(1)["duplicated"]


@pytest.mark.parametrize(("suffix", "codec"), CODECS)
def test_when_the_first_camera_ends_another_one_cuts(suffix: str, codec: str, tmp_path: Path) -> None:
    frames = numbered(SECONDS * 30)
    sink = series(tmp_path / f"a.{suffix}", ["video", "video"], duration_s=1, options={"video_codec": codec})
    assert fed(sink, together(of_track(0, frames[:20]), of_track(1, frames))) >= SECONDS - 3
    cut = shown(tmp_path, "v:1")
    assert sum(cut) == SECONDS * 30
    assert len(cut) >= SECONDS - 1
    assert max(cut) <= 62  # a second, and another until the first camera is given up


@pytest.mark.parametrize("known", [20, 0])
def test_without_a_camera_sound_is_cut(known: int, tmp_path: Path) -> None:
    blocks = sound(SECONDS)
    sink = series(tmp_path / "a.mkv", duration_s=1, options={"audio_codec": "pcm"})
    frames = [(1 if isinstance(frame, AudioData) else 0, frame) for _, frame in in_time(numbered(known), blocks)]
    assert fed(sink, frames) >= SECONDS - 3
    parts = [samples(path) for path in sorted(tmp_path.iterdir())]
    assert [value for part in parts for value in part] == values(blocks)
    assert len(parts) >= SECONDS - 1
    assert max(map(len, parts)) <= 2.1 * RATE


@pytest.mark.parametrize(("suffix", "codec"), CODECS)
def test_a_camera_that_is_late_is_black_until_its_first_picture(suffix: str, codec: str, tmp_path: Path) -> None:
    late = numbered(SECONDS * 30)[75:]
    sink = series(tmp_path / f"a.{suffix}", duration_s=1, options={"video_codec": codec})
    fed(sink, in_time(late, sound(SECONDS)))
    counts = shown(tmp_path, "v:0")
    paths = sorted(tmp_path.iterdir())
    assert 0 not in counts
    assert sum(counts) == len(late) + sink.corrections(0)["duplicated"]
    assert max(mean_rgb(paths[0])) < 1
    assert frame_times(paths[2])[:2] == pytest.approx([0, 0.5], abs=0.02)
    codes = [read_code(one.luma) for one in pictures(paths[2])]
    assert [code and code.number for code in codes[:2]] == [None, 75]


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "webm"])
@pytest.mark.parametrize("seconds", [0.5, 3])
def test_a_recording_that_ends_before_its_first_picture_is_black(suffix: str, seconds: float, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    sink = opened(SINKS[suffix], str(path), ["video", "audio"])
    feed_and_close(sink, [(1, block) for block in sound(seconds)])
    assert max(mean_rgb(path)) < 1
    assert len(frame_times(path)) == sink.corrections(0)["duplicated"]


@pytest.mark.parametrize(("suffix", "codec"), CODECS)
@pytest.mark.parametrize("known", [20, 0])
def test_no_file_is_without_a_picture_though_none_comes_any_more(known: int, suffix: str, codec: str, tmp_path: Path) -> None:
    sink = series(tmp_path / f"a.{suffix}", duration_s=1, options={"video_codec": codec})
    feed_and_close(sink, [(int(isinstance(frame, AudioData)), frame) for _, frame in in_time(numbered(known), sound(3.5))])
    files = sorted(tmp_path.iterdir())
    assert len(files) == 4
    assert all(begins_with_key_frame(path) for path in files)


def test_the_first_picture_of_a_late_camera_keeps_its_time_its_size_and_its_pixels(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    sink = load_sink(SINKS["mkv"], str(path), SinkOptions(video_codec="ffv1"))
    sink.open([TrackFormat("video", CAMERA, "YUYV"), TrackFormat("audio")])
    late = numbered(90, "YUYV")[60:]
    feed_and_close(sink, in_time(late, sound(3)))
    (video, _) = probe(path)["streams"]
    assert (video["width"], video["height"], video["pix_fmt"]) == (320, 240, "yuv422p")
    assert frame_times(path)[:3] == pytest.approx([0, 2, 2.033], abs=0.002)
    assert [code and code.number for code in (read_code(one.luma) for one in pictures(path))] == [None, *range(60, 90)]


def test_cuts_may_be_nearer_to_each_other_than_a_camera_is_waited_for(tmp_path: Path) -> None:
    frames = numbered(SECONDS * 30)
    sink = series(tmp_path / "a.mkv", ["video", "video"], duration_s=0.3)
    assert fed(sink, together(of_track(0, frames), of_track(1, frames[:20]))) > 8
    assert shown(tmp_path, "v:0") == [9] * 16 + [6]


def test_a_camera_that_comes_back_goes_on_in_the_file_of_its_time(tmp_path: Path) -> None:
    frames = numbered(SECONDS * 30)
    sink = series(tmp_path / "a.mkv", ["video", "video"], duration_s=1)
    fed(sink, together(of_track(0, frames[:20] + frames[110:]), of_track(1, frames)))
    assert shown(tmp_path, "v:0")[-1] == 30
    assert shown(tmp_path, "v:1")[-1] == 30
    assert begins_with_key_frame(max(tmp_path.iterdir()))


def test_a_copied_camera_that_stalls_keeps_no_file_open_and_begins_again_with_a_key_frame(tmp_path: Path) -> None:
    blocks, frames = sound(SECONDS), numbered(SECONDS * 30, "H264")  # a key frame each second
    sink = series(tmp_path / "a.mkv", duration_s=1, options={"video_codec": "copy", "audio_codec": "pcm"})
    assert fed(sink, in_time(frames[:20] + frames[105:], blocks)) >= SECONDS - 3
    counts = shown(tmp_path, "v:0")
    assert counts == [20, 1, 1, 1, 30]
    assert [numbers(path) for path in sorted(tmp_path.iterdir())][1:4] == [[0]] * 3  # of H.264 the last key frame
    assert sink.corrections(0) == {"duplicated": 3, "orphaned": 15, "torn": 15}  # from the 105th to the next key frame
    assert [value for path in sorted(tmp_path.iterdir()) for value in samples(path)] == values(blocks)


copied = pytest.mark.parametrize(("suffix", "form", "last"), [("mkv", "MJPEG", 19), ("mp4", "MJPEG", 19), ("mp4", "H264", 0)])


@copied
def test_a_muted_camera_that_is_copied_keeps_no_file_open(suffix: str, form: str, last: int, tmp_path: Path) -> None:
    frames, black = numbered(SECONDS * 30, form), numbered(SECONDS * 30)
    sink = series(tmp_path / f"a.{suffix}", duration_s=1, options={"video_codec": "copy"})
    assert fed(sink, in_time(frames[:20] + black[20:120] + frames[120:], sound(SECONDS))) >= SECONDS - 3
    assert shown(tmp_path, "v:0") == [20, 1, 1, 1, 30]
    paths = sorted(tmp_path.iterdir())
    assert [numbers(path)[0] for path in paths] == [0, last, last, last, 120]
    assert [frame_times(path)[0] for path in paths] == pytest.approx([0] * SECONDS, abs=0.02)


@pytest.mark.parametrize(
    ("suffix", "form", "counts", "torn"), [("mkv", "MJPEG", [20, 5, 30], {}), ("mp4", "H264", [25, 30], {"torn": 5})]
)
def test_no_file_begins_while_a_copied_camera_alone_is_muted(
    suffix: str, form: str, counts: list[int], torn: dict[str, int], tmp_path: Path
) -> None:
    frames, black = numbered(SECONDS * 30, form), numbered(SECONDS * 30)
    sink = series(tmp_path / f"a.{suffix}", ["video"], duration_s=1, options={"video_codec": "copy"})
    fed(sink, in_time(frames[:20] + black[20:115] + frames[115:]))
    assert shown(tmp_path, "v:0") == counts
    assert sink.corrections(0) == {"hidden": 95, **torn}


def seldom_keyed(frames: Sequence[VideoFrame], keys: Sequence[int]) -> list[EncodedVideoChunk]:
    """Encode raw frames as H.264, with key frames at those numbers only."""
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = int(CAMERA["width"]), int(CAMERA["height"]), "yuv420p"
    encoder.framerate, encoder.time_base = Fraction(30), Fraction(1, 30)
    encoder.options = {"tune": "zerolatency", "g": "9999", "x264-params": "scenecut=0"}
    chunks = []
    for frame in frames:
        picture = as_picture(frame)
        picture.pict_type = PictureType.I if frame.sequence in keys else PictureType.NONE
        picture.pts = frame.sequence
        (packet,) = encoder.encode(picture)
        kind, size = "key" if packet.is_keyframe else "delta", (frame.coded_width, frame.coded_height)
        data = memoryview(bytes(packet))
        chunks.append(EncodedVideoChunk(kind, frame.timestamp, data, "h264", *size, frame.duration, frame.sequence))
    return chunks


@pytest.mark.parametrize(("away", "begun", "orphaned"), [(20, 61, 59), (75, 20, 45)])
def test_what_goes_on_from_a_file_before_follows_no_repeated_picture(
    away: int, begun: int, orphaned: int, tmp_path: Path
) -> None:
    frames = seldom_keyed(numbered(SECONDS * 30), keys=(0, 120))
    sink = series(tmp_path / "a.mkv", ["video", "video"], duration_s=1, options={"video_codec": "copy"})
    fed(sink, together(of_track(0, numbered(SECONDS * 30, "MJPEG")), of_track(1, frames[:20] + frames[away:])))
    assert shown(tmp_path, "v:0") == [30] * SECONDS
    assert shown(tmp_path, "v:1") == [begun, 1, 1, 1, 30]
    lost = {} if away == 20 else {"torn": orphaned}
    assert sink.corrections(1) == {"duplicated": 3, "orphaned": orphaned, **lost}


def test_a_slow_camera_is_no_camera_that_ended(tmp_path: Path) -> None:
    slow = [replace(frame, duration=FRAME_US * 24) for frame in numbered(SECONDS * 30)[::24]]
    sink = series(tmp_path / "a.mkv", duration_s=1)
    fed(sink, in_time(slow, sound(SECONDS)))
    assert sum(len(frame_times(path)) for path in tmp_path.iterdir()) == len(slow)


def late(entries: Entries, pictures: range, by_us: int) -> Entries:
    """The same in the order in which they come if these pictures come so late, as a muted camera's black ones do."""

    def comes_us(entry: tuple[int, Media]) -> int:
        frame = entry[1]
        return frame.timestamp + by_us * (isinstance(frame, VideoFrame) and frame.sequence in pictures)

    return sorted(entries, key=comes_us)


def cuts(first_pictures: Sequence[int]) -> list[int]:
    """The samples at which files begin that begin with these pictures."""
    return [round(number * FRAME_US * RATE / 1e6) for number in first_pictures]


@pytest.mark.parametrize(("duration_s", "first_pictures"), [(1, [0, 38, 60, 90, 120]), (0.5, [0, 38, *range(45, 150, 15)])])
def test_sound_is_cut_with_pictures_that_come_late(duration_s: float, first_pictures: list[int], tmp_path: Path) -> None:
    frames, blocks = numbered(SECONDS * 30), sound(SECONDS)
    entries = in_time(frames[:15] + frames[38:], blocks)  # nothing for three quarters of a second
    sink = series(tmp_path / "a.mkv", duration_s=duration_s, options={"audio_codec": "pcm"})
    fed(sink, late(entries, range(38, 75), 250_000))
    parts = [samples(path) for path in sorted(tmp_path.iterdir())]
    everything = values(blocks)
    assert parts == [everything[begin:end] for begin, end in pairwise([*cuts(first_pictures), SECONDS * RATE])]
    assert [frame_times(path)[0] for path in tmp_path.iterdir()] == [0] * len(parts)


def test_sound_is_cut_with_late_pictures_where_the_size_cuts(tmp_path: Path) -> None:
    frames, blocks = numbered(SECONDS * 30), sound(SECONDS, noisy=True)
    sink = series(tmp_path / "a.mkv", size_bytes=150_000, options={"audio_codec": "pcm"})
    fed(sink, late(in_time(frames, blocks), range(SECONDS * 30), 250_000))
    paths = sorted(tmp_path.iterdir())
    counts = [len(frame_times(path)) for path in paths]
    begins = cuts([sum(counts[:n]) for n in range(len(counts))])
    assert [len(samples(path)) for path in paths[:-1]] == [end - begin for begin, end in pairwise(begins)]
    assert len(paths) > 3
    assert max(path.stat().st_size for path in paths) <= 150_000


def test_sound_is_cut_with_the_camera_that_takes_over(tmp_path: Path) -> None:
    frames, blocks = numbered(SECONDS * 30), sound(SECONDS)
    entries = [*of_track(0, frames[:20]), *of_track(1, frames), *((2, block) for block in blocks)]
    sink = series(tmp_path / "a.mkv", ["video", "video", "audio"], duration_s=1, options={"audio_codec": "pcm"})
    fed(sink, together(entries))
    counts = [len(frame_times(path, "v:1")) for path in sorted(tmp_path.iterdir())]
    begins = cuts([sum(counts[:n]) for n in range(len(counts))])
    parts = [len(samples(path)) for path in sorted(tmp_path.iterdir())]
    assert parts == [end - begin for begin, end in pairwise([*begins, SECONDS * RATE])]


def test_without_a_camera_sound_is_cut_when_it_is_due(tmp_path: Path) -> None:
    sink = series(tmp_path / "a.mkv", duration_s=1, options={"audio_codec": "pcm"})
    fed(sink, in_time(numbered(20), sound(SECONDS)))
    assert [len(samples(path)) for path in sorted(tmp_path.iterdir())] == [RATE] * SECONDS


def test_a_camera_that_is_late_for_a_second_is_shown_once_more_and_loses_nothing(tmp_path: Path) -> None:
    sink = series(tmp_path / "a.mp4", duration_s=1)
    entries = in_time(numbered(90), sound(3))
    late_us = entries[0][1].timestamp + 32 * FRAME_US
    first = [(track, frame) for track, frame in entries if frame.timestamp < late_us + (1_100_000 if track else 0)]
    feed_and_close(sink, first + [entry for entry in entries if entry not in first])
    found = [number for path in sorted(tmp_path.iterdir()) for number in numbers(path)]
    assert found == sorted([*range(90), 31])
    assert sink.corrections(0) == {"duplicated": 1}
