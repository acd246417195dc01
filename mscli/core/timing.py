"""The times of a device's frames: replace those that cannot be true, find missing frames, and make filler frames.

**Stamps.** A source stamps its frames by a clock. That clock may be a different one (the time of day, or the device's own), and
it may stop, step, jump or run at a wrong rate. A stamp is trusted if it is later than the previous frame and not later than the
frame's arrival. Otherwise:

- the frame gets its smoothed arrival time, minus the delay measured from trusted stamps;
- a stamp slightly before the last frame is a glitch, and its clock stays trusted;
- a clock at a constant distance from ours is trusted after subtracting that distance;
- a clock at another rate is trusted after subtracting what it is off, once that is known (``mscli.core.drift``);
- a clock by which frames come later and later, steadily, is slow and not trusted.

Whatever the input, the output times rise, and none is more than ``early_us`` after the frame's arrival.

**Gaps** are frames that a device should have delivered but did not, and that its sequence numbers do not account for.
Timestamps of video frames jitter, and a camera slows down in the dark. So a video gap is a distance of more than LONG times the
nominal one, and also of the distances before and after: a longer distance that stays is a new rate. A video gap is therefore
known one frame later, or at the end of a burst that follows, because frames in a burst were late, not lost. A sound gap is one
that is longer than the jitter of audio blocks.

**Filler frames** are black or silence in place of missing frames, with the shape, rate and timing of real ones.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from math import ceil

from mscli.core.clock import MICROSECONDS
from mscli.core.codecs import VIDEO_CODECS
from mscli.core.drift import Drift
from mscli.core.frames import AudioMedia, EncodedVideoChunk, Frame, Media, VideoFrame, blank_outline
from mscli.core.limits import CLOSE_US, SLOW_FRAMES
from mscli.core.tuples import NamedTuple

# When a frame was captured

EARLY_US = 100_000  # how far a stamp may be after the arrival: drivers compute it from another clock
LATE_US = MICROSECONDS  # how long after its stamp a frame may arrive, or SLOW_FRAMES frame durations if that is longer
STALE_US = MICROSECONDS  # if all frames are later than that for this long, the clock is slow; no queue is being drained
# a clock is slow, too, if frames have come later and later, steadily: by this many frames' distances, at least SLOWER_US
SLOWER_FRAMES = 8  # more than drivers have buffers, which a slow reader finds more and more filled
SLOWER_AT_PACE = 2  # if frames come at their nominal pace, because then no reader is slow
STRAIGHT_FRAMES = 4  # the least that make a straight line
SLOWER_US = 250_000
LEAST_SLOWNESS = 0.03  # how much of the time the clock lags behind at least
STRAIGHT = 1 / 8  # how far arrivals and delays may be off a straight line, as shares of all of it
MOST_LAGS = 512  # frames that are looked back on
REPEATS = 1  # how often a stamp may repeat before its clock counts as stopped
SHORTEST_US, LONGEST_US = 1000, 60 * MICROSECONDS  # bounds for a frame's stated duration

# a clock is trusted after this many frames at a constant distance; after an error it needs more
STEADY_FRAMES, MOST_FRAMES = 4, 64
SPREAD_US = 50_000  # the scatter of arrivals: how much a constant distance may appear to vary
BACK, FORTH = 0.05, 0.005  # fractions of a frame duration by which the distance follows growth and shrinkage
ARRIVAL_GAP_US = 250_000  # an arrival that is later than expected by more follows a gap; otherwise only the arrival is late
GAIN, LEARN = 0.25, 0.05  # smoothing factors: for the next time, and for the distance between frames

LOST_SLACK_US = 250_000
LOST_FACTOR = 2  # a device may be twice as fast as it claims


class Stamps:
    """The capture times of one source's frames, starting at ``begin_us``, before which nothing can have been captured.

    All times are in microseconds on the clock that measures arrivals.
    """

    def __init__(self, begin_us: int, early_us: int = EARLY_US) -> None:
        self._early_us = early_us
        self._last_us = begin_us - early_us  # the time of the last frame
        self._begun = False
        self._lasts_us = 0  # the last frame's stated duration
        self._pace = 1.0  # the actual distance between frames, as a multiple of their stated duration
        self._stamp_us: int | None = None  # the last frame's stamp
        self._repeats = 0  # of that stamp
        self._distance_us: int | None = 0  # how far the source's clock is ahead of ours; None: not trusted
        self._distances: deque[int] = deque(maxlen=MOST_FRAMES)  # from arrival to stamp, for a clock other than ours
        self._needed = STEADY_FRAMES
        self._drift = Drift()
        self._base_us = 0  # the delay from capture to arrival, if the clock drifts
        self._delays: deque[int] = deque(maxlen=MOST_FRAMES)  # from stamp to arrival, while stamps are trusted unchanged
        self._stale_since_us: int | None = None
        self._lags: deque[tuple[int, int]] = deque(
            maxlen=MOST_LAGS
        )  # arrival, and how long after capture, since it was shortest
        self.leapt = False  # whether the latest time says nothing of the distance to the one before

    def place(self, stamp_us: int, arrival_us: int, lasts_us: int) -> int:
        """Return the capture time of a frame with this stamp. Frames must be passed in order.

        ``arrival_us``: the latest time at which its capture can have begun. ``lasts_us``: its nominal duration.
        """
        lasts_us = min(max(lasts_us, SHORTEST_US), LONGEST_US)
        self._repeats = self._repeats + 1 if stamp_us == self._stamp_us else 0
        self._stamp_us, self.leapt = stamp_us, False
        placed_us = self._by_stamp(stamp_us, arrival_us, lasts_us)
        if placed_us is None:
            placed_us = self._by_arrival(arrival_us)
        self._last_us, self._lasts_us, self._begun = placed_us, lasts_us, True
        return placed_us

    @property
    def slow(self) -> float:
        """Return by which share of the time the clock is slow, if that is taken out, or 0."""
        return self._drift.rate if self._drift.is_steady else 0.0

    def _by_stamp(self, stamp_us: int, arrival_us: int, lasts_us: int) -> int | None:
        """Return the time by the source's clock, or None if that clock is not trusted."""
        if self._distance_us is not None:
            placed_us = self._by_believed_clock(stamp_us, arrival_us, lasts_us)
            if placed_us is not None:
                return placed_us
        if not self.leapt and self._fits(stamp_us, arrival_us) and arrival_us - stamp_us <= _late_us(lasts_us):
            self._distance_us = 0
            self._distances.clear()
            return stamp_us
        if self._distance_us is not None:
            self._distrust()
        return self._by_steady_distance(stamp_us, arrival_us)

    def _by_believed_clock(self, stamp_us: int, arrival_us: int, lasts_us: int) -> int | None:
        assert self._distance_us is not None, "it is believed"
        was_steady = self._drift.is_steady
        self._drift.note(arrival_us, arrival_us - stamp_us, lasts_us)
        if self._drift.is_steady and not was_steady:
            self._base_us = self._delay_us if self._distance_us else self._drift.begin_us
        if self._distance_us or self._drift.is_steady:
            self._follow(stamp_us, arrival_us, lasts_us)
        own_us = stamp_us - self._distance_us
        lag_us = arrival_us - own_us
        if self._is_stale(arrival_us, lag_us > _late_us(lasts_us)) or self._is_slow(arrival_us, lag_us, lasts_us):
            self.leapt = True
            return None
        if self._fits(own_us, arrival_us):
            if not self._distance_us:
                self._delays.append(arrival_us - own_us)
            return own_us
        glitch = self._begun and self._last_us - self._early_us < own_us <= self._last_us and self._repeats <= REPEATS
        return self._by_arrival(arrival_us) if glitch else None

    def _fits(self, at_us: int, arrival_us: int) -> bool:
        """Return whether a time is after the last frame and not after the arrival."""
        return self._last_us < at_us <= arrival_us + self._early_us

    def _is_stale(self, arrival_us: int, late: bool) -> bool:
        """Return whether frames have been late for longer than draining a queue takes."""
        if not late:
            self._stale_since_us = None
        elif self._stale_since_us is None:
            self._stale_since_us = arrival_us
        stale = self._stale_since_us is not None and arrival_us - self._stale_since_us > STALE_US
        if stale:
            self._delays.clear()  # those were not delays
        return stale

    def _is_slow(self, arrival_us: int, lag_us: int, lasts_us: int) -> bool:
        """Return whether frames have come later and later, in a straight line, for longer than a queue fills.

        If they came at their nominal pace, no queue fills: by a right clock, none came later than the one before.
        """
        lags = self._lags
        if lags and lag_us <= lags[0][1]:
            lags.clear()
        lags.append((arrival_us, lag_us))
        (begin_us, least_us), count = lags[0], len(lags)
        took_us, behind_us = arrival_us - begin_us, lag_us - least_us
        if count < STRAIGHT_FRAMES:
            return False
        at_pace = took_us <= (1 + LEAST_SLOWNESS / 2) * lasts_us * (count - 1)
        frames = SLOWER_AT_PACE if at_pace else SLOWER_FRAMES
        if count < frames or behind_us < max(SLOWER_US, LEAST_SLOWNESS * took_us, frames * took_us / (count - 1)):
            return False
        for number, (at_us, by_us) in enumerate(lags):
            share = number / (count - 1)
            if abs(at_us - begin_us - share * took_us) > STRAIGHT * took_us:
                return False
            if abs(by_us - least_us - share * behind_us) > STRAIGHT * behind_us:
                return False
        if not self._distance_us:
            self._delays = deque([max(0, least_us)], MOST_FRAMES)
        self._needed = MOST_FRAMES
        return True

    def _distrust(self) -> None:
        """Stop trusting the clock. If its distance was not constant, require a longer steady period next time."""
        if self._distance_us:
            self._needed = min(2 * self._needed, MOST_FRAMES)
        self._distance_us = self._stale_since_us = None
        self._drift.forget()
        self._distances.clear()
        self._lags.clear()

    def _by_steady_distance(self, stamp_us: int, arrival_us: int) -> int | None:
        """Return the time by a clock that has kept a constant distance, and trust that clock from now on."""
        self._distances.append(stamp_us - arrival_us)
        furthest_us = max(self._distances)
        if len(self._distances) < self._needed or furthest_us - min(self._distances) > SPREAD_US:
            return None
        distance_us = furthest_us + self._delay_us
        own_us = stamp_us - distance_us
        if not self._fits(own_us, arrival_us):
            return None
        self._distance_us = distance_us
        return own_us

    def _follow(self, stamp_us: int, arrival_us: int, lasts_us: int) -> None:
        """Follow a clock that drifts: at its rate, if that is known, without a step that can be noticed.

        A frame may arrive late but never early, so the largest distance counts.
        """
        assert self._distance_us is not None, "it is believed"
        self._distances.append(stamp_us - arrival_us)
        if self._drift.is_steady:
            off_us = self._base_us - self._drift.late_us(arrival_us) - self._distance_us
            back = forth = BACK + abs(self._drift.rate)
        else:
            off_us = max(self._distances) + self._delay_us - self._distance_us
            back, forth = BACK, FORTH
        self._distance_us += max(-round(forth * lasts_us), min(off_us, round(back * lasts_us)))

    @property
    def _delay_us(self) -> int:
        """Return the shortest delay between capture and arrival, as measured from trusted stamps."""
        return max(0, min(self._delays, default=0))

    def _by_arrival(self, arrival_us: int) -> int:
        """Return the capture time if the frame had the usual delay. A small lateness moves it only by GAIN."""
        at_us, step_us = arrival_us - self._delay_us, self._lasts_us * self._pace
        off_us = at_us - (self._last_us + step_us)
        if not self._begun or self.leapt or abs(off_us) > max(ARRIVAL_GAP_US, step_us):
            return self._after_last(at_us, arrival_us)
        self._pace += LEARN * max(-1.0, min(off_us / step_us, 1.0)) * self._pace
        return self._after_last(round(at_us - (1 - GAIN) * off_us), arrival_us)

    def _after_last(self, wanted_us: int, arrival_us: int) -> int:
        """Return the time closest to ``wanted_us`` that is after the last frame and not long after the arrival."""
        close_us = min(max(wanted_us, self._last_us + CLOSE_US), arrival_us + self._early_us)
        return max(close_us, self._last_us + 1)


