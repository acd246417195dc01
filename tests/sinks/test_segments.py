"""A recording in several files, every one read by ffmpeg: no picture and no sample is lost or doubled between them."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from mscli.core.clock import wall_clock
from mscli.core.errors import NotSupportedError, OperationError
from mscli.core.frames import AudioData, VideoFrame
from mscli.encode.options import Series, SinkOptions, TrackFormat
from mscli.sinks import SINKS, load_sink
from mscli.sinks.files.output import NamedFile
from tests.sinks.serial import (
    BLOCK,
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
from tests.sinks.synth import T0, feed, feed_and_close, frame_times, noise, run

TIMEOUT_S = 20.0
CODECS = [("mp4", "h264"), ("mp4", "hevc"), ("mkv", "h264"), ("webm", "vp9"), ("webm", "vp8"), ("mp4", "av1")]


@pytest.mark.parametrize(("suffix", "codec"), CODECS)
def test_every_picture_is_in_one_segment_and_every_segment_can_be_played(suffix: str, codec: str, tmp_path: Path) -> None:
    sink = series(tmp_path / f"a.{suffix}", ["video"], duration_s=0.7, options={"video_codec": codec})
    feed_and_close(sink, in_time(numbered(75)))
    paths = sorted(tmp_path.iterdir())
    assert [path.name for path in paths] == [f"a-00{n}.{suffix}" for n in range(1, 5)]
    assert [numbers(path) for path in paths] == [list(range(first, min(first + 21, 75))) for first in (0, 21, 42, 63)]
    assert all(begins_with_key_frame(path) for path in paths)
    assert all(frame_times(path)[0] == 0 for path in paths)


@pytest.mark.parametrize(("suffix", "codec"), [("mkv", "pcm"), ("mkv", "flac"), ("mp4", "flac")])
def test_the_sound_of_all_segments_is_the_sound_that_was_recorded(suffix: str, codec: str, tmp_path: Path) -> None:
    blocks = sound(2.5)
    sink = series(tmp_path / f"a.{suffix}", duration_s=0.7, options={"audio_codec": codec})
    feed_and_close(sink, in_time(numbered(75), blocks))
    parts = [samples(path) for path in sorted(tmp_path.iterdir())]
    assert [value for part in parts for value in part] == values(blocks)
    assert all(abs(len(part) - 21 * FRAME_US * RATE / 1e6) <= 1 for part in parts[:3])


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_sound_alone_is_cut_to_the_sample(suffix: str, tmp_path: Path) -> None:
    blocks = sound(2.0)
    sink = series(tmp_path / f"a.{suffix}", ["audio"], duration_s=0.3333)
    feed_and_close(sink, in_time(audio=blocks))
    parts = [samples(path) for path in sorted(tmp_path.iterdir())]
    assert [value for part in parts for value in part] == values(blocks)
    assert [len(part) for part in parts[:6]] == [round((n + 1) * 15998.4) - round(n * 15998.4) for n in range(6)]


@pytest.mark.parametrize(("suffix", "codec"), [("mp4", "aac"), ("webm", "opus"), ("mkv", "opus")])
def test_lossy_sound_has_the_length_of_its_pictures_in_every_segment(suffix: str, codec: str, tmp_path: Path) -> None:
    sink = series(tmp_path / f"a.{suffix}", duration_s=1, options={"audio_codec": codec})
    feed_and_close(sink, in_time(numbered(90), sound(3)))
    for path in sorted(tmp_path.iterdir()):
        length = len(samples(path)) / RATE
        assert 0.9999 <= length < 1.03  # the last packet of sound is not cut where the file does not say its length


def test_a_lost_stretch_of_sound_stays_in_place_in_whichever_segment_it_is(tmp_path: Path) -> None:
    blocks = sound(2.4)
    sink = series(tmp_path / "a.mkv", duration_s=0.5, options={"audio_codec": "pcm"})
    feed_and_close(sink, in_time(numbered(72), blocks[:40] + blocks[170:]))
    found = [value for path in sorted(tmp_path.iterdir()) for value in samples(path)]
    assert found == values(blocks[:40]) + [0] * 130 * BLOCK + values(blocks[170:])


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_copied_jpegs_are_cut_at_any_picture(suffix: str, tmp_path: Path) -> None:
    frames = numbered(60, "MJPEG")
    sink = series(tmp_path / f"a.{suffix}", ["video"], duration_s=0.5, options={"video_codec": "copy"})
    feed_and_close(sink, in_time(frames))
    paths = sorted(tmp_path.iterdir())
    assert [len(frame_times(path)) for path in paths] == [15, 15, 15, 15]
    parts = [run("ffmpeg", "-v", "error", "-i", path, "-c", "copy", "-f", "mjpeg", "-") for path in paths]
    assert b"".join(parts) == b"".join(bytes(frame.data) for frame in frames)


def test_copied_h264_is_cut_at_the_cameras_key_frames(tmp_path: Path) -> None:
    frames = numbered(90, "H264")  # a key frame each second
    sink = series(tmp_path / "a.mp4", ["video"], duration_s=0.7, options={"video_codec": "copy"})
    feed_and_close(sink, in_time(frames))
    assert [numbers(path) for path in sorted(tmp_path.iterdir())] == [list(range(n, n + 30)) for n in (0, 30, 60)]


def test_two_cameras_are_cut_at_the_same_instant(tmp_path: Path) -> None:
    frames = numbered(60)
    second = [replace(frame, timestamp=frame.timestamp + 11_000) for frame in frames]
    sink = series(tmp_path / "a.mkv", ["video", "video"], duration_s=0.5)
    entries = [(0, frame) for frame in frames] + [(1, frame) for frame in second]
    feed_and_close(sink, sorted(entries, key=lambda entry: entry[1].timestamp))
    for path in sorted(tmp_path.iterdir()):
        assert len(frame_times(path, "v:0")) == len(frame_times(path, "v:1")) == 15
        assert frame_times(path, "v:1")[0] == pytest.approx(0.011, abs=0.001)
        run("ffmpeg", "-v", "error", "-i", path, "-map", "0:v:1", "-f", "null", "-")


def test_a_cut_at_a_damaged_picture_comes_with_the_next_whole_one(tmp_path: Path) -> None:
    frames = numbered(40, "MJPEG")
    frames[15] = replace(frames[15], data=frames[15].data[:400])
    sink = series(tmp_path / "a.mkv", ["video"], duration_s=0.5)
    feed_and_close(sink, in_time(frames))
    first, second = (numbers(path) for path in sorted(tmp_path.iterdir())[:2])
    assert (first, second[0]) == (list(range(15)), 16)
    assert all(begins_with_key_frame(path) for path in tmp_path.iterdir())


def test_files_end_at_full_marks_of_the_clock(tmp_path: Path) -> None:
    sink = series(tmp_path / "a-%02d.wav", ["audio"], clock_s=1)
    first = 1 - wall_clock(T0).microsecond / 1e6
    feed_and_close(sink, in_time(audio=sound(3)))
    lengths = [len(samples(path)) / RATE for path in sorted(tmp_path.iterdir())]
    assert lengths[0] == pytest.approx(first, abs=0.002)
    assert lengths[1:3] == pytest.approx([1, 1], abs=0.002)


def test_a_picture_just_before_a_full_mark_begins_the_file_of_that_mark(tmp_path: Path) -> None:
    mark_us = T0 + 1_000_000 - wall_clock(T0).microsecond
    begin_us = mark_us - 5_000 - 20 * FRAME_US
    frames = [replace(noise(160, 120, begin_us + n * FRAME_US, n), duration=FRAME_US) for n in range(40)]
    feed_and_close(series(tmp_path / "%H%M%S.mkv", ["video"], clock_s=1), in_time(frames))
    expected = [wall_clock(at_us).strftime("%H%M%S.mkv") for at_us in (mark_us - 500_000, mark_us + 500_000)]
    assert sorted(path.name for path in tmp_path.iterdir()) == expected
    assert [len(frame_times(tmp_path / name)) for name in expected] == [20, 20]


def test_after_a_pause_files_end_at_full_marks_again(tmp_path: Path) -> None:
    first = 1 - wall_clock(T0).microsecond / 1e6
    sink = series(tmp_path / "a-%02d.wav", ["audio"], clock_s=1)
    before_us, paused_us = T0 + round((first + 0.3) * 1e6), 500_000
    for track, frame in in_time(audio=sound(3)):
        sink.paused_us = paused_us if frame.timestamp > before_us else 0
        sink.write(track, frame)
    sink.close()
    lengths = [len(samples(path)) / RATE for path in sorted(tmp_path.iterdir())]
    assert lengths[:3] == pytest.approx([first, 0.5, 1], abs=0.002)


# Outputs with threads of their own


def test_files_are_told_in_order_whichever_is_written_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit, later = NamedFile.commit, Event()

    def slow_first(output: NamedFile) -> None:
        if output.name.endswith("a-001.mp4"):
            assert later.wait(TIMEOUT_S)
        commit(output)
        if output.name.endswith("a-003.mp4"):
            later.set()

    monkeypatch.setattr(NamedFile, "commit", slow_first)
    sink = series(tmp_path / "a-%03d.mp4", ["video"], duration_s=0.3, options={"faststart": True})
    done: list[str] = []
    sink.on_file = done.append
    feed_and_close(sink, in_time(numbered(45)))
    assert [Path(name).name for name in done] == [f"a-00{n}.mp4" for n in range(1, 6)]


# Sizes


def noisy(count: int) -> list[VideoFrame]:
    return [replace(noise(160, 120, T0 + n * FRAME_US, n), duration=FRAME_US) for n in range(count)]


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "webm"])
@pytest.mark.parametrize("most", [300_000, 700_000])
def test_no_segment_is_larger_than_it_may_be(suffix: str, most: int, tmp_path: Path) -> None:
    frames = noisy(150)
    sink = series(tmp_path / f"a.{suffix}", size_bytes=most, options={"video_bits_per_second": 4_000_000})
    feed_and_close(sink, in_time(frames, sound(5, noisy=True)))
    sizes = [path.stat().st_size for path in sorted(tmp_path.iterdir())]
    assert len(sizes) > 2
    assert max(sizes) <= most
    assert all(size > most * 0.6 for size in sizes[:-1])
    assert sum(len(frame_times(path)) for path in tmp_path.iterdir()) == 150


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg"])
def test_no_segment_of_sound_is_larger_than_it_may_be(suffix: str, tmp_path: Path) -> None:
    blocks = sound(6, noisy=True)
    most = 200_000 if suffix != "ogg" else 30_000
    sink = series(tmp_path / f"a.{suffix}", ["audio"], size_bytes=most)
    feed_and_close(sink, in_time(audio=blocks))
    paths = sorted(tmp_path.iterdir())
    assert len(paths) > 1
    assert max(path.stat().st_size for path in paths) <= most
    assert all(path.stat().st_size > most * 0.6 for path in paths[:-1])
    if suffix != "ogg":
        assert [value for path in paths for value in samples(path)] == values(blocks)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "webm", "wav", "flac", "ogg"])
@pytest.mark.parametrize("most", [60_000, 250_000])
def test_a_recording_ends_before_it_is_larger_than_it_may_be(suffix: str, most: int, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    video = SINKS[suffix].video
    sink = load_sink(SINKS[suffix], str(path), SinkOptions(max_bytes=most, video_bits_per_second=1_000_000))
    sink.open([TrackFormat(kind, {"frameRate": 30.0}) for kind in (["video", "audio"] if video else ["audio"])])
    written = 0
    for track, frame in in_time(noisy(600) if video else (), sound(40, noisy=True)):
        sink.write(track, frame)
        written += frame.number_of_frames if isinstance(frame, AudioData) else 1
        if sink.ended:
            break
    assert sink.ended == "size"
    sink.close()
    assert most * 0.5 < path.stat().st_size <= most
    run("ffmpeg", "-v", "error", "-i", path, "-f", "null", "-")
    if not video and suffix != "ogg":
        assert len(samples(path)) == written - sink.corrections(0)["unwritten"]


def test_the_size_of_a_recording_counts_all_its_segments(tmp_path: Path) -> None:
    sink = series(tmp_path / "a.mkv", ["video"], duration_s=0.5, options={"max_bytes": 500_000})
    frames = iter(noisy(600))
    while not sink.ended:
        sink.write(0, next(frames))
    sink.close()
    total = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert 250_000 < total <= 500_000
    assert sink.bytes_written == total


def test_a_limit_below_one_picture_is_told(tmp_path: Path) -> None:
    sink = load_sink(SINKS["mkv"], str(tmp_path / "a.mkv"), SinkOptions(max_bytes=2000))
    sink.open([TrackFormat("video", {"frameRate": 30.0})])
    with pytest.raises(NotSupportedError, match="a recording needs more than the limit of 2000 bytes"):
        feed_and_close(sink, in_time(noisy(30)))
    sink.abort()
    assert list(tmp_path.iterdir()) == []


# Names, and files that go


def test_the_oldest_files_go_and_those_of_others_stay(tmp_path: Path) -> None:
    other = tmp_path / "a-000.wav"
    other.write_bytes(b"theirs")
    sink = series(tmp_path / "a.wav", ["audio"], duration_s=0.25, keep_files=2)
    feed(sink, in_time(audio=sound(2)))
    (tmp_path / "a-006.wav").unlink()
    (tmp_path / "a-006.wav").write_bytes(b"put in its place")
    feed_and_close(sink, [(0, block) for block in sound(3)[200:]])
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == ["a-000.wav", "a-006.wav", "a-011.wav", "a-012.wav"]
    assert [os.path.basename(name) for name in sink.files] == ["a-011.wav", "a-012.wav"]
    assert len(sink.finished) == 12
    assert other.read_bytes() == b"theirs"


def test_files_go_by_their_size(tmp_path: Path) -> None:
    sink = series(tmp_path / "a.wav", ["audio"], duration_s=0.25, keep_bytes=60_000)
    feed_and_close(sink, in_time(audio=sound(2)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-007.wav", "a-008.wav"]


def test_numbers_that_are_taken_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a-02.wav").write_bytes(b"theirs")
    sink = series(tmp_path / "a-%02d.wav", ["audio"], duration_s=0.5)
    feed_and_close(sink, in_time(audio=sound(1.5)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-01.wav", "a-02.wav", "a-03.wav", "a-04.wav"]
    assert (tmp_path / "a-02.wav").read_bytes() == b"theirs"


def test_with_force_numbers_begin_at_one(tmp_path: Path) -> None:
    (tmp_path / "a-02.wav").write_bytes(b"theirs")
    sink = series(tmp_path / "a-%02d.wav", ["audio"], duration_s=0.5, options={"overwrite": True})
    feed_and_close(sink, in_time(audio=sound(1.5)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-01.wav", "a-02.wav", "a-03.wav"]
    assert len(samples(tmp_path / "a-02.wav")) == 24_000


def test_a_time_in_the_name_may_make_folders(tmp_path: Path) -> None:
    sink = series(tmp_path / "%Y" / "a.wav", ["audio"], duration_s=0.5)
    feed_and_close(sink, in_time(audio=sound(1)))
    (folder,) = tmp_path.iterdir()
    assert len(folder.name) == 4
    assert sorted(path.name for path in folder.iterdir()) == ["a.wav", "a_02.wav"]


def test_a_folder_that_is_missing_is_told_before_anything_is_recorded(tmp_path: Path) -> None:
    with pytest.raises(OperationError, match="folder does not exist"):
        series(tmp_path / "no" / "a.wav", ["audio"], duration_s=1)


def test_a_folder_with_a_literal_percent_sign_in_its_name_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(OperationError, match="folder does not exist"):
        series(tmp_path / "50%%" / "a.wav", ["audio"], duration_s=1)
    (tmp_path / "50%").mkdir()
    feed_and_close(series(tmp_path / "50%%" / "a.wav", ["audio"], duration_s=1), in_time(audio=sound(0.5)))
    assert [path.name for path in (tmp_path / "50%").iterdir()] == ["a-001.wav"]


def test_only_files_can_be_a_series() -> None:
    plan = SinkOptions(series=Series(duration_s=1))
    with pytest.raises(NotSupportedError, match="cannot write several files to an open output"):
        load_sink(SINKS["mkv"], io.BytesIO(), plan)
    with pytest.raises(NotSupportedError, match="it is not a regular file"):
        load_sink(SINKS["mkv"], "/dev/fd/%01d", plan._replace(overwrite=True))
    with pytest.raises(NotSupportedError, match=r"cannot split \.raw output"):
        load_sink(SINKS["raw"], "a.raw", plan)
    with pytest.raises(NotSupportedError, match=r"cannot wait for triggers with \.raw output"):
        load_sink(SINKS["raw"], "a.raw", SinkOptions(series=Series(triggered=True)))
    with pytest.raises(NotSupportedError, match=r"cannot limit the size of \.raw output"):
        load_sink(SINKS["raw"], "a.raw", SinkOptions(max_bytes=1000))


# Failures


def record(pattern: str) -> None:
    """Write three and a half seconds in segments of one second, tell it, and wait to be killed."""
    sink = series(Path(pattern), duration_s=1)
    feed(sink, in_time(numbered(105), sound(3.5)))
    print("written", flush=True)
    sys.stdin.read()


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "webm"])
def test_when_the_process_is_killed_the_finished_segments_are_whole(suffix: str, tmp_path: Path) -> None:
    script = f"from tests.sinks.test_segments import record; record({str(tmp_path / f'a.{suffix}')!r})"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        process.kill()
    paths = sorted(tmp_path.iterdir())
    assert [numbers(path) for path in paths[:3]] == [list(range(n, n + 30)) for n in (0, 30, 60)]
    assert all(len(samples(path)) / RATE >= 0.9999 for path in paths[:3])
    for path in paths[:3]:
        run("ffmpeg", "-v", "error", "-i", path, "-f", "null", "-")


def test_what_is_open_when_the_recording_is_given_up_can_be_read(tmp_path: Path) -> None:
    sink = series(tmp_path / "a.mkv", duration_s=1)
    feed(sink, in_time(numbered(75), sound(2.5)))
    sink.abort()
    assert [n for path in sorted(tmp_path.iterdir()) for n in numbers(path)] == list(range(75))


def test_a_series_without_a_frame_leaves_nothing(tmp_path: Path) -> None:
    sink = series(tmp_path / "a.mkv", duration_s=1)
    sink.close()
    assert list(tmp_path.iterdir()) == []
    assert sink.files == []
