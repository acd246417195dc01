"""MediaRecorder: states, order of events, pauses, chunks and failures. https://www.w3.org/TR/mediastream-recording/"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mscli
from mscli.api.mediarecorder import RecorderOutput
from mscli.core.clock import now_us
from mscli.encode.options import Series, SinkOptions
from tests.sinks.synth import frame_times
from tests.unit.stage import (
    MEMORY,
    TIMEOUT_S,
    Heard,
    MemorySink,
    Recording,
    Stage,
    camera,
    device,
    microphone,
    picture,
    push,
    silent,
)

Setting = Callable[..., Stage]


# States and events


def test_a_trigger_after_the_end_is_missed_and_counted(stage: Setting, tmp_path: Path) -> None:
    """Signals may come at any time."""
    stream = stage(silent(camera())).devices.get_user_media({"video": True})
    options = SinkOptions(series=Series(triggered=True))
    recorder = mscli.MediaRecorder(stream, file=str(tmp_path / "a-%03d.webm"), sink_options=options)
    with pytest.raises(mscli.InvalidStateError):
        recorder.trigger()
    recorder.start()
    recorder.stop()
    recorder.join()
    recorder.trigger(3)
    assert recorder.recording is not None
    assert (recorder.recording.triggers, recorder.recording.missed_triggers) == (3, 3)


def test_a_new_recorder_is_inactive_and_its_handlers_are_none(recording: Recording) -> None:
    recorder: Any = recording.recorder
    assert (recorder.state, recorder.mime_type, recorder.stream) == ("inactive", "", recording.stream)
    assert [getattr(recorder, "on" + name) for name in recorder.EVENTS] == [None] * 6


def test_a_recording_starts_delivers_its_data_and_stops(recording: Recording, sinks: list[MemorySink]) -> None:
    recorder: Any = recording.recorder
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
    recorder: Any = recording.recorder
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
        device(recording.track).on_ended(mscli.NotReadableError("gone"))
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


@pytest.mark.parametrize(
    ("outputs", "series"),
    [
        (["a.mkv", "./a.mkv"], None),
        (["a.mkv", "link.mkv"], None),
        ([RecorderOutput(987), RecorderOutput(987)], None),
        ([RecorderOutput(None), RecorderOutput(None)], None),
        (["a-%03d.mkv", "a-001.mkv"], Series(duration_s=1)),
    ],
)
def test_the_same_output_twice_is_a_type_error(
    outputs: list[Any], series: Series | None, stage: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link.mkv").symlink_to("a.mkv")
    stream = stage(camera()).devices.get_user_media({"video": True})
    with pytest.raises(TypeError, match=r"are the same output|may name the same file"):
        mscli.MediaRecorder(stream, outputs=outputs, sink_options=SinkOptions(series=series))


# Failures of the output


@pytest.mark.parametrize(("method", "data"), [("write", b""), ("close", b"f")])
def test_an_output_that_fails_ends_the_recording_with_an_error(
    recording: Recording, sinks: list[MemorySink], monkeypatch: pytest.MonkeyPatch, method: str, data: bytes
) -> None:
    monkeypatch.setattr(MemorySink, "fail_in", {method})
    recording.recorder.start()
    push(recording.track, picture())
    recording.recorder.stop()
    assert recording.finish() == ["start", "error", "dataavailable", "stop"]
    assert (recording.recorder.state, recording.data()) == ("inactive", [data])
    assert isinstance(recording.run.error, mscli.OperationError)
    assert recording.heard.events[1].error is recording.run.error
    assert sinks[0].calls[-1] == "abort"


def test_an_output_that_fails_in_the_middle_ends_the_recording_by_itself(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MemorySink, "fail_in", {"write"})
    recording.recorder.start()
    push(recording.track, picture())
    assert recording.finish() == ["start", "error", "dataavailable", "stop"]
    assert recording.recorder.state == "inactive"


def test_an_output_that_cannot_be_opened_is_reported_at_once(recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemorySink, "fail_in", {"open"})
    with pytest.raises(mscli.OperationError):
        recording.recorder.start()
    assert (recording.recorder.state, recording.types) == ("inactive", [])


@pytest.mark.parametrize("methods", [{"write", "abort"}, {"close", "abort", "corrections"}, {"corrections"}])
def test_it_stops_with_the_first_error_whatever_fails_after_it(
    recording: Recording, monkeypatch: pytest.MonkeyPatch, methods: set[str]
) -> None:
    monkeypatch.setattr(MemorySink, "fail_in", methods)
    recording.recorder.start()
    push(recording.track, picture())
    recording.recorder.stop()
    assert recording.finish() == ["start", "error", "dataavailable", "stop"]
    first = min(methods, key=["write", "close", "corrections", "abort"].index)
    assert str(recording.run.error) == f"the disk is full in {first}"


@pytest.mark.parametrize("method", ["open", "free_bytes"])
def test_an_output_that_was_opened_is_given_up_if_the_recording_cannot_begin(
    recording: Recording, sinks: list[MemorySink], monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setattr(MemorySink, "fail_in", {method})
    with pytest.raises(mscli.OperationError, match=method):
        recording.recorder.start()
    assert sinks[0].calls[-1] == "abort"


def test_after_a_failure_it_can_be_started_again(recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as failing:
        failing.setattr(MemorySink, "fail_in", {"write"})
        recording.recorder.start()
        push(recording.track, picture())
        recording.finish()
    recording.recorder.start()
    push(recording.track, picture())
    recording.recorder.stop()
    assert recording.finish()[4:] == ["start", "dataavailable", "stop"]
    assert recording.run.error is None


# Tracks that are added and removed


@pytest.mark.parametrize("change", ["add_track", "remove_track"])
def test_a_change_of_the_tracks_ends_the_recording_with_what_came_before(recording: Recording, change: str) -> None:
    recording.recorder.start()
    push(recording.track, picture())
    getattr(recording.stream, change)(recording.track if change == "remove_track" else recording.track.clone())
    assert recording.recorder.state == "recording"
    assert recording.finish() == ["start", "error", "dataavailable", "stop"]
    event = recording.heard.events[1]
    assert isinstance(event.error, mscli.InvalidModificationError)
    assert event.message == str(event.error)
    assert recording.data() == [b"f."]


def test_tracks_may_join_and_leave_when_it_is_over(recording: Recording) -> None:
    recording.recorder.start()
    recording.recorder.stop()
    recording.stream.remove_track(recording.track)
    assert recording.finish() == ["start", "dataavailable", "stop"]
    assert recording.stream.watchers == set()


def test_adding_a_track_that_is_there_changes_nothing(recording: Recording) -> None:
    recording.recorder.start()
    recording.stream.add_track(recording.track)
    recording.recorder.stop()
    assert recording.finish() == ["start", "dataavailable", "stop"]


# The end of the devices


def test_closing_the_devices_waits_for_the_recording(recording: Recording, sinks: list[MemorySink]) -> None:
    recording.recorder.start()
    push(recording.track, picture())
    recording.stage.devices.close()
    assert sinks[0].calls[-1] == "close"
    assert recording.types == ["start", "dataavailable", "stop"]


def test_closing_the_devices_waits_for_a_recording_whose_track_has_ended(recording: Recording, sinks: list[MemorySink]) -> None:
    recording.recorder.start()
    recording.track.stop()
    recording.stage.devices.close()
    assert sinks[0].calls[-1] == "close"


def test_a_real_container_is_made_of_the_pieces(stage: Setting) -> None:
    here = stage(silent(camera()))
    stream = here.devices.get_user_media({"video": True})
    recorder = mscli.MediaRecorder(stream, {"mimeType": "video/webm"})
    heard = Heard(recorder)
    recorder.start()
    start = now_us()
    push(stream.get_tracks()[0], *(picture(start + n * 33_333, 128, 72) for n in range(5)))
    recorder.stop()
    assert recorder.join(TIMEOUT_S)
    here.tasks.run_tasks()
    assert heard.types == ["start", "dataavailable", "stop"]
    assert heard.events[1].data.bytes()[:4] == b"\x1a\x45\xdf\xa3"
    assert heard.events[1].data.type == "video/webm;codecs=vp09.00.10.08"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("", "video/webm;codecs=vp09.00.10.08,opus"),
        ("video/mp4", "video/mp4;codecs=avc1.64000A,mp4a.40.2"),
        ("video/x-matroska;codecs=hvc1", "video/x-matroska;codecs=hvc1.1.6.L30.90,opus"),
        ("video/mp4;codecs=avc1.42E01E", "video/mp4;codecs=avc1.42C01E,mp4a.40.2"),
        ("video/webm;codecs=opus", "video/webm;codecs=vp09.00.10.08,opus"),
        ('video/webm; codecs="vp8, opus"', 'video/webm; codecs="vp8, opus"'),
    ],
)
def test_the_type_tells_container_and_codecs_from_the_start_to_the_stop(stage: Setting, asked: str, told: str) -> None:
    here = stage(silent(camera()), silent(microphone()))
    recorder = mscli.MediaRecorder(here.devices.get_user_media({"audio": True, "video": True}), {"mimeType": asked})
    types: list[str] = []
    recorder.add_event_listener("start", lambda event: types.append(recorder.mime_type))
    recorder.start()
    assert recorder.mime_type == asked
    here.tasks.run_tasks()
    assert types == [told]
    recorder.stop()
    assert recorder.mime_type == asked


def test_the_timecodes_of_pieces_are_the_times_of_their_frames(stage: Setting, tmp_path: Path) -> None:
    here = stage(silent(camera()))
    stream = here.devices.get_user_media({"video": True})
    recorder = mscli.MediaRecorder(stream, {"mimeType": "video/webm;codecs=vp8"})
    heard = Heard(recorder, "dataavailable")
    recorder.start(500)
    push(stream.get_tracks()[0], *(picture(n * 100_000, 128, 72) for n in range(30)))
    recorder.stop()
    assert recorder.join(TIMEOUT_S)
    here.tasks.run_tasks()
    assert len(heard.events) >= 4
    file = tmp_path / "so-far.webm"
    for event in heard.events:
        before = frame_times(file) if file.exists() else []
        assert event.timecode == pytest.approx(1000 * len(before) * 0.1, abs=101)
        file.write_bytes((file.read_bytes() if before else b"") + event.data.bytes())
    assert len(frame_times(file)) == 30


# Files by path, and failures that nobody listens to


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.webm", "a.wav"])
@pytest.mark.parametrize("kind", [str, Path])
def test_the_suffix_of_a_file_decides_on_its_container(stage: Setting, tmp_path: Path, name: str, kind: type) -> None:
    here = stage(silent(microphone()))
    recorder = mscli.MediaRecorder(here.devices.get_user_media({"audio": True}), file=kind(tmp_path / name))
    recorder.start()
    assert recorder.recording is not None
    assert (
        recorder.recording.mime_type.partition(";")[0].split("/")[1].removeprefix("x-")
        in ({"a.mp4": ["mp4"], "a.mkv": ["matroska"], "a.webm": ["webm"], "a.wav": ["wav"]}[name])
    )
    recorder.abandon()


@pytest.mark.parametrize(
    ("name", "mime_type"),
    [
        ("a.mp4", "video/webm"),
        ("a.webm", "video/mp4"),
        ("a.mkv", "video/webm"),
        ("a.mp3", "audio/webm"),
        ("a.png", "video/webm"),
        ("a.m4a", "audio/mp4;codecs=opus"),
    ],
)
@pytest.mark.parametrize("way", ["file", "outputs"])
def test_a_type_that_contradicts_the_suffix_is_not_supported(
    stage: Setting, tmp_path: Path, name: str, mime_type: str, way: str
) -> None:
    stream = stage(camera()).devices.get_user_media({"video": True})
    given: Any = {"file": tmp_path / name} if way == "file" else {"outputs": [RecorderOutput(str(tmp_path / name))]}
    with pytest.raises(mscli.NotSupportedError, match="cannot hold"):
        mscli.MediaRecorder(stream, {"mimeType": mime_type}, **given)


@pytest.mark.parametrize(
    ("name", "mime_type"), [("a.mp4", "video/mp4"), ("a.m4a", "audio/mp4"), ("a", "video/webm"), ("a.part", "video/webm")]
)
def test_a_type_that_fits_the_suffix_or_a_file_without_one_is_supported(stage: Setting, name: str, mime_type: str) -> None:
    stream = stage(camera()).devices.get_user_media({"video": True})
    assert mscli.MediaRecorder(stream, {"mimeType": mime_type}, file=Path(name)).state == "inactive"


@pytest.mark.parametrize("file", [3.5, ["a.mp4"], {}])
def test_what_is_no_file_is_a_type_error(stage: Setting, file: Any) -> None:
    with pytest.raises(TypeError):
        mscli.MediaRecorder(stage(camera()).devices.get_user_media({"video": True}), file=file)


@pytest.fixture
def failed(stage: Setting, sinks: list[MemorySink], monkeypatch: pytest.MonkeyPatch) -> mscli.MediaRecorder:
    """Return a recorder whose recording fails, without a listener."""
    monkeypatch.setattr(MemorySink, "fail_in", {"write"})
    stream = stage(silent(camera())).devices.get_user_media({"video": {"width": 64}})
    recorder = mscli.MediaRecorder(stream, row=MEMORY)
    recorder.start()
    push(stream.get_tracks()[0], picture())
    assert recorder.recording is not None
    assert recorder.recording.join(TIMEOUT_S)
    return recorder


@pytest.mark.parametrize("method", ["join", "stop"])
def test_a_failure_that_nobody_listens_to_is_raised_once(failed: mscli.MediaRecorder, method: str) -> None:
    with pytest.raises(mscli.OperationError, match="the disk is full in write"):
        getattr(failed, method)()
    failed.stop()
    assert failed.join()


def test_a_failure_goes_to_a_listener_if_there_is_one(failed: mscli.MediaRecorder) -> None:
    failed.onerror = lambda event: None
    failed.stop()
    assert failed.join()


@pytest.mark.parametrize(
    ("mime_type", "size", "why"),
    [
        ("video/mp4;codecs=avc1.42E00A", (640, 480), "the level of “avc1.42E00A” does not permit 640×480"),
        ("video/mp4;codecs=hvc1.1.6.L30.B0", (640, 480), "the level of “hvc1.1.6.L30.B0” does not permit 640×480"),
    ],
)
def test_a_level_that_does_not_hold_the_picture_is_refused_at_the_start(
    stage: Setting, mime_type: str, size: tuple[int, int], why: str
) -> None:
    modes = [{"width": size[0], "height": size[1]}]
    stream = stage(silent(camera(modes=modes))).devices.get_user_media({"video": True})
    recorder = mscli.MediaRecorder(stream, {"mimeType": mime_type})
    with pytest.raises(mscli.NotSupportedError, match=why):
        recorder.start()
