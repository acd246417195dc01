"""Live streams, and files of a web server, for the tracks of an input.

A live stream that was stopped or has ended is not read again: connect anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from threading import current_thread
from typing import Protocol

from mscli.core.clock import MICROSECONDS, now_us
from mscli.core.errors import NotReadableError
from mscli.core.frames import NETWORK_PIXELS, AudioData, EncodedVideoChunk, Media, VideoFrame
from mscli.core.limits import BACKLOG_US, CLOSE_US, STOP_S
from mscli.core.properties import AUDIO, VIDEO
from mscli.sources.base import InputOptions, Receiver
from mscli.sources.demux import InputContainer, InputContent, Mending, open_container
from mscli.sources.feed import GAP_US, InputFeed, InputFeedSource, Playback
from mscli.sources.file.player import Player
from mscli.sources.network.failures import closed
from mscli.sources.network.http import HttpFile, WebClient
from mscli.sources.network.links import LinkReader
from mscli.sources.pipe.feeds import ContainerFeed, FormatFeed
from mscli.sources.pipe.formats import PipeFormat
from mscli.sources.sound.sampleclock import SampleClock
from mscli.sources.streams import StreamReaders, by_time

_BETTER_US = 500  # ignore an improvement of the beginning by less than this
_STEADY_US = 100_000  # the beginning is over when nothing has come earlier for this long
_BEGINNING_US = MICROSECONDS  # how long the beginning takes at most
JUMP_US, _BACK_US = 2 * MICROSECONDS, 100_000  # times that go further than this, on or back, have jumped


class LiveClock:
    """The distance from a sender's times to ours, in microseconds. What a sender sends may arrive late, but never early.

    A server first sends what it held back, so the first packets are late. The distance is only known when what arrives is as
    young as it can be. After that, it follows the drift of the sender as a microphone's does: its times are counted as the
    samples of a device of 1 MHz.
    """

    def __init__(self) -> None:
        self.shift_us: int | None = None  # what to add to the sender's times, once that is known
        self._clock: SampleClock | None = None
        self._sent_us = 0  # the last one of the sender's times
        self._least_us: int | None = None  # the least distance, in the beginning
        self._least_at_us = self._begun_us = 0  # when that was found, and when the first packet came

    def note(self, sent_us: int, arrival_us: int) -> None:
        """Note that something of this time of the sender has arrived. Call it in order of the sender's times."""
        if self._clock is None:
            self._begin(sent_us, arrival_us)
            return
        step_us = sent_us - self._sent_us
        if not -_BACK_US < step_us < JUMP_US:
            self._settle(sent_us, arrival_us - sent_us)
        elif step_us > 0:
            stamp = self._clock.stamp(arrival_us - step_us, step_us)
            self._sent_us, self.shift_us = sent_us, stamp.timestamp + step_us - sent_us

    def _begin(self, sent_us: int, arrival_us: int) -> None:
        distance_us = arrival_us - sent_us
        if self._least_us is None:
            self._begun_us = arrival_us
        if self._least_us is None or distance_us < self._least_us - _BETTER_US:
            self._least_us, self._least_at_us = distance_us, arrival_us
        if arrival_us - self._least_at_us >= _STEADY_US or arrival_us - self._begun_us >= _BEGINNING_US:
            self._settle(sent_us, min(self._least_us, distance_us))

    def _settle(self, sent_us: int, distance_us: int) -> None:
        self._clock = SampleClock(MICROSECONDS)
        self._clock.begin(distance_us + sent_us)
        self._sent_us, self.shift_us = sent_us, distance_us


Picture = VideoFrame | EncodedVideoChunk

_HELD_SOUND = 100  # blocks of sound that wait until the sender's clock is known


class Shuttable(Protocol):
    """The connection of a live stream."""

    name: str

    def shut(self) -> None:
        """End a wait for it. Nothing more comes."""

    def close(self) -> None:
        """Close it."""


class LiveFeed(InputFeed):
    """A live stream. It ends by a failure only, because it has no end of its own."""

    finite = False

    def __init__(self, link: Shuttable) -> None:
        super().__init__(link.name, live=True, irregular=False)
        self._link = link

    def start(self, source: InputFeedSource, receiver: Receiver) -> None:
        """Pass on what comes for a source. Raises NotReadableError if the stream has ended meanwhile."""
        with self.changed:
            if self.over:
                raise closed(self.name)
            super().start(source, receiver)

    def interrupt(self) -> None:
        """Leave the server at a stop, because what it sends from then on is for nobody."""
        if self.stopping:
            self._link.shut()

    def close(self) -> None:
        """Close the connection."""
        self._leave()
        self._link.close()

    def _leave(self) -> None:
        """Leave the server, and wait until nobody reads. A track that is still open loses it, and can connect again."""
        self._link.shut()
        if self._thread is not None and self._thread is not current_thread():
            self._thread.join(STOP_S)


