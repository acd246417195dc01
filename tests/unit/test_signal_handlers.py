"""Tracks, elements and graphs in a signal handler: it may come between any two steps of the thread that it interrupts.

So that no step is missed, these handlers are called before each line of the library that the interrupted thread runs.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from threading import Barrier, Event, Thread
from types import FrameType
from typing import Any

import numpy
import pytest

import mscli
from mscli.core.eventloop import EventLoop
from mscli.core.locks import finish_handed_over
from mscli.sources.device import DeviceSource
from tests.backends.clips import film
from tests.cli.program import eventually
from tests.unit.stage import TIMEOUT_S, Stage, camera, device, picture, silent

LIBRARY = os.path.dirname(mscli.__file__)

Handler = Callable[[], object]


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A camera whose frames the test pushes."""
    stage = Stage(silent(camera()))
    yield stage
    stage.close()


def interrupted(work: Callable[[], object], handler: Handler, only: int | None = None) -> int:
    """Do the work on a thread that ``handler`` interrupts before each line of the library, or ``only`` before one of them.

    Return how many lines there were.
    """
    lines: set[tuple[str, int]] = set()

    def interrupt(frame: FrameType, event: str, _: Any) -> Any:
        line = frame.f_code.co_filename, frame.f_lineno
        if not frame.f_code.co_filename.startswith(LIBRARY):
            return None
        if event == "line" and line not in lines:
            lines.add(line)
            if only not in (None, len(lines) - 1):
                return interrupt
            sys.settrace(None)
            try:
                handler()
            finally:
                sys.settrace(interrupt)
        return interrupt

    failures: list[BaseException] = []

    def run() -> None:
        before = sys.gettrace()
        sys.settrace(interrupt)
        try:
            work()
        except BaseException as error:
            failures.append(error)
        finally:
            sys.settrace(before)

    thread = Thread(target=run, name="interrupted", daemon=True)
    thread.start()
    thread.join(TIMEOUT_S)
    assert not thread.is_alive(), "it waits for itself"
    assert failures == []
    return len(lines)


def read_once(track: mscli.MediaStreamTrack) -> None:
    """Clone a track, take a frame from the clone, and stop it."""
    event_loop = EventLoop()
    twin = track.clone()
    queue = twin.open_queue(event_loop)
    device(track).on_frame(picture())
    assert event_loop.take(0) is not None
    twin.close_queue(queue)
    twin.stop()


def is_left(source: DeviceSource) -> bool:
    """Return whether the device is given back, and nobody is at work on that any more."""
    working = {"mscli-leaving", "mscli-stop"}.intersection(thread.name for thread in threading.enumerate())
    return source.ended and not source.consumers and source.handle.opened is None and not working


def test_a_handler_clones_and_stops_while_the_same_is_done(stage: Stage) -> None:
    track = stage.track()
    assert interrupted(lambda: read_once(track), lambda: track.clone().stop()) > 100
    assert eventually(lambda: device(track).consumers == (track,))
    assert (track.ready_state, device(track).ended) == ("live", False)
    read_once(track)


def test_a_handler_stops_what_is_being_stopped(stage: Stage) -> None:
    def stop(track: mscli.MediaStreamTrack) -> None:
        track.clone().stop()
        track.stop()

    line = lines = 0
    while line <= lines:
        track = stage.track()
        lines = interrupted(track.stop, partial(stop, track), only=line)
        assert eventually(partial(is_left, device(track)))
        line += 1
    assert line > 50


def test_a_handler_waits_for_nobody_who_waits_for_the_thread_that_it_interrupts(stage: Stage) -> None:
    """A device holds its lock while it hands over a frame, for which it waits for the reader's."""
    track = stage.track()
    source, event_loop = device(track), EventLoop()
    track.open_queue(event_loop)
    delivering: list[Thread] = []

    def deliver() -> None:
        with source._lock:
            ready.wait(TIMEOUT_S)
            source.deliver(picture())

    def handler() -> None:
        if not delivering and event_loop.lock._is_owned():
            delivering.append(Thread(target=deliver, name="delivering", daemon=True))
            delivering[0].start()
            ready.wait(TIMEOUT_S)
            track.stop()

    ready = Barrier(2)
    interrupted(lambda: event_loop.take(0), handler)
    delivering[0].join(TIMEOUT_S)
    assert not delivering[0].is_alive()
    assert eventually(lambda: is_left(source))


