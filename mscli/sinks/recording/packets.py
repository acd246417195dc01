"""Packet sinks of other packages, and what wrappers need of them: sound in packets, and a bound of their size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from copy import copy
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any

from mscli.core.addresses import masked
from mscli.core.errors import DOMException, OperationError
from mscli.core.frames import AudioData, EncodedVideoChunk
from mscli.core.log import Log
from mscli.core.plugins import failure_of
from mscli.encode.audio import HELD_FRAMES, SoundPackets
from mscli.encode.chunks import Piece, SoundStream
from mscli.encode.codecs import FRAGMENT_US
from mscli.encode.encoding import EncodedTrack, PacketSink, first_camera
from mscli.encode.options import SinkOptions
from mscli.sinks.files.hidden import identity_of
from mscli.sinks.hosted import PluginThread, Task, checked, once, plugin_class
from mscli.sinks.recording.onefile import SizeBound, Skips
from mscli.sinks.recording.queued import QUEUE_BYTES

if TYPE_CHECKING:
    from mscli.sinks import SinkRow, Target

_FACTS: Mapping[str, type | tuple[type, ...]] = {  # what a packet sink says of itself → its type
    "ended": str,
    "bytes_written": int,
    "readable": bool,
    "finish_s": (int, float),
}
_TOLD = ("paused_us", "end_by_s")  # what the recording tells it

_log = Log("sinks")


class HostedPackets(PacketSink):
    """A packet sink of another package, on a thread of its own.

    ``put`` returns at once. If more than QUEUE_BYTES wait, packets are skipped and counted, up to the next key frame. With
    ``waits``, ``put`` waits for room instead. If a call hangs or raises, the output has failed, and no other is harmed.

    Nobody waits for the sink to learn its size: the ``Overhead`` of its container is the bound. A file in a series that cuts
    gets samples. For a lossy codec, they are encoded here.
    """

    shares_sound = True

    def __init__(self, row: SinkRow, target: Target, options: SinkOptions) -> None:
        assert row.takes is not None, "a row of a packet sink"
        self.takes = row.takes
        self.name = masked(target) if isinstance(target, str) else row.name
        self.waits = False
        self._row = row
        self._target = target
        self._options = options
        self._bound = SizeBound(row.takes.overhead, FRAGMENT_US)
        self._sounds: dict[int, SoundPackets] = {}  # track → the encoder of its samples
        self._host = PluginThread(row)
        self._skips = Skips(self.name)
        self._tracks: Sequence[int] = ()
        self._track_facts: dict[int, tuple[int, Mapping[str, int]]] = {}
        self._facts: dict[str, Any] = {"bytes_written": 0, "readable": False}
        self._error: BaseException | None = None  # of the first call that has failed
        self._taken: Counter[int] = Counter()  # track → pictures or samples
        self._taken_until_us: int | None = None
        self._passed = False  # whether anything was passed to the sink
        self._given_up = False
        self._last: Task | None = None  # the last call
        self._over = False  # whether it was finished or given up
        self._inner: PacketSink | None = None

    def prepare(self) -> None:
        """Make the sink before anything begins, so that it can refuse. Raises OperationError, NotSupportedError."""
        once(self._row, "its constructor", self._make)

    def begin(self, tracks: Sequence[EncodedTrack], origin_us: int) -> None:
        """Start the thread, and let the sink begin."""
        self.begin_us = origin_us
        self._tracks = [track.index for track in tracks]
        self._skips.lead = first_camera(tracks)
        tracks = [self._in_packets(track) for track in tracks]
        self._host.start()
        if self._inner is None:
            self._post("its constructor", self._make)
        self._post("begin", lambda: self._sink.begin(tracks, origin_us))

    def put(self, track: int, piece: Piece) -> None:
        """Queue a packet or samples. Raises the sink's error about earlier ones."""
        self._check()
        if self._skips.leaves_out(track, piece, behind=not self.waits and self._host.waiting > QUEUE_BYTES):
            return
        sound = self._sounds.get(track)
        self._queue(track, (piece,) if sound is None or not isinstance(piece, AudioData) else sound.encode(piece))
        if self.waits:
            self._host.wait(lambda: self._host.waiting <= QUEUE_BYTES or self._error is not None)
            self._check()

    def end(self) -> None:
        """Let the sink finish after what waits."""
        if self._host.started and self._last is None:
            self._skips.end()
            self._check()
            for track, sound in self._sounds.items():
                self._queue(track, sound.finish())
            self._close_sounds()
            self._post("end", lambda: self._sink.end())
            self._last = self._post("drain", lambda: self._sink.drain())

    def drain(self) -> None:
        """Wait until the sink has finished. Raises its errors."""
        if not self._host.started or self._over:
            return
        try:
            last = self._last or self._post("drain", lambda: self._sink.drain())
            self._host.wait(lambda: last.done)
            self._check()
        except BaseException:
            self._give_up()
            raise
        self._over = True
        self._host.end(self.name)

    def abort(self) -> None:
        """Give up. What has ended is still finished. Errors are only logged."""
        self._close_sounds()
        if self._last is not None:
            with suppress(DOMException, BrokenPipeError):
                self.drain()
        self._give_up()

    def _give_up(self) -> None:
        if self._over:
            return
        self._over = self._given_up = True
        if self._host.started and self._host.gone is None:
            self._host.drop()
            try:
                self._host.ask("abort", self._abort)
            except (DOMException, BrokenPipeError) as error:
                _log.warning("%s: abort: %s", self._row.package, error)
        self._host.end(self.name)

    def abandon_reader(self) -> None:
        """Give up a call that has waited for ``SLEEPS_S``."""
        self._host.asked = True

    @property
    def bytes_written(self) -> int:
        """Return the bytes that the sink has taken."""
        return int(self._facts["bytes_written"])

    @property
    def readable(self) -> bool:
        """Return whether what there is can be read."""
        return bool(self._facts["readable"])

    @property
    def finish_s(self) -> float:  # type: ignore[override]
        """Return how long it may take at the end to write waiting packets."""
        return float(self._facts.get("finish_s", inf))

    @property
    def done(self) -> bool:  # type: ignore[override]
        """Return whether the sink has finished, or will not."""
        return self._last is None or self._last.done or self._host.hangs

    @property
    def identity(self) -> tuple[int, int] | None:  # type: ignore[override]
        """Return the device and inode of the file with the sink's name."""
        return identity_of(self._target)

    @property
    def begun(self) -> bool:
        """Return whether anything was passed to the sink."""
        return self._passed

    @property
    def most_bytes(self) -> int:
        """Return the bytes that the file cannot exceed if it ends now, unless the sink's overhead is larger than it says."""
        held = sum(HELD_FRAMES * self._bound.cost(sound.most_bytes) for sound in self._sounds.values())
        return max(self._bound.bytes + held, self.bytes_written)

    def cost(self, track: int, piece: Piece) -> int:
        """Return the most bytes that the packet or samples can add to the file."""
        sound = self._sounds.get(track)
        if sound is None or not isinstance(piece, AudioData):
            return self._bound.cost(piece.nbytes, key=_begins_fragment(piece))
        return (piece.count // sound.samples(1) + 1) * self._bound.cost(sound.most_bytes)

    def track_bytes(self, track: int) -> int:
        """Return the size of the track's packets."""
        return self._track_facts[track][0] if track in self._track_facts else 0

    def left_out(self, track: int) -> Mapping[str, int]:
        """Return what the sink has left out, and what was skipped because it is slow."""
        own = Counter(self._track_facts[track][1] if track in self._track_facts else {})
        own.update(behind=self._skips.count[track])
        return own

    @property
    def kept_until_us(self) -> int | None:  # type: ignore[override]
        """Return the end of what the sink has taken, if it was given up."""
        return self._taken_until_us if self._given_up else None

    def kept(self, track: int) -> int | None:
        """Return how many pictures or samples the sink has taken, if it was given up."""
        return self._taken[track] if self._given_up else None

    def _in_packets(self, track: EncodedTrack) -> EncodedTrack:
        """Return a track whose samples are encoded here, if they have to be."""
        described = track.stream() if track.kind == "audio" else None
        if not isinstance(described, SoundStream) or not described.codec.lossy:
            return track
        sound = self._sounds[track.index] = SoundPackets(*described, track.instant_us(0))
        found = copy(track)
        found.stream = sound.stream
        return found

    def _abort(self) -> None:
        if self._inner is not None:
            self._perform(self._inner.abort)

    def _close_sounds(self) -> None:
        for sound in self._sounds.values():
            sound.close()
        self._sounds = {}

    def _queue(self, track: int, pieces: Iterable[Piece]) -> None:
        for piece in pieces:
            self._passed = True
            until_us = piece.timestamp + (piece.duration or 0) - self.begin_us
            self._bound.add(piece.nbytes, until_us, key=_begins_fragment(piece))
            self._post("put", partial(self._put, track, piece), piece.nbytes)

    def _put(self, track: int, piece: Piece) -> None:
        self._sink.put(track, piece)
        self._taken[track] += piece.count
        self._taken_until_us = max(self._taken_until_us or 0, piece.timestamp + (piece.duration or 0))

    @property
    def _sink(self) -> PacketSink:
        assert self._inner is not None, "made"
        return self._inner

    def _make(self) -> None:
        self._inner = checked("the class", plugin_class(self._row)(self._row, self._target, self._options), PacketSink)
        self._look(self._sink)

    def _post(self, what: str, call: Callable[[], Any], size: int = 0) -> Task:
        def perform() -> None:
            if self._error is None:
                try:
                    call() if self._inner is None else self._perform(call)
                except BaseException as error:  # raised for the encoding
                    self._error = error

        return self._host.post(what, perform, size)

    def _check(self) -> None:
        """Raise the error of an earlier call."""
        if self._error is not None:
            raise failure_of(self._row.package, self._error, OperationError)

    def _perform(self, call: Callable[[], Any]) -> None:
        for name in _TOLD:
            if getattr(self._inner, name) != getattr(self, name):
                setattr(self._inner, name, getattr(self, name))
        call()
        self._look(self._sink)

    def _look(self, inner: PacketSink) -> None:
        """Note what the sink says of itself. Raises TypeError for a wrong type."""
        self._facts = {name: checked(name, getattr(inner, name), kind) for name, kind in _FACTS.items()}
        self.ended = self._facts["ended"]
        for track in self._tracks:
            size = checked("track_bytes", inner.track_bytes(track), int)
            self._track_facts[track] = size, checked("left_out", inner.left_out(track), Mapping)


def _begins_fragment(piece: Piece) -> bool:
    return isinstance(piece, EncodedVideoChunk) and piece.key
