"""A device that stops delivering frames, hangs, or is gone. The test controls the time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from threading import Event as Flag
from threading import Thread
from typing import Any

import pytest

import mscli
from mscli.core.clock import MICROSECONDS
from mscli.core.eventloop import EventLoop
from mscli.core.frames import EncodedVideoChunk
from mscli.core.limits import FILL_BEHIND_US
from mscli.sources import device as device_module
from mscli.sources.base import NO_SIGNAL, SWITCHED_OFF, Device, Receiver, Request, Source
from mscli.sources.fake.backend import FakeSource
from tests.unit.lost import START_US, Scene
from tests.unit.stage import MODES, TIMEOUT_S, Stage, camera, device, microphone, picture, push, reader, silent, waiting

Setting = Callable[..., Stage]
FRAME_US = 33_333


@pytest.fixture
def watched(stage: Setting, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Scene]:
    """Create a camera, or the described device, with a track."""

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
    assert "no frames from “Camera 0”" in one.heard.events[0].detail["reason"]
    one.frame(1.1)
    assert (one.track.muted, one.heard.types) == (False, ["mute", "unmute"])


def test_a_muted_camera_delivers_black_at_its_rate(watched: Callable[..., Scene]) -> None:
    one = watched()
    with reader(one.track) as frames:
        one.frame(0)
        for look in range(9, 26):
            one.look(look / 10)
        got = waiting(frames)
    shown, black = got[0], got[1:]
    assert levels(got) == [200] + [0] * len(black)
    assert [frame.timestamp - START_US for frame in black] == [round(900_000 + n * 100_000 / 3) for n in range(len(black))]
    assert 0 <= 2_500_000 - FILL_BEHIND_US - (black[-1].timestamp - START_US) <= 2 * FRAME_US
    assert {(f.format, f.display_width, f.display_height) for f in black} == {(shown.format, 128, 72)}
    assert [frame.blank for frame in got] == [False] + [True] * len(black)


def test_a_muted_microphone_delivers_silence_in_its_blocks(watched: Callable[..., Scene]) -> None:
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
    assert one.track.lost == 0  # the black frames in its place are counted


def test_a_frame_that_ends_a_mute_before_there_is_black_is_shown(watched: Callable[..., Scene]) -> None:
    one = watched()
    with reader(one.track) as frames:
        one.frame(0)
        one.look(0.9)
        one.frame(0.95, level=77, early_us=60_000)
        assert levels(waiting(frames)) == [200, 77]


def test_no_picture_of_h264_is_left_out_for_black_in_its_time(watched: Callable[..., Scene]) -> None:
    one = watched()
    event_loop = EventLoop()
    one.track.open_queue(event_loop)
    one.frame(0)
    one.look(0.9)
    one.look(1.5)
    for number, at_us in enumerate((1_300_000, 1_333_333, 1_366_667, 1_500_000)):
        data = memoryview(bytes([number]))
        push(one.track, EncodedVideoChunk("delta" if number else "key", START_US + at_us, data, "h264", 64, 48))
    got: list[Any] = [taken.frame for taken in iter(lambda: event_loop.take(0), None)]
    black, late = got[-5], got[-4:]
    assert black.blank
    assert [(chunk.data[0], chunk.type) for chunk in late] == [(0, "key"), (1, "delta"), (2, "delta"), (3, "delta")]
    assert 0 <= late[0].timestamp - black.timestamp - FRAME_US <= 1
    assert [after.timestamp - before.timestamp for before, after in pairwise(late[:3])] == [1000, 1000]
    assert late[3].timestamp == START_US + 1_500_000


def test_pictures_that_are_decoded_early_are_decoded_after_black_and_keep_their_order(watched: Callable[..., Scene]) -> None:
    one = watched()
    event_loop = EventLoop()
    one.track.open_queue(event_loop)
    one.frame(0)
    one.look(0.9)
    one.look(1.5)
    for number, (shown, reordered) in enumerate(((2, 2), (6, 5), (4, 2), (3, 0), (5, 1))):
        at_us, data = START_US + 1_300_000 + shown * 40_000, memoryview(bytes([number]))
        kind = "delta" if number else "key"
        push(one.track, EncodedVideoChunk(kind, at_us, data, "h264", 64, 48, reorder_us=reordered * 40_000))
    got: list[Any] = [taken.frame for taken in iter(lambda: event_loop.take(0), None)]
    black, chunks = got[-6], got[-5:]
    assert black.blank
    assert [chunk.data[0] for chunk in chunks] == [0, 1, 2, 3, 4]
    assert all(after.order_us > before.order_us for before, after in pairwise(got))


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


def test_a_track_of_an_input_is_not_given_up_while_another_track_of_it_goes_on(
    watched: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, heard_us = watched(microphone(), kind="audio"), START_US
    monkeypatch.setattr(FakeSource, "heard_us", property(lambda _: heard_us))
    one.frame(0)
    for second in range(1, 10):
        heard_us = START_US + second * MICROSECONDS
        one.look(second + 0.5)
    assert one.heard.types == []
    one.look(10.5)
    assert one.heard.types == ["mute"]


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
            device(one.track).on_muted(muted)
            one.stage.tasks.run_tasks()
            one.frame(0.1 if muted else 0.2)
            one.frame(0.15 if muted else 0.25)
        assert levels(waiting(frames)) == [200, 0, 0, 200, 200]
    assert one.heard.types == ["mute", "unmute"]
    assert one.heard.events[0].detail["reason"] == "the privacy switch of camera “Camera 0” is on"


@pytest.mark.parametrize("cause", [SWITCHED_OFF, NO_SIGNAL])
def test_a_camera_that_is_switched_off_or_has_no_signal_is_never_given_up(watched: Callable[..., Scene], cause: str) -> None:
    one = watched()
    device(one.track).on_muted(True, cause)
    one.look(60)
    one.frame(61)
    one.look(120)
    device(one.track).on_muted(False, cause)
    one.look(120.1)
    one.frame(120.2)
    assert (one.track.ready_state, one.heard.types) == ("live", ["mute", "unmute"])


def test_a_lost_signal_is_black_in_time_until_it_is_there_again(watched: Callable[..., Scene]) -> None:
    one = watched()
    with reader(one.track) as frames:
        one.frame(0)
        device(one.track).on_muted(True, NO_SIGNAL)
        for tenths in range(31):
            one.look(tenths / 10)
        device(one.track).on_muted(False, NO_SIGNAL)
        one.frame(3.1)
        one.frame(3.2)
        shown = waiting(frames)
    assert levels(shown) == [200, *[0] * (len(shown) - 3), 200, 200]
    assert max(after.timestamp - before.timestamp for before, after in pairwise(shown[1:])) < 250_000
    assert one.heard.types == ["mute", "unmute"]
    assert one.heard.events[0].detail["reason"] == "camera “Camera 0” has no signal"


def test_a_device_with_two_causes_stays_muted_until_both_end(watched: Callable[..., Scene]) -> None:
    one = watched()
    one.frame(0)
    for muted, cause in ((True, SWITCHED_OFF), (True, NO_SIGNAL), (False, SWITCHED_OFF)):
        device(one.track).on_muted(muted, cause)
    one.stage.tasks.run_tasks()
    assert (one.track.muted, one.heard.types) == (True, ["mute"])
    device(one.track).on_muted(False, NO_SIGNAL)
    one.stage.tasks.run_tasks()
    assert (one.track.muted, one.heard.types) == (False, ["mute", "unmute"])


# Giving up


@pytest.mark.parametrize(("timeout_s", "first", "then"), [((5.0, 2.0), 5, 2.8), ((0.5, 10.0), 0.5, 10.8)])
def test_a_device_is_given_up_when_its_time_is_over(
    watched: Callable[..., Scene], timeout_s: tuple[float, float], first: float, then: float
) -> None:
    never, once = watched(timeout_s=timeout_s), watched(timeout_s=timeout_s)
    never.look(first - 0.1)
    assert never.heard.types == []
    never.look(first + 0.1)
    assert never.heard.types == ["ended"]
    assert f"no frames from “Camera 0” within {first:g} s" in str(never.track.ended_error)
    once.frame(0)
    once.look(then - 0.1)
    assert once.heard.types == ["mute"]
    once.look(then + 0.1)
    assert once.heard.types == ["mute", "ended"]
    assert f"no frames from “Camera 0” within {then:g} s" in once.heard.events[-1].detail["reason"]


def test_a_stall_of_two_seconds_is_survived(watched: Callable[..., Scene]) -> None:
    one = watched()
    one.frame(0)
    for look in range(1, 21):
        one.look(look / 10)
    one.frame(2.034)
    assert (one.track.ready_state, one.heard.types) == ("live", ["mute", "unmute"])


# A driver that hangs


class Wrapped(Source):
    """A source that does what another one does."""

    def __init__(self, source: Source) -> None:
        self._source = source

    @property
    def settings(self) -> Any:
        return self._source.settings

    def start(self, receiver: Receiver) -> None:
        self._source.start(receiver)

    def stop(self) -> None:
        self._source.stop()


class Stuck(mscli.FakeBackend):
    """Devices that hang in one call until the test releases them."""

    def __init__(self, *described: Any, **more: Any) -> None:
        super().__init__(*described, **more)
        self.hangs_in = ""
        self.free = Flag()
        self.stopped = Flag()
        self.receivers: list[Receiver] = []

    def pass_by(self, call: str) -> None:
        if call == self.hangs_in:
            assert self.free.wait(TIMEOUT_S)

    def open(self, device: Device, request: Request) -> Source:
        self.pass_by("open")
        return StuckSource(self, super().open(device, request))


class StuckSource(Wrapped):
    """A source of such a device."""

    def __init__(self, backend: Stuck, source: Source) -> None:
        super().__init__(source)
        self._backend = backend

    def start(self, receiver: Receiver) -> None:
        self._backend.pass_by("start")
        self._backend.receivers.append(receiver)
        super().start(receiver)

    def hang(self) -> None:
        """Hang until the test releases the call."""
        self._backend.hangs_in = "hang"
        self._backend.pass_by("hang")
        raise mscli.NotReadableError("too late")

    def stop(self) -> None:
        assert self._backend.hangs_in != "hang" or self._backend.free.wait(TIMEOUT_S)
        self._backend.pass_by("stop")
        super().stop()
        self._backend.stopped.set()


@pytest.fixture
def stuck(stage: Setting, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Stage, Stuck]]:
    """Create a camera that hangs in a call to be named. Stopping it waits only for a moment."""
    monkeypatch.setattr(device_module, "STOP_S", 0.01)
    here = stage(silent(camera()), backend=Stuck)
    assert isinstance(here.backend, Stuck)
    yield here, here.backend
    here.backend.free.set()


@pytest.mark.parametrize("call", ["open", "start"])
def test_a_driver_that_hangs_is_abandoned_and_its_late_result_closed(stuck: tuple[Stage, Stuck], call: str) -> None:
    here, backend = stuck
    backend.hangs_in = call
    with pytest.raises(mscli.NotReadableError, match=f"“Camera 0” did not {call} within 1.5 s, because its driver hangs"):
        here.devices.get_user_media({"video": True}, timeout_s=(1.5, 2))
    backend.free.set()
    assert backend.stopped.wait(TIMEOUT_S)


def test_a_driver_that_does_not_stop_is_left_behind_and_that_is_said(stuck: tuple[Stage, Stuck]) -> None:
    here, backend = stuck
    backend.hangs_in = "stop"
    track = here.track()
    track.stop()
    assert device(track).handle.left_behind == "camera “Camera 0” did not stop, because its driver hangs; it was left behind"


def test_closing_leaves_every_driver_behind_that_does_not_stop(stuck: tuple[Stage, Stuck]) -> None:
    here, backend = stuck
    backend.hangs_in = "stop"
    track = here.track()
    here.devices.close()
    here.tasks.run_tasks()
    assert (bool(device(track).handle.left_behind), track.ready_state) == (True, "ended")


def test_an_abandoned_source_disturbs_nothing(stuck: tuple[Stage, Stuck]) -> None:
    here, backend = stuck
    backend.hangs_in = "stop"
    track = here.track()
    queue = track.open_queue(here.tasks)
    device(track).handle.stop()
    (receiver,) = backend.receivers
    receiver.on_frame(picture())
    receiver.on_lost(1)
    receiver.on_ended(mscli.NotReadableError("late"))
    assert (queue.head(), track.lost, device(track).ended) == (None, 0, False)


# The end is reported at once, and stopping continues in the background


def test_the_end_of_a_hanging_device_is_reported_while_its_driver_stops(
    stuck: tuple[Stage, Stuck], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, backend = stuck
    monkeypatch.setattr(device_module, "STOP_S", TIMEOUT_S)
    backend.hangs_in = "stop"
    one = Scene(here, monkeypatch, timeout_s=(1, 2))
    one.look(1.1)
    assert (one.heard.types, one.track.ready_state) == (["ended"], "ended")
    assert not backend.stopped.is_set()
    backend.free.set()
    here.devices.close()
    assert (backend.stopped.is_set(), device(one.track).handle.left_behind) == (True, "")


def test_a_failed_start_is_reported_while_the_driver_stops(stuck: tuple[Stage, Stuck], monkeypatch: pytest.MonkeyPatch) -> None:
    here, backend = stuck
    monkeypatch.setattr(device_module, "STOP_S", TIMEOUT_S)
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
    assert (
        device(one.track).handle.left_behind == "camera “Camera 0” did not stop, because its driver hangs; it was left behind"
    )


# A device that is asked for again at once


class Exclusive(mscli.FakeBackend):
    """Devices that are busy until they are released, which takes a moment."""

    def __init__(self, *described: Any, **more: Any) -> None:
        super().__init__(*described, **more)
        self.held = 0
        self.releasing, self.asked = Flag(), Flag()

    def open(self, device: Device, request: Request) -> Source:
        if self.held:
            self.asked.set()
            raise mscli.NotReadableError("it is busy")
        self.held += 1
        return ExclusiveSource(self, super().open(device, request))


class ExclusiveSource(Wrapped):
    """A source of such a device."""

    def __init__(self, backend: Exclusive, source: Source) -> None:
        super().__init__(source)
        self._backend = backend

    def stop(self) -> None:
        self._backend.releasing.set()
        self._backend.asked.wait(0.1)  # who does not wait for the end of this asks in the meantime
        super().stop()
        self._backend.held = 0


@pytest.mark.parametrize("end", ["dropped", "stopped"])
def test_a_device_whose_track_has_just_left_is_not_busy(stage: Setting, end: str) -> None:
    here = stage(silent(camera()), backend=Exclusive)
    backend = here.backend
    assert isinstance(backend, Exclusive)
    tracks = [here.track()]
    closing = Thread(target=here.tasks.run_tasks if end == "dropped" else tracks[0].stop, name="closing")
    tracks.clear()  # the thread may hold the last reference
    closing.start()
    assert backend.releasing.wait(TIMEOUT_S)
    again = here.track()
    closing.join(TIMEOUT_S)
    assert (again.ready_state, again.label, backend.asked.is_set()) == ("live", "Camera 0", False)