def test_what_a_handler_has_left_to_do_is_done_when_the_devices_are_closed(stage: Stage) -> None:
    track = stage.track()
    with device(track)._lock:  # as the interrupted thread may hold it
        track.stop()
        assert (track.ready_state, device(track).ended) == ("ended", False)
    stage.close()
    assert device(track).ended
    assert "mscli-leaving" not in [thread.name for thread in threading.enumerate()]


def listen_and_stop_listening(devices: mscli.MediaDevices) -> None:
    devices.ondevicechange = print
    devices.ondevicechange = None


def open_a_camera(devices: mscli.MediaDevices) -> None:
    with suppress(mscli.InvalidStateError):  # they are closed meanwhile
        devices.get_user_media({"video": True})


@pytest.mark.parametrize(
    ("work", "holds"),
    [
        (listen_and_stop_listening, lambda devices: devices._replacing._is_owned()),
        (open_a_camera, lambda devices: devices._machinery().turn._is_owned()),
    ],
    ids=["watching", "opening"],
)
def test_a_handler_closes_the_devices_while_a_listener_waits_for_the_thread_that_it_interrupts(
    work: Callable[[mscli.MediaDevices], None], holds: Callable[[mscli.MediaDevices], bool]
) -> None:
    devices = mscli.MediaDevices(backends=[mscli.FakeBackend({})])
    post = devices._machinery().poster()
    listening = Event()

    def listener() -> None:
        listening.set()
        work(devices)

    def handler() -> None:
        if not listening.is_set() and holds(devices):
            post(listener)
            assert listening.wait(TIMEOUT_S)
            devices.close()

    interrupted(lambda: work(devices), handler)
    assert listening.is_set()
    devices.close()
    assert not {"mscli-closing", "mscli-events"}.intersection(thread.name for thread in threading.enumerate())


def go_to(element: mscli.MediaElement, seconds: float) -> None:
    with suppress(mscli.InvalidStateError):  # it is closed meanwhile
        element.current_time = seconds


@pytest.mark.parametrize(
    "change",
    [
        lambda element: go_to(element, 0.3),
        lambda element: element.pause(),
        lambda element: element.play(),
        lambda element: setattr(element, "playback_rate", 2.0),
    ],
    ids=["seek", "pause", "play", "rate"],
)
def test_a_handler_changes_what_an_element_plays_while_it_is_sought(change: Callable[[mscli.MediaElement], object]) -> None:
    address = mscli.URL.create_object_url(mscli.Blob(film(5, "video")))
    with (
        mscli.MediaDevices(backends=[mscli.FakeBackend({})]) as devices,
        mscli.MediaElement(address, devices=devices) as element,
    ):
        element.play()
        assert interrupted(lambda: go_to(element, 1.5), lambda: change(element)) > 50
        finish_handed_over(TIMEOUT_S)
        element.play()
        element.current_time = 4.0
        assert eventually(lambda: not element.seeking and 4.0 <= element.current_time <= 5.0)
        interrupted(lambda: go_to(element, 1.5), element.close)
        finish_handed_over(TIMEOUT_S)
        assert "closed" in repr(element)
    mscli.URL.revoke_object_url(address)


def test_a_handler_reads_an_analyser_that_is_being_read() -> None:
    with mscli.AudioContext() as context:
        analyser = context.create_analyser()
        data = numpy.zeros(analyser.fft_size, numpy.float32)
        read = partial(analyser.get_float_time_domain_data, data)
        assert interrupted(read, read) > 3
