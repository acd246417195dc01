"""A lost device: its tracks wait for it, move to another one, or end."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from threading import Event as Flag
from typing import Any

import pytest

import mscli
from mscli.api.nativeformats import CopiedFormats
from mscli.core.frames import AudioData
from mscli.core.limits import USUAL_TIMEOUTS, Timeouts
from mscli.sources import device as device_module
from mscli.sources.base import Device, Request, Source
from mscli.sources.fake.backend import FakeSource
from mscli.sources.reconnect import Reconnection
from tests.unit.lost import START_US, Pluggable, Scene
from tests.unit.stage import MODES, TIMEOUT_S, Stage, camera, device, microphone, picture, push, reader, silent, waiting

Lose = Callable[..., Scene]


@pytest.fixture
def lose(stage: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch) -> Lose:
    """Create a track on the first device (of two cameras by default) that delivers a frame and is then unplugged."""

    def scene(*described: dict[str, Any], **more: Any) -> Scene:
        devices = described or (camera(0), camera(1))
        one = Scene(stage(*map(silent, devices), backend=Pluggable), monkeypatch, **more)
        one.frame(0)
        one.unplug(0.1, devices[0]["deviceId"])
        return one

    return scene


# Waiting for the device


def test_a_device_that_returns_in_time_continues_its_track(lose: Lose) -> None:
    one = lose(reconnect_s=5)
    assert (one.track.muted, one.heard.types) == (True, ["mute"])
    assert one.heard.events[0].detail["reason"] == str(one.track.ended_error) == "it was unplugged"
    assert not one.reconnection(2)
    one.plug_in()
    assert one.reconnection(2.5)
    assert one.heard.types == ["mute"]
    one.frame(2.6)
    assert (one.track.muted, one.track.ready_state, one.heard.types) == (False, "live", ["mute", "unmute"])
    assert one.track.ended_error is None
    assert one.backend.opened == ["c0", "c0"]


def test_a_camera_that_returns_is_known_to_give_another_size_than_it_says(
    stage: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = camera(0, modes=[{"width": 32, "height": 24, "pixelFormat": "GREY"}])
    one = Scene(stage(silent(tiny), backend=Pluggable), monkeypatch, reconnect_s=5)
    push(one.track, picture(START_US, width=64))
    one.unplug(0.1)
    before = dict(one.track.get_settings())
    one.plug_in()
    assert one.reconnection(2)
    one.frame(2.1)
    assert (before["width"], one.track.get_settings()) == (64, before)
    assert one.heard.types == ["configurationchange", "mute", "unmute"]


def test_what_was_missed_is_black_from_end_to_end(lose: Lose) -> None:
    one = lose(reconnect_s=5)
    with reader(one.track) as frames:
        for look in range(2, 21):
            one.look(look / 10)
        one.plug_in()
        one.reconnection(2)
        one.look(2.1)
        one.frame(2.2)
        one.frame(2.23)
        got = waiting(frames)
    times = [frame.timestamp for frame in got]
    assert [frame.planes[0][0] for frame in got] == [0] * (len(got) - 2) + [200] * 2
    assert max(late - early for early, late in pairwise(times)) <= 66_667
    assert times[0] - START_US == 100_000


class Irregular(Pluggable):
    """Devices that may go without a frame for any time, as a screen does."""

    def open(self, device: Device, request: Request) -> Source:
        source = super().open(device, request)
        source.irregular = True
        return source


def test_an_irregular_source_is_black_only_while_it_is_lost(
    stage: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Scene(stage(silent(camera(0)), backend=Irregular), monkeypatch, reconnect_s=5)
    with reader(one.track) as frames:
        one.frame(0)
        one.look(4)
        assert one.heard.types == []
        one.unplug(4.1)
        one.look(5.01)
        got = waiting(frames)
    assert [frame.blank for frame in got] == [False] + [True] * 24  # up to a tenth of a second ago


@pytest.mark.parametrize("looks", [(), (1.9,), (1.9, 2.05), (1.9, 2.05, 2.15)])
def test_what_was_missed_is_black_and_never_lost_whenever_it_is_looked_at(lose: Lose, looks: tuple[float, ...]) -> None:
    one = lose(reconnect_s=5)
    with reader(one.track) as frames:
        one.plug_in()
        one.reconnection(2)
        for look in looks:
            one.look(look)
        for number in range(5):
            one.frame(2.2 + number / 30)
        got = waiting(frames)
    black = [frame for frame in got if frame.blank]
    assert (len(black), one.track.lost) == (63, 0)
    assert max(late.timestamp - early.timestamp for early, late in pairwise(got)) <= 66_667


def test_a_device_that_does_not_return_in_time_ends_the_track_with_what_happened(lose: Lose) -> None:
    one = lose(reconnect_s=5)
    assert not one.reconnection(5.05)
    assert one.reconnection(5.15)
    assert one.heard.types == ["mute", "ended"]
    assert str(one.track.ended_error) == "it was unplugged"


def test_a_device_that_is_not_ready_yet_is_tried_again(lose: Lose) -> None:
    one = lose(reconnect_s=5)
    one.plug_in()
    one.backend.busy.add("c0")
    assert not one.reconnection(1)
    one.backend.busy.clear()
    assert one.reconnection(1.5)
    one.frame(1.6)
    assert one.heard.types == ["mute", "unmute"]


@pytest.mark.parametrize("hanging", ["open", "start"])
def test_one_that_hangs_when_it_returns_is_asked_again_only_when_it_has_answered(
    lose: Lose, monkeypatch: pytest.MonkeyPatch, hanging: str
) -> None:
    one = lose(reconnect_s=50)
    one.plug_in()
    device(one.track).timeouts = Timeouts(first_s=0.01)
    asked: list[object] = []
    free = Flag()
    owner = Pluggable if hanging == "open" else FakeSource
    honest = getattr(owner, hanging)

    def hang(*given: Any) -> Any:
        asked.append(None)
        assert free.wait(TIMEOUT_S)
        return honest(*given)

    monkeypatch.setattr(owner, hanging, hang)
    assert [one.reconnection(at) for at in (1, 2, 3)] == [False] * 3
    assert len(asked) == 1
    free.set()
    device(one.track).timeouts = USUAL_TIMEOUTS
    one.stage.run_until(lambda: not device(one.track).handle.owes)
    one.stage.run_until(lambda: one.reconnection(4))
    assert len(asked) >= 2
    one.frame(5)
    assert one.heard.types == ["mute", "unmute"]


def test_another_device_is_not_the_same(lose: Lose) -> None:
    one = lose(reconnect_s=5)
    assert not one.reconnection(1)
    assert one.backend.opened == ["c0"]


def test_the_deadline_holds_until_there_is_a_frame(lose: Lose) -> None:
    one = lose(reconnect_s=5)
    one.plug_in()
    assert one.reconnection(1)
    one.unplug(2)
    assert (len(one.reconnections), one.heard.types) == (2, ["mute"])
    assert not one.reconnection(5.05)
    assert one.reconnection(5.15)
    assert one.heard.types == ["mute", "ended"]


def test_every_loss_has_its_own_time(lose: Lose) -> None:
    one = lose(reconnect_s=5)
    for number in range(3):
        one.plug_in()
        assert one.reconnection(4 * number + 3)
        one.frame(4 * number + 3.5)
        one.unplug(4 * number + 4)
    assert one.heard.types == [*["mute", "unmute"] * 3, "mute"]


def test_a_device_that_stalls_for_too_long_is_opened_again(lose: Lose, stage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Scene(stage(silent(camera()), backend=Pluggable), monkeypatch, reconnect_s=5)
    one.frame(0)
    for look in range(9, 30):
        one.look(look / 10)
    assert len(one.reconnections) == 1
    assert one.reconnection(3)
    one.frame(3.1)
    assert (one.backend.opened, one.heard.types) == (["c0", "c0"], ["mute", "unmute"])


def test_clones_wait_together(lose: Lose) -> None:
    one = lose(reconnect_s=5)
    clone = one.track.clone()
    one.plug_in()
    one.reconnection(1)
    one.frame(1.1)
    assert (one.track.muted, clone.muted, one.backend.opened) == (False, False, ["c0", "c0"])


def test_a_track_that_is_stopped_in_between_leaves_the_device_alone(lose: Lose) -> None:
    one = lose(reconnect_s=5)
    one.track.stop()
    one.plug_in()
    assert one.reconnection(1)
    assert one.stage.track(deviceId={"exact": "c0"}).ready_state == "live"


def test_a_microphone_is_waited_for_too(lose: Lose) -> None:
    one = lose(microphone(), kind="audio", reconnect_s=5)
    with reader(one.track) as blocks:
        one.look(0.5)
        assert {bytes(block.data) for block in waiting(blocks)} == {bytes(960)}
        one.plug_in("m0")
        assert one.reconnection(1)
        one.frame(1.1)
        one.frame(1.11)
        assert sum(block.number_of_frames for block in waiting(blocks) if block.blank) == (1100 - 400) * 48
    assert (one.heard.types, one.track.lost) == (["mute", "unmute"], (100 - 10) * 48)  # before it was reported


def test_the_privacy_switch_is_read_again(lose: Lose) -> None:
    one = lose(reconnect_s=5)
    one.plug_in()
    one.reconnection(1)
    device(one.track).on_muted(True)
    one.frame(1.1)
    one.unplug(2)
    one.plug_in()
    one.reconnection(3)
    one.frame(3.1)
    assert (one.track.muted, one.heard.types) == (False, ["mute", "unmute"])


def test_one_that_is_stopped_while_it_returns_is_given_back_within_a_bound(lose: Lose, monkeypatch: pytest.MonkeyPatch) -> None:
    one = lose(reconnect_s=5)
    one.plug_in()
    free, live = Flag(), device(one.track)
    take = live._open

    def take_late(*asked: Any) -> Any:
        opened = take(*asked)
        one.track.stop()
        monkeypatch.setattr(opened.source, "stop", lambda: free.wait(TIMEOUT_S))
        return opened

    monkeypatch.setattr(device_module, "STOP_S", 0.01)
    monkeypatch.setattr(live, "_open", take_late)
    assert one.reconnection(1)
    assert "was left behind" in live.handle.left_behind
    free.set()


def test_a_reconnection_ends_with_the_last_track_and_closing_waits_for_it(
    stage: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, ended = Flag(), Flag()
    run, pause_s = Reconnection._run, Reconnection._pause_s

    def run_noted(reconnection: Reconnection) -> None:
        run(reconnection)
        ended.set()

    def pause_noted(reconnection: Reconnection, *, notified: bool) -> float:
        looked.set()
        return pause_s(reconnection, notified=notified)

    monkeypatch.setattr(Reconnection, "_run", run_noted)
    monkeypatch.setattr(Reconnection, "_pause_s", pause_noted)
    one = stage(silent(camera()), backend=Pluggable)
    (track,) = one.devices.get_user_media({"video": True}, reconnect_s=3600).get_tracks()
    assert isinstance(one.backend, Pluggable)
    one.backend.away.add("c0")
    device(track).on_ended(mscli.NotReadableError("it was unplugged"))
    assert looked.wait(TIMEOUT_S)
    track.stop()
    one.close()
    assert ended.is_set()


def test_closing_ends_what_is_waited_for(lose: Lose) -> None:
    one = lose(reconnect_s=5)
    one.stage.devices.close()
    one.stage.tasks.run_tasks()
    assert one.track.ready_state == "ended"
    one.plug_in()
    assert one.reconnection(1)
    assert one.backend.opened == ["c0"]


# Another device


def test_another_device_takes_its_place_at_once(lose: Lose) -> None:
    one = lose(fallback=True)
    assert one.reconnection(0.1)
    assert one.heard.types == ["mute", "configurationchange"]
    assert one.heard.events[1].detail["settings"]["deviceId"] == "c1"
    assert (one.track.label, one.track.get_settings()["deviceId"]) == ("Camera 1", "c1")
    one.frame(0.5)
    assert (one.track.muted, one.heard.types[-1]) == (False, "unmute")


def test_a_replacement_is_reported_before_its_first_frame(lose: Lose, monkeypatch: pytest.MonkeyPatch) -> None:
    one = lose(fallback=True)
    clock = one.stage.clock
    monkeypatch.setattr(FakeSource, "start", lambda _, receiver: receiver.on_frame(picture(clock.now_us(), 128, 72)))
    assert one.reconnection(0.1)
    assert one.heard.types == ["mute", "configurationchange", "unmute"]


def test_its_frames_begin_after_those_that_were_shown(lose: Lose) -> None:
    one = lose(fallback=True)
    one.look(0.5)
    shown_us = device(one.track).newest_us
    one.reconnection(0.5)
    assert one.track.settings_timestamp == shown_us + 1 > START_US


def test_the_replacement_keeps_the_settings(lose: Lose) -> None:
    large = [{"width": 640, "height": 480, "pixelFormat": "GREY"}]
    one = lose(camera(0), camera(1, modes=large), fallback=True, asked={"width": {"max": 64}})
    one.reconnection(0.1)
    settings = one.track.get_settings()
    assert (settings["width"], settings["height"], settings["deviceId"]) == (64, 48, "c1")


def test_sound_stays_what_it_was_although_the_other_microphone_cannot_give_that(lose: Lose) -> None:
    other = microphone(1, sampleRates=[16000], sampleSizes=[8], channelCounts=[1])
    one = lose(microphone(0, sampleRates=[48000], channelCounts=[2], sampleSizes=[16]), other, kind="audio", fallback=True)
    was = one.track.get_settings()
    with reader(one.track) as blocks:
        one.reconnection(0.1)
        for number in range(20):
            at_us = one.track.settings_timestamp + 10_000 * number
            push(one.track, AudioData("u8", 16000, 160, 1, at_us, memoryview(bytes(160)), 160 * number))
        got = waiting(blocks)
    assert {(block.format, block.sample_rate, block.number_of_channels) for block in got} == {("s16", 48000, 2)}
    settings = one.track.get_settings()
    assert settings["deviceId"] == "m1"
    assert {name: settings[name] for name in ("sampleRate", "channelCount", "sampleSize")} == {
        name: was[name] for name in ("sampleRate", "channelCount", "sampleSize")
    }


def test_it_satisfies_the_constraints(lose: Lose) -> None:
    small = [{"width": 32, "height": 24, "pixelFormat": "GREY"}]
    one = lose(camera(0), camera(1, modes=small), camera(2), fallback=True, asked={"width": {"min": 64}})
    one.reconnection(0.1)
    assert one.track.label == "Camera 2"


def test_if_none_does_the_track_ends(lose: Lose) -> None:
    small = [{"width": 32, "height": 24, "pixelFormat": "GREY"}]
    one = lose(camera(0), camera(1, modes=small), fallback=True, asked={"width": {"min": 64}})
    assert one.reconnection(0.1)
    assert one.heard.types == ["mute", "ended"]
    assert str(one.track.ended_error) == "it was unplugged"


def encoding(number: int, pixel_format: str) -> dict[str, Any]:
    return camera(number, modes=[{"width": 64, "height": 48, "pixelFormat": pixel_format}])


@pytest.mark.parametrize("other", ["YUYV", "H264"])
def test_the_replacement_keeps_a_copied_format(lose: Lose, other: str) -> None:
    cameras = encoding(0, "MJPEG"), encoding(1, other), encoding(2, "MJPEG")
    one = lose(*cameras, fallback=True, pixel_formats=CopiedFormats(("H264", "MJPEG")), asked={"deviceId": "c0"})
    one.reconnection(0.1)
    assert (one.track.label, one.track.pixel_format) == ("Camera 2", "MJPEG")


def test_where_its_pictures_are_copied_and_none_can_be_the_track_ends(lose: Lose) -> None:
    one = lose(encoding(0, "MJPEG"), encoding(1, "YUYV"), fallback=True, pixel_formats=CopiedFormats(("MJPEG",)))
    assert one.reconnection(0.1)
    assert one.heard.types == ["mute", "ended"]


def test_one_that_does_not_open_or_start_is_passed_over(lose: Lose) -> None:
    one = lose(camera(0), camera(1), camera(2), fallback=True)
    one.backend.busy.add("c1")
    one.reconnection(0.1)
    assert one.track.label == "Camera 2"


def test_a_track_that_is_stopped_while_another_device_is_opened_leaves_that_alone(
    lose: Lose, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = lose(fallback=True)
    opened: list[Any] = []
    take = one.backend.open

    def take_late(*asked: Any) -> Source:
        one.track.stop()
        opened.append(take(*asked))
        return opened[-1]  # type: ignore[no-any-return]

    monkeypatch.setattr(one.backend, "open", take_late)
    assert one.reconnection(0.1)
    assert [source.released for source in opened] == [True]
    assert one.stage.track(deviceId={"exact": "c1"}).ready_state == "live"


def test_the_same_one_is_waited_for_first(lose: Lose) -> None:
    one = lose(reconnect_s=5, fallback=True)
    assert not one.reconnection(1)
    assert one.track.label == "Camera 0"
    assert one.reconnection(5.15)
    assert one.track.label == "Camera 1"


def test_clones_move_together(lose: Lose) -> None:
    one = lose(fallback=True)
    clone = one.track.clone()
    one.reconnection(0.1)
    assert (device(one.track) is device(clone), clone.label) == (True, "Camera 1")
    one.frame(0.2)
    assert (one.track.muted, clone.muted) == (False, False)


def test_a_camera_that_runs_for_another_track_is_shared(lose: Lose) -> None:
    one = lose(camera(0, modes=MODES[:1]), camera(1, modes=MODES[:1]), fallback=True)
    other = one.stage.track(deviceId={"exact": "c1"})
    one.reconnection(0.1)
    assert device(one.track) is device(other)
    assert (one.track.muted, one.heard.types) == (False, ["mute", "configurationchange", "unmute"])
    one.track.stop()
    assert other.ready_state == "live"


def test_without_either_the_track_ends_at_once(lose: Lose) -> None:
    one = lose()
    assert (one.heard.types, one.reconnections) == (["ended"], [])
