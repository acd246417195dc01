"""Write packets of all tracks into one file, beginning at a given time, with FFmpeg's muxers.

https://ffmpeg.org/ffmpeg-formats.html. The output may fail at any byte, and whatever was readable before stays readable.
Packets are flushed as they come. The output gets its name with the first packet that can be read back.

Timestamps count from the file's beginning. A packet may go into several files, so it is never modified here.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from fractions import Fraction
from functools import cached_property
from math import ceil
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

import av
import av.container
from av.packet import PacketSideData, packet_sidedata_type_from_literal

from mscli.core.clock import MICROSECONDS, wall_clock
from mscli.core.codecs import AUDIO_CODECS, VIDEO_CODECS, AudioCodec
from mscli.core.errors import NotSupportedError, OperationError
from mscli.core.frames import AudioData, Chunk, EncodedAudioChunk, EncodedVideoChunk
from mscli.core.limits import INTERLEAVE_US
from mscli.core.log import Burst, Log
from mscli.core.tuples import NamedTuple
from mscli.encode.audio import HELD_FRAMES, LOSSY_FRAME, encoder_options, placed_av, set_up_sound
from mscli.encode.chunks import PacketStream, Piece, SoundShape, SoundStream
from mscli.encode.codecs import FRAGMENT_US, Container, Overhead, fragment_us, in_fragments
from mscli.encode.encoding import EncodedTrack, PacketSink, first_camera
from mscli.encode.ffmpeg import TIME_BASE, add_stream, open_encoder
from mscli.encode.mp4 import Fragments, SampleEntries
from mscli.encode.options import SinkOptions
from mscli.encode.samplesets import SampleSets
from mscli.sinks.files.output import Headed, Output
from mscli.sinks.recording.kept import KeptStream, read_kept

if TYPE_CHECKING:
    from mscli.encode.ffmpeg import Packet

    AvStream = av.VideoStream | av.AudioStream


_ENTRY_HEAD = 300  # bytes of a sample entry without its parameter sets, and of the table that refers to it
_TRACK_HEAD = 1500  # bytes per further track: MP4 needs 1320

_log = Log("sinks")


class SizeBound:
    """An upper bound for the size of a file, given its packets. ``fragment_us``: the length of its fragments."""

    def __init__(self, overhead: Overhead, fragment_us: int) -> None:
        self._row = overhead
        self._fragment_us = fragment_us
        self._packets = 0  # bytes, including their overhead
        self._span_us = 0  # the time from the file's beginning to its latest packet

    @property
    def bytes(self) -> int:
        """Return the bound for the packets so far."""
        return self._row.head + self._packets + self._row.fragment * (2 + self._span_us // self._fragment_us)

    def add_head(self, tracks: int, title_bytes: int) -> None:
        """Add the size of the header's tracks and titles. The fixed part already includes two tracks without a title."""
        self._packets += _TRACK_HEAD * max(0, tracks - 2) + title_bytes

    def cost(self, size: int, *, key: bool = False) -> int:
        """Return the bytes that a packet of this size needs. ``key``: whether it is a key frame, which begins a fragment."""
        return ceil(size * self._row.growth) + self._row.packet + (self._row.fragment if key else 0)

    def add(self, size: int, until_us: int, *, key: bool = False) -> None:
        """Add a packet that ends at ``until_us`` in the file."""
        self._packets += self.cost(size, key=key)
        self._span_us = max(self._span_us, until_us)


# FFmpeg's muxer, and the tracks of a file.


_UNSAID = {"write_bext": ""}  # muxer options that say when a file was recorded
_MILLISECONDS = 1000  # per second: Matroska's unit of time
_BUFFER_BYTES = 1 << 18  # enough to write a camera's JPEG with one call
_INDEX_BYTES = 80  # of memory for each packet
MOST_INDEXED = (256 << 20) // _INDEX_BYTES  # packets: 12 hours at 30 frames per second with sound


