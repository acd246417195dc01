"""What holds for every source of tracks: the contract of ``mscli.sources.track``, run against all of them.

A source that can be tried anywhere has a line in ``SOURCES``: how to make one that gives FRAMES frames and then ends.
"""

from __future__ import annotations

import importlib
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from threading import Condition, Thread
from typing import Any

import pytest

from mscli.api import trackfrom
from mscli.api.canvas import Canvas, _CanvasSource
from mscli.api.elementcapture import ElementSource, TrackShape
from mscli.api.programs import ProgramSource
from mscli.api.settings_space import space_of
from mscli.api.trackgenerator import FrameWriter
from mscli.core.boxes import Box, Mode, Span
from mscli.core.clock import SystemClock, now_us
from mscli.core.constraints import Rule
from mscli.core.errors import InvalidStateError
from mscli.core.frames import AudioData, AudioMedia, Media, VideoFrame, VideoMedia
from mscli.core.selection import Settings
from mscli.sources.base import Backend
from mscli.sources.device import DeviceSource
from mscli.sources.fake.backend import FakeBackend
from mscli.sources.track import TrackSource
from tests.backends.rig import TIMEOUT_S, first_request
from tests.plugins import FOLDER as PLUGINS
from tests.unit.stage import picture
from tests.unit.test_tracksource import Generated

FRAMES = 10  # after which the plug-in fails, if it is told to


class Live(Generated):
    """Pictures that do not wait for anybody."""

    live = True


def device(kind: str) -> TrackSource:
    """A fake device that is unplugged after FRAMES frames."""
    return opened(FakeBackend({"devices": [{"kind": kind, "faults": {"vanishAfterFrames": FRAMES}}]}))


def plug_in() -> TrackSource:
    """A camera of another package, which fails after FRAMES frames."""
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(PLUGINS / "thing"))
        module = importlib.import_module("mscli_thing.source")
    made: TrackSource = opened(module.ThingBackend("thing:100?fail=thread"))
    return made


def paced_plug_in() -> TrackSource:
    """A file of another package, which waits for its readers."""
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(PLUGINS / "thing"))
        module = importlib.import_module("mscli_thing.source")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "clip.thing")
        path.write_text("".join(f"0 {number * 40_000} 3072 9\n" for number in range(FRAMES)))
        made: TrackSource = opened(module.ThingBackend(str(path)))
    return made


class Fed(ProgramSource):
    """A source into which a thread of its own, ``_thread``, puts frames."""

    _thread: Thread

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        super().close()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(TIMEOUT_S)


class Written(Fed):
    """Frames that a program writes from a thread of its own, until nobody takes them."""

    def __init__(self, kind: str = "video", *, live: bool = True) -> None:
        make = grey if kind == "video" else tone
        super().__init__(kind, "Written", live=live, first=make(0))
        self._writer: FrameWriter[Any] = FrameWriter(self)
        self._frames = [make(number) for number in range(FRAMES)]
        self._thread = Thread(target=self._run, name="written", daemon=True)

    def _run(self) -> None:
        with suppress(InvalidStateError), self._writer:  # it has ended
            for frame in self._frames:
                self._write(frame)

    def _write(self, frame: Any) -> None:
        self._writer.write(frame)


class Drawn(Fed, _CanvasSource):
    """A canvas on which a program draws from a thread of its own."""

    def __init__(self) -> None:
        super().__init__(Canvas(64, 48), None, SystemClock())
        self.canvas._sources.add(self)
        self._thread = Thread(target=self._run, name="drawn", daemon=True)

    def _run(self) -> None:
        for number in range(FRAMES):
            self.canvas.draw(grey(number))
        self.end()


class Played(Fed, ElementSource):
    """What a media element plays, from a thread of its own."""

    def __init__(self, kind: str) -> None:
        mode, sound = Mode("GREY", 64, 48, 30.0), {"sampleRate": 48_000, "channelCount": 1, "sampleSize": 16}
        super().__init__(kind, "Played", TrackShape(mode) if kind == "video" else TrackShape(sound=sound))
        self.muted = False
        self._thread = Thread(target=self._run, name="played", daemon=True)

    def _run(self) -> None:
        for number in range(FRAMES):
            self.show(grey(number) if self.kind == "video" else tone(number))
        self.end()


def grey(number: int) -> VideoFrame:
    """A grey picture, a thirtieth of a second after the one before."""
    return picture(number * 33_333)


def tone(number: int) -> AudioData:
    """A hundredth of a second of silence."""
    return AudioData("s16", 48_000, 480, 1, number * 10_000, memoryview(bytes(960)), number * 480)


def iterable(make: Callable[[int], Any], *, paced: bool) -> TrackSource:
    """The frames of an iterable."""
    shift_us = 0 if paced else now_us()
    frames = (replace(frame, timestamp=frame.timestamp + shift_us) for frame in map(make, range(FRAMES)))
    return trackfrom._Frames(next(frames), frames, paced=paced)


def opened(backend: Backend) -> TrackSource:
    """The only device of a backend, opened in its first mode."""
    (found,) = backend.devices()
    source = DeviceSource(found, backend, backend.abilities(found), keep=lambda _: None)
    asked = first_request(backend, found)
    source.open(dict(asked.settings), next(iter(backend.abilities(found).modes), None))
    return source


