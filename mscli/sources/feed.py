"""One input for the tracks of both kinds: a thread reads it, and passes on what comes.

The tracks of an input are opened one by one, but begin together: nothing is read before all that are open have started.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain
from threading import Condition, current_thread

from mscli.core.boxes import Scalar
from mscli.core.clock import MICROSECONDS, now_us
from mscli.core.errors import DOMException, NotReadableError
from mscli.core.frames import AudioData, AudioMedia, Media
from mscli.core.properties import AUDIO, VIDEO
from mscli.core.threads import Thread, lack_of_threads
from mscli.sources.base import Receiver, Source, as_ours

_STALLED_US = 200_000  # an input that is later than this has stalled
_JUMP_US = 2_000_000  # times that go on later than this after what came last have jumped
GAP_US = 20_000  # a block of sound that begins later than this after the end of the one before follows a gap


class InputFeed(ABC):
    """An input. A subclass defines ``media``.

    ``name``: for people. ``live``, ``irregular``, ``finite``: as of its sources.
    """

    finite = True

    def __init__(self, name: str, *, live: bool, irregular: bool) -> None:
        self.name, self.live, self.irregular = name, live, irregular
        self.changed = Condition()  # of everything below; notified when the reading thread must look again
        self.stopping = False
        self.over = False  # whether it was stopped or has ended
        self.heard_us = 0  # when something last came, on our clock
        self._opened: dict[str, InputFeedSource] = {}  # by kind
        self._receivers: dict[str, Receiver] = {}  # of the started ones
        self._thread: Thread | None = None  # the last one
        self._reading = False  # whether it reads
        self._warned: set[str] = set()
        self._lost: Counter[str] = Counter()  # what was lost since reading began, by kind
        self._numbers = {VIDEO: _Numbers(), AUDIO: _Numbers()}

    def interrupt(self) -> None:  # noqa: B027 (most wait for ``changed``)
        """End a wait for the input, because ``stopping`` is set, or let it wait again. The caller holds the lock."""

    def close(self) -> None:  # noqa: B027 (some hold nothing)
        """Close the input. Nobody reads it any more."""

    @abstractmethod
    def media(self) -> Iterator[tuple[str, Media]]:
        """Yield what comes, with its kind, in order of time. ``wants`` says which kinds are wanted. End when it ends."""

    def open(self, kind: str, settings: Mapping[str, Scalar], pixel_format: str) -> InputFeedSource:
        """Open the input for a track of this kind."""
        source = InputFeedSource(self, kind, settings, pixel_format)
        with self.changed:
            self._opened[kind] = source
        return source

    @property
    def in_use(self) -> bool:
        """Return whether a track is open."""
        return bool(self._opened)

    def opened(self, kind: str) -> InputFeedSource | None:
        """Return the open source of a kind, if it was started."""
        return self._opened.get(kind) if kind in self._receivers else None

    def lose(self, kind: str, count: int) -> None:
        """Count lost frames of a kind."""
        receiver = self._receivers.get(kind)
        if receiver is not None and count:
            self._lost[kind] += count
            receiver.on_lost(count)

    def retime(self, kind: str, count: int, off_us: int) -> None:
        """Count frames of a kind, or samples per channel, whose impossible time was replaced. It was off by ``off_us``."""
        receiver = self._receivers.get(kind)
        if receiver is not None:
            receiver.on_retimed(count, off_us)

    def warn(self, kind: str, sentence: str) -> None:
        """Warn about something in the input that cannot be right. Each sentence is said once."""
        receiver = self._receivers.get(kind)
        if receiver is not None and sentence not in self._warned:
            self._warned.add(sentence)
            receiver.on_warned(sentence)

    def start(self, source: InputFeedSource, receiver: Receiver) -> None:
        """Pass on what comes for a source, once all that are open have started."""
        with self.changed:
            self._receivers[source.kind] = receiver
        self._begin()

    def stop(self, source: InputFeedSource) -> None:
        """Stop passing on frames for a source. The thread ends with the last source."""
        with self.changed:
            if self._opened.get(source.kind) is source:
                del self._opened[source.kind]
                self._receivers.pop(source.kind, None)
            last = not self._opened
            self.stopping = self.over = self.stopping or last
            self.interrupt()
            self.changed.notify_all()
        if not last:
            self._begin()
        elif self._thread is not None and self._thread is not current_thread():
            self._thread.join()

    def _begin(self) -> None:
        with self.changed:
            if self._reading or not self._opened or self._receivers.keys() != self._opened.keys():
                return
            self._reading, self.stopping, self.over = True, False, False
            self._lost.clear()
            self.interrupt()
            self._thread = Thread(target=self._run, name="mscli-feed", daemon=True)
            self._thread.start()  # before another thread can join it

    def _run(self) -> None:
        error: DOMException | None = None
        came: set[str] = set()
        try:
            for kind, medium in self.media():
                receiver = self._receivers.get(kind)
                if self.stopping:
                    return
                came.add(kind)
                self.heard_us = now_us()
                if receiver is not None:
                    receiver.on_frame(self._numbers[kind].number(medium))
        except BaseException as failure:  # no more comes, whatever it is
            error = as_ours(failure, type(self))
        finally:
            with self.changed:
                self._reading, self.over = False, True
                receivers = {} if self.stopping else dict(self._receivers)
                self._opened.clear()
                self._receivers.clear()
        for kind, receiver in receivers.items():
            receiver.on_ended(error if error is not None or kind in came else self._nothing(kind))

    def _nothing(self, kind: str) -> DOMException:
        """Return the error of an input that ends without anything for a track of this kind."""
        noun, lost = "picture" if kind == VIDEO else "sound", self._lost[kind]
        lack = lack_of_threads() if lost else None
        packets = "1 packet" if lost == 1 else f"{lost} packets"
        why = f": {lack or f'{packets} could not be decoded'}" if lost else ""
        hints = ["check it with ffprobe"] if lack is None else lack.hints
        return NotReadableError(f"no {noun} came from {self.name}{why}", hints=hints)


class Playback(InputFeed):
    """An input whose media have times: they are played at their own pace on our clock, or waited for if it is not live.

    A subclass defines ``timed``. ``catches_up``: whether an input that is late goes on from then, because its writer stalled,
    and one whose times jump goes on at once.
    """

    def __init__(self, name: str, *, live: bool, irregular: bool, catches_up: bool = False) -> None:
        super().__init__(name, live=live, irregular=irregular)
        self._catches_up = catches_up
        self._played_us = 0  # how much was played
        self._lasts_us = 0  # how long the last picture or block lasts
        self._base_us: int | None = None  # when that began, on our clock, while it runs
        self._paused = False
        self._playing: Iterator[tuple[str, Media]] | None = None  # what goes on when it is started again

    @abstractmethod
    def timed(self) -> Iterator[tuple[str, Media]]:
        """Yield the media of the whole input with its kind, in order of time, with times from where it begins."""

    # The position. Safe from any thread.

    @property
    def position_us(self) -> int:
        """Return how much was played, without pauses, in microseconds from where it began."""
        return self._played_us

    def pause(self) -> None:
        """Pause: no picture and no sound comes until ``resume``."""
        with self.changed:
            self._paused = True
            self.changed.notify_all()

    def resume(self) -> None:
        """Go on after a pause."""
        with self.changed:
            self._paused = False
            self.changed.notify_all()

    def close(self) -> None:
        """Close the input. Nobody plays it any more."""
        self._playing = None

    # Playing, on the thread of the feed

    def media(self) -> Iterator[tuple[str, Media]]:
        """Yield pictures and sound when they are due, or as fast as they are taken. Go on where the last call ended."""
        self._base_us = None
        playing, self._playing = self._playing or self.timed(), None
        for kind, medium in playing:
            self._playing = chain([(kind, medium)], playing)  # until it was passed on
            if not self._wait_until(due_us(medium)):
                return
            self._played_us, self._lasts_us = max(self._played_us, medium.timestamp), medium.duration or 0
            yield kind, medium if self._base_us is None else replace(medium, timestamp=medium.timestamp + self._base_us)
            self._playing = None
        self._played_us = 0

    def _wait_until(self, due_us: int) -> bool:
        """Wait until a medium is due and not paused. Return False if playing was stopped instead."""
        with self.changed:
            while not self.stopping:
                if self._paused:
                    self._base_us = None
                    self.changed.wait()
                    continue
                if not self.live:
                    return True
                if self._base_us is None:
                    self._base_us = now_us() - self._played_us
                left_us = self._base_us + due_us - now_us()
                if self._catches_up and not -_STALLED_US <= left_us <= self._lasts_us + _JUMP_US:
                    self._base_us -= left_us
                    return True
                if left_us <= 0:
                    return True
                self.changed.wait(left_us / MICROSECONDS)
        return False


class InputFeedSource(Source):
    """The part of an input that one track gets. ``pixel_format``: that of the mode in which it was opened."""

    def __init__(self, feed: InputFeed, kind: str, settings: Mapping[str, Scalar], pixel_format: str) -> None:
        self.live, self.irregular, self.finite, self.together = feed.live, feed.irregular, feed.finite, feed
        self.kind, self.pixel_format = kind, pixel_format
        self._feed = feed
        self._settings = dict(settings)

    @property
    def heard_us(self) -> int:
        """Return when something of the input last came."""
        return self._feed.heard_us

    @property
    def settings(self) -> Mapping[str, Scalar]:
        """Return the settings with which it was opened."""
        return self._settings

    def start(self, receiver: Receiver) -> None:
        """Begin, together with the other tracks of the input."""
        self._feed.start(self, receiver)

    def stop(self) -> None:
        """Stop. The input rests when its last track stops."""
        self._feed.stop(self)


class _Numbers:
    """A counter of what comes, from 0 on: pictures one by one, sound by its samples. A gap in time is a gap in the numbers."""

    def __init__(self) -> None:
        self._next = 0
        self._end_us: int | None = None  # of the last block

    def number(self, medium: Media) -> Media:
        """Return the medium with its number."""
        if isinstance(medium, AudioMedia):
            if self._end_us is not None and medium.timestamp - self._end_us > GAP_US:
                self._next += (medium.timestamp - self._end_us) * medium.sample_rate // MICROSECONDS
            self._end_us = medium.timestamp + medium.lasts_us
        numbered = replace(medium, sequence=self._next)
        self._next += medium.count
        return numbered


def due_us(media: Media) -> int:
    """Return when a medium is complete: a picture when it is shown, sound when its last sample is heard."""
    return media.timestamp + media.lasts_us if isinstance(media, AudioData) else media.order_us
