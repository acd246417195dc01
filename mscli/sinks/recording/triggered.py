"""Write a file for each trigger. It begins with what was captured before the trigger.

The last seconds wait in a ``Ring`` in memory. Its bound is RING_BYTES. It drops the oldest packets first, up to a key frame,
because a file cannot begin in between.

At most MOST_FILES files are open or pending. A trigger above that bound is missed and counted. Everything is encoded only once,
so a file only costs the writing of its packets. At the end of the recording, pending files are written until ``end_by_s``. The
other triggers are missed.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING

from mscli.core.clock import MICROSECONDS
from mscli.core.frames import AudioData, EncodedVideoChunk, Media
from mscli.core.limits import BEHIND_US, TRIGGERED_S
from mscli.core.log import Burst, Log
from mscli.core.tuples import NamedTuple
from mscli.core.window import PAST_US
from mscli.encode.encoding import PacketSink, first_camera
from mscli.sinks.recording.segments import SeriesSink

if TYPE_CHECKING:
    from mscli.encode.chunks import Piece
    from mscli.encode.codecs import Container
    from mscli.sinks.files.series import FileSeries

RING_BYTES = 256 * 1024 * 1024  # half a minute of MJPEG in 1080p, many minutes of H.264
MOST_FILES = 32  # more than half a minute of triggers, one a second; each has a descriptor and a flushing thread

_log = Log("sinks")


class Kept(NamedTuple):
    """A packet or samples in the ring. A file that begins at ``at_us`` needs them up to ``end_us``.

    ``begins``: a file may begin with it.
    """

    track: int
    piece: Piece
    at_us: int
    end_us: int
    size: int  # bytes
    begins: bool
    key: bool = False  # whether a camera's part of a file can begin here


class Ring:
    """The packets of the last ``seconds``, and earlier ones that a file needs at its beginning."""

    def __init__(self, seconds: float, most_bytes: int = RING_BYTES) -> None:
        self._span_us = round(seconds * MICROSECONDS)
        self._most_bytes = most_bytes
        self._kept: deque[Kept] = deque()
        self._beginnings: deque[int] = deque()  # instants at which a file may begin
        self._keys: dict[int, deque[int]] = {}  # track → instants of its key frames, except for the track that begins files
        self._latest: dict[int, int] = {}  # track → the instant of its latest packet, for the same tracks
        self._bytes = 0
        self._newest_us = 0

    def __iter__(self) -> Iterator[Kept]:
        return iter(self._kept)

    def add(self, one: Kept) -> list[Kept]:
        """Add a packet. Return the packets that are dropped."""
        self._kept.append(one)
        self._bytes += one.size
        self._newest_us = max(self._newest_us, one.at_us)
        if one.begins:
            self._beginnings.append(one.at_us)
        elif one.key or one.track in self._keys:
            self._latest[one.track] = one.at_us
            self._keys.setdefault(one.track, deque()).extend([one.at_us] * one.key)
        return self._let_go()

    def beginning(self, wanted_us: int, *, ending: bool) -> int | None:
        """Return the latest time up to ``wanted_us`` at which a file can begin, or else the first one after it, or else None.

        Prefer a time from which every camera can be decoded by ``wanted_us``. Also return None while packets from before
        ``wanted_us`` may still come. ``ending``: no more packets come.
        """
        if self._newest_us < wanted_us and not ending:
            return None
        before = [at_us for at_us in reversed(self._beginnings) if at_us <= wanted_us]
        whole = (at_us for at_us in before if self._is_whole(at_us, wanted_us))
        return next(whole, before[0]) if before else next(iter(self._beginnings), None)

    def clear(self) -> list[Kept]:
        """Remove and return everything."""
        gone = list(self._kept)
        self._kept.clear()
        return gone

    def _is_whole(self, begin_us: int, wanted_us: int) -> bool:
        """Return whether every other delivering camera has a key frame between the two times."""
        return all(
            any(begin_us <= at_us <= wanted_us for at_us in keys)
            for track, keys in self._keys.items()
            if self._latest[track] >= wanted_us
        )

    def _let_go(self) -> list[Kept]:
        gone: list[Kept] = []
        oldest_us = self._newest_us - self._span_us
        while len(self._beginnings) > 1 and self._beginnings[1] <= oldest_us and self._is_whole(self._beginnings[1], oldest_us):
            gone += self._drop_beginning()
        while self._bytes > self._most_bytes and self._kept:
            gone += self._drop_beginning()
        return gone

    def _drop_beginning(self) -> list[Kept]:
        """Remove and return the packets before the second beginning, or all packets if there is none."""
        if self._beginnings:
            self._beginnings.popleft()
        gone: list[Kept] = []
        while self._kept and (not self._beginnings or self._kept[0].end_us <= self._beginnings[0]):
            gone.append(self._kept.popleft())
        self._bytes -= sum(one.size for one in gone)
        for keys in self._keys.values():
            while keys and (not self._beginnings or keys[0] < self._beginnings[0]):
                keys.popleft()
        return gone


class Triggered(SeriesSink):
    """A sink that keeps packets in a ring. A trigger begins a file with them.

    A file ends a fixed time after its trigger, or with the next trigger. Packets that two files need go into both. Audio for a
    lossless codec is kept as samples, so that it can be cut to the sample.
    """

    shares_sound = True
    triggered = True
    finish_s = TRIGGERED_S

    def __init__(self, files: FileSeries, container: Container, make: Callable[[str], PacketSink]) -> None:
        super().__init__(files, container, make)
        self._pre_roll_us = round(self.plan.pre_roll_s * MICROSECONDS)
        self._length_us = None if self.plan.duration_s is None else round(self.plan.duration_s * MICROSECONDS)
        self._ring = Ring(self.plan.pre_roll_s)
        self._asked: deque[int] = deque()  # triggers for which no file has begun yet
        self._origin_us: int | None = None
        self._end_us: dict[PacketSink, int] = {}
        self._keyed: set[tuple[PacketSink, int]] = set()  # files and tracks that have begun in them
        # file and track → chunks that are shown after the file's end, unless others before it need them
        self._ahead: dict[tuple[PacketSink, int], list[EncodedVideoChunk]] = defaultdict(list)
        self._used: set[int] = set()  # ids of packets in the ring that are in a file
        self._absences: dict[int, _Absence] = defaultdict(_Absence)  # track → its absence
        self._missing = Burst(_log, f"%d trigger(s) missed: {MOST_FILES} files are open or waited for")
        self._last = False  # whether no more triggers can come
        self._lead: int | None = None  # the track at whose key frames files begin

    def trigger(self, at_us: int, times: int = 1) -> None:
        """Begin a file with the packets before ``at_us``. The previous file ends there."""
        taken = min(times, MOST_FILES - len(self._asked) - len(self._open) - len(self._closing))
        self.missed += times - taken
        self._missing.note(times - taken)
        self._asked.extend([at_us] * taken)
        for file in self._open if taken else ():
            self._end_us[file] = min(at_us, self._end_us.get(file, at_us))

    def idle_at(self, at_us: int) -> bool:
        """Return whether no file is written at this time, and none is asked for."""
        return not self._asked and all(at_us >= self._end_us.get(file, at_us + 1) for file in self._open)

    def coming(self, track: int, frame: Media) -> None:
        """End the open files with the silence that is asked for."""
        silent_us, sounds = self._listen(track, frame)
        if self.plan.silence is None or sounds or silent_us < self.plan.silence.seconds * MICROSECONDS:
            return
        for file in self._open:
            heard_s = (frame.timestamp - file.begin_us) / MICROSECONDS - self.plan.pre_roll_s  # since its trigger, at least
            if heard_s >= self.plan.silence.seconds:
                self._end_us[file] = min(frame.timestamp, self._end_us.get(file, frame.timestamp))

    def end_triggers(self) -> None:
        """Expect no more triggers. End after the files that end by themselves, or now if files only end by triggers."""
        self._last = True
        self._check_last()

    def put(self, track: int, piece: Piece) -> None:
        """Keep the packet, and write it into the open files that need it."""
        one = self._kept(track, piece)
        for file in self._open:
            self._put_inside(file, one)
        for gone in self._ring.add(one):
            self._forget(gone)

    def passed(self, at_us: int) -> None:
        """Begin the next pending file, and finish files that can get nothing more."""
        super().passed(at_us)
        self._begin_next()  # at most one per frame, so that new frames do not wait for long
        while self._open and self._end_us.get(self._open[0], at_us) + BEHIND_US < at_us:
            self._forget_file(self._finish_oldest())
        self._check_last()

    def end(self) -> None:
        """Finish all files, and write pending ones as far as time permits."""
        super().end()
        while self._begin_next(ending=True):
            self._finish_oldest()
        self.missed += len(self._asked)
        self._missing.note(len(self._asked))
        self._missing.end()
        self._asked.clear()
        for gone in self._ring.clear():
            self._forget(gone)

    def kept(self, track: int) -> None:  # noqa: ARG002
        """Return None: files may overlap."""
        return

    def left_out(self, track: int) -> Mapping[str, int]:
        """Return how many frames or samples are in no file, and the time without a file."""
        return {**super().left_out(track), "absentUs": self._absences[track].us}

    def _begin(self, origin_us: int) -> None:
        self._origin_us = origin_us
        self._lead = first_camera(self._tracks)

    def _check_last(self) -> None:
        if self._last and (self._length_us is None or not (self._asked or self._open)):
            self.ended = self.ended or "pipe"

    def _settle(self, file: PacketSink) -> None:
        """Count a finished file, or its trigger as missed if nothing came before the next one. Raises what the base does."""
        empty = not file.begun
        super()._settle(file)
        self.missed += empty

    # From the ring into files

    def _begin_next(self, *, ending: bool = False) -> bool:
        """Begin the next pending file, if its first packets have come. Return whether it began."""
        if not self._asked or self._origin_us is None or monotonic() > self.end_by_s:
            return False
        begin_us = self._ring.beginning(self._asked[0] - self._pre_roll_us, ending=ending)
        if begin_us is None:
            return False
        self._begin_triggered(begin_us, max(self._asked.popleft(), self._origin_us))
        return True

    def _begin_triggered(self, begin_us: int, at_us: int) -> None:
        """Begin a file at ``begin_us``. ``at_us``: the time of its trigger, or the recording's beginning if that is later."""
        file = self._begin_file(begin_us, begin_us)
        ends_us = [] if self._length_us is None else [at_us + self._length_us]
        ends_us += [max(self._asked[0], at_us)] if self._asked else []
        if ends_us:
            self._end_us[file] = min(ends_us)
        for one in self._ring:
            self._put_inside(file, one)

    def _kept(self, track: int, piece: Piece) -> Kept:
        if not isinstance(piece, AudioData):
            begins = piece.key and self._lead in (None, track)
            at_us = piece.timestamp + self._tracks[track].delay_us
            key = piece.key and self._tracks[track].kind == "video"
            return Kept(track, piece, at_us, at_us + 1, piece.nbytes, begins, key)
        end_us = self._tracks[track].instant_us(piece.sequence + piece.count)
        return Kept(track, piece, piece.timestamp, end_us, piece.nbytes, self._lead is None)

    def _put_inside(self, file: PacketSink, one: Kept) -> None:
        """Write the part of the packet between the file's beginning and its end."""
        for piece in self._inside(file, one):
            self._write(file, one.track, piece)
            self._used.add(id(one.piece))

    def _before_end(self, file: PacketSink, track: int, piece: Piece, end_us: int | None) -> list[Piece]:
        """Return what a file gets of a chunk. One that is shown after its end is only written if others before it need it."""
        if end_us is not None and piece.timestamp >= end_us:
            if isinstance(piece, EncodedVideoChunk) and piece.order_us < end_us:
                self._ahead[file, track].append(piece)
            return []
        needed = self._ahead.pop((file, track), [])
        self._used.update(map(id, needed))
        return [*(replace(chunk, duration=PAST_US) for chunk in needed), piece]

    def _inside(self, file: PacketSink, one: Kept) -> Iterator[Piece]:
        end_us = self._end_us.get(file)
        if not isinstance(one.piece, AudioData):
            inside = end_us is None or one.piece.timestamp < end_us
            if file.begin_us <= one.at_us and ((file, one.track) in self._keyed or (inside and self._begins_in(file, one))):
                yield from self._before_end(file, one.track, one.piece, end_us)
            return
        part = self._part_of(one.piece, one.track, file.begin_us, end_us)
        if part is not None:
            yield part

    def _begins_in(self, file: PacketSink, one: Kept) -> bool:
        """Return whether the file has a key frame of the camera, or this packet is one. Otherwise it could not be decoded."""
        if one.key or self._tracks[one.track].kind != "video":
            self._keyed.add((file, one.track))
        return (file, one.track) in self._keyed

    def _forget_file(self, file: PacketSink) -> None:
        self._end_us.pop(file, None)
        self._ahead = defaultdict(list, {key: chunks for key, chunks in self._ahead.items() if key[0] is not file})
        self._keyed = {(other, track) for other, track in self._keyed if other is not file}

    def _forget(self, one: Kept) -> None:
        """Count a packet that leaves the ring without being in a file."""
        used = id(one.piece) in self._used
        self._used.discard(id(one.piece))
        self._left_out[one.track]["unwritten"] += 0 if used else one.piece.count
        self._absences[one.track].pass_by(one.at_us, used=used)


class _Absence:
    """The time during which a track is in no file. A packet lasts until the next one, the last as long as the previous one."""

    def __init__(self) -> None:
        self._us = 0
        self._at_us: int | None = None
        self._length_us = 0
        self._used = True

    @property
    def us(self) -> int:
        """Return the total time so far, in microseconds."""
        return self._us + (0 if self._used else self._length_us)

    def pass_by(self, at_us: int, *, used: bool) -> None:
        """Count the packet that begins at ``at_us``. ``used``: whether it is in a file."""
        if self._at_us is not None:
            self._length_us = at_us - self._at_us
        self._us, self._at_us, self._used = self.us, at_us, used
