"""Encode the tracks of a recording once, for any number of outputs: frames in, chunks out, on one clock.

There is one ``Encoding`` for each distinct set of video codec settings. Its outputs are ``PacketSink``s: a file, or a sink that
cuts the chunks into files. All outputs get the same video chunks. Sound goes to an output as placed samples, which can be cut
to the sample, or as chunks that all outputs of the recording with this codec share, whatever their video codec.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import inf
from typing import Any

import av

from mscli.core.clock import MICROSECONDS
from mscli.core.errors import InvalidStateError, OperationError
from mscli.core.frames import AudioData, EncodedAudioChunk, EncodedVideoChunk, Media
from mscli.core.limits import MAX_LAG_US, OTHERS_BEGIN_US
from mscli.core.threads import lack_of_threads
from mscli.core.window import is_past
from mscli.encode.audio import check_channels
from mscli.encode.chunks import PacketStream, Piece, SoundStream
from mscli.encode.codecs import Container, audio_codec, copied_formats, video_codec
from mscli.encode.copier import VideoCopier
from mscli.encode.options import COPY, SinkOptions, TrackFormat
from mscli.encode.shared import PacketReader, SharedMedia, SharedSound, SharedSoundReader, packet_key
from mscli.encode.video import PicturesToChunks, Shape, VideoEncoder


class PacketSink(ABC):
    """An output of an ``Encoding``, which calls ``begin``, ``put`` for each chunk, ``end``, ``drain``; or ``abort`` any time.

    All calls come from the encoding's thread. ``end`` and ``abort`` may come before ``begin``, and repeatedly. If ``watches``
    is set, ``coming`` and ``passed`` are called before and after each frame is encoded.

    A sink of one file can be wrapped: by a series of files (``Segments``), by one that waits for triggers (``Triggered``), by a
    size limit (``Bounded``), and by these round one another. A wrapper is a packet sink, too. A series makes a sink for each
    file, and notes its ``name`` and ``begin_us``. Wrappers use ``cost`` and ``most_bytes`` for sizes; ``begun``, ``done`` and
    ``identity`` for files. All have defaults, which fit a sink that writes at once what it gets.
    """

    takes: Container  # its container, which determines the codecs
    name = "the output"  # in messages; of a file in a series, its name
    watches = False  # whether ``coming``, ``passed`` and ``ending`` are called
    shares_sound = False  # whether it takes lossy audio as packets, which cannot be cut
    triggered = False  # whether files only begin with ``trigger``
    ended = ""  # why it takes no more packets: "size", "pipe"
    paused_us = 0  # the total length of the pauses so far; timestamps exclude pauses
    finish_s = inf  # how long it may take at the end to write waiting packets
    end_by_s = inf  # the end of that time on the monotonic clock, once known
    missed = 0  # triggers without a file
    kept_until_us: int | None = None  # the end of what can be read or was taken, if it has failed
    begin_us = 0  # when its file begins in a series
    done = True  # after ``end``: whether everything is written; until then, ``drain`` waits
    identity: tuple[int, int] | None = None  # device and inode of its file, once that is complete

    @abstractmethod
    def begin(self, tracks: Sequence[EncodedTrack], origin_us: int) -> None:
        """Begin at ``origin_us`` with these tracks."""

    @abstractmethod
    def put(self, track: int, piece: Piece) -> None:
        """Take a chunk or placed samples of the track."""

    @abstractmethod
    def end(self) -> None:
        """Finish. A slow output may write the rest later."""

    @abstractmethod
    def abort(self) -> None:
        """Give up. Keep what can be read, and remove the rest. Errors of the output are not raised."""

    def drain(self) -> None:  # noqa: B027 (most sinks have written everything in ``end``)
        """Wait until everything is written. Raise an error of the output that occurred after ``end``."""

    def idle_at(self, at_us: int) -> bool:  # noqa: ARG002
        """Return whether a triggered series writes no file at this time, and none is asked for."""
        return False

    def coming(self, track: int, frame: Media) -> None:  # noqa: B027
        """Note that this frame is encoded next."""

    def passed(self, at_us: int) -> None:  # noqa: B027
        """Note that all packets have come that the frame stamped ``at_us`` completes."""

    def ending(self) -> None:  # noqa: B027
        """Note that no more frames come. The packets that the encoders hold still follow."""

    def trigger(self, at_us: int, times: int) -> None:  # noqa: ARG002
        """Begin ``times`` files at ``at_us``. Raises InvalidStateError unless ``triggered``."""
        raise InvalidStateError("this recording has no trigger")

    def end_triggers(self) -> None:  # noqa: B027
        """Expect no more triggers."""

    @property
    @abstractmethod
    def bytes_written(self) -> int:
        """Return the total size of its files so far, in bytes."""

    @property
    @abstractmethod
    def readable(self) -> bool:
        """Return whether an open file can be read."""

    @abstractmethod
    def track_bytes(self, track: int) -> int:
        """Return the total size of the track's packets, in bytes."""

    def kept(self, track: int) -> int | None:  # noqa: ARG002
        """Return how many of the track's pictures or samples its files have, if one was cut after an error, or else None."""
        return None

    @abstractmethod
    def left_out(self, track: int) -> Mapping[str, int]:
        """Return how many of the track's frames or samples are in no file, by the keys of ``Sink.corrections``."""

    @property
    def begun(self) -> bool:
        """Return whether anything was written. A file of which nothing was written does not stay."""
        return self.bytes_written > 0

    @property
    def most_bytes(self) -> int:
        """Return the bytes that its file cannot exceed if it ends now."""
        return self.bytes_written

    def cost(self, track: int, piece: Piece) -> int:  # noqa: ARG002
        """Return the most bytes that the file can grow by with that piece."""
        return piece.nbytes

    def abandon_reader(self) -> None:  # noqa: B027
        """Give up what waits for a stalled reader. Called repeatedly, from any thread."""