class Muxer:
    """A muxer of one file. Call ``add_...`` for each stream, ``start``, ``mux``, and ``close`` or ``salvage``.

    FFmpeg keeps the index of an MP4 in memory until the end. Once it has MOST_INDEXED packets, another of FFmpeg's muxers
    continues the file, which then stays in fragments.
    """

    def __init__(
        self,
        container: Container,
        output: Output,
        *,
        metadata: bool = True,
        tags: Mapping[str, str] = MappingProxyType({}),
        fragment_us: int = FRAGMENT_US,
        on_note: Callable[[str], object] | None = None,
    ) -> None:
        """Open FFmpeg's muxer.

        ``metadata``: whether to write when and by what the file was recorded. ``tags``: what else. ``fragment_us``: the
        length of a fragment. ``on_note`` gets messages for people.
        """
        self._on_note = on_note or _log.warning
        self.started = False
        self._closed = False
        self.bytes: Counter[int] = Counter()  # stream index → size of its packets
        self.bound = SizeBound(container.overhead, fragment_us)  # for the file's size
        self._container = container
        self._output = output
        self.tells_end = bool(container.continued) and output.seekable()  # whether its index tells when the pictures end
        self._delays: dict[int, AudioCodec] = {}  # stream index → the codec whose delay the container adds
        self._ahead: Counter[int] = Counter()  # stream index → milliseconds by which its packets are muxed earlier
        self._head = 0  # bytes before the first packet
        self._packets = 0
        self._indexed = 0  # packets in the index of FFmpeg's present muxer
        self._firsts: dict[int, int] = {}  # stream index → the decoding time of its first packet
        self._earlier: dict[int, int] | None = None  # the same → what another muxer takes from its times; None: it is the first
        self._fragment_us = fragment_us
        self._sets: list[SampleSets] = []  # of the streams whose tag may be another at the end
        self._final_tag = ""  # that tag
        self._fragments = Fragments(output)
        options = container.options if output.seekable() else container.streaming
        self._metadata = metadata
        self._tags = tags
        if container.first_head is not None:
            output = Headed(output, container.first_head)
        options = {**options} if metadata else {**options, "fflags": "+bitexact", **_UNSAID}  # omits the program's name
        options = {name: value for name, value in options.items() if value}
        self._file = self._opened(self._fragments if container.continued else output, options)

    def _opened(self, target: Any, options: Mapping[str, str]) -> av.container.OutputContainer:
        """Open FFmpeg's muxer."""
        general = {"flush_packets": "1", "max_interleave_delta": str(INTERLEAVE_US)}
        name = self._container.muxer
        return av.open(
            target,
            "w",
            format=name,
            container_options={**general, **in_fragments(options, self._fragment_us)},
            buffer_size=_BUFFER_BYTES,
        )

    def add_like(
        self, pattern: AvStream, codec: str, time_base: Fraction = TIME_BASE, sets: SampleSets | None = None
    ) -> AvStream:
        """Add a stream for packets of an encoder that somebody else opened. ``codec``: our name. ``sets``: those of a copy."""
        stream = self._file.add_stream_from_template(pattern, opaque=True, time_base=time_base)
        final, growing = (tags.get(codec, "") for tags in (self._container.tags, self._container.growing_tags))
        if sets is not None and growing:
            self._sets.append(sets)
            if self._output.seekable():  # a pipe keeps it
                self._final_tag, self._fragments.entries = final, SampleEntries(growing)
        if final:
            stream.codec_context.codec_tag = final if sets is None else growing
        if codec in AUDIO_CODECS:
            self._delays[stream.index] = AUDIO_CODECS[codec]
        return stream

    def sample_sets(self, codec: str, pattern: AvStream | None) -> SampleSets | None:
        """Return what puts the parameter sets of a copy where this container has them, or None if it does not matter."""
        units = VIDEO_CODECS[codec].units
        if not self._container.growing_tags or units is None or pattern is None:
            return None
        return SampleSets(units, pattern.codec_context.extradata or b"", strips=codec in self._container.growing_tags)

    def add_copied(self, codec: str, width: int, height: int) -> av.VideoStream:
        """Add a stream for a camera's packets. ``codec``: FFmpeg's name."""
        stream = self._file.add_mux_stream(codec, width=width, height=height, time_base=TIME_BASE)
        assert isinstance(stream, av.VideoStream), "a video codec makes a video stream"
        return stream

    def add_audio(self, codec: AudioCodec, shape: SoundShape) -> av.AudioStream:
        """Add a stream with an encoder for samples of this shape. The encoder must be open before ``start``."""
        stream = add_stream(self._file, codec.encoder(shape.bits, floating=shape.floating)[0])
        assert isinstance(stream, av.AudioStream), "an audio encoder makes an audio stream"
        self._delays[stream.index] = codec
        return stream

    def start(self, titles: Sequence[str] = (), recorded: datetime | None = None) -> None:
        """Write the header. All streams must have been added. ``titles``: of the tracks; ``recorded``: the recording time."""
        if not self._metadata:
            titles, recorded = [""] * len(titles), None
        if recorded is not None:
            self._file.metadata[self._container.date] = recorded.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            if (of_first := self._container.first_sample) is not None:
                (sound,) = self._file.streams.audio
                title = self._tags.get("title") or titles[0]
                self._file.metadata.update(of_first(recorded, sound.codec_context.sample_rate, title))
        self._file.metadata.update(self._tags)
        name = self._container.title
        for stream, title in zip(self._file.streams, titles, strict=False):
            if name and title:
                stream.metadata[name] = title
        self.bound.add_head(len(titles), sum(len(text.encode()) for text in (*titles, *self._tags.values())))
        self._put_in_order()
        self._file.start_encoding()
        self.started = True
        self._head = self._output.size

    def mux(self, packets: Sequence[Packet], ticks: int) -> None:
        """Write packets whose timestamps count ``ticks`` per second. Raises OperationError, BrokenPipeError."""
        before = self._output.size
        if packets and self._indexed >= MOST_INDEXED and self._can_continue_with(packets[0]):
            self._continue()
        for packet in packets:
            self.bytes[packet.stream.index] += packet.size
            end_us = ((packet.pts or 0) + (packet.duration or 0)) * MICROSECONDS // ticks
            self.bound.add(packet.size, end_us, key=packet.is_keyframe and packet.stream.type == "video")
            if packet.dts is not None and packet.stream.index in self._ahead:
                packet.dts -= self._ahead[packet.stream.index] * ticks // _MILLISECONDS
            if self._container.continued:
                self._place(packet)
        self._file.mux(packets)
        self._packets += len(packets)
        self._indexed += len(packets)
        if self._output.size > max(before, self._head) and self._packets >= self._container.packets:
            self._output.mark()

    def _can_continue_with(self, packet: Packet) -> bool:
        """Return whether another muxer can begin with the packet: a key frame of the first stream, once all have begun."""
        begun = len(self._firsts) == len(self._file.streams)
        return bool(self._container.continued) and begun and packet.is_keyframe and not packet.stream.index

    def _continue(self) -> None:
        """Let another muxer write the rest of the file."""
        streams = [*self._file.streams]
        self._fragments.alone = True
        self._file.close()
        begun, entries = self._fragments.begun, self._fragments.entries
        self._fragments = Fragments(self._output, begun, alone=True)
        self._fragments.entries = entries
        options = {**self._container.continued, "fragment_index": str(begun + 1)}
        self._file = self._opened(self._fragments, options)
        for stream in streams:
            self._file.add_stream_from_template(stream, opaque=True)
        self._file.start_encoding()
        self._indexed, self._earlier = 0, {}

    def _place(self, packet: Packet) -> None:
        """Note the time of a stream's first packet, or give a packet the stream and the times that another muxer needs.

        That muxer takes the presentation time of its first packet (``frag_discont``) for the decoding time in the file, which
        counts from the stream's first packet.
        """
        index, decoded, shown = packet.stream.index, packet.dts, packet.pts
        assert decoded is not None, "the encoder's packets have times"
        assert shown is not None, "the encoder's packets have times"
        first = self._firsts.setdefault(index, decoded)
        if self._earlier is None:
            return
        earlier = self._earlier.setdefault(index, first + shown - decoded)
        packet.stream, packet.pts, packet.dts = self._file.streams[index], shown - earlier, decoded - earlier

    def _put_in_order(self) -> None:
        """Write packets in the order of their timestamps in the container, as Media Source Extensions require.

        FFmpeg orders packets by ``dts``. In Matroska, audio blocks are later than that by the codec's delay. So the packets of
        the other streams get an earlier ``dts``, which Matroska does not store.
        https://www.w3.org/TR/mse-byte-stream-format-webm/#webm-media-segments
        """
        if not self._container.adds_delay:
            return
        late = {stream.index: self._late_ms(stream) for stream in self._file.streams}
        latest = max(late.values(), default=0)
        self._ahead.update({index: latest - one for index, one in late.items() if one < latest})

    def _late_ms(self, stream: object) -> int:
        """Return the delay that the container adds to the stream's packets, rounded as FFmpeg does."""
        if not isinstance(stream, av.AudioStream):
            return 0
        codec = self._delays[stream.index]
        rate = stream.codec_context.sample_rate
        return (2 * codec.delay * _MILLISECONDS + rate) // (2 * rate)

    def close(self) -> None:
        """Write the trailer, finish the output and free the streams. Raises OperationError, BrokenPipeError."""
        self._output.finishing(self._container.unindexed)
        self._close_file()
        self._retag()
        self._output.commit()

    def salvage(self) -> None:
        """Keep what can be read, if anything. Write no trailer, because an incomplete one would damage the file."""
        self._output.failed = True
        with suppress(av.FFmpegError, OperationError, BrokenPipeError):
            self._close_file()
        self._output.discard()

    def note_change(self, at_s: float) -> None:
        """Note that the parameter sets of a copy have become others. Say so if the file cannot get its usual tag."""
        if self._final_tag:
            what = f"the camera's parameter sets changed at {at_s:.3g} s"
            self._on_note(f"{self._output.name} keeps the tag hev1, which Apple's players refuse: {what}")

    def _retag(self) -> None:
        """Change the tag of a finished file in which no stream needs that of a growing one any longer."""
        entries = self._fragments.entries
        if entries is None or any(sets.changed for sets in self._sets):
            return
        for at, data in entries.retagged(self._final_tag):
            cast(Any, self._output).seek(at)
            self._output.write(data)

    def _close_file(self) -> None:
        """Close FFmpeg's file, and free it with its encoders."""
        if not self._closed:
            self._closed, file = True, self._file
            del self._file
            file.close()


