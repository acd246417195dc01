"""MediaDevices: what it lists, what getUserMedia chooses and refuses, and that nothing stays open."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

import mscli
from mscli.sources.base import DEVICE_KINDS, Abilities, Device, Request, Source
from tests.unit.stage import Heard, Stage, camera, device, microphone
from tests.untyped import untyped

SPEAKER = {"kind": "audiooutput", "deviceId": "s0", "label": "Speaker"}
HD = [{"width": 1280, "height": 720, "pixelFormat": "GREY"}]

Setting = Callable[..., Stage]


def faulty(device: dict[str, Any], **faults: Any) -> dict[str, Any]:
    """Return the device with faults."""
    return {**device, "faults": faults}


def chosen(stage: Stage, **constraints: Any) -> str:
    """Return the id of the track's device."""
    ((kind, asked),) = constraints.items()
    device_id: str = stage.track(kind, **asked).get_settings()["deviceId"]
    return device_id


# Devices


def test_microphones_come_before_cameras_and_speakers_and_defaults_first(stage: Setting) -> None:
    found = stage(SPEAKER, camera(0), microphone(0), camera(1), microphone(1)).devices.enumerate_devices()
    assert [info.device_id for info in found] == ["m0", "m1", "c0", "c1", "s0"]
    assert [info.default for info in found] == [True, False, True, False, True]


def test_a_machine_without_devices_lists_none(stage: Setting) -> None:
    assert stage().devices.enumerate_devices() == []


def test_devices_come_and_go(stage: Setting) -> None:
    here = stage(camera(0), faulty(camera(1), appearAfterSeconds=5))
    assert [info.device_id for info in here.devices.enumerate_devices()] == ["c0"]
    here.clock.jump(5)
    assert [info.device_id for info in here.devices.enumerate_devices()] == ["c0", "c1"]


def test_a_backend_that_fails_hides_no_other() -> None:
    class Broken(mscli.FakeBackend):
        def devices(self, kinds: Sequence[str] = DEVICE_KINDS) -> list[Device]:
            raise mscli.NotReadableError("the sound server does not answer")

    with mscli.MediaDevices(backends=[Broken({}), mscli.FakeBackend({"devices": [camera()]})]) as devices:
        assert [info.device_id for info in devices.enumerate_devices()] == ["c0"]
        assert devices.problems() == ["the sound server does not answer"]


# The order of failures


def test_a_type_error_comes_before_anything_else(stage: Setting) -> None:
    here = stage()
    here.devices.close()
    for constraints in (None, {}, {"video": {"frameRate": "x"}}):
        with pytest.raises(TypeError):
            here.devices.get_user_media(untyped(constraints))


def test_no_device_of_the_kind_comes_before_constraints_that_cannot_hold(stage: Setting) -> None:
    with pytest.raises(mscli.NotFoundError, match="no camera found"):
        stage(microphone()).track("video", deviceId={"exact": "x"})


def test_an_impossible_constraint_is_reported_before_a_device_is_opened(stage: Setting) -> None:
    here = stage(faulty(microphone(), busy=True), camera())
    with pytest.raises(mscli.OverconstrainedError) as caught:
        here.devices.get_user_media({"audio": True, "video": {"width": {"exact": 5000}}})
    assert caught.value.constraint == "width"


def test_a_missing_kind_is_reported_before_a_device_is_opened(stage: Setting) -> None:
    with pytest.raises(mscli.NotFoundError, match="no camera found"):
        stage(faulty(microphone(), denied=True)).devices.get_user_media({"audio": True, "video": True})


def test_constraints_that_cannot_hold_come_before_permission(stage: Setting) -> None:
    with pytest.raises(mscli.OverconstrainedError):
        stage(faulty(camera(), denied=True)).track(width={"exact": 5000})


def test_a_denied_device_alone_is_not_allowed(stage: Setting) -> None:
    with pytest.raises(mscli.NotAllowedError, match="Camera 0"):
        stage(faulty(camera(), denied=True)).track()


def test_a_denied_device_that_was_asked_for_is_not_allowed(stage: Setting) -> None:
    with pytest.raises(mscli.NotAllowedError):
        stage(faulty(camera(0), denied=True), camera(1)).track(deviceId={"exact": "c0"})


@pytest.mark.parametrize("fault", ["busy", "denied"])
def test_a_device_that_cannot_be_opened_is_passed_over_and_the_reason_kept(stage: Setting, fault: str) -> None:
    track = stage(faulty(camera(0), **{fault: True}), camera(1)).track()
    assert track.label == "Camera 1"
    assert [error.name for error in track.passed_over] == [{"busy": "NotReadableError", "denied": "NotAllowedError"}[fault]]


class Placed(mscli.FakeBackend):
    """A backend whose devices have paths."""

    def devices(self, kinds: Sequence[str] = DEVICE_KINDS) -> list[Device]:
        return [device._replace(path=f"/dev/{device.device_id}") for device in super().devices(kinds)]


