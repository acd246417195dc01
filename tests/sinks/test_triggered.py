"""A recording that waits for triggers, read by ffmpeg: each file begins with what was captured before its trigger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import pytest

from mscli.core.frames import AudioData, Media
from mscli.sinks.base import Sink
from mscli.sinks.recording.triggered import MOST_FILES
from tests.pattern import beeps
from tests.pattern import sound as heard_in
from tests.sinks.serial import (
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
from tests.sinks.synth import T0, probe, run

SECOND = 1_000_000


def waiting(pattern: Path, kinds: Sequence[str] = ("video", "audio"), **plan: Any) -> Sink:
    """A recording that waits."""
    return series(pattern, kinds, triggered=True, **plan)


def run_through(sink: Sink, frames: Sequence[tuple[int, Media]], *triggers_us: int) -> None:
    """Write the frames, and trigger at these instants from the beginning."""
    left = [T0 + at_us for at_us in triggers_us]
    for track, frame in frames:
        while left and frame.timestamp >= left[0]:
            sink.trigger(left.pop(0))
        sink.write(track, frame)
    sink.close()


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "webm"])
def test_a_file_begins_with_what_was_before_the_trigger_and_ends_so_long_after_it(suffix: str, tmp_path: Path) -> None:
    sink = waiting(tmp_path / f"a.{suffix}", pre_roll_s=1.0, duration_s=0.5)
    run_through(sink, in_time(numbered(150), sound(5)), 3_490_000)
    (path,) = tmp_path.iterdir()
    found = numbers(path)
    assert begins_with_key_frame(path)
    assert 45 <= found[0] <= 75  # a second before frame 105, and at most another back to a key frame
    assert found == list(range(found[0], 120))
    assert len(samples(path)) / RATE == pytest.approx(3.99 - found[0] / 30, abs=0.03)
    assert [Path(name) for name in sink.finished] == [path]


def test_the_sound_before_the_trigger_is_in_the_file_to_the_sample(tmp_path: Path) -> None:
    blocks = sound(5)
    sink = series(tmp_path / "a.mkv", triggered=True, pre_roll_s=1.0, duration_s=0.5, options={"audio_codec": "pcm"})
    run_through(sink, in_time(numbered(150), blocks), 3_500_000)
    first = round(numbers(tmp_path / "a-001.mkv")[0] * FRAME_US * RATE / 1e6)
    assert samples(tmp_path / "a-001.mkv") == values(blocks)[first : 4 * RATE]


def test_sound_alone_begins_with_the_block_before(tmp_path: Path) -> None:
    blocks = sound(5)
    sink = waiting(tmp_path / "a.wav", ["audio"], pre_roll_s=1.0, duration_s=0.5)
    run_through(sink, in_time(audio=blocks), 3_000_000)
    assert samples(tmp_path / "a-001.wav") == values(blocks)[2 * RATE : 3 * RATE + RATE // 2]


def test_what_comes_after_its_trigger_but_was_captured_before_is_not_in_the_file(tmp_path: Path) -> None:
    blocks = sound(5)
    sink = waiting(tmp_path / "a.wav", ["audio"], duration_s=0.5)
    for track, block in in_time(audio=blocks):
        if block.timestamp == T0 + 1_800_000:
            sink.trigger(T0 + 2_000_000)
        sink.write(track, block)
    sink.close()
    assert samples(tmp_path / "a-001.wav") == values(blocks)[2 * RATE : 2 * RATE + RATE // 2]


def test_every_trigger_begins_a_file_and_without_a_duration_ends_the_one_before(tmp_path: Path) -> None:
    sink = waiting(tmp_path / "a.mkv", ["video"], pre_roll_s=0.5)
    run_through(sink, in_time(numbered(150)), 1_500_000, 3_190_000)
    first, second = (numbers(path) for path in sorted(tmp_path.iterdir()))
    assert first == list(range(first[0], 96))
    assert first[0] <= 30
    assert second == list(range(second[0], 150))
    assert second[0] <= 81
    assert sink.corrections(0)["unwritten"] == first[0]


def test_the_time_that_is_in_no_file_is_told_of_every_track(tmp_path: Path) -> None:
    sink = waiting(tmp_path / "a.mkv", pre_roll_s=0.5, duration_s=0.5)
    run_through(sink, in_time(numbered(240), sound(8)), 1_500_000, 5_190_000)
    found = [numbers(path) for path in sorted(tmp_path.iterdir())]
    absent = [sink.corrections(track)["absentUs"] for track in (0, 1)]
    assert absent[0] == pytest.approx((240 - sum(map(len, found))) * FRAME_US, abs=10)
    heard = sum(len(samples(path)) for path in tmp_path.iterdir())
    assert absent[1] == pytest.approx(8 * SECOND - heard / RATE * SECOND, abs=60_000)  # whole blocks


def test_of_a_file_that_holds_all_no_time_is_absent(tmp_path: Path) -> None:
    sink = waiting(tmp_path / "a.mkv", pre_roll_s=5.0)
    sink.trigger(T0 - SECOND)
    run_through(sink, in_time(numbered(60), sound(2)))
    assert "absentUs" not in {**sink.corrections(0), **sink.corrections(1)}


@pytest.mark.parametrize(("triggers_us", "last"), [((), []), ((500_000,), [45]), ((500_000, 1_000_000), [30, 60])])
def test_when_no_trigger_can_come_any_more_it_ends_with_the_last_file(
    triggers_us: Sequence[int], last: list[int], tmp_path: Path
) -> None:
    sink = waiting(tmp_path / "a.mkv", ["video"], duration_s=1.0)
    frames = iter(in_time(numbered(150)))
    for at_us in triggers_us:
        sink.trigger(T0 + at_us)
    sink.end_triggers()
    while not sink.ended:
        sink.write(*next(frames))
    sink.close()
    assert sink.ended == "pipe"
    assert [numbers(path)[-1] for path in sorted(tmp_path.iterdir())] == last


def test_a_file_that_only_a_trigger_would_have_ended_goes_on_no_longer(tmp_path: Path) -> None:
    sink = waiting(tmp_path / "a.mkv", ["video"])
    frames = in_time(numbered(60))
    sink.trigger(T0)
    for track, frame in frames[:45]:
        sink.write(track, frame)
    sink.end_triggers()
    assert sink.ended == "pipe"
    sink.close()
    assert numbers(tmp_path / "a-001.mkv") == list(range(45))


def test_what_two_files_share_is_in_both(tmp_path: Path) -> None:
    blocks = sound(5)
    sink = series(tmp_path / "a.mkv", triggered=True, pre_roll_s=2.0, duration_s=1.0, options={"audio_codec": "flac"})
    run_through(sink, in_time(numbered(150), blocks), 3_000_000, 3_290_000)
    first, second = sorted(tmp_path.iterdir())
    assert numbers(first)[-1] == 98
    assert numbers(second)[-1] == 128
    assert set(numbers(first)) & set(numbers(second))
    for path in (first, second):
        start = round(numbers(path)[0] * FRAME_US * RATE / 1e6)
        assert samples(path) == values(blocks)[start : start + len(samples(path))]


def test_a_trigger_before_the_first_frame_begins_with_it(tmp_path: Path) -> None:
    sink = waiting(tmp_path / "a.mkv", pre_roll_s=5.0)
    sink.trigger(T0 - SECOND)
    run_through(sink, in_time(numbered(60), sound(2)))
    assert numbers(tmp_path / "a-001.mkv") == list(range(60))


def test_without_a_trigger_there_is_no_file(tmp_path: Path) -> None:
    sink = waiting(tmp_path / "a.mkv", pre_roll_s=1.0)
    run_through(sink, in_time(numbered(60), sound(2)))
    assert list(tmp_path.iterdir()) == []
    assert (sink.corrections(0)["unwritten"], sink.corrections(1)["unwritten"]) == (60, 2 * RATE)


def test_copied_jpegs_wait_too(tmp_path: Path) -> None:
    frames = numbered(120, "MJPEG")
    sink = series(
        tmp_path / "a.mkv", ["video"], triggered=True, pre_roll_s=1.0, duration_s=0.5, options={"video_codec": "copy"}
    )
    run_through(sink, in_time(frames), 2_040_000)
    extracted = run("ffmpeg", "-v", "error", "-i", tmp_path / "a-001.mkv", "-c", "copy", "-f", "mjpeg", "-")
    assert extracted == b"".join(bytes(frame.data) for frame in frames[31:77])


def test_a_second_camera_begins_with_a_key_frame_of_its_own(tmp_path: Path) -> None:
    frames = numbered(120)
    second = [(1, replace(frame, timestamp=frame.timestamp + 411_000)) for frame in frames]
    sink = waiting(tmp_path / "a.mkv", ["video", "video"], pre_roll_s=0.5)
    entries = sorted([*((0, frame) for frame in frames), *second], key=lambda entry: entry[1].timestamp)
    run_through(sink, entries, 2_500_000)
    run("ffmpeg", "-v", "error", "-i", tmp_path / "a-001.mkv", "-map", "0:v:1", "-f", "null", "-")


@pytest.mark.parametrize("late_us", [100_000, 411_000, 900_000])
def test_both_cameras_are_whole_from_the_pre_roll_on(late_us: int, tmp_path: Path) -> None:
    frames = numbered(150)
    second = [replace(frame, timestamp=frame.timestamp + late_us) for frame in frames]
    sink = waiting(tmp_path / "a.mkv", ["video", "video"], pre_roll_s=0.5, duration_s=0.5)
    entries: list[tuple[int, Media]] = [*((0, frame) for frame in frames), *((1, frame) for frame in second)]
    run_through(sink, sorted(entries, key=lambda entry: entry[1].timestamp), 3_500_000)
    for camera, shift_us in enumerate((0, late_us)):
        found = numbers(tmp_path / "a-001.mkv", camera)
        assert found == list(range(found[0], found[-1] + 1))
        assert found[0] * FRAME_US + shift_us <= 3_000_000  # it has a picture by then
        assert found[-1] * FRAME_US + shift_us == pytest.approx(4_000_000, abs=2 * FRAME_US)
    written = [len(numbers(tmp_path / "a-001.mkv", camera)) for camera in (0, 1)]
    assert [len(frames) - sink.corrections(camera)["unwritten"] for camera in (0, 1)] == written


def test_the_oldest_of_the_triggered_files_go(tmp_path: Path) -> None:
    sink = waiting(tmp_path / "a.wav", ["audio"], duration_s=0.2, keep_files=2)
    run_through(sink, in_time(audio=sound(8)), *(second * SECOND for second in range(1, 6)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-004.wav", "a-005.wav"]


def packets(path: Path, kind: str) -> list[str]:
    """Hashes of a file's packets of that kind."""
    found = probe(path, "-select_streams", kind, "-show_packets", "-show_data_hash", "MD5")["packets"]
    return [packet["data_hash"] for packet in found]


