"""Play a media file: at its own pace on our clock, or as fast as its readers take it.

A file that ends begins again if it loops. The period of a loop is that of its longest stream, so picture and sound stay
together however often it is repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from mscli.core.clock import MICROSECONDS
from mscli.core.errors import ArgumentError
from mscli.core.frames import SAMPLE_FORMATS, AudioData, Media
from mscli.core.properties import AUDIO, VIDEO
from mscli.sources.base import InputOptions
from mscli.sources.demux import InputContainer, InputContent, Mending
from mscli.sources.feed import Playback
from mscli.sources.streams import StreamReaders, by_time, without_jumps

_SEAM_US = 100_000  # the longest end of a loop without sound that is filled with silence; a longer one is a gap
_EARLIER_US = 10 * MICROSECONDS  # how much earlier to look in a container without an index


def check_start(options: InputOptions, length_us: int | None, name: str) -> None:
    """Raise TypeError if a file is to begin after its end."""
    if length_us is not None and options.start_s * MICROSECONDS >= length_us > 0:
        lasts = f"{length_us / MICROSECONDS:.6g}"
        raise ArgumentError(f"cannot start at {options.start_s:g} s: {name} lasts {lasts} s")


class Player(Playback):
    """A playing file. ``open_container`` opens it from the beginning. ``content``: what it holds."""

    def __init__(
        self, name: str, open_container: Callable[[], InputContainer], content: InputContent, options: InputOptions
    ) -> None:
        super().__init__(name, live=options.paced, irregular=True)
        self.loop = options.loop
        self._open = open_container
        self._content = content
        self._from_us = round(options.start_s * MICROSECONDS)  # where to begin, in the file

    def begin_at(self, at_us: int) -> None:
        """Begin at a time of the file when it is started next."""
        self._from_us, self._playing = at_us, None

    def timed(self) -> Iterator[tuple[str, Media]]:
        """Yield the file's media, again and again if it loops, with times from where it began."""
        from_us, shift_us = self._from_us, -self._from_us
        while True:
            ends_us = dict.fromkeys((VIDEO, AUDIO), from_us)
            last: AudioData | None = None
            for kind, medium in self._once(from_us):
                ends_us[kind] = max(ends_us[kind], medium.timestamp + _length_us(medium))
                medium = replace(medium, timestamp=medium.timestamp + shift_us)
                last = medium if isinstance(medium, AudioData) else last
                yield kind, medium
            end_us = max(ends_us.values())
            if not self.loop or end_us == from_us:
                return
            if last is not None and 0 < end_us - ends_us[AUDIO] <= _SEAM_US:
                yield AUDIO, _silence_after(last, end_us - ends_us[AUDIO])
            from_us, shift_us = 0, shift_us + end_us

    def _once(self, from_us: int) -> Iterator[tuple[str, Media]]:
        """Yield the file's media from a time to its end, in order of time, with the file's own times."""
        with self._opened_at(from_us) as container:
            readers = StreamReaders(self, container, self._content, from_us)
            for kind, medium in without_jumps(
                self, by_time(container.steps(readers.of, ordered=True, mending=Mending(self.retime)))
            ):
                yield kind, medium
                readers.report()
            readers.report()

    def _opened_at(self, from_us: int) -> InputContainer:
        """Open the file, and go to the last key frame before a time if that can be found."""
        container = self._open()
        if from_us and not any(container.lands(from_us - earlier_us, from_us) for earlier_us in (0, _EARLIER_US)):
            container.close()
            container = self._open()
        return container


def _length_us(medium: Media) -> int:
    return medium.lasts_us if isinstance(medium, AudioData) else medium.duration or 0


def _silence_after(block: AudioData, length_us: int) -> AudioData:
    """Return silence that follows a block of sound."""
    samples = max(1, round(length_us * block.sample_rate / MICROSECONDS))
    data = SAMPLE_FORMATS[block.format].silence * (samples * block.number_of_channels)
    return replace(block, number_of_frames=samples, timestamp=block.timestamp + block.duration, data=memoryview(data))
