"""What becomes of a device that stops giving frames, stops answering, or is gone; every instant is the test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from threading import Event as Flag
from typing import Any

import pytest

import mscli
from mscli.api import driver
from mscli.api.stopgap import BEHIND_US
from mscli.core.mailbox import Mailbox
from mscli.sources.base import NO_SIGNAL, SWITCHED_OFF, Device, Receiver, Request, Source
from tests.unit.lost import START_US, Scene
from tests.unit.stage import MODES, PATIENCE_S, Stage, camera, microphone, picture, push, reader, silent, waiting

Setting = Callable[..., Stage]
FRAME_US = 33_333


@pytest.fixture
def watched(stage: Setting, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Scene]:
    """A camera, or what is described, with its track."""

    def open_track(described: dict[str, Any] | None = None, **more: Any) -> Scene:
        return Scene(stage(silent(described or camera())), monkeypatch, **more)

    return open_track


def levels(frames: list[Any]) -> list[int]:
    return [frame.planes[0][0] for frame in frames]


# Muted


def test_a_device_without_frames_is_muted_within_a_second_and_frames_unmute_it(watched: Callable[..., Scene]) -> None:
    one = watched()
    one.frame(0)
    one.look(0.7)
    assert one.heard.types == []
    one.look(0.9)
    assert (one.track.muted, one.heard.types) == (True, ["mute"])
    assert "“Camera 0” gives no more frame" in one.heard.events[0].detail["reason"]
    one.frame(1.1)
    assert (one.track.muted, one.heard.types) == (False, ["mute", "unmute"])


def test_a_muted_camera_gives_black_at_its_rate_and_in_time(watched: Callable[..., Scene]) -> None:
    one = watched()
    with reader(one.track) as frames:
        one.frame(0)
        for look in range(9, 26):
            one.look(look / 10)
        got = waiting(frames)
    shown, black = got[0], got[1:]
    assert levels(got) == [200] + [0] * len(black)
    assert [frame.timestamp - START_US for frame in black] == [round(900_000 + n * 100_000 / 3) for n in range(len(black))]
    assert 0 <= 2_500_000 - BEHIND_US - (black[-1].timestamp - START_US) <= 2 * FRAME_US
    assert {(f.format, f.display_width, f.display_height) for f in black} == {(shown.format, 128, 72)}
    assert [frame.blank for frame in got] == [False] + [True] * len(black)


def test_a_muted_microphone_gives_silence_in_its_blocks(watched: Callable[..., Scene]) -> None:
    one = watched(microphone(), kind="audio")
    with reader(one.track) as blocks:
        one.frame(0, level=1)
        one.look(0.9)
        one.look(1.2)
        got = waiting(blocks)
    assert [bytes(block.data[:2]) for block in got] == [b"\1\1"] + [b"\0\0"] * 20
    assert [block.timestamp - START_US for block in got[1:]] == [900_000 + 10_000 * n for n in range(20)]
    assert {block.data.nbytes for block in got} == {960}
    assert [block.blank for block in got] == [False] + [True] * 20


def test_the_first_frame_after_black_is_never_older_than_that(watched: Callable[..., Scene]) -> None:
    one = watched()
    with reader(one.track) as frames:
        one.frame(0)
        one.look(0.9)
        one.look(1.5)
        one.frame(1.6, early_us=500_000)
        one.frame(1.7)
        got = waiting(frames)
    times = [frame.timestamp for frame in got]
    assert times == sorted(times)
    assert [frame.blank for frame in got] == [False] + [True] * (len(got) - 2) + [False]
    assert one.track.lost == 0  # the black in its place is counted


def test_a_frame_that_ends_a_mute_before_there_is_black_is_shown(watched: Callable[..., Scene]) -> None:
    one = watched()
    with reader(one.track) as frames:
        one.frame(0)
        one.look(0.9)
        one.frame(0.95, level=77, early_us=60_000)
        assert levels(waiting(frames)) == [200, 77]


def test_no_picture_of_h264_is_left_out_for_black_in_its_time(watched: Callable[..., Scene]) -> None:
    one = watched()
    mailbox = Mailbox()
    one.track.open_lane(mailbox)
    one.frame(0)
    one.look(0.9)
    one.look(1.5)
    for number, at_us in enumerate((1_300_000, 1_333_333, 1_366_667, 1_500_000)):
        chunk = replace(picture(START_US + at_us, level=number), format="H264", strides=(0,), key=number == 0)
        push(one.track, chunk)
    got: list[Any] = [taken.frame for taken in iter(lambda: mailbox.take(0), None)]
    black, late = got[-5], got[-4:]
    assert (black.blank, levels(late), [frame.key for frame in late]) == (True, [0, 1, 2, 3], [True, False, False, False])
    assert 0 <= late[0].timestamp - black.timestamp - FRAME_US <= 1
    assert [after.timestamp - before.timestamp for before, after in pairwise(late[:3])] == [1000, 1000]
    assert late[3].timestamp == START_US + 1_500_000


def test_frames_that_come_again_are_shown(watched: Callable[..., Scene]) -> None:
    one = watched()
    one.frame(0)
    one.look(0.9)
    one.frame(1)
    with reader(one.track) as frames:
        one.frame(1.03, level=77)
        assert levels(waiting(frames)) == [77]


def test_waiting_for_the_first_frame_is_not_muted(watched: Callable[..., Scene]) -> None:
    one = watched()
    one.look(4)
    assert not one.track.muted


def test_a_slow_camera_is_given_time(watched: Callable[..., Scene]) -> None:
    one = watched(camera(modes=[{**MODES[0], "frameRate": 0.5}]))
    one.frame(0)
    one.look(5)
    assert not one.track.muted


def test_a_track_on_a_muted_device_is_muted_from_the_beginning(watched: Callable[..., Scene]) -> None:
    one = watched()
    one.frame(0)
    one.look(1)
    assert one.stage.track().muted
    assert one.track.clone().muted


def test_a_privacy_switch_mutes_while_frames_go_on(watched: Callable[..., Scene]) -> None:
    one = watched()
    with reader(one.track) as frames:
        one.frame(0)
        for muted in (True, False):
            one.track.live.on_muted(muted)
            one.stage.tasks.run_tasks()
            one.frame(0.1 if muted else 0.2)
            one.frame(0.15 if muted else 0.25)
        assert levels(waiting(frames)) == [200, 0, 0, 200, 200]
    assert one.heard.types == ["mute", "unmute"]
    assert one.heard.events[0].detail["reason"] == "the privacy switch of the camera “Camera 0” is on"


@pytest.mark.parametrize("cause", [SWITCHED_OFF, NO_SIGNAL])
def test_a_camera_that_is_switched_off_or_has_no_signal_is_never_given_up(watched: Callable[..., Scene], cause: str) -> None:
    one = watched()
    one.track.live.on_muted(True, cause)
    one.look(60)
    one.frame(61)
    one.look(120)
    one.track.live.on_muted(False, cause)
    one.look(120.1)
    one.frame(120.2)
    assert (one.track.ready_state, one.heard.types) == ("live", ["mute", "unmute"])


def test_a_lost_signal_is_black_in_time_until_it_is_there_again(watched: Callable[..., Scene]) -> None:
    one = watched()
    with reader(one.track) as frames:
        one.frame(0)
        one.track.live.on_muted(True, NO_SIGNAL)
        for tenths in range(31):
            one.look(tenths / 10)
        one.track.live.on_muted(False, NO_SIGNAL)
        one.frame(3.1)
        one.frame(3.2)
        shown = waiting(frames)
    assert levels(shown) == [200, *[0] * (len(shown) - 3), 200, 200]
    assert max(after.timestamp - before.timestamp for before, after in pairwise(shown[1:])) < 250_000
    assert one.heard.types == ["mute", "unmute"]
    assert one.heard.events[0].detail["reason"] == "the camera “Camera 0” gets no signal"


def test_a_device_that_is_muted_for_two_causes_is_so_until_both_are_over(watched: Callable[..., Scene]) -> None:
    one = watched()
    one.frame(0)
    for muted, cause in ((True, SWITCHED_OFF), (True, NO_SIGNAL), (False, SWITCHED_OFF)):
        one.track.live.on_muted(muted, cause)
    one.stage.tasks.run_tasks()
    assert (one.track.muted, one.heard.types) == (True, ["mute"])
    one.track.live.on_muted(False, NO_SIGNAL)
    one.stage.tasks.run_tasks()
    assert (one.track.muted, one.heard.types) == (False, ["mute", "unmute"])


# Given up


@pytest.mark.parametrize(("timeout_s", "first", "then"), [((5.0, 2.0), 5, 2.8), ((0.5, 10.0), 0.5, 10.8)])
def test_a_device_is_given_up_when_its_time_is_over(
    watched: Callable[..., Scene], timeout_s: tuple[float, float], first: float, then: float
) -> None:
    never, once = watched(timeout_s=timeout_s), watched(timeout_s=timeout_s)
    never.look(first - 0.1)
    assert never.heard.types == []
    never.look(first + 0.1)
    assert never.heard.types == ["ended"]
    assert f"the camera “Camera 0” gave no frame within {first:g} s" in str(never.track.ended_error)
    once.frame(0)
    once.look(then - 0.1)
    assert once.heard.types == ["mute"]
    once.look(then + 0.1)
    assert once.heard.types == ["mute", "ended"]
    assert f"gave no more frame within {then:g} s" in once.heard.events[-1].detail["reason"]


def test_a_stall_of_two_seconds_is_survived(watched: Callable[..., Scene]) -> None:
    one = watched()
    one.frame(0)
    for look in range(1, 21):
        one.look(look / 10)
    one.frame(2.034)
    assert (one.track.ready_state, one.heard.types) == ("live", ["mute", "unmute"])


# A driver that keeps whoever asks it


class Stuck(mscli.FakeBackend):
    """Devices that hang in one call until the test lets them go."""

    def __init__(self, *described: Any, **more: Any) -> None:
        super().__init__(*described, **more)
        self.hangs_in = ""
        self.free = Flag()
        self.stopped = Flag()
        self.receivers: list[Receiver] = []

    def pass_by(self, call: str) -> None:
        if call == self.hangs_in:
            assert self.free.wait(PATIENCE_S)

    def open(self, device: Device, request: Request) -> Source:
        self.pass_by("open")
        return StuckSource(self, super().open(device, request))


class StuckSource(Source):
    """A source of such a device."""

    def __init__(self, backend: Stuck, source: Source) -> None:
        self._backend, self._source = backend, source

    @property
    def settings(self) -> Any:
        return self._source.settings

    def start(self, receiver: Receiver) -> None:
        self._backend.pass_by("start")
        self._backend.receivers.append(receiver)
        self._source.start(receiver)

    def hang(self) -> None:
        """Whatever it is asked, until the test lets it go."""
        self._backend.hangs_in = "hang"
        self._backend.pass_by("hang")
        raise mscli.NotReadableError("too late")

    def stop(self) -> None:
        assert self._backend.hangs_in != "hang" or self._backend.free.wait(PATIENCE_S)
        self._backend.pass_by("stop")
        self._source.stop()
        self._backend.stopped.set()


@pytest.fixture
def stuck(stage: Setting, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Stage, Stuck]]:
    """A camera that hangs, as soon as it is told in which call; nobody waits longer than an instant to stop it."""
    monkeypatch.setattr(driver, "STOP_S", 0.01)
    here = stage(silent(camera()), backend=Stuck)
    assert isinstance(here.backend, Stuck)
    yield here, here.backend
    here.backend.free.set()


@pytest.mark.parametrize("call", ["open", "start"])
def test_a_driver_that_does_not_answer_is_given_up_and_what_it_gives_later_is_closed(
    stuck: tuple[Stage, Stuck], call: str
) -> None:
    here, backend = stuck
    backend.hangs_in = call
    with pytest.raises(mscli.NotReadableError, match=f"“Camera 0” did not {call} within 1.5 s: its driver hangs"):
        here.devices.get_user_media({"video": True}, timeout_s=(1.5, 2))
    backend.free.set()
    assert backend.stopped.wait(PATIENCE_S)


def test_a_driver_that_does_not_stop_is_left_behind_and_that_is_said(stuck: tuple[Stage, Stuck]) -> None:
    here, backend = stuck
    backend.hangs_in = "stop"
    track = here.track()
    track.stop()
    assert track.live.hold.left_behind == "the camera “Camera 0” did not stop: its driver hangs and was left behind"


def test_closing_leaves_every_driver_behind_that_does_not_stop(stuck: tuple[Stage, Stuck]) -> None:
    here, backend = stuck
    backend.hangs_in = "stop"
    track = here.track()
    here.devices.close()
    here.tasks.run_tasks()
    assert (bool(track.live.hold.left_behind), track.ready_state) == (True, "ended")


def test_a_source_that_was_left_behind_disturbs_nobody(stuck: tuple[Stage, Stuck]) -> None:
    here, backend = stuck
    backend.hangs_in = "stop"
    track = here.track()
    lane = track.open_lane(here.tasks)
    track.live.hold.stop()
    (receiver,) = backend.receivers
    receiver.on_frame(picture())
    receiver.on_lost(1)
    receiver.on_ended(mscli.NotReadableError("late"))
    assert (lane.head(), track.lost, track.live.ended) == (None, 0, False)


# The end is told at once, stopping goes on behind


def test_the_end_of_a_device_that_hangs_is_told_while_its_driver_still_stops(
    stuck: tuple[Stage, Stuck], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, backend = stuck
    monkeypatch.setattr(driver, "STOP_S", PATIENCE_S)
    backend.hangs_in = "stop"
    one = Scene(here, monkeypatch, timeout_s=(1, 2))
    one.look(1.1)
    assert (one.heard.types, one.track.ready_state) == (["ended"], "ended")
    assert not backend.stopped.is_set()
    backend.free.set()
    here.devices.close()
    assert (backend.stopped.is_set(), one.track.live.hold.left_behind) == (True, "")


def test_that_a_device_does_not_start_is_told_while_its_driver_still_stops(
    stuck: tuple[Stage, Stuck], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, backend = stuck
    monkeypatch.setattr(driver, "STOP_S", PATIENCE_S)
    monkeypatch.setattr(StuckSource, "start", lambda source, receiver: source.hang())
    with pytest.raises(mscli.NotReadableError, match=r"did not start within 1\.5 s"):
        here.devices.get_user_media({"video": True}, timeout_s=(1.5, 2))
    assert not backend.stopped.is_set()
    backend.free.set()
    here.devices.close()
    assert backend.stopped.is_set()


def test_a_driver_that_hangs_for_good_is_left_behind_when_all_is_closed(
    stuck: tuple[Stage, Stuck], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, backend = stuck
    backend.hangs_in = "stop"
    one = Scene(here, monkeypatch, timeout_s=(1, 2))
    one.look(1.1)
    here.devices.close()
    assert one.track.live.hold.left_behind == "the camera “Camera 0” did not stop: its driver hangs and was left behind"