class LiveImages(LiveFeed, FormatFeed):
    """A feed of pictures or samples without times, stamped when they arrive."""

    _reader: LinkReader

    def __init__(self, reader: LinkReader, parts: PipeFormat) -> None:
        FormatFeed.__init__(self, reader, parts, live=True)
        self._link = reader

    def media(self) -> Iterator[tuple[str, Media]]:
        """Yield what comes. Raises NotReadableError at the end. Pictures that had come before the start are old: drop them."""
        late_us = now_us() + BACKLOG_US
        for kind, medium in FormatFeed.media(self):
            if kind == VIDEO and now_us() < late_us and self._reader.waiting() > medium.nbytes // 2:
                continue
            late_us = 0
            yield kind, medium
        if not self.stopping:
            raise closed(self.name)


class LiveStills(LiveFeed):
    """A feed of pictures that a server makes when it is asked. ``ask`` returns one. ``rate``: how many per second."""

    def __init__(self, link: Shuttable, first: Picture, ask: Callable[[], Picture], rate: float) -> None:
        super().__init__(link)
        self._ask, self._first, self._pause_us = ask, first, round(MICROSECONDS / rate)

    def media(self) -> Iterator[tuple[str, Media]]:
        """Yield a picture at each of its times. If the server is slower, ask again at once."""
        picture, due_us = self._first, now_us()
        while self._waited(due_us):
            yield VIDEO, replace(picture, timestamp=now_us(), duration=self._pause_us)
            due_us = max(due_us + self._pause_us, now_us() - self._pause_us)
            if not self._waited(due_us):
                return
            picture = self._ask()

    def _waited(self, until_us: int) -> bool:
        """Wait until then. Return False if reading was stopped instead."""
        with self.changed:
            while not self.stopping and (left_us := until_us - now_us()) > 0:
                self.changed.wait(left_us / MICROSECONDS)
            return not self.stopping