def packet_of(data: memoryview) -> Packet:
    """Return a packet with a copy of these bytes, and with the side data of the packet that owns them, if there is one.

    Several outputs write the same bytes at once, and a packet changes while it is written.
    """
    packet, owner = av.Packet(cast(bytes, data)), data.obj
    if isinstance(owner, av.Packet) and owner.size == data.nbytes:
        for side_data in owner.iter_sidedata():
            packet.set_sidedata(side_data)
    return packet


class FileTrack:
    """A track of a file."""

    rest = 0  # the most bytes that may still be written at the end
    begun = True  # whether what comes can be decoded: of chunks, none before the first key frame can

    def __init__(self, muxer: Muxer, stream: av.VideoStream | av.AudioStream) -> None:
        self._muxer = muxer
        self.index = stream.index  # in the file


class PacketTrack(FileTrack):
    """A track of already encoded chunks in a file that begins at ``begin_us``.

    FFmpeg's index of an MP4 ends with the pictures of the last fragment. If others of an earlier fragment are shown after them,
    players would leave those out. So a chunk of reordered pictures is written when the next one comes, and the last one of the
    file lasts until the last picture ends.
    """

    def __init__(self, muxer: Muxer, described: PacketStream, begin_us: int) -> None:
        codec, pattern, size, rate, origin_us, carries_sets = described
        self._unit = Fraction(1, rate)
        self._sets = muxer.sample_sets(codec, pattern) if carries_sets else None
        stream = muxer.add_copied(codec, *size) if pattern is None else muxer.add_like(pattern, codec, self._unit, self._sets)
        super().__init__(muxer, stream)
        self._stream = stream
        self._pictures = stream.type == "video"
        self._rate = rate
        self._begin_us = begin_us
        self._begin = self._units(begin_us - origin_us)  # for sound: the sample number
        self._decoded: int | None = None  # the decoding time of the previous chunk, in the file's time
        self._end = 0  # of the last picture shown, in the file's time
        self._held: Chunk | None = None  # the latest chunk, if pictures are shown in another order
        self.begun = False

    def _units(self, us: int) -> int:
        return round(us * self._rate / MICROSECONDS)

    def cost(self, chunk: Chunk) -> int:
        """Return the most bytes that the chunk can add to the file."""
        room = 0 if self._sets is None or not chunk.key else self._sets.room
        return self._muxer.bound.cost(chunk.nbytes + room, key=chunk.key and self._pictures)

    def write(self, chunk: Chunk) -> None:
        """Write the chunk, or hold it until the next one."""
        held, is_reordered = self._held, isinstance(chunk, EncodedVideoChunk) and chunk.reorder_us
        if held is None and not (self._muxer.tells_end and is_reordered):
            self._mux(chunk)
            return
        self._held, self.rest = chunk, self.cost(chunk)
        if held is not None:
            self._mux(held)

    def _mux(self, chunk: Chunk, *, is_last: bool = False) -> None:
        if self._sets is not None and isinstance(chunk, EncodedVideoChunk):
            packet = self._sets_placed(self._sets, chunk)
        else:
            packet = packet_of(chunk.data)
        if isinstance(chunk, EncodedAudioChunk):
            shown = decoded = chunk.sequence - self._begin
        else:
            shown = self._units(chunk.timestamp - self._begin_us)
            decoded = shown - self._units(chunk.reorder_us) if chunk.reorder_us else shown
            if self._decoded is not None and decoded <= self._decoded:  # containers require rising decoding times
                decoded = self._decoded + 1
            shown, self._decoded = max(shown, decoded), decoded
        lasts = self._units(chunk.duration or 0)
        self._end = max(self._end, shown + lasts)
        packet.pts, packet.dts, packet.duration = shown, decoded, self._end - shown if is_last else lasts
        packet.time_base, packet.is_keyframe = self._unit, chunk.key
        packet.stream = self._stream
        self._muxer.mux([packet], self._rate)

    def _sets_placed(self, sets: SampleSets, chunk: EncodedVideoChunk) -> Packet:
        """Return a packet with the parameter sets that it needs in this file."""
        known = sets.changed
        data, entry = sets.sample(chunk)
        packet = packet_of(memoryview(data))
        if entry:
            new = cast(Any, PacketSideData)(packet_sidedata_type_from_literal("new_extradata"), len(entry))
            new.update(entry)
            new.to_packet(packet)
            self._muxer.bound.add_head(0, len(entry) + _ENTRY_HEAD)
        if sets.changed and not known:
            self._muxer.note_change((chunk.timestamp - self._begin_us) / MICROSECONDS)
        return packet

    def finish(self) -> None:
        """Write the chunk that is held."""
        held, self._held, self.rest = self._held, None, 0
        if held is not None:
            self._mux(held, is_last=True)