def _late_us(lasts_us: int) -> int:
    """Return how long after its stamp a frame may arrive."""
    return max(LATE_US, SLOW_FRAMES * lasts_us)


def can_be_lost(count: int, elapsed_us: int, per_second: float) -> bool:
    """Return whether a device of this rate can have lost this many frames or samples in this time.

    If not, its numbering has restarted and the count is meaningless.
    """
    return count <= LOST_FACTOR * per_second * (max(0, elapsed_us) + LOST_SLACK_US) / MICROSECONDS


# Missing frames

LEAST_MISSING = 2  # one missing frame looks like a slow exposure
LONG = LEAST_MISSING + 0.5
REGULAR = 0.9  # a distance of at least this share of the usual one ends a burst of late frames
MOST_LATE = 60  # frames of a burst, and as many before: two seconds
SOUND_GAP_US = 15_000  # from the end of an audio block to the start of the next: more than blocks jitter


class Gaps:
    """A detector of missing frames for one device since its start. All frames must be noted, in order.

    A device that reconnects counts from 0 again. Filler frames are noted too, because what they replace is not missing.
    """

    def __init__(self) -> None:
        self._last_us: int | None = None  # ``order_us`` of the latest video frame, or the end of the latest audio block
        self._next_sequence = 0
        self._steps: deque[_Interval] = deque(maxlen=3)
        self._count = 0  # of frames, with those that are missing
        self._before: deque[tuple[int, int]] = deque(
            maxlen=2 * MOST_LATE
        )  # the times of the latest frames, and ``_count`` then
        self._burst: _LateFrames | None = None  # the frames behind a gap that may have been late only

    def leap(self) -> None:
        """Take nothing for missing before the next frame, because the last one had a wrong time."""
        self._last_us = self._burst = None
        self._steps.clear()
        self._before.clear()

    def note(self, frame: Media, rate: float) -> int:
        """Return how many frames, or samples per channel, are newly known to be missing and were not numbered by the device.

        ``rate``: the nominal rate of video frames, per second.
        """
        last_us, begin_us = self._last_us, frame.order_us
        known = max(0, frame.sequence - self._next_sequence)
        per_second = frame.sample_rate if isinstance(frame, AudioMedia) else rate
        if last_us is not None and not can_be_lost(known, begin_us - last_us, per_second):
            known = 0  # the device has restarted its numbering
        self._next_sequence = frame.sequence + frame.count
        self._last_us = begin_us + frame.lasts_us if isinstance(frame, AudioMedia) else begin_us
        if isinstance(frame, AudioMedia):
            return 0 if last_us is None else _samples(begin_us - last_us, known, frame.sample_rate)
        if last_us is None:
            self._before.append((begin_us, self._count))
            return 0
        step_us = begin_us - last_us
        self._steps.append(_Interval(step_us, known, step_us / (1 + known)))
        self._count += 1 + known
        missing = self._pictures(begin_us, MICROSECONDS / rate)
        self._before.append((begin_us, self._count))
        return missing

    def _pictures(self, at_us: int, nominal_us: float) -> int:
        """Return how many frames are newly known to be missing, now that there is one at ``at_us``."""
        burst = self._burst
        if burst is not None:
            burst.note(self._steps[-1])
            if not burst.over:
                return 0
            self._burst = None
            return self._missing(burst.missing, at_us, nominal_us, burst.count - 1)
        if len(self._steps) < 3:
            return 0
        before, step, after = self._steps
        usual_us = max(nominal_us, before.each_us, after.each_us)
        if step.each_us <= LONG * usual_us:
            return 0
        if after.each_us < REGULAR * usual_us:
            self._burst = _LateFrames(usual_us, step, after)
            return 0
        return self._missing(round(step.us / usual_us) - 1 - step.known, at_us, nominal_us, 1)

    def _missing(self, most: int, at_us: int, nominal_us: float, behind: int) -> int:
        """Count the missing frames: as many as there was time for. ``behind``: how many frames came since the gap."""
        after = [self._before.pop() for _ in range(behind)]
        missing = min(most, self._room(at_us, nominal_us))
        missing = missing if missing >= LEAST_MISSING else 0
        self._count += missing
        self._before.extend((then_us, then + missing) for then_us, then in reversed(after))
        return missing

    def _room(self, at_us: int, nominal_us: float) -> int:
        """Return how many frames can be missing, by how many have come since each of the latest ones before the gap.

        Times that scatter leave distances without a frame, and have others with too many.
        """
        begin_us, count = self._before[0]
        each_us = min(nominal_us, (at_us - begin_us) / max(1, self._count - count))
        return max(0, round(min((at_us - then_us) / each_us - (self._count - then) for then_us, then in self._before)))


