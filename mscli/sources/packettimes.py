"""Mend the times of a container's packets: wrong ones, steps, and clocks that stand still.

No time of arrival tells which times of a file are true, as that of a live device does. What tells it here is the packets that
follow in the same stream, how long they last, and those of the other stream between them. So a packet whose time does not
follow on waits for the next ones:

- If they return to where they were expected, the times between were wrong: replace them by what the stream's pace expects.
- If they go on from a step back, files were joined there: go on after what came before, and keep both streams in step.
- If they go on from a step ahead, there is a gap, unless the other stream shows that no time has passed: then take it out.
- If they do not go on, the clock of the stream stands still: place its packets by how long they last.

The times of the other stream never change for that. Each stream that has rising times of its own keeps them as they are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice, pairwise, takewhile
from statistics import median
from typing import Any

from mscli.core.clock import MICROSECONDS
from mscli.core.errors import DOMException
from mscli.core.tuples import NamedTuple

LOOK = 100  # packets of a stream that tell what a step means: a PES packet of MPEG-TS has up to 16 of them in one time
HELD_BYTES = 16 << 20  # the most that waits for that; what comes later decides then
OFF_US = 100_000  # times that are less off are the container's business
REORDERED_US = 2 * MICROSECONDS  # the same, for pictures in a container that reorders their decoding times
ALIKE_US = 10 * MICROSECONDS  # steps back of both streams whose corrections differ by less are the same one
APART_US = 2 * MICROSECONDS  # packets that stand together in a file are less apart
_HASTY_US = 400_000  # the same in time, if nothing should wait: a little more than a PES packet
_STEPS = 16  # of a stream, that tell its pace
_STANDING = 3  # times that do not rise, of packets that follow, show that a clock stands still
_NEAR = 8  # packets around one, among which a missing time is looked for
_SURE = 8  # packets of the other stream that show that no time has passed
_REORDERED = 17  # pictures: the most by which codecs reorder them

# called with a stream's index, how long the packet lasts, and how far its time was off
Retimed = Callable[[int, int, int], None]


class StreamFacts(NamedTuple):
    """The facts that the times of a stream depend on.

    ``usual_us``: how long a packet lasts that does not say. ``reorders``: whether its times come in another order.
    """

    sound: bool
    usual_us: int
    reorders: bool = False


@dataclass(slots=True)
class Timed:
    """A packet, and what its container says of its times, in microseconds. Without ``order_us`` there is nothing to mend.

    ``order_us``: when it is decoded, or if the container does not say, when it is shown. ``shown_us``: when it is shown,
    if that is said too; none if it is unknown. ``starts``: whether nothing is decoded before it that is shown after it.
    """

    index: int  # of its stream
    packet: Any
    order_us: int | None
    shown_us: int | None
    lasts_us: int
    starts: bool
    size: int = 0
    shift_us: int = 0  # how far its stream was moved, when it was placed


@dataclass(slots=True)
class _Line:
    """The times of one stream. All are those that its packets are given, unless they are called raw."""

    stream: StreamFacts
    waiting: deque[Timed] = field(default_factory=deque)
    shift_us: int = 0  # from raw times
    off_us: int = 0  # how far raw times are off for good, by steps that only this stream has taken
    last_us: int | None = None  # the time of the last packet, and when it ends
    end_us: int = 0
    raw_us: int = 0  # the last packet's
    stands: bool = False  # whether the clock stood still at the last packet
    steps_us: deque[int] = field(default_factory=lambda: deque(maxlen=_STEPS))
    offsets_us: deque[int] = field(default_factory=lambda: deque(maxlen=_STEPS))  # from decoding to showing
    shown_us: deque[int] = field(default_factory=lambda: deque(maxlen=_STEPS))

    def pace_us(self, lasts_us: int) -> int:
        """Return the expected time from a packet to the next one. ``lasts_us``: the packet's own duration."""
        if self.stream.sound or self.stream.reorders:
            return lasts_us
        return round(median(self.steps_us)) if len(self.steps_us) >= _STEPS // 4 else lasts_us

    def off_us_of(self, timed: Timed) -> int:
        """Return how far ahead or behind a packet's time may be without a reason to judge it."""
        return max(REORDERED_US, _REORDERED * timed.lasts_us) if self.stream.reorders and not timed.starts else OFF_US

    def offset_us(self, timed: Timed) -> int | None:
        """Return how long after its decoding a packet is shown, or None if what it says is impossible."""
        offset_us = 0 if timed.shown_us is None else timed.shown_us - _raw(timed)
        return offset_us if -OFF_US <= offset_us <= max(REORDERED_US, _REORDERED * self.pace_us(timed.lasts_us)) else None

    def later(self) -> list[Timed]:
        """Return the packets behind the first one that waits."""
        return list(islice(self.waiting, 1, None))