class SoundTrack(FileTrack):
    """A track of audio samples with its own encoder. It begins with sample ``begin`` of the recording."""

    def __init__(self, muxer: Muxer, described: SoundStream, begin: int) -> None:
        codec, shape, options = described
        self._codec = codec
        self._stream = muxer.add_audio(codec, shape)
        super().__init__(muxer, self._stream)
        self._begin = begin
        context = self._stream.codec_context
        open_encoder(context, encoder_options(codec, shape), codec.title, set_up_sound(context, codec, shape, options))
        self._sample_bytes = shape.channels * context.format.bytes
        frame = LOSSY_FRAME * shape.channels if codec.lossy else context.frame_size * self._sample_bytes
        self.rest = HELD_FRAMES * frame

    def cost(self, sound: AudioData) -> int:
        """Return the most bytes that the samples can add to the file."""
        return self._muxer.bound.cost(sound.number_of_frames * self._sample_bytes)

    def write(self, sound: AudioData) -> None:
        """Encode the samples at their place."""
        context = self._stream.codec_context
        self._muxer.mux(
            self._stream.encode(placed_av(sound, self._begin, context.layout.name, self._codec)), context.sample_rate
        )

    def finish(self) -> None:
        """Write what the encoder still holds."""
        self._muxer.mux(self._stream.encode(None), self._stream.codec_context.sample_rate)