class EncodedTrack:
    """A track as seen by one sink. ``index``: its position in the recording."""

    def __init__(
        self,
        index: int,
        known: TrackFormat,
        encoder: Any,
        described: Callable[[], PacketStream | SoundStream],
        packets: PacketReader | None = None,
    ) -> None:
        self.index = index
        self.kind = known.kind
        self.label = known.label  # the device's name
        self.stream = described  # describes the packets, or the samples, for a file
        self.position: Callable[[int], int] = getattr(encoder, "position", round)  # for sound: instant → sample number
        self.instant_us: Callable[[int], int] = getattr(encoder, "instant_us", round)  # and sample number → instant
        self.shows: Callable[[Any], bool] = getattr(encoder, "shows", bool)  # whether a picture is visible
        self.forces_keys: bool = getattr(encoder, "forces_keys", False)
        self.repeat: Callable[[int, int], bool] = lambda _at_us, _after_us: False
        self._encoder = encoder
        self._packets = packets

    @property
    def delay_us(self) -> int:
        """Return how long before a file's beginning its decoder needs chunks of sound."""
        return self._packets.delay_us if self._packets is not None else 0

    @property
    def waiting(self) -> int:
        """Return how many pictures the encoder holds back."""
        return int(self._encoder.waiting)

    def share_rate(self, asking: object, share: float) -> None:
        """Encode with this share of the bit rate, if that can be changed. The smallest share that anybody asks for counts."""
        if hasattr(self._encoder, "share_rate"):
            self._encoder.share_rate(asking, share)

    def force_key(self) -> None:
        """Make the next picture a key frame, unless the track is copied."""
        if self.forces_keys:
            self._encoder.force_key()


class Outlet:
    """One output of an encoding. ``error``: why it failed. A failed output is given up."""

    def __init__(self, name: str, sink: PacketSink, options: SinkOptions) -> None:
        self.name = name
        self.sink = sink
        self.options = options
        self.error: Exception | None = None
        self.over = False  # whether it has ended or failed, and the encoding continues without it
        self.begun = False  # whether it takes packets, or will with the first frame
        self.begun_us: int | None = None  # the time of the first packet, if it was added
        self.ended_us: int | None = None  # the end of the last packet before it ended while others continued
        self.before: dict[int, int] = {}  # track → pictures or samples that were delivered before it began
        self.until: dict[int, int] | None = None  # track → the same until it ended or failed
        self.shared: dict[int, PacketReader] = {}  # track → the shared packets


