"""Read the streams of a container for the open tracks of an input, in order of time."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import count

from mscli.core.clock import MICROSECONDS, time_text
from mscli.core.frames import AudioData, Media
from mscli.core.properties import AUDIO
from mscli.sources.demux import Completed, InputContainer, InputContent, StreamReader
from mscli.sources.feed import InputFeed, InputFeedSource, due_us

MOST_GAP_US = 600 * MICROSECONDS  # the longest gap in an input with sound: silence has to fill it
_STEP_US = 40_000  # how much later than what was before a jump the media after it go on, at most
_ALIKE_US = 10 * MICROSECONDS  # jumps of both streams that differ by less are the same one
AHEAD_US = 200_000  # how far a file is decoded ahead: decoders hold pictures back, and streams are interleaved


class StreamReaders:
    """The readers of a container's streams, each made when a track of its kind is first read. ``from_us``: where to begin."""

    def __init__(self, feed: InputFeed, container: InputContainer, content: InputContent, from_us: int = 0) -> None:
        self._feed, self._container, self._content, self._from_us = feed, container, content, from_us
        self._readers: dict[str, tuple[InputFeedSource, StreamReader]] = {}
        if content.without_video:
            feed.warn(AUDIO, f"{feed.name} declares video but has none: only its sound is used")

    def of(self, kind: str) -> StreamReader | None:
        """Return the reader of a kind, or None if nobody reads it."""
        source, known = self._feed.opened(kind), self._readers.get(kind)
        if source is None:  # whoever starts the input again gets what comes next
            return known[1] if known is not None and self._feed.stopping else None
        if known is None or known[0] is not source:
            bits = int(source.settings.get("sampleSize", 0))
            reader = self._container.reader(kind, self._content, source.pixel_format, bits, self._from_us)
            known = self._readers[kind] = source, reader
        return known[1]

    def report(self) -> None:
        """Report the packets that were damaged since the last call."""
        for kind, (_, reader) in self._readers.items():
            self._feed.lose(kind, reader.lost)
            reader.lost = 0


def by_time(steps: Iterable[Completed], ahead_us: int = AHEAD_US) -> Iterator[tuple[str, Media]]:
    """Yield what the steps complete, with its kind, in order of time. The last ``ahead_us`` wait for later steps."""
    waiting: list[tuple[int, int, str, Media]] = []
    numbers = count()
    until_us = 0
    for step in steps:
        until_us = max(until_us, step.until_us - ahead_us)
        for medium in step.media:
            heapq.heappush(waiting, (due_us(medium), next(numbers), step.kind, medium))
        while waiting and waiting[0][0] <= until_us:
            yield heapq.heappop(waiting)[2:]
    while waiting:
        yield heapq.heappop(waiting)[2:]


class Jumps:
    """A corrector that takes jumps ahead out of the times of an input with sound. Both streams stay in step if both jump."""

    def __init__(self) -> None:
        self.found: list[int] = []  # how far the times after each jump are ahead of the input's beginning (microseconds)
        self._ahead_us: dict[str, int] = {}  # kind → how far its stream is
        self._latest_us: int | None = None  # the time of the latest picture or block so far

    def place(self, kind: str, medium: Media) -> Media:
        """Return the medium with the time that it has without the jumps before it."""
        ahead_us = self._ahead_us.get(kind, 0)
        if self._latest_us is not None and medium.timestamp - ahead_us - self._latest_us > MOST_GAP_US:
            ahead_us = medium.timestamp - self._latest_us - min(medium.duration or _STEP_US, _STEP_US)
            known = next((one for one in self.found if abs(one - ahead_us) < _ALIKE_US), None)
            if known is None:
                self.found.append(ahead_us)
            self._ahead_us[kind] = ahead_us = ahead_us if known is None else known
        at_us = medium.timestamp - ahead_us
        self._latest_us = at_us if self._latest_us is None else max(self._latest_us, at_us)
        if not isinstance(medium, AudioData) and (medium.duration or 0) > MOST_GAP_US:
            medium = replace(medium, duration=None)  # until after the jump
        return replace(medium, timestamp=at_us) if ahead_us else medium


def without_jumps(feed: InputFeed, media: Iterable[tuple[str, Media]]) -> Iterator[tuple[str, Media]]:
    """Yield the media of an input without jumps ahead of more than MOST_GAP_US if its sound is read. Warn once."""
    jumps, warned = Jumps(), False
    for kind, medium in media:
        if feed.opened(AUDIO) is None:
            yield kind, medium
            continue
        placed = jumps.place(kind, medium)
        if jumps.found and not warned:
            warned = True
            feed.warn(kind, f"the times of {feed.name} jump ahead by {time_text(jumps.found[0])}; going on without the gap")
        yield kind, placed