def track_in(muxer: Muxer, track: EncodedTrack, begin_us: int) -> PacketTrack | SoundTrack:
    """Add a track to a file that begins at ``begin_us``."""
    described = track.stream()
    if isinstance(described, SoundStream):
        return SoundTrack(muxer, described, track.position(begin_us))
    return PacketTrack(muxer, described, begin_us)


# Sinks of one file.


FULL = "size"  # the reason of a recording that ends at its size limit


class Skips:
    """A judge of what a slow output leaves out: all packets from when it is behind up to the next key frame that fits.

    ``lead``: the track at whose key frames it continues, or None without video. ``count``: frames or samples by track.
    """

    def __init__(self, name: str) -> None:
        """Leave out nothing yet. ``name``: the output's, for the log."""
        self.lead: int | None = None
        self.count: Counter[int] = Counter()
        self._skipping = False
        self._burst = Burst(_log, f"“{name}”: %d frame(s) or sample(s) left out: the output is too slow")

    def leaves_out(self, track: int, piece: Piece, *, behind: bool) -> bool:
        """Return whether to leave out a packet, and count it. ``behind``: whether the output has no room."""
        if not (behind or self._skipping):
            return False
        begins = self.lead is None or (track == self.lead and not isinstance(piece, AudioData) and piece.key)
        self._skipping = behind or not begins
        if self._skipping:
            self.count[track] += piece.count
            self._burst.note(piece.count)
        else:
            self._burst.end()
        return self._skipping

    def end(self) -> None:
        """Log what was left out last."""
        self._burst.end()


class _Put(NamedTuple):
    """A packet that was passed to the muxer. ``reached``: the size of the output with it, once known."""

    track: int
    units: int  # pictures or samples
    size: int  # bytes
    at_us: int
    end_us: int
    reached: int = 0


