"""An input that several tracks share: when something last came, jumps of its times, stopping and starting it again."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from threading import Event, Thread
from typing import Any

import pytest

from mscli.core.clock import MICROSECONDS
from mscli.core.frames import AudioData, Media, VideoFrame
from mscli.core.properties import AUDIO, VIDEO
from mscli.sources import feed as module
from mscli.sources.feed import InputFeed, Playback
from tests.backends.rig import TIMEOUT_S, Collector


def picture(at_us: int) -> VideoFrame:
    """Return a picture of this time."""
    return VideoFrame("GREY", 1, 1, at_us, (memoryview(b"0"),), (1,), 40_000)


def sound(at_us: int) -> AudioData:
    """Return 10 ms of sound of this time."""
    return AudioData("s16", 48_000, 480, 1, at_us, memoryview(bytes(960)))


class Film(InputFeed):
    """Sound, and after it a picture, once it was allowed."""

    def __init__(self) -> None:
        super().__init__("film", live=True, irregular=False)
        self.allowed = Event()

    def media(self) -> Iterator[tuple[str, Media]]:
        yield AUDIO, sound(0)
        assert self.allowed.wait(TIMEOUT_S)
        yield VIDEO, picture(1000)


def test_each_track_knows_when_something_of_its_input_last_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "now_us", count(1).__next__)
    feed, receivers = Film(), {AUDIO: Collector(), VIDEO: Collector()}
    sources = {kind: feed.open(kind, {}, "") for kind in receivers}
    assert sources[AUDIO].heard_us == 0
    for kind, receiver in receivers.items():
        sources[kind].start(receiver)
    receivers[AUDIO].wait_for(frames=1)
    assert [source.heard_us for source in sources.values()] == [1, 1]
    feed.allowed.set()
    receivers[VIDEO].wait_for(frames=1)
    assert [source.heard_us for source in sources.values()] == [2, 2]
    for source in sources.values():
        source.stop()


def test_a_thread_that_stops_an_input_finds_the_reading_thread_started(monkeypatch: pytest.MonkeyPatch) -> None:
    free: list[bool] = []

    def look() -> None:
        free.append(feed.changed.acquire(blocking=False))
        if free[-1]:
            feed.changed.release()

    class Watched(Thread):
        def start(self) -> None:
            other = Thread(target=look, name="other")
            other.start()
            other.join()
            super().start()

    monkeypatch.setattr(module, "Thread", Watched)
    feed = Played(live=False)
    source, receiver = feed.open(VIDEO, {}, ""), Collector()
    source.start(receiver)
    receiver.wait_for(ends=1)
    source.stop()
    assert free == [False]


class Played(Playback):
    """A live input with pictures of these times."""

    def __init__(self, *times_us: int, live: bool = True) -> None:
        super().__init__("film", live=live, irregular=False, catches_up=True)
        self._times_us = times_us

    def timed(self) -> Iterator[tuple[str, Media]]:
        return ((VIDEO, picture(at_us)) for at_us in self._times_us)


def test_a_live_input_whose_times_jump_goes_on_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "now_us", lambda: 7000)
    hour_us = 3600 * MICROSECONDS
    one = Played(0, hour_us, hour_us, 5, hour_us, hour_us)
    monkeypatch.setattr(one.changed, "wait", lambda _: pytest.fail("it waits"))
    assert [medium.timestamp for _, medium in one.media()] == [7000] * 6


def test_a_picture_that_was_due_when_the_input_was_stopped_is_the_next_one() -> None:
    feed = Played(0, 1, 2, 3, live=False)
    playing: Any = feed.media()
    assert [next(playing)[1].timestamp for _ in range(2)] == [0, 1]
    playing.close()  # as the thread does if it is stopped before it passes the second one on
    assert [medium.timestamp for _, medium in feed.media()] == [1, 2, 3]


def test_an_input_that_ends_without_anything_for_a_track_is_an_error_of_that_track_alone() -> None:
    feed, receivers = Played(0, live=False), {AUDIO: Collector(), VIDEO: Collector()}
    sources = {kind: feed.open(kind, {}, "") for kind in receivers}
    for kind, receiver in receivers.items():
        sources[kind].start(receiver)
    for receiver in receivers.values():
        receiver.wait_for(ends=1)
    assert receivers[VIDEO].ends == [None]
    assert [str(error) for error in receivers[AUDIO].ends] == ["no sound came from film"]
    for source in sources.values():
        source.stop()