LOSSY = {"mkv": ("opus", "aac", "mp3"), "webm": ("opus",), "mp4": ("aac", "opus"), "mov": ("aac",)}
LOSSY_ALONE = {"m4a": ("aac",), "ogg": ("opus",), "mp3": ("mp3",)}
LONGEST_PACKET_S = 1152 / RATE
SHARED = [(suffix, codec) for table in (LOSSY, LOSSY_ALONE) for suffix, codecs in table.items() for codec in codecs]


@pytest.mark.parametrize(("suffix", "codec"), SHARED)
def test_files_that_overlap_share_packets_that_are_encoded_once(suffix: str, codec: str, tmp_path: Path) -> None:
    kinds = ["video", "audio"] if suffix in LOSSY else ["audio"]
    sink = series(tmp_path / f"a.{suffix}", kinds, triggered=True, pre_roll_s=2.0, options={"audio_codec": codec})
    run_through(sink, in_time(numbered(150) if suffix in LOSSY else (), sound(5, noisy=True)), 3_000_000, 3_500_000)
    first, second = (packets(path, "a") for path in sorted(tmp_path.iterdir()))
    shared = [one for one in first if one in second]
    assert len(shared) >= 0.8 * 2.0 / LONGEST_PACKET_S, "most of the pre-roll"
    assert second[: len(shared)] == first[-len(shared) :] == shared