class Receipts:
    """A counter of what a pipe has taken of each track. What its reader gets cannot be read again here.

    The muxer holds a packet back until the other tracks have reached its time. Then it gathers the packets of a fragment, and
    writes them with the first packet of the next one.
    """

    def __init__(self, output: Output, tracks: Sequence[int]) -> None:
        """Count from zero. ``tracks``: whose packets the muxer orders."""
        self._output = output
        self._latest_us: dict[int, int | None] = dict.fromkeys(tracks)
        self._waiting: list[_Put] = []  # for those of the other tracks
        self._gathered: list[_Put] = []  # in the muxer's fragment
        self._queued: deque[_Put] = deque()  # in the output's queue
        self._taken: dict[int, KeptStream] = {}

    def note(self, track: int, piece: Piece, nbytes: int, before: int) -> None:
        """Note that a packet of ``nbytes`` was passed to the muxer. ``before``: the size of the output before that."""
        self._latest_us[track] = at_us = piece.timestamp
        self._waiting.append(_Put(track, piece.count, nbytes, at_us, at_us + (piece.duration or 0)))
        late_us = min((at for at in self._latest_us.values() if at is not None), default=at_us)
        gathered, self._gathered = self._gathered, [one for one in self._waiting if one.at_us <= late_us]
        self._waiting = [one for one in self._waiting if one.at_us > late_us]
        if self._output.size > before:
            self._queued.extend(one._replace(reached=self._output.size) for one in gathered)
            self._settle()
        else:
            self._gathered = gathered + self._gathered

    def end(self) -> None:
        """Note that the muxer has written everything."""
        self._queued.extend(one._replace(reached=self._output.size) for one in (*self._gathered, *self._waiting))
        self._gathered, self._waiting = [], []

    def taken(self, track: int) -> KeptStream:
        """Return what the output has taken of a track. Times are those of the recording."""
        self._settle()
        return self._taken.get(track, KeptStream())

    def _settle(self) -> None:
        while self._queued and self._queued[0].reached <= self._output.taken:
            one = self._queued.popleft()
            kept = self._taken.get(one.track, KeptStream())
            self._taken[one.track] = KeptStream(kept.units + one.units, kept.size + one.size, max(kept.end_us, one.end_us))


