"""A recording that waits for triggers: a file for each, which begins with what was captured before it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from mscli.core.clock import MICROSECONDS
from mscli.core.frames import Frame
from mscli.sinks.base import SinkOptions
from mscli.sinks.container import amount
from mscli.sinks.ring import Kept, Ring
from mscli.sinks.series import SeriesSink

if TYPE_CHECKING:
    from mscli.sinks import SinkRow, Target
    from mscli.sinks.encoders import Encoders
    from mscli.sinks.filetracks import Piece
    from mscli.sinks.recordingfile import RecordingFile

_BEHIND_US = MICROSECONDS  # how late a track's last pieces may come for a file


class TriggerSink(SeriesSink):
    """Pictures are encoded all the time and wait, with the raw sound, in a ring; a trigger begins a file with them.

    A file ends so long after its trigger as the plan says, or with the next trigger: what both need goes into both.
    """

    def __init__(self, row: SinkRow, target: Target, options: SinkOptions) -> None:
        super().__init__(row, target, options)
        self._pre_roll_us = round(self.plan.pre_roll_s * MICROSECONDS)
        self._length_us = None if self.plan.duration_s is None else round(self.plan.duration_s * MICROSECONDS)
        self._ring = Ring(self.plan.pre_roll_s)
        self._asked: list[int] = []  # triggers for which no file has begun yet
        self._end_us: dict[RecordingFile, int] = {}
        self._used: set[int] = set()  # ids of pieces in the ring that are in a file
        self._absences: dict[int, _Absence] = defaultdict(_Absence)  # by track
        self._last = False  # whether no trigger can come any more
        self._lead: int | None = None  # the track with whose key frames files begin

    def trigger(self, at_us: int) -> None:
        """Begin a file with what was captured before that instant; the file before it ends there."""
        self._asked.append(at_us)
        for file in self._open:
            self._end_us[file] = min(at_us, self._end_us.get(file, at_us))

    def end_triggers(self) -> None:
        """End with the files that end by themselves; one that only another trigger would have ended goes on no longer."""
        self._last = True
        self._check_last()

    def corrections(self, track: int) -> Mapping[str, int]:
        """What the others tell, and the time in which no file was to be."""
        absent_us = self._absences[track].us
        return {**super().corrections(track), **({"absentUs": absent_us} if absent_us else {})}

    def _check_last(self) -> None:
        if self._last and (self._length_us is None or not (self._asked or self._open)):
            self.ended = self.ended or "pipe"

    def _begin(self, encoders: Encoders, origin_us: int) -> None:  # noqa: ARG002
        self._lead = next((index for index, track in enumerate(encoders.tracks) if track.kind == "video"), None)

    def _take(self, encoders: Encoders, track: int, frame: Frame) -> None:
        super()._take(encoders, track, frame)
        self._begin_asked(encoders)
        while self._open and self._end_us.get(self._open[0], frame.timestamp) + _BEHIND_US < frame.timestamp:
            self._end_us.pop(self._finish_oldest(), None)
        self._check_last()

    def _finish(self, encoders: Encoders) -> None:
        self._begin_asked(encoders, ending=True)
        super()._finish(encoders)
        for one in self._ring:
            self._forget(one)

    # From the ring into files

    def _begin_asked(self, encoders: Encoders, *, ending: bool = False) -> None:
        """Begin the files that were asked for, as soon as all has come that may be their first, or nothing more does."""
        while self._asked and encoders.origin_us is not None:
            begin_us = self._ring.beginning(self._asked[0] - self._pre_roll_us, ending=ending)
            if begin_us is None:
                return
            self._begin_triggered(encoders, begin_us, self._asked.pop(0))

    def _begin_triggered(self, encoders: Encoders, begin_us: int, at_us: int) -> None:
        file = self._begin_file(encoders, begin_us, begin_us)
        if self._asked:
            self._end_us[file] = self._asked[0]
        if self._length_us is not None:
            self._end_us[file] = min(at_us + self._length_us, self._end_us.get(file, at_us + self._length_us))
        for one in self._ring:
            self._put_inside(encoders, file, one)

    def _place(self, encoders: Encoders, track: int, piece: Piece) -> None:
        one = self._kept(encoders, track, piece)
        for file in self._open:
            self._put_inside(encoders, file, one)
        for gone in self._ring.add(one):
            self._forget(gone)

    def _kept(self, encoders: Encoders, track: int, piece: Piece) -> Kept:
        if isinstance(piece, tuple):
            return Kept(track, piece, piece.at_us, piece.at_us + 1, piece.packet.size, piece.key and track == self._lead)
        size = sum(plane.buffer_size for plane in piece.planes)
        start = piece.pts or 0
        at_us, end_us = (encoders[track].instant_us(position) for position in (start, start + piece.samples))
        return Kept(track, piece, at_us, end_us, size, self._lead is None)

    def _put_inside(self, encoders: Encoders, file: RecordingFile, one: Kept) -> None:
        """Write what of the piece lies between the file's beginning and its end."""
        for piece in self._inside(encoders, file, one):
            self._put(file, one.track, piece)
            self._used.add(id(one.piece))

    def _inside(self, encoders: Encoders, file: RecordingFile, one: Kept) -> Iterator[Piece]:
        end_us = self._end_us.get(file)
        if isinstance(one.piece, tuple):
            if file.begin_us <= one.at_us and (end_us is None or one.at_us < end_us):
                yield one.piece
            return
        from mscli.sinks.convert import clip_sound

        position, last = encoders[one.track].position, (one.piece.pts or 0) + one.piece.samples
        part = clip_sound(one.piece, position(file.begin_us), last if end_us is None else position(end_us))
        if part.samples:
            yield part

    def _forget(self, one: Kept) -> None:
        """Count a piece that leaves the ring and is in no file."""
        used = id(one.piece) in self._used
        self._used.discard(id(one.piece))
        self._unwritten[one.track] += 0 if used else amount(one.piece)
        self._absences[one.track].pass_by(one.at_us, used=used)


class _Absence:
    """How long a track is in no file. Its pieces pass by in order; each lasts until the next, the last as that before it."""

    def __init__(self) -> None:
        self._us = 0
        self._at_us: int | None = None
        self._length_us = 0
        self._used = True

    @property
    def us(self) -> int:
        """Microseconds, of all that has passed by."""
        return self._us + (0 if self._used else self._length_us)

    def pass_by(self, at_us: int, *, used: bool) -> None:
        """Count the piece that began at that instant. ``used``: it is in a file."""
        if self._at_us is not None:
            self._length_us = at_us - self._at_us
        self._us, self._at_us, self._used = self.us, at_us, used