class Encoding:
    """An encoder of tracks for all ``outlets``. It begins once all tracks have frames, or a late track has used up its time.

    An outlet that fails is given up, and the others continue. If none is left, its error is raised.
    """

    def __init__(
        self,
        tracks: Sequence[TrackFormat],
        container: Container,
        options: SinkOptions,
        shared: SharedMedia | None = None,
        places: Sequence[int] | None = None,
    ) -> None:
        """Create the encoders. ``container``, ``options``: those of the first outlet, which determine the video encoder.

        ``shared``: what the encodings of the recording share. ``places``: the positions of the tracks in the recording.
        """
        self.tracks = tracks
        self.places = tuple(range(len(tracks)) if places is None else places)
        self._shared = shared or SharedMedia()
        self._added = self._shared.origin_us is not None  # whether others have begun already
        self.origin_us: int | None = None  # the time at which the recording begins, once known
        self.outlets: list[Outlet] = []  # also former ones
        self.ended = ""  # why no outlet takes more packets
        self.on_failure: Callable[[Outlet], None] | None = None  # called with an outlet that is given up
        self._active: tuple[Outlet, ...] = ()  # replaced as a whole, because an outlet may leave during an iteration
        self._watching: tuple[Outlet, ...] = ()
        self._newest_us = 0  # the latest timestamp before the beginning
        self.encoders: list[Any] = [
            self._shared.reader(place, track) if track.kind == "audio" else _encoder(container, track, options)
            for place, track in zip(self.places, tracks, strict=True)
        ]
        self._sharing: list[list[PacketReader]] = [[] for _ in tracks]  # track → packets that outlets share
        self._adding: list[Outlet] = []  # outlets that begin with the next key frame
        self._delivered = dict.fromkeys(range(len(tracks)), 0)  # track → pictures or samples
        self._delivered_us = 0  # the end of the latest of them
        self._ending = False  # whether no more frames come
        self._end_us: int | None = None
        for index, encoder in enumerate(self.encoders):
            if isinstance(encoder, VideoEncoder):
                encoder.coming = partial(self._announce, index)
        self._shared.join(self)

    @property
    def sounds(self) -> set[SharedSound]:
        """Return the sound that it takes."""
        return {encoder.sound for encoder in self.encoders if isinstance(encoder, SharedSoundReader)}

    def firsts(self) -> list[tuple[int, int | None]]:
        """Return the time of each track's first frame, if it has come, with the track's position in the recording."""
        return [(place, encoder.first_us) for place, encoder in zip(self.places, self.encoders, strict=True)]

    @property
    def end_us(self) -> int | None:
        """Return the recording's end, once known. No sample is placed after it."""
        return self._end_us

    @end_us.setter
    def end_us(self, end_us: int | None) -> None:
        self._end_us = end_us
        for encoder in self.encoders:
            encoder.end_us = end_us

    @property
    def active(self) -> Sequence[Outlet]:
        """Return the outlets that take packets now or will."""
        return [*self._active, *self._adding]

    def add(self, outlet: Outlet) -> None:
        """Add an output. During the recording, it begins with the next key frame."""
        self._check_sound(outlet)
        for encoder in self.encoders:
            if isinstance(encoder, PicturesToChunks):
                encoder.limit_step(outlet.sink.takes.most_step_us)
            if isinstance(encoder, VideoCopier):
                encoder.restrict(copied_formats(outlet.sink.takes))
        self.outlets.append(outlet)
        for place, track in zip(self.places, self.tracks, strict=True):
            if track.kind == "audio" and not outlet.sink.watches:
                self._shared.want(place, packet_key(audio_codec(outlet.sink.takes, outlet.options), outlet.options))
        if self.origin_us is None:
            self._activate(outlet)
            return
        self._adding.append(outlet)
        for encoder in self.encoders:
            if getattr(encoder, "forces_keys", False):
                encoder.force_key()

    def absent(self, outlet: Outlet, track: int) -> int:
        """Return how many of the track's pictures or samples came before the outlet began or after it ended."""
        total = self._delivered[track]
        after = 0 if outlet.until is None else total - outlet.until[track]
        return outlet.before.get(track, 0) + after

    def remove(self, outlet: Outlet) -> None:
        """Finish one output and continue with the others."""
        if outlet in self._adding:
            self._adding.remove(outlet)
            outlet.over = True
            outlet.sink.abort()
        elif outlet in self._active:
            self._attempt(outlet, outlet.sink.ending)
            for track, packets in outlet.shared.items():
                for chunk in packets.rest():
                    self._attempt(outlet, outlet.sink.put, track, chunk)
            if not outlet.over:
                self._finish(outlet)

    def write(self, track: int, frame: Media) -> None:
        """Encode a frame. Raises the error of the last outlet, or NotSupportedError if an encoder rejects the frame's shape."""
        if not isinstance(self.encoders[track], VideoEncoder):
            self._announce(track, frame)
        if self.origin_us is None:
            self._hold(track, frame)
        else:
            self._deliver(track, self.encoders[track].encode(frame))
            late_us = frame.timestamp - MAX_LAG_US  # otherwise files hold everything back for a late track
            for index, encoder in enumerate(self.encoders):
                if late := encoder.keep_up(late_us):
                    self._deliver(index, late)
        for outlet in self._watching:
            self._attempt(outlet, outlet.sink.passed, frame.timestamp)

    def _announce(self, track: int, frame: Media) -> None:
        """Tell the outlets what is encoded next. A decoder gives pictures later than their chunks, in another order."""
        for outlet in self._watching:
            self._attempt(outlet, outlet.sink.coming, track, frame)

    def end(self) -> None:
        """Write the packets that the encoders still hold, and finish all outlets. Without any frame, create no output."""
        self._ending = True
        begun = self._begun()
        if self.origin_us is None and begun:
            self._start_if_ready(begun, self._newest_us, ending=True)
        if self.origin_us is not None:
            for index, encoder in enumerate(self.encoders):
                if isinstance(encoder, PicturesToChunks):
                    self._deliver(index, encoder.rest())
        for outlet in self._active:
            self._attempt(outlet, outlet.sink.ending)
        if self.origin_us is not None:
            for index, encoder in enumerate(self.encoders):
                self._deliver(index, encoder.finish())
            for index, sharing in enumerate(self._sharing):
                for packets in sharing:
                    self._share(index, packets, packets.finish())
        for outlet in self._adding:
            outlet.sink.abort()
        self._adding = []
        for outlet in self._active:
            self._finish(outlet)
        for outlet in self.outlets:
            if outlet.error is None:
                self._attempt(outlet, outlet.sink.drain)

    def abort(self) -> None:
        """Give up the outlets that have not ended, and free the encoders. What was counted stays known."""
        for outlet in self.active:
            outlet.over = True
            outlet.sink.abort()
        self._active, self._adding, self._watching = (), [], ()
        self._shared.leave(self)
        for encoder in (*(packets for sharing in self._sharing for packets in sharing), *self.encoders):
            encoder.close()

    # Before the beginning

    def _hold(self, track: int, frame: Media) -> None:
        self.encoders[track].hold(frame)
        self._newest_us = frame.timestamp
        begun = self._begun()
        first_wait_us = max((one.first_wait_us for one in self.encoders if one.first_us is None), default=0)
        if len(begun) == len(self.encoders) or (begun and frame.timestamp - min(begun) > first_wait_us):
            self._start_if_ready(begun, frame.timestamp, ending=False)

    def _start_if_ready(self, begun: Sequence[int], at_us: int, *, ending: bool) -> None:
        """Begin, unless this has to wait for others with the same sound."""
        if not self._added:
            origin_us = self._shared.begin(self, begun, at_us, ending=ending)
        elif ending or at_us - min(begun) > OTHERS_BEGIN_US or all(getattr(one, "follows", True) for one in self.encoders):
            origin_us = min(begun)
        else:
            origin_us = None
        if origin_us is not None:
            self._start(origin_us)

    def _begun(self) -> list[int]:
        return [one.first_us for one in self.encoders if one.first_us is not None]

    def _start(self, origin_us: int) -> None:
        self.origin_us = origin_us
        for one in self.encoders:
            one.start(origin_us, self._newest_us)
        for outlet in self._active:
            self._share_sound(outlet, origin_us)
            self._attempt(outlet, outlet.sink.begin, self._tracks_for(outlet), origin_us)
        for index, one in enumerate(self.encoders):
            self._deliver(index, one.held())

    # Sound: packets or samples

    def _check_sound(self, outlet: Outlet) -> None:
        for track in self.tracks:
            if track.kind == "audio":
                check_channels(audio_codec(outlet.sink.takes, outlet.options), int(track.settings.get("channelCount") or 1))

    def _share_sound(self, outlet: Outlet, begin_us: int) -> None:
        """Let the outlet take lossy sound as packets from ``begin_us`` on. One that cuts needs samples instead.

        Packets that depend on each other are better, unless several outlets need them.
        """
        sink = outlet.sink
        for index, track in enumerate(self.tracks):
            codec = audio_codec(sink.takes, outlet.options) if track.kind == "audio" else None
            if codec is None or not codec.lossy or (sink.watches and not sink.shares_sound):
                continue
            key = packet_key(codec, outlet.options)
            if sink.shares_sound or not codec.apart or self._shared.is_wanted_twice(self.places[index], key):
                found = next((one for one in self._sharing[index] if one.key == key), None)
                if found is None:
                    found = self.encoders[index].packets(codec, outlet.options, begin_us)
                    self._sharing[index].append(found)
                outlet.shared[index] = found

    def _tracks_for(self, outlet: Outlet) -> list[EncodedTrack]:
        return [self._track_for(outlet, index) for index in range(len(self.tracks))]

    def _track_for(self, outlet: Outlet, index: int) -> EncodedTrack:
        encoder, track_format = self.encoders[index], self.tracks[index]
        if track_format.kind == "audio":
            packets = outlet.shared.get(index)
            codec = audio_codec(outlet.sink.takes, outlet.options)
            check_channels(codec, encoder.shape.channels)
            own = SoundStream(codec, encoder.shape, outlet.options)
            described = (lambda: own) if packets is None else packets.stream
            return EncodedTrack(index, track_format, encoder, described, packets)
        track = EncodedTrack(index, track_format, encoder, encoder.stream)
        track.repeat = lambda at_us, after_us: self._repeat(outlet, index, at_us, after_us)
        return track

    # From the encoders to the outlets

    def _deliver(self, track: int, pieces: Iterable[Piece]) -> None:
        for whole in pieces:
            piece = whole if self._end_us is None else self._cut_at_end(track, whole, self._end_us)
            if not piece.count:  # sound past the end
                continue
            if self._adding:
                self._begin_added(track, piece)
            if isinstance(piece, AudioData) and self._sharing[track]:
                for packets in self._sharing[track]:
                    self._share(track, packets, packets.encode(piece))
            for outlet in self._active:
                if track not in outlet.shared:
                    self._try(outlet, outlet.sink.put, track, piece)
            self._delivered[track] += piece.count
            self._delivered_us = max(self._delivered_us, piece.timestamp + (piece.duration or 0))
            if not self.ended and any(outlet.sink.ended for outlet in self._active):
                self.note_ended()  # after the piece was counted, which they have taken

    def _cut_at_end(self, track: int, piece: Piece, end_us: int) -> Piece:
        """Return the piece, or a picture that would last longer than the recording with the rest of its time."""
        if not isinstance(piece, EncodedVideoChunk) or piece.timestamp >= end_us or is_past(piece, end_us):
            return piece
        left_us = end_us - piece.timestamp
        lasts_us = piece.duration or MICROSECONDS / Shape.of(self.tracks[track]).rate  # which the container assumes
        return replace(piece, duration=left_us) if lasts_us > left_us else piece

    def _share(self, track: int, packets: PacketReader, chunks: Iterable[EncodedAudioChunk]) -> None:
        for chunk in chunks:
            for outlet in self._active:
                if outlet.shared.get(track) is packets:
                    self._try(outlet, outlet.sink.put, track, chunk)

    def _begin_added(self, track: int, piece: Piece) -> None:
        """Begin the added outlets if decoding can start at this piece: a key frame, or any sound if there is no video."""
        lead = first_camera(self.tracks)
        if lead is not None and (track != lead or isinstance(piece, AudioData) or not piece.key):
            return
        adding, self._adding = self._adding, []
        for outlet in adding:
            outlet.before, outlet.begun_us = dict(self._delivered), piece.timestamp
            self._share_sound(outlet, piece.timestamp)
            self._activate(outlet)
            self._attempt(outlet, lambda one=outlet: one.sink.begin(self._tracks_for(one), piece.timestamp))
            for index, packets in outlet.shared.items():
                outlet.before[index] = min(outlet.before[index], self.encoders[index].taken_before(piece.timestamp))
                for chunk in packets.since(piece.timestamp):
                    self._attempt(outlet, outlet.sink.put, index, chunk)

    def _repeat(self, asking: Outlet, track: int, at_us: int, after_us: int) -> bool:
        """Repeat a picture for all outlets. A copied key frame only goes to the outlet that needs it."""
        encoder = self.encoders[track]
        chunks = encoder.repeat(at_us, after_us)
        for chunk in chunks:
            for outlet in self._active if encoder.forces_keys else (asking,):
                self._attempt(outlet, outlet.sink.put, track, chunk)
        return bool(chunks)

    def _activate(self, outlet: Outlet) -> None:
        outlet.begun = True
        self._active = (*self._active, outlet)
        if outlet.sink.watches:
            self._watching = (*self._watching, outlet)

    def _attempt(self, outlet: Outlet, call: Callable[..., object], *given: object) -> None:
        """Call a method of an outlet. If that fails, give up the outlet; if no other is left, raise the error."""
        if self._try(outlet, call, *given) and outlet.sink.ended and not self.ended:
            self.note_ended()

    def _try(self, outlet: Outlet, call: Callable[..., object], *given: object) -> bool:
        """Do the same, but leave the outlet in the encoding if it has ended. Return whether the call was made without an error.

        An outlet that has failed is not called again, so that it fails once.
        """
        if outlet.error is not None:
            return False
        try:
            call(*given)
        except Exception as error:  # any exception is this output's failure
            self._fail(outlet, error)
            return False
        return True

    def note_ended(self) -> None:
        """Finish the outlets that have ended, if others have not. If all have, set ``ended``."""
        if self.active and all(outlet.sink.ended for outlet in self.active):
            self.ended = self.active[0].sink.ended
            return
        for outlet in self._active:
            if outlet.sink.ended:
                self._finish(outlet)

    def _finish(self, outlet: Outlet) -> None:
        self._leave(outlet)
        self._attempt(outlet, outlet.sink.end)

    def _fail(self, outlet: Outlet, error: Exception) -> None:
        outlet.error = outlet.error or as_output_error(outlet.name, error)
        self._leave(outlet)
        outlet.sink.abort()
        if self.on_failure is not None:
            self.on_failure(outlet)
        if not self.active and all(one.error is not None for one in self.outlets):
            raise self.outlets[0].error or outlet.error

    def _leave(self, outlet: Outlet) -> None:
        outlet.over, outlet.until = True, dict(self._delivered)
        outlet.ended_us = None if self._ending else self._delivered_us
        self._active = tuple(one for one in self._active if one is not outlet)
        self._watching = tuple(one for one in self._watching if one is not outlet)
        if not self.active:
            self.ended = self.ended or "ended"


def first_camera(tracks: Sequence[TrackFormat | EncodedTrack]) -> int | None:
    """Return the position of the first video track, or None. Files begin with its key frames."""
    return next((index for index, track in enumerate(tracks) if track.kind == "video"), None)


def as_output_error(name: str, error: Exception) -> Exception:
    """Translate an FFmpeg error about the output ``name``. Return other errors unchanged."""
    if not isinstance(error, av.FFmpegError) or isinstance(error, BrokenPipeError):
        return error
    unusable = OperationError(f"cannot write {name}: {error.strerror}", hints=["choose another codec or container"])
    translated = lack_of_threads() or unusable
    translated.__cause__ = error
    return translated


def _encoder(container: Container, track: TrackFormat, options: SinkOptions) -> VideoCopier | VideoEncoder:
    if options.video_codec == COPY:
        return VideoCopier(copied_formats(container), track)
    return VideoEncoder(video_codec(container, options), track, options)