class OneFile(PacketSink):
    """A sink that writes one file, video tracks first. It does not wait for a slow output.

    If the queue of a slow output is full, packets are skipped and counted, up to the next key frame that fits.
    """

    def __init__(self, container: Container, output: Output, options: SinkOptions | None = None) -> None:
        self.takes = container
        self._options = options or SinkOptions()
        self.output = output
        self.name = output.name
        self.tracks: dict[int, Any] = {}  # until the file ends
        self._streams: dict[int, int] = {}  # track → index of its stream in the file
        self._skips = Skips(output.name)
        self._receipts: Receipts | None = None  # of an output that cannot be read back
        self._undecodable: Counter[int] = Counter()  # track → frames before its first key frame
        self._muxer: Muxer | None = None
        self._ended = False

    def begin(self, tracks: Sequence[EncodedTrack], origin_us: int) -> None:
        """Write the header. The file begins at ``begin_us``."""
        self.begin_us = origin_us
        self.output.durable, self.output.since = True, wall_clock(origin_us + self.paused_us)
        if self.takes.head is not None and hasattr(os, "pwrite"):
            self.output.on_mark = self.takes.head()
        said, length_us = self._options, fragment_us(self._options)
        self._muxer = Muxer(
            self.takes, self.output, metadata=said.metadata, tags=said.tags, fragment_us=length_us, on_note=said.on_note
        )
        order = sorted(tracks, key=lambda track: track.kind != "video")
        self._skips.lead = first_camera(tracks)
        if not self.output.seekable():
            self._receipts = Receipts(self.output, [track.index for track in tracks])
        for track in order:
            added = self.tracks[track.index] = track_in(self._muxer, track, origin_us)
            self._streams[track.index] = added.index
        self._muxer.start([track.label for track in order], self.output.since)

    def put(self, track: int, piece: Piece) -> None:
        """Write a packet or samples of the track. Raises OperationError, BrokenPipeError."""
        if self._skips.leaves_out(track, piece, behind=self.output.behind):
            return
        inner, receipts = self.tracks[track], self._receipts
        if not inner.begun:
            inner.begun = isinstance(piece, AudioData) or piece.key
            if not inner.begun:
                self._undecodable[track] += piece.count
                return
        if receipts is None:
            inner.write(piece)
            return
        size, nbytes = self.output.size, self._muxed(track)
        try:
            inner.write(piece)
        finally:
            receipts.note(track, piece, self._muxed(track) - nbytes, size)

    def end(self) -> None:
        """Finish the file, or keep what was readable before its output failed. Raises OperationError, BrokenPipeError."""
        if self._ended:
            return
        self._ended = True
        self._skips.end()
        if self._muxer is None or self.output.failed:
            self._salvage()
            return
        try:
            for track in self.tracks.values():
                track.finish()
            if self.begun:
                self._muxer.close()
                if self._receipts is not None:
                    self._receipts.end()
            else:  # it was removed before its first packet
                self._salvage()
        except BaseException:
            with suppress(OperationError):
                self._salvage()
            raise
        finally:
            self.tracks.clear()  # and their encoders

    def drain(self) -> None:
        """Wait for a slow output. Raises OperationError, BrokenPipeError."""
        self.output.drain()

    def abort(self) -> None:
        """Give up. Keep what can be read, and remove the rest."""
        with suppress(av.FFmpegError, OperationError, BrokenPipeError):
            if self.output.readable:
                self.end()
            else:
                self._salvage()

    @property
    def bytes_written(self) -> int:
        """Return the size of the file so far, in bytes. A file without a packet does not stay."""
        return self.output.size if self.begun else 0

    @property
    def readable(self) -> bool:
        """Return whether the file can be read so far."""
        return self.output.readable

    @property
    def done(self) -> bool:  # type: ignore[override]
        """Return whether a slow output has written everything."""
        return self.output.done

    @property
    def identity(self) -> tuple[int, int] | None:  # type: ignore[override]
        """Return the device and inode of a regular file that has its name."""
        return self.output.identity

    @property
    def begun(self) -> bool:
        """Return whether anything was written."""
        return self._muxer is not None and any(self._muxer.bytes.values())

    @property
    def most_bytes(self) -> int:
        """Return the bytes that the file cannot exceed if it is finished now."""
        if self._muxer is None or self._ended or self.output.failed:
            return self.output.size
        return self._muxer.bound.bytes + int(sum(track.rest for track in self.tracks.values()))

    def cost(self, track: int, piece: Piece) -> int:
        """Return the most bytes that the packet or samples can add to the file."""
        return int(self.tracks[track].cost(piece))

    def track_bytes(self, track: int) -> int:
        """Return the bytes of the packets of that track."""
        if self._muxer is None or track not in self._streams:
            return 0
        kept = self._kept_of(track)
        return self._muxed(track) if kept is None else kept.size

    def left_out(self, track: int) -> Mapping[str, int]:
        """Return how many frames or samples the file does not have, because it is slow, or as they come before a key frame."""
        return {"behind": self._skips.count[track], "unwritten": self._undecodable[track]}

    def kept(self, track: int) -> int | None:
        """Return how many pictures or samples the file has if it was cut, after an error, to what can be read of it."""
        kept = self._kept_of(track)
        return None if kept is None else kept.units

    @property
    def kept_until_us(self) -> int | None:  # type: ignore[override]
        """Return when the file ends if its output has failed, or else None."""
        return None if self._kept is None else self.begin_us + max((kept.end_us for kept in self._kept), default=0)

    @property
    def _kept(self) -> Sequence[KeptStream] | None:
        """Return what the output has of each stream if it has failed: what can be read of a file, or what a pipe has taken."""
        kept_bytes = self.output.kept_bytes
        if kept_bytes is None or not kept_bytes:
            return None if kept_bytes is None else ()
        if self._receipts is None:
            return self._read_kept
        taken = [self._receipts.taken(track) for track in self._streams]
        return [one._replace(end_us=max(0, one.end_us - self.begin_us)) for one in taken]

    @cached_property
    def _read_kept(self) -> Sequence[KeptStream] | None:
        return read_kept(self.output.name)

    def _muxed(self, track: int) -> int:
        """Return the bytes of the track's packets that were passed to the muxer."""
        return self._muxer.bytes[self._streams[track]] if self._muxer is not None and track in self._streams else 0

    def _kept_of(self, track: int) -> KeptStream | None:
        place = self._streams.get(track)
        if self._kept is None or place is None:
            return None
        return self._kept[place] if place < len(self._kept) else KeptStream()

    def _salvage(self) -> None:
        """Keep what can be read, if anything. Raises OperationError."""
        if self._muxer is None:
            self.output.discard()
        else:
            self._muxer.salvage()
        self.tracks.clear()


