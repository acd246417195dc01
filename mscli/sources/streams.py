"""Read the streams of a container for the open tracks of an input, in order of time."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from itertools import count

from mscli.core.frames import Media
from mscli.sources.demux import InputContainer, InputContent, Step, StreamReader
from mscli.sources.feed import InputFeed, InputFeedSource, due_us

AHEAD_US = 200_000  # how far a file is decoded ahead: decoders hold pictures back, and streams are interleaved


class StreamReaders:
    """The readers of a container's streams, each made when a track of its kind is first read. ``from_us``: where to begin."""

    def __init__(self, feed: InputFeed, container: InputContainer, content: InputContent, from_us: int = 0) -> None:
        self._feed, self._container, self._content, self._from_us = feed, container, content, from_us
        self._readers: dict[str, tuple[InputFeedSource, StreamReader]] = {}

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


def by_time(steps: Iterable[Step], ahead_us: int = AHEAD_US) -> Iterator[tuple[str, Media]]:
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