class LiveContainer(LiveFeed):
    """A container that a server sends as it comes into being. Its media are stamped by the sender's clock, brought onto ours.

    They are passed on as soon as they are decoded. No jitter buffer holds them back.
    """

    def __init__(self, link: Shuttable, container: InputContainer, content: InputContent) -> None:
        super().__init__(link)
        container.hurry()
        self._container, self._content = container, content
        self._sound_end_us = 0  # the end of the last block of sound, on our clock

    def media(self) -> Iterator[tuple[str, Media]]:
        """Yield what comes. Raises NotReadableError at the end."""
        readers = StreamReaders(self, self._container, self._content)
        clock, beginning, lead = LiveClock(), _Beginning(now_us()), AUDIO if self._content.video is None else VIDEO
        for step in self._container.steps(readers.of, ordered=False, mending=Mending(self.retime, hasty=True, joins=False)):
            if self.stopping:
                return
            if step.kind == lead and step.until_us:  # packets without a time, and the last of a decoder, have none
                clock.note(step.until_us, now_us())
            if clock.shift_us is None:
                beginning.hold(step.media)
                continue
            new = [replace(medium, timestamp=medium.timestamp + clock.shift_us) for medium in step.media]
            for medium in (*beginning.release(clock.shift_us), *new):
                self._count_gap(medium)
                yield AUDIO if isinstance(medium, AudioData) else VIDEO, medium
            readers.report()
        raise closed(self.name)

    def _count_gap(self, medium: Media) -> None:
        """Count the samples that are missing before a block of sound. Where the sender's times have jumped, none are."""
        if isinstance(medium, AudioData):
            gap_us = medium.timestamp - self._sound_end_us if self._sound_end_us else 0
            if GAP_US < gap_us < JUMP_US:
                self.lose(AUDIO, gap_us * medium.sample_rate // MICROSECONDS)
            self._sound_end_us = medium.timestamp + medium.lasts_us

    def close(self) -> None:
        """Close the container and its connection."""
        self._leave()
        self._container.close()
        self._link.close()


class LivePlayback(LiveFeed, Playback):
    """A live stream that comes in segments, many seconds at once, and is played at its own pace.

    ``finite``: it has an end, which is no failure.
    """

    def __init__(self, link: Shuttable, container: InputContainer, content: InputContent, *, finite: bool) -> None:
        Playback.__init__(self, link.name, live=True, irregular=False, catches_up=True)
        self._link, self._container, self._content, self.finite = link, container, content, finite

    def timed(self) -> Iterator[tuple[str, Media]]:
        """Yield what comes. The time of the first is 0. Raises NotReadableError at the end, if there should be none."""
        readers = StreamReaders(self, self._container, self._content)
        first_us: int | None = None
        for kind, medium in by_time(
            self._container.steps(readers.of, ordered=False, mending=Mending(self.retime, joins=False))
        ):
            first_us = medium.timestamp if first_us is None else first_us
            yield kind, replace(medium, timestamp=medium.timestamp - first_us)
            readers.report()
        if not (self.finite or self.stopping):
            raise closed(self.name)

    def close(self) -> None:
        """Close the container and its connection."""
        Playback.close(self)
        self._leave()
        self._container.close()
        self._link.close()


class _Beginning:
    """A buffer of media until the sender's clock is known. It passes on those that are new at ``begin_us`` (our clock).

    Chunks are kept since the last key frame, and passed on in quick succession, because later ones depend on them.
    """

    def __init__(self, begin_us: int) -> None:
        self._begin_us = begin_us
        self._pictures: list[Media] = []  # bound: one frame, or the chunks since a key frame
        self._blocks: list[AudioData] = []

    def hold(self, media: list[Media]) -> None:
        """Keep these until the clock is known."""
        for medium in media:
            if isinstance(medium, AudioData):
                self._blocks = [*self._blocks[-_HELD_SOUND:], medium]
            elif isinstance(medium, EncodedVideoChunk) and not medium.key:
                self._pictures.append(medium)
            else:
                self._pictures = [medium]

    def release(self, shift_us: int) -> list[Media]:
        """Return what was held, with its times on our clock."""
        pictures, blocks = self._pictures, self._blocks
        self._pictures, self._blocks = [], []
        held: list[Media] = []
        for count, medium in enumerate(pictures):
            early_us = self._begin_us + count * CLOSE_US - (medium.order_us + shift_us)
            if isinstance(medium, EncodedVideoChunk):
                held.append(replace(medium, timestamp=medium.timestamp + shift_us + max(0, early_us)))
            elif early_us <= 0:
                held.append(replace(medium, timestamp=medium.timestamp + shift_us))
        new = (block for block in blocks if block.timestamp + shift_us >= self._begin_us)
        held += (replace(block, timestamp=block.timestamp + shift_us) for block in new)
        return sorted(held, key=lambda medium: medium.order_us)


# Files: played as those of a disk if they can be read in parts, or else from their beginning to their end.

WITHIN = {"protocol_whitelist": "data"}  # FFmpeg opens nothing that a file names


class HttpFiles:
    """The opened readings of one file. ``length``: in bytes."""

    def __init__(self, client: WebClient, length: int) -> None:
        self.name = client.where.name
        self._client, self._length = client, length
        self._current: HttpFile | None = None
        self._shut = False

    def container(self) -> InputContainer:
        """Open the file from its beginning. Raises NotReadableError after a stop, which a reader takes for the end."""
        if self._current is not None:
            self._current.close()
        self._current = file = HttpFile(self._client, self._length)
        if self._shut:
            raise NotReadableError(f"{self.name} was closed")
        opened = open_container(file, self.name, most_pixels=NETWORK_PIXELS, container_options=WITHIN)
        return InputContainer(opened, self.name, NETWORK_PIXELS)

    def shut(self) -> None:
        """End a wait of another thread. Nothing more is read."""
        self._shut = True
        self._client.shut()
        if self._current is not None:
            self._current.shut()

    def close(self) -> None:
        """Close the last connection."""
        self.shut()
        if self._current is not None:
            self._current.close()


class HttpPlayer(Player):
    """A playing file of a web server."""

    def __init__(self, files: HttpFiles, content: InputContent, options: InputOptions) -> None:
        super().__init__(files.name, files.container, content, options)
        self._files = files

    def interrupt(self) -> None:
        """End a wait for the server at a stop."""
        if self.stopping:
            self._files.shut()

    def close(self) -> None:
        """Close the file."""
        super().close()
        self._files.close()


class PassingContainer(ContainerFeed):
    """A file that a web server sends from its beginning to its end."""

    def __init__(self, reader: LinkReader, container: InputContainer, content: InputContent, *, live: bool) -> None:
        super().__init__(reader, container, content, live=live)
        self._link = reader

    def interrupt(self) -> None:
        """End a wait for the server at a stop."""
        if self.stopping:
            self._link.shut()

    def close(self) -> None:
        """Close the file and the connection."""
        super().close()
        self._link.close()