class Budget:
    """The total size limit for all files of one output. ``on_full`` is called once it is reached."""

    def __init__(self, most_bytes: int, on_full: Callable[[], None]) -> None:
        self.most_bytes = most_bytes
        self.full = False
        self._on_full = on_full
        self._spent = 0  # bytes of files that are finished
        self._open: list[PacketSink] = []  # and those that a slow output has not finished
        self._ended: list[PacketSink] = []

    def open(self, file: PacketSink) -> None:
        """Count a file while it grows."""
        self._open.append(file)

    def close(self, file: PacketSink) -> None:
        """Count a file that has ended."""
        if file in self._open and file not in self._ended:
            self._ended.append(file)
        for one in [one for one in self._ended if one.done]:
            self._ended.remove(one)
            self._open.remove(one)
            self._spent += one.most_bytes

    def admits(self, file: PacketSink, track: int, piece: Piece) -> bool:
        """Return whether the packet fits. After one that does not, none does.

        Raises NotSupportedError if not even the first one fits.
        """
        if self.full or self._spent + sum(one.most_bytes for one in self._open) + file.cost(track, piece) <= self.most_bytes:
            return not self.full
        if not self._spent and not any(one.begun for one in self._open):
            raise NotSupportedError(
                f"a recording needs more than the limit of {self.most_bytes} bytes",
                hints=["raise --max-size or --segment-size"],
            )
        self.full = True
        self._on_full()
        return False


class Bounded(PacketSink):
    """A sink that writes into another while the budget permits, and counts the rest."""

    def __init__(self, file: PacketSink, budget: Budget) -> None:
        self.takes, self.name, self.shares_sound = file.takes, file.name, file.shares_sound
        self._file = file
        self._budget = budget
        self._unwritten: Counter[int] = Counter()

    def begin(self, tracks: Sequence[EncodedTrack], origin_us: int) -> None:
        """Begin the file."""
        self.begin_us, self._file.name = origin_us, self.name
        self._tell()
        self._file.begin(tracks, origin_us)
        self._budget.open(self._file)

    def put(self, track: int, piece: Piece) -> None:
        """Write the packet if it fits."""
        self._tell()
        if self._budget.admits(self._file, track, piece):
            self._file.put(track, piece)
            self.ended = self.ended or self._file.ended
        else:
            if not self._unwritten:
                _log.info("“%s”: full: what follows is left out", self.name)
            self._unwritten[track] += piece.count

    def end(self) -> None:
        """Finish the file."""
        self._tell()
        try:
            self._file.end()
        finally:
            self._budget.close(self._file)

    def drain(self) -> None:
        """Wait for the file."""
        self._file.drain()

    def abort(self) -> None:
        """Give up the file."""
        self._file.abort()
        self._budget.close(self._file)

    def abandon_reader(self) -> None:
        """Give up a stalled reader of the file."""
        self._file.abandon_reader()

    @property
    def finish_s(self) -> float:  # type: ignore[override]
        """Return how long the file may take at the end."""
        return self._file.finish_s

    @property
    def readable(self) -> bool:
        """Return whether the file can be read so far."""
        return self._file.readable

    @property
    def done(self) -> bool:  # type: ignore[override]
        """Return whether the file is written."""
        return self._file.done

    @property
    def identity(self) -> tuple[int, int] | None:  # type: ignore[override]
        """Return the device and inode of the file."""
        return self._file.identity

    @property
    def begun(self) -> bool:
        """Return whether anything was written."""
        return self._file.begun

    @property
    def bytes_written(self) -> int:
        """Return the size of the file so far, in bytes."""
        return self._file.bytes_written

    @property
    def most_bytes(self) -> int:
        """Return the bytes that the file cannot exceed if it is finished now."""
        return self._file.most_bytes

    def cost(self, track: int, piece: Piece) -> int:
        """Return the most bytes that the file can grow by with that piece."""
        return self._file.cost(track, piece)

    def track_bytes(self, track: int) -> int:
        """Return the bytes of the packets of that track."""
        return self._file.track_bytes(track)

    def left_out(self, track: int) -> Mapping[str, int]:
        """Return how many frames or samples did not fit, and how many the file skipped."""
        inner = self._file.left_out(track)
        return {**inner, "unwritten": inner.get("unwritten", 0) + self._unwritten[track]}

    def kept(self, track: int) -> int | None:
        """Return how many pictures or samples the file has if its output has failed."""
        return self._file.kept(track)

    @property
    def kept_until_us(self) -> int | None:  # type: ignore[override]
        """Return when the file ends if its output has failed."""
        return self._file.kept_until_us

    def _tell(self) -> None:
        """Pass on what the recording tells its sink."""
        self._file.paused_us, self._file.end_by_s = self.paused_us, self.end_by_s