@pytest.mark.parametrize(("suffix", "codec"), SHARED)
def test_shared_sound_is_at_its_place_in_every_file(suffix: str, codec: str, tmp_path: Path) -> None:
    alone = suffix in LOSSY_ALONE
    click_at_us = [1_200_000, 2_700_000, 4_200_000]
    blocks = [clicking(block, click_at_us) for block in sound(6)]
    frames = () if alone else numbered(180)
    options = {"audio_codec": codec}
    sink = series(
        tmp_path / f"a.{suffix}",
        ["audio"] if alone else ["video", "audio"],
        triggered=True,
        pre_roll_s=1.0,
        duration_s=0.8,
        options=options,
    )
    run_through(sink, in_time(frames, blocks), 3_000_000, 4_500_000)
    for path, click_us in zip(sorted(tmp_path.iterdir()), click_at_us[1:], strict=True):
        if (
            alone
        ):  # the file begins with a whole packet, a second before its trigger; an MP3 perhaps with another for the decoder
            (at_s,) = beeps(np.array([one / 32768 for one in samples(path)], np.float32), RATE)
            assert 0.7 - 0.004 <= at_s <= 0.7 + 2 * LONGEST_PACKET_S
        else:
            (at_s,) = (at_s for at_s in beeps(heard_in(path, RATE), RATE) if at_s > 0.1)
            assert numbers(path)[0] / 30 + at_s == pytest.approx(click_us / SECOND, abs=0.004)


