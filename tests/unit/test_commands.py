"""The table of commands: malformed commands are refused in one sentence, and valid ones do what they say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import mscli
from mscli.api.commands import COMMANDS, RecorderRun, Run, read_command
from tests.unit.stage import MODES, Heard, Recording, Stage, camera, device, picture, push, silent

NO_COMMANDS: list[tuple[Any, str]] = [
    ([], 'a command must be an object, such as {"pause": true}'),
    ("pause", 'a command must be an object, such as {"pause": true}'),
    ({}, "an object must hold one command; it is empty"),
    ({"pause": True, "stop": True}, "an object must hold one command; it holds “pause”, “stop”"),
    ({"puase": True}, "unknown command “puase” (did you mean “pause”?)"),
    ({"applyconstraints": {}}, "unknown command “applyconstraints” (did you mean “applyConstraints”?)"),
    ({"pause": False}, '“pause” needs true: {"pause": true}'),
    ({"stop": 1}, '“stop” needs true: {"stop": true}'),
    ({"snapshot": ""}, '“snapshot” needs a name: {"snapshot": "FILE"}'),
    ({"snapshot": "a\0.png"}, '“snapshot” needs a name: {"snapshot": "FILE"}'),
    ({"addOutput": "\ud800.mkv"}, '“addOutput” needs a name: {"addOutput": "OUTPUT"}'),
    ({"addOutput": ["a.mkv"]}, '“addOutput” needs a name: {"addOutput": "OUTPUT"}'),
    (
        {"enabled": False},
        '“enabled” needs an object with true or false for “video”, “audio” or both: {"enabled": {"video": false}}',
    ),
    (
        {"enabled": {"video": "no"}},
        '“enabled” needs an object with true or false for “video”, “audio” or both: {"enabled": {"video": false}}',
    ),
    (
        {"applyConstraints": {"video": True}},
        "“applyConstraints” needs an object with an object of constraints for “video”, “audio” or both:"
        ' {"applyConstraints": {"video": {"width": 640}}}',
    ),
]


@pytest.mark.parametrize(("command", "sentence"), NO_COMMANDS, ids=[json.dumps(command) for command, _ in NO_COMMANDS])
def test_what_is_no_command_is_refused_in_a_sentence(command: Any, sentence: str) -> None:
    with pytest.raises(TypeError) as refused:
        read_command(command)
    assert str(refused.value) == sentence


def test_a_name_that_is_like_none_gets_the_list() -> None:
    with pytest.raises(TypeError, match="; commands: “pause”, “resume”, “stop”"):
        read_command({"xyzzy": True})


@pytest.mark.parametrize("row", COMMANDS.values(), ids=list(COMMANDS))
def test_the_example_of_every_row_is_a_command(row: Any) -> None:
    assert read_command({row.name: json.loads(row.example)})[0] is row


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - {"enabled", "applyConstraints"}))
def test_a_run_that_can_do_nothing_says_so(name: str) -> None:
    with pytest.raises((mscli.NotSupportedError, mscli.InvalidStateError)):
        Run([]).perform({name: json.loads(COMMANDS[name].example)})


# A recorder of the library


def run_of(recording: Recording) -> mscli.RecorderRun:
    recording.recorder.start()
    return mscli.RecorderRun(recording.recorder)


def test_a_recorder_is_paused_resumed_and_stopped(recording: Recording) -> None:
    run = run_of(recording)
    states = []
    for name in ("pause", "pause", "resume", "resume", "stop", "stop"):
        assert run.perform({name: True}) == {}
        states.append((run.paused, recording.recorder.state))
    assert states == [(True, "paused")] * 2 + [(False, "recording")] * 2 + [(False, "inactive")] * 2
    with pytest.raises(mscli.InvalidStateError):
        run.perform({"pause": True})
    assert recording.finish() == ["start", "pause", "resume", "dataavailable", "stop"]


def test_a_track_is_switched_off_and_on_by_its_kind_or_its_id(recording: Recording) -> None:
    run = run_of(recording)
    shown = []
    for switches in ({"video": False}, {recording.track.id: True}):
        run.perform({"enabled": switches})
        shown.append(recording.track.enabled)
    assert shown == [False, True]
    recording.recorder.stop()


def test_a_track_that_is_not_there_is_named_and_nothing_is_changed(recording: Recording) -> None:
    run = run_of(recording)
    with pytest.raises(TypeError, match="unknown track “audio”; use video, or the id of a track"):
        run.perform({"enabled": {"video": False, "audio": False}})
    assert recording.track.enabled
    recording.recorder.stop()


def test_constraints_are_applied_and_the_settings_answered(recording: Recording) -> None:
    run = run_of(recording)
    answer = run.perform({"applyConstraints": {"video": {"width": {"exact": 128}, "widht": 1}}})
    assert answer["settings"]["video"]["width"] == 128
    assert answer["ignored"] == ["video.widht"]
    with pytest.raises(mscli.OverconstrainedError) as refused:
        run.perform({"applyConstraints": {"video": {"width": {"exact": 9999}}}})
    assert refused.value.constraint == "width"
    with pytest.raises(TypeError):
        run.perform({"applyConstraints": {"video": {"frameRate": {"min": "fast"}}}})
    recording.recorder.stop()


def run_of_two(*cameras: mscli.MediaStreamTrack) -> mscli.RecorderRun:
    return RecorderRun(mscli.MediaRecorder(mscli.MediaStream(list(cameras))))


def test_constraints_that_one_of_two_cameras_refuses_change_neither() -> None:
    stage = Stage(silent(camera(0)), silent(camera(1, modes=MODES[:1])))
    large, small = (stage.track(deviceId={"exact": name}, width=64) for name in ("c0", "c1"))
    run, heard = run_of_two(large, small), Heard(large)
    for command in ({"video": {"width": {"exact": 128}}}, {large.id: {"width": 128}, small.id: {"width": {"exact": 128}}}):
        with pytest.raises(mscli.OverconstrainedError):
            run.perform({"applyConstraints": command})
        assert [(track.get_settings()["width"], track.get_constraints()["width"]) for track in (large, small)] == [(64, 64)] * 2
    assert run.perform({"applyConstraints": {large.id: {"width": 128}, small.id: {"width": 64}}})["settings"][large.id]
    assert large.get_settings()["width"] == 128
    assert heard.types == []
    stage.close()


def test_what_was_changed_before_a_camera_failed_is_put_back() -> None:
    stage = Stage(silent(camera(0)))
    whole, broken = stage.track(width={"exact": 64}), stage.devices.add_source(Unchangeable(), {"width": 64})
    with pytest.raises(mscli.NotReadableError, match="it is broken"):
        run_of_two(whole, broken).perform({"applyConstraints": {"video": {"width": {"exact": 128}}}})
    assert [track.get_settings()["width"] for track in (whole, broken)] == [64, 64]
    assert whole.get_constraints() == {"width": {"exact": 64}}
    assert device(whole).mode == mscli.Mode("GREY", 64, 48, 30)
    stage.close()


class Unchangeable(mscli.TrackSource):
    """A camera with two modes that fails when its mode is to be changed."""

    def __init__(self) -> None:
        super().__init__("video", "Unchangeable")

    def capabilities(self) -> mscli.Abilities:
        return mscli.Abilities([mscli.Mode("GREY", 64, 48, 30), mscli.Mode("GREY", 128, 72, 30)])

    def apply(self, change: Any) -> None:
        change.restore()
        raise mscli.NotReadableError("it is broken")


def test_a_track_that_has_ended_takes_no_constraints(recording: Recording) -> None:
    run = run_of(recording)
    recording.track.stop()
    with pytest.raises(mscli.InvalidStateError, match="has ended"):
        run.perform({"applyConstraints": {"video": {"width": 64}}})


def test_a_recording_without_triggers_refuses_one_and_continues(recording: Recording) -> None:
    run = run_of(recording)
    with pytest.raises(mscli.InvalidStateError, match="has no trigger"):
        run.perform({"trigger": True})
    push(recording.track, picture())
    run.perform({"stop": True})
    assert recording.finish() == ["start", "dataavailable", "stop"]
    assert recording.recorder.recording is not None
    assert recording.recorder.recording.error is None


def test_a_snapshot_is_the_next_picture(tmp_path: Path) -> None:
    backend = mscli.FakeBackend({"devices": [camera()]})
    with mscli.MediaDevices(backends=[backend]) as devices:
        stream = devices.get_user_media({"video": True})
        run = RecorderRun(mscli.MediaRecorder(stream))
        (tmp_path / "a-001.png").touch()
        assert run.perform({"snapshot": str(tmp_path / "a-%03d.png")}) == {"file": str(tmp_path / "a-002.png")}
        assert (tmp_path / "a-002.png").read_bytes()[:4] == b"\x89PNG"
        with pytest.raises(mscli.NotSupportedError, match=r"cannot write \.mkv pictures"):
            run.perform({"snapshot": str(tmp_path / "a.mkv")})
        with pytest.raises(mscli.OperationError, match="its folder does not exist"):
            run.perform({"snapshot": str(tmp_path / "none" / "a.png")})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-001.png", "a-002.png"]


def test_what_is_added_is_no_output_of_the_recording(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to("a.mkv")
    with mscli.MediaDevices(backends=[mscli.FakeBackend({"devices": [camera()]})]) as devices:
        stream = devices.get_user_media({"video": True})
        with mscli.MediaRecorder(stream, file=tmp_path / "a.mkv") as recorder:
            run = RecorderRun(recorder)
            for command, name in (("addOutput", "a.mkv"), ("addOutput", "../a.mkv"), ("snapshot", "a.png")):
                path = tmp_path / "sub" / name if name.startswith("..") else tmp_path / name
                (tmp_path / "sub").mkdir(exist_ok=True)
                with pytest.raises(TypeError, match="are the same output; name each output once"):
                    run.perform({command: str(path)})
    assert not (tmp_path / "sub" / "a.mkv").exists()


def test_sound_alone_has_no_snapshot(tmp_path: Path) -> None:
    with mscli.MediaDevices(backends=[mscli.FakeBackend({})]) as devices:
        run = RecorderRun(mscli.MediaRecorder(devices.get_user_media({"audio": True})))
        with pytest.raises(mscli.NotSupportedError, match="no camera is captured"):
            run.perform({"snapshot": str(tmp_path / "a.png")})
