"""Packet sinks of other packages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any

from mscli.core.addresses import masked
from mscli.core.errors import DOMException, OperationError
from mscli.core.frames import AudioData
from mscli.core.log import Log
from mscli.core.plugins import failure_of
from mscli.encode.chunks import Piece
from mscli.encode.encoding import EncodedTrack, PacketSink, first_camera
from mscli.encode.options import SinkOptions
from mscli.sinks.hosted import PluginThread, Task, checked, once, plugin_class
from mscli.sinks.recording.onefile import Skips
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
    """

    shares_sound = True

    def __init__(self, row: SinkRow, target: Target, options: SinkOptions) -> None:
        assert row.takes is not None, "a row of a packet sink"
        self.takes = row.takes
        self.waits = False
        self._row = row
        self._host = PluginThread(row)
        self._skips = Skips(masked(target) if isinstance(target, str) else row.name)
        self._tracks: Sequence[int] = ()
        self._track_facts: dict[int, tuple[int, Mapping[str, int]]] = {}
        self._facts: dict[str, Any] = {}
        self._error: BaseException | None = None  # of the first call that has failed
        self._taken: Counter[int] = Counter()  # track → pictures or samples
        self._taken_until_us: int | None = None
        self._given_up = False
        self._ending = False
        self._inner: PacketSink = once(row, "its constructor", lambda: self._made(row, target, options))

    def begin(self, tracks: Sequence[EncodedTrack], origin_us: int) -> None:
        """Start the thread, and let the sink begin."""
        self._tracks = [track.index for track in tracks]
        self._skips.lead = first_camera(tracks)
        self._host.start()
        self._post("begin", partial(self._inner.begin, tracks, origin_us))

    def put(self, track: int, piece: Piece) -> None:
        """Queue a packet or samples. Raises the sink's error about earlier ones."""
        self._check()
        if self._skips.leaves_out(track, piece, behind=not self.waits and self._host.waiting > QUEUE_BYTES):
            return
        size = piece.nbytes if isinstance(piece, AudioData) else piece.byte_length
        self._post("put", partial(self._put, track, piece), size)
        if self.waits:
            self._host.wait(lambda: self._host.waiting <= QUEUE_BYTES or self._error is not None)
            self._check()

    def end(self) -> None:
        """Let the sink finish after what waits."""
        if self._host.started and not self._ending:
            self._ending = True
            self._skips.end()
            self._check()
            self._post("end", self._inner.end)

    def drain(self) -> None:
        """Wait until the sink has finished. Raises its errors."""
        if self._host.started and self._host.gone is None:
            last = self._post("drain", self._inner.drain)
            self._host.wait(lambda: last.done)
            self._host.end(self._row.name)
            self._check()

    def abort(self) -> None:
        """Give up. Errors are only logged."""
        self._given_up = True
        if self._host.started and self._host.gone is None:
            self._host.drop()
            try:
                self._host.ask("abort", lambda: self._perform(self._inner.abort))
            except (DOMException, BrokenPipeError) as error:
                _log.warning("%s: abort: %s", self._row.package, error)
        self._host.end(self._row.name)

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

    def _put(self, track: int, piece: Piece) -> None:
        self._inner.put(track, piece)
        self._taken[track] += piece.count
        self._taken_until_us = max(self._taken_until_us or 0, piece.timestamp + (piece.duration or 0))

    def _made(self, row: SinkRow, target: Target, options: SinkOptions) -> PacketSink:
        made: PacketSink = checked("the class", plugin_class(row)(row, target, options), PacketSink)
        self._look(made)
        return made

    def _post(self, what: str, call: Callable[[], Any], size: int = 0) -> Task:
        def perform() -> None:
            if self._error is None:
                try:
                    self._perform(call)
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
        self._look(self._inner)

    def _look(self, inner: PacketSink) -> None:
        """Note what the sink says of itself. Raises TypeError for a wrong type."""
        self._facts = {name: checked(name, getattr(inner, name), kind) for name, kind in _FACTS.items()}
        self.ended = self._facts["ended"]
        for track in self._tracks:
            size = checked("track_bytes", inner.track_bytes(track), int)
            self._track_facts[track] = size, checked("left_out", inner.left_out(track), Mapping)
