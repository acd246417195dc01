"""What MediaRecorder records: its chunks, their frames, pauses and windows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

import mscli
from mscli.api import recording as run
from mscli.api.recording import Slices
from mscli.core import window
from mscli.core.clock import now_us
from mscli.core.frames import AudioData, EncodedVideoChunk, VideoFrame
from tests.unit.stage import MemorySink, Recording, Stage, camera, device, microphone, picture, push, silent

Setting = Callable[..., Stage]


# Pieces


def test_requested_data_comes_in_pieces_that_make_the_whole(recording: Recording, sinks: list[MemorySink]) -> None:
    recorder = recording.recorder
    recorder.start()
    push(recording.track, picture(), picture())
    recording.stage.run_until(lambda: recording.run.bytes_written == 2)
    recorder.request_data()
    push(recording.track, picture())
    recording.stage.run_until(lambda: recording.run.bytes_written == 3)
    recorder.request_data()
    recorder.stop()
    assert recording.finish() == ["start", "dataavailable", "dataavailable", "dataavailable", "stop"]
    assert recording.data() == [b"ff", b"f", b"."]


def test_a_timeslice_delivers_slices(recording: Recording) -> None:
    recording.recorder.start(100)
    start = now_us()
    push(recording.track, *(picture(start + n * 50_000) for n in range(6)))
    recording.recorder.stop()
    recording.finish()
    assert recording.data() == [b"fff", b"ff", b"f."]
    assert recording.timecodes() == [0, 100, 200]  # to within a frame


def test_the_pieces_have_the_type_of_the_recording(recording: Recording) -> None:
    types: list[str] = []
    recording.recorder.add_event_listener("start", lambda event: types.append(event.target.mime_type))
    recording.recorder.start()
    recording.recorder.stop()
    recording.finish()
    assert [piece.data.type for piece in recording.pieces()] == types == ["video/x-memory"]


@pytest.mark.parametrize("init", [None, {}, {"data": None}])
def test_a_blob_event_needs_data(init: Any) -> None:
    with pytest.raises(TypeError):
        mscli.BlobEvent("dataavailable", init)


def test_a_recording_started_right_after_another_is_one_of_its_own(recording: Recording, sinks: list[MemorySink]) -> None:
    recorder = recording.recorder
    for level in (1, 2, 3):
        recorder.start()
        push(recording.track, *(picture(level=level) for _ in range(level)))
        recorder.stop()
    assert recording.finish() == ["start", "dataavailable", "stop"] * 3
    assert recording.data() == [b"f.", b"ff.", b"fff."]
    levels = [{frame.planes[0][0] for _, frame in sink.frames if isinstance(frame, VideoFrame)} for sink in sinks]
    assert levels == [{1}, {2}, {3}]


# Frames


def test_frames_of_both_tracks_come_in_the_order_of_their_time(stage: Setting, sinks: list[MemorySink]) -> None:
    recording = Recording(stage(silent(camera()), silent(microphone())), "audio", "video")
    audio, video = recording.stream.get_tracks()
    recording.recorder.start()
    start = now_us()
    push(video, picture(start + 5), picture(start + 30_000))
    push(audio, *(AudioData("s16", 48000, 480, 1, start + n * 10_000, memoryview(bytes(960))) for n in range(4)))
    recording.recorder.stop()
    recording.finish()
    times = [frame.timestamp - start for _, frame in sinks[0].frames]
    assert sorted(times) == [0, 5, 10_000, 20_000, 30_000, 30_000]
    assert [track for track, _ in sinks[0].frames].count(1) == 2
    assert [counts.frames for counts in recording.run.counts] == [4 * 480, 2]


def test_what_comes_in_a_pause_is_left_out_and_leaves_no_gap(recording: Recording, sinks: list[MemorySink]) -> None:
    recorder = recording.recorder
    recorder.start()
    push(recording.track, picture(level=1))
    recorder.pause()
    push(recording.track, picture(level=2), picture(now_us() + 10_000_000, level=2))
    recorder.resume()
    resumed = now_us()
    push(recording.track, picture(resumed + 1_000_000, level=3))
    recorder.stop()
    recording.finish()
    (_, first), (_, second) = sinks[0].frames[0], sinks[0].frames[-1]
    assert isinstance(first, VideoFrame)
    assert isinstance(second, VideoFrame)
    assert (first.planes[0][0], second.planes[0][0]) == (1, 3)
    assert second.timestamp < resumed + 1_000_000


def pause_inside_a_group(recording: Recording) -> int:
    """Record H.264 with a pause at the third frame. Return when the next frame may come."""
    begin_us = now_us() - 1_000_000
    recording.recorder.start()
    push(recording.track, chunk(begin_us, key=True), chunk(begin_us + 1))
    recording.recorder.pause()
    push(recording.track, chunk(now_us()))
    recording.recorder.resume()
    return now_us()


def chunk(at_us: int, key: bool = False) -> EncodedVideoChunk:
    return EncodedVideoChunk("key" if key else "delta", at_us, memoryview(b"chunk"), "h264", 64, 48)


def test_what_cannot_be_decoded_after_a_pause_is_dropped_and_counted(recording: Recording, sinks: list[MemorySink]) -> None:
    at_us = pause_inside_a_group(recording)
    black = replace(picture(at_us + 2), blank=True)
    push(recording.track, chunk(at_us), chunk(at_us + 1), black, chunk(at_us + 3))
    push(recording.track, chunk(at_us + 4, key=True), chunk(at_us + 5))
    recording.recorder.stop()
    recording.finish()
    written: list[Any] = [frame for _, frame in sinks[0].frames]
    assert ["black" if frame.blank else frame.type for frame in written] == ["key", "delta", "black", "key", "delta"]
    assert (recording.run.dropped, recording.run.counts[0].frames) == ([3], 5)


def test_what_cannot_be_decoded_after_a_pause_ends_the_window_too(stage: Setting, sinks: list[MemorySink]) -> None:
    recording = Recording(stage(silent(camera())), window=(5.0, None))
    at_us = pause_inside_a_group(recording)
    push(recording.track, chunk(at_us), chunk(at_us + 6_000_000))
    assert recording.finish() == ["start", "pause", "resume", "dataavailable", "stop"]
    assert (recording.run.reason, recording.run.dropped, len(sinks[0].frames)) == ("duration", [1], 2)


def test_a_disabled_track_is_recorded_black(recording: Recording, sinks: list[MemorySink]) -> None:
    recording.track.enabled = False
    recording.recorder.start()
    push(recording.track, picture(level=9))
    recording.recorder.stop()
    recording.finish()
    ((_, frame),) = sinks[0].frames
    assert isinstance(frame, VideoFrame)
    assert set(bytes(frame.planes[0])) == {0}


def test_the_sink_gets_the_tracks_and_the_options(stage: Setting, sinks: list[MemorySink]) -> None:
    here = stage(silent(camera()), silent(microphone()))
    recording = Recording(here, "audio", "video", options={"audioBitsPerSecond": 64_000})
    recording.recorder.start()
    recording.recorder.stop()
    recording.finish()
    assert [track.kind for track in sinks[0].tracks] == ["audio", "video"]
    assert sinks[0].tracks[1].settings["width"] == 64
    assert sinks[0].tracks[1].pixel_format == "GREY"
    assert (sinks[0].options.audio_bits_per_second, sinks[0].options.video_bits_per_second) == (64_000, None)


# A window


def test_a_window_of_frames_ends_the_recording(stage: Setting, sinks: list[MemorySink]) -> None:
    recording = Recording(stage(silent(camera())), window=(None, 3))
    recording.recorder.start()
    push(recording.track, *(picture() for _ in range(5)))
    assert recording.finish() == ["start", "dataavailable", "stop"]
    assert (len(sinks[0].frames), recording.run.reason) == (3, "frames")


def test_a_window_of_seconds_ends_the_recording(stage: Setting, sinks: list[MemorySink]) -> None:
    recording = Recording(stage(silent(camera())), window=(0.1, None))
    recording.recorder.start()
    start = now_us()
    push(recording.track, *(picture(start + round(n * 1e6 / 30)) for n in range(10)))
    recording.finish()
    assert (len(sinks[0].frames), recording.run.reason) == (3, "duration")


def test_a_stalled_track_does_not_hold_a_window_forever(
    stage: Setting, sinks: list[MemorySink], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window, "END_LATE_US", 1000)
    recording = Recording(stage(silent(camera())), window=(0.1, None))
    recording.recorder.start()
    push(recording.track, picture())
    assert recording.finish() == ["start", "dataavailable", "stop"]
    assert recording.run.reason == "ended"


@pytest.mark.parametrize(("asked", "reason"), [("", "ended"), ("signal", "signal")])
def test_a_recording_whose_devices_are_gone_has_ended_unless_it_was_asked_to(
    asked: str, reason: str, stage: Setting, sinks: list[MemorySink]
) -> None:
    recording = Recording(stage(silent(camera())))
    recording.recorder.start()
    push(recording.track, picture())
    recording.run.asked_reason = asked
    device(recording.track).on_ended(None)
    assert recording.run.join()  # before anybody was notified that the device is gone
    assert recording.run.reason == reason


def test_a_recordings_own_end_takes_precedence(stage: Setting, sinks: list[MemorySink]) -> None:
    recording = Recording(stage(silent(camera())), window=(None, 1))
    recording.recorder.start()
    push(recording.track, picture())
    assert recording.run.join()
    recording.run.asked_reason = "signal"
    assert recording.run.reason == "frames"


def test_a_pause_does_not_count_for_the_window(
    stage: Setting, sinks: list[MemorySink], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "_LOOK_S", 0.001)
    recording = Recording(stage(silent(camera())), window=(5.0, None))
    recorder, long_ago = recording.recorder, now_us() - 100_000_000
    recorder.start()
    recorder.pause()
    recording.run.pauses.begin(long_ago + 100_000)  # as if that had been long ago
    push(recording.track, picture(long_ago))
    before = now_us()
    recorder.resume()
    after = now_us()
    assert not recorder.join(0.05)
    late = picture()
    push(recording.track, late)
    recording.stage.run_until(lambda: len(sinks[0].frames) == 2)
    assert recorder.state == "recording"
    recorder.stop()
    assert recording.finish()[-1] == "stop"
    (_, first), (_, second) = sinks[0].frames
    assert late.timestamp - after <= second.timestamp - first.timestamp - 100_000 <= late.timestamp - before


def test_a_slice_never_begins_before_the_first_although_a_frame_of_another_track_is_earlier() -> None:
    pieces = Slices()
    for at_us in (1_000_000, 990_000, 1_010_000):
        pieces.begin_frame(at_us)
        pieces.write(b"x")
        pieces.cut()
    timecodes = [pieces.take().timecode for _ in range(3)]
    assert timecodes == sorted(timecodes)
    assert timecodes[0] == 0