@pytest.mark.parametrize("fault", ["busy", "errorOnStart"])
@pytest.mark.parametrize(("other", "place"), [("Camera 0", "/dev/c0: "), ("Other", "")])
def test_a_skipped_device_with_a_common_name_is_reported_by_its_path(
    stage: Setting, fault: str, other: str, place: str
) -> None:
    here = stage(faulty(camera(0), **{fault: True}), camera(1, label=other), backend=Placed)
    (error,) = here.track().passed_over
    assert str(error).startswith(place)
    assert "“Camera 0”" in str(error)


def test_a_busy_device_that_alone_fits_is_not_readable(stage: Setting) -> None:
    here = stage(faulty(camera(0, modes=HD), busy=True), camera(1))
    with pytest.raises(mscli.NotReadableError, match="“Camera 0” is in use by another program"):
        here.track(width={"exact": 1280})


def test_busy_comes_before_denied_when_nothing_is_left(stage: Setting) -> None:
    with pytest.raises(mscli.NotReadableError):
        stage(faulty(camera(0), denied=True), faulty(camera(1), busy=True)).track()


def test_what_fails_on_different_devices_is_no_single_constraint(stage: Setting) -> None:
    with pytest.raises(mscli.OverconstrainedError) as caught:
        stage(camera(0), camera(1, modes=HD)).track(deviceId={"exact": "c0"}, width={"min": 1280})
    assert caught.value.constraint == ""
    assert caught.value.conflict == ("deviceId", "width")


def test_an_unknown_device_id_is_named(stage: Setting) -> None:
    with pytest.raises(mscli.OverconstrainedError) as caught:
        stage(camera(0), camera(1)).track(deviceId={"exact": "nope"}, width={"exact": 64})
    assert caught.value.constraint == "deviceId"


class Slippery(mscli.FakeBackend):
    """A backend whose first camera vanishes after it was chosen and before it is opened."""

    def open(self, device: Device, request: Request) -> Source:
        if device.device_id == "c0":
            self._vanish(device.handle)
        return super().open(device, request)


@pytest.mark.parametrize(
    ("cameras", "constraints"), [(1, {}), (1, {"deviceId": {"exact": "c0"}}), (2, {"deviceId": {"exact": "c0"}})]
)
def test_a_device_that_vanishes_before_it_is_opened_is_not_readable(
    stage: Setting, cameras: int, constraints: dict[str, Any]
) -> None:
    here = stage(*map(camera, range(cameras)), backend=Slippery)
    with pytest.raises(mscli.NotReadableError, match="“Camera 0” was unplugged"):
        here.track(**constraints)


def test_a_device_that_vanishes_before_it_is_opened_is_passed_over_for_the_next(stage: Setting) -> None:
    track = stage(camera(0), camera(1), backend=Slippery).track()
    assert track.label == "Camera 1"
    assert [error.message for error in track.passed_over] == ["“Camera 0” was unplugged"]


# The choice of a device


def test_the_default_device_is_chosen_when_nothing_is_asked(stage: Setting) -> None:
    assert chosen(stage(camera(0), camera(1)), video={}) == "c0"


def test_candidates_of_all_devices_compete(stage: Setting) -> None:
    here = stage(camera(0), camera(1, modes=HD, facingMode="environment"), camera(2))
    assert chosen(here, video={"width": 1280}) == "c1"
    assert chosen(here, video={"facingMode": "environment"}) == "c1"
    assert chosen(here, video={"deviceId": ["nope", "c2"]}) == "c2"
    assert chosen(here, video={"advanced": [{"deviceId": "c2"}]}) == "c2"


def test_negotiating_opens_nothing(stage: Setting) -> None:
    here = stage(faulty(camera(), busy=True), microphone())
    choices = here.devices.negotiate({"video": True, "audio": True})
    assert [(choice.kind, choice.device.device_id) for choice in choices] == [("audio", "m0"), ("video", "c0")]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("mscli-")]


# Nothing stays open


def test_when_one_kind_fails_to_start_the_other_is_given_back(stage: Setting) -> None:
    here = stage(camera(), faulty(microphone(), errorOnStart=True))
    with pytest.raises(mscli.NotReadableError, match="Microphone 0"):
        here.devices.get_user_media({"audio": True, "video": True})
    assert here.track(width={"exact": 128}).ready_state == "live"


def test_when_preparing_fails_the_devices_are_given_back(stage: Setting) -> None:
    here = stage(camera())

    def fail(stream: mscli.MediaStream) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        here.devices.get_user_media({"video": True}, prepare=fail)
    assert here.track().ready_state == "live"


def test_the_stream_is_prepared_before_its_devices_run(stage: Setting) -> None:
    here = stage(camera())
    seen: list[bool] = []
    here.devices.get_user_media({"video": True}, prepare=lambda stream: seen.append(device(stream.get_tracks()[0]).started))
    assert seen == [False]


def test_a_device_is_given_back_with_its_last_track(stage: Setting) -> None:
    here = stage(camera())
    first, second = here.track(), here.track(width={"exact": 32})
    first.stop()
    assert second.ready_state == "live"
    with pytest.raises(mscli.NotReadableError, match="in use by this program"):
        open_elsewhere(here)
    second.stop()
    open_elsewhere(here).stop()