class _Interval(NamedTuple):
    """The distance between two video frames. ``known``: the frames that the device numbered but did not deliver."""

    us: int
    known: int
    each_us: float  # per frame


class _LateFrames:
    """Frames at short distances behind a gap. They may be those that seemed to be missing: late, not lost.

    ``count``: the distances so far, with that of the gap.
    """

    def __init__(self, usual_us: float, *steps: _Interval) -> None:
        self.count = 0
        self.over = False
        self._usual_us = usual_us
        self._missing_us = 0.0
        for step in steps:
            self.note(step)

    def note(self, step: _Interval) -> None:
        """Note the next distance. A regular one ends the burst, and so does a frame without which none is missing."""
        self.count += 1
        self._missing_us += step.us - (1 + step.known) * self._usual_us
        is_regular = REGULAR * self._usual_us <= step.each_us <= LONG * self._usual_us
        self.over = is_regular or self._missing_us <= 0 or self.count >= MOST_LATE

    @property
    def missing(self) -> int:
        """Return how many frames are missing, by the distances."""
        return max(0, round(self._missing_us / self._usual_us))


def _samples(gap_us: int, known: int, rate: int) -> int:
    """Return the missing samples of a sound gap, without the known ones."""
    missing = gap_us * rate / MICROSECONDS - known
    return round(missing) if missing * MICROSECONDS > SOUND_GAP_US * rate else 0


