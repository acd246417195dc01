"""MediaRecorder: states, the order of events, pauses, pieces and failures. https://www.w3.org/TR/mediastream-recording/"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import mscli
from mscli.api import mediarecorder
from mscli.core.clock import now_us
from mscli.core.frames import AudioData, VideoFrame
from tests.unit.stage import MEMORY, PATIENCE_S, Heard, MemorySink, Stage, camera, microphone, picture, push, silent

Setting = Callable[..., Stage]


class Recording:
    """A recorder into memory, and what it says."""

    def __init__(self, stage: Stage, *kinds: str, **more: Any) -> None:
        self.stage = stage
        self.stream = stage.devices.get_user_media(dict.fromkeys(kinds or ("video",), True))
        self.recorder = mscli.MediaRecorder(self.stream, row=MEMORY, **more)
        self.heard = Heard(self.recorder)

    @property
    def track(self) -> mscli.MediaStreamTrack:
        """The first track."""
        return self.stream.get_tracks()[0]

    @property
    def types(self) -> list[str]:
        """The events up to now."""
        self.stage.tasks.run_tasks()
        return self.heard.types

    def data(self) -> list[bytes]:
        """What came in pieces up to now."""
        self.stage.tasks.run_tasks()
        return [event.data.bytes() for event in self.heard.events if event.type == "dataavailable"]

    def finish(self) -> list[str]:
        """Wait for the end of the recording; the events up to then."""
        assert self.recorder.join(PATIENCE_S)
        return self.types


@pytest.fixture
def recording(stage: Setting, sinks: list[MemorySink]) -> Recording:
    """A recorder of a camera whose frames are pushed."""
    return Recording(stage(silent(camera())))


# States and events


def test_a_new_recorder_is_inactive_and_its_handlers_are_none(recording: Recording) -> None:
    recorder: Any = recording.recorder
    assert (recorder.state, recorder.mime_type, recorder.stream) == ("inactive", "", recording.stream)
    assert [getattr(recorder, "on" + name) for name in recorder.EVENTS] == [None] * 6


def test_a_recording_starts_gives_its_data_and_stops(recording: Recording, sinks: list[MemorySink]) -> None:
    recorder = recording.recorder
    recorder.start()
    assert recorder.state == "recording"
    push(recording.track, picture(), picture())
    recorder.stop()
    assert recorder.state == "inactive"
    assert recording.finish() == ["start", "dataavailable", "stop"]
    assert recording.data() == [b"ff."]
    assert sinks[0].calls == ["open", "write", "write", "close"]


def test_no_event_comes_before_the_call_that_causes_it_returns(recording: Recording) -> None:
    recording.recorder.start()
    assert recording.heard.types == []
    assert recording.types == ["start"]
    recording.recorder.stop()
    recording.finish()


def test_states_are_checked(recording: Recording) -> None:
    recorder = recording.recorder
    for use in (recorder.pause, recorder.resume, recorder.request_data):
        with pytest.raises(mscli.InvalidStateError):
            use()
    recorder.stop()
    recorder.start()
    with pytest.raises(mscli.InvalidStateError):
        recorder.start()
    recorder.stop()
    recorder.stop()
    assert recording.finish() == ["start", "dataavailable", "stop"]


def test_pausing_and_resuming_twice_fires_once(recording: Recording) -> None:
    recorder = recording.recorder
    recorder.start()
    recorder.resume()
    recorder.pause()
    recorder.pause()
    assert recorder.state == "paused"
    recorder.resume()
    assert recorder.state == "recording"
    recorder.stop()
    assert recording.finish() == ["start", "pause", "resume", "dataavailable", "stop"]


def test_a_paused_recorder_can_be_stopped(recording: Recording) -> None:
    recording.recorder.start()
    recording.recorder.pause()
    recording.recorder.stop()
    assert recording.finish() == ["start", "pause", "dataavailable", "stop"]


def test_the_end_of_all_tracks_ends_the_recording(recording: Recording) -> None:
    recording.recorder.start()
    push(recording.track, picture())
    recording.track.stop()
    assert recording.finish() == ["start", "dataavailable", "stop"]
    assert recording.recorder.state == "inactive"
    assert recording.data() == [b"f."]


def test_start_comes_first_even_if_the_track_ends_at_once(stage: Setting, sinks: list[MemorySink]) -> None:
    for _ in range(30):
        recording = Recording(stage(silent(camera())))
        recording.track.live.on_ended(mscli.NotReadableError("gone"))
        recording.recorder.start()
        assert recording.finish()[0] == "start"
        assert recording.types[-1] == "stop"


def test_one_track_of_two_that_ends_does_not_end_the_recording(stage: Setting, sinks: list[MemorySink]) -> None:
    recording = Recording(stage(silent(camera()), silent(microphone())), "audio", "video")
    recording.recorder.start()
    recording.track.stop()
    assert not recording.recorder.join(0.01)
    assert recording.recorder.state == "recording"
    recording.recorder.stop()
    recording.finish()


# What cannot be recorded


def test_an_inactive_stream_is_not_supported(recording: Recording) -> None:
    recording.track.stop()
    with pytest.raises(mscli.NotSupportedError):
        recording.recorder.start()
    assert recording.recorder.state == "inactive"


@pytest.mark.parametrize("mime_type", ["video/nothing", "text/plain", "video/webm;codecs=nothing", "nonsense"])
def test_an_unknown_type_is_not_supported(recording: Recording, mime_type: str) -> None:
    assert not mscli.MediaRecorder.is_type_supported(mime_type)
    with pytest.raises(mscli.NotSupportedError):
        mscli.MediaRecorder(recording.stream, {"mimeType": mime_type})


def test_no_type_is_always_supported() -> None:
    assert mscli.MediaRecorder.is_type_supported("")


@pytest.mark.parametrize("stream", [None, 5, "x"])
def test_what_is_no_stream_is_a_type_error(stream: Any) -> None:
    with pytest.raises(TypeError):
        mscli.MediaRecorder(stream)


# Failures of the output


@pytest.mark.parametrize(("method", "data"), [("write", b""), ("close", b"f")])
def test_an_output_that_fails_ends_the_recording_with_an_error(
    recording: Recording, sinks: list[MemorySink], monkeypatch: pytest.MonkeyPatch, method: str, data: bytes
) -> None:
    monkeypatch.setattr(MemorySink, "fail_in", method)
    recording.recorder.start()
    push(recording.track, picture())
    recording.recorder.stop()
    assert recording.finish() == ["start", "error", "dataavailable", "stop"]
    assert (recording.recorder.state, recording.data()) == ("inactive", [data])
    assert isinstance(recording.recorder.error, mscli.OperationError)
    assert recording.heard.events[1].detail["error"] is recording.recorder.error
    assert sinks[0].calls[-1] == "abort"


def test_an_output_that_fails_in_the_middle_ends_the_recording_by_itself(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MemorySink, "fail_in", "write")
    recording.recorder.start()
    push(recording.track, picture())
    assert recording.finish() == ["start", "error", "dataavailable", "stop"]
    assert recording.recorder.state == "inactive"


def test_an_output_that_cannot_be_opened_is_told_at_once(recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemorySink, "fail_in", "open")
    with pytest.raises(mscli.OperationError):
        recording.recorder.start()
    assert (recording.recorder.state, recording.types) == ("inactive", [])


def test_after_a_failure_it_can_be_started_again(recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as failing:
        failing.setattr(MemorySink, "fail_in", "write")
        recording.recorder.start()
        push(recording.track, picture())
        recording.finish()
    recording.recorder.start()
    push(recording.track, picture())
    recording.recorder.stop()
    assert recording.finish()[4:] == ["start", "dataavailable", "stop"]
    assert recording.recorder.error is None


# Pieces


def test_requested_data_comes_in_pieces_that_make_the_whole(recording: Recording, sinks: list[MemorySink]) -> None:
    recorder = recording.recorder
    recorder.start()
    push(recording.track, picture(), picture())
    recording.stage.run_until(lambda: recorder.bytes_written == 2)
    recorder.request_data()
    push(recording.track, picture())
    recording.stage.run_until(lambda: recorder.bytes_written == 3)
    recorder.request_data()
    recorder.stop()
    assert recording.finish() == ["start", "dataavailable", "dataavailable", "dataavailable", "stop"]
    assert recording.data() == [b"ff", b"f", b"."]


def test_a_timeslice_gives_pieces_by_itself(recording: Recording) -> None:
    recording.recorder.start(1)
    push(recording.track, picture())
    recording.stage.run_until(lambda: len(recording.data()) >= 3)
    recording.recorder.stop()
    recording.finish()
    assert b"".join(recording.data()) == b"f."


def test_the_pieces_have_the_type_of_the_recording(recording: Recording) -> None:
    recording.recorder.start()
    recording.recorder.stop()
    recording.finish()
    (event,) = (event for event in recording.heard.events if event.type == "dataavailable")
    assert event.data.type == recording.recorder.mime_type != ""


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
    assert [counts.frames for counts in recording.recorder.counts] == [4 * 480, 2]


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


def test_a_disabled_track_is_recorded_black(recording: Recording, sinks: list[MemorySink]) -> None:
    recording.track.enabled = False
    recording.recorder.start()
    push(recording.track, picture(level=9))
    recording.recorder.stop()
    recording.finish()
    ((_, frame),) = sinks[0].frames
    assert isinstance(frame, VideoFrame)
    assert set(bytes(frame.planes[0])) == {0}


def test_the_sink_is_told_the_tracks_and_how_to_write(stage: Setting, sinks: list[MemorySink]) -> None:
    here = stage(silent(camera()), silent(microphone()))
    recording = Recording(here, "audio", "video", options={"audioBitsPerSecond": 64_000})
    recording.recorder.start()
    recording.recorder.stop()
    recording.finish()
    assert [track.kind for track in sinks[0].tracks] == ["audio", "video"]
    assert sinks[0].tracks[1].settings["width"] == 128
    assert sinks[0].tracks[1].pixel_format == "GREY"
    assert (sinks[0].options.audio_bits_per_second, sinks[0].options.video_bits_per_second) == (64_000, None)


# A window


def test_a_window_of_frames_ends_the_recording(stage: Setting, sinks: list[MemorySink]) -> None:
    recording = Recording(stage(silent(camera())), window=(None, 3))
    recording.recorder.start()
    push(recording.track, *(picture() for _ in range(5)))
    assert recording.finish() == ["start", "dataavailable", "stop"]
    assert (len(sinks[0].frames), recording.recorder.reason) == (3, "frames")


def test_a_window_of_seconds_ends_the_recording(stage: Setting, sinks: list[MemorySink]) -> None:
    recording = Recording(stage(silent(camera())), window=(0.1, None))
    recording.recorder.start()
    start = now_us()
    push(recording.track, *(picture(start + round(n * 1e6 / 30)) for n in range(10)))
    recording.finish()
    assert (len(sinks[0].frames), recording.recorder.reason) == (3, "duration")


def test_a_track_that_stalls_does_not_hold_a_window_for_ever(
    stage: Setting, sinks: list[MemorySink], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mediarecorder, "_LATE_US", 1000)
    recording = Recording(stage(silent(camera())), window=(0.01, None))
    recording.recorder.start()
    push(recording.track, picture())
    assert recording.finish() == ["start", "dataavailable", "stop"]


def test_a_pause_does_not_count_for_the_window(
    stage: Setting, sinks: list[MemorySink], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mediarecorder, "_LOOK_S", 0.001)
    recording = Recording(stage(silent(camera())), window=(5.0, None))
    recorder, long_ago = recording.recorder, now_us() - 100_000_000
    recorder.start()
    recorder.pause()
    recorder._pauses.begin(long_ago + 100_000)  # as if that had been long ago
    push(recording.track, picture(long_ago))
    recorder.resume()
    assert not recorder.join(0.05)
    push(recording.track, picture())
    recording.stage.run_until(lambda: len(sinks[0].frames) == 2)
    assert recorder.state == "recording"
    recorder.stop()
    assert recording.finish()[-1] == "stop"
    (_, first), (_, second) = sinks[0].frames
    assert 100_000 <= second.timestamp - first.timestamp < 1_000_000


# Bits per second


@pytest.mark.parametrize(
    ("options", "audio", "video"),
    [
        ({}, 128_000, 2_500_000),
        ({"audioBitsPerSecond": 0}, 0, 2_500_000),
        ({"videoBitsPerSecond": 5}, 128_000, 5),
        ({"bitsPerSecond": 2_000_000, "audioBitsPerSecond": 0, "videoBitsPerSecond": 0}, 128_000, 1_872_000),
        ({"bitsPerSecond": 100_000}, 10_000, 90_000),
    ],
)
def test_bits_per_second_are_what_was_asked_or_the_usual(
    recording: Recording, options: dict[str, Any], audio: int, video: int
) -> None:
    recorder = mscli.MediaRecorder(recording.stream, options)
    assert (recorder.audio_bits_per_second, recorder.video_bits_per_second) == (audio, video)


def test_a_real_container_is_made_of_the_pieces(stage: Setting) -> None:
    here = stage(silent(camera()))
    stream = here.devices.get_user_media({"video": True})
    recorder = mscli.MediaRecorder(stream, {"mimeType": "video/webm"})
    heard = Heard(recorder)
    recorder.start()
    start = now_us()
    push(stream.get_tracks()[0], *(picture(start + n * 33_333, 128, 72) for n in range(5)))
    recorder.stop()
    assert recorder.join(PATIENCE_S)
    here.tasks.run_tasks()
    assert heard.types == ["start", "dataavailable", "stop"]
    assert heard.events[1].data.bytes()[:4] == b"\x1a\x45\xdf\xa3"
    assert heard.events[1].data.type.startswith("video/webm")