def clicking(block: AudioData, at_us: Sequence[int]) -> AudioData:
    """Silence, or a loud burst of 10 ms in the blocks that begin at these instants."""
    loud = block.timestamp - T0 in at_us
    burst = (np.sin(np.arange(block.number_of_frames) * 0.5) * 25_000 * loud).astype(np.int16)
    return replace(block, data=memoryview(burst.tobytes()))


def test_more_triggers_than_files_that_can_be_open_are_missed_and_counted(tmp_path: Path) -> None:
    sink = waiting(tmp_path / "a.wav", ["audio"], pre_roll_s=0.5, duration_s=0.5)
    blocks = in_time(audio=sound(2))
    for track, block in blocks[:100]:
        sink.write(track, block)
    sink.trigger(T0 + SECOND, 100_000)
    for track, block in blocks[100:]:
        sink.write(track, block)
        assert len(sink.files) <= MOST_FILES
    sink.close()
    assert len(sink.finished) == len(list(tmp_path.iterdir())) == MOST_FILES
    assert sink.missed == 100_000 - MOST_FILES


def test_what_waits_at_the_end_is_written_until_its_time_is_over(tmp_path: Path) -> None:
    for end_by_s, files in ((monotonic() + 60, 5), (monotonic(), 0)):
        folder = tmp_path / str(files)
        folder.mkdir()
        sink = waiting(folder / "a.wav", ["audio"], pre_roll_s=0.5)
        for track, block in in_time(audio=sound(1)):
            sink.write(track, block)
        sink.trigger(T0 + 2 * SECOND, 5)
        sink.end_by_s = end_by_s
        sink.close()
        assert (len(list(folder.iterdir())), sink.missed) == (files, 5 - files)


@pytest.mark.parametrize("kind", ["video", "audio"])
def test_triggers_with_nothing_between_them_and_the_next_one_are_missed(kind: str, tmp_path: Path) -> None:
    sink = waiting(tmp_path / ("a.mkv" if kind == "video" else "a.wav"), [kind], pre_roll_s=0.0, duration_s=0.5)
    for number in range(3):
        sink.trigger(T0 - SECOND + number)
    run_through(sink, in_time(numbered(60)) if kind == "video" else in_time(audio=sound(2)), SECOND)
    assert len(sink.finished) == len(list(tmp_path.iterdir())) == 2
    assert sink.missed == 2


def test_a_trigger_long_before_the_first_frame_still_gets_its_file(tmp_path: Path) -> None:
    sink = waiting(tmp_path / "a.mkv", ["video"], duration_s=1.0)
    sink.trigger(T0 - 5 * SECOND)
    run_through(sink, in_time(numbered(60)))
    assert numbers(tmp_path / "a-001.mkv") == list(range(31))  # the last one comes 10 µs before the second is over
