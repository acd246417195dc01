"""The packet sink of a server. It never blocks the recording, and it reconnects by itself.

The first failure, before anything was sent, is an error. Later ones are not: packets are left out until the server is there
again, and the stream goes on with a key frame.
"""

from __future__ import annotations

import os
import random
import select
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from threading import Condition
from time import monotonic
from typing import TYPE_CHECKING, Any

from mscli.core.errors import DOMException, OperationError
from mscli.core.frames import AudioData, Chunk, EncodedVideoChunk
from mscli.core.limits import (
    PUBLISH_CONNECT_S,
    PUBLISH_FINISH_S,
    PUBLISH_LEAVES_S,
    PUBLISH_STALLED_S,
    PUBLISH_STARTS_S,
    PUBLISHED_S,
    SERVER_RECONNECT_S,
    SERVER_SOON_S,
)
from mscli.core.log import Log
from mscli.core.threads import Thread
from mscli.core.tuples import NamedTuple
from mscli.encode.chunks import PacketStream, Piece
from mscli.encode.encoding import EncodedTrack, PacketSink, first_camera
from mscli.encode.options import SinkOptions
from mscli.sinks.recording.network.child import PublishChild, heads_of
from mscli.sinks.recording.network.congestion import Congestion, usual_pause_s
from mscli.sinks.recording.network.destination import destination
from mscli.sinks.recording.network.failures import away_at_end, cause_of, gave_up, not_answering, not_taking, process_gone
from mscli.sinks.recording.network.publish_child import END, KEY
from mscli.sinks.recording.queued import QUEUE_BYTES

if TYPE_CHECKING:
    from mscli.sinks import SinkRow, Target

PUBLISHING, INTERRUPTED, RESUMED = "publishing", "interrupted", "resumed"  # events
_JITTER = 0.2  # of a pause before an attempt, so that many do not come back together
_LOOK_S = 0.1  # how often a wait looks around
_RECENT_S = 2.0  # the time over which the present bit rate is measured
_MICROSECONDS = 1_000_000
_log = Log("network")

OnLink = Callable[[str, Mapping[str, Any]], object]  # an event, and its details


class _Sent(NamedTuple):
    """A packet on its way. ``decoded_us``: its decoding time."""

    track: int
    units: int  # pictures or samples
    data: memoryview
    at_us: int
    decoded_us: int
    duration_us: int
    key: bool


class Published(NamedTuple):
    """The state and the counts of a stream. ``sent``, ``dropped``: pictures, or packets of sound without a picture."""

    state: str
    sent: int
    dropped: int
    reconnects: int
    bit_rate: float  # per second: the present one, or the mean at the end

    def to_json(self) -> dict[str, Any]:
        """Return it for scripts."""
        counts = {"sent": self.sent, "dropped": self.dropped, "reconnects": self.reconnects}
        return {"state": self.state, **counts, "bitRate": round(self.bit_rate)}