class PacketTimes:
    """The times of the packets of one reading of a container.

    ``hasty``: whether as little as possible waits, because the input comes as it is made. ``joins``: whether steps back are
    mended. ``zeroes``: whether a first time can be true although all others are far from it.
    """

    def __init__(
        self,
        streams: Mapping[int, StreamFacts],
        retimed: Retimed,
        *,
        hasty: bool = False,
        joins: bool = True,
        zeroes: bool = True,
    ) -> None:
        self._lines = {index: _Line(stream) for index, stream in streams.items()}
        self._retimed, self._hasty, self._joins, self._zeroes = retimed, hasty, joins, zeroes
        self._queue: deque[Timed] = deque()  # bound: ``HELD_BYTES``, ``LOOK`` packets of a stream
        self._held = 0  # bytes in it
        self._end_us = 0  # when all packets so far have ended
        self._origin_us = 0  # what to add to all times, because the container's beginning is that of a wrong one
        self._begun = False

    def mended(self, packets: Iterable[Timed]) -> Iterator[Timed]:
        """Yield the packets in their order, with times that can be true. An error comes after all that came before it."""
        failure: DOMException | None = None
        try:
            for timed in packets:
                self._take(timed)
                while self._queue and self._settled(complete=self._held > HELD_BYTES):
                    yield self._pop()
        except DOMException as error:
            failure = error
        while self._queue:
            self._settled(complete=True)
            yield self._pop()
        if failure is not None:
            raise failure

    def _take(self, timed: Timed) -> None:
        line = self._lines[timed.index]
        timed.lasts_us = timed.lasts_us or line.stream.usual_us
        self._queue.append(timed)
        self._held += timed.size
        if timed.order_us is not None:
            line.waiting.append(timed)

    def _pop(self) -> Timed:
        timed = self._queue.popleft()
        self._held -= timed.size
        return timed

    def _settled(self, *, complete: bool) -> bool:
        """Give the first packet its time. Return False if those that follow have to come first, unless no more can."""
        if not self._begun and not self._begin(complete=complete):
            return False
        timed = self._queue[0]
        if timed.order_us is None:
            return True
        line = self._lines[timed.index]
        if not (complete or self._hasty or line.offset_us(timed) is not None or len(line.waiting) > _NEAR):
            return False
        at_us = self._follows(line, timed)
        if at_us is None:
            at_us = self._judged(line, timed, complete=complete or self._looked(line))
        if at_us is None:
            return False
        line.waiting.popleft()
        self._place(line, timed, at_us)
        return True

    # The beginning: which of two streams that begin far from each other is wrong

    def _begin(self, *, complete: bool) -> bool:
        lines = list(self._lines.values())
        firsts = [line.waiting[0].order_us for line in lines if line.waiting]
        complete = complete or any(len(line.waiting) > LOOK for line in lines)
        if len(firsts) < len(lines) and not complete and any(timed.order_us is not None for timed in self._queue):
            return False
        if len(firsts) > 1 and max(firsts) - min(firsts) > APART_US:  # type: ignore[operator,type-var]  # none is None
            if not complete:
                return False
            for line, other in ((lines[0], lines[1]), (lines[1], lines[0])):
                self._begin_line(line, other)
        self._begun = True
        return True

    def _begin_line(self, line: _Line, other: _Line) -> None:
        """Let a stream that does not say when it begins begin with the other one."""
        there_us = _raw(other.waiting[0])
        count = 0 if self._stands(line, list(line.waiting)) else self._wrong_firsts(line, there_us)
        if count is None or other.stands:
            return
        lead_us = sum(timed.lasts_us for timed in islice(line.waiting, count))
        begin_us = _raw(line.waiting[count]) - lead_us if count else there_us
        line.last_us, line.end_us = begin_us - line.waiting[0].lasts_us, begin_us
        line.raw_us, line.stands = _raw(line.waiting[0]), True
        if _raw(line.waiting[0]) <= 0 < there_us - APART_US:
            self._origin_us = -min(there_us, begin_us)

    def _wrong_firsts(self, line: _Line, there_us: int) -> int | None:
        """Return how many of the first packets are wrong: 0, and the others are where the other stream is. None: none."""
        raws = [_raw(timed) for timed in line.waiting]
        if self._zeroes or abs(raws[0] - there_us) <= APART_US:
            return None
        return next((count for count, raw in enumerate(raws) if abs(raw - there_us) <= APART_US), None)

    def _looked(self, line: _Line) -> bool:
        """Return whether enough packets wait to judge a step."""
        if len(line.waiting) > LOOK:
            return True
        return self._hasty and sum(line.pace_us(one.lasts_us) for one in line.waiting) > _HASTY_US

    # Judge a packet

    def _follows(self, line: _Line, timed: Timed) -> int | None:
        """Return the time of a packet that needs no judgement, or None."""
        raw_us = _raw(timed)
        at_us = raw_us + line.shift_us
        if line.last_us is None:
            return at_us
        off_us = at_us - line.end_us
        if line.stream.sound:
            return at_us if abs(off_us) <= OFF_US and raw_us != line.raw_us and not (line.stands and off_us < 0) else None
        behind = at_us <= line.last_us if raw_us == line.raw_us else at_us < line.last_us - line.off_us_of(timed)
        return at_us if not behind and off_us <= line.off_us_of(timed) else None

    def _judged(self, line: _Line, timed: Timed, *, complete: bool) -> int | None:
        """Return the time of a packet that does not follow on, by those behind it. None if they have to come first."""
        assert line.last_us is not None, "the first one follows"
        at_us, later = _raw(timed) + line.shift_us, line.later()
        step_us = at_us - line.last_us
        if self._hasty and step_us > 0 and self._other_is_there(line, at_us):
            return at_us
        returned_us = self._returned(line, timed, later)
        if returned_us is not None:
            return returned_us
        if not complete:
            return None
        if self._stands(line, [timed, *later]):
            line.stands = True
            return line.end_us
        line.stands = False
        if step_us > 0:
            return self._after_step_ahead(line, timed, later)
        if self._joins and -step_us > line.off_us_of(timed):
            self._join(line, timed, later)
        return _raw(timed) + line.shift_us

    def _returned(self, line: _Line, timed: Timed, later: list[Timed]) -> int | None:
        """Return the expected time of a packet if it and perhaps some behind it are wrong, or None.

        They are if one of those that follow is where the pace of the stream expects it.
        """
        assert line.last_us is not None
        pace_us, before_us = line.pace_us(timed.lasts_us), _raw(timed) + line.shift_us
        expected_us, ahead = line.end_us + pace_us, before_us > line.last_us
        for count, one in enumerate(later, 2):
            at_us = _raw(one) + line.shift_us
            if self._breaks(line, one, at_us - before_us, ahead=ahead) and self._continues(line, at_us, expected_us, count):
                if line.stream.sound:
                    return line.end_us
                return self._hole(line, later) if line.stream.reorders else line.last_us + (at_us - line.last_us) // count
            before_us = at_us
            expected_us += one.lasts_us if line.stream.sound else pace_us
        return None

    def _breaks(self, line: _Line, timed: Timed, step_us: int, *, ahead: bool) -> bool:
        """Return whether a step leads away from times that are wrong: back if they are ahead, or else ahead."""
        if line.stream.sound:
            return True
        least_us = line.off_us_of(timed) - OFF_US
        return step_us < -least_us if ahead else step_us > least_us + OFF_US

    def _continues(self, line: _Line, at_us: int, expected_us: int, count: int) -> bool:
        """Return whether a time is where the pace of a stream expects it: of pictures, it may vary."""
        assert line.last_us is not None
        if line.stream.sound:
            return abs(at_us - expected_us) <= OFF_US // 2
        if line.stream.reorders:
            return abs(at_us - expected_us) <= REORDERED_US
        return (
            count * line.pace_us(line.stream.usual_us) // 2 <= at_us - line.last_us <= expected_us - line.last_us + MICROSECONDS
        )

    def _hole(self, line: _Line, later: list[Timed]) -> int:
        """Return the time between those of the packets around a wrong one at which one is missing."""
        around = [*line.shown_us, *(_raw(one) + line.shift_us for one in later[:_STEPS])]
        near = sorted(at_us for at_us in around if abs(at_us - line.end_us) <= _NEAR * line.stream.usual_us)
        before_us, after_us = max(pairwise(near), key=lambda pair: pair[1] - pair[0], default=(line.end_us, line.end_us))
        return (before_us + after_us) // 2

    def _stands(self, line: _Line, packets: list[Timed]) -> bool:
        """Return whether times repeat, or stay behind how long the packets last and do not rise again and again."""
        raws = [_raw(one) for one in packets]
        repeats = line.last_us is not None and {line.raw_us} == {*raws[:_STANDING]}
        if repeats and (line.stands or len(raws) >= _STANDING):
            return True
        not_rising = sum(after <= before for before, after in pairwise(raws))
        if line.stands and (not_rising or len(raws) <= _STEPS):
            return True
        lasted_us = sum(line.pace_us(one.lasts_us) for one in packets[:-1])
        return not_rising >= _STANDING and raws[-1] - raws[0] < lasted_us // 2

    def _other_is_there(self, line: _Line, at_us: int) -> bool:
        """Return whether the other stream, if there is one, stands beside a packet in the file with about the same time."""
        others = (one.last_us for one in self._lines.values() if one is not line)
        return all(last_us is not None and abs(at_us - last_us) < APART_US for last_us in others)

    def _after_step_ahead(self, line: _Line, timed: Timed, later: list[Timed]) -> int:
        """Return the time of a packet behind a lasting step ahead: a gap, unless the other stream shows that there is none."""
        at_us = _raw(timed) + line.shift_us
        ahead_us = at_us - line.end_us
        if ahead_us < MICROSECONDS:
            return at_us
        for other in self._lines.values():
            between = [_raw(one) + other.shift_us for one in self._beside(other, later)]
            if other is line or other.last_us is None or len(between) < _SURE:
                continue
            before_us = line.end_us - other.last_us
            since_us = _raw(later[-1]) + line.shift_us - between[-1]
            passed_us = between[-1] - other.last_us
            lasted_us = _raw(later[-1]) - _raw(timed)
            is_apart = abs(before_us) < min(APART_US, ahead_us // 2) and abs(since_us - before_us - ahead_us) < ahead_us // 4
            if is_apart and passed_us > 0 and abs(passed_us - lasted_us) < ahead_us // 2:
                line.shift_us -= ahead_us
                line.off_us += ahead_us
                return line.end_us
        return at_us

    def _beside(self, line: _Line, later: list[Timed]) -> Iterator[Timed]:
        """Yield the packets of a stream that stand in the file before the last one of these."""
        last = later[-1] if later else None
        for one in takewhile(lambda one: one is not last, self._queue):
            if self._lines[one.index] is line and one.order_us is not None:
                yield one

    def _join(self, line: _Line, timed: Timed, later: list[Timed]) -> None:
        """Shift a stream from a step back on: as the other stream if it takes the same step, or else to its own end."""
        shift_us = self._end_us - _raw(timed)
        others = [one for one in self._lines.values() if one is not line and one.last_us is not None]
        most_us = max((one.shift_us for one in others), default=0)
        if most_us > line.shift_us and abs(most_us - shift_us) < ALIKE_US:
            line.shift_us = most_us
        elif all(self._steps_back(other, later) for other in others):
            line.shift_us = shift_us
        else:
            own_us = line.end_us - _raw(timed)
            line.off_us -= own_us - line.shift_us
            line.shift_us = own_us

    def _steps_back(self, line: _Line, later: list[Timed]) -> bool:
        """Return whether a stream steps back beside these packets of the other one, or if it can be: it has none there."""
        raws = [line.raw_us, *map(_raw, self._beside(line, later))]
        return len(raws) < _SURE or any(
            after < before - (REORDERED_US if line.stream.reorders else OFF_US) for before, after in pairwise(raws)
        )

    # Give it its time

    def _place(self, line: _Line, timed: Timed, at_us: int) -> None:
        raw_us, shown_us = _raw(timed), timed.shown_us
        own_us = raw_us + line.shift_us
        off_us = own_us - at_us
        timed.shift_us, offset_us = line.shift_us + self._origin_us, 0
        if shown_us is not None:
            own_offset_us = line.offset_us(timed)
            if own_offset_us is None or off_us:
                offset_us = self._likely_offset(line, timed, at_us, own_offset_us)
                off_us = off_us or shown_us - raw_us - offset_us
            else:
                offset_us = own_offset_us
                line.offsets_us.append(offset_us)
            timed.shown_us = None if line.stands and off_us and not line.stream.sound else at_us + offset_us + self._origin_us
        line.shown_us.append(at_us + offset_us)
        if off_us or line.off_us:
            self._retimed(timed.index, timed.lasts_us, off_us or line.off_us)
        if line.last_us is not None and at_us > line.last_us:
            line.steps_us.append(at_us - line.last_us)
        line.last_us, line.raw_us = at_us, raw_us
        line.end_us = at_us + line.pace_us(timed.lasts_us)
        line.stands = line.stands and bool(off_us)
        timed.order_us = at_us + self._origin_us
        self._end_us = max(self._end_us, at_us + offset_us + timed.lasts_us)

    def _likely_offset(self, line: _Line, timed: Timed, at_us: int, own_us: int | None) -> int:
        """Return how long after its decoding a picture with a wrong time is shown: as it says, or when no other one is."""
        shown_us = [*line.shown_us, *(one.shown_us + line.shift_us for one in line.waiting if one.shown_us is not None)]

        def distance_us(offset_us: int) -> int:
            return min((abs(at_us + offset_us - one) for one in shown_us), default=0)

        if own_us is not None and (line.stands or distance_us(own_us) >= line.pace_us(timed.lasts_us) // 2):
            return own_us
        return max(set(line.offsets_us) or {0}, key=lambda offset_us: (distance_us(offset_us), -offset_us))


def _raw(timed: Timed) -> int:
    assert timed.order_us is not None, "only those with a time are judged"
    return timed.order_us