def open_elsewhere(stage: Stage) -> Any:
    """Open the camera outside the MediaDevices."""
    from tests.backends.rig import first_request

    (device,) = stage.backend.devices()
    return stage.backend.open(device, first_request(stage.backend, device))


# Closing


def test_closing_ends_the_tracks_without_an_event_as_stop_does_and_leaves_no_thread(stage: Setting) -> None:
    here = stage(camera(), microphone())
    stream = here.devices.get_user_media({"video": True, "audio": True})
    heard = [Heard(track) for track in stream.get_tracks()]
    here.devices.close()
    here.tasks.run_tasks()
    assert [one.types for one in heard] == [[], []]
    assert {track.ready_state for track in stream.get_tracks()} == {"ended"}
    assert not stream.active
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("mscli-")]


def test_after_closing_everything_is_an_invalid_state(stage: Setting) -> None:
    here = stage(camera())
    here.devices.close()
    here.devices.close()
    for use in (here.devices.enumerate_devices, lambda: here.devices.get_user_media({"video": True})):
        with pytest.raises(mscli.InvalidStateError):
            use()


def test_without_a_loop_of_the_caller_a_thread_runs_the_events() -> None:
    ended = threading.Event()
    names: list[str] = []

    def on_ended(event: mscli.Event) -> None:
        names.append(threading.current_thread().name)
        ended.set()

    with mscli.MediaDevices(backends=[mscli.FakeBackend({"devices": [faulty(camera(), vanishAfterFrames=1)]})]) as devices:
        stream = devices.get_user_media(  # held, because a track without a reference ends without an event
            {"video": True}, prepare=lambda stream: stream.get_tracks()[0].add_event_listener("ended", on_ended)
        )
        assert ended.wait(20)
        assert not stream.active
    assert names == ["mscli-events"]


def test_a_camera_that_vanishes_at_once_leaves_no_thread_and_is_reported() -> None:
    for _ in range(20):
        test_without_a_loop_of_the_caller_a_thread_runs_the_events()
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("mscli-")]


def test_media_devices_may_be_closed_by_a_listener() -> None:
    closed = threading.Event()
    desc = {"devices": [faulty(camera(), vanishAfterFrames=1)]}
    devices = mscli.MediaDevices(backends=[mscli.FakeBackend(desc)])

    def close(event: mscli.Event) -> None:
        devices.close()
        closed.set()

    stream = devices.get_user_media(
        {"video": True}, prepare=lambda stream: stream.get_tracks()[0].add_event_listener("ended", close)
    )
    assert closed.wait(20)
    assert not stream.active


def test_a_camera_that_tells_no_mode_is_passed_over_and_named_if_there_is_no_other(stage: Setting) -> None:
    class Mute(mscli.FakeBackend):
        def abilities(self, device: Device) -> Abilities:
            return Abilities() if device.device_id == "c0" else super().abilities(device)

    here = stage(camera(0), camera(1), backend=Mute)
    track = here.track()
    assert track.label == "Camera 1"
    assert [str(error) for error in track.passed_over] == ["camera “Camera 0” reports no modes"]
    with pytest.raises(mscli.NotReadableError, match="reports no modes"):
        stage(camera(0), backend=Mute).track()


def test_a_denied_device_is_reported_before_a_busy_one(stage: Setting) -> None:
    here = stage(camera(faults={"denied": True}), microphone(faults={"busy": True}))
    with pytest.raises(mscli.NotAllowedError):
        here.devices.get_user_media({"audio": True, "video": True})


def test_what_no_device_may_be_selected_by_cannot_be_required(stage: Setting) -> None:
    with pytest.raises(TypeError, match="backgroundBlur cannot be required"):
        stage(camera()).track(backgroundBlur={"exact": True})
    with pytest.raises(mscli.NotFoundError):
        stage().track(backgroundBlur={"exact": True})


def test_a_track_without_constraints_gives_way_to_one_that_has_some(stage: Setting) -> None:
    modes = [{"width": 640, "height": 480, "frameRate": 30}, {"width": 1280, "height": 720, "frameRate": 5}]
    here = stage(camera(modes=modes))
    first, second = here.track(), here.track(width={"exact": 1280})
    assert (second.get_settings()["width"], first.get_settings()["frameRate"]) == (1280, 5)
    assert (first.get_settings()["width"], first.get_settings()["height"]) == (640, 480)
    with pytest.raises(mscli.OverconstrainedError):
        here.track(frameRate={"exact": 30})


@pytest.mark.parametrize("seconds", [-1.0, 1e10, 1e300, float("inf"), float("nan")])
def test_a_time_that_no_clock_can_count_is_a_type_error(stage: Setting, seconds: float) -> None:
    devices = stage(camera()).devices
    for asked in ({"timeout_s": (seconds, 2.0)}, {"timeout_s": (5.0, seconds)}, {"reconnect_s": seconds}):
        given: dict[str, Any] = dict(asked)
        with pytest.raises(TypeError, match=f"^{next(iter(asked))} must be from 0 to 1000000000 seconds"):
            devices.get_user_media({"video": True}, **given)
