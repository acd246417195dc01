"""Feeds of a pipe for the tracks of an input: pictures or samples one by one, or a container."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from av.stream import Discard

from mscli.core.clock import MICROSECONDS, now_us
from mscli.core.errors import NotReadableError
from mscli.core.frames import AudioData, Media
from mscli.core.limits import MUTE_S
from mscli.core.log import Log
from mscli.core.properties import AUDIO
from mscli.sources.bytereader import ByteReader, EndedEarly
from mscli.sources.demux import InputContainer, InputContent, Mending, open_container
from mscli.sources.feed import InputFeed, Playback
from mscli.sources.pipe.formats import PipeFormat
from mscli.sources.sound.sampleclock import BlockTimer, Measured
from mscli.sources.streams import AHEAD_US, StreamReaders, by_time, without_jumps

_log = Log("pipe")

_PROBES: tuple[dict[str, str], ...] = (
    {"probesize": "32", "analyzeduration": "0"},
    {},
)  # the first does not wait for more than the header

_LEAST_PROBE = 32  # bytes that FFmpeg wants to be allowed to read
_PROBED_BYTES = 64 << 20  # how much of a container is kept to describe it; what holds no media may go on without end


class _Replayed:
    """The pipe as a Python file that can be read from its beginning again, until ``forget_read``."""

    def __init__(self, reader: ByteReader) -> None:
        self._reader = reader
        self._kept = bytearray()  # all that was read, or once settled, what was read ahead
        self._at = 0
        self._forgets = False
        self.is_frozen = False  # whether it ends with what was kept
        self.is_full = False  # whether it said that it ends, because too much was kept
        self.failure: NotReadableError | None = None  # after which it said that it ends

    @property
    def kept_bytes(self) -> int:
        """Return how much was read and kept."""
        return len(self._kept)

    def rewind(self) -> None:
        """Go to the beginning."""
        self._at = 0

    def forget_read(self) -> None:
        """Stop keeping what is read, because nobody returns to the beginning."""
        self._forgets = True

    def read(self, count: int) -> bytes:
        """Return at most ``count`` bytes, none at the end."""
        if self._at == len(self._kept):
            if self._forgets:
                self._kept.clear()
                self._at = 0
                return self._reader.read(count)
            if len(self._kept) > _PROBED_BYTES:
                self.is_full = True
                return b""
            if self.is_frozen or self.failure is not None:
                return b""
            try:
                self._kept += self._reader.read(count)
            except NotReadableError as error:  # PyAV would print those that it drops
                self.failure = error
        data = bytes(self._kept[self._at : self._at + count])
        self._at += len(data)
        return data


def open_stream(reader: ByteReader, form: str, probes: Sequence[Mapping[str, str]] = _PROBES) -> object:
    """Return the container that comes next. A second attempt reads more of it if the first found too little.

    A stream that is declared, and of which nothing has come by then, is discarded.
    """
    file = _Replayed(reader)
    for left, probe in enumerate(probes, 1 - len(probes)):
        file.rewind()
        try:
            opened = open_container(file, reader.name, form or None, most_pixels=reader.most_pixels, container_options=probe)
        except NotReadableError:
            if file.is_full:
                raise _no_media_in(reader) from None
            if file.failure is not None:
                raise file.failure from None
            if not left:
                raise
            continue
        if file.is_full:
            opened.close()
            raise _no_media_in(reader)
        if all(map(_is_known, opened.streams)):
            break
        if not left:
            opened = _with_what_came(file, opened, reader, form)
            break
        opened.close()
    file.forget_read()
    return opened


def _with_what_came(file: _Replayed, opened: Any, reader: ByteReader, form: str) -> Any:
    """Return the container opened again, without the unknown streams of which nothing came. Raises the error of the reader."""
    unknown = {stream.index for stream in opened.streams if not _is_known(stream)}
    file.is_frozen = True
    absent = unknown - {packet.stream_index for packet in opened.demux() if packet.size}
    opened.close()
    failure, file.failure, file.is_frozen = file.failure, None, False
    if failure is not None and (unknown - absent or len(absent) == len(opened.streams)):
        raise failure
    file.rewind()
    probe, name = {"probesize": str(max(_LEAST_PROBE, file.kept_bytes // 4))}, reader.name
    again: Any = open_container(file, name, form or None, most_pixels=reader.most_pixels, container_options=probe)
    for stream in again.streams:
        if stream.index in absent:
            _log.warning("%s: a %s stream is declared, but nothing of it came", name, stream.type)
            stream.discard = Discard.all
    return again


def _no_media_in(reader: ByteReader) -> NotReadableError:
    """Return the error of a pipe with so much that is no media that the rest is not read."""
    size = f"{_PROBED_BYTES >> 20} MiB"
    return NotReadableError(
        f"the first {size} of {reader.name} hold no media that mscli can read", hints=["check it with ffprobe"]
    )


def _is_known(stream: object) -> bool:
    """Return whether enough is known of a stream to describe it."""
    context = getattr(stream, "codec_context", None)
    if context is None or context.type not in ("video", "audio"):
        return True
    return bool(context.pix_fmt and context.width if context.type == "video" else context.sample_rate and context.format)


class FormatFeed(InputFeed):
    """A feed of pictures or samples of a pipe, stamped when they arrive, or by number if the pipe waits for its readers."""

    def __init__(self, reader: ByteReader, parts: PipeFormat, *, live: bool) -> None:
        super().__init__(reader.name, live=live, irregular=not live)
        self._reader, self._parts = reader, parts
        self._count = 0  # pictures, or samples per channel
        self._warned_of_bad = False

    def interrupt(self) -> None:
        """End a wait for the writer, or let it wait again."""
        self._reader.stopping = self.stopping

    def media(self) -> Iterator[tuple[str, Media]]:
        """Yield what comes until the writer ends, with its times."""
        parts = self._read()
        timed: Iterator[Media]
        if not self.live:
            timed = map(self._by_number, parts)
        elif self._parts.kind == AUDIO:
            timed = sound_by_arrival(((now_us(), part) for part in parts), self._reader.name)
        else:
            timed = (replace(part, timestamp=now_us(), duration=self._duration_us) for part in parts)
        return ((self._parts.kind, part) for part in timed)

    def _read(self) -> Iterator[Any]:
        """Yield what comes until the writer ends. What it began and did not complete is lost."""
        warned = False
        try:
            while (part := self._parts.read()) is not None:
                self._lose_bad()
                if self._parts.skipped and not warned:
                    warned = True
                    self.warn(self._parts.kind, f"{self._reader.name} has bytes that belong to no image, which are skipped")
                yield part
            self._lose_bad()
        except EndedEarly:
            self._lose_bad()
            if not self.stopping:
                self.lose(self._parts.kind, 1)
                self.warn(self._parts.kind, f"the writer of {self._reader.name} ended within a frame, which is lost")

    def _lose_bad(self) -> None:
        """Count the pictures that were cut off or damaged, and leave their time empty."""
        lost, self._parts.lost = self._parts.lost, 0
        if lost:
            self.lose(self._parts.kind, lost)
            self._count += lost
            if not self._warned_of_bad:
                self.warn(self._parts.kind, f"{self._reader.name} has images that are cut off or damaged, which are lost")
            self._warned_of_bad = True

    def _by_number(self, part: Any) -> Media:
        at_us = round(self._count * MICROSECONDS / self._parts.rate)
        self._count += part.count
        timed: Media = replace(part, timestamp=at_us)
        return timed if isinstance(timed, AudioData) else replace(timed, duration=self._duration_us)

    @property
    def _duration_us(self) -> int:
        return round(MICROSECONDS / self._parts.rate)


def sound_by_arrival(blocks: Iterable[tuple[int, AudioData]], name: str) -> Iterator[AudioData]:
    """Yield blocks of sound with the times of their samples, by when they arrived, as those of a microphone.

    A writer may write many blocks at once, so the samples are counted. If it has stalled, the count goes on from now.
    ``name``: that of the pipe.
    """
    timer: BlockTimer | None = None
    last_us = 0
    for arrival_us, block in blocks:
        if timer is None:
            shape = block.format, block.sample_rate, block.number_of_channels
            timer, last_us = BlockTimer(name, " while its writer stalled", *shape), arrival_us
        stalled = arrival_us - last_us > MUTE_S * MICROSECONDS
        last_us = arrival_us
        measured = Measured(arrival_us - block.duration, block.number_of_frames, stalled, bytes(block.data))
        yield from (timed for _, timed in timer.take(measured))
    if timer is not None:
        yield from (timed for _, timed in timer.release())


class ContainerFeed(Playback):
    """A container that comes through a pipe, played by its own times."""

    def __init__(self, reader: ByteReader, container: InputContainer, content: InputContent, *, live: bool) -> None:
        super().__init__(reader.name, live=live, irregular=not live, catches_up=True)
        self._reader, self._container, self._content = reader, container, content

    def interrupt(self) -> None:
        """End a wait for the writer, or let it wait again."""
        self._reader.stopping = self.stopping

    def media(self) -> Iterator[tuple[str, Media]]:
        """Yield what comes when it is due. Raises NotReadableError if a stop has cut off what FFmpeg was reading."""
        if self._reader.cut_off:
            hints = ["open the pipe for as long as it is read"]
            raise NotReadableError(
                f"{self._reader.name} was stopped within its container, so it cannot be read on", hints=hints
            )
        return super().media()

    def timed(self) -> Iterator[tuple[str, Media]]:
        """Yield what comes until the writer ends. The time of the first is 0."""
        readers = StreamReaders(self, self._container, self._content)
        first_us: int | None = None
        mending = Mending(self.retime, hasty=self.live)
        media = by_time(
            self._container.steps(readers.of, ordered=False, mending=mending), ahead_us=0 if self.live else AHEAD_US
        )
        for kind, medium in without_jumps(self, media):
            first_us = medium.timestamp if first_us is None else first_us
            yield kind, replace(medium, timestamp=medium.timestamp - first_us)
            readers.report()
        readers.report()

    def close(self) -> None:
        """Close the container."""
        super().close()
        self._container.close()