class Publisher(PacketSink):
    """A packet sink that sends to a server, by a process of its own. ``put`` returns at once.

    Bound: packets of PUBLISH_DROP_US, and QUEUE_BYTES. Policy: when the server is slow, the bit rate falls, if nobody else has
    the encoding; above the bound all that waits is left out, up to the next key frame. While there is no connection everything
    is. With ``waits`` (a paced source), ``put`` waits for room instead while there is a connection.
    """

    shares_sound = True

    def __init__(self, row: SinkRow, target: Target, options: SinkOptions, on_link: OnLink) -> None:
        """Remember where to send. Raises TypeError, NotSupportedError, OperationError."""
        assert isinstance(target, str), "an address"
        self._to = destination(row, target, options)
        self.takes = self._to.protocol.container
        self.name = self._to.name
        self.waits = False
        self._give_up_s = options.link.give_up_s
        self._on_link = on_link
        self._tracks: Sequence[EncodedTrack] = ()
        self._places: dict[int, int] = {}  # track → its stream in the output
        self._lead: EncodedTrack | None = None  # the track at whose key frames the stream begins
        self._order: Mapping[str, Any] = {}
        self._origin_us = self._until_us = 0  # when it begins, and the end of what was sent
        self._congestion = Congestion()
        self._changed = Condition()
        # Guarded by the condition, and shared with the thread:
        self._queue: deque[_Sent] = deque()
        self._queued_bytes = 0
        self._flying: deque[_Sent] = deque()  # packets that the process has, or part of them
        self._unsure: deque[_Sent] = deque()  # packets that it gathers for a segment
        self._open = False  # whether the server takes the stream
        self._away = False  # whether the connection was lost, and nothing is kept
        self._needs_key = False  # whether the next packet must be one at which decoding can begin
        self._asks_key = False  # whether to ask the encoder for it
        self._ending_s: float | None = None  # since when no more packets come
        self._asked = False  # whether a signal wants the end soon
        self._aborted = False
        self._error: DOMException | None = None
        self._raised = False
        self._sent: Counter[int] = Counter()  # track → pictures or samples
        self._packets: Counter[int] = Counter()  # track → packets
        self._bytes: Counter[int] = Counter()  # track → bytes
        self._dropped: Counter[int] = Counter()  # track → pictures or samples
        self._lost: Counter[int] = Counter()  # track → packets
        self._reconnects = 0
        self._recent: deque[tuple[float, int]] = deque()  # when how many bytes were sent
        # Of the thread alone:
        self._child: PublishChild | None = None
        self._base_us: int | None = None  # what is time zero of the connection
        self._latest_us: dict[int, int] = {}  # track → the decoding time of its previous packet
        self._began_s, self._timeout_s = 0.0, 0.0  # since when the process starts or connects, and how long it may
        self._open_s = 0.0  # since when there is a connection
        self._opened_s = 0.0  # how long there was one before
        self._heard_s = 0.0  # when the process has last sent something
        self._acked = 0  # packets of the connection that were passed on
        self._wakes = self._wakened = -1
        self._thread: Thread | None = None

    def prepare(self) -> None:
        """Start the process ahead of time. Raises OperationError."""
        self._child = self._started()

    # On the thread of the encoding

    def begin(self, tracks: Sequence[EncodedTrack], origin_us: int) -> None:
        """Describe the tracks, and let the thread connect."""
        order = sorted(tracks, key=lambda track: track.kind != "video")
        self._tracks = tracks
        self._places = {track.index: place for place, track in enumerate(order)}
        lead = first_camera(tracks)
        self._lead = None if lead is None else tracks[lead]
        self._origin_us = self._until_us = origin_us
        streams = [track.stream() for track in order]
        self._order = {**self._to.order, "head": heads_of([one for one in streams if isinstance(one, PacketStream)])}
        self._wakened, self._wakes = os.pipe()
        for fd in (self._wakened, self._wakes):
            os.set_blocking(fd, False)
        self._thread = Thread(target=self._run, name="mscli-publish", daemon=True)
        self._thread.start()

    def put(self, track: int, piece: Piece) -> None:
        """Queue a packet. Raises the error of the first connection, or of the last attempt."""
        assert not isinstance(piece, AudioData), "no codec of a protocol is lossless"
        self._check()
        with self._changed:
            kept = self._admit(track, piece)
            idle = not self._queue
            if kept:
                self._queue.append(_packet(track, piece))
                self._queued_bytes += piece.nbytes
            lag_us = self._lag_us(piece.timestamp) if self._open else 0
            asks_key, self._asks_key = self._asks_key and self._lead is not None, False
        if kept and idle:
            self._wake()
        if asks_key and self._lead is not None:
            self._lead.force_key()
        if self._lead is not None and track == self._lead.index and not self.waits:
            self._lead.share_rate(self, self._congestion.judge(lag_us, monotonic()))
        if self.waits:
            with self._changed:
                self._changed.wait_for(lambda: not self._full or self._away or self._over)
            self._check()

    def end(self) -> None:
        """Let the thread send what waits, and finish."""
        with self._changed:
            if self._ending_s is None:
                self._ending_s = monotonic()
                self._changed.notify_all()
        self._wake()
        if self._lead is not None:
            self._lead.share_rate(self, 1.0)
        if self._thread is None:
            self._kill()

    def drain(self) -> None:
        """Wait until the server has everything, or until the time for that is over. Raises the error of the connection."""
        self._join()
        self._check()

    def abort(self) -> None:
        """Give up."""
        with self._changed:
            self._aborted = True
            self._changed.notify_all()
        self._wake()
        if self._lead is not None:
            self._lead.share_rate(self, 1.0)
        self._join()
        self._kill()

    def abandon_reader(self) -> None:
        """Finish soon."""
        with self._changed:
            self._asked = True
            self._changed.notify_all()
        self._wake()

    @property
    def bytes_written(self) -> int:
        """Return the bytes that were sent."""
        return sum(self._bytes.values())

    @property
    def readable(self) -> bool:
        """Return whether the server has anything."""
        return bool(self._packets)

    def track_bytes(self, track: int) -> int:
        """Return the bytes of the track's packets that were sent."""
        return self._bytes[track]

    def left_out(self, track: int) -> Mapping[str, int]:
        """Return what was not sent."""
        return {"behind": self._dropped[track]}

    def kept(self, track: int) -> int | None:
        """Return how many pictures or samples were sent, if the server was given up."""
        return None if self._error is None else self._sent[track]

    @property
    def kept_until_us(self) -> int | None:  # type: ignore[override]
        """Return the end of what was sent, if the server was given up."""
        return None if self._error is None else self._until_us

    @property
    def published(self) -> Published:
        """Return what has become of the stream."""
        with self._changed:
            counted = self._sent, self._dropped
            lead = self._lead.index if self._lead is not None else None
            if lead is None:
                counted, lead = (self._packets, self._lost), next(iter(self._places), 0)
            state = INTERRUPTED if self._away else PUBLISHING if self._open or self._over else "connecting"
            return Published(state, counted[0][lead], counted[1][lead], self._reconnects, self._bit_rate())

    def _check(self) -> None:
        if self._error is not None and not self._raised:
            self._raised = True
            raise self._error

    def _join(self) -> None:
        if self._thread is not None:
            self._thread.join()

    @property
    def _over(self) -> bool:
        return self._error is not None or self._aborted

    @property
    def _full(self) -> bool:
        return self._queued_bytes > QUEUE_BYTES

    def _wake(self) -> None:
        with self._changed:  # so that it is not closed meanwhile
            if self._wakes >= 0:
                with suppress(BlockingIOError):  # it is full, which wakes, too
                    os.write(self._wakes, b"\0")

    def _admit(self, track: int, piece: Chunk) -> bool:
        """Return whether to send a packet. If not, count it."""
        begins = self._lead is None or (track == self._lead.index and piece.key)
        if not self.waits and not self._away and self._queue:
            lag_us = piece.timestamp - self._queue[0].at_us
            if self._congestion.overdue(lag_us) or self._full:
                _log.info("%s: too slow: %d packets left out", self.name, len(self._queue))
                self._drop_queue()
                self._needs_key, self._asks_key = True, not begins
        if begins and not self._away:
            self._needs_key = False
        if not (self._away or self._needs_key or self._ending_s is not None):
            return True
        self._dropped[track] += piece.count
        self._lost[track] += 1
        return False

    def _lag_us(self, now_us: int) -> int:
        oldest = self._flying[0] if self._flying else self._queue[0] if self._queue else None
        return 0 if oldest is None else now_us - oldest.at_us

    def _drop_queue(self) -> None:
        self._drop(self._queue)
        self._queued_bytes = 0

    def _drop(self, packets: deque[_Sent]) -> None:
        for one in packets:
            self._dropped[one.track] += one.units
            self._lost[one.track] += 1
        packets.clear()

    def _bit_rate(self) -> float:
        """Return the bits per second of late, or of all the time after the end."""
        now_s = monotonic()
        if not self._open:
            return self.bytes_written * 8 / self._opened_s if self._opened_s else 0.0
        recent = [(at_s, size) for at_s, size in self._recent if at_s >= now_s - _RECENT_S]
        return sum(size for _, size in recent) * 8 / min(_RECENT_S, max(now_s - self._open_s, _LOOK_S))

    # On its own thread

    def _run(self) -> None:
        try:
            self._stay_connected()
        except DOMException as error:
            _log.info("%s: failed: %s", self.name, error)
            self._fail(error)
        except BaseException as error:
            self._fail(OperationError(f"{self.name} failed: {type(error).__name__}"))
            raise
        finally:
            self._note_closed()
            self._kill()
            with self._changed:
                self._drop_queue()
                self._drop(self._unsure)
                self._drop(self._flying)
                self._changed.notify_all()
                for fd in (self._wakened, self._wakes):
                    os.close(fd)
                self._wakened = self._wakes = -1

    def _fail(self, error: DOMException) -> None:
        with self._changed:
            self._error = error
            self._changed.notify_all()

    def _stay_connected(self) -> None:
        """Connect again and again, until the end. Raises the error of the first connection, and of giving up."""
        attempt, lost_s = 0, 0.0
        while not self._aborted:
            try:
                self._serve()
                return
            except (DOMException, BrokenPipeError) as error:
                cause = error if isinstance(error, DOMException) else self._last_words()
                cut = self._open
                lasted_s = monotonic() - self._open_s if cut else 0.0
                self._note_closed()
                self._kill()
                if not self._packets:
                    if self._asked:
                        return
                    raise cause from None
                if cut:
                    lost_s = monotonic()
                    attempt = 0 if lasted_s >= PUBLISHED_S else attempt
                    self._note_lost(cause)
                if self._give_up_s is not None and monotonic() >= lost_s + self._give_up_s:
                    raise gave_up(self.name, self._give_up_s, cause) from None
            pause_s = usual_pause_s(attempt, SERVER_SOON_S, SERVER_RECONNECT_S) * random.uniform(1 - _JITTER, 1 + _JITTER)
            attempt += 1
            if self._give_up_s is not None:
                pause_s = min(pause_s, max(0.0, lost_s + self._give_up_s - monotonic()))
            with self._changed:
                over = self._changed.wait_for(lambda: self._aborted or self._ending_s is not None, pause_s)
            if over:
                self._check_sent(cause)
                return

    def _last_words(self) -> DOMException:
        """Return why the process has left its pipe."""
        try:
            if self._child is not None:
                self._read_news(self._child)
        except DOMException as error:
            return error
        return process_gone(self.name)

    def _check_sent(self, cause: DOMException) -> None:
        """Raise an error if the server, which is away at the end, has missed anything."""
        dropped = self.published.dropped
        if dropped and not self._aborted:
            raise away_at_end(self.name, dropped, "packets of sound" if self._lead is None else "pictures", cause)

    def _note_closed(self) -> None:
        """Note that there is no connection any more."""
        with self._changed:
            if self._open:
                self._open = False
                self._opened_s += monotonic() - self._open_s

    def _note_lost(self, cause: DOMException) -> None:
        with self._changed:
            self._away = True
            self._drop_queue()
            self._drop(self._unsure)
            self._drop(self._flying)
            self._changed.notify_all()
        _log.info("%s: interrupted: %s", self.name, cause)
        self._tell(INTERRUPTED, reason=str(cause))

    def _tell(self, event: str, **more: object) -> None:
        known = self.published.to_json()
        self._on_link(event, {**{name: known[name] for name in ("sent", "dropped", "reconnects")}, **more})

    def _started(self) -> PublishChild:
        try:
            return PublishChild()
        except OSError as error:
            what = f"cannot start the process that publishes to {self.name}: {error.strerror}"
            raise OperationError(what) from error

    def _kill(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()

    def _serve(self) -> None:
        """Send over one connection, until the end. Raises an error if the connection fails or breaks, and BrokenPipeError."""
        child = self._child = self._child or self._started()
        self._base_us, self._latest_us, self._acked = None, {}, 0
        child.order({**self._order, "again": bool(self._packets)})
        self._began_s = self._heard_s = monotonic()
        self._timeout_s = PUBLISH_STARTS_S
        ended = False  # whether the process knows that no more comes
        while not self._aborted:
            child.flush()
            if self._read_news(child):
                return
            now_s = monotonic()
            if not self._open and now_s > self._began_s + self._timeout_s:
                raise not_answering(self.name, PUBLISH_CONNECT_S)
            if self._flying and now_s > self._heard_s + PUBLISH_STALLED_S:
                raise not_taking(self.name, PUBLISH_STALLED_S)
            if self._is_late(now_s):
                if self._open and self._packets:
                    _log.info("%s: not everything could be sent in time", self.name)
                    return
                if self._open:
                    raise not_taking(self.name, round(now_s - self._heard_s, 1))
                raise not_answering(self.name, round(now_s - self._began_s, 1))
            if self._open and not ended and not child.blocked:
                ended = self._hand_on(child)
                child.flush()
            self._wait(child)

    def _is_late(self, now_s: float) -> bool:
        """Return whether the time to finish is over."""
        if self._ending_s is None:
            return False
        most_s = PUBLISH_LEAVES_S if self._asked else PUBLISH_FINISH_S
        return now_s > min(self._ending_s + most_s, self.end_by_s)

    def _wait(self, child: PublishChild) -> None:
        """Wait until there is something to do."""
        watch = select.poll()
        watch.register(child.news, select.POLLIN)
        watch.register(self._wakened, select.POLLIN)
        if child.blocked:
            watch.register(child.orders, select.POLLOUT)
        found = watch.poll(_LOOK_S * 1000)
        if any(fd == self._wakened for fd, _ in found):
            with suppress(BlockingIOError):
                os.read(self._wakened, 1 << 10)

    def _read_news(self, child: PublishChild) -> bool:
        """Take the news of the process. Return whether it has finished. Raises its failure."""
        for told in child.listen():
            if "failure" in told:
                _log.debug("%s: %s", self.name, told["failure"])
                raise cause_of(told, self.name, self._to.server, PUBLISH_CONNECT_S)
            if "ready" in told:
                self._began_s, self._timeout_s = monotonic(), PUBLISH_CONNECT_S
            if "open" in told:
                self._begin_to_send()
            if "sent" in told:
                self._note_sent(int(told["sent"]), int(told["taken"]))
            if told.get("done"):
                return True
        if child.over:
            raise process_gone(self.name)
        return False

    def _begin_to_send(self) -> None:
        """Begin with what waits; on a return with the next key frame."""
        with self._changed:
            returns, self._away = self._away, False
            self._open, self._open_s = True, monotonic()
            self._heard_s = self._open_s
            if returns:
                self._reconnects += 1
                self._needs_key = self._asks_key = True
            self._changed.notify_all()
        _log.info("%s: %s", self.name, RESUMED if returns else PUBLISHING)
        self._tell(RESUMED if returns else PUBLISHING)

    def _note_sent(self, passed: int, taken: int) -> None:
        """Note how many packets of the connection were passed on, and how many of them the server has taken."""
        now_s = monotonic()
        with self._changed:
            size = 0
            while self._acked < passed and self._flying:
                self._unsure.append(self._flying.popleft())
                self._acked += 1
            while len(self._unsure) > self._acked - taken:
                one = self._unsure.popleft()
                self._sent[one.track] += one.units
                self._packets[one.track] += 1
                self._bytes[one.track] += one.data.nbytes
                size += one.data.nbytes
                self._until_us = max(self._until_us, one.at_us + one.duration_us)
            self._recent.append((now_s, size))
            while self._recent[0][0] < now_s - _RECENT_S:
                self._recent.popleft()
        self._heard_s = now_s

    def _hand_on(self, child: PublishChild) -> bool:
        """Give the process what waits. Return whether that was the end."""
        while not child.blocked:
            with self._changed:
                one = self._queue.popleft() if self._queue else None
                ending = self._ending_s is not None
                if one is not None:
                    self._queued_bytes -= one.data.nbytes
                    if not self._flying:
                        self._heard_s = monotonic()
                    if self._is_before_base(one):
                        self._dropped[one.track] += one.units
                        self._lost[one.track] += 1
                        continue
                    self._flying.append(one)
                    self._changed.notify_all()
            if one is None:
                if ending:
                    child.put(END, 0, (0, 0, 0), memoryview(b""))
                return ending
            self._pass_on(child, one)
            child.flush()
        return False

    def _is_before_base(self, one: _Sent) -> bool:
        """Return whether a packet is older than the one with which the connection has begun."""
        if self._base_us is None:
            self._base_us = one.decoded_us if self._reconnects or one.decoded_us > self._origin_us else self._origin_us
        return one.decoded_us < self._base_us and bool(self._reconnects)

    def _pass_on(self, child: PublishChild, one: _Sent) -> None:
        assert self._base_us is not None, "set before"
        decoded_us = max(one.decoded_us - self._base_us, self._latest_us.get(one.track, -_MICROSECONDS) + 1)
        self._latest_us[one.track] = decoded_us
        shown_us = max(one.at_us - self._base_us, decoded_us)
        child.put(self._places[one.track], KEY * one.key, (shown_us, decoded_us, one.duration_us), one.data)


def _packet(track: int, piece: Chunk) -> _Sent:
    reorder_us = piece.reorder_us if isinstance(piece, EncodedVideoChunk) else 0
    decoded_us = piece.timestamp - reorder_us
    return _Sent(track, piece.count, piece.data, piece.timestamp, decoded_us, piece.duration or 0, piece.key)