# Filler frames


class Filler:
    """A generator of frames without planes or data, which stand for black or silence."""

    def __init__(self) -> None:
        self._shape: Frame | None = None
        self._next_us = 0.0  # the time of the next filler frame
        self._made_us = 0.0  # the end of the last one
        self._last_us = 0  # the latest capture time of the device's frames

    def imitate(self, media: Media) -> None:
        """Generate frames like this one from now on; for a chunk, frames like the encoded picture."""
        self._shape = blank_outline(media)

    @property
    def has_shape(self) -> bool:
        """Return whether there was a frame to imitate."""
        return self._shape is not None

    def begin(self, at_us: int) -> None:
        """Put the first filler frame at ``at_us``, unless one covers that time already."""
        self._next_us = max(self._next_us, at_us)

    def frames(self, until_us: int, rate: float, sequence: int) -> Iterator[Frame]:
        """Yield the frames that end by ``until_us``, at ``rate`` per second for video, if there was a frame to imitate."""
        if self._shape is None:
            return
        pace_us = _pace_us(self._shape, rate)
        self._next_us = max(self._next_us, self._last_us + pace_us)
        while self._next_us + pace_us <= until_us:
            yield replace(self._shape, timestamp=round(self._next_us), sequence=sequence)
            self._next_us += pace_us
            self._made_us = self._next_us

    def place(self, frame: Media) -> Media | None:
        """Return the device's frame or chunk, or None if a filler frame has taken its time.

        A chunk that others depend on cannot be dropped, so it is decoded just after the filler.
        """
        if frame.order_us < self._made_us:
            if not isinstance(frame, EncodedVideoChunk) or VIDEO_CODECS[frame.codec].intra:
                return None
            frame = replace(frame, timestamp=ceil(self._made_us) + frame.reorder_us)
            self._made_us += CLOSE_US
        self._last_us = max(self._last_us, frame.timestamp)
        return frame


def _pace_us(frame: Frame, rate: float) -> float:
    if isinstance(frame, VideoFrame):
        return MICROSECONDS / rate
    return frame.number_of_frames * MICROSECONDS / frame.sample_rate