SOURCES: dict[str, Callable[[], TrackSource]] = {
    "camera": lambda: device("videoinput"),
    "microphone": lambda: device("audioinput"),
    "plug-in": plug_in,
    "plug-in-paced": paced_plug_in,
    "program": lambda: Generated(FRAMES),
    "program-live": lambda: Live(FRAMES),
    "drawn": Drawn,
    "written": Written,
    "written-paced": lambda: Written(live=False),
    "written-sound": lambda: Written("audio"),
    "played": lambda: Played("video"),
    "played-sound": lambda: Played("audio"),
    "iterable": lambda: iterable(grey, paced=False),
    "iterable-paced": lambda: iterable(grey, paced=True),
    "iterable-sound": lambda: iterable(tone, paced=True),
}


class Collector:
    """A consumer that keeps what it is given."""

    def __init__(self, source: TrackSource, *, is_read: bool = True) -> None:
        self.settings: Settings = dict(source.settings())
        self.required: Sequence[Rule] = ()
        self.is_read = is_read
        self.frames: list[Media] = []
        self.told: list[str] = []
        self._changed = Condition()
        source.attach(self)

    def wait(self, told: str) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: told in self.told, TIMEOUT_S), self.told

    def _note(self, told: str) -> None:
        with self._changed:
            self.told.append(told)
            self._changed.notify_all()

    def accepts(self, boxes: Sequence[Box]) -> bool:
        return bool(boxes)

    def forbids(self, resize_mode: str) -> bool:
        return not resize_mode

    def remember(self) -> Callable[[], None]:
        return lambda: None

    def reshape(self) -> None:
        self._note("reshape")

    def regain(self) -> None:
        """Have nothing to return to."""

    def follow(self) -> None:
        self._note("follow")

    def stop(self) -> None:
        self._note("stop")

    def deliver(self, frame: Media) -> None:
        self.frames.append(frame)
        self._note("frame")

    def close_queues(self) -> None:
        self._note("closed")

    def source_muted(self, source: TrackSource, muted: bool, reason: str) -> None:
        self._note("muted")

    def source_changed(self, source: TrackSource) -> None:
        self._note("changed")

    def source_warned(self, source: TrackSource, reason: str) -> None:
        self._note("warned")

    def source_ended(self, source: TrackSource) -> None:
        self._note("ended")


@pytest.fixture(params=sorted(SOURCES))
def source(request: Any) -> Iterator[TrackSource]:
    """A source that gives FRAMES frames; no thread of it is left afterwards."""
    before = set(threading.enumerate())
    made = SOURCES[request.param]()
    yield made
    for consumer in made.consumers:
        made.detach(consumer)
    assert {thread.name for thread in set(threading.enumerate()) - before} == set()


def test_it_says_what_it_is(source: TrackSource) -> None:
    assert source.kind in ("video", "audio")
    assert source.label
    assert source.label in source.name
    assert (source.ended, source.muted, source.error, source.lost, source.left_behind) == (False, False, None, 0, "")


def test_what_it_gives_is_what_it_can_do_and_was_set_to(source: TrackSource) -> None:
    boxes = space_of(source.kind, source.capabilities(), source)
    known = [box for box in boxes if not box.rank.derived and (source.mode is None or holds(box, source))]
    assert known
    for name, value in source.settings().items():
        assert any(contains(box.values.get(name, (value,)), value) for box in known), name
    assert source.runs(dict(source.settings()), source.mode)
    assert (source.mode is None) == (source.kind == "audio")


def holds(box: Box, source: TrackSource) -> bool:
    return all(contains(box.values[name], source.settings()[name]) for name in ("width", "height"))


def contains(values: Any, value: Any) -> bool:
    return values.min <= value <= values.max if isinstance(values, Span) else value in values


def test_its_frames_rise_in_time_and_are_as_it_says(source: TrackSource) -> None:
    one = Collector(source)
    source.start()
    one.wait("ended")
    assert len(one.frames) == FRAMES
    assert all(late.timestamp > early.timestamp >= 0 for early, late in pairwise(one.frames))
    assert source.newest_us == one.frames[-1].timestamp
    for frame in one.frames:
        if isinstance(frame, VideoMedia):
            assert (frame.coded_width, frame.coded_height) == (source.settings()["width"], source.settings()["height"])
        if isinstance(frame, AudioMedia):
            assert frame.sample_rate == source.settings()["sampleRate"]


def test_every_consumer_gets_every_frame(source: TrackSource) -> None:
    first, second = Collector(source), Collector(source)
    source.start()
    second.wait("ended")
    assert [frame.timestamp for frame in first.frames] == [frame.timestamp for frame in second.frames]
    assert len(first.frames) == FRAMES


def test_its_end_is_told_once_and_after_the_last_frame(source: TrackSource) -> None:
    one = Collector(source)
    source.start()
    one.wait("ended")
    source.detach(one)
    told = one.told[one.told[0] == "changed" :]  # a canvas knows the format with the first picture
    assert told == [*["frame"] * FRAMES, "closed", "ended"]
    assert source.ended


def test_who_has_left_gets_nothing(source: TrackSource) -> None:
    gone, stays = Collector(source), Collector(source)
    assert not source.detach(gone)
    source.start()
    stays.wait("ended")
    assert gone.told == []


def test_it_is_closed_with_its_last_consumer_and_tells_nobody(source: TrackSource) -> None:
    one = Collector(source, is_read=source.live)
    source.start()
    assert source.detach(one)
    assert (source.ended, source.wanted) == (True, False)
    assert len(one.frames) == FRAMES or "ended" not in one.told  # it may have ended before


def test_a_paced_source_waits_for_a_reader_and_a_live_one_does_not(source: TrackSource) -> None:
    one = Collector(source, is_read=False)
    source.start()
    if source.live:
        one.wait("ended")
        assert len(one.frames) == FRAMES
    else:
        one.is_read = True
        source.note_reader()
        one.wait("ended")
        assert len(one.frames) == FRAMES
